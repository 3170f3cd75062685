//go:build !race

// Much data, and no goroutines that other tests do not have: the stage race runs these without the detector.

package local

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// wildCube draws dimensions, grains, groups and measures of every kind.
func wildCube(rt *rapid.T) string {
	grain := rapid.SampledFrom([]string{"minute", "hour", "day", "year"}).Draw(rt, "grain")
	dims := rapid.Permutation([]string{grain + "(ts)", "country", "page", "flag", "day", "n", "price", "ratio", "big"}).Draw(rt, "dimensions")
	dims = dims[:rapid.IntRange(1, 6).Draw(rt, "number of dimensions")]
	measures := rapid.Permutation([]string{
		"count(country)", "sum(n)", "sum(ratio)", "avg(ratio)", "avg(price)", "min(ratio)", "max(page)", "max(ts)", "count_distinct(page)", "count_distinct(ratio)",
		"count_distinct_exact(n)", "count_distinct_exact(day)", "percentile(n)", "percentile(ratio)", "top_n(page)", "first(page)", "last(ratio)", "last(n)",
	}).Draw(rt, "measures")
	measures = append(measures[:rapid.IntRange(0, 6).Draw(rt, "number of measures")], "count")
	text := fmt.Sprintf("cube: sales\ntable: shop\ndimensions: [%s]\nmeasures: [%s]\n", strings.Join(dims, ", "), strings.Join(measures, ", "))
	if len(dims) >= 4 && rapid.Bool().Draw(rt, "groups") {
		name := func(i int) string { return strings.NewReplacer(grain+"(ts)", "ts_"+grain).Replace(dims[i]) }
		rule := rapid.SampledFrom([]string{"joint: [[%s, %s]]", "hierarchy: [[%s, %s]]", "mandatory: [%s, %s]"}).Draw(rt, "rule")
		text += "groups:\n  - {" + fmt.Sprintf(rule, name(0), name(2)) + "}\n"
	}
	return text
}

// I6 over random definitions with measures of every kind, nulls, NaN and infinities, and random segments: a merge has the
// cells of a build of the union (a), and its bytes depend on the segments alone (b): not on threads, memory, frames, windows,
// or whether the segments are spooled.
func TestMergeProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, rapid.Uint64().Draw(rt, "seed"))
		w.wild = rapid.Bool().Draw(rt, "wild")
		w.apply(wildCube(rt))
		end := rapid.Int64Range(1, 1200).Draw(rt, "events")
		w.stage(0, 0, end)
		w.stage(1, 0, 300)
		drawn := fixedSizes()
		drawn.fanIn = rapid.IntRange(2, 4).Draw(rt, "fan-in")
		drawn.blockRows, drawn.groupRows = rapid.IntRange(100, 2000).Draw(rt, "block"), rapid.IntRange(50, 1000).Draw(rt, "group")
		attempt := int64(0)
		build := func(name string, parts []*segmenter.Manifest, v segmenter.Vector) builder.EngineOutput {
			attempt++
			e := w.engine(func(o *Options, s *sizes) {
				*s = drawn
				o.Threads = rapid.SampledFrom([]int{1, 4}).Draw(rt, "threads of "+name)
				s.frameRows, s.stepRows = rapid.IntRange(5, 500).Draw(rt, "frame of "+name), rapid.IntRange(10, 3000).Draw(rt, "step of "+name)
				s.minWindow = rapid.IntRange(1, 100).Draw(rt, "window of "+name)
			})
			e.mem.most = rapid.SampledFrom([]int64{1, 20_000, 1 << 29}).Draw(rt, "memory of "+name)
			if rapid.Bool().Draw(rt, "no room for row groups in "+name) {
				e.mem.limit = e.mem.most
			}
			in := w.input(v, attempt)
			in.Merged = parts
			out := w.build(t.Context(), e, in)
			w.gaveBack(e)
			return out
		}
		union := build("union", nil, w.all())
		var parts []*segmenter.Manifest
		rest := w.all()
		for i := range rapid.IntRange(1, 6).Draw(rt, "cuts") {
			at := rapid.Int64Range(rest[0].Start, rest[0].End).Draw(rt, fmt.Sprintf("cut %d", i))
			var v segmenter.Vector
			v, rest = cut(rest, at)
			parts = append(parts, manifest(int64(i+1), build("a part", nil, v)))
		}
		parts = append(parts, manifest(99, build("the last part", nil, rest)))
		merged := build("merge", parts, w.all())
		again := build("merge again", parts, w.all())
		for i, f := range merged.Files {
			if again.Files[i].SHA256 != f.SHA256 {
				rt.Errorf("file %d of the same merge has other bytes", i)
			}
		}
		w.nearly(rt, merged, union)
	})
}

