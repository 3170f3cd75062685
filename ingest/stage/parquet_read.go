package stage

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/zeebo/xxh3"
)

// parquetBody reads the row groups of a Parquet file.
type parquetBody struct {
	src    *source
	schema *Schema
	meta   *format.FileMetaData
	zstd   *zstd.Decoder
}

func openParquet(ctx context.Context, src *source, r *Reader) error {
	meta, err := readMetaData(ctx, src)
	if err != nil {
		return err
	}
	kv := map[string]string{}
	for _, x := range meta.KeyValueMetadata {
		kv[x.Key] = x.Value
	}
	if r.foot, err = parseFooter([]byte(kv[footerKey])); err != nil {
		return corrupt("%v", err)
	}
	if r.schema, err = parseSchema([]byte(kv[schemaKey])); err != nil {
		return err
	}
	if err := checkLeaves(r.schema, meta); err != nil {
		return err
	}
	var rows int64
	for i := range meta.RowGroups {
		g, err := groupOf(&meta.RowGroups[i], r.schema)
		if err != nil {
			return err
		}
		r.groups = append(r.groups, g)
		rows += int64(g.Rows)
	}
	if rows != r.foot.Events || rows != meta.NumRows {
		return corrupt("%d rows in its groups, %d in the metadata, the footer says %d events", rows, meta.NumRows, r.foot.Events)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(4<<30))
	if err != nil {
		return err
	}
	r.body = &parquetBody{src: src, schema: r.schema, meta: meta, zstd: dec}
	return nil
}

// readMetaData reads and checks the metadata at the end of the file.
func readMetaData(ctx context.Context, src *source) (*format.FileMetaData, error) {
	const end = 4 + len(parquetMagic)
	n := min(src.size, tailBytes)
	if n < int64(len(parquetMagic)+guardSize+end) {
		return nil, corrupt("no Parquet file: %d bytes", src.size)
	}
	tail, err := src.read(ctx, src.size-n, n)
	if err != nil {
		return nil, err
	}
	if string(tail[len(tail)-len(parquetMagic):]) != parquetMagic {
		return nil, corrupt("no whole Parquet file: it does not end in %s", parquetMagic)
	}
	size := int64(binary.LittleEndian.Uint32(tail[len(tail)-end:]))
	if tail, err = src.tail(ctx, tail, size+int64(guardSize+end)); err != nil {
		return nil, err
	}
	guard, text := tail[:guardSize], tail[guardSize:len(tail)-end]
	if string(guard[:len(guardMagic)]) != guardMagic {
		return nil, corrupt("a Parquet file that tidemark did not write, or its metadata is damaged")
	}
	if binary.LittleEndian.Uint64(guard[len(guardMagic):]) != xxh3.Hash(text) {
		return nil, corrupt("the metadata is damaged: its hash does not match")
	}
	meta := new(format.FileMetaData)
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), text, meta); err != nil {
		return nil, corrupt("metadata: %v", err)
	}
	return meta, nil
}

func parseSchema(text []byte) (*Schema, error) {
	s := new(Schema)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, corrupt("schema: %v", err)
	}
	if err := s.validate(); err != nil {
		return nil, corrupt("schema: %v", err)
	}
	return s, nil
}

// checkLeaves holds the Parquet schema and the shape of the row groups against our schema.
func checkLeaves(s *Schema, meta *format.FileMetaData) error {
	want := schemaElements(s)
	if len(meta.Schema) != len(want) {
		return corrupt("%d columns, the schema has %d", len(meta.Schema)-1, len(want)-1)
	}
	for i := range want[1:] {
		w, g := &want[i+1], &meta.Schema[i+1]
		if w.Name != g.Name || w.Type != g.Type || w.RepetitionType != g.RepetitionType || w.TypeLength != g.TypeLength {
			return corrupt("column %d is %s, want %s of another type", i, g.Name, w.Name)
		}
	}
	for i := range meta.RowGroups {
		if len(meta.RowGroups[i].Columns) != len(want)-1 {
			return corrupt("row group %d has %d columns, want %d", i, len(meta.RowGroups[i].Columns), len(want)-1)
		}
	}
	return nil
}

// groupOf takes a group's bounds from the statistics.
func groupOf(rg *format.RowGroup, s *Schema) (g Group, err error) {
	if rg.NumRows < 1 || rg.NumRows > rowGroupRows {
		return g, corrupt("a row group of %d rows, want 1 to %d", rg.NumRows, rowGroupRows)
	}
	g.Rows = int(rg.NumRows)
	off := &rg.Columns[0].MetaData.Statistics
	if len(off.MinValue) != 8 || len(off.MaxValue) != 8 {
		return g, corrupt("a row group without bounds of %s", OffsetColumn)
	}
	g.FirstOffset = int64(binary.LittleEndian.Uint64(off.MinValue))
	g.LastOffset = int64(binary.LittleEndian.Uint64(off.MaxValue))
	t := &rg.Columns[s.EventTime+2].MetaData.Statistics
	switch {
	case len(t.MinValue) == 8 && len(t.MaxValue) == 8:
		g.MinTimeUs = s.TimeUs(int64(binary.LittleEndian.Uint64(t.MinValue)))
		g.MaxTimeUs = s.TimeUs(int64(binary.LittleEndian.Uint64(t.MaxValue)))
	case len(t.MinValue) == 4 && len(t.MaxValue) == 4: // dates
		g.MinTimeUs = s.TimeUs(int64(int32(binary.LittleEndian.Uint32(t.MinValue))))
		g.MaxTimeUs = s.TimeUs(int64(int32(binary.LittleEndian.Uint32(t.MaxValue))))
	}
	return g, nil
}

func (b *parquetBody) close() { b.zstd.Close() }

// readGap is the most bytes of unwanted columns that are read to save a request.
const readGap = 128 << 10

func (b *parquetBody) read(ctx context.Context, group int, fields []int) (*Chunk, error) {
	rg := &b.meta.RowGroups[group]
	cols := []int{0, 1}
	for _, f := range fields {
		cols = append(cols, f+2)
	}
	slices.Sort(cols)
	cols = slices.Compact(cols)
	c := NewChunk(b.schema)
	d := &columnDecoder{zstd: b.zstd, rows: int(rg.NumRows)}
	for len(cols) > 0 {
		start, end, n := span64(rg, cols)
		buf, err := b.src.read(ctx, start, end-start)
		if err != nil {
			return nil, err
		}
		for _, i := range cols[:n] {
			from, to := extent(&rg.Columns[i].MetaData)
			if err := b.decode(d, c, i, &rg.Columns[i].MetaData, buf[from-start:to-start]); err != nil {
				var ce *corruptError
				if errors.As(err, &ce) {
					return nil, corrupt("row group %d, column %s: %v", group, b.meta.Schema[i+1].Name, err)
				}
				return nil, err
			}
		}
		cols = cols[n:]
	}
	return c, nil
}

// decode decodes column chunk i into its place in c.
func (b *parquetBody) decode(d *columnDecoder, c *Chunk, i int, meta *format.ColumnMetaData, data []byte) error {
	var col Column
	col.Kind = Int64
	if i >= 2 {
		col.Kind = b.schema.Fields[i-2].Kind
	}
	d.col, d.meta, d.physical = &col, meta, b.meta.Schema[i+1].Type.V
	d.optional = i >= 2
	if err := d.chunk(data); err != nil {
		return err
	}
	switch i {
	case 0:
		c.Offsets = col.Ints
	case 1:
		c.Timestamps = col.Ints
	default:
		c.Columns[i-2] = col
	}
	return nil
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
