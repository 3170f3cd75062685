package hbase

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pages"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// testTable has a column of every type that a dimension may have.
func testTable(t testing.TB) *cube.Table {
	t.Helper()
	out := &cube.Table{Name: "t", Topic: "t", EventTime: cube.EventTime{Column: "ts"}}
	for _, c := range []string{
		"ts timestamp(us)", "day date", "flag bool", "num int64", "float float64", "price decimal(12,2)", "big decimal(38,3)",
		"name string", "url string", "nothing string", "amount int64", "share float64", "cost decimal(18,4)",
	} {
		name, text, _ := strings.Cut(c, " ")
		typ, err := cube.ParseType(text)
		if err != nil {
			t.Fatal(err)
		}
		out.Columns = append(out.Columns, cube.Column{Name: name, Type: typ})
	}
	return out
}

// testCube groups by a dimension of every type; the row key is in the order of dimensions.
func testCube() *cube.Cube {
	c := &cube.Cube{Name: "c", Table: "t", TimeZone: "Europe/Berlin"}
	for _, d := range []string{"ts/minute", "name", "flag", "num", "float", "price", "big", "day/month", "url", "nothing"} {
		column, grain, _ := strings.Cut(d, "/")
		c.Dimensions = append(c.Dimensions, cube.Dimension{Column: column, Grain: cube.Grain(grain)})
	}
	for _, m := range []string{"count", "sum amount", "sum share", "sum cost", "min share", "max url", "min big", "avg amount", "avg share", "count nothing", "max flag", "first url", "count_distinct num", "percentile share"} {
		f, column, _ := strings.Cut(m, " ")
		c.Measures = append(c.Measures, cube.Measure{Function: cube.Function(f), Column: column})
	}
	return c.WithDefaults()
}

