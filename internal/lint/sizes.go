package lint

import (
	"fmt"
	"go/ast"
	"go/token"
)

// FileSizes reports files that are too long to be read in one go.
func FileSizes(t *Tree) []Problem {
	var out []Problem
	for _, f := range t.Files {
		limit := maxSourceLines
		if f.Test {
			limit = maxTestLines
		}
		if f.Lines > limit {
			out = append(out, f.at(f.AST.Name, "%d lines, at most %d: split it by what it decides", f.Lines, limit))
		}
	}
	return out
}

// FunctionSizes reports functions that are too long or take too many parameters.
func FunctionSizes(t *Tree) []Problem {
	var out []Problem
	for _, f := range t.Files {
		for _, d := range f.AST.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := f.line(fn.End()) - f.line(fn.Pos()) + 1; n > maxFunctionLines {
				out = append(out, f.at(fn, "%s has %d lines, at most %d", fn.Name.Name, n, maxFunctionLines))
			}
			if n := fn.Type.Params.NumFields(); n > maxParameters && manyParameters[f.Dir+"."+fn.Name.Name] < n {
				out = append(out, f.at(fn, "%s has %d parameters, at most %d, then a struct", fn.Name.Name, n, maxParameters))
			}
		}
	}
	return out
}

// Interfaces reports interfaces with too many methods. An embedded interface counts as one.
func Interfaces(t *Tree) []Problem {
	var out []Problem
	for _, f := range t.Files {
		ast.Inspect(f.AST, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if it, ok := spec.Type.(*ast.InterfaceType); ok && len(it.Methods.List) > maxMethods {
				out = append(out, f.at(spec, "interface %s has %d methods, at most %d: what only some can do is a second interface",
					spec.Name.Name, len(it.Methods.List), maxMethods))
			}
			return true
		})
	}
	return out
}

// Exported reports packages that export too many names. Methods are not counted.
func Exported(t *Tree) []Problem {
	var out []Problem
	names, files := t.dirs()
	for _, dir := range names {
		limit, ok := manyExported[dir]
		if !ok {
			limit = maxExported
		}
		n := 0
		for _, f := range files[dir] {
			if !f.Test {
				n += exportedNames(f.AST)
			}
		}
		if n > limit {
			out = append(out, Problem{Path: dir, Text: fmt.Sprintf("exports %d names, at most %d (30 is the aim)", n, limit)})
		}
	}
	return out
}

func exportedNames(f *ast.File) (n int) {
	count := func(ids ...*ast.Ident) {
		for _, id := range ids {
			if id.IsExported() {
				n++
			}
		}
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				count(d.Name)
			}
		case *ast.GenDecl:
			if d.Tok == token.IMPORT {
				continue
			}
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					count(s.Name)
				case *ast.ValueSpec:
					count(s.Names...)
				}
			}
		}
	}
	return n
}