// nearly compares cells: states of floats and of percentiles as far as I6 (a) goes, all others as they are stored.
func (w *world) nearly(rt *rapid.T, got, want builder.EngineOutput) {
	layout, err := cells.NewLayout(w.cube, w.table)
	must(w.t, err)
	a, b := w.rowsOf(layout, got), w.rowsOf(layout, want)
	for mask, rows := range b {
		if len(a[mask]) != len(rows) {
			rt.Fatalf("cuboid %b: %d rows, want %d", mask, len(a[mask]), len(rows))
		}
		for i, x := range rows {
			y := a[mask][i]
			if y.cells.Compare(y.row, x.cells, x.row) != 0 {
				rt.Fatalf("cuboid %b: row %d has another key", mask, i)
			}
			for m := range layout.Measures {
				if err := sameState(&layout.Measures[m], y.state(m), x.state(m)); err != nil {
					rt.Fatalf("cuboid %b, row %d, measure %s: %v", mask, i, layout.Measures[m].Name, err)
				}
			}
		}
	}
}

type cell struct {
	cells *cells.Cells
	row   int
}

func (c cell) state(m int) []stage.Column { return c.cells.States[m].Columns(c.row, c.row+1) }

// rowsOf reads all cells by their cuboid.
func (w *world) rowsOf(l *cells.Layout, out builder.EngineOutput) map[int64][]cell {
	r, err := cuboid.NewReader(w.store, l, out.Files, out.Cuboids)
	must(w.t, err)
	defer r.Close()
	list := map[int64][]cell{}
	for _, e := range out.Cuboids {
		list[e.Cuboid] = nil
		groups, err := r.Groups(w.t.Context(), uint64(e.Cuboid))
		must(w.t, err)
		for _, g := range groups {
			c, err := r.Cells(w.t.Context(), g)
			must(w.t, err)
			for i := range c.Len() {
				list[e.Cuboid] = append(list[e.Cuboid], cell{c, i})
			}
		}
	}
	return list
}

func sameState(m *cells.Measure, got, want []stage.Column) error {
	for i := range want {
		switch g, x := &got[i], &want[i]; {
		case g.IsNull(0) != x.IsNull(0):
			return fmt.Errorf("null: %t, want %t", g.IsNull(0), x.IsNull(0))
		case x.IsNull(0):
		case m.Function == cube.Percentile:
			if a, b := digestFacts(g.Bytes(0)), digestFacts(x.Bytes(0)); a != b {
				return fmt.Errorf("weight, least and greatest value %v, want %v", a, b)
			}
		case x.Kind == stage.Float64:
			a, b := g.Float(0), x.Float(0)
			if a != b && !(a != a && b != b) && !(math.Abs(a-b) <= 1e-9*max(math.Abs(b), 1e6)) {
				return fmt.Errorf("got %v, want %v", a, b)
			}
		case g.Word(0) != x.Word(0):
			return fmt.Errorf("got another state: word %x, want %x", g.Word(0), x.Word(0))
		}
	}
	return nil
}

// digestFacts are what every digest of the same values has: their number, the least and the greatest.
func digestFacts(b []byte) (facts [3]float64) {
	float := func(at int) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b[at:])) }
	switch {
	case len(b) == 8:
		return facts
	case len(b) == 16:
		return [3]float64{1, float(8), float(8)}
	}
	facts = [3]float64{0, float(16), float(24)}
	for at := 32; at < len(b); at += 16 {
		facts[0] += float64(binary.LittleEndian.Uint64(b[at+8:]))
	}
	return facts
}
