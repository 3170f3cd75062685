package stage

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/zeebo/xxh3"
)

// encoder writes files, one after the other, and keeps its memory. It works column by column: what it holds is one
// column of one row group (F6).
type encoder struct {
	lines *lineWriter // of NDJSON files

	zstd *zstd.Encoder
	out  *countingWriter
	meta *format.ColumnMetaData // of the column chunk being written

	spans  []span
	plain  []bool  // per column: the row group before found no use for a dictionary
	ints   []int64 // values of the column that are not null, as 64 bits
	codes  []int32 // dictionary codes of the values that are not null
	levels []byte  // per row: 1 where there is a value; empty when no row is null
	dict   dictionary
	values []byte // strings of the page being made, without dictionary
	sizes  []int32
	body   []byte // page being made
	part   []byte // encoded values of it
	comp   []byte // the page, compressed
	head   []byte
}

// Parquet's file layout.
const (
	parquetMagic = "PAR1"
	// guardMagic and xxh3 of the metadata stand before the metadata, where the format leaves room: a changed byte is
	// found before a decoder meets it (F3).
	guardMagic = "TMG1"
	guardSize  = len(guardMagic) + 8
	footerKey  = "tidemark.footer"
	schemaKey  = "tidemark.schema"
)

// newZstd returns a compressor for whole buffers.
func newZstd() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20), zstd.WithAllLitEntropyCompression(true))
}

func (e *encoder) writeParquet(out *countingWriter, s *Schema, foot Footer, chunks []*Chunk, rows int) (int, error) {
	if e.zstd == nil {
		var err error
		if e.zstd, err = newZstd(); err != nil {
			return 0, err
		}
	}
	e.out = out
	defer e.release()
	meta, err := fileMetaData(s, foot)
	if err != nil {
		return 0, err
	}
	if _, err := out.Write([]byte(parquetMagic)); err != nil {
		return 0, err
	}
	e.plain = append(e.plain[:0], make([]bool, len(s.Fields)+2)...)
	err = rowGroups(chunks, rows, func(spans []span, n int) error {
		rg, err := e.rowGroup(s, meta, spans, n)
		meta.RowGroups = append(meta.RowGroups, rg)
		return err
	})
	if err != nil {
		return 0, err
	}
	return len(meta.RowGroups), writeMetaData(out, meta)
}

// keepBytes is the most that an encoder keeps of one buffer for the next file.
const keepBytes = 8 << 20

// release lets go of what belongs to the caller or grew beyond what is worth keeping.
func (e *encoder) release() {
	e.out, e.meta, e.spans = nil, nil, nil
	for _, b := range []*[]byte{&e.values, &e.body, &e.part, &e.comp} {
		if cap(*b) > keepBytes {
			*b = nil
		}
	}
}

func (e *encoder) rowGroup(s *Schema, meta *format.FileMetaData, spans []span, n int) (format.RowGroup, error) {
	rg := format.RowGroup{
		NumRows: int64(n), FileOffset: e.out.n, Ordinal: int16(len(meta.RowGroups)),
		Columns:        make([]format.ColumnChunk, len(meta.Schema)-1),
		SortingColumns: []format.SortingColumn{{ColumnIdx: 0}},
	}
	e.spans = spans
	for i := range rg.Columns {
		el := &meta.Schema[i+1]
		e.meta = &rg.Columns[i].MetaData
		e.meta.Type = el.Type.V
		e.meta.PathInSchema = []string{el.Name}
		e.meta.NumValues = int64(n)
		var err error
		switch i {
		case 0:
			err = e.systemColumn(func(c *Chunk) []int64 { return c.Offsets })
		case 1:
			err = e.systemColumn(func(c *Chunk) []int64 { return c.Timestamps })
		default:
			err = e.column(&s.Fields[i-2], i-2)
		}
		if err != nil {
			return rg, fmt.Errorf("column %s: %w", el.Name, err)
		}
		e.meta.Encoding = encodingsOf(e.meta.EncodingStats)
		rg.TotalByteSize += e.meta.TotalUncompressedSize
		rg.TotalCompressedSize += e.meta.TotalCompressedSize
	}
	return rg, nil
}

