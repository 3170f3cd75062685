package stage

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// How values stand in a line. A number of a time or day whose year is outside of 0 to 9999, and the floats that JSON
// does not know, have their own notation; decimals are strings, since most readers take a JSON number for a double.

// timeUnit is how many of a number make a second.
type timeUnit int64

const (
	millis timeUnit = 1e3
	micros timeUnit = 1e6
)

const dateLayout = "2006-01-02"

func (u timeUnit) layout() string {
	if u == millis {
		return "2006-01-02T15:04:05.000Z"
	}
	return "2006-01-02T15:04:05.000000Z"
}

func (u timeUnit) time(v int64) time.Time {
	if u == millis {
		return time.UnixMilli(v).UTC()
	}
	return time.UnixMicro(v).UTC()
}

// Bounds of years that four digits write.
const (
	firstSecond = -62167219200 // 0000-01-01
	lastSecond  = 253402300799 // 9999-12-31T23:59:59
)

func appendInt(b []byte, v int64) []byte { return strconv.AppendInt(b, v, 10) }

func appendTime(b []byte, v int64, unit timeUnit) []byte {
	t := unit.time(v)
	if s := t.Unix(); s < firstSecond || s > lastSecond {
		return appendInt(b, v)
	}
	b = append(b, '"')
	b = t.AppendFormat(b, unit.layout())
	return append(b, '"')
}

func appendDate(b []byte, days int64) []byte {
	if days < firstSecond/86400 || days > lastSecond/86400 {
		return appendInt(b, days)
	}
	b = append(b, '"')
	b = time.Unix(days*86400, 0).UTC().AppendFormat(b, dateLayout)
	return append(b, '"')
}

func appendBase64(b, v []byte) []byte {
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, v)
	return append(b, '"')
}

// appendValue writes value r of a column, which is not null.
func appendValue(b []byte, f *Field, col *Column, r int) ([]byte, error) {
	switch f.Type.Kind {
	case cube.Bool:
		return strconv.AppendBool(b, col.Int(r) != 0), nil
	case cube.Int64:
		return appendInt(b, col.Int(r)), nil
	case cube.Float64:
		return appendFloat(b, col.Float(r)), nil
	case cube.Date:
		return appendDate(b, col.Int(r)), nil
	case cube.Timestamp:
		return appendTime(b, col.Int(r), micros), nil
	case cube.Decimal:
		hi, lo := decimalOf(col, r)
		b = append(b, '"')
		b = appendDecimal(b, hi, lo, f.Type.Scale)
		return append(b, '"'), nil
	}
	v := col.Bytes(r)
	if !utf8.Valid(v) {
		return nil, fmt.Errorf("%q is not UTF-8", v[:min(len(v), 40)])
	}
	return appendString(b, v), nil
}

func appendFloat(b []byte, v float64) []byte {
	switch {
	case v != v:
		return append(b, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(b, `"-Infinity"`...)
	case v == 0 && math.Signbit(v):
		return append(b, "-0.0"...) // readers take -0 for an integer, which has no sign
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

// appendString writes UTF-8 as a JSON string.
func appendString(b, v []byte) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i, ch := range v {
		if ch >= 0x20 && ch != '"' && ch != '\\' {
			continue
		}
		b = append(b, v[start:i]...)
		start = i + 1
		switch ch {
		case '"', '\\':
			b = append(b, '\\', ch)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', digits[ch>>4], digits[ch&15])
		}
	}
	b = append(b, v[start:]...)
	return append(b, '"')
}

// decimalOf returns the 128 bits of the unscaled value of a decimal column of either kind.
func decimalOf(c *Column, r int) (hi, lo uint64) {
	if c.Kind == Decimal128 {
		v := c.Bytes(r)
		return binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:])
	}
	v := c.Int(r)
	return uint64(v >> 63), uint64(v)
}

// appendDecimal writes the 128-bit two's complement number hi, lo with scale digits behind the point.
func appendDecimal(b []byte, hi, lo uint64, scale int) []byte {
	if hi>>63 != 0 {
		b = append(b, '-')
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	var text [40]byte
	at := len(text)
	for digits := 0; hi != 0 || lo != 0 || digits <= scale; digits++ {
		var rem uint64
		hi, rem = hi/10, hi%10
		lo, rem = bits.Div64(rem, lo, 10)
		at--
		text[at] = '0' + byte(rem)
	}
	point := len(text) - scale
	b = append(b, text[at:point]...)
	if scale > 0 {
		b = append(b, '.')
		b = append(b, text[point:]...)
	}
	return b
}

// parseDecimal reads what appendDecimal writes, of exactly scale digits behind the point.
func parseDecimal(text []byte, scale int) (hi, lo uint64, ok bool) {
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		text = text[1:]
	}
	point := len(text)
	if scale > 0 {
		point -= scale + 1
	}
	if point < 1 || len(text) > 41 {
		return 0, 0, false
	}
	for i, ch := range text {
		if scale > 0 && i == point {
			if ch != '.' {
				return 0, 0, false
			}
			continue
		}
		if ch < '0' || ch > '9' {
			return 0, 0, false
		}
		over, low := bits.Mul64(hi, 10)
		carry, l := bits.Mul64(lo, 10)
		var c uint64
		lo, c = bits.Add64(l, uint64(ch-'0'), 0)
		var c2 uint64
		hi, c2 = bits.Add64(low, carry, c)
		if over != 0 || c2 != 0 {
			return 0, 0, false
		}
	}
	if negative {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
		return hi, lo, hi>>63 != 0 // no overflow, and no negative zero
	}
	return hi, lo, hi>>63 == 0
}
