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

// State reports what hides state from the reader: init functions and contexts kept in a struct.
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
			case *ast.StructType:
				for _, field := range n.Fields.List {
					if sel, ok := field.Type.(*ast.SelectorExpr); ok && ctx != "" && sel.Sel.Name == "Context" && isIdent(sel.X, ctx) {
						out = append(out, f.at(field, "context in a struct: it is the first parameter, never a field"))
					}
				}
			}
			return true
		})
	}
	return out
}

func isIdent(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}
