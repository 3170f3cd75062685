package cells

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// wideTable has n columns of a type beside its event time.
func wideTable(t testing.TB, n int, typ string) *cube.Table {
	t.Helper()
	kind := must(cube.ParseType(typ))
	tab := &cube.Table{Name: "t", EventTime: cube.EventTime{Column: "ts"}, Columns: []cube.Column{{Name: "ts", Type: cube.Type{Kind: cube.Timestamp}}}}
	for i := range n {
		tab.Columns = append(tab.Columns, cube.Column{Name: fmt.Sprintf("c%02d", i), Type: kind})
	}
	return tab
}

// TestManyDimensions groups by 63 dimensions of 300 values, whose keys take ten words, and by the grains between.
func TestManyDimensions(t *testing.T) {
	const dims, rows = 63, 3000
	tab := wideTable(t, dims, "int64")
	c := &cube.Cube{Name: "c", Table: "t"}
	for i := range dims {
		c.Dimensions = append(c.Dimensions, cube.Dimension{Column: fmt.Sprintf("c%02d", i)})
	}
	l := must(NewLayout(c, tab))
	s := stage.NewSchema(tab)
	events := make([]row, rows)
	for i := range events {
		events[i] = row{offset: int64(i), values: []any{int64(0)}}
		for d := range dims {
			events[i].values = append(events[i].values, int64(hashWord(uint64(i%2000*dims+d))%300))
		}
	}
	blk := l.NewBlock(l.Base())
	if err := blk.Add(s, chunkOf(s, events, false), 0, rows, 0); err != nil {
		t.Fatal(err)
	}
	base := must(blk.Cells())
	if base.Keys.words < 9 {
		t.Errorf("keys of %d words, want several", base.Keys.words)
	}
	for _, mask := range []uint64{l.Base(), 1, 1 << 62, 0x5555555555555555 >> 1, l.Base() &^ 0xffff} {
		got := must(l.Combine(mask, Part{base, 0, base.Len()}))
		want := groupSlowly(l, s, mask, events)
		if got.Len() != len(want) {
			t.Errorf("cuboid %x: %d cells, want %d", mask, got.Len(), len(want))
		}
		for i := range got.Len() {
			if n := got.States[0].Columns(i, i+1)[0].Ints[0]; n != int64(len(want[keyText(got, i)])) {
				t.Fatalf("cuboid %x, row %d: count %d, want %d", mask, i, n, len(want[keyText(got, i)]))
			}
		}
	}
}

// TestSumsNeverWrap adds at the borders of 64 bits and of 38 digits (C6).
func TestSumsNeverWrap(t *testing.T) {
	most := new(big.Int).Sub(new(big.Int).Exp(big.NewInt(10), big.NewInt(38), nil), big.NewInt(1))
	ints := func(vs ...int64) (c stage.Column) { c.Kind, c.Ints = stage.Int64, vs; return c }
	bigs := func(vs ...*big.Int) (c stage.Column) {
		c.Kind = stage.Decimal128
		for _, v := range vs {
			appendValue(&c, v)
		}
		return c
	}
	for _, tt := range []struct {
		name, typ string
		c         stage.Column
		want      string // the sum, or nothing where it overflows
	}{
		{"beyond int64", "int64", ints(math.MaxInt64, math.MaxInt64, 5), "18446744073709551619"},
		{"far below int64", "int64", ints(math.MinInt64, math.MinInt64, math.MinInt64), "-27670116110564327424"},
		{"there and back", "int64", ints(math.MaxInt64, 1, -1, math.MinInt64), "-1"},
		{"38 nines", "decimal(38,0)", bigs(most), most.String()},
		{"38 nines and less", "decimal(38,0)", bigs(most, new(big.Int).Neg(most), new(big.Int).Neg(most)), "-" + most.String()},
		{"one too many", "decimal(38,0)", bigs(most, big.NewInt(1)), ""},
		{"twice 38 nines", "decimal(38,0)", bigs(most, most), ""},
		{"twice below", "decimal(38,0)", bigs(new(big.Int).Neg(most), new(big.Int).Neg(most)), ""},
	} {
		for _, f := range []cube.Function{cube.Sum, cube.Avg} {
			m := &Measure{Measure: cube.Measure{Name: "total", Function: f, Column: "c"}, of: column{"c", tt.c.Kind, must(cube.ParseType(tt.typ))}}
			s := m.New(1)
			err := s.Fold(make([]uint32, tt.c.Len()), liftColumn(t, m, tt.c), 0)
			var overflow *OverflowError
			switch {
			case tt.want == "" && (!errors.As(err, &overflow) || !strings.Contains(err.Error(), "total")):
				t.Errorf("%s of %s: error %v, want one that names the measure", f, tt.name, err)
			case tt.want != "" && err != nil:
				t.Errorf("%s of %s: %v", f, tt.name, err)
			case tt.want != "":
				if got := bigOf(s.Columns(0, 1)[0].Bytes(0)).String(); got != tt.want {
					t.Errorf("%s of %s: %s, want %s", f, tt.name, got, tt.want)
				}
			}
		}
	}
}

