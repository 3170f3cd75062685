package query_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/query"
)

// What many segments have in common is said once.
func TestExplanationText(t *testing.T) {
	x := query.Explanation{
		Blocks: []query.BlockExplanation{{
			Name: "__tm_block_0", Table: "clicks", Groups: []string{"country"}, Aggregates: []string{"count(*)"}, Where: "true", Cube: "clicks_cube",
			Kept: []query.SegmentExplanation{
				{Segment: 7, Cuboid: "(country)", Rows: 60, Other: "(day)", Lacks: "country"},
				{Segment: 1, Cuboid: "(country)", Rows: 1, Other: "(day)", Lacks: "country"},
				{Segment: 8, Cuboid: "(country)", Rows: 2, Other: "(day)", Lacks: "country"},
				{Segment: 2, Cuboid: "(country, os)", Rows: 1, Other: "(country, os, day)"},
				{Segment: 3, Why: "none of its 3 cuboids has what is asked for"},
			},
			Pruned: []query.SegmentExplanation{{Segment: 4}, {Segment: 5}}, Uncovered: 1, TailEvents: 12,
		}},
	}
	text := func() string {
		var b strings.Builder
		if err := x.Text(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	want := `block over clicks
  groups    country
  computes  count(*)
  cube      clicks_cube
  cuboid    (country), 63 rows in 3 segments: 1, 7-8; the smaller (day) lacks country
  cuboid    (country, os), 1 row in segment 2; next would be (country, os, day)
  files     staged ones of segment 3, because none of its 3 cuboids has what is asked for
  pruned    2 segments: 4-5, of which no event counts
  staged    1 range of offsets that no segment holds, 12 events in memory
`
	if d := cmp.Diff(want, text()); d != "" {
		t.Error(d)
	}
	x.Blocks[0].Cube, x.Blocks[0].Lacks, x.Rest = "", "no cube has the column url", "SELECT _g0 AS country FROM __tm_block_0"
	x.Scans = []query.ScanExplanation{{Table: "clicks", Columns: []string{"ts", "url"}, Time: "never", Reason: "it reads more than one table"}}
	want = `block __tm_block_0 over clicks
  groups    country
  computes  count(*)
  events    are read, because no cube has the column url
events of clicks, because it reads more than one table
  columns   ts, url
  time      never
rest        SELECT _g0 AS country FROM __tm_block_0
`
	if d := cmp.Diff(want, text()); d != "" {
		t.Error(d)
	}
}
