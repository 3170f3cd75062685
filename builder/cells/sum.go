package cells

import (
	"encoding/binary"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// sumKind returns how values of a column are added, nil where they are no numbers.
func sumKind(of column) kind {
	switch {
	case of.kind == stage.Float64:
		return floatSumKind{}
	case of.typ.Kind == cube.Int64 || of.typ.Kind == cube.Decimal:
		return wideSumKind{}
	}
	return nil
}

// wideSumKind adds whole numbers and decimals in 128 bits.
type wideSumKind struct{}

func (wideSumKind) columns(m *Measure) []ColumnSpec {
	t := cube.Type{Kind: cube.Decimal, Precision: 38, Scale: m.of.typ.Scale}
	return []ColumnSpec{{Name: m.Name, Kind: stage.Decimal128, Type: t, Null: true}}
}

func (wideSumKind) make(m *Measure, n int) States {
	return &wideSums{measure: m.Name, narrow: make([]int64, n), nulls: full(n)}
}

func (wideSumKind) lift(m *Measure) lifter {
	return &wideSumLifter{column: m.Column, out: wideSums{measure: m.Name}}
}

func (wideSumKind) read(m *Measure, cols []stage.Column, n int) (States, error) {
	s := &wideSums{measure: m.Name, narrow: make([]int64, 0, n), nulls: bitset(cols[0].Nulls)}
	for i := range n {
		v := int128{}
		if !s.nulls.has(i) {
			v = int128Of(cols[0].Data[16*i:])
		}
		if !v.fits38() {
			return nil, &OverflowError{m.Name}
		}
		s.append(v)
	}
	return s, nil
}

// wideSums are in narrow while every one of them fits there, else in wide. A null is 0.
type wideSums struct {
	measure string
	narrow  []int64
	wide    []int128
	nulls   bitset
}

func (s *wideSums) Len() int { return max(len(s.narrow), len(s.wide)) }

func (s *wideSums) append(v int128) {
	if s.wide == nil && v == wide(int64(v.lo)) {
		s.narrow = append(s.narrow, int64(v.lo))
		return
	}
	s.widen()
	s.wide = append(s.wide, v)
}

func (s *wideSums) widen() {
	if s.wide != nil {
		return
	}
	s.wide = make([]int128, len(s.narrow))
	for i, v := range s.narrow {
		s.wide[i] = wide(v)
	}
	s.narrow = nil
}

func (s *wideSums) Fold(groups []uint32, src States, from int) error {
	in := sameKind(s, src)
	s.nulls.fold(groups, in.nulls, from)
	done := 0
	if in.wide == nil && s.wide == nil {
		done = s.foldNarrow(groups, in.narrow[from:from+len(groups)])
	}
	if done == len(groups) {
		return nil
	}
	s.widen()
	fits := true
	for i := done; i < len(groups); i++ {
		var v int128
		if in.wide != nil {
			v = in.wide[from+i]
		} else {
			v = wide(in.narrow[from+i])
		}
		to := &s.wide[groups[i]]
		sum, ok := add38(*to, v)
		*to, fits = sum, fits && ok
	}
	if !fits {
		return &OverflowError{s.measure}
	}
	return nil
}

// foldNarrow adds until a sum leaves 64 bits, and returns how many it has added.
func (s *wideSums) foldNarrow(groups []uint32, vs []int64) int {
	vs, narrow := vs[:len(groups)], s.narrow
	for i, g := range groups {
		old := narrow[g]
		sum := old + vs[i]
		if (old^sum)&(vs[i]^sum) < 0 {
			return i
		}
		narrow[g] = sum
	}
	return len(groups)
}

func (s *wideSums) Columns(from, to int) []stage.Column {
	c := stage.Column{Kind: stage.Decimal128, Data: make([]byte, 16*(to-from)), Nulls: s.nulls.slice(from, to)}
	if s.wide == nil {
		for i, v := range s.narrow[from:to] {
			b := c.Data[16*i : 16*i+16]
			binary.BigEndian.PutUint64(b, uint64(v>>63))
			binary.BigEndian.PutUint64(b[8:], uint64(v))
		}
		return []stage.Column{c}
	}
	for i, v := range s.wide[from:to] {
		b := v.bytes()
		copy(c.Data[16*i:], b[:])
	}
	return []stage.Column{c}
}

func (s *wideSums) MemBytes() int64 {
	return int64(8*cap(s.narrow) + 16*cap(s.wide) + 8*cap(s.nulls))
}

type wideSumLifter struct {
	column string
	out    wideSums
}

func (l *wideSumLifter) add(e *events) error {
	c := e.column(l.column)
	l.out.nulls.appendNulls(l.out.Len(), c, e.from, e.to)
	switch {
	case c == nil:
		for range e.to - e.from {
			l.out.append(int128{})
		}
	case c.Kind == stage.Decimal128:
		for i := e.from; i < e.to; i++ {
			v := int128Of(c.Bytes(i))
			if !v.fits38() {
				return &OverflowError{l.out.measure}
			}
			l.out.append(v)
		}
	case c.Dict == nil:
		l.out.narrow = append(l.out.narrow, c.Ints[e.from:e.to]...)
	default:
		for i := e.from; i < e.to; i++ {
			l.out.narrow = append(l.out.narrow, c.Int(i))
		}
	}
	return nil
}

func (l *wideSumLifter) states(IDs) (States, error) { return &l.out, nil }

func (l *wideSumLifter) memBytes() int64 { return l.out.MemBytes() }

// floatSumKind adds as IEEE 754 does: infinities of both signs, and NaN with anything, are NaN.
type floatSumKind struct{}

func (floatSumKind) columns(m *Measure) []ColumnSpec {
	return []ColumnSpec{{Name: m.Name, Kind: stage.Float64, Type: cube.Type{Kind: cube.Float64}, Null: true}}
}

func (floatSumKind) make(_ *Measure, n int) States {
	return &floatSums{of: make([]float64, n), nulls: full(n)}
}

func (floatSumKind) lift(m *Measure) lifter { return &floatSumLifter{column: m.Column} }

func (floatSumKind) read(_ *Measure, cols []stage.Column, _ int) (States, error) {
	return &floatSums{of: cols[0].Floats, nulls: bitset(cols[0].Nulls)}, nil
}

// floatSums hold 0 where a state is null.
type floatSums struct {
	of    []float64
	nulls bitset
}

func (s *floatSums) Len() int { return len(s.of) }

func (s *floatSums) Fold(groups []uint32, src States, from int) error {
	in := sameKind(s, src)
	s.nulls.fold(groups, in.nulls, from)
	if !in.nulls.any(from, from+len(groups)) {
		vs := in.of[from:][:len(groups)]
		for i, g := range groups {
			s.of[g] += vs[i]
		}
		return nil
	}
	for i, g := range groups {
		if !in.nulls.has(from + i) {
			s.of[g] += in.of[from+i]
		}
	}
	return nil
}

func (s *floatSums) Columns(from, to int) []stage.Column {
	c := stage.Column{Kind: stage.Float64, Floats: make([]float64, 0, to-from), Nulls: s.nulls.slice(from, to)}
	for _, v := range s.of[from:to] {
		c.AppendFloat(canonical(v))
	}
	return []stage.Column{c}
}

func (s *floatSums) MemBytes() int64 { return int64(8 * (cap(s.of) + cap(s.nulls))) }

type floatSumLifter struct {
	column string
	out    floatSums
}

func (l *floatSumLifter) add(e *events) error {
	c := e.column(l.column)
	l.out.nulls.appendNulls(l.out.Len(), c, e.from, e.to)
	for i := e.from; i < e.to; i++ {
		v := 0.0
		if c != nil {
			v = c.Float(i)
		}
		l.out.of = append(l.out.of, v)
	}
	return nil
}

func (l *floatSumLifter) states(IDs) (States, error) { return &l.out, nil }

func (l *floatSumLifter) memBytes() int64 { return l.out.MemBytes() }
