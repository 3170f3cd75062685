package lint

import (
	"go/ast"
	"slices"
	"strings"
)

// Imports reports imports of ours that the map does not allow. Inside one row imports are free. A test inside its
// package keeps to the row too, but may use faultblob and the generator of events; a test from outside (package x_test) may import all but programs.
func Imports(t *Tree) []Problem {
	var out []Problem
	table := importMap()
	for _, f := range t.Files {
		from := rowOf(table, f.Dir)
		dirs, nodes := f.ours()
		for i, dir := range dirs {
			if why := refused(table, f, from, dir); why != "" {
				out = append(out, f.at(nodes[i], "%s", why))
			}
		}
	}
	return out
}

func refused(table []row, f *File, from *row, dir string) string {
	to := rowOf(table, dir)
	switch {
	case under(dir, "cmd") || under(dir, "bench"):
		if from != nil && to != nil && from.dir == to.dir {
			return ""
		}
		return "imports the program " + dir + ": nothing may"
	case isTestOnly(dir):
		return refusedTestOnly(f, dir)
	case f.external() || isTestOnly(f.Dir):
		return ""
	case from == nil:
		return "folder " + f.Dir + " is not in the map: add a row to internal/lint/tables.go and docs/ARCHITECTURE.md"
	case to == nil:
		return "imports " + dir + ", which is not in the map: add a row to internal/lint/tables.go and docs/ARCHITECTURE.md"
	case from.dir == to.dir || slices.Contains(from.may, to.dir):
		return ""
	case f.Test && to.dir == "internal/pageviews": // events to feed
		return ""
	}
	return from.dir + " may not import " + to.dir + ": declare an interface where it is used, or move the code"
}

func refusedTestOnly(f *File, dir string) string {
	inside := f.Dir == dir || under(f.Dir, dir) || isTestOnly(f.Dir)
	switch {
	case inside, f.external():
		return ""
	case f.Test && slices.Contains(fromInside, dir):
		return ""
	case f.Test:
		return "imports " + dir + " from inside its package: only tests from outside (package x_test) may"
	}
	return "imports " + dir + ", which is for tests only"
}

// Pure reports I/O and clocks in packages that the map calls pure.
func Pure(t *Tree) []Problem {
	var out []Problem
	table := importMap()
	banned := []string{"os", "os/exec", "net", "net/http", "database/sql", "io/ioutil", "log", "log/slog", "syscall"}
	for _, f := range t.Files {
		r := rowOf(table, f.Dir)
		if f.Test || r == nil || !r.pure {
			continue
		}
		for _, spec := range f.AST.Imports {
			if p := literal(spec.Path); slices.Contains(banned, p) {
				out = append(out, f.at(spec, "%s is pure and may not import %s", r.dir, p))
			}
		}
		clock := f.imports("time")
		f.calls(func(call *ast.CallExpr) {
			x, name, ok := callee(call)
			if ok && clock != "" && x == clock && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "Tick"}, name) {
				out = append(out, f.at(call, "%s is pure and may not call time.%s: take the time as a parameter", r.dir, name))
			}
		})
	}
	return out
}

// rowOf returns the row of dir: its own or that of the nearest folder above; nil if there is none.
func rowOf(table []row, dir string) *row {
	var best *row
	for i := range table {
		if r := &table[i]; (dir == r.dir || under(dir, r.dir)) && (best == nil || len(r.dir) > len(best.dir)) {
			best = r
		}
	}
	return best
}

func isTestOnly(dir string) bool {
	return slices.ContainsFunc(testOnly, func(d string) bool { return dir == d || under(dir, d) })
}

// under reports whether dir lies below, or is, top.
func under(dir, top string) bool { return dir == top || strings.HasPrefix(dir, top+"/") }
