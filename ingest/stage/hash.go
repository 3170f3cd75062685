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
//
// A row's hash chains one step a word over offset, timestamp and one word a column, and a last one with the number of
// columns. The steps and words are part of the format: docs/format/staged-parquet.md.
func HashRows(c *Chunk, from, to int) Hash {
	var sum Hash
	var rows [hashBlock]Hash
	for start := from; start < to; start += hashBlock {
		h := rows[:min(hashBlock, to-start)]
		for r := range h {
			h[r] = Hash{Hi: hashSeedHi, Lo: hashSeedLo}
		}
		hashInts(h, c.Offsets[start:])
		hashInts(h, c.Timestamps[start:])
		for i := range c.Columns {
			hashColumn(h, &c.Columns[i], start)
		}
		for r := range h {
			sum = sum.Add(h[r].step(uint64(len(c.Columns)), hashKey))
		}
	}
	return sum
}

// hashBlock is how many rows are hashed at once, column by column: few enough to stay in the first cache.
const hashBlock = 256

// The constants are the first digits of pi behind the point, in hexadecimal.
const (
	hashSeedHi = 0x243f6a8885a308d3
	hashSeedLo = 0x13198a2e03707344
	hashKey    = 0xa4093822299f31d0
	hashNull   = 0x082efa98ec4e6c89 // the key of the step of a null, whose word is 0
)

// step takes word w into h: the 128-bit product of its halves, each mixed with what is new.
func (h Hash) step(w, key uint64) Hash {
	hi, lo := bits.Mul64(h.Lo^w, h.Hi^key)
	return Hash{Hi: hi, Lo: lo}
}

func hashInts(h []Hash, vals []int64) {
	vals = vals[:len(h)]
	for r, v := range vals {
		h[r] = h[r].step(uint64(v), hashKey)
	}
}

// hashColumn takes the words of the column's values from start on into h.
func hashColumn(h []Hash, c *Column, start int) {
	var words [hashBlock]uint64
	switch {
	case c.Dict != nil:
		for r, code := range c.Codes[start : start+len(h)] {
			if !c.IsNull(start + r) {
				words[r] = c.Dict.word(int(code))
			}
		}
	case c.Kind == Bytes:
		pos := uint32(0)
		if start > 0 {
			pos = c.Ends[start-1]
		}
		for r, end := range c.Ends[start : start+len(h)] {
			words[r] = hashBytes(c.Data[pos:end])
			pos = end
		}
	case c.Kind == Bool || c.Kind == Int64:
		if len(c.Nulls) == 0 {
			hashInts(h, c.Ints[start:])
			return
		}
		for r, v := range c.Ints[start : start+len(h)] {
			words[r] = uint64(v)
		}
	default:
		for r := range h {
			words[r] = c.word(start + r)
		}
	}
	for r := range h {
		if len(c.Nulls) > 0 && c.IsNull(start+r) {
			h[r] = h[r].step(0, hashNull)
		} else {
			h[r] = h[r].step(words[r], hashKey)
		}
	}
}

// hashBytes returns the word of a string: xxh3, or where it is short a step that costs half as much.
func hashBytes(v []byte) uint64 {
	var a, b uint64
	switch n := len(v); {
	case n > 16:
		return xxh3.Hash(v)
	case n >= 8:
		a, b = binary.LittleEndian.Uint64(v), binary.LittleEndian.Uint64(v[n-8:])
	case n >= 4:
		a, b = uint64(binary.LittleEndian.Uint32(v)), uint64(binary.LittleEndian.Uint32(v[n-4:]))
	case n > 0:
		a = uint64(v[0]) | uint64(v[n/2])<<8 | uint64(v[n-1])<<16
	}
	hi, lo := bits.Mul64(a^hashSeedHi^uint64(len(v)), b^hashSeedLo)
	return hi ^ lo
}

// word returns the word of value i of a column without a dictionary: the bits of numbers, one NaN for all, and the
// hash of bytes.
func (c *Column) word(i int) uint64 {
	switch c.Kind {
	case Float64:
		return canonicalBits(c.Floats[i])
	case Bytes, Decimal128:
		return hashBytes(c.Bytes(i))
	}
	return uint64(c.Ints[i])
}
