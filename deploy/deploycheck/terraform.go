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

// checkTerraform reads the module as Terraform's tools do, wants every name in an expression to be declared, and the rights on
// the bucket to be those that the calls of internal/blob need: no fewer, no more.
func checkTerraform(dir, blob string) error {
	module, diags := tfconfig.LoadModule(dir)
	if diags.HasErrors() {
		return fmt.Errorf("%s: %w", dir, diags)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.tf"))
	if err != nil {
		return err
	}
	w := &walker{module: module, locals: map[string]bool{}}
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
	return errors.Join(append(w.errs, w.compareRights(dir, blob))...)
}

// walker goes through all expressions of a module.
type walker struct {
	module *tfconfig.Module
	locals map[string]bool
	rights []string
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
		if block.Type == "data" && slices.Equal(block.Labels, []string{"aws_iam_policy_document", "store"}) {
			w.findRights(block.Body)
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

func (w *walker) findRights(b *hclsyntax.Body) {
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
			w.rights = append(w.rights, action.AsString())
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

func (w *walker) compareRights(dir, blob string) error {
	paths, err := filepath.Glob(filepath.Join(blob, "s3*.go"))
	if err != nil {
		return err
	}
	var need []string
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range call.FindAllStringSubmatch(string(text), -1) {
			need = append(need, right(m[1]))
		}
	}
	slices.Sort(need)
	slices.Sort(w.rights)
	if need = slices.Compact(need); len(need) == 0 || !slices.Equal(need, w.rights) {
		return fmt.Errorf("%s: data.aws_iam_policy_document.store gives %v, %s calls for %v", dir, w.rights, blob, need)
	}
	return nil
}
