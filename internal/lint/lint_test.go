package lint

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var rewrite = flag.Bool("rewrite", false, "write the problems found into the examples")

var rules = map[string]func(*Tree) []Problem{
	"assertions": Assertions,
	"exported":   Exported,
	"files":      FileSizes,
	"functions":  FunctionSizes,
	"imports":    Imports,
	"interfaces": Interfaces,
	"layout":     Layout,
	"logs":       Logs,
	"map":        Map,
	"metrics":    Metrics,
	"packages":   Packages,
	"printing":   Printing,
	"pure":       Pure,
	"replaced":   Replaced,
	"skips":      Skips,
	"sleeps":     Sleeps,
	"state":      State,
	"unfinished": Unfinished,
}

// TestHouse is the check of this repository.
func TestHouse(t *testing.T) {
	tree, err := Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Files) < 20 {
		t.Fatalf("only %d Go files found below the root", len(tree.Files))
	}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		t.Run(name, func(t *testing.T) {
			for _, p := range rules[name](tree) {
				t.Error(p)
			}
		})
	}
}

// TestRules runs each rule over its example, a small repository whose comment holds the problems that the rule must
// find, and no others (L1).
func TestRules(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".txtar")
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := problems(t, archive, rules[name])
			if got == "" {
				t.Fatalf("L1: rule %s finds nothing in %s", name, file)
			}
			if *rewrite {
				archive.Comment = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(archive.Comment), got); diff != "" {
				t.Errorf("problems of %s (-want +got):\n%s", file, diff)
			}
		})
	}
}

func problems(t *testing.T, archive *txtar.Archive, rule func(*Tree) []Problem) string {
	t.Helper()
	root := fstest.MapFS{}
	for _, f := range archive.Files {
		root[f.Name] = &fstest.MapFile{Data: []byte(expand(string(f.Data)))}
	}
	tree, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	var sb strings.Builder
	for _, p := range rule(tree) {
		sb.WriteString(p.String() + "\n")
	}
	return sb.String()
}

// expand replaces lines "// repeat N" by N lines.
func expand(src string) string {
	var sb strings.Builder
	for line := range strings.Lines(src) {
		n := 0
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "// repeat "); ok {
			for _, digit := range rest {
				n = n*10 + int(digit-'0')
			}
			sb.WriteString(strings.Repeat("//\n", n))
			continue
		}
		sb.WriteString(line)
	}
	return sb.String()
}
