package stage

import (
	"encoding/json"

	"github.com/parquet-go/parquet-go/format"

	"github.com/tidemarkdb/tidemark/internal/pages"
)

// encoder writes files, one after the other, and keeps its memory. It works column by column: what it holds is one
// column of one row group (F6).
type encoder struct {
	lines *lineWriter // of NDJSON files

	pages   pages.Encoder
	system  []Column     // _offset, then _timestamp, of the spans of the row group
	columns []pages.Span // of the column being written
	plain   []bool       // per column: the row group before found no use for a dictionary
}

// Keys of the key-value metadata.
const (
	footerKey = "tidemark.footer"
	schemaKey = "tidemark.schema"
)

func (e *encoder) writeParquet(out *pages.Output, s *Schema, foot Footer, chunks []*Chunk, rows int) (int, error) {
	defer e.release()
	footJSON, err := foot.json()
	if err != nil {
		return 0, err
	}
	schemaJSON, err := json.Marshal(s)
	if err != nil {
		return 0, err
	}
	leaves := s.leaves()
	meta := pages.NewMetaData(leaves, WriterVersion, []format.KeyValue{
		{Key: footerKey, Value: string(footJSON)}, {Key: schemaKey, Value: string(schemaJSON)},
	})
	meta.NumRows = foot.Events
	if _, err := out.Write([]byte(pages.Magic)); err != nil {
		return 0, err
	}
	e.plain = append(e.plain[:0], make([]bool, len(leaves))...)
	err = rowGroups(chunks, rows, func(spans []span, n int) error {
		rg, err := e.rowGroup(out, leaves, spans, n)
		rg.Ordinal = int16(len(meta.RowGroups))
		meta.RowGroups = append(meta.RowGroups, rg)
		return err
	})
	if err != nil {
		return 0, err
	}
	return len(meta.RowGroups), pages.WriteMetaData(out, meta)
}

// release lets go of what belongs to the caller.
func (e *encoder) release() {
	clear(e.system)
	clear(e.columns[:cap(e.columns)])
}

func (e *encoder) rowGroup(out *pages.Output, leaves []pages.Leaf, spans []span, n int) (format.RowGroup, error) {
	rg := format.RowGroup{
		NumRows: int64(n), FileOffset: out.N,
		Columns:        make([]format.ColumnChunk, len(leaves)),
		SortingColumns: []format.SortingColumn{{ColumnIdx: 0}},
	}
	for i := range rg.Columns {
		m := &rg.Columns[i].MetaData
		var err error
		if *m, e.plain[i], err = e.pages.Column(out, &leaves[i], e.spansOf(spans, i), e.plain[i]); err != nil {
			return rg, err
		}
		rg.TotalByteSize += m.TotalUncompressedSize
		rg.TotalCompressedSize += m.TotalCompressedSize
	}
	return rg, nil
}

// spansOf returns the spans of leaf i.
func (e *encoder) spansOf(spans []span, i int) []pages.Span {
	e.columns = e.columns[:0]
	if i < 2 {
		e.system = append(e.system[:0], make([]Column, len(spans))...)
	}
	for k, s := range spans {
		var col *Column
		switch i {
		case 0:
			e.system[k], col = Column{Kind: Int64, Ints: s.chunk.Offsets}, &e.system[k]
		case 1:
			e.system[k], col = Column{Kind: Int64, Ints: s.chunk.Timestamps}, &e.system[k]
		default:
			col = &s.chunk.Columns[i-2]
		}
		e.columns = append(e.columns, pages.Span{Column: col, From: s.from, To: s.to})
	}
	return e.columns
}

// leaves returns the columns of a Parquet file: _offset, _timestamp and the fields.
func (s *Schema) leaves() []pages.Leaf {
	all := []pages.Leaf{pages.Required(OffsetColumn), pages.RequiredMillis(TimestampColumn)}
	for i := range s.Fields {
		all = append(all, s.Fields[i].Leaf())
	}
	return all
}
