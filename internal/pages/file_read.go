package pages

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/zeebo/xxh3"
)

// File reads the row groups of a Parquet file. It may be used by several goroutines at once.
type File struct {
	Meta *format.FileMetaData

	src    *Source
	leaves []Leaf
	zstd   *zstd.Decoder
}

// OpenFile reads and checks the metadata at the end of the file. Errors are those of Corrupt and of the store.
func OpenFile(ctx context.Context, src *Source) (*File, error) {
	meta, err := readMetaData(ctx, src)
	if err != nil {
		return nil, err
	}
	return &File{Meta: meta, src: src}, nil
}

// Value returns the key-value metadata of a key, nil where there is none.
func (f *File) Value(key string) []byte {
	for _, kv := range f.Meta.KeyValueMetadata {
		if kv.Key == key {
			return []byte(kv.Value)
		}
	}
	return nil
}

// SetLeaves holds the Parquet schema and the shape of the row groups, of 1 to maxRows rows each, against the columns that
// the file should have. It comes before Read.
func (f *File) SetLeaves(leaves []Leaf, maxRows int64) error {
	want, have := elements(leaves), f.Meta.Schema
	if len(have) != len(want) {
		return Corrupt("%d columns, the schema has %d", len(have)-1, len(want)-1)
	}
	for i := range want[1:] {
		w, g := &want[i+1], &have[i+1]
		if w.Name != g.Name || w.Type != g.Type || w.RepetitionType != g.RepetitionType || w.TypeLength != g.TypeLength {
			return Corrupt("column %d is %s, want %s of another type", i, g.Name, w.Name)
		}
	}
	var rows int64
	for i := range f.Meta.RowGroups {
		rg := &f.Meta.RowGroups[i]
		if len(rg.Columns) != len(leaves) {
			return Corrupt("row group %d has %d columns, want %d", i, len(rg.Columns), len(leaves))
		}
		if rg.NumRows < 1 || rg.NumRows > maxRows {
			return Corrupt("a row group of %d rows, want 1 to %d", rg.NumRows, maxRows)
		}
		rows += rg.NumRows
	}
	if rows != f.Meta.NumRows {
		return Corrupt("%d rows in its groups, %d in the metadata", rows, f.Meta.NumRows)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(4<<30))
	if err != nil {
		return err
	}
	f.leaves, f.zstd = leaves, dec
	return nil
}

// Close frees what the file holds. Columns that were read stay good.
func (f *File) Close() {
	if f.zstd != nil {
		f.zstd.Close()
	}
}

// readMetaData reads and checks the metadata at the end of the file.
func readMetaData(ctx context.Context, src *Source) (*format.FileMetaData, error) {
	const end = 4 + len(Magic)
	n := min(src.Size, TailBytes)
	if n < int64(len(Magic)+guardSize+end) {
		return nil, Corrupt("no Parquet file: %d bytes", src.Size)
	}
	tail, err := src.Read(ctx, src.Size-n, n)
	if err != nil {
		return nil, err
	}
	if string(tail[len(tail)-len(Magic):]) != Magic {
		return nil, Corrupt("no whole Parquet file: it does not end in %s", Magic)
	}
	size := int64(binary.LittleEndian.Uint32(tail[len(tail)-end:]))
	if tail, err = src.Tail(ctx, tail, size+int64(guardSize+end)); err != nil {
		return nil, err
	}
	guard, text := tail[:guardSize], tail[guardSize:len(tail)-end]
	if string(guard[:len(guardMagic)]) != guardMagic {
		return nil, Corrupt("a Parquet file that tidemark did not write, or its metadata is damaged")
	}
	if binary.LittleEndian.Uint64(guard[len(guardMagic):]) != xxh3.Hash(text) {
		return nil, Corrupt("the metadata is damaged: its hash does not match")
	}
	meta := new(format.FileMetaData)
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), text, meta); err != nil {
		return nil, Corrupt("metadata: %v", err)
	}
	return meta, nil
}

// readGap is the most bytes of unwanted columns that are read to save a request.
const readGap = 128 << 10

// Read returns the columns cols, which ascend, of a row group. Those with a dictionary keep their codes.
func (f *File) Read(ctx context.Context, group int, cols []int) ([]Column, error) {
	rg := &f.Meta.RowGroups[group]
	out := make([]Column, 0, len(cols))
	d := &columnDecoder{zstd: f.zstd, rows: int(rg.NumRows)}
	for len(cols) > 0 {
		start, end, n := span64(rg, cols)
		buf, err := f.src.Read(ctx, start, end-start)
		if err != nil {
			return nil, err
		}
		for _, i := range cols[:n] {
			from, to := extent(&rg.Columns[i].MetaData)
			col, err := f.decode(d, i, &rg.Columns[i].MetaData, buf[from-start:to-start])
			if err != nil {
				var ce *corruptError
				if errors.As(err, &ce) {
					return nil, Corrupt("row group %d, column %s: %v", group, f.leaves[i].Element.Name, err)
				}
				return nil, err
			}
			out = append(out, col)
		}
		cols = cols[n:]
	}
	return out, nil
}

// decode decodes a column chunk of leaf i.
func (f *File) decode(d *columnDecoder, i int, meta *format.ColumnMetaData, data []byte) (Column, error) {
	l := &f.leaves[i]
	col := Column{Kind: l.Kind}
	d.col, d.meta, d.physical = &col, meta, l.Element.Type.V
	d.optional = l.Element.RepetitionType.V == format.Optional
	return col, d.chunk(data)
}

// extent returns the bytes [from, to) of a column chunk.
func extent(m *format.ColumnMetaData) (from, to int64) {
	from = m.DataPageOffset
	if m.DictionaryPageOffset > 0 {
		from = min(from, m.DictionaryPageOffset)
	}
	return from, from + m.TotalCompressedSize
}

// span64 returns the bytes to read at once for the first n of cols, which ascend.
func span64(rg *format.RowGroup, cols []int) (start, end int64, n int) {
	start, end = extent(&rg.Columns[cols[0]].MetaData)
	for n = 1; n < len(cols); n++ {
		from, to := extent(&rg.Columns[cols[n]].MetaData)
		if from < end || from > end+readGap {
			break
		}
		end = to
	}
	return start, end, n
}
