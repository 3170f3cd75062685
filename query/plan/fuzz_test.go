package plan_test

import (
	"os"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/query/plan"
)

// FuzzAnalyse plans whatever DuckDB can parse: it is refused or planned, the rest and the originals can be written as SQL, and
// every need names measures and dimensions that there are.
func FuzzAnalyse(f *testing.F) {
	lines, err := os.ReadFile("testdata/statements.sql")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(lines)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--") {
			f.Add(line)
		}
	}
	w := newWorld(f)
	layout := w.layout(f, "views_cube")
	f.Fuzz(func(t *testing.T, sql string) {
		if len(sql) > 2000 {
			return
		}
		st, err := w.analyse(t, sql, strings.Contains(sql, "1"))
		if err != nil {
			return
		}
		w.text(t, st.Root)
		for _, b := range st.Blocks {
			w.text(t, b.Original)
			needs, lacks := b.Need(layout, w.cubes["views_cube"])
			if (lacks == nil) != (len(needs) > 0) {
				t.Errorf("%q: %d needs, lacks %v", sql, len(needs), lacks)
			}
			for _, n := range needs {
				checkNeed(t, sql, b, n)
			}
		}
	})
}

func checkNeed(t *testing.T, sql string, b *plan.Block, n *plan.Need) {
	t.Helper()
	if len(n.Sources) != len(b.Aggs) {
		t.Errorf("%q: %d sources of %d aggregates", sql, len(n.Sources), len(b.Aggs))
	}
	for i, s := range n.Sources {
		if s.Measure >= len(n.Layout.Measures) || s.Count >= len(n.Layout.Measures) || s.Measure < 0 && s.Count < 0 {
			t.Errorf("%q: a%d comes from %+v", sql, i, s)
		}
	}
	if n.Mask&^n.Layout.Base() != 0 || n.Fixed&^n.Mask != 0 {
		t.Errorf("%q: masks %b and %b", sql, n.Mask, n.Fixed)
	}
	for _, c := range n.Columns {
		if n.Mask>>(len(n.Layout.Dims)-1-c.Dim)&1 == 0 {
			t.Errorf("%q: %s comes from dimension %d, which is not needed", sql, c.Column.Name, c.Dim)
		}
	}
}
