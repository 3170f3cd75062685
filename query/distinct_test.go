package query_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// While segments are built, strings come into the dictionary that an engine has numbered by itself before. That changes no count.
func TestDistinctStringsWhileSegmentsAreBuilt(t *testing.T) {
	w := newWorld(t, 7, 600)
	p := w.parts[0]
	for range 4 {
		w.stage(p, 100)
	}
	w.remember(p, 400, 64)
	w.apply(townsYAML, w.firsts())
	seen := map[string]bool{}
	at := slices.IndexFunc(w.table.Columns, func(c cube.Column) bool { return c.Name == "visitor" })
	for _, r := range p.records {
		if row, ok := oracleRow(w.table, r.value); ok && row[at] != "NULL" {
			seen[row[at]] = true
		}
	}
	e := w.engine(w.cat, w.store, 2)
	o := &oracle{world: w}
	var err error
	o.text, err = newText(t)
	must(t, err)
	want := strconv.Itoa(len(seen))
	for built := int64(0); built <= 400; built += 100 {
		if built > 0 {
			w.build("towns", segmenter.Vector{p.line(built-100, built)}, false)
		}
		for _, text := range []string{"SELECT count(DISTINCT visitor) FROM shop", "SELECT count(DISTINCT visitor) FROM shop WHERE ts >= '2026-01-01 00:00:00.5'"} {
			got, err := o.got(e, query.Request{SQL: text})
			must(t, err)
			if len(got.rows) != 1 || got.rows[0][0] != want || got.by != "towns" {
				t.Errorf("%d offsets in segments: %s: got %v by %s, want %s by towns", built, text, got.rows, got.by, want)
			}
		}
	}
}
