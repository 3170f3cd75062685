package lint

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Sleeps reports waiting by the clock in tests. In virtual time (sim_test.go, or inside synctest.Test) a sleep is exact
// and costs nothing, so there it is fine.
func Sleeps(t *Tree) []Problem {
	var out []Problem
	for _, f := range t.Files {
		clock := f.imports("time")
		if !f.Test || clock == "" || strings.Contains(f.Tags, "synctests") || path.Base(f.Path) == "sim_test.go" {
			continue
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			x, name, ok := callee(call)
			if ok && x == "synctest" {
				return false
			}
			if ok && x == clock && name == "Sleep" {
				out = append(out, f.at(call, "time.Sleep in a test: wait for what it waits for"))
			}
			return true
		})
	}
	return out
}

var (
	environment = regexp.MustCompile(`\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b`)
	system      = regexp.MustCompile(`\b(root|GOOS|-short|windows|darwin|system|mount|user namespace)\b`)
)

// Skips reports tests that step aside without saying which variable, flag or system makes them run.
func Skips(t *Tree) []Problem {
	var out []Problem
	for _, f := range t.Files {
		if f.Test {
			ast.Walk(skips{f: f, out: &out, testing: f.imports("testing")}, f.AST)
		}
	}
	return out
}

// skips walks one file. It knows which names stand for a testing.T, B, F or TB where it is: the Skip of a rapid.T
// discards a draw, and other things have a method of that name too.
type skips struct {
	f       *File
	out     *[]Problem
	testing string
	tester  string // the parameter of the nearest function that has one
}

func (v skips) Visit(n ast.Node) ast.Visitor {
	switch n := n.(type) {
	case *ast.FuncDecl:
		v.enter(n.Type)
	case *ast.FuncLit:
		v.enter(n.Type)
	case *ast.CallExpr:
		x, name, ok := callee(n)
		if !ok || x == "" || x != v.tester || !slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, name) {
			break
		}
		if words := v.words(n); !environment.MatchString(words) && !system.MatchString(words) {
			*v.out = append(*v.out, v.f.at(n, "%s without the variable that makes the test run", name))
		}
	}
	return v
}

func (v *skips) enter(fn *ast.FuncType) {
	for _, field := range fn.Params.List {
		typ := field.Type
		if star, ok := typ.(*ast.StarExpr); ok {
			typ = star.X
		}
		sel, ok := typ.(*ast.SelectorExpr)
		for _, name := range field.Names {
			switch {
			case ok && isIdent(sel.X, v.testing):
				v.tester = name.Name
			case name.Name == v.tester: // hidden by another thing of that name
				v.tester = ""
			}
		}
	}
}

// words returns the texts among the arguments of a call, those of constants too.
func (v *skips) words(call *ast.CallExpr) string {
	var words string
	for _, a := range call.Args {
		ast.Inspect(a, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				words += " " + literal(n)
			case *ast.Ident:
				words += " " + constant(v.f.tree, v.f, n.Name)
			}
			return true
		})
	}
	return words
}

// constant returns the text of a constant of f's package, or "".
func constant(t *Tree, f *File, name string) string {
	for _, g := range t.Files {
		if g.Dir != f.Dir {
			continue
		}
		for _, d := range g.AST.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range gen.Specs {
				v, ok := spec.(*ast.ValueSpec)
				if ok && len(v.Values) == 1 && v.Names[0].Name == name {
					return literal(v.Values[0])
				}
			}
		}
	}
	return ""
}

// Assertions reports assertion libraries: a test says what it got, what it wanted and for which input.
func Assertions(t *Tree) []Problem {
	var out []Problem
	for _, f := range t.Files {
		for _, spec := range f.AST.Imports {
			p := literal(spec.Path)
			if strings.HasPrefix(p, "github.com/stretchr/testify") || strings.HasPrefix(p, "github.com/onsi/") || strings.HasPrefix(p, "gotest.tools") {
				out = append(out, f.at(spec, "imports %s: use testing and go-cmp", p))
			}
		}
	}
	return out
}

// Metrics reports packages with a metrics.go whose tests do not compare them with docs/METRICS.md.
func Metrics(t *Tree) []Problem {
	var out []Problem
	names, files := t.dirs()
	for _, dir := range names {
		var metrics *File
		checked := false
		for _, f := range files[dir] {
			if path.Base(f.Path) == "metrics.go" {
				metrics = f
			}
			if f.Test {
				f.calls(func(call *ast.CallExpr) {
					x, name, ok := callee(call)
					checked = checked || ok && x == "testkit" && name == "CheckMetrics"
				})
			}
		}
		if metrics != nil && !checked {
			out = append(out, Problem{Path: metrics.Path, Text: "no test calls testkit.CheckMetrics on these metrics"})
		}
	}
	return out
}
