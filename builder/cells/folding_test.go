package cells

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/apache/datasketches-go/hll"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"pgregory.net/rapid"
)

// TestFoldRowsIsFold folds chosen rows in pieces into states that grow, and holds them against rows that are folded one by
// one with Fold.
func TestFoldRowsIsFold(t *testing.T) {
	s := stage.NewSchema(testTable())
	rapid.Check(t, func(r *rapid.T) {
		l := drawLayout(r, t, drawMeasures(r))
		var parts []*Cells
		for range rapid.IntRange(1, 3).Draw(r, "parts") {
			if c := blockOf(t, l, s, l.Base(), drawRows(r, s, 60)); c.Len() > 0 {
				parts = append(parts, c)
			}
		}
		n := rapid.IntRange(1, 130).Draw(r, "groups")
		for k := range l.Measures {
			m := &l.Measures[k]
			want, got, size := m.New(n), m.NewFolding(0), 0
			var buffer, chosen []uint32
			for _, p := range parts {
				from := rapid.IntRange(0, p.Len()-1).Draw(r, "from")
				same := rapid.Bool().Draw(r, "a run")
				groups, rows := []uint32{}, []uint32{}
				all := same || rapid.Bool().Draw(r, "all rows")
				for row := from; row < p.Len(); row++ {
					if !all && rapid.IntRange(0, 2).Draw(r, "leave out") == 0 {
						continue
					}
					g := uint32(rapid.IntRange(0, n-1).Draw(r, "group"))
					if same {
						g = uint32(n / 2)
					}
					groups, rows = append(groups, g), append(rows, uint32(row))
					if err := want.Fold([]uint32{g}, p.States[k], row); err != nil {
						r.Fatal(err)
					}
				}
				if len(groups) > 0 {
					size = max(size, int(slices.Max(groups))+1)
					got.Grow(size)
				}
				cut := rapid.IntRange(0, len(groups)).Draw(r, "cut")
				if same {
					for _, to := range [][2]int{{0, cut}, {cut, len(groups)}} {
						if err := got.FoldRun(uint32(n/2), from+to[0], from+to[1], p.States[k]); err != nil {
							r.Fatal(err)
						}
					}
					continue
				}
				for _, piece := range [][2]int{{0, cut}, {cut, len(groups)}} {
					buffer = append(buffer[:0], groups[piece[0]:piece[1]]...) // memory that is used again: nothing may be kept of it
					chosen = append(chosen[:0], rows[piece[0]:piece[1]]...)
					use := chosen
					if all {
						use = nil
					}
					if err := got.FoldRows(buffer, use, from+piece[0], p.States[k]); err != nil {
						r.Fatal(err)
					}
				}
			}
			got.Grow(n)
			settled(want)
			for g := range n {
				if a, b := stateText(got, g), stateText(want, g); a != b {
					r.Fatalf("measure %s, group %d of %d: got %s, want %s", m.Name, g, n, a, b)
				}
			}
		}
	})
}

// TestRaiseAll holds eight registers at a time against one at a time.
func TestRaiseAll(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		registers := rapid.SliceOfN(rapid.ByteRange(0, 127), 16, 16)
		a, b := registers.Draw(r, "a"), registers.Draw(r, "b")
		got := slices.Clone(a)
		raiseAll(got, b)
		for i := range a {
			if want := max(a[i], b[i]); got[i] != want {
				r.Fatalf("register %d of %v and %v: got %d, want %d", i, a, b, got[i], want)
			}
		}
	})
}

// TestSumsOfARun adds extreme numbers up in a register: the sum is exact, and one of more than 38 digits an error.
func TestSumsOfARun(t *testing.T) {
	in := &wideSums{narrow: []int64{math.MaxInt64, math.MaxInt64, math.MinInt64, -1, math.MinInt64, 7}}
	for n := range len(in.narrow) + 1 {
		s := &wideSums{measure: "m", narrow: make([]int64, 2), nulls: full(2)}
		if err := s.FoldRun(0, 0, n, in); err != nil {
			t.Fatal(err)
		}
		want := int128{}
		for _, v := range in.narrow[:n] {
			want, _ = add38(want, wide(v))
		}
		got := s.Columns(0, 1)[0]
		if v := int128Of(got.Bytes(0)); v != want || got.IsNull(0) != (n == 0) {
			t.Errorf("%d numbers: got %v (null: %t), want %v", n, v, got.IsNull(0), want)
		}
	}
	most, _ := add38(int128{limit38hi, limit38lo}, wide(-1))
	s := &wideSums{measure: "m", wide: []int128{most}, nulls: full(1)}
	if err := s.FoldRun(0, 3, 5, in); err != nil { // -1 and the least
		t.Fatal(err)
	}
	if err := s.FoldRun(0, 0, 2, in); err == nil {
		t.Error("a sum of more than 38 digits is no error")
	}
}