func encodingsOf(stats []format.PageEncodingStats) []format.Encoding {
	all := []format.Encoding{format.RLE} // definition levels
	for _, s := range stats {
		if !slices.Contains(all, s.Encoding) {
			all = append(all, s.Encoding)
		}
	}
	slices.Sort(all)
	return all
}

// fileMetaData returns the metadata of a file without row groups.
func fileMetaData(s *Schema, foot Footer) (*format.FileMetaData, error) {
	footJSON, err := foot.json()
	if err != nil {
		return nil, err
	}
	schemaJSON, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return &format.FileMetaData{
		Version: 2, Schema: schemaElements(s), NumRows: foot.Events, CreatedBy: WriterVersion,
		KeyValueMetadata: []format.KeyValue{{Key: footerKey, Value: string(footJSON)}, {Key: schemaKey, Value: string(schemaJSON)}},
		ColumnOrders:     slices.Repeat([]format.ColumnOrder{{Value: new(format.TypeDefinedOrder)}}, len(s.Fields)+2),
	}, nil
}

// writeMetaData writes guard, metadata, its length and the magic.
func writeMetaData(out *countingWriter, meta *format.FileMetaData) error {
	var buf bytes.Buffer
	if err := thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(&buf)).Encode(meta); err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	tail := append([]byte(nil), guardMagic...)
	tail = binary.LittleEndian.AppendUint64(tail, xxh3.Hash(buf.Bytes()))
	tail = append(tail, buf.Bytes()...)
	tail = binary.LittleEndian.AppendUint32(tail, uint32(buf.Len()))
	_, err := out.Write(append(tail, parquetMagic...))
	return err
}

// schemaElements returns the root and one leaf per column: _offset, _timestamp and the fields.
func schemaElements(s *Schema) []format.SchemaElement {
	all := []format.SchemaElement{
		{Name: "tidemark", NumChildren: thrift.New(int32(len(s.Fields) + 2))},
		leaf(OffsetColumn, format.Int64, format.Required),
		leaf(TimestampColumn, format.Int64, format.Required),
	}
	setTimestamp(&all[2], new(format.MilliSeconds), deprecated.TimestampMillis)
	for i := range s.Fields {
		all = append(all, schemaElement(&s.Fields[i]))
	}
	return all
}

func leaf(name string, t format.Type, r format.FieldRepetitionType) format.SchemaElement {
	return format.SchemaElement{Name: name, Type: thrift.New(t), RepetitionType: thrift.New(r)}
}

func setTimestamp(el *format.SchemaElement, unit format.TimeUnitValue, old deprecated.ConvertedType) {
	el.LogicalType.Value = &format.TimestampType{IsAdjustedToUTC: true, Unit: format.TimeUnit{Value: unit}}
	el.ConvertedType = thrift.New(old)
}

// schemaElement returns the leaf of a field: physical type, logical type, and the old converted type for old readers.
func schemaElement(f *Field) format.SchemaElement {
	el := leaf(f.Name, physicalType(f), format.Optional)
	switch f.Type.Kind {
	case cube.String:
		el.LogicalType.Value, el.ConvertedType = new(format.StringType), thrift.New(deprecated.UTF8)
	case cube.JSON:
		el.LogicalType.Value, el.ConvertedType = new(format.JsonType), thrift.New(deprecated.Json)
	case cube.Date:
		el.LogicalType.Value, el.ConvertedType = new(format.DateType), thrift.New(deprecated.Date)
	case cube.Timestamp:
		setTimestamp(&el, new(format.MicroSeconds), deprecated.TimestampMicros)
	case cube.Decimal:
		p, sc := int32(f.Type.Precision), int32(f.Type.Scale)
		el.LogicalType.Value, el.ConvertedType = &format.DecimalType{Precision: p, Scale: sc}, thrift.New(deprecated.Decimal)
		el.Precision, el.Scale = thrift.New(p), thrift.New(sc)
		if f.Kind == Decimal128 {
			el.TypeLength = thrift.New(int32(decimalBytes))
		}
	}
	return el
}

func physicalType(f *Field) format.Type {
	switch f.Kind {
	case Bool:
		return format.Boolean
	case Float64:
		return format.Double
	case Bytes:
		return format.ByteArray
	case Decimal128:
		return format.FixedLenByteArray
	}
	if f.Type.Kind == cube.Date {
		return format.Int32
	}
	return format.Int64
}
