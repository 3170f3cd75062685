package local

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// A frame of a temporary file is a cells' mask, rows, dictionaries and codes of each dimension, and the columns of its states,
// as they lie in memory, little-endian. It is read by the program that wrote it.

// appendCells appends rows of cells to dst.
func appendCells(dst []byte, l *cells.Layout, c *cells.Cells) []byte {
	n := c.Len()
	dst = binary.LittleEndian.AppendUint64(dst, c.Mask)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(n))
	codes := make([]uint32, 0, n)
	for i, d := range c.Dicts {
		if d == nil {
			continue
		}
		dst = appendColumn(dst, &d.Values)
		codes = c.Keys.AppendCodes(codes[:0], i, 0, n)
		for _, code := range codes {
			dst = binary.LittleEndian.AppendUint32(dst, code)
		}
	}
	for i := range l.Measures {
		for _, col := range c.States[i].Columns(0, n) {
			dst = appendColumn(dst, &col)
		}
	}
	return dst
}

func appendColumn(dst []byte, c *stage.Column) []byte {
	for _, n := range []int{len(c.Ints), len(c.Floats), len(c.Data), len(c.Ends), len(c.Nulls)} {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(n))
	}
	for _, v := range c.Ints {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
	}
	for _, v := range c.Floats {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
	}
	dst = append(dst, c.Data...)
	for _, v := range c.Ends {
		dst = binary.LittleEndian.AppendUint32(dst, v)
	}
	for _, v := range c.Nulls {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	return dst
}

// rawReader takes a frame apart.
type rawReader struct {
	b   []byte
	err error
}

// decodeCells reads what appendCells wrote. The cells may alias data.
func decodeCells(data []byte, l *cells.Layout) (*cells.Cells, error) {
	r := &rawReader{b: data}
	mask, n := r.word(), r.word()
	dicts, codes := make([]*cells.Dict, len(l.Dims)), make([][]uint32, len(l.Dims))
	for i, d := range l.Dims {
		if mask>>(len(l.Dims)-1-i)&1 == 0 {
			continue
		}
		dicts[i] = &cells.Dict{Values: r.column(d.Kind)}
		list := r.take(n, 4)
		codes[i] = make([]uint32, len(list)/4)
		for k := range codes[i] {
			codes[i][k] = binary.LittleEndian.Uint32(list[4*k:])
		}
	}
	var states []cells.States
	for i := range l.Measures {
		m := &l.Measures[i]
		var cols []stage.Column
		for _, spec := range m.Columns() {
			cols = append(cols, r.column(spec.Kind))
		}
		if r.err != nil {
			return nil, r.err
		}
		s, err := m.FromColumns(cols)
		if err != nil {
			return nil, err
		}
		states = append(states, s)
	}
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("%d bytes too many", len(r.b))
	}
	if r.err != nil {
		return nil, r.err
	}
	return cells.NewCells(mask, dicts, codes, states)
}

func (r *rawReader) take(n uint64, size int) []byte {
	if r.err != nil || n > uint64(len(r.b)/size) {
		r.err = io.ErrUnexpectedEOF
		return nil
	}
	out := r.b[: int(n)*size : int(n)*size]
	r.b = r.b[len(out):]
	return out
}

func (r *rawReader) word() uint64 {
	if b := r.take(1, 8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *rawReader) column(k stage.Kind) stage.Column {
	var n [5]uint64
	for i := range n {
		n[i] = r.word()
	}
	c := stage.Column{Kind: k}
	if list := r.take(n[0], 8); len(list) > 0 {
		c.Ints = make([]int64, n[0])
		for i := range c.Ints {
			c.Ints[i] = int64(binary.LittleEndian.Uint64(list[8*i:]))
		}
	}
	if list := r.take(n[1], 8); len(list) > 0 {
		c.Floats = make([]float64, n[1])
		for i := range c.Floats {
			c.Floats[i] = math.Float64frombits(binary.LittleEndian.Uint64(list[8*i:]))
		}
	}
	c.Data = r.take(n[2], 1)
	if list := r.take(n[3], 4); len(list) > 0 {
		c.Ends = make([]uint32, n[3])
		for i := range c.Ends {
			c.Ends[i] = binary.LittleEndian.Uint32(list[4*i:])
		}
	}
	if list := r.take(n[4], 8); len(list) > 0 {
		c.Nulls = make([]uint64, n[4])
		for i := range c.Nulls {
			c.Nulls[i] = binary.LittleEndian.Uint64(list[8*i:])
		}
	}
	return c
}
