package cells

import "github.com/tidemarkdb/tidemark/ingest/stage"

// bitset marks states without a value, as stage.Column.Nulls does: bits beyond the slice are unset.
type bitset []uint64

// full returns a bitset with bits [0, n) set.
func full(n int) bitset {
	b := make(bitset, (n+63)/64)
	for i := range b {
		b[i] = ^uint64(0)
	}
	if n%64 != 0 {
		b[len(b)-1] = 1<<(n%64) - 1
	}
	return b
}

func (b bitset) has(i int) bool { return i>>6 < len(b) && b[i>>6]&(1<<(i&63)) != 0 }

func (b bitset) clear(i int) {
	if i>>6 < len(b) {
		b[i>>6] &^= 1 << (i & 63)
	}
}

func (b *bitset) set(i int) {
	for i>>6 >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[i>>6] |= 1 << (i & 63)
}

// any reports whether a bit of [from, to) is set.
func (b bitset) any(from, to int) bool {
	for i := from; i < to; i = (i | 63) + 1 {
		if i>>6 >= len(b) {
			return false
		}
		w := b[i>>6] >> (i & 63)
		if to-i < 64 {
			w &= 1<<(to-i) - 1
		}
		if w != 0 {
			return true
		}
	}
	return false
}

// slice returns bits [from, to) from 0 on, nil where none is set.
func (b bitset) slice(from, to int) bitset {
	if !b.any(from, to) {
		return nil
	}
	var out bitset
	for i := from; i < to; i++ {
		if b.has(i) {
			out.set(i - from)
		}
	}
	return out
}

// appendNulls marks in b, from bit at on, the nulls of rows [from, to) of c; without a column all of them.
func (b *bitset) appendNulls(at int, c *stage.Column, from, to int) {
	switch {
	case c == nil:
		for i := range to - from {
			b.set(at + i)
		}
	case bitset(c.Nulls).any(from, to):
		for i := from; i < to; i++ {
			if c.IsNull(i) {
				b.set(at + i - from)
			}
		}
	}
}

// fold clears the bits of groups that take in a state of src that has a value. Most groups have lost their bit long since, and
// are only looked at.
func (b bitset) fold(groups []uint32, src bitset, from int) {
	if len(b) == 0 {
		return
	}
	if !src.any(from, from+len(groups)) {
		for _, g := range groups {
			if w := &b[g>>6]; *w>>(g&63)&1 != 0 {
				*w &^= 1 << (g & 63)
			}
		}
		return
	}
	for i, g := range groups {
		if !src.has(from + i) {
			b[g>>6] &^= 1 << (g & 63)
		}
	}
}
