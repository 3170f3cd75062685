package cells

import (
	"fmt"

	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// exactKind keeps sets of ids: of strings those of the column's global dictionary, of all else the values themselves.
type exactKind[T uint32 | uint64] struct{}

func (exactKind[T]) columns(m *Measure) []ColumnSpec {
	return []ColumnSpec{{Name: m.Name, Kind: stage.Bytes}}
}

func (exactKind[T]) make(_ *Measure, n int) States {
	return &idSets[T]{sets: newSets[T](n)}
}

func (exactKind[T]) lift(m *Measure) lifter {
	if m.of.kind == stage.Bytes {
		return &stringIDLifter{column: m.Column, values: newDimBuilder(&Dim{Kind: stage.Bytes}, nil)}
	}
	return &wordIDLifter{column: m.Column}
}

func (exactKind[T]) read(_ *Measure, cols []stage.Column, n int) (States, error) {
	s := &idSets[T]{sets: newSets[T](n)}
	for i := range n {
		r := roaringReader{b: cols[0].Bytes(i)}
		switch of := any(&s.sets.of).(type) {
		case *[]uint32:
			*of = r.ids32(*of)
		case *[]uint64:
			*of = r.ids64(*of)
		}
		if len(r.b) > 0 {
			r.fail("%d bytes behind a bitmap", len(r.b))
		}
		if r.err != nil {
			return nil, fmt.Errorf("row %d: %w", i, r.err)
		}
		s.sets.ends[i] = uint32(len(s.sets.of))
	}
	return s, nil
}

// idSets are sets. Those of events are in single: one id each, or none where a bit of none is set.
type idSets[T uint32 | uint64] struct {
	single []T
	none   bitset
	sets   sets[T]
}

func (s *idSets[T]) Len() int { return max(len(s.single), s.sets.n) }

func (s *idSets[T]) settle() { s.sets.settle() }

func (s *idSets[T]) Fold(groups []uint32, src States, from int) error {
	in := sameKind(s, src)
	in.settle()
	p := piece[T]{groups: groups, from: from, of: in.single, none: in.none}
	if in.single == nil {
		p = piece[T]{groups: groups, from: from, of: in.sets.of, ends: in.sets.ends}
	}
	s.sets.wait(p)
	if s.sets.crowded() {
		s.settle()
	}
	return nil
}

func (s *idSets[T]) Columns(from, to int) []stage.Column {
	s.settle()
	c := stage.Column{Kind: stage.Bytes, Ends: make([]uint32, 0, to-from)}
	for i := from; i < to; i++ {
		var ids []T
		switch {
		case s.single == nil:
			ids = s.sets.get(i)
		case !s.none.has(i):
			ids = s.single[i : i+1]
		}
		switch ids := any(ids).(type) {
		case []uint32:
			c.Data = appendRoaring32(c.Data, ids)
		case []uint64:
			c.Data = appendRoaring64(c.Data, ids)
		}
		c.Ends = append(c.Ends, uint32(len(c.Data)))
	}
	return []stage.Column{c}
}

func (s *idSets[T]) MemBytes() int64 {
	return s.sets.memBytes(8) + int64(8*(cap(s.single)+cap(s.none)))
}

// wordIDLifter takes whole numbers, dates, times and booleans as ids, in two's complement.
type wordIDLifter struct {
	column string
	out    idSets[uint64]
}

func (l *wordIDLifter) add(e *events) error {
	c := e.column(l.column)
	l.out.none.appendNulls(len(l.out.single), c, e.from, e.to)
	for i := e.from; i < e.to; i++ {
		v := uint64(0)
		if c != nil {
			v = uint64(c.Int(i))
		}
		l.out.single = append(l.out.single, v)
	}
	return nil
}

func (l *wordIDLifter) states(IDs) (States, error) { return &l.out, nil }

func (l *wordIDLifter) memBytes() int64 { return l.out.MemBytes() }

// stringIDLifter gathers the distinct strings first and asks for their ids once.
type stringIDLifter struct {
	column string
	values *dimBuilder
}

func (l *stringIDLifter) add(e *events) error {
	l.values.add(e.column(l.column), e.from, e.to)
	return nil
}

func (l *stringIDLifter) states(ids IDs) (States, error) {
	dict, codes := l.values.done()
	out := &idSets[uint32]{single: make([]uint32, len(l.values.codes))}
	var of []uint32
	if dict.Len() > 1 {
		if ids == nil {
			return nil, fmt.Errorf("column %s: exact distinct counts of strings need the column's dictionary", l.column)
		}
		var err error
		if of, err = ids(l.column, &dict.Values); err != nil {
			return nil, err
		}
		if len(of) != dict.Values.Len() {
			return nil, fmt.Errorf("column %s: %d ids of %d values", l.column, len(of), dict.Values.Len())
		}
	}
	for i, c := range l.values.codes {
		if c == 0 {
			out.none.set(i)
		} else {
			out.single[i] = of[codes[c]-1]
		}
	}
	return out, nil
}

func (l *stringIDLifter) memBytes() int64 { return l.values.memBytes() }
