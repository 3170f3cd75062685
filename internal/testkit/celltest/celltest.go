package celltest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pages"
)

// Table has a column of every type that a dimension may have.
func Table(t testing.TB) *cube.Table {
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

// Cube groups by a dimension of every type; the row key is in the order of dimensions. more are measures beside its own, a
// function and a column each.
func Cube(more ...string) *cube.Cube {
	c := &cube.Cube{Name: "c", Table: "t", TimeZone: "Europe/Berlin"}
	for _, d := range []string{"ts/minute", "name", "flag", "num", "float", "price", "big", "day/month", "url", "nothing"} {
		column, grain, _ := strings.Cut(d, "/")
		c.Dimensions = append(c.Dimensions, cube.Dimension{Column: column, Grain: cube.Grain(grain)})
	}
	own := []string{"count", "sum amount", "sum share", "sum cost", "min share", "max url", "min big", "avg amount", "avg share", "count nothing", "max flag"}
	for _, m := range append(own, more...) {
		f, column, _ := strings.Cut(m, " ")
		c.Measures = append(c.Measures, cube.Measure{Function: cube.Function(f), Column: column})
	}
	return c.WithDefaults()
}

// Layout is that of a cube over Table.
func Layout(t testing.TB, c *cube.Cube) *cells.Layout {
	t.Helper()
	l, err := cells.NewLayout(c, Table(t))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Cells returns the base cells of n events that seed draws; equal seeds give equal cells. Some events have the same
// key, so that there are fewer cells. texts are the values of strings, where they are to be others than usual.
func Cells(t testing.TB, l *cells.Layout, seed uint64, n int, texts ...string) *cells.Cells {
	t.Helper()
	if n == 0 {
		return None(t, l, l.Base())
	}
	rnd := rand.New(rand.NewPCG(seed, 1))
	s := stage.NewSchema(Table(t))
	c := stage.NewChunk(s)
	for i := range n {
		c.Offsets, c.Timestamps = append(c.Offsets, int64(i)), append(c.Timestamps, 0)
		for k, f := range s.Fields {
			if f.Name == "nothing" || f.Name != "ts" && rnd.IntN(8) == 0 {
				c.Columns[k].AppendNull()
			} else {
				Draw(&c.Columns[k], f.Type, rnd, texts...)
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

// None are the cells of a cuboid that has none.
func None(t testing.TB, l *cells.Layout, mask uint64) *cells.Cells {
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

// Draw appends a value of a type, extreme ones among them.
func Draw(c *pages.Column, typ cube.Type, rnd *rand.Rand, texts ...string) {
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
		if len(texts) == 0 {
			texts = []string{"", "DE", "FR", "Ünïcode ✓", "a\nb", strings.Repeat("long", 30)}
		}
		c.AppendBytes([]byte(texts[rnd.IntN(len(texts))]))
	}
}

// Whole is all rows of c.
func Whole(c *cells.Cells) cells.Part { return cells.Part{Cells: c, To: c.Len()} }

// RollUp returns the cells of a smaller cuboid.
func RollUp(t testing.TB, l *cells.Layout, base *cells.Cells, mask uint64) *cells.Cells {
	t.Helper()
	if base.Len() == 0 {
		return None(t, l, mask)
	}
	c, err := l.Combine(mask, Whole(base))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Masks are cuboids in the order in which they are written.
func Masks(l *cells.Layout) []uint64 {
	b := l.Base()
	return []uint64{b, b &^ 1, b >> 1, b &^ (b >> 2), b >> 2 & 0b10100100, 1, 0}
}

// Rows returns every row of c as text: values, not codes.
func Rows(c *cells.Cells) []string {
	lines := make([]bytes.Buffer, c.Len())
	for i, d := range c.Dicts {
		for r := range lines {
			if d == nil {
				fmt.Fprint(&lines[r], "-|")
			} else if code := c.Keys.Code(r, i); code == 0 {
				fmt.Fprint(&lines[r], "null|")
			} else {
				fmt.Fprintf(&lines[r], "%s|", Value(&d.Values, int(code-1)))
			}
		}
	}
	for _, s := range c.States {
		for _, col := range s.Columns(0, c.Len()) {
			for r := range lines {
				fmt.Fprintf(&lines[r], "%s|", Value(&col, r))
			}
		}
	}
	out := make([]string, len(lines))
	for i := range lines {
		out[i] = lines[i].String()
	}
	return out
}

// Value is a value as text.
func Value(c *pages.Column, i int) string {
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
