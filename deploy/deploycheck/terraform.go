package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/terraform-config-inspect/tfconfig"
)

// checkTerraform reads the module as Terraform's tools do, wants every name in an expression to be declared, and for each role of a process
// a policy with the rights that its calls of internal/blob need, as docs/OPERATING.md says them: no fewer, no more.
func checkTerraform(dir, blob string, known settings) error {
	module, diags := tfconfig.LoadModule(dir)
	if diags.HasErrors() {
		return fmt.Errorf("%s: %w", dir, diags)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.tf"))
	if err != nil {
		return err
	}
	w := &walker{module: module, locals: map[string]bool{}, rights: map[string][]string{}}
	var bodies []*hclsyntax.Body
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, diags := hclsyntax.ParseConfig(text, path, hcl.InitialPos)
		if diags.HasErrors() {
			return diags
		}
		bodies = append(bodies, f.Body.(*hclsyntax.Body)) // what this parser always gives
	}
	for _, b := range bodies {
		w.findLocals(b)
	}
	for _, b := range bodies {
		w.body(b)
	}
	if len(bodies) == 0 {
		return fmt.Errorf("%s: no files", dir)
	}
	return errors.Join(append(w.errs, w.compareRights(dir, blob, known))...)
}

// walker goes through all expressions of a module.
type walker struct {
	module *tfconfig.Module
	locals map[string]bool
	rights map[string][]string // by the name of their document
	errs   []error
}

func (w *walker) findLocals(b *hclsyntax.Body) {
	for _, block := range b.Blocks {
		if block.Type == "locals" {
			for name := range block.Body.Attributes {
				w.locals[name] = true
			}
		}
	}
}

func (w *walker) body(b *hclsyntax.Body) {
	for _, a := range b.Attributes {
		for _, t := range a.Expr.Variables() {
			if !w.declared(t) {
				w.errs = append(w.errs, fmt.Errorf("%s: nothing declares %s", a.SrcRange, words(t)))
			}
		}
	}
	for _, block := range b.Blocks {
		if block.Type == "variable" || block.Type == "terraform" {
			continue // types and constraints: tfconfig has read them
		}
		if block.Type == "data" && len(block.Labels) == 2 && block.Labels[0] == "aws_iam_policy_document" && block.Labels[1] != "bucket" {
			w.findRights(block.Labels[1], block.Body)
		}
		w.body(block.Body)
	}
}

func words(t hcl.Traversal) string {
	var parts []string
	for _, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			parts = append(parts, s.Name)
		case hcl.TraverseAttr:
			parts = append(parts, s.Name)
		}
	}
	return strings.Join(parts, ".")
}

func (w *walker) declared(t hcl.Traversal) bool {
	parts := append(strings.Split(words(t), "."), "", "")
	switch parts[0] {
	case "each", "count", "self", "path", "terraform":
		return true
	case "var":
		return w.module.Variables[parts[1]] != nil
	case "local":
		return w.locals[parts[1]]
	case "data":
		return w.module.DataResources["data."+parts[1]+"."+parts[2]] != nil
	}
	return w.module.ManagedResources[parts[0]+"."+parts[1]] != nil
}

func (w *walker) findRights(role string, b *hclsyntax.Body) {
	for _, block := range b.Blocks {
		a := block.Body.Attributes["actions"]
		if block.Type != "statement" || a == nil {
			continue
		}
		v, diags := a.Expr.Value(nil)
		if diags.HasErrors() {
			w.errs = append(w.errs, diags)
			continue
		}
		for _, action := range v.AsValueSlice() {
			w.rights[role] = append(w.rights[role], action.AsString())
		}
	}
}

var call = regexp.MustCompile(`s3\.(\w+)Input\{`)

// right is what AWS wants for a call.
func right(call string) string {
	switch call {
	case "GetObject", "HeadObject":
		return "s3:GetObject"
	case "PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload":
		return "s3:PutObject"
	case "ListObjectsV2":
		return "s3:ListBucket"
	}
	return "s3:" + call
}

// writing and removing are the roles that do more with the store than read it, as rights of cmd/tidemark has it.
var (
	writing  = []string{"ingest", "schedule", "build"}
	removing = []string{"schedule"}
)

// has reports whether a role makes the calls that want a right.
func has(role, right string) bool {
	switch right {
	case "s3:GetObject", "s3:ListBucket":
		return true
	case "s3:DeleteObject":
		return slices.Contains(removing, role)
	}
	return slices.Contains(writing, role)
}

func (w *walker) compareRights(dir, blob string, known settings) error {
	paths, err := filepath.Glob(filepath.Join(blob, "s3*.go"))
	if err != nil {
		return err
	}
	var calls []string
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range call.FindAllStringSubmatch(string(text), -1) {
			calls = append(calls, right(m[1]))
		}
	}
	slices.Sort(calls)
	if calls = slices.Compact(calls); len(calls) == 0 {
		return fmt.Errorf("%s: no calls of S3 found", blob)
	}
	var errs []error
	for _, role := range known.roles {
		need := slices.DeleteFunc(slices.Clone(calls), func(right string) bool { return !has(role, right) })
		given := slices.Sorted(slices.Values(w.rights[role]))
		if !slices.Equal(need, given) {
			errs = append(errs, fmt.Errorf("%s: data.aws_iam_policy_document.%s gives %v, the role %[2]s needs %[4]v for the calls of %[5]s", dir, role, given, need, blob))
		}
		if said := slices.Sorted(slices.Values(known.rights[role])); !slices.Equal(said, need) {
			errs = append(errs, fmt.Errorf("docs/OPERATING.md: role %s is said to need %v, it needs %v", role, said, need))
		}
	}
	for name := range w.rights {
		if !slices.Contains(known.roles, name) {
			errs = append(errs, fmt.Errorf("%s: data.aws_iam_policy_document.%s: tidemark has no such role", dir, name))
		}
	}
	return errors.Join(errs...)
}
