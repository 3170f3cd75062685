package stage

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"slices"

	"github.com/parquet-go/parquet-go/format"

	"github.com/tidemarkdb/tidemark/internal/pages"
)

// parquetBody reads the row groups of a Parquet file.
type parquetBody struct {
	file   *pages.File
	schema *Schema
}

func openParquet(ctx context.Context, src *pages.Source, r *Reader) error {
	file, err := pages.OpenFile(ctx, src)
	if err != nil {
		return err
	}
	if r.foot, err = parseFooter(file.Value(footerKey)); err != nil {
		return pages.Corrupt("%v", err)
	}
	if r.schema, err = parseSchema(file.Value(schemaKey)); err != nil {
		return err
	}
	if err := file.SetLeaves(r.schema.leaves(), rowGroupRows); err != nil {
		return err
	}
	r.body = &parquetBody{file: file, schema: r.schema}
	if err := r.parquetGroups(file.Meta); err != nil {
		file.Close()
		return err
	}
	return nil
}

// parquetGroups takes the groups from the metadata.
func (r *Reader) parquetGroups(meta *format.FileMetaData) error {
	if meta.NumRows != r.foot.Events {
		return pages.Corrupt("%d rows in its groups, the footer says %d events", meta.NumRows, r.foot.Events)
	}
	for i := range meta.RowGroups {
		g, err := groupOf(&meta.RowGroups[i], r.schema)
		if err != nil {
			return err
		}
		r.groups = append(r.groups, g)
	}
	return nil
}

func parseSchema(text []byte) (*Schema, error) {
	s := new(Schema)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, pages.Corrupt("schema: %v", err)
	}
	if err := s.validate(); err != nil {
		return nil, pages.Corrupt("schema: %v", err)
	}
	return s, nil
}

// groupOf takes a group's bounds from the statistics.
func groupOf(rg *format.RowGroup, s *Schema) (g Group, err error) {
	g.Rows = int(rg.NumRows)
	off := &rg.Columns[0].MetaData.Statistics
	if len(off.MinValue) != 8 || len(off.MaxValue) != 8 {
		return g, pages.Corrupt("a row group without bounds of %s", OffsetColumn)
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

func (b *parquetBody) close() { b.file.Close() }

func (b *parquetBody) read(ctx context.Context, group int, fields []int) (*Chunk, error) {
	cols := []int{0, 1}
	for _, f := range fields {
		cols = append(cols, f+2)
	}
	slices.Sort(cols)
	cols = slices.Compact(cols)
	values, err := b.file.Read(ctx, group, cols)
	if err != nil {
		return nil, err
	}
	c := NewChunk(b.schema)
	c.Offsets, c.Timestamps = values[0].Ints, values[1].Ints
	for i, col := range cols[2:] {
		c.Columns[col-2] = values[i+2]
	}
	return c, nil
}
