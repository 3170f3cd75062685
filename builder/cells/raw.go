package cells

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"

	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// raw writes or reads cells as they lie in memory, in the byte order of the machine. Lengths are checked, contents are
// not: whoever keeps the bytes vouches for them.
type raw struct {
	b       []byte
	reading bool
	err     error
}

// array writes the elements of s, which hold no pointers, or sets s to a copy of those that come next. nil stays nil.
func array[T any, S ~[]T](r *raw, s *S) {
	var one T
	size := int(unsafe.Sizeof(one))
	n := -1
	if *s != nil {
		n = len(*s)
	}
	r.number(&n)
	if !r.reading {
		if n > 0 {
			r.b = append(r.b, unsafe.Slice((*byte)(unsafe.Pointer(&(*s)[0])), n*size)...)
		}
		return
	}
	if r.err == nil && (n < -1 || n > len(r.b)/size) {
		r.err = fmt.Errorf("%d elements in %d bytes", n, len(r.b))
	}
	if r.err != nil || n < 0 {
		*s = nil
		return
	}
	*s = make(S, n)
	if n > 0 {
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&(*s)[0])), n*size), r.b)
		r.b = r.b[n*size:]
	}
}

// number writes n, or sets it.
func (r *raw) number(n *int) {
	switch {
	case !r.reading:
		r.b = binary.LittleEndian.AppendUint64(r.b, uint64(*n))
	case len(r.b) < 8:
		r.err = fmt.Errorf("ends %d bytes early", 8-len(r.b))
		*n = 0
	default:
		*n = int(binary.LittleEndian.Uint64(r.b))
		r.b = r.b[8:]
	}
}

func (r *raw) values(v *values) {
	array(r, &v.data)
	array(r, &v.spans)
	r.number(&v.waste)
}

func rawSets[T uint32 | uint64](r *raw, s *sets[T]) {
	r.number(&s.n)
	array(r, &s.ends)
	array(r, &s.of)
}

// rawStates are states that are spilled as they lie in memory. They are settled.
type rawStates interface{ raw(r *raw) }

func (s *counts) raw(r *raw)     { r.number(&s.n); array(r, &s.of); array(r, &s.zero) }
func (s *wideSums) raw(r *raw)   { array(r, &s.narrow); array(r, &s.wide); array(r, &s.nulls) }
func (s *floatSums) raw(r *raw)  { array(r, &s.of); array(r, &s.nulls) }
func (s *averages) raw(r *raw)   { s.sums.(rawStates).raw(r); s.counts.(rawStates).raw(r) }
func (s *leastWords) raw(r *raw) { array(r, &s.of); array(r, &s.nulls) }
func (s *leastBytes) raw(r *raw) { r.values(&s.of); array(r, &s.nulls) }
func (s *idSets[T]) raw(r *raw)  { rawSets(r, &s.sets) }
func (s *digests) raw(r *raw)    { r.number(&s.n); array(r, &s.ends); array(r, &s.of) }

func (s *sketches) raw(r *raw) {
	rawSets(r, &s.sets)
	array(r, &s.dense)
	array(r, &s.registers)
}

func (s *firsts) raw(r *raw) {
	array(r, &s.places)
	array(r, &s.words)
	r.values(&s.bytes)
	array(r, &s.nulls)
}

func (s *tops[W]) raw(r *raw) {
	r.number(&s.n)
	array(r, &s.ends)
	array(r, &s.of)
	array(r, &s.floors)
	r.values(&s.tuples.values)
}

// Append appends the cells as they lie in memory: the form for temporary files, which only Layout.Decode of the same
// program on the same machine reads.
func (c *Cells) Append(b []byte) []byte {
	r := &raw{b: slices.Grow(b, int(c.MemBytes()))}
	mask, n, words := int(c.Mask), c.Len(), c.Keys.words
	r.number(&mask)
	r.number(&n)
	for _, d := range c.Dicts {
		if d != nil {
			r.column(&d.Values)
		}
	}
	r.number(&words)
	array(r, &c.Keys.data)
	for _, s := range c.States {
		s.(rawStates).raw(r)
	}
	return r.b
}

// column writes or reads a column without nulls and dictionary.
func (r *raw) column(c *stage.Column) {
	array(r, &c.Ints)
	array(r, &c.Floats)
	array(r, &c.Data)
	array(r, &c.Ends)
}

// Decode returns the cells that Append wrote as b. They share no memory with b. The error says that b is cut off, or of
// another layout; other changes of b are not noticed.
func (l *Layout) Decode(b []byte) (*Cells, error) {
	r := &raw{b: b, reading: true}
	var mask, n, words int
	r.number(&mask)
	r.number(&n)
	c := &Cells{Mask: uint64(mask), Dicts: make([]*Dict, len(l.Dims))}
	if r.err == nil && (mask < 0 || c.Mask > l.Base() || n < 0) {
		return nil, fmt.Errorf("decode cells: %d of cuboid %b, of %d dimensions", n, c.Mask, len(l.Dims))
	}
	for i := range l.Dims {
		if c.Mask&l.bit(i) != 0 {
			c.Dicts[i] = &Dict{stage.Column{Kind: l.Dims[i].Kind}}
			r.column(&c.Dicts[i].Values)
		}
	}
	c.Keys = layKeys(c.Dicts, 0)
	r.number(&words)
	array(r, &c.Keys.data)
	if r.err == nil && (words != c.Keys.words || len(c.Keys.data) != n*words) {
		return nil, fmt.Errorf("decode cells: %d words of keys, want %d of %d", len(c.Keys.data), n, c.Keys.words)
	}
	for i := range l.Measures {
		s := l.Measures[i].New(0)
		s.(rawStates).raw(r)
		if r.err == nil && s.Len() != n {
			return nil, fmt.Errorf("decode cells: measure %s has %d states, want %d", l.Measures[i].Name, s.Len(), n)
		}
		c.States = append(c.States, s)
	}
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("%d bytes behind the end", len(r.b))
	}
	if r.err != nil {
		return nil, fmt.Errorf("decode cells: %w", r.err)
	}
	return c, nil
}
