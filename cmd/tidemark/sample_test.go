package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What table sample --cube proposes for page views applies as it is, and is built and asked.
func TestSampleOfPageViewsAppliesAndBuilds(t *testing.T) {
	b, data := brokerAndData(t)
	with := func(args ...string) []string { return append(args, data...) }
	if _, errs, code := cli(t, with("table", "sample", "pageviews", "--cube")...); code != 1 || !strings.Contains(errs, "has no records to look at") {
		t.Errorf("an empty topic: exit %d, %s", code, errs)
	}
	truth := produce(t, b.Addrs(), 3000)
	text, errs, code := cli(t, with("table", "sample", "pageviews", "--cube")...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, want := range []string{"\n---\n# Guessed from", "- hour(ts)", "- visitor_country", "- top_n(page_url)", "- percentile(latency_ms)", "hierarchy: [[ts_day, ts_hour]]", "cut: {age: "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	file := filepath.Join(t.TempDir(), "both.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs, code := cli(t, with("table", "apply", "-f", file)...); code != 0 || !strings.Contains(out, "cube default/pageviews_cube created") {
		t.Fatalf("exit %d: %s%s\n%s", code, out, errs, text)
	}
	for _, args := range [][]string{{"ingest", "--until-end"}, {"segment", "build", "pageviews_cube", "--wait"}} {
		if out, errs, code := cli(t, with(args...)...); code != 0 {
			t.Fatalf("%v: exit %d: %s%s", args, code, out, errs)
		}
	}
	out, errs, code := cli(t, with("query", "-o", "csv", "SELECT count(*) AS n FROM pageviews")...)
	if want := fmt.Sprintf("n\n%d\n", truth.Events); code != 0 || out != want {
		t.Errorf("exit %d: got %q, want %q; %s", code, out, want, errs)
	}
}

// Definitions of a file keep their lines, so that complaints name the right ones.
func TestDefinitionsOfAFile(t *testing.T) {
	for text, want := range map[string][]string{
		"table: a\n":                         {"table: a\n"},
		"---\ntable: a\n---\n# b\ncube: b\n": {"\ntable: a\n", "\n\n\n# b\ncube: b\n"},
		"table: a\n--- \n\n---\ncube: b":     {"table: a\n", "\n\n\n\ncube: b"},
		"":                                   {""},
	} {
		var got []string
		for _, d := range definitions([]byte(text)) {
			got = append(got, string(d))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", text, d)
		}
		for _, g := range got {
			if of, want := ofCube([]byte(g)), slices.Contains(strings.Fields(g), "cube:"); of != want {
				t.Errorf("%q is a cube's: %t", g, of)
			}
		}
	}
}
