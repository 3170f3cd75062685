package decode

import (
	"math"
	"math/bits"
	"strconv"
	"unsafe"
)

// scanInt reads the integer at b[i] and returns the index behind it, or -1 if it is no int64.
func scanInt(b []byte, i int) (int64, int) {
	neg := b[i] == '-'
	if neg {
		i++
	}
	st := i
	var n uint64
	for i < len(b) && isDigit(b[i]) {
		n = n*10 + uint64(b[i]-'0')
		i++
	}
	switch {
	case i == st || i-st > 1 && b[st] == '0':
		return 0, -1
	case i < len(b) && (b[i] == '.' || b[i]|0x20 == 'e'):
		return 0, -1
	case i-st > 18 && (i-st > 19 || n > math.MaxInt64 && !(neg && n == 1<<63)):
		return 0, -1
	}
	if neg {
		n = -n
	}
	return int64(n), i
}

// pow10 are the powers of ten that float64 holds exactly.
var pow10 = [...]float64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
	1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// scanFloat reads the number at b[i] and returns the index behind it, or -1 if it is no number or beyond float64. Up to 15
// digits and small powers of ten are one exact operation on exact operands, hence rounded right; the rest is strconv's.
func scanFloat(b []byte, i int) (float64, int) {
	st := i
	neg := b[i] == '-'
	if neg {
		i++
	}
	first := i
	var n uint64
	for i < len(b) && isDigit(b[i]) {
		n = n*10 + uint64(b[i]-'0')
		i++
	}
	nd, frac := i-first, 0
	if nd == 0 || nd > 1 && b[first] == '0' {
		return 0, -1
	}
	if i < len(b) && b[i] == '.' {
		point := i
		for i++; i < len(b) && isDigit(b[i]); i++ {
			n = n*10 + uint64(b[i]-'0')
		}
		if frac = i - point - 1; frac == 0 {
			return 0, -1
		}
		nd += frac
	}
	if nd > 15 || i < len(b) && b[i]|0x20 == 'e' {
		return slowFloat(b, st)
	}
	v := float64(n) / pow10[frac]
	if neg {
		v = -v
	}
	return v, i
}

func slowFloat(b []byte, st int) (float64, int) {
	end := number(b, st)
	if end < 0 {
		return 0, -1
	}
	v, err := strconv.ParseFloat(unsafe.String(&b[st], end-st), 64)
	if err != nil {
		return 0, -1
	}
	return v, end
}

// decimal is the number (hi, lo) * 10^exp. Zeros at the end are in exp, so the digits are as few as possible.
type decimal struct {
	neg    bool
	hi, lo uint64
	digits int
	exp    int64
}

const (
	maxDigits = 38
	// farExponent stands for any exponent that is out of all reach, so that sums of it cannot overflow.
	farExponent = 1 << 40
)

// parseDecimal reads a number in JSON's notation; valid says whether it is one, fits whether it has at most 38 digits.
func parseDecimal(b []byte) (d decimal, valid, fits bool) {
	if len(b) == 0 || number(b, 0) != len(b) {
		return d, false, false
	}
	i := 0
	if b[0] == '-' {
		d.neg, i = true, 1
	}
	zeros, point := 0, false // zeros: seen, and not yet known to be followed by another digit
	for ; i < len(b) && b[i]|0x20 != 'e'; i++ {
		c := b[i]
		if c == '.' {
			point = true
			continue
		}
		if point {
			d.exp--
		}
		if c == '0' {
			if d.digits > 0 {
				zeros++
			}
			continue
		}
		if d.digits+zeros+1 > maxDigits {
			return d, true, false
		}
		d.mul10(zeros + 1)
		var carry uint64
		d.lo, carry = bits.Add64(d.lo, uint64(c-'0'), 0)
		d.hi += carry
		d.digits += zeros + 1
		zeros = 0
	}
	d.exp += int64(zeros)
	if i < len(b) {
		d.exp += parseExponent(b[i+1:])
	}
	if d.digits == 0 {
		d.exp, d.neg = 0, false
	}
	return d, true, true
}

func parseExponent(b []byte) int64 {
	neg := b[0] == '-'
	if neg || b[0] == '+' {
		b = b[1:]
	}
	var e int64
	for _, c := range b {
		if e = e*10 + int64(c-'0'); e > farExponent {
			e = farExponent
		}
	}
	if neg {
		return -e
	}
	return e
}

var smallPow10 = [...]uint64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
}

// mul10 multiplies by 10^k. The caller sees to it that 38 digits are enough.
func (d *decimal) mul10(k int) {
	for k > 0 {
		m := min(k, 19)
		p := smallPow10[m]
		high, low := bits.Mul64(d.lo, p)
		d.hi, d.lo = d.hi*p+high, low
		k -= m
	}
}

// div10 divides by 10^k and reports whether something was cut off.
func (d *decimal) div10(k int64) (cut bool) {
	if k > maxDigits {
		cut = d.hi|d.lo != 0
		d.hi, d.lo = 0, 0
		return cut
	}
	for k > 0 {
		m := min(k, 19)
		p := smallPow10[m]
		q := d.hi / p
		low, rest := bits.Div64(d.hi%p, d.lo, p)
		d.hi, d.lo = q, low
		cut = cut || rest != 0
		k -= m
	}
	return cut
}

// unscaled returns d * 10^scale in two's complement. ok is false if that is no integer, or has over precision digits.
func (d decimal) unscaled(precision, scale int) (hi, lo uint64, ok bool) {
	e := d.exp + int64(scale)
	if d.digits == 0 {
		return 0, 0, true
	}
	if e < 0 || int64(d.digits)+e > int64(precision) {
		return 0, 0, false
	}
	d.mul10(int(e))
	if d.neg {
		var carry uint64
		d.lo, carry = bits.Add64(^d.lo, 1, 0)
		d.hi = ^d.hi + carry
	}
	return d.hi, d.lo, true
}

// floor returns d * 10^k rounded towards minus infinity. ok is false if it is beyond int64.
func (d decimal) floor(k int) (v int64, ok bool) {
	e := d.exp + int64(k)
	cut := false
	switch {
	case e < 0:
		cut = d.div10(-e)
	case int64(d.digits)+e > 19:
		return 0, false
	default:
		d.mul10(int(e))
	}
	if d.neg && cut {
		d.lo++
	}
	if d.hi != 0 || d.lo > math.MaxInt64 {
		return 0, false
	}
	if d.neg {
		return -int64(d.lo), true
	}
	return int64(d.lo), true
}
