package cells

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/datasketches-go/tdigest"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"pgregory.net/rapid"
)

// TestDigestsAreAccurate folds many values in parts and has DataSketches read the quantiles from the bytes.
func TestDigestsAreAccurate(t *testing.T) {
	m := &Measure{
		Measure: cube.Measure{Name: "p", Function: cube.Percentile, Column: "c", Compression: 100},
		of:      column{"c", stage.Float64, cube.Type{Kind: cube.Float64}},
	}
	r := rand.New(rand.NewPCG(1, 2))
	whole := m.New(1)
	var all []float64
	for part := range 40 {
		c := stage.Column{Kind: stage.Float64}
		for range 5000 {
			v := math.Exp(r.NormFloat64() * float64(1+part%3))
			c.AppendFloat(v)
			all = append(all, v)
		}
		s := m.New(1)
		if err := s.Fold(make([]uint32, c.Len()), liftColumn(t, m, c), 0); err != nil {
			t.Fatal(err)
		}
		if err := whole.Fold([]uint32{0}, must(m.FromColumns(s.Columns(0, 1))), 0); err != nil {
			t.Fatal(err)
		}
		settled(whole)
	}
	slices.Sort(all)
	b := whole.Columns(0, 1)[0].Bytes(0)
	if _, err := m.FromColumns(whole.Columns(0, 1)); err != nil {
		t.Fatalf("read back: %v", err)
	}
	digest := must(tdigest.DecodeDouble(b))
	for _, q := range []float64{0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1} {
		got := must(digest.Quantile(q))
		rank := float64(must1(slices.BinarySearch(all, got))) / float64(len(all))
		if off, most := math.Abs(rank-q), 0.0015+0.03*math.Sqrt(q*(1-q)); off > most {
			t.Errorf("quantile %v: %v has rank %v, off by more than %v", q, got, rank, most)
		}
	}
}

func must1[T, U any](v T, _ U) T { return v }

// TestDigestsKeepTheirSize compresses digests of every compression and shape of values (C7: they can be read again).
func TestDigestsKeepTheirSize(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		compression := rapid.IntRange(20, 1000).Draw(r, "compression")
		n := rapid.IntRange(1, 20000).Draw(r, "n")
		equal := rapid.IntRange(1, 300).Draw(r, "equal")
		cs := make([]centroid, n)
		total := uint64(0)
		for i := range cs {
			cs[i] = centroid{float64(i / equal), 1 + hashWord(uint64(i))%uint64(equal)}
			total += cs[i].weight
		}
		first, last := cs[0], cs[n-1]
		cs = compress(cs, compression)
		sum := uint64(0)
		for i, c := range cs {
			if sum += c.weight; i > 0 && c.mean < cs[i-1].mean {
				r.Fatalf("mean %v after %v", c.mean, cs[i-1].mean)
			}
		}
		if len(cs) > maxCentroids(compression) || sum != total || cs[0] != first || cs[len(cs)-1] != last {
			r.Fatalf("%d centroids of weight %d from %v to %v, want at most %d of %d from %v to %v",
				len(cs), sum, cs[0], cs[len(cs)-1], maxCentroids(compression), total, first, last)
		}
	})
}

// TestTopKeepsItsBound folds parts with far more values than a state keeps: true sums lie between sum less error and sum,
// no value left out exceeds the floor, and floor and errors stay below the total by capacity.
func TestTopKeepsItsBound(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := &Measure{
			Measure: cube.Measure{Name: "top", Function: cube.TopN, Column: "c", By: []string{"c"}, N: 10},
			of:      column{"c", stage.Int64, cube.Type{Kind: cube.Int64}}, by: []column{{"c", stage.Int64, cube.Type{Kind: cube.Int64}}},
		}
		parts := rapid.IntRange(1, 6).Draw(r, "parts")
		spread := rapid.IntRange(100, 8000).Draw(r, "spread")
		seed := rapid.Uint64().Draw(r, "seed")
		truth, total := map[uint32]int64{}, int64(0)
		whole := m.New(1).(*tops[int128])
		for p := range parts {
			c := stage.Column{Kind: stage.Int64}
			for i := range 4000 {
				h := hashWord(seed + uint64(p*4000+i))
				c.AppendInt(1 + int64(h%uint64(1+h>>32%uint64(spread))))
			}
			s := m.New(1)
			src := liftColumn(t, m, c)
			if err := s.Fold(make([]uint32, c.Len()), src, 0); err != nil {
				r.Fatal(err)
			}
			if err := whole.Fold([]uint32{0}, must(m.FromColumns(s.Columns(0, 1))), 0); err != nil {
				r.Fatal(err)
			}
			whole.settle()
			for _, v := range c.Ints {
				truth[uint32(v)] += v
				total += v
			}
		}
		bound := float64(total) / float64(topCapacity(m.N))
		kept := map[uint32]bool{}
		for _, e := range whole.get(0) {
			tuple := whole.tuples.values.get(int(e.tuple))
			v := uint32(tuple[7])<<8 | uint32(tuple[8])
			kept[v] = true
			if sum, low := int64(e.sum.lo), int64(e.sum.lo-e.err.lo); truth[v] > sum || truth[v] < low || float64(e.err.lo) > bound {
				r.Fatalf("value %d: sum %d, at least %d, true %d, error bound %v", v, sum, low, truth[v], bound)
			}
		}
		floor := int64(whole.floors[0].lo)
		if float64(floor) > bound {
			r.Fatalf("floor %d, bound %v of %d", floor, bound, total)
		}
		for v, sum := range truth {
			if !kept[v] && sum > floor {
				r.Fatalf("value %d of sum %d is not kept, the floor is %d", v, sum, floor)
			}
		}
	})
}