// TestFoldingManyValues has lists, sets and sketches place copies again and again: they come out as when all is placed at
// the end, digests with the same number of values.
func TestFoldingManyValues(t *testing.T) {
	const rows, groups = 3 * minCopied, 3
	_, c := benchLikeChunk(rows)
	for _, m := range manyMeasures() {
		src := liftColumn(t, m, c.Columns[0])
		all := make([]uint32, rows)
		for i := range all {
			all[i] = uint32(hashWord(uint64(i)) % groups)
		}
		want := m.New(groups)
		if err := want.Fold(all, src, 0); err != nil {
			t.Fatal(err)
		}
		settled(want)
		got := m.NewFolding(groups)
		for from := 0; from < rows; from += 1000 {
			to := min(from+1000, rows)
			if err := got.FoldRows(all[from:to], nil, from, src); err != nil {
				t.Fatal(err)
			}
		}
		for g := range groups {
			a, b := stateText(got, g), stateText(want, g)
			if d, ok := got.(*digests); ok {
				a, b = weightText(d, g), weightText(want.(*digests), g)
			}
			if a != b {
				t.Errorf("measure %s, group %d: got %.200s, want %.200s", m.Name, g, a, b)
			}
		}
	}
}

// TestRunsOfSketches folds cells with a few coupons each into one sketch, in runs: it comes out as when all is placed at the end.
func TestRunsOfSketches(t *testing.T) {
	const rows, few = 4 * minSketches, 1000
	_, c := benchLikeChunk(rows)
	for _, m := range manyMeasures()[:2] {
		of := make([]uint32, rows)
		for i := range of {
			of[i] = uint32(i % few)
		}
		cells := m.New(few)
		if err := cells.Fold(of, liftColumn(t, m, c.Columns[0]), 0); err != nil {
			t.Fatal(err)
		}
		src := must(m.FromColumns(cells.Columns(0, few)))
		want, got := m.New(2), m.NewFolding(2)
		if err := want.Fold(make([]uint32, few), src, 0); err != nil {
			t.Fatal(err)
		}
		settled(want)
		for from := 0; from < few; from += 50 {
			if err := got.FoldRun(0, from, from+50, src); err != nil {
				t.Fatal(err)
			}
		}
		if a, b := stateText(got, 0), stateText(want, 0); a != b {
			t.Errorf("measure %s: got %.200s, want %.200s", m.Name, a, b)
		}
	}
}

// TestQuantileOfFewValues is quantile_cont.
func TestQuantileOfFewValues(t *testing.T) {
	for _, c := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{[]float64{5}, 0.3, 5},
		{[]float64{1, 2}, 0.5, 1.5},
		{[]float64{1, 2, 4}, 0.5, 2},
		{[]float64{1, 2, 4}, 0.75, 3},
		{[]float64{-1, 2, 4, 9}, 0, -1},
		{[]float64{-1, 2, 4, 9}, 1, 9},
		{[]float64{3, 3, 3, 9}, 0.5, 3},
	} {
		var cs []centroid
		for _, v := range c.values {
			cs = append(cs, centroid{v, 1})
		}
		if got := quantile(cs, c.q); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("quantile %v of %v: got %v, want %v", c.q, c.values, got, c.want)
		}
	}
	heavy := []centroid{{1, 1}, {10, 98}, {50, 1}}
	for q := 0.0; q < 1; q += 0.05 {
		if a, b := quantile(heavy, q), quantile(heavy, q+0.05); a > b || a < 1 || b > 50 {
			t.Errorf("quantiles %v and %v of %v are %v and %v: they do not ascend between least and greatest", q, q+0.05, heavy, a, b)
		}
	}
}

