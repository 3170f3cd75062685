package cells

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"pgregory.net/rapid"
)

// drawValue draws a value of a column, null now and then, from few and from extreme ones.
func drawValue(t *rapid.T, f *stage.Field) any {
	if rapid.IntRange(0, 9).Draw(t, "null") == 0 && f.Name != "ts" {
		return nil
	}
	switch {
	case f.Name == "when", f.Name == "ts":
		return rapid.Int64Range(1.5e15, 1.52e15).Draw(t, f.Name)
	case f.Type.Kind == cube.Date:
		return rapid.Int64Range(-400, 20000).Draw(t, f.Name)
	case f.Kind == stage.Bool:
		return rapid.Int64Range(0, 1).Draw(t, f.Name)
	case f.Name == "small":
		return rapid.Int64Range(-3, 3).Draw(t, f.Name)
	case f.Kind == stage.Int64:
		return rapid.SampledFrom([]int64{math.MinInt64, -7, 0, 1, 12, 1 << 40, math.MaxInt64}).Draw(t, f.Name)
	case f.Kind == stage.Float64:
		return rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0, 0.5, 2, -3}).Draw(t, f.Name)
	case f.Kind == stage.Decimal128:
		return new(big.Int).Mul(big.NewInt(rapid.Int64Range(-5, 5).Draw(t, f.Name)), new(big.Int).Lsh(big.NewInt(1), 100))
	}
	return []byte(rapid.SampledFrom([]string{"", "a", "a\x00", "b", "\xff\xfe", "prefix-1", "prefix-11", "prefix-2"}).Draw(t, f.Name))
}

func drawRows(t *rapid.T, s *stage.Schema, most int) []row {
	rows := make([]row, rapid.IntRange(0, most).Draw(t, "rows"))
	for i := range rows {
		rows[i] = row{offset: int64(i), partition: int32(i / 16), values: make([]any, len(s.Fields))}
		for f := range s.Fields {
			rows[i].values[f] = drawValue(t, &s.Fields[f])
		}
	}
	return rows
}

