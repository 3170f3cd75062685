package pages

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"strconv"

	"github.com/zeebo/xxh3"
)

// Hash is a 128-bit hash of a row, or the sum, modulo 2^128, of the hashes of rows. The zero value is the hash of no rows. It tells
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

// HashBlock is how many rows are hashed at once, column by column: few enough to stay in the first cache.
const HashBlock = 256

// The constants are the first digits of pi behind the point, in hexadecimal.
const (
	hashSeedHi = 0x243f6a8885a308d3
	hashSeedLo = 0x13198a2e03707344
	hashKey    = 0xa4093822299f31d0 // the key of the step of a value
	hashNull   = 0x082efa98ec4e6c89 // the key of the step of a null, whose word is 0
)

// StartHash is the hash of a row before its first value.
func StartHash() Hash { return Hash{Hi: hashSeedHi, Lo: hashSeedLo} }

// Step takes the word of a value into h.
func (h Hash) Step(w uint64) Hash { return h.step(w, hashKey) }

// step takes word w into h: the 128-bit product of its halves, each mixed with what is new.
func (h Hash) step(w, key uint64) Hash {
	hi, lo := bits.Mul64(h.Lo^w, h.Hi^key)
	return Hash{Hi: hi, Lo: lo}
}

// HashCodes takes the words of len(h) values of a dictionary into h: code 0 is null, any other one has words[code].
func HashCodes(h []Hash, words []uint64, codes []uint32) {
	for r, code := range codes[:len(h)] {
		if code == 0 {
			h[r] = h[r].step(0, hashNull)
		} else {
			h[r] = h[r].step(words[code], hashKey)
		}
	}
}

// HashInts takes the words of the first len(h) of vals into h.
func HashInts(h []Hash, vals []int64) {
	vals = vals[:len(h)]
	for r, v := range vals {
		h[r] = h[r].step(uint64(v), hashKey)
	}
}

// HashColumn takes the words of len(h) values of c, at most HashBlock, from start on into h. It makes no difference
// whether c has a dictionary.
func HashColumn(h []Hash, c *Column, start int) {
	var words [HashBlock]uint64
	switch {
	case c.Dict != nil:
		for r, code := range c.Codes[start : start+len(h)] {
			if !c.IsNull(start + r) {
				words[r] = c.Dict.Word(int(code))
			}
		}
	case c.Kind == Bytes:
		pos := uint32(0)
		if start > 0 {
			pos = c.Ends[start-1]
		}
		for r, end := range c.Ends[start : start+len(h)] {
			words[r] = HashBytes(c.Data[pos:end])
			pos = end
		}
	case c.Kind == Decimal128:
		for r := range h {
			words[r] = hashDecimal(c.Data[DecimalBytes*(start+r):])
		}
	case c.Kind == Bool || c.Kind == Int64:
		if len(c.Nulls) == 0 {
			HashInts(h, c.Ints[start:])
			return
		}
		for r, v := range c.Ints[start : start+len(h)] {
			words[r] = uint64(v)
		}
	default:
		for r := range h {
			words[r] = c.Word(start + r)
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

// HashBytes returns the word of a string: xxh3, or where it is short a step that costs half as much.
func HashBytes(v []byte) uint64 {
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

// hashDecimal is HashBytes of the 16 bytes that v begins with.
func hashDecimal(v []byte) uint64 {
	hi, lo := bits.Mul64(binary.LittleEndian.Uint64(v)^hashSeedHi^DecimalBytes, binary.LittleEndian.Uint64(v[8:])^hashSeedLo)
	return hi ^ lo
}

// Word returns the word of value i of a column without a dictionary: the bits of numbers, one NaN for all, and the
// hash of bytes.
func (c *Column) Word(i int) uint64 {
	switch c.Kind {
	case Float64:
		return canonicalBits(c.Floats[i])
	case Bytes, Decimal128:
		return HashBytes(c.Bytes(i))
	}
	return uint64(c.Ints[i])
}

// canonicalBits returns the bits of v, the same for every NaN.
func canonicalBits(v float64) uint64 {
	if v != v {
		return 0x7ff8000000000001
	}
	return math.Float64bits(v)
}
