package cuboid_test

import (
	"math"
	"runtime"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit/celltest"
)

// event is what the events of these tests have.
type event struct {
	name  string
	num   int64
	share float64
}

// chunkOf makes a chunk of events of celltest.Table, with the columns that eventLayout reads.
func chunkOf(s *stage.Schema, list []event) *stage.Chunk {
	c := stage.NewChunk(s)
	for i, e := range list {
		c.Offsets, c.Timestamps = append(c.Offsets, int64(i)), append(c.Timestamps, 0)
		for k, f := range s.Fields {
			switch f.Name {
			case "name":
				c.Columns[k].AppendBytes([]byte(e.name))
			case "num":
				c.Columns[k].AppendInt(e.num)
			case "share":
				c.Columns[k].AppendFloat(e.share)
			}
		}
	}
	return c
}

// eventLayout groups events by name.
func eventLayout(t testing.TB, measures ...cube.Measure) *cells.Layout {
	c := celltest.Cube()
	c.Dimensions, c.RowKey = []cube.Dimension{{Name: "name", Column: "name"}}, nil
	c.Measures = append([]cube.Measure{{Function: cube.Count}}, measures...)
	return celltest.Layout(t, c.WithDefaults())
}

// grouped returns the base cells of events.
func grouped(t interface{ Fatal(...any) }, l *cells.Layout, s *stage.Schema, list []event) (*stage.Chunk, *cells.Cells) {
	chunk, b := chunkOf(s, list), l.NewBlock(l.Base())
	if err := b.Add(s, chunk, 0, len(list), 0); err != nil {
		t.Fatal(err)
	}
	c, err := b.Cells()
	if err != nil {
		t.Fatal(err)
	}
	return chunk, c
}

// Sums of float64 of the same events differ by rounding only, in whatever order they were added up and whatever cancels out in
// between; and a value that is another one by more is seen.
func TestFloatSumsOfEvents(t *testing.T) {
	l := eventLayout(t, cube.Measure{Function: cube.Sum, Column: "share"}, cube.Measure{Function: cube.Avg, Column: "share"})
	s := stage.NewSchema(celltest.Table(t))
	rapid.Check(t, func(t *rapid.T) {
		var list []event
		large := 0.0
		for _, v := range rapid.SliceOfN(rapid.SampledFrom([]float64{1e16, -1e16, 3e280, -3e280, 1, -1, 0.1, 1e-9}), 1, 60).Draw(t, "values") {
			list = append(list, event{name: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name"), share: v})
			large = max(large, math.Abs(v))
		}
		events, base, wrong := cuboid.NewEventTotals(l), cuboid.NewTotals(l), cuboid.NewTotals(l)
		add := func(to *cuboid.Totals, list []event) {
			for len(list) > 0 {
				n := rapid.IntRange(1, len(list)).Draw(t, "together")
				chunk, c := grouped(t, l, s, list[:n])
				if err := to.Add(c); err != nil {
					t.Fatal(err)
				}
				if to == events {
					to.Weigh("share", &chunk.Columns[s.Field("share")], 0, n)
				}
				list = list[n:]
			}
		}
		add(events, list)
		list = rapid.Permutation(list).Draw(t, "order")
		add(base, list)
		list[0].share += large / 100
		add(wrong, list)
		base.Learn(events)
		wrong.Learn(events)
		if why := base.Differs(events, true); why != "" {
			t.Fatalf("the same events differ: %s", why)
		}
		if wrong.Differs(events, true) == "" || events.Differs(wrong, true) == "" {
			t.Fatalf("a value that is greater by %g is not seen", large/100)
		}
	})
}

// The ids of one state are as many as those of a segment: they are taken in a part at a time, all of them, each once.
func TestPrintsOfManyIDs(t *testing.T) {
	l := eventLayout(t, cube.Measure{Name: "ids", Function: cube.CountDistinctExact, Column: "num"})
	const ids, atMost = 300_000, 16 << 20
	list := []event{{name: "a", num: -1}, {name: "a", num: -2}}
	for i := range int64(ids) {
		list = append(list, event{name: "b", num: i})
	}
	list = append(list, event{name: "c", num: -3})
	base := func() *cells.Cells {
		_, c := grouped(t, l, stage.NewSchema(celltest.Table(t)), list)
		return c
	}
	prints := func(c *cells.Cells, mask uint64) *cuboid.Prints {
		p := cuboid.NewPrints(l, mask, 0)
		c = celltest.RollUp(t, l, c, mask)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p.Add(l, c)
		runtime.ReadMemStats(&after)
		if made := after.TotalAlloc - before.TotalAlloc; made > atMost {
			t.Errorf("cuboid %b: %d bytes were allocated for the prints of %d ids, want at most %d", mask, made, ids, atMost)
		}
		return p
	}
	c := base()
	all := prints(c, 1)
	if got := all.Differs(prints(c, 0), 0); got != "" {
		t.Errorf("the base cuboid and the one without dimensions differ in %q", got)
	}
	for i := range 100 {
		list[len(list)-2-i].num = 0
	}
	if got := all.Differs(prints(base(), 0), 0); got != "ids" {
		t.Errorf("without 100 of the last ids they differ in %q, want ids", got)
	}
}
