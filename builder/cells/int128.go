package cells

import (
	"encoding/binary"
	"math/bits"
)

// int128 is a whole number in two's complement.
type int128 struct {
	hi int64
	lo uint64
}

func wide(v int64) int128 { return int128{v >> 63, uint64(v)} }

// negated returns -v; the least number is its own.
func (v int128) negated() int128 {
	lo, borrow := bits.Sub64(0, v.lo, 0)
	hi, _ := bits.Sub64(0, uint64(v.hi), borrow)
	return int128{int64(hi), lo}
}

// limit38 is 10^38: sums stay below it and above its negative.
const (
	limit38hi = 0x4B3B4CA85A86C47A
	limit38lo = 0x098A224000000000
)

// fits38 reports whether v has at most 38 digits.
func (v int128) fits38() bool {
	if v.hi < 0 {
		if v = v.negated(); v.hi < 0 {
			return false
		}
	}
	return v.hi < limit38hi || v.hi == limit38hi && v.lo < limit38lo
}

// add returns a + b, ok while it has at most 38 digits as a and b must have. Two such numbers may wrap in 128 bits, but
// not so far that the upper word comes back into the bounds.
func add38(a, b int128) (sum int128, ok bool) {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, _ := bits.Add64(uint64(a.hi), uint64(b.hi), carry)
	sum = int128{int64(hi), lo}
	if hi+(limit38hi-1) < 2*(limit38hi-1) {
		return sum, true
	}
	return sum, hi+(limit38hi+1) <= 2*(limit38hi+1) && sum.fits38()
}

func (v int128) bytes() (b [16]byte) {
	binary.BigEndian.PutUint64(b[:8], uint64(v.hi))
	binary.BigEndian.PutUint64(b[8:], v.lo)
	return b
}

func int128Of(b []byte) int128 {
	return int128{int64(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint64(b[8:16])}
}

// float returns a float64 at most a few units in the last place from v.
func (v int128) float() float64 {
	if v.hi < 0 && v != v.negated() {
		return -v.negated().float()
	}
	return float64(uint64(v.hi))*(1<<64) + float64(v.lo)
}
