package cells

import (
	"fmt"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// avgKind keeps an average as a sum and the count of what is in it, which is 0 where and only where the sum is null.
type avgKind struct{ sum kind }

func (k avgKind) columns(m *Measure) []ColumnSpec {
	sum := k.sum.columns(m)[0]
	sum.Name = m.Name + "__sum"
	return []ColumnSpec{sum, {Name: m.Name + "__count", Kind: stage.Int64, Type: cube.Type{Kind: cube.Int64}}}
}

func (k avgKind) make(m *Measure, n int) States {
	return &averages{k.sum.make(m, n), countKind{}.make(m, n)}
}

func (k avgKind) lift(m *Measure) lifter { return avgLifter{k.sum.lift(m), countKind{}.lift(m)} }

func (k avgKind) read(m *Measure, cols []stage.Column, n int) (States, error) {
	for i, v := range cols[1].Ints {
		if v < 0 || (v == 0) != cols[0].IsNull(i) {
			return nil, fmt.Errorf("row %d: a count of %d, and a sum that is null: %t", i, v, cols[0].IsNull(i))
		}
	}
	sums, err := k.sum.read(m, cols[:1], n)
	if err != nil {
		return nil, err
	}
	counts, err := countKind{}.read(m, cols[1:], n)
	return &averages{sums, counts}, err
}

type averages struct{ sums, counts States }

func (s *averages) Len() int { return s.sums.Len() }

func (s *averages) Fold(groups []uint32, src States, from int) error {
	in := sameKind(s, src)
	if err := s.sums.Fold(groups, in.sums, from); err != nil {
		return err
	}
	return s.counts.Fold(groups, in.counts, from)
}

func (s *averages) Columns(from, to int) []stage.Column {
	return append(s.sums.Columns(from, to), s.counts.Columns(from, to)...)
}

func (s *averages) MemBytes() int64 { return s.sums.MemBytes() + s.counts.MemBytes() }

type avgLifter struct{ sums, counts lifter }

func (l avgLifter) add(e *events) error {
	if err := l.sums.add(e); err != nil {
		return err
	}
	return l.counts.add(e)
}

func (l avgLifter) states(ids IDs) (States, error) {
	sums, err := l.sums.states(ids)
	if err != nil {
		return nil, err
	}
	counts, err := l.counts.states(ids)
	return &averages{sums, counts}, err
}

func (l avgLifter) memBytes() int64 { return l.sums.memBytes() + l.counts.memBytes() }
