package cells

import (
	"math"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// wordsKind is min and max of values that are ordered as words.
type wordsKind struct{}

func (wordsKind) columns(m *Measure) []ColumnSpec {
	return []ColumnSpec{{Name: m.Name, Kind: m.of.kind, Type: m.of.typ, Null: true}}
}

func (wordsKind) make(m *Measure, n int) States {
	s := &leastWords{kind: m.of.kind, flip: flip(m), of: make([]uint64, n), nulls: full(n)}
	for i := range s.of {
		s.of[i] = math.MaxUint64
	}
	return s
}

func (wordsKind) lift(m *Measure) lifter {
	return &leastWordsLifter{column: m.Column, out: leastWords{kind: m.of.kind, flip: flip(m)}}
}

func (wordsKind) read(m *Measure, cols []stage.Column, n int) (States, error) {
	s := &leastWords{kind: m.of.kind, flip: flip(m)}
	s.append(&cols[0], 0, n)
	return s, nil
}

// flip returns the bits that turn the order round for max.
func flip(m *Measure) uint64 {
	if m.Function == cube.Max {
		return math.MaxUint64
	}
	return 0
}

// leastWords keep the least of ordered words, of which max flips every bit. A null holds the highest word, which changes
// nothing when it is folded; a value may be that word too, so nulls tells them apart.
type leastWords struct {
	kind  stage.Kind
	flip  uint64
	of    []uint64
	nulls bitset
}

func (s *leastWords) Len() int { return len(s.of) }

func (s *leastWords) Fold(groups []uint32, src States, from int) error {
	in := sameKind(s, src)
	s.nulls.fold(groups, in.nulls, from)
	for i, v := range in.of[from : from+len(groups)] {
		g := groups[i]
		s.of[g] = min(s.of[g], v)
	}
	return nil
}

func (s *leastWords) Columns(from, to int) []stage.Column {
	c := stage.Column{Kind: s.kind, Nulls: s.nulls.slice(from, to)}
	if s.kind == stage.Float64 {
		c.Floats = make([]float64, to-from)
		for i, w := range s.of[from:to] {
			c.Floats[i] = floatOf(w ^ s.flip)
		}
	} else {
		c.Ints = make([]int64, to-from)
		for i, w := range s.of[from:to] {
			c.Ints[i] = intOf(w ^ s.flip)
		}
	}
	for i := 0; i < 64*len(c.Nulls) && i < to-from; i++ { // the slot of a null holds zero
		switch {
		case !c.IsNull(i):
		case s.kind == stage.Float64:
			c.Floats[i] = 0
		default:
			c.Ints[i] = 0
		}
	}
	return []stage.Column{c}
}

func (s *leastWords) MemBytes() int64 { return int64(8 * (cap(s.of) + cap(s.nulls))) }

// append appends rows [from, to) of a column, of which there may be none.
func (s *leastWords) append(c *stage.Column, from, to int) {
	at := len(s.of)
	s.nulls.appendNulls(at, c, from, to)
	if c == nil {
		for range to - from {
			s.of = append(s.of, math.MaxUint64)
		}
		return
	}
	s.of = appendOrdered(s.of, c, from, to)
	if s.flip != 0 {
		for i := range s.of[at:] {
			s.of[at+i] ^= s.flip
		}
	}
	if s.nulls.any(at, len(s.of)) {
		for i := at; i < len(s.of); i++ {
			if s.nulls.has(i) {
				s.of[i] = math.MaxUint64
			}
		}
	}
}

type leastWordsLifter struct {
	column string
	out    leastWords
}

func (l *leastWordsLifter) add(e *events) error {
	l.out.append(e.column(l.column), e.from, e.to)
	return nil
}

func (l *leastWordsLifter) states(IDs) (States, error) { return &l.out, nil }

func (l *leastWordsLifter) memBytes() int64 { return l.out.MemBytes() }