func testLayout(t testing.TB) *cells.Layout {
	t.Helper()
	l, err := cells.NewLayout(testCube(), testTable(t))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// testCells returns the base cells of n events that seed draws; equal seeds give equal cells. Some events have the same
// key, so that there are fewer cells.
func testCells(t testing.TB, l *cells.Layout, seed uint64, n int) *cells.Cells {
	t.Helper()
	if n == 0 {
		return noCells(t, l, l.Base())
	}
	rnd := rand.New(rand.NewPCG(seed, 1))
	s := stage.NewSchema(testTable(t))
	c := stage.NewChunk(s)
	for i := range n {
		c.Offsets, c.Timestamps = append(c.Offsets, int64(i)), append(c.Timestamps, 0)
		for k, f := range s.Fields {
			if f.Name == "nothing" || f.Name != "ts" && rnd.IntN(8) == 0 {
				c.Columns[k].AppendNull()
			} else {
				drawInto(&c.Columns[k], f.Type, rnd)
			}
		}
	}
	b := l.NewBlock(l.Base())
	if err := b.Add(s, c, 0, n, 0); err != nil {
		t.Fatal(err)
	}
	out, err := b.Cells()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func noCells(t testing.TB, l *cells.Layout, mask uint64) *cells.Cells {
	t.Helper()
	dicts, codes := make([]*cells.Dict, len(l.Dims)), make([][]uint32, len(l.Dims))
	for i, d := range l.Dims {
		if mask>>(len(l.Dims)-1-i)&1 == 1 {
			dicts[i] = &cells.Dict{Values: pages.Column{Kind: d.Kind}}
		}
	}
	var states []cells.States
	for i := range l.Measures {
		states = append(states, l.Measures[i].New(0))
	}
	c, err := cells.NewCells(mask, dicts, codes, states)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// drawInto appends a value of a type, extreme ones among them.
func drawInto(c *pages.Column, typ cube.Type, rnd *rand.Rand) {
	switch {
	case typ.Kind == cube.Timestamp:
		c.AppendInt(1763632800000000 + int64(rnd.IntN(40))*60e6)
	case typ.Kind == cube.Date:
		c.AppendInt([]int64{0, 20393, -719162, 2932896, 20424}[rnd.IntN(5)])
	case typ.Kind == cube.Bool:
		c.AppendInt(int64(rnd.IntN(2)))
	case typ.Kind == cube.Int64:
		c.AppendInt([]int64{math.MinInt64, -1, 0, 1, 42, math.MaxInt64}[rnd.IntN(6)])
	case typ.Kind == cube.Float64:
		c.AppendFloat([]float64{math.Inf(-1), -2.25, 0, 1.5, math.SmallestNonzeroFloat64, math.MaxFloat64, math.Inf(1), math.NaN()}[rnd.IntN(8)])
	case c.Kind == pages.Decimal128:
		var b [pages.DecimalBytes]byte
		v := int64(rnd.IntN(9) - 4)
		binary.BigEndian.PutUint64(b[:], uint64(v>>63))
		binary.BigEndian.PutUint64(b[8:], uint64(v*1e15))
		c.AppendBytes(b[:])
	case typ.Kind == cube.Decimal:
		c.AppendInt([]int64{0, 1999, -1, 999999999999}[rnd.IntN(4)])
	default:
		c.AppendBytes([]byte([]string{"", "DE", "FR", "Ünïcode ✓", "a\nb", "a\x00b", "a\x00", "a", strings.Repeat("long", 30)}[rnd.IntN(9)]))
	}
}

// rollUp returns the cells of a smaller cuboid.
func rollUp(t testing.TB, l *cells.Layout, base *cells.Cells, mask uint64) *cells.Cells {
	t.Helper()
	if base.Len() == 0 {
		return noCells(t, l, mask)
	}
	c, err := l.Combine(mask, cells.Part{Cells: base, To: base.Len()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// testMasks are cuboids in the order in which they are written.
func testMasks(l *cells.Layout) []uint64 {
	b := l.Base()
	return []uint64{b, b &^ 1, b >> 1, b &^ (b >> 2), b >> 2 & 0b10100100, 1, 0}
}

// rowTexts returns every row of c as text: values, not codes.
func rowTexts(l *cells.Layout, c *cells.Cells) []string {
	lines := make([]bytes.Buffer, c.Len())
	for i, d := range c.Dicts {
		for r := range lines {
			if d == nil {
				fmt.Fprint(&lines[r], "-|")
			} else if code := c.Keys.Code(r, i); code == 0 {
				fmt.Fprint(&lines[r], "null|")
			} else {
				fmt.Fprintf(&lines[r], "%s|", valueText(&d.Values, int(code-1)))
			}
		}
	}
	for _, s := range c.States {
		for _, col := range s.Columns(0, c.Len()) {
			for r := range lines {
				fmt.Fprintf(&lines[r], "%s|", valueText(&col, r))
			}
		}
	}
	out := make([]string, len(lines))
	for i := range lines {
		out[i] = lines[i].String()
	}
	return out
}

func valueText(c *pages.Column, i int) string {
	switch {
	case c.IsNull(i):
		return "null"
	case c.Kind == pages.Float64:
		return fmt.Sprint(c.Float(i))
	case c.Kind == pages.Bytes || c.Kind == pages.Decimal128:
		return fmt.Sprintf("%q", c.Bytes(i))
	}
	return fmt.Sprint(c.Int(i))
}

// written is a segment's cuboids in a table, and what files of the same cells would say of them.
type written struct {
	layout  *cells.Layout
	cells   map[uint64]*cells.Cells
	entries []segmenter.CuboidEntry
	stored  *segmenter.StoredTable
	files   []segmenter.CuboidEntry
}

func newWorld(t testing.TB, seed uint64, events int) *written {
	t.Helper()
	l, all := testLayout(t), map[uint64]*cells.Cells{}
	base := testCells(t, l, seed, events)
	for _, mask := range testMasks(l) {
		all[mask] = rollUp(t, l, base, mask)
	}
	return worldOf(t, l, all)
}

// worldOf makes the files of cuboids, to compare with.
func worldOf(t testing.TB, l *cells.Layout, all map[uint64]*cells.Cells) *written {
	t.Helper()
	w := &written{layout: l, cells: all}
	enc, err := cuboid.NewEncoder(w.layout)
	if err != nil {
		t.Fatal(err)
	}
	out, err := cuboid.NewWriter(new(blob.Mem), "segments/c1/0000.1", w.layout, cuboid.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, mask := range testMasks(w.layout) {
		g, err := enc.Encode(cells.Part{Cells: w.cells[mask], To: w.cells[mask].Len()})
		if err != nil {
			t.Fatal(err)
		}
		if err := out.Append(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	if _, w.files, err = out.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *written) spec(attempt int64, events int) Spec {
	return Spec{CubeID: "c1", Segment: strings.Repeat("ab", 32), Attempt: attempt, ShardBy: "name", Events: int64(events), Layout: w.layout}
}

// write puts the cuboids into a table, in row groups of at most rows rows.
func (w *written) write(t testing.TB, s *Store, spec Spec, rows int) error {
	t.Helper()
	out, _, err := s.NewWriter(t.Context(), spec)
	if err != nil {
		return err
	}
	for _, mask := range testMasks(w.layout) {
		if err := out.Begin(mask); err != nil {
			return err
		}
		c := w.cells[mask]
		for from := 0; from < c.Len(); from += rows {
			part, err := w.layout.Combine(mask, cells.Part{Cells: c, From: from, To: min(from+rows, c.Len())})
			if err != nil {
				t.Fatal(err)
			}
			if err := out.Append(t.Context(), part); err != nil {
				return err
			}
		}
	}
	w.entries, w.stored, err = out.Finish(t.Context(), func(int64, int64) {})
	return err
}

// same compares what was written with what files say, and what is read with the cells.
func (w *written) same(t testing.TB, s *Store) error {
	t.Helper()
	if len(w.entries) != len(w.files) {
		return fmt.Errorf("%d entries, want %d", len(w.entries), len(w.files))
	}
	for i, e := range w.entries {
		if f := w.files[i]; e.Cuboid != f.Cuboid || e.Rows != f.Rows || e.SHA256 != f.SHA256 {
			return fmt.Errorf("entry %+v, of files %+v", e, f)
		}
	}
	r, err := s.NewReader(w.layout, w.stored, w.entries)
	if err != nil {
		return err
	}
	for _, mask := range testMasks(w.layout) {
		groups, err := r.Groups(t.Context(), mask)
		if err != nil {
			return err
		}
		var got []string
		for _, g := range groups {
			c, err := r.Cells(t.Context(), g)
			if err != nil {
				return err
			}
			got = append(got, rowTexts(w.layout, c)...)
		}
		if want := rowTexts(w.layout, w.cells[mask]); strings.Join(got, "\n") != strings.Join(want, "\n") {
			return fmt.Errorf("cuboid %b: read\n%s\nwant\n%s", mask, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	return nil
}

func fakeStore(t testing.TB, o Options) (*Store, *Mem) {
	t.Helper()
	s, f, err := OpenMem(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, f
}