// TestLongStrings groups by, and keeps, strings of 1 MiB that are not UTF-8 and differ in their last byte alone.
func TestLongStrings(t *testing.T) {
	l := testLayout(t, "UTC", []string{"name"}, cube.Measure{Function: cube.Max, Column: "url"}, cube.Measure{Function: cube.Last, Column: "url"},
		cube.Measure{Function: cube.TopN, By: []string{"url"}})
	s := stage.NewSchema(testTable())
	long := func(last byte) []byte { return append(bytes.Repeat([]byte{0xff, 0, 0xfe, 'x'}, 1<<18), last) }
	var rows []row
	for i := range 6 {
		r := row{offset: int64(i), values: make([]any, len(s.Fields))}
		r.values[s.EventTime] = int64(i)
		r.values[s.Field("name")], r.values[s.Field("url")] = long(byte(i%3)), long(byte(i))
		rows = append(rows, r)
	}
	c := blockOf(t, l, s, 1, rows)
	again := must(l.Combine(1, Part{c, 0, c.Len()}, Part{c, 1, 2}))
	if c.Len() != 3 || again.Len() != 3 {
		t.Fatalf("%d and %d cells, want 3", c.Len(), again.Len())
	}
	for i := range 3 {
		for _, k := range []int{0, 1} {
			if got := again.States[k].Columns(i, i+1)[0].Bytes(0); !bytes.Equal(got, long(byte(i+3))) {
				t.Errorf("cell %d, measure %s: a string that ends in %d, want %d", i, l.Measures[k].Name, got[len(got)-1], i+3)
			}
		}
	}
}

// TestNoEventsAndOne keeps empty cells and cells of one event whole, through every step.
func TestNoEventsAndOne(t *testing.T) {
	l := testLayout(t, "UTC", []string{"name", "when/day"}, append(simpleMeasures(), sketchMeasures()...)...)
	s := stage.NewSchema(testTable())
	one := row{values: make([]any, len(s.Fields))}
	one.values[s.EventTime] = int64(7)
	for n, rows := range [][]row{nil, {one}} {
		c := blockOf(t, l, s, l.Base(), rows)
		child := must(l.Combine(0, Part{c, 0, c.Len()}))
		merged := must(l.Combine(l.Base(), Part{c, 0, c.Len()}, Part{c, 0, 0}))
		back := must(l.Decode(merged.Append(nil)))
		for name, got := range map[string]*Cells{"block": c, "child": child, "merged": merged, "decoded": back} {
			if got.Len() != n {
				t.Errorf("%s of %d events: %d cells, want %d", name, n, got.Len(), n)
			}
		}
		if n == 1 && fmt.Sprint(dump(back)) != fmt.Sprint(dump(c)) {
			t.Errorf("decoded %s, want %s", dump(back), dump(c))
		}
	}
}

// TestColumnsOfOtherVersions reads events whose schema lacks a column, and such whose column has another type.
func TestColumnsOfOtherVersions(t *testing.T) {
	l := testLayout(t, "UTC", []string{"name"}, cube.Measure{Function: cube.Sum, Column: "num"}, cube.Measure{Function: cube.First, Column: "url"})
	s := &stage.Schema{Version: 1, Fields: []stage.Field{{Name: "ts", Kind: stage.Int64, Type: cube.Type{Kind: cube.Timestamp}}}}
	c := &stage.Chunk{Offsets: []int64{0, 1}, Columns: []stage.Column{{Kind: stage.Int64, Ints: []int64{1, 2}}}}
	b := l.NewBlock(1)
	if err := b.Add(s, c, 0, 2, 0); err != nil {
		t.Fatal(err)
	}
	if got := dump(must(b.Cells())); len(got) != 1 || !strings.HasPrefix(got[0], "null| null; null;null;null;null; 2;") {
		t.Errorf("without columns: got %q, want one cell of nulls that counts 2", got)
	}
	s = &stage.Schema{Version: 2, Fields: append(s.Fields, stage.Field{Name: "num", Kind: stage.Bytes, Type: cube.Type{Kind: cube.String}})}
	err := l.NewBlock(1).Add(s, c, 0, 2, 0)
	if err == nil || !strings.Contains(err.Error(), "column num is string") || !strings.Contains(err.Error(), "int64") {
		t.Errorf("a column of another type: error %v, want one that names it and both types", err)
	}
}

// TestNewCellsRefuses gives NewCells what no file of ours holds.
func TestNewCellsRefuses(t *testing.T) {
	dict := &Dict{stage.Column{Kind: stage.Int64, Ints: []int64{10, 20}}}
	count := func(n int) []States { return []States{countKind{}.make(nil, n)} }
	for name, err := range map[string]error{
		"a code too high": second(NewCells(1, []*Dict{dict}, [][]uint32{{0, 3}}, count(2))),
		"equal rows":      second(NewCells(1, []*Dict{dict}, [][]uint32{{1, 1}}, count(2))),
		"falling rows":    second(NewCells(1, []*Dict{dict}, [][]uint32{{2, 1}}, count(2))),
		"too few codes":   second(NewCells(1, []*Dict{dict}, [][]uint32{{1}}, count(2))),
		"no dictionary":   second(NewCells(1, []*Dict{nil}, [][]uint32{nil}, count(1))),
		"states that lack": second(NewCells(1, []*Dict{dict}, [][]uint32{{1, 2}},
			append(count(2), count(1)...))),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := NewCells(1, []*Dict{dict}, [][]uint32{{0, 1, 2}}, count(3)); err != nil {
		t.Errorf("three good rows: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }
