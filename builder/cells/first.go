package cells

import (
	"fmt"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// firstKind is first and last: the value of the first or last event that has one, by event time, then partition, then
// offset. Like all functions but the count of events they pass over nulls.
type firstKind struct{}

func (firstKind) columns(m *Measure) []ColumnSpec {
	number := cube.Type{Kind: cube.Int64}
	return []ColumnSpec{
		{Name: m.Name, Kind: m.of.kind, Type: m.of.typ, Null: true},
		{Name: m.Name + "__time", Kind: stage.Int64, Type: cube.Type{Kind: cube.Timestamp}, Null: true},
		{Name: m.Name + "__partition", Kind: stage.Int64, Type: number, Null: true},
		{Name: m.Name + "__offset", Kind: stage.Int64, Type: number, Null: true},
	}
}

func (firstKind) make(m *Measure, n int) States {
	s := &firsts{kind: m.of.kind, last: m.Function == cube.Last, places: make([]place, n), nulls: full(n)}
	if inWords(s.kind) {
		s.words = make([]uint64, n)
	} else {
		s.bytes.spans = make([]span, n)
	}
	return s
}

func (firstKind) lift(m *Measure) lifter {
	return &firstLifter{column: m.Column, out: firsts{kind: m.of.kind, last: m.Function == cube.Last}}
}

func (firstKind) read(m *Measure, cols []stage.Column, n int) (States, error) {
	s := &firsts{kind: m.of.kind, last: m.Function == cube.Last}
	for i := range n {
		for k := range cols {
			if cols[k].IsNull(i) != cols[0].IsNull(i) {
				return nil, fmt.Errorf("row %d: one of value, time, partition and offset is null, another is not", i)
			}
		}
		p := place{time: cols[1].Ints[i], offset: cols[3].Ints[i], partition: int32(cols[2].Ints[i])}
		if int64(p.partition) != cols[2].Ints[i] || p.partition < 0 || p.offset < 0 {
			return nil, fmt.Errorf("row %d: offset %d of partition %d", i, p.offset, cols[2].Ints[i])
		}
		s.places = append(s.places, p)
	}
	s.append(&cols[0], 0, n)
	return s, nil
}

// place is where an event stands among all.
type place struct {
	time      int64 // microseconds
	offset    int64
	partition int32
}

func (p place) before(o place) bool {
	if p.time != o.time {
		return p.time < o.time
	}
	if p.partition != o.partition {
		return p.partition < o.partition
	}
	return p.offset < o.offset
}

// firsts hold values in words or in bytes, as their kind is.
type firsts struct {
	kind   stage.Kind
	last   bool
	places []place
	words  []uint64
	bytes  values
	nulls  bitset
}

func (s *firsts) Len() int { return len(s.places) }

func (s *firsts) Fold(groups []uint32, src States, from int) error {
	return s.FoldRows(groups, nil, from, src)
}

func (s *firsts) Columns(from, to int) []stage.Column {
	cols := []stage.Column{{Kind: s.kind}, {Kind: stage.Int64}, {Kind: stage.Int64}, {Kind: stage.Int64}}
	for i := from; i < to; i++ {
		if s.nulls.has(i) {
			for k := range cols {
				cols[k].AppendNull()
			}
			continue
		}
		if inWords(s.kind) {
			appendWord(&cols[0], s.words[i])
		} else {
			cols[0].AppendBytes(s.bytes.get(i))
		}
		cols[1].AppendInt(s.places[i].time)
		cols[2].AppendInt(int64(s.places[i].partition))
		cols[3].AppendInt(s.places[i].offset)
	}
	return cols
}

func (s *firsts) MemBytes() int64 {
	return int64(24*cap(s.places)+8*(cap(s.words)+cap(s.nulls))) + s.bytes.memBytes()
}

// append appends the values of rows [from, to) of a column, of which there may be none.
func (s *firsts) append(c *stage.Column, from, to int) {
	n := max(len(s.words), len(s.bytes.spans))
	s.nulls.appendNulls(n, c, from, to)
	switch {
	case inWords(s.kind) && c == nil:
		s.words = append(s.words, make([]uint64, to-from)...)
	case inWords(s.kind):
		s.words = appendOrdered(s.words, c, from, to)
	default:
		for i := from; i < to; i++ {
			if c == nil || c.IsNull(i) {
				s.bytes.append(nil)
			} else {
				s.bytes.append(c.Bytes(i))
			}
		}
	}
}

type firstLifter struct {
	column string
	out    firsts
}

func (l *firstLifter) add(e *events) error {
	l.out.append(e.column(l.column), e.from, e.to)
	times := &e.chunk.Columns[e.schema.EventTime]
	for i := e.from; i < e.to; i++ {
		l.out.places = append(l.out.places, place{e.schema.TimeUs(times.Int(i)), e.chunk.Offsets[i], e.partition})
	}
	return nil
}

func (l *firstLifter) states(IDs) (States, error) { return &l.out, nil }

func (l *firstLifter) memBytes() int64 { return l.out.MemBytes() }
