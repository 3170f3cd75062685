package cells

import (
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
	return &wideSums{measure: m.Name, wide: make([]int128, n), nulls: full(n)}
}

func (wideSumKind) lift(m *Measure) lifter {
	return &wideSumLifter{column: m.Column, wide: m.of.kind == stage.Decimal128, out: wideSums{measure: m.Name}}
}

func (wideSumKind) read(m *Measure, cols []stage.Column, n int) (States, error) {
	s := &wideSums{measure: m.Name, wide: make([]int128, n), nulls: bitset(cols[0].Nulls)}
	for i := range s.wide {
		v := int128Of(cols[0].Data[16*i:])
		if s.nulls.has(i) {
			continue
		}
		if !v.fits38() {
			return nil, &OverflowError{m.Name}
		}
		s.wide[i] = v
	}
	return s, nil
}

// wideSums are in narrow, or else in wide. A null is 0 there.
type wideSums struct {
	measure string
	narrow  []int64
	wide    []int128
	nulls   bitset
}

func (s *wideSums) Len() int { return max(len(s.narrow), len(s.wide)) }

func (s *wideSums) Fold(groups []uint32, src States, from int) error {
	in, ok := src.(*wideSums)
	if !ok {
		panic(wrong(s, src))
	}
	s.nulls.fold(groups, in.nulls, from)
	fits := true
	if in.narrow != nil {
		for i, v := range in.narrow[from : from+len(groups)] {
			to := &s.wide[groups[i]]
			*to, ok = add38(*to, wide(v))
			fits = fits && ok
		}
	} else {
		for i := range groups {
			to := &s.wide[groups[i]]
			*to, ok = add38(*to, in.wide[from+i])
			fits = fits && ok
		}
	}
	if !fits {
		return &OverflowError{s.measure}
	}
	return nil
}

func (s *wideSums) Columns(from, to int) []stage.Column {
	c := stage.Column{Kind: stage.Decimal128, Data: make([]byte, 0, 16*(to-from)), Nulls: s.nulls.slice(from, to)}
	for i := from; i < to; i++ {
		var v int128
		if s.narrow != nil {
			v = wide(s.narrow[i])
		} else {
			v = s.wide[i]
		}
		b := v.bytes()
		c.Data = append(c.Data, b[:]...)
	}
	return []stage.Column{c}
}

func (s *wideSums) MemBytes() int64 {
	return int64(8*cap(s.narrow) + 16*cap(s.wide) + 8*cap(s.nulls))
}

type wideSumLifter struct {
	column string
	wide   bool
	out    wideSums
}

func (l *wideSumLifter) add(e *events) error {
	c, n := e.column(l.column), e.to-e.from
	l.out.nulls.appendNulls(l.out.Len(), c, e.from, e.to)
	switch {
	case c == nil && l.wide:
		l.out.wide = append(l.out.wide, make([]int128, n)...)
	case c == nil:
		l.out.narrow = append(l.out.narrow, make([]int64, n)...)
	case l.wide:
		for i := e.from; i < e.to; i++ {
			v := int128Of(c.Bytes(i))
			if !v.fits38() {
				return &OverflowError{l.out.measure}
			}
			l.out.wide = append(l.out.wide, v)
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
	in, ok := src.(*floatSums)
	if !ok {
		panic(wrong(s, src))
	}
	s.nulls.fold(groups, in.nulls, from)
	if !in.nulls.any(from, from+len(groups)) {
		for i, v := range in.of[from : from+len(groups)] {
			s.of[groups[i]] += v
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
	c := stage.Column{Kind: stage.Float64, Nulls: s.nulls.slice(from, to)}
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
