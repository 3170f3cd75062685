package cuboid

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// Whatever the order, repeats and numbers kept: the same sets are the same, and one number more or less among those that both keep
// is seen.
func TestSmallest(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		values := rapid.SliceOfN(rapid.Uint64Range(0, 400), 0, 500).Draw(r, "values")
		a := &smallest{keep: rapid.IntRange(1, 300).Draw(r, "keep")}
		b := &smallest{keep: rapid.IntRange(1, 300).Draw(r, "keep of the other")}
		for _, v := range values {
			a.add(v)
		}
		for _, v := range slices.Backward(values) {
			b.add(v)
			b.add(v)
		}
		if cap(a.list) > 2*a.keep {
			r.Fatalf("room for %d values, want at most twice the %d that are kept", cap(a.list), a.keep)
		}
		if !a.same(b) || !b.same(a) {
			r.Fatalf("the same values are not the same: %v and %v", a, b)
		}
		want := slices.Clone(values)
		slices.Sort(want)
		want = slices.Compact(want)
		if got := a.below(0); !slices.Equal(got, want[:min(len(want), a.keep)]) {
			r.Fatalf("kept %v, want the smallest %d of %v", got, a.keep, want)
		}
		if len(want) == 0 {
			return
		}
		less := &smallest{keep: b.keep}
		for _, v := range values {
			if v != want[0] {
				less.add(v)
			}
		}
		if a.same(less) {
			r.Fatalf("without %d: %v is the same as %v", want[0], less, a)
		}
	})
}

// However many sets and cuboids: together they keep no more than sampleHashes, and each something.
func TestPrintsAreBounded(t *testing.T) {
	for _, sets := range []int{1, 2, 8, 199} {
		for _, cuboids := range []int{1, 100, cube.MaxCuboids} {
			l := new(cells.Layout)
			for range sets {
				l.Measures = append(l.Measures, cells.Measure{Measure: cube.Measure{Name: "ids", Function: cube.CountDistinctExact}})
			}
			total, least := 0, sampleHashes
			for _, set := range NewPrints(l, make([]uint64, cuboids)...).sets {
				for i := range set.pairs {
					total, least = total+set.pairs[i].keep, min(least, set.pairs[i].keep)
				}
			}
			if total > sampleHashes || least < 1 {
				t.Errorf("%d sets in %d cuboids keep %d hashes, the least of them %d; want at most %d and 1", sets, cuboids, total, least, sampleHashes)
			}
		}
	}
}
