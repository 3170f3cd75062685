package pages

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/format"
)

// plainValues appends n plain values to col, with zeros where levels say null. Nil levels means no nulls.
func (d *columnDecoder) plainValues(col *Column, body []byte, n int, levels []byte) error {
	if d.physical == format.ByteArray {
		return d.plainStrings(col, body, n, levels)
	}
	size := map[format.Type]int{format.Int32: 4, format.Int64: 8, format.Double: 8, format.FixedLenByteArray: DecimalBytes}[d.physical]
	if want := size * n; d.physical != format.Boolean && len(body) != want {
		return Corrupt("%d bytes of plain values, want %d", len(body), want)
	}
	switch d.physical {
	case format.Double:
		d.plainFloats(col, body, levels)
	case format.FixedLenByteArray:
		d.plainDecimals(col, body, levels)
	case format.Boolean:
		if len(body) != (n+7)/8 {
			return Corrupt("%d bytes of booleans, want %d", len(body), (n+7)/8)
		}
		vals := make([]int64, n)
		for i := range vals {
			vals[i] = int64(body[i>>3]>>(i&7)) & 1
		}
		d.scatterInts(col, vals, levels)
	case format.Int32:
		vals := make([]int64, n)
		for i := range vals {
			vals[i] = int64(int32(binary.LittleEndian.Uint32(body[4*i:])))
		}
		d.scatterInts(col, vals, levels)
	case format.Int64:
		vals := make([]int64, n)
		for i := range vals {
			vals[i] = int64(binary.LittleEndian.Uint64(body[8*i:]))
		}
		d.scatterInts(col, vals, levels)
	default:
		return Corrupt("physical type %s is not one that tidemark writes", d.physical)
	}
	return nil
}

func (d *columnDecoder) plainFloats(col *Column, body, levels []byte) {
	if col.Floats == nil {
		col.Floats = make([]float64, 0, d.rows)
	}
	next := func() {
		col.Floats = append(col.Floats, math.Float64frombits(binary.LittleEndian.Uint64(body)))
		body = body[8:]
	}
	for _, l := range levels {
		if l == 1 {
			next()
		} else {
			col.Floats = append(col.Floats, 0)
		}
	}
	for levels == nil && len(body) > 0 {
		next()
	}
}

func (d *columnDecoder) plainDecimals(col *Column, body, levels []byte) {
	if levels == nil {
		col.Data = append(col.Data, body...)
	}
	var zero [DecimalBytes]byte
	for _, l := range levels {
		if l == 1 {
			col.Data = append(col.Data, body[:DecimalBytes]...)
			body = body[DecimalBytes:]
		} else {
			col.Data = append(col.Data, zero[:]...)
		}
	}
}

func (d *columnDecoder) plainStrings(col *Column, body []byte, n int, levels []byte) error {
	if n > len(body)/4 {
		return Corrupt("%d strings in %d bytes", n, len(body))
	}
	col.Ends = slices.Grow(col.Ends, max(n, len(levels)))
	col.Data = slices.Grow(col.Data, len(body)-4*n)
	for i := range max(n, len(levels)) {
		if levels != nil && levels[i] == 0 {
			col.Ends = append(col.Ends, uint32(len(col.Data)))
			continue
		}
		if len(body) < 4 {
			return Corrupt("strings end early")
		}
		size := binary.LittleEndian.Uint32(body)
		if int64(size) > int64(len(body)-4) {
			return Corrupt("a string of %d bytes in %d", size, len(body)-4)
		}
		col.Data = append(col.Data, body[4:4+size]...)
		col.Ends = append(col.Ends, uint32(len(col.Data)))
		body = body[4+size:]
	}
	if len(body) > 0 {
		return Corrupt("%d bytes behind the strings", len(body))
	}
	return nil
}

// cutNoPrefixes returns what follows n lengths of 0. Others would let a small page grow to any size.
func cutNoPrefixes(body []byte, n int) ([]byte, error) {
	rest, ok := bytes.CutPrefix(body, binary.AppendUvarint([]byte{0x80, 1, 4}, uint64(n)))
	zeros := noPrefixBytes(n)
	if !ok || len(rest) < zeros || len(bytes.TrimLeft(rest[:zeros], "\x00")) > 0 {
		return nil, Corrupt("strings that share prefixes are not what tidemark writes")
	}
	return rest[zeros:], nil
}

// sizedStrings appends n strings whose lengths stand before all of them.
func (d *columnDecoder) sizedStrings(body []byte, n int, levels []byte) error {
	if err := checkDelta(body, n); err != nil {
		return err
	}
	text, offsets, err := new(delta.LengthByteArrayEncoding).DecodeByteArray(d.text, body, d.offsets)
	if err != nil || len(offsets) != n+1 {
		return Corrupt("%d string lengths, want %d: %v", len(offsets)-1, n, err)
	}
	d.text, d.offsets = text, offsets
	base, last := uint32(len(d.col.Data)), uint32(0)
	d.col.Data = append(d.col.Data, text...)
	d.col.Ends = slices.Grow(d.col.Ends, max(n, len(levels)))
	ends := offsets[1:]
	for i := range max(n, len(levels)) {
		if levels == nil || levels[i] == 1 {
			if ends[0] < last || int(ends[0]) > len(text) {
				return Corrupt("string lengths that overflow")
			}
			last, ends = ends[0], ends[1:]
		}
		d.col.Ends = append(d.col.Ends, base+last)
	}
	return nil
}
