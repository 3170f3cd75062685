package testkit

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	described  = regexp.MustCompile(`^Desc\{fqName: "([^"]*)", help: .*, variableLabels: \{(.*)\}\}$`)
	documented = regexp.MustCompile("^\\| `(tidemark_[a-z0-9_]+)` \\| (\\w+) \\| ([^|]*) \\|")
)

// CheckMetrics compares the metrics of a registry whose names start with prefix, such as "tidemark_ingest_", with
// docs/METRICS.md, both ways: names and labels. A row there reads "| `name` | kind | label, label | what |".
func CheckMetrics(t testing.TB, registry prometheus.Collector, prefix string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "docs", "METRICS.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range compareMetrics(string(text), describe(registry), prefix) {
		t.Error(p)
	}
}

// describe returns name -> labels, sorted and joined.
func describe(registry prometheus.Collector) map[string]string {
	ch := make(chan *prometheus.Desc)
	go func() {
		registry.Describe(ch)
		close(ch)
	}()
	out := map[string]string{}
	for d := range ch {
		if m := described.FindStringSubmatch(d.String()); m != nil {
			out[m[1]] = labels(m[2])
		}
	}
	return out
}

func labels(list string) string {
	fields := strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(", `-", r) })
	slices.Sort(fields)
	return strings.Join(fields, ", ")
}

func compareMetrics(doc string, have map[string]string, prefix string) []string {
	var out []string
	written := map[string]string{}
	for line := range strings.Lines(doc) {
		if m := documented.FindStringSubmatch(line); m != nil && strings.HasPrefix(m[1], prefix) {
			written[m[1]] = labels(m[3])
			if m[2] == "counter" != strings.HasSuffix(m[1], "_total") {
				out = append(out, fmt.Sprintf("%s: counters end in _total, and nothing else does", m[1]))
			}
		}
	}
	for name, want := range have {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		got, ok := written[name]
		switch {
		case !ok:
			out = append(out, fmt.Sprintf("%s: docs/METRICS.md does not have it", name))
		case got != want:
			out = append(out, fmt.Sprintf("%s: docs/METRICS.md has labels [%s], the code [%s]", name, got, want))
		}
		delete(written, name)
	}
	for name := range written {
		out = append(out, fmt.Sprintf("%s: docs/METRICS.md has it, the code does not", name))
	}
	slices.Sort(out)
	return out
}
