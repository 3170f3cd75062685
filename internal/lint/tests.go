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
	system      = regexp.MustCompile(`\b(root|GOOS|-short|windows|darwin)\b`)
)

// Skips reports tests that step aside without saying which variable, flag or system makes them run.
func Skips(t *Tree) []Problem {
	var out []Problem
	for _, f := range t.Files {
		if !f.Test {
			continue
		}
		f.calls(func(call *ast.CallExpr) {
			_, name, ok := callee(call)
			if !ok || !slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, name) {
				return
			}
			var words string
			for _, a := range call.Args {
				ast.Inspect(a, func(n ast.Node) bool {
					switch n := n.(type) {
					case *ast.BasicLit:
						words += " " + literal(n)
					case *ast.Ident:
						words += " " + constant(t, f, n.Name)
					}
					return true
				})
			}
			if !environment.MatchString(words) && !system.MatchString(words) {
				out = append(out, f.at(call, "%s without the variable that makes the test run", name))
			}
		})
	}
	return out
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