func benchLikeChunk(rows int) (*stage.Schema, *stage.Chunk) {
	c := stage.Column{Kind: stage.Int64}
	for i := range rows {
		c.AppendInt(int64(hashWord(uint64(i)) % 50_000))
	}
	return nil, &stage.Chunk{Columns: []stage.Column{c}}
}

func manyMeasures() []*Measure {
	of := column{"c", stage.Int64, cube.Type{Kind: cube.Int64}}
	var out []*Measure
	for _, m := range []cube.Measure{
		{Name: "hll", Function: cube.CountDistinct, Precision: 12},
		{Name: "small", Function: cube.CountDistinct, Precision: 5},
		{Name: "exact", Function: cube.CountDistinctExact},
		{Name: "percentile", Function: cube.Percentile, Compression: 100},
	} {
		m.Column = "c"
		out = append(out, &Measure{Measure: m, of: of})
	}
	return out
}

func weightText(s *digests, i int) string {
	total := uint64(0)
	for _, c := range s.get(i) {
		total += c.weight
	}
	return fmt.Sprint(total, s.get(i)[0], s.get(i)[len(s.get(i))-1])
}

// TestCountDistinctIsTheLibrarys compares estimates with the library's, for sketches of every form, and exact counts.
func TestCountDistinctIsTheLibrarys(t *testing.T) {
	for _, n := range []int{0, 1, 5, 8, 100, 384, 385, 3000, 40000} {
		c := stage.Column{Kind: stage.Int64}
		for i := range n {
			c.AppendInt(int64(i))
		}
		for _, m := range manyMeasures()[:3] {
			s := m.NewFolding(2)
			groups := make([]uint32, n)
			for i := range groups {
				groups[i] = 1
			}
			if err := s.FoldRows(groups, nil, 0, liftColumn(t, m, c)); err != nil {
				t.Fatal(err)
			}
			want := int64(n)
			if m.Function == cube.CountDistinct {
				stored := s.Columns(1, 2)[0].Bytes(0)
				estimate := must(must(hll.NewHllSketchFromSlice(stored, true)).GetCompositeEstimate())
				want = int64(math.Round(estimate))
			}
			got := must(CountDistinct(s))
			if got[0] != 0 || got[1] != want {
				t.Errorf("%s of %d values: got %v, want 0 and %d", m.Name, n, got, want)
			}
		}
	}
}

// TestRankedGivesBackValues reads the values out of tuples: what went in comes out, the greatest sum first.
func TestRankedGivesBackValues(t *testing.T) {
	s := stage.NewSchema(testTable())
	rapid.Check(t, func(r *rapid.T) {
		l := testLayout(t, "UTC", []string{"flag"}, cube.Measure{Name: "t", Function: cube.TopN, By: []string{"name", "float", "big", "num"}, N: 5})
		rows := drawRows(r, s, 40)
		want := map[string]int64{}
		key := func(vs ...any) (k string) {
			for _, v := range vs {
				k += text(v) + "|"
			}
			return k
		}
		for _, x := range rows {
			v := x.values
			want[key(v[s.Field("name")], v[s.Field("float")], v[s.Field("big")], v[s.Field("num")])]++
		}
		all := rollUp(t, l, blockOf(t, l, s, l.Base(), rows))
		if all.Len() == 0 {
			return
		}
		m := &l.Measures[0]
		got := must(m.Ranked(all.States[0], 1000))
		last := int64(math.MaxInt64)
		for i := range got.Ends[0] {
			k := ""
			for c := range got.Values {
				k += text(valueAt(&got.Values[c], i)) + "|"
			}
			sum := bigOf(got.Sums.Bytes(i)).Int64()
			if sum > last || want[k] != sum {
				r.Fatalf("entry %d, %s: got %d after %d, want %d", i, k, sum, last, want[k])
			}
			last = sum
			delete(want, k)
		}
		if len(want) > 0 {
			r.Fatalf("%d values are missing: %v", len(want), want)
		}
		if few := must(m.Ranked(all.States[0], 2)); few.Ends[0] != min(2, got.Ends[0]) {
			r.Fatalf("%d entries of the first 2 of %d", few.Ends[0], got.Ends[0])
		}
	})
}

// rollUp returns the cells of no dimensions.
func rollUp(t testing.TB, l *Layout, c *Cells) *Cells {
	t.Helper()
	return must(l.Combine(0, Part{c, 0, c.Len()}))
}
