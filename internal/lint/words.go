package lint

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
)

// The words are put together here, so that this file does not complain about itself.
var unfinished = regexp.MustCompile(`\b(` + strings.Join([]string{"TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"}, "|") +
	`)\b|\b(?i:for n` + `ow)\b`)

var stub = regexp.MustCompile(`(?i:not impl` + `emented|to be d` + `one)`)

// Unfinished reports comments and errors that put something off. What is not built is an issue, not a comment.
func Unfinished(t *Tree) []Problem {
	var out []Problem
	for _, f := range t.Files {
		for _, group := range f.AST.Comments {
			for _, c := range group.List {
				if m := unfinished.FindString(c.Text); m != "" {
					out = append(out, f.at(c, "comment says %q: finish it, or file an issue", m))
				}
			}
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && !f.Test {
				if m := stub.FindString(literal(lit)); m != "" {
					out = append(out, f.at(lit, "text says %q", m))
				}
			}
			return true
		})
	}
	return out
}

// Printing reports output past the writers and the logger that a package is given.
func Printing(t *Tree) []Problem {
	var out []Problem
	for _, f := range t.Files {
		if f.Test || f.AST.Name.Name == "main" {
			continue
		}
		if f.imports("log") != "" {
			out = append(out, f.at(f.AST.Name, "imports log: use the slog.Logger of the options"))
		}
		format := f.imports("fmt")
		f.calls(func(call *ast.CallExpr) {
			x, name, ok := callee(call)
			if ok && format != "" && x == format && slices.Contains([]string{"Print", "Printf", "Println"}, name) {
				out = append(out, f.at(call, "fmt.%s in a package: write to an io.Writer that the caller gives", name))
			}
			if id, ok := call.Fun.(*ast.Ident); ok && (id.Name == "println" || id.Name == "print") {
				out = append(out, f.at(call, "built-in %s", id.Name))
			}
		})
	}
	return out
}

var attrs = []string{"String", "Int", "Int64", "Uint64", "Float64", "Bool", "Time", "Duration", "Any", "Group"}

// Logs reports log lines that cannot be searched: keys that are not in the list, messages that are put together, and
// loose key-value calls.
func Logs(t *Tree) []Problem {
	var out []Problem
	for _, f := range t.Files {
		slog := f.imports("log/slog")
		if f.Test || slog == "" {
			continue
		}
		f.calls(func(call *ast.CallExpr) {
			x, name, ok := callee(call)
			switch {
			case !ok:
			case x == slog && slices.Contains(attrs, name) && len(call.Args) > 0:
				if key := literal(call.Args[0]); key == "" {
					out = append(out, f.at(call, "log key is not a constant text"))
				} else if !slices.Contains(logKeys, key) {
					out = append(out, f.at(call, "log key %q is not in the list (internal/lint/tables.go)", key))
				}
			case name == "LogAttrs" && len(call.Args) > 2:
				msg := literal(call.Args[2])
				if msg == "" || strings.ToLower(msg[:1]) != msg[:1] {
					out = append(out, f.at(call, "log message %q: want a constant lower-case text", msg))
				}
			case slices.Contains([]string{"Debug", "Info", "Warn", "Error"}, strings.TrimSuffix(name, "Context")) && loose(call):
				out = append(out, f.at(call, "%s with loose values: use LogAttrs", name))
			}
		})
	}
	return out
}

// loose reports whether one of the first two arguments is a text, as in logger.Info("text", ...).
func loose(call *ast.CallExpr) bool {
	for i, a := range call.Args {
		if i < 2 && literal(a) != "" {
			return true
		}
	}
	return false
}
