package cells

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// topKindOf returns how a top_n weighs: by the events, or by the sum of a column.
func topKindOf(m *Measure) kind {
	switch {
	case m.Column == "":
		return topKind[int128]{func(*events, *stage.Column, int) int128 { return int128{0, 1} }}
	case m.of.kind == stage.Float64:
		return topKind[real]{func(_ *events, c *stage.Column, i int) real { return real(c.Float(i)) }}
	case m.of.kind == stage.Decimal128:
		return topKind[int128]{func(_ *events, c *stage.Column, i int) int128 { return int128Of(c.Bytes(i)) }}
	case m.of.typ.Kind == cube.Int64 || m.of.typ.Kind == cube.Decimal:
		return topKind[int128]{func(_ *events, c *stage.Column, i int) int128 { return wide(c.Int(i)) }}
	}
	return nil
}

func (v int128) plus(o int128) int128 {
	sum, _ := add38(v, o) // what is added up stays within its bound
	return sum
}

func (v int128) minus(o int128) int128 { return v.plus(o.negated()) }

func (v int128) bound(o int128) (int128, bool) {
	if o.hi < 0 {
		o = o.negated()
	}
	return add38(v, o)
}

func (v int128) compare(o int128) int {
	if v.hi != o.hi {
		return cmp.Compare(v.hi, o.hi)
	}
	return cmp.Compare(v.lo, o.lo)
}

// appendWeight appends a weight as it is stored.
func appendWeight[W weight[W]](b []byte, w W) []byte {
	switch w := any(w).(type) {
	case int128:
		return w.appendVarint(b)
	case real:
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(canonical(float64(w))))
	}
	return b
}

// readWeight reads what appendWeight wrote, and returns the bytes behind it.
func readWeight[W weight[W]](b []byte) (w W, rest []byte, err error) {
	switch to := any(&w).(type) {
	case *int128:
		*to, rest, err = readVarint128(b)
	case *real:
		if len(b) < 8 {
			return w, nil, fmt.Errorf("a number of %d bytes, want 8", len(b))
		}
		*to, rest = real(math.Float64frombits(binary.LittleEndian.Uint64(b))), b[8:]
	}
	return w, rest, err
}

// appendVarint writes the sign into the lowest bit and then 7 bits a byte, the lowest first, as varints are written.
func (v int128) appendVarint(b []byte) []byte {
	sign := uint64(v.hi >> 63)
	hi, lo := (uint64(v.hi)<<1|v.lo>>63)^sign, v.lo<<1^sign
	for hi != 0 || lo >= 0x80 {
		b = append(b, byte(lo)|0x80)
		lo = lo>>7 | hi<<57
		hi >>= 7
	}
	return append(b, byte(lo))
}

func readVarint128(b []byte) (v int128, rest []byte, err error) {
	var hi, lo uint64
	for i := 0; ; i++ {
		if i == len(b) || i == 19 {
			return v, nil, fmt.Errorf("a number without an end")
		}
		part, shift := uint64(b[i]&0x7f), uint(7*i)
		if shift < 64 {
			lo |= part << shift
			hi |= part >> (64 - shift) // shifts by 64 and more give 0
		} else {
			hi |= part << (shift - 64)
		}
		if b[i] < 0x80 {
			b = b[i+1:]
			break
		}
	}
	sign := -(lo & 1)
	v = int128{int64(hi>>1 ^ sign), (lo>>1 | hi<<63) ^ sign}
	if !v.fits38() {
		return v, nil, fmt.Errorf("a number of more than 38 digits")
	}
	return v, b, nil
}

// real is a float64 that is added up. Its order has NaN last, so that it ranks first.
type real float64

func (v real) plus(o real) real { return v + o }

func (v real) minus(o real) real {
	if o == 0 {
		return v
	}
	return v - o
}

func (v real) bound(real) (real, bool) { return v, true } // it becomes infinite

func (v real) compare(o real) int {
	return compareWords(orderFloat(float64(v)), orderFloat(float64(o)))
}
