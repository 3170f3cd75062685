package cells

import (
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

type countKind struct{}

func (countKind) columns(m *Measure) []ColumnSpec {
	return []ColumnSpec{{Name: m.Name, Kind: stage.Int64, Type: cube.Type{Kind: cube.Int64}}}
}

func (countKind) make(_ *Measure, n int) States { return &counts{n: n, of: make([]int64, n)} }

func (countKind) lift(m *Measure) lifter { return &countLifter{column: m.Column} }

func (countKind) read(_ *Measure, cols []stage.Column, n int) (States, error) {
	return &counts{n: n, of: cols[0].Ints}, nil
}

// counts of events have no numbers: each is 1, or 0 where a bit of zero is set.
type counts struct {
	n    int
	of   []int64
	zero bitset
}

func (s *counts) Len() int { return s.n }

func (s *counts) Fold(groups []uint32, src States, from int) error {
	in := sameKind(s, src)
	switch {
	case in.of != nil:
		vs := in.of[from:][:len(groups)]
		for i, g := range groups {
			s.of[g] += vs[i]
		}
	case !in.zero.any(from, from+len(groups)):
		for _, g := range groups {
			s.of[g]++
		}
	default:
		for i, g := range groups {
			if !in.zero.has(from + i) {
				s.of[g]++
			}
		}
	}
	return nil
}

func (s *counts) Columns(from, to int) []stage.Column {
	c := stage.Column{Kind: stage.Int64}
	if s.of != nil {
		c.Ints = s.of[from:to:to]
		return []stage.Column{c}
	}
	c.Ints = make([]int64, 0, to-from)
	for i := from; i < to; i++ {
		v := int64(1)
		if s.zero.has(i) {
			v = 0
		}
		c.AppendInt(v)
	}
	return []stage.Column{c}
}

func (s *counts) MemBytes() int64 { return int64(8 * (cap(s.of) + cap(s.zero))) }

type countLifter struct {
	column string
	out    counts
}

func (l *countLifter) add(e *events) error {
	if l.column != "" {
		l.out.zero.appendNulls(l.out.n, e.column(l.column), e.from, e.to)
	}
	l.out.n += e.to - e.from
	return nil
}

func (l *countLifter) states(IDs) (States, error) { return &l.out, nil }

func (l *countLifter) memBytes() int64 { return l.out.MemBytes() }
