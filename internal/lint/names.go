package lint

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
)

var invariant = regexp.MustCompile(`(?m)^\s*- [A-Z]+\d+: `)

// Packages reports packages whose name says nothing, and packages without a doc.go that tells what they decide and
// numbers their invariants.
func Packages(t *Tree) []Problem {
	var out []Problem
	names, files := t.dirs()
	for _, dir := range names {
		var doc *File
		sources := 0
		for _, f := range files[dir] {
			if !f.Test {
				sources++
			}
			if path.Base(f.Path) == "doc.go" {
				doc = f
			}
		}
		if slices.Contains(badPackages, path.Base(dir)) {
			out = append(out, Problem{Path: dir, Text: "the name says nothing: name what it decides"})
		}
		switch {
		case sources == 0:
		case doc == nil || doc.AST.Doc == nil:
			out = append(out, Problem{Path: dir, Text: "no doc.go with a package comment"})
		case !invariant.MatchString(doc.AST.Doc.Text()):
			out = append(out, Problem{Path: doc.Path, Text: "no invariant with a number (a line such as \"- S1: ...\")"})
		}
	}
	return out
}

// State reports what hides state from the reader: init functions and contexts kept in a struct. An unexported struct that
// lives for one call, such as an io.Reader over a request, may hold the call's context if a comment beside it says so.
func State(t *Tree) []Problem {
	var out []Problem
	for _, f := range t.Files {
		ctx := f.imports("context")
		ast.Inspect(f.AST, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "init" {
					out = append(out, f.at(n, "init function: do it in a constructor"))
				}
			case *ast.TypeSpec:
				out = append(out, contextFields(f, n, ctx)...)
			}
			return true
		})
	}
	return out
}

func contextFields(f *File, spec *ast.TypeSpec, ctx string) []Problem {
	var out []Problem
	st, ok := spec.Type.(*ast.StructType)
	if !ok || ctx == "" {
		return nil
	}
	for _, field := range st.Fields.List {
		sel, ok := field.Type.(*ast.SelectorExpr)
		if !ok || sel.Sel.Name != "Context" || !isIdent(sel.X, ctx) {
			continue
		}
		if spec.Name.IsExported() || field.Comment == nil {
			out = append(out, f.at(field, "context in a struct: it is the first parameter, never a field"))
		}
	}
	return out
}

func isIdent(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}
