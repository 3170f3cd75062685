package decode

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

const (
	escaped  = 1 << iota // the string holds a backslash
	nonASCII             // the string holds bytes over 0x7f
)

const (
	eachByte = 0x0101010101010101
	highBits = 0x8080808080808080
)

// str reads a string whose opening quote is before b[i]. It returns the index behind the closing quote and what the
// string holds, or -1. Eight bytes at a time: a byte's high bit in m says that it is a quote, a backslash or a control
// character. Borrows can set bits above the lowest one only, so the lowest is right.
func (d *Decoder) str(i int) (int, int) {
	b := d.b
	st, flags := i, 0
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		q, e := x^('"'*eachByte), x^('\\'*eachByte)
		m := ((q-eachByte)&^q | (e-eachByte)&^e | (x-' '*eachByte)&^x) & highBits
		if m == 0 {
			if x&highBits != 0 {
				flags |= nonASCII
			}
			i += 8
			continue
		}
		k := bits.TrailingZeros64(m) >> 3
		if x&highBits&(1<<(uint(k)*8)-1) != 0 {
			flags |= nonASCII
		}
		i += k
		switch b[i] {
		case '"':
			if flags != 0 && !validText(b[st:i], flags) {
				return -1, 0
			}
			return i + 1, flags
		case '\\':
			flags |= escaped
			i += 2
		default:
			return -1, 0
		}
	}
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			if flags != 0 && !validText(b[st:i], flags) {
				return -1, 0
			}
			return i + 1, flags
		case c == '\\':
			flags |= escaped
			i++
		case c < ' ':
			return -1, 0
		case c >= 0x80:
			flags |= nonASCII
		}
	}
	return -1, 0
}

// validText checks what flags say is in a string: UTF-8 and escapes.
func validText(v []byte, flags int) bool {
	if flags&nonASCII != 0 && !utf8.Valid(v) {
		return false
	}
	if flags&escaped == 0 {
		return true
	}
	for i := 0; i < len(v); i++ {
		if v[i] != '\\' {
			continue
		}
		if i++; i >= len(v) {
			return false
		}
		switch v[i] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		case 'u':
			if _, ok := hex4(v[i+1:]); !ok {
				return false
			}
			i += 4
		default:
			return false
		}
	}
	return true
}

func hex4(v []byte) (rune, bool) {
	if len(v) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range v[:4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// appendUnescaped appends the text of a valid JSON string. It is never longer than v.
func appendUnescaped(dst, v []byte) []byte {
	for i := 0; i < len(v); i++ {
		c := v[i]
		if c != '\\' {
			dst = append(dst, c)
			continue
		}
		i++
		switch v[i] {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(v[i+1:])
			i += 4
			if r >= 0xd800 && r < 0xe000 {
				low, ok := rune(0), false
				if r < 0xdc00 && i+2 < len(v) && v[i+1] == '\\' && v[i+2] == 'u' {
					low, ok = hex4(v[i+3:])
				}
				if ok && low >= 0xdc00 && low < 0xe000 {
					r = (r-0xd800)<<10 | (low - 0xdc00) + 0x10000
					i += 6
				} else {
					r = utf8.RuneError
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, v[i])
		}
	}
	return dst
}

// appendCompact appends valid JSON without the white space between tokens.
func appendCompact(dst, v []byte) []byte {
	for i := 0; i < len(v); i++ {
		switch c := v[i]; c {
		case ' ', '\n', '\t', '\r':
		case '"':
			st := i
			for i++; v[i] != '"'; i++ {
				if v[i] == '\\' {
					i++
				}
			}
			dst = append(dst, v[st:i+1]...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
