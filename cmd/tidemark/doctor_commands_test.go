package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// What doctor tells people to run is there: every command that its sources name is one that does something.
func TestDoctorsCommandsExist(t *testing.T) {
	files, err := filepath.Glob("../../internal/doctor/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			words, ok := strings.CutPrefix(text, "tidemark ")
			if !ok || strings.HasPrefix(words, "%") {
				return true
			}
			found++
			if cmd, rest, err := new(app).root().Find(strings.Fields(words)); err != nil || cmd.HasSubCommands() {
				t.Errorf("%s names %q: found %q, left over %q, %v", filepath.Base(file), text, cmd.CommandPath(), rest, err)
			}
			return true
		})
	}
	if found < 10 {
		t.Errorf("%d commands in %q, want them all", found, files)
	}
}
