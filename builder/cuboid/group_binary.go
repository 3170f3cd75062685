package cuboid

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/zeebo/xxh3"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/pages"
)

// MemBytes returns what the group holds of memory.
func (g *Group) MemBytes() int64 { return int64(cap(g.data)) + int64(16*cap(g.hashes)) + 4096 }

// AppendBinary appends the group in a form of this version of the program, for temporary files: mask, rows, the lengths of
// the parts, row group, hashes of rows, pages, and the xxh3 of all that.
func (g *Group) AppendBinary(b []byte) ([]byte, error) {
	start := len(b)
	rg, err := thrift.Marshal(new(thrift.CompactProtocol), &g.rg)
	if err != nil {
		return nil, fmt.Errorf("row group of cuboid %d: %w", g.Mask, err)
	}
	for _, v := range []uint64{g.Mask, uint64(g.Rows), uint64(len(rg)), uint64(len(g.data))} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = append(b, rg...)
	for _, h := range g.hashes {
		b = binary.LittleEndian.AppendUint64(b, h.Hi)
		b = binary.LittleEndian.AppendUint64(b, h.Lo)
	}
	b = append(b, g.data...)
	return binary.LittleEndian.AppendUint64(b, xxh3.Hash(b[start:])), nil
}

// Cells decodes the group: the cells that were encoded.
func (g *Group) Cells(ctx context.Context, l *cells.Layout) (*cells.Cells, error) {
	st := new(blob.Mem)
	w, err := NewWriter(st, "group", l, WriterOptions{FileBytes: math.MaxInt64})
	if err != nil {
		return nil, err
	}
	if err := w.Append(ctx, g); err != nil {
		return nil, err
	}
	files, entries, err := w.Finish(ctx)
	if err != nil {
		return nil, err
	}
	r, err := NewReader(st, l, files, entries)
	if err != nil {
		return nil, err
	}
	defer r.Close() // frees memory only, its error says nothing
	list, err := r.Groups(ctx, g.Mask)
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, fmt.Errorf("cuboid %b: %d row groups were made of one", g.Mask, len(list))
	}
	return r.Cells(ctx, list[0])
}

// DecodeGroup reads what AppendBinary appended, and nothing else. The group aliases b.
func DecodeGroup(b []byte) (*Group, error) {
	const head, tail = 32, 8
	if len(b) < head+tail || xxh3.Hash(b[:len(b)-tail]) != binary.LittleEndian.Uint64(b[len(b)-tail:]) {
		return nil, fmt.Errorf("a row group of %d bytes is not whole", len(b))
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	g := &Group{Mask: word(0), Rows: int(word(1))}
	rest := b[head : len(b)-tail]
	if rows, meta, data := word(1), word(2), word(3); rows > GroupRows || meta > math.MaxInt32 || data > math.MaxInt32 || meta+16*rows+data != uint64(len(rest)) {
		return nil, fmt.Errorf("a row group of %d rows, %d and %d bytes in %d", rows, meta, data, len(b))
	}
	rg, rest := rest[:word(2)], rest[word(2):]
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), rg, &g.rg); err != nil {
		return nil, fmt.Errorf("row group: %w", err)
	}
	if g.Rows > 0 {
		g.hashes = make([]pages.Hash, g.Rows)
	}
	for i := range g.hashes {
		g.hashes[i] = pages.Hash{Hi: binary.LittleEndian.Uint64(rest[16*i:]), Lo: binary.LittleEndian.Uint64(rest[16*i+8:])}
	}
	g.data = rest[16*g.Rows:]
	return g, nil
}
