package cells

import (
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// values are byte strings one after the other, each of which may be replaced.
type values struct {
	data  []byte
	spans []span
	waste int // bytes of data that no span covers
}

// span is where a value lies. Its end is not beyond 4 GiB: callers bound what is in memory far below.
type span struct{ start, size uint32 }

func (v *values) get(i int) []byte {
	s := v.spans[i]
	return v.data[s.start : s.start+s.size : s.start+s.size]
}

func (v *values) append(b []byte) {
	v.spans = append(v.spans, span{uint32(len(v.data)), uint32(len(b))})
	v.data = append(v.data, b...)
}

// set replaces value i: in its place where it fits, else behind all others, which are pushed together once half of all
// is waste.
func (v *values) set(i int, b []byte) {
	s := &v.spans[i]
	if uint32(len(b)) <= s.size {
		copy(v.data[s.start:], b)
		v.waste += int(s.size) - len(b)
		s.size = uint32(len(b))
		return
	}
	v.waste += int(s.size)
	s.size = 0
	if v.waste > 1<<16 && v.waste > len(v.data)/2 {
		v.compact()
	}
	s.start, s.size = uint32(len(v.data)), uint32(len(b))
	v.data = append(v.data, b...)
}

func (v *values) compact() {
	data := make([]byte, 0, len(v.data)-v.waste)
	for i := range v.spans {
		b := v.get(i)
		v.spans[i].start = uint32(len(data))
		data = append(data, b...)
	}
	v.data, v.waste = data, 0
}

func (v *values) memBytes() int64 { return int64(cap(v.data) + 8*cap(v.spans)) }

// bytesKind is min and max of strings and of decimals of more than 18 digits.
type bytesKind struct{}

func (bytesKind) columns(m *Measure) []ColumnSpec { return wordsKind{}.columns(m) }

func (bytesKind) make(m *Measure, n int) States {
	return &leastBytes{kind: m.of.kind, max: m.Function == cube.Max, of: values{spans: make([]span, n)}, nulls: full(n)}
}

func (bytesKind) lift(m *Measure) lifter {
	return &leastBytesLifter{column: m.Column, out: leastBytes{kind: m.of.kind, max: m.Function == cube.Max}}
}

func (bytesKind) read(m *Measure, cols []stage.Column, n int) (States, error) {
	s := &leastBytes{kind: m.of.kind, max: m.Function == cube.Max}
	s.append(&cols[0], 0, n)
	return s, nil
}

// leastBytes keep the least value, for max the greatest. A null has no bytes.
type leastBytes struct {
	kind  stage.Kind
	max   bool
	of    values
	nulls bitset
}

func (s *leastBytes) Len() int { return len(s.of.spans) }

func (s *leastBytes) Fold(groups []uint32, src States, from int) error {
	return s.FoldRows(groups, nil, from, src)
}

func (s *leastBytes) Columns(from, to int) []stage.Column {
	c := stage.Column{Kind: s.kind}
	for i := from; i < to; i++ {
		if s.nulls.has(i) {
			c.AppendNull()
		} else {
			c.AppendBytes(s.of.get(i))
		}
	}
	return []stage.Column{c}
}

func (s *leastBytes) MemBytes() int64 { return s.of.memBytes() + int64(8*cap(s.nulls)) }

// append appends rows [from, to) of a column, of which there may be none.
func (s *leastBytes) append(c *stage.Column, from, to int) {
	s.nulls.appendNulls(s.Len(), c, from, to)
	for i := from; i < to; i++ {
		if c == nil || c.IsNull(i) {
			s.of.append(nil)
		} else {
			s.of.append(c.Bytes(i))
		}
	}
}

type leastBytesLifter struct {
	column string
	out    leastBytes
}

func (l *leastBytesLifter) add(e *events) error {
	l.out.append(e.column(l.column), e.from, e.to)
	return nil
}

func (l *leastBytesLifter) states(IDs) (States, error) { return &l.out, nil }

func (l *leastBytesLifter) memBytes() int64 { return l.out.MemBytes() }
