package stage

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"

	"github.com/zeebo/xxh3"
)

// Hash is the sum, modulo 2^128, of one 128-bit hash a row (F4). The zero value is the hash of no rows. It tells
// accidents, not attackers.
type Hash struct{ Hi, Lo uint64 }

// Add returns the hash of the union of two disjoint sets of rows.
func (h Hash) Add(o Hash) Hash {
	lo, carry := bits.Add64(h.Lo, o.Lo, 0)
	hi, _ := bits.Add64(h.Hi, o.Hi, carry)
	return Hash{Hi: hi, Lo: lo}
}

// String returns 32 hexadecimal digits.
func (h Hash) String() string { return fmt.Sprintf("%016x%016x", h.Hi, h.Lo) }

// MarshalText returns what String returns.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what ParseHash reads.
func (h *Hash) UnmarshalText(text []byte) (err error) {
	*h, err = ParseHash(string(text))
	return err
}

// ParseHash reads 32 hexadecimal digits.
func ParseHash(s string) (Hash, error) {
	if len(s) == 32 {
		hi, err1 := strconv.ParseUint(s[:16], 16, 64)
		lo, err2 := strconv.ParseUint(s[16:], 16, 64)
		if err1 == nil && err2 == nil {
			return Hash{Hi: hi, Lo: lo}, nil
		}
	}
	return Hash{}, fmt.Errorf("hash %q: want 32 hexadecimal digits", s)
}

// HashChunk returns the hash of all rows of c: of offset, timestamp and every value, nulls distinct.
func HashChunk(c *Chunk) Hash { return HashRows(c, 0, c.Rows()) }

// HashRows returns the hash of rows [from, to) of c.
func HashRows(c *Chunk, from, to int) Hash {
	var h hasher
	return h.rows(c, from, to)
}

// hashBlock is how many rows are laid out at once: few enough to stay in the first cache.
const hashBlock = 64

// hasher lays the rows out as words, column by column, and hashes each row's words: offset, timestamp, a word per column,
// then the null bits. The layout is part of the format: docs/format/staged-parquet.md.
type hasher struct {
	words []byte
	dicts [][]uint64 // per column, the hashes of its dictionary's values
}

func (h *hasher) rows(c *Chunk, from, to int) Hash {
	cols := len(c.Columns)
	stride := 8 * (2 + cols + (cols+63)/64)
	if need := stride * hashBlock; cap(h.words) < need {
		h.words = make([]byte, need)
	}
	h.hashDicts(c)
	var sum Hash
	for start := from; start < to; start += hashBlock {
		n := min(hashBlock, to-start)
		buf := h.words[:n*stride]
		h.fill(c, start, n, stride)
		for r := 0; r < len(buf); r += stride {
			x := xxh3.Hash128(buf[r : r+stride])
			lo, carry := bits.Add64(sum.Lo, x.Lo, 0)
			sum.Lo = lo
			sum.Hi, _ = bits.Add64(sum.Hi, x.Hi, carry)
		}
	}
	return sum
}

func (h *hasher) hashDicts(c *Chunk) {
	h.dicts = h.dicts[:0]
	for i := range c.Columns {
		var words []uint64
		if d := c.Columns[i].Dict; d != nil {
			words = make([]uint64, d.Len())
			for v := range words {
				words[v] = d.word(v)
			}
		}
		h.dicts = append(h.dicts, words)
	}
}

// word returns the word of value i of a column without a dictionary.
func (c *Column) word(i int) uint64 {
	switch c.Kind {
	case Float64:
		return canonicalBits(c.Floats[i])
	case Bytes, Decimal128:
		return xxh3.Hash(c.Bytes(i))
	}
	return uint64(c.Ints[i])
}

func (h *hasher) fill(c *Chunk, start, n, stride int) {
	buf := h.words[:n*stride]
	for r := range n {
		row := buf[r*stride:]
		binary.LittleEndian.PutUint64(row, uint64(c.Offsets[start+r]))
		binary.LittleEndian.PutUint64(row[8:], uint64(c.Timestamps[start+r]))
	}
	nulls := 16 + 8*len(c.Columns)
	for r := range n {
		clear(buf[r*stride+nulls : (r+1)*stride])
	}
	for i := range c.Columns {
		col, at := &c.Columns[i], 16+8*i
		h.fillColumn(col, h.dicts[i], start, n, at, stride)
		if len(col.Nulls) == 0 {
			continue
		}
		for r := range n {
			if col.IsNull(start + r) {
				binary.LittleEndian.PutUint64(buf[r*stride+at:], 0)
				buf[r*stride+nulls+i/8] |= 1 << (i % 8)
			}
		}
	}
}

func (h *hasher) fillColumn(col *Column, dict []uint64, start, n, at, stride int) {
	buf := h.words[:n*stride]
	switch {
	case col.Dict != nil:
		for r, code := range col.Codes[start : start+n] {
			if len(dict) > 0 { // a column of nulls has no dictionary values
				binary.LittleEndian.PutUint64(buf[r*stride+at:], dict[code])
			}
		}
	case col.Kind == Bytes:
		pos := uint32(0)
		if start > 0 {
			pos = col.Ends[start-1]
		}
		for r, end := range col.Ends[start : start+n] {
			binary.LittleEndian.PutUint64(buf[r*stride+at:], xxh3.Hash(col.Data[pos:end]))
			pos = end
		}
	case col.Kind == Bool || col.Kind == Int64:
		for r, v := range col.Ints[start : start+n] {
			binary.LittleEndian.PutUint64(buf[r*stride+at:], uint64(v))
		}
	default:
		for r := range n {
			binary.LittleEndian.PutUint64(buf[r*stride+at:], col.word(start+r))
		}
	}
}
