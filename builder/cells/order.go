package cells

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// orderInt and orderFloat turn values into words that compare as the values do: -0 is 0, NaN is one and comes last.

func orderInt(v int64) uint64 { return uint64(v) ^ 1<<63 }

func intOf(w uint64) int64 { return int64(w ^ 1<<63) }

func orderFloat(v float64) uint64 {
	switch {
	case v != v:
		return math.MaxUint64 - 1
	case v == 0:
		return 1 << 63
	}
	b := math.Float64bits(v)
	if b>>63 != 0 {
		return ^b
	}
	return b | 1<<63
}

func floatOf(w uint64) float64 {
	switch {
	case w == math.MaxUint64-1:
		return math.Float64frombits(canonicalNaN)
	case w>>63 != 0:
		return math.Float64frombits(w &^ (1 << 63))
	}
	return math.Float64frombits(^w)
}

// canonicalNaN is the only NaN that states hold; they hold no -0.
const canonicalNaN = 0x7ff8000000000001

func canonical(v float64) float64 {
	switch {
	case v != v:
		return math.Float64frombits(canonicalNaN)
	case v == 0:
		return 0
	}
	return v
}

// inWords reports whether values of a kind are ordered as words; others are bytes.
func inWords(k stage.Kind) bool { return k != stage.Bytes && k != stage.Decimal128 }

// appendOrdered appends rows [from, to) of a column of words as ordered words; a null's is that of zero.
func appendOrdered(dst []uint64, c *stage.Column, from, to int) []uint64 {
	if c.Dict != nil {
		words := appendOrdered(nil, c.Dict, 0, c.Dict.Len())
		for i := from; i < to; i++ {
			w := uint64(1 << 63)
			if !c.IsNull(i) {
				w = words[c.Codes[i]]
			}
			dst = append(dst, w)
		}
		return dst
	}
	if c.Kind == stage.Float64 {
		for _, v := range c.Floats[from:to] {
			dst = append(dst, orderFloat(v))
		}
		return dst
	}
	for _, v := range c.Ints[from:to] {
		dst = append(dst, orderInt(v))
	}
	return dst
}

// appendWord appends the value of an ordered word to a column of words.
func appendWord(c *stage.Column, w uint64) {
	if c.Kind == stage.Float64 {
		c.AppendFloat(floatOf(w))
	} else {
		c.AppendInt(intOf(w))
	}
}

// compareBytes orders the values of a column of bytes: strings bytewise, decimals by number.
func compareBytes(k stage.Kind, a, b []byte) int {
	if k == stage.Decimal128 && len(a) == 16 && len(b) == 16 {
		if (a[0]^b[0])&0x80 != 0 {
			return 1 - 2*int(a[0]>>7)
		}
	}
	return bytes.Compare(a, b)
}

// prefix returns the first 8 bytes of a value as a word, in the order of compareBytes; equal prefixes decide nothing.
func prefix(k stage.Kind, v []byte) (w uint64) {
	if len(v) >= 8 {
		w = binary.BigEndian.Uint64(v)
	} else {
		for i := range 8 {
			w <<= 8
			if i < len(v) {
				w |= uint64(v[i])
			}
		}
	}
	if k == stage.Decimal128 {
		w ^= 1 << 63
	}
	return w
}