// blockOf groups rows in chunks of one partition of up to 16 rows.
func blockOf(t testing.TB, l *Layout, s *stage.Schema, mask uint64, rows []row) *Cells {
	t.Helper()
	b := l.NewBlock(mask)
	b.IDs = testIDs
	for from := 0; from < len(rows); {
		to := from + 1
		for to < len(rows) && to-from < 16 && rows[to].partition == rows[from].partition {
			to++
		}
		c := chunkOf(s, rows[from:to], from%3 == 1)
		half := (to - from) / 2
		for _, part := range [][2]int{{0, half}, {half, to - from}} {
			if err := b.Add(s, c, part[0], part[1], rows[from].partition); err != nil {
				t.Fatal(err)
			}
		}
		from = to
	}
	c, err := b.Cells()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func allDims() []string {
	return []string{
		"when/second", "when/minute", "when/hour", "when/day", "when/week", "when/month", "when/quarter", "when/year", "when",
		"day", "day/week", "day/year", "flag", "num", "small", "float", "price", "big", "name", "url",
	}
}

func drawLayout(t *rapid.T, tb testing.TB, measures []cube.Measure) *Layout {
	dims := rapid.SliceOfNDistinct(rapid.SampledFrom(allDims()), 1, 8, rapid.ID).Draw(t, "dims")
	zone := rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"}).Draw(t, "zone")
	return testLayout(tb, zone, dims, measures...)
}

// TestCellsAgainstMaps groups events by random dimensions and holds keys and states against Go maps (C2, C4).
func TestCellsAgainstMaps(t *testing.T) {
	s := stage.NewSchema(testTable())
	rapid.Check(t, func(r *rapid.T) {
		l := drawLayout(r, t, drawMeasures(r))
		rows := drawRows(r, s, 200)
		base := blockOf(t, l, s, l.Base(), rows)
		compareSlowly(r, l, s, base, rows)
		mask := rapid.Uint64Range(0, l.Base()).Draw(r, "mask")
		child, err := l.Combine(mask, Part{base, 0, base.Len()})
		if err != nil {
			r.Fatal(err)
		}
		compareSlowly(r, l, s, child, rows)
		compareSlowly(r, l, s, blockOf(t, l, s, mask, rows), rows)
	})
}

func compareSlowly(t *rapid.T, l *Layout, s *stage.Schema, got *Cells, rows []row) {
	want := groupSlowly(l, s, got.Mask, rows)
	if got.Len() != len(want) {
		t.Fatalf("cuboid %b: %d cells, want %d", got.Mask, got.Len(), len(want))
	}
	for i := range got.Len() {
		if i > 0 && (got.compareKeys(i-1, i) >= 0 || got.Compare(i-1, got, i) >= 0) {
			t.Fatalf("cuboid %b: row %d (%s) does not come after %s", got.Mask, i, keyText(got, i), keyText(got, i-1))
		}
		key := keyText(got, i)
		members, ok := want[key]
		if !ok {
			t.Fatalf("cuboid %b: key %s is not wanted", got.Mask, key)
		}
		for k := range l.Measures {
			m := &l.Measures[k]
			if got, want := stateText(got.States[k], i), slowState(m, s, members); got != want {
				t.Fatalf("cuboid %b, key %s, measure %s: got %s, want %s of %d events", l.Base(), key, m.Name, got, want, len(members))
			}
		}
	}
	for dim, d := range got.Dicts {
		if d == nil {
			continue
		}
		codes := got.Keys.AppendCodes(nil, dim, 0, got.Len())
		for c := 1; c < d.Len(); c++ {
			if !slices.Contains(codes, uint32(c)) {
				t.Fatalf("dimension %s: no row has value %d of %d", l.Dims[dim].Name, c, d.Len()-1)
			}
		}
	}
}

// TestMergeIsBuild merges the cells of parts of the events and compares them with the cells of all (C4).
func TestMergeIsBuild(t *testing.T) {
	s := stage.NewSchema(testTable())
	rapid.Check(t, func(r *rapid.T) {
		l := drawLayout(r, t, drawMeasures(r))
		rows := drawRows(r, s, 200)
		cut := rapid.IntRange(0, len(rows)).Draw(r, "cut")
		a, b := blockOf(t, l, s, l.Base(), rows[:cut]), blockOf(t, l, s, l.Base(), rows[cut:])
		got, err := l.Combine(l.Base(), Part{a, 0, a.Len()}, Part{b, 0, b.Len()})
		if err != nil {
			r.Fatal(err)
		}
		compareSlowly(r, l, s, got, rows)

		// The same in two steps, cut at a key.
		if a.Len() == 0 || b.Len() == 0 {
			return
		}
		at := rapid.IntRange(0, a.Len()-1).Draw(r, "at")
		upto := b.Upto(0, a, at)
		low, err := l.Combine(l.Base(), Part{a, 0, at + 1}, Part{b, 0, upto})
		if err != nil {
			r.Fatal(err)
		}
		high, err := l.Combine(l.Base(), Part{a, at + 1, a.Len()}, Part{b, upto, b.Len()})
		if err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(dump(got), append(dump(low), dump(high)...)); diff != "" {
			r.Fatalf("in two steps (-whole +steps):\n%s", diff)
		}
	})
}

// dump lists keys and states of cells.
func dump(c *Cells) (out []string) {
	for i := range c.Len() {
		line := keyText(c, i)
		for _, s := range c.States {
			line += " " + stateText(s, i)
		}
		out = append(out, line)
	}
	return out
}

// TestColumnsRoundTrip stores states and reads them back (C7).
func TestColumnsRoundTrip(t *testing.T) {
	s := stage.NewSchema(testTable())
	rapid.Check(t, func(r *rapid.T) {
		l := testLayout(t, "UTC", []string{"small", "name"}, drawMeasures(r)...)
		c := blockOf(t, l, s, l.Base(), drawRows(r, s, 100))
		from := rapid.IntRange(0, c.Len()).Draw(r, "from")
		to := rapid.IntRange(from, c.Len()).Draw(r, "to")
		if again := must(l.Decode(c.Append(nil))); !slices.Equal(dump(again), dump(c)) {
			r.Fatalf("decoded\n%v, appended\n%v", dump(again), dump(c))
		}
		for i := range l.Measures {
			m := &l.Measures[i]
			cols := c.States[i].Columns(from, to)
			if coded := rapid.Bool().Draw(r, "coded"); coded {
				for k := range cols {
					cols[k] = encode(&cols[k])
				}
			}
			back, err := m.FromColumns(cols)
			if err != nil {
				r.Fatalf("measure %s: %v", m.Name, err)
			}
			for k := range back.Len() {
				if got, want := stateText(back, k), stateText(c.States[i], from+k); got != want {
					r.Fatalf("measure %s, row %d: read %s, stored %s", m.Name, k, got, want)
				}
			}
			again := m.New(back.Len())
			groups := make([]uint32, back.Len())
			for k := range groups {
				groups[k] = uint32(k)
			}
			if err := again.Fold(groups, back, 0); err != nil {
				r.Fatal(err)
			}
			for k := range back.Len() {
				if got, want := stateText(again, k), stateText(c.States[i], from+k); got != want {
					r.Fatalf("measure %s, row %d: folded %s, stored %s", m.Name, k, got, want)
				}
			}
		}
	})
}

// TestGroup holds every way of grouping against sorting.
func TestGroup(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		width := rapid.SampledFrom([]int{0, 1, 7, 12, 20, 33, 50, 64}).Draw(r, "width")
		repeat := rapid.SampledFrom([]int{1, 2, 9}).Draw(r, "repeat")
		n := rapid.SampledFrom([]int{0, 1, 2, 40, 5000, 1 << 15}).Draw(r, "n")
		seed := rapid.Uint64().Draw(r, "seed")
		keys := make([]uint64, n)
		for i := range keys {
			keys[i] = hashWord(seed+uint64(i/repeat)) & (1<<width - 1)
		}
		want := slices.Clone(keys)
		slices.Sort(want)
		want = slices.Compact(want)
		ways := map[string]func() ([]uint32, []uint64){
			"group64": func() ([]uint32, []uint64) { return group64(keys, width) },
			"radix":   func() ([]uint32, []uint64) { return groupRadix(keys, width) },
			"wide":    func() ([]uint32, []uint64) { return groupWide(keys, width) },
			"words":   func() ([]uint32, []uint64) { return groupWords(slices.Clone(keys)) },
			"sorted":  func() ([]uint32, []uint64) { return group64(want, width) },
		}
		if width <= 20 {
			ways["direct"] = func() ([]uint32, []uint64) { return groupDirect(keys, width) }
		}
		for name, way := range ways {
			groups, distinct := way()
			if !slices.Equal(distinct, want) {
				r.Fatalf("%s: %d keys of %d bits: %d distinct, want %d", name, n, width, len(distinct), len(want))
			}
			for i, g := range groups {
				if name != "sorted" && distinct[g] != keys[i] {
					r.Fatalf("%s: key %d is %x, in group %x", name, i, keys[i], distinct[g])
				}
			}
		}
	})
}

// drawMeasures draws some of all kinds of measures: all of them at once would take long.
func drawMeasures(t *rapid.T) []cube.Measure {
	all := append(simpleMeasures(), sketchMeasures()...)
	key := func(m cube.Measure) string { return fmt.Sprint(m) }
	return rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, 12, key).Draw(t, "measures")
}

func simpleMeasures() (out []cube.Measure) {
	for _, c := range []struct {
		f    cube.Function
		cols []string
	}{
		{cube.Count, []string{"", "name", "float"}},
		{cube.Sum, []string{"num", "small", "float", "price", "big"}},
		{cube.Avg, []string{"num", "float", "big"}},
		{cube.Min, []string{"when", "day", "flag", "num", "float", "price", "big", "name"}},
		{cube.Max, []string{"when", "day", "flag", "num", "float", "price", "big", "name"}},
	} {
		for _, col := range c.cols {
			out = append(out, cube.Measure{Function: c.f, Column: col, Name: fmt.Sprintf("%s_%s", c.f, col)})
		}
	}
	return out
}
