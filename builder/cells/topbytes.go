package cells

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// Columns writes for each state a version, the number of its entries, its floor, and the entries by rank: the length of the
// tuple, the tuple, sum and error. Numbers of entries and lengths are varints.
func (s *tops[W]) Columns(from, to int) []stage.Column {
	s.settle()
	c := stage.Column{Kind: stage.Bytes, Ends: make([]uint32, 0, to-from)}
	for i := from; i < to; i++ {
		var entries []entry[W]
		var floor W
		switch {
		case s.single == nil:
			entries, floor = slices.Clone(s.get(i)), s.floors[i]
		case !s.none.has(i):
			entries = s.single[i : i+1]
		}
		s.rank(entries)
		c.Data = append(c.Data, topVersion)
		c.Data = binary.AppendUvarint(c.Data, uint64(len(entries)))
		c.Data = appendWeight(c.Data, floor)
		for _, e := range entries {
			tuple := s.tuples.values.get(int(e.tuple))
			c.Data = binary.AppendUvarint(c.Data, uint64(len(tuple)))
			c.Data = append(c.Data, tuple...)
			c.Data = appendWeight(c.Data, e.sum)
			c.Data = appendWeight(c.Data, e.err)
		}
		c.Ends = append(c.Ends, uint32(len(c.Data)))
	}
	return []stage.Column{c}
}

const topVersion = 1

func (k topKind[W]) read(m *Measure, cols []stage.Column, n int) (States, error) {
	s := k.make(m, n).(*tops[W])
	kinds := make([]stage.Kind, len(m.by))
	for i, by := range m.by {
		kinds[i] = by.kind
	}
	for i := range n {
		if err := s.readTop(i, cols[0].Bytes(i), kinds); err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
		s.ends[i] = uint32(len(s.of))
	}
	return s, nil
}

// readTop reads the next state.
func (s *tops[W]) readTop(i int, b []byte, kinds []stage.Kind) (err error) {
	if len(b) == 0 || b[0] != topVersion {
		return fmt.Errorf("%d bytes that are no top_n of version %d", len(b), topVersion)
	}
	count, size := binary.Uvarint(b[1:])
	if size <= 0 || count > uint64(topCapacity(s.measure.N)) {
		return fmt.Errorf("a top_n of %d values, at most %d", count, topCapacity(s.measure.N))
	}
	if s.floors[i], b, err = readWeight[W](b[1+size:]); err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	var zero W
	if s.floors[i].compare(zero) < 0 || s.floors[i].compare(zero) > 0 && count < uint64(topCapacity(s.measure.N)) {
		return fmt.Errorf("a floor of %v below %d values", s.floors[i], count)
	}
	var last entry[W]
	for k := range count {
		var e entry[W]
		length, size := binary.Uvarint(b)
		if size <= 0 || length > uint64(len(b)-size) {
			return fmt.Errorf("value %d of %d: a length of %d bytes", k, count, length)
		}
		tuple := b[size : size+int(length)]
		if err := checkTuple(tuple, kinds); err != nil {
			return fmt.Errorf("value %d of %d: %w", k, count, err)
		}
		e.tuple = s.tuples.code(tuple)
		if e.sum, b, err = readWeight[W](b[size+int(length):]); err != nil {
			return fmt.Errorf("value %d of %d: %w", k, count, err)
		}
		if e.err, b, err = readWeight[W](b); err != nil {
			return fmt.Errorf("value %d of %d: %w", k, count, err)
		}
		if e.err.compare(zero) < 0 || e.err.compare(zero) > 0 && count < uint64(topCapacity(s.measure.N)) {
			return fmt.Errorf("value %d of %d: an error of %v", k, count, e.err)
		}
		if k > 0 {
			order := e.sum.compare(last.sum)
			if order > 0 || order == 0 && bytes.Compare(s.tuples.values.get(int(last.tuple)), tuple) >= 0 {
				return fmt.Errorf("value %d of %d does not come after the one before it", k, count)
			}
		}
		s.of, last = append(s.of, e), e
	}
	if len(b) > 0 {
		return fmt.Errorf("%d bytes behind a top_n", len(b))
	}
	return s.distinct(i)
}

// distinct refuses a state that has a value twice.
func (s *tops[W]) distinct(i int) error {
	from := 0
	if i > 0 {
		from = int(s.ends[i-1])
	}
	if len(s.of)-from < 2 {
		return nil
	}
	codes := make([]uint32, 0, len(s.of)-from)
	for _, e := range s.of[from:] {
		codes = append(codes, e.tuple)
	}
	slices.Sort(codes)
	if n := len(slices.Compact(codes)); n != len(s.of)-from {
		return fmt.Errorf("%d values, %d of them distinct", len(s.of)-from, n)
	}
	return nil
}

// topLifter makes a tuple and a weight of each event. One without a weight counts for nothing.
type topLifter[W weight[W]] struct {
	weigh func(e *events, c *stage.Column, i int) W
	out   tops[W]
	tuple []byte

	dict  *stage.Column // of the last chunk where there is one column, and the tuples of its values plus one
	known []uint32
}

func (l *topLifter[W]) add(e *events) error {
	m := l.out.measure
	var of *stage.Column
	if m.Column != "" {
		of = e.column(m.Column)
		l.out.none.appendNulls(len(l.out.single), of, e.from, e.to)
	}
	by := make([]*stage.Column, len(m.by))
	for k := range by {
		by[k] = e.column(m.by[k].name)
	}
	for i := e.from; i < e.to; i++ {
		var x entry[W]
		if !l.out.none.has(len(l.out.single)) {
			x = entry[W]{tuple: l.tupleOf(by, i), sum: l.weigh(e, of, i)}
		}
		l.out.single = append(l.out.single, x)
	}
	return nil
}

// tupleOf returns the code of the tuple of a row; of a dictionary's value it is looked up once.
func (l *topLifter[W]) tupleOf(by []*stage.Column, i int) uint32 {
	one := len(by) == 1 && by[0] != nil && by[0].Dict != nil && !by[0].IsNull(i)
	if one {
		if by[0].Dict != l.dict {
			l.dict, l.known = by[0].Dict, make([]uint32, by[0].Dict.Len())
		}
		if code := l.known[by[0].Codes[i]]; code != 0 {
			return code - 1
		}
	}
	l.tuple = l.tuple[:0]
	for k := range by {
		l.tuple = appendTuple(l.tuple, l.out.measure.by[k].kind, by[k], i)
	}
	code := l.out.tuples.code(l.tuple)
	if one {
		l.known[by[0].Codes[i]] = code + 1
	}
	return code
}

func (l *topLifter[W]) states(IDs) (States, error) { return &l.out, nil }

func (l *topLifter[W]) memBytes() int64 { return l.out.MemBytes() }
