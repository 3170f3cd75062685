package cells

import (
	"fmt"
	"math"
	"slices"

	"github.com/apache/datasketches-go/hll"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// CountDistinct returns how many distinct values each state of a count_distinct or count_distinct_exact has met: exactly, or as
// DataSketches estimates it, with the composite estimator.
func CountDistinct(s States) ([]int64, error) {
	switch s := s.(type) {
	case *idSets[uint32]:
		return s.sizes(), nil
	case *idSets[uint64]:
		return s.sizes(), nil
	case *sketches:
		return s.estimates()
	}
	return nil, fmt.Errorf("a %T counts no distinct values", s)
}

func (s *idSets[T]) sizes() []int64 {
	s.settle()
	out := make([]int64, s.Len())
	for i := range out {
		switch {
		case s.single == nil:
			out[i] = int64(len(s.sets.get(i)))
		case !s.none.has(i):
			out[i] = 1
		}
	}
	return out
}

func (s *sketches) estimates() ([]int64, error) {
	s.settle()
	out := make([]int64, s.Len())
	few := map[int]int64{} // by the number of coupons, which alone decides
	var b []byte
	for i := range out {
		var coupons []uint32
		if s.isDense(i) {
			b = s.appendRegisters(b[:0], s.registersOf(i))
		} else {
			coupons = s.coupons(i)
			if v, ok := few[len(coupons)]; ok {
				out[i] = v
				continue
			}
			b = s.appendCoupons(b[:0], coupons)
		}
		sketch, err := hll.NewHllSketchFromSlice(b, false)
		if err != nil {
			return nil, fmt.Errorf("sketch %d: %w", i, err)
		}
		v, err := sketch.GetCompositeEstimate()
		if err != nil {
			return nil, fmt.Errorf("sketch %d: %w", i, err)
		}
		out[i] = int64(math.Round(v))
		if !s.isDense(i) {
			few[len(coupons)] = out[i]
		}
	}
	return out, nil
}

// Quantile returns the value below which the share q, 0 to 1, of each percentile state's values lies: between two values in
// proportion, as quantile_cont of DuckDB has it, and exactly that while values are kept one by one. It is null of no values.
func Quantile(s States, q float64) (stage.Column, error) {
	in, ok := s.(*digests)
	if !ok {
		return stage.Column{}, fmt.Errorf("a %T has no quantiles", s)
	}
	in.settle()
	out := stage.Column{Kind: stage.Float64}
	for i := range in.Len() {
		var cs []centroid
		switch {
		case in.single == nil:
			cs = in.get(i)
		case !in.none.has(i):
			cs = in.single[i : i+1]
		}
		if len(cs) == 0 {
			out.AppendNull()
		} else {
			out.AppendFloat(quantile(cs, q))
		}
	}
	return out, nil
}

// quantile takes each centroid to stand at the middle of its ranks.
func quantile(cs []centroid, q float64) float64 {
	total := uint64(0)
	for _, c := range cs {
		total += c.weight
	}
	rank := min(max(q, 0), 1) * float64(total-1)
	before := 0.0 // ranks below the centroid's
	last, lastAt := cs[0].mean, 0.0
	for _, c := range cs {
		at := before + float64(c.weight-1)/2
		if rank <= at {
			if at <= lastAt {
				return c.mean
			}
			share := (rank - lastAt) / (at - lastAt)
			return min(max(float64(last*(1-share))+float64(c.mean*share), last), c.mean)
		}
		last, lastAt = c.mean, at
		before += float64(c.weight)
	}
	return last
}

// Ranking is what states of a top_n rank.
type Ranking struct {
	Values []stage.Column // one for each of Measure.By: the entries of all states, one state after the other
	Sums   stage.Column   // of the entries: Decimal128, or Float64
	Ends   []int          // where each state's entries end
	Errors stage.Column   // of the entries, as Sums: by how much a sum may be too large
	Floors stage.Column   // of the states, as Sums: no value that a state does not keep has a larger sum
}

// Ranked returns the first n entries of each state of a top_n, the greatest sum first, equal sums by value.
func (m *Measure) Ranked(s States, n int) (*Ranking, error) {
	switch s := s.(type) {
	case *tops[int128]:
		return ranked(s, n)
	case *tops[real]:
		return ranked(s, n)
	}
	return nil, fmt.Errorf("measure %s: a %T ranks nothing", m.Name, s)
}

func ranked[W weight[W]](s *tops[W], n int) (*Ranking, error) {
	s.settle()
	r := &Ranking{Sums: weights[W](), Errors: weights[W](), Floors: weights[W]()}
	for _, by := range s.measure.by {
		r.Values = append(r.Values, stage.Column{Kind: by.kind})
	}
	for i := range s.Len() {
		var entries []entry[W]
		switch {
		case s.single == nil:
			entries = slices.Clone(s.get(i))
		case !s.none.has(i):
			entries = s.single[i : i+1]
		}
		s.rank(entries)
		for _, e := range entries[:min(n, len(entries))] {
			b := s.tuples.values.get(int(e.tuple))
			for k := range r.Values {
				var err error
				if b, err = takeTuple(&r.Values[k], b); err != nil {
					return nil, fmt.Errorf("measure %s: %w", s.measure.Name, err)
				}
			}
			appendSum(&r.Sums, e.sum)
			appendSum(&r.Errors, e.err)
		}
		var floor W
		if s.single == nil {
			floor = s.floors[i]
		}
		appendSum(&r.Floors, floor)
		r.Ends = append(r.Ends, r.Sums.Len())
	}
	return r, nil
}

// weights returns a column of what is added up.
func weights[W weight[W]]() stage.Column {
	if _, float := any(*new(W)).(real); float {
		return stage.Column{Kind: stage.Float64}
	}
	return stage.Column{Kind: stage.Decimal128}
}

func appendSum[W weight[W]](c *stage.Column, w W) {
	switch sum := any(w).(type) {
	case int128:
		v := sum.bytes()
		c.AppendBytes(v[:])
	case real:
		c.AppendFloat(float64(sum))
	}
}

// takeTuple appends the first value of a tuple to c and returns the rest.
func takeTuple(c *stage.Column, b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("a tuple ends early")
	}
	null := b[0] == tupleNull
	b = b[1:]
	switch {
	case null:
		c.AppendNull()
		return b, nil
	case c.Kind == stage.Bytes:
		n := tupleString(b)
		if n == 0 {
			return nil, fmt.Errorf("a tuple has a string without an end")
		}
		c.AppendBytes(unescaped(b[:n-2]))
		return b[n:], nil
	case c.Kind == stage.Decimal128:
		v := slices.Clone(b[:16])
		v[0] ^= 0x80
		c.AppendBytes(v)
		return b[16:], nil
	}
	w := uint64(0)
	for _, x := range b[:8] {
		w = w<<8 | uint64(x)
	}
	appendWord(c, w)
	return b[8:], nil
}

// unescaped returns a tuple's string as it was.
func unescaped(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if out = append(out, b[i]); b[i] == 0 {
			i++ // what marks it as no end
		}
	}
	return out
}

// ByColumns returns the columns whose values a top_n ranks.
func (m *Measure) ByColumns() []ColumnSpec {
	var out []ColumnSpec
	for _, c := range m.by {
		out = append(out, ColumnSpec{Name: c.name, Kind: c.kind, Type: c.typ, Null: true})
	}
	return out
}

// OfType returns the type of the column that the measure aggregates; its Kind is "" where there is none.
func (m *Measure) OfType() cube.Type { return m.of.typ }
