package lint

import (
	"bufio"
	"bytes"
	"io/fs"
	"slices"
	"strings"
)

// Layout reports folders that do not belong at the root, and files of the house that are missing there.
func Layout(t *Tree) []Problem {
	var out []Problem
	entries, err := fs.ReadDir(t.Root, ".")
	if err != nil {
		return []Problem{{Path: ".", Text: err.Error()}}
	}
	ignored, _ := fs.ReadFile(t.Root, ".gitignore") // without one nothing is ignored
	for _, e := range entries {
		name := e.Name()
		if !e.IsDir() || strings.HasPrefix(name, ".") || bytes.Contains(ignored, []byte("/"+name+"/\n")) {
			continue
		}
		if !slices.Contains(topLevel, name) {
			out = append(out, Problem{Path: name, Text: "folder at the root: only " + strings.Join(topLevel, " ") + " belong there"})
		}
	}
	for _, name := range []string{"README.md", "CHANGELOG.md", "LICENSE", "docs/ARCHITECTURE.md", "docs/METRICS.md"} {
		if _, err := fs.Stat(t.Root, name); err != nil {
			out = append(out, Problem{Path: name, Text: "is missing"})
		}
	}
	if log, err := fs.ReadFile(t.Root, "CHANGELOG.md"); err == nil && !bytes.Contains(log, []byte("\n## [Unreleased]")) {
		out = append(out, Problem{Path: "CHANGELOG.md", Text: "no section ## [Unreleased]"})
	}
	return out
}

// Replaced reports what keeps `go install MODULE@VERSION` from working: it refuses a module with replace or exclude directives.
func Replaced(t *Tree) []Problem {
	text, err := fs.ReadFile(t.Root, "go.mod")
	if err != nil {
		return []Problem{{Path: "go.mod", Text: err.Error()}}
	}
	var out []Problem
	for line := range strings.Lines(string(text)) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word = strings.TrimSuffix(word, "("); word == "replace" || word == "exclude" {
			out = append(out, Problem{Path: "go.mod", Text: word + " directive: go install of a version refuses the module"})
		}
	}
	return out
}

// Map reports where the import table of docs/ARCHITECTURE.md and importMap differ (L3). A row there reads
// "| `folder` | what it decides | `a`, `b` |"; "-" stands for no import, "Pure." in the second cell for a pure package.
func Map(t *Tree) []Problem {
	const doc = "docs/ARCHITECTURE.md"
	text, err := fs.ReadFile(t.Root, doc)
	if err != nil {
		return nil // Layout reports it
	}
	var out []Problem
	written := map[string]string{}
	sc := bufio.NewScanner(bytes.NewReader(text))
	for sc.Scan() {
		cells := strings.Split(strings.Trim(sc.Text(), "| "), "|")
		if len(cells) != 3 || !strings.HasPrefix(cells[0], "`") {
			continue
		}
		written[strings.Trim(cells[0], "` ")] = rowText(strings.Contains(cells[1], "Pure."), names(cells[2]))
	}
	for _, r := range importMap() {
		want := rowText(r.pure, slices.Clone(r.may))
		got, ok := written[r.dir]
		delete(written, r.dir)
		switch {
		case !ok:
			out = append(out, Problem{Path: doc, Text: "the map has no row for " + r.dir})
		case got != want:
			out = append(out, Problem{Path: doc, Text: r.dir + ": the map says " + got + ", internal/lint says " + want})
		}
	}
	for dir := range written {
		out = append(out, Problem{Path: doc, Text: "the map has a row for " + dir + ", internal/lint has none"})
	}
	slices.SortFunc(out, func(a, b Problem) int { return strings.Compare(a.Text, b.Text) })
	return out
}

func rowText(pure bool, may []string) string {
	slices.Sort(may)
	text := "[" + strings.Join(may, " ") + "]"
	if pure {
		text = "pure " + text
	}
	return text
}

// names returns the words in back quotes.
func names(cell string) []string {
	var out []string
	for i, part := range strings.Split(cell, "`") {
		if i%2 == 1 {
			out = append(out, part)
		}
	}
	return out
}
