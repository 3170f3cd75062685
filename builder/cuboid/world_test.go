package cuboid_test

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
	for _, m := range []string{"count", "sum amount", "sum share", "sum cost", "min share", "max url", "min big", "avg amount", "avg share", "count nothing", "max flag"} {
		f, column, _ := strings.Cut(m, " ")
		c.Measures = append(c.Measures, cube.Measure{Function: cube.Function(f), Column: column})
	}
	return c.WithDefaults()
}

func testLayout(t testing.TB) *cells.Layout { return layoutOf(t, testCube()) }

// everyMeasure is a layout with a measure of every function, and a sketch in every form.
func everyMeasure(t testing.TB) *cells.Layout {
	c := testCube()
	for _, m := range []string{
		"count_distinct url", "count_distinct num", "count_distinct_exact num", "count_distinct_exact name", "percentile share", "first url", "last cost",
	} {
		f, column, _ := strings.Cut(m, " ")
		c.Measures = append(c.Measures, cube.Measure{Function: cube.Function(f), Column: column})
	}
	c.Measures = append(c.Measures,
		cube.Measure{Name: "shares", Function: cube.CountDistinct, Column: "share", Precision: 4}, // few registers, soon full
		cube.Measure{Function: cube.TopN, By: []string{"url"}},
		cube.Measure{Name: "top_amounts", Function: cube.TopN, By: []string{"name", "num"}, Column: "cost", N: 3})
	return layoutOf(t, c.WithDefaults())
}

// smallLayout has few columns, for tests that read a file many times.
func smallLayout(t testing.TB) *cells.Layout {
	c := testCube()
	c.Dimensions, c.RowKey, c.Measures = c.Dimensions[:5], nil, c.Measures[:3]
	return layoutOf(t, c.WithDefaults())
}

func layoutOf(t testing.TB, c *cube.Cube) *cells.Layout {
	t.Helper()
	l, err := cells.NewLayout(c, testTable(t))
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
	b.IDs = func(_ string, values *stage.Column) (ids []uint32, _ error) {
		for i := range values.Len() {
			ids = append(ids, uint32(3*i+1))
		}
		return ids, nil
	}
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
		c.AppendBytes([]byte([]string{"", "DE", "FR", "Ünïcode ✓", "a\nb", strings.Repeat("long", 30)}[rnd.IntN(6)]))
	}
}

// whole is all rows of c.
func whole(c *cells.Cells) cells.Part { return cells.Part{Cells: c, To: c.Len()} }

// rollUp returns the cells of a smaller cuboid.
func rollUp(t testing.TB, l *cells.Layout, base *cells.Cells, mask uint64) *cells.Cells {
	t.Helper()
	if base.Len() == 0 {
		return noCells(t, l, mask)
	}
	c, err := l.Combine(mask, whole(base))
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

// built is a segment's cuboids and what a writer says of them.
type built struct {
	st      *blob.Mem
	cells   map[uint64]*cells.Cells
	files   []segmenter.SegmentFile
	entries []segmenter.CuboidEntry
}

const testFolder = "segments/c1/0000.1"

// batches say how rows reach an encoder: in row groups of rows rows, each made of parts of as many rows as cut says, nil
// for one part.
type batches struct {
	rows int
	cut  func(rows int) int

	encoder *cuboid.Encoder // default: a new one
}

// build writes cuboids.
func build(t testing.TB, l *cells.Layout, base *cells.Cells, o cuboid.WriterOptions, in batches) built {
	t.Helper()
	b := built{st: new(blob.Mem), cells: map[uint64]*cells.Cells{}}
	for _, mask := range testMasks(l) {
		b.cells[mask] = rollUp(t, l, base, mask)
	}
	w, err := cuboid.NewWriter(b.st, testFolder, l, o)
	if err != nil {
		t.Fatal(err)
	}
	e, err := cuboid.NewEncoder(l)
	if err != nil {
		t.Fatal(err)
	}
	in.encoder = e
	for _, mask := range testMasks(l) {
		if err := appendCells(t, w, l, b.cells[mask], in); err != nil {
			t.Fatal(err)
		}
	}
	if b.files, b.entries, err = w.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

func appendCells(t testing.TB, w *cuboid.Writer, l *cells.Layout, c *cells.Cells, in batches) error {
	t.Helper()
	e := in.encoder
	if e == nil {
		var err error
		if e, err = cuboid.NewEncoder(l); err != nil {
			t.Fatal(err)
		}
	}
	for from := 0; from < max(c.Len(), 1); from += in.rows {
		var parts []cells.Part
		to := min(from+in.rows, c.Len())
		for at := from; at < to; {
			n := to - at
			if in.cut != nil {
				n = min(in.cut(n), n)
			}
			// Parts of merges have dictionaries of their own.
			part, err := l.Combine(c.Mask, cells.Part{Cells: c, From: at, To: at + n})
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, whole(part))
			at += n
		}
		if len(parts) == 0 {
			parts = []cells.Part{whole(c)}
		}
		g, err := e.Encode(parts...)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(t.Context(), g); err != nil {
			return err
		}
	}
	return nil
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
