package pages

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/format"
)

const (
	pageRows     = 32768   // most rows of a page
	pageBytes    = 1 << 20 // a page of plain strings ends with the value that reaches it
	maxStatBytes = 64      // bounds of longer strings are left out
)

// Span is a run of values of one column.
type Span struct {
	Column   *Column
	From, To int
}

// Encoder writes column chunks, one after the other, and keeps its memory (P3). The zero value is ready.
type Encoder struct {
	// OneCodec compresses every chunk: some readers take the codec of a column's first chunk for that of all.
	OneCodec bool

	zstd *zstd.Encoder
	out  *Output
	meta *format.ColumnMetaData // of the column chunk being written

	spans    []Span
	optional bool
	ints     []int64 // values of the column that are not null, as 64 bits
	codes    []int32 // dictionary codes of the values that are not null
	levels   []byte  // per row: 1 where there is a value; empty when no row is null
	dict     dictionary
	values   []byte // strings of the page being made, without dictionary
	sizes    []int32
	body     []byte // page being made
	part     []byte // encoded values of it
	comp     []byte // the page, compressed
	head     []byte
}

// newZstd returns a compressor for whole buffers.
func newZstd() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20), zstd.WithAllLitEntropyCompression(true))
}

// Column writes the values of spans as one column chunk. plain says that strings are not to try a dictionary; it returns
// whether they found one of no use.
func (e *Encoder) Column(out *Output, l *Leaf, spans []Span, plain bool) (_ format.ColumnMetaData, nowPlain bool, err error) {
	n := 0
	for _, s := range spans {
		n += s.To - s.From
	}
	meta, err := e.start(out, l, n)
	if err != nil {
		return format.ColumnMetaData{}, false, err
	}
	defer e.release()
	e.spans = spans
	nowPlain, err = e.column(&l.Element, plain)
	if err != nil {
		return format.ColumnMetaData{}, false, fmt.Errorf("column %s: %w", l.Element.Name, err)
	}
	return finish(meta), nowPlain, nil
}

// start begins a column chunk of n rows.
func (e *Encoder) start(out *Output, l *Leaf, n int) (*format.ColumnMetaData, error) {
	if e.zstd == nil {
		var err error
		if e.zstd, err = newZstd(); err != nil {
			return nil, err
		}
	}
	e.optional = l.Element.RepetitionType.V == format.Optional
	e.levels = e.levels[:0]
	e.out, e.meta = out, &format.ColumnMetaData{Type: l.Element.Type.V, PathInSchema: []string{l.Element.Name}, NumValues: int64(n)}
	return e.meta, nil
}

// finish completes the metadata of a column chunk.
func finish(meta *format.ColumnMetaData) format.ColumnMetaData {
	meta.Encoding = encodingsOf(meta.EncodingStats)
	return *meta
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

// keepBytes is the most that an encoder keeps of one buffer for the next column chunk.
const keepBytes = 8 << 20

// release lets go of what belongs to the caller or grew beyond what is worth keeping.
func (e *Encoder) release() {
	e.out, e.meta, e.spans = nil, nil, nil
	for _, b := range []*[]byte{&e.values, &e.body, &e.part, &e.comp} {
		if cap(*b) > keepBytes {
			*b = nil
		}
	}
}

// column writes the column chunk of e.spans.
func (e *Encoder) column(el *format.SchemaElement, plain bool) (nowPlain bool, err error) {
	if e.optional {
		e.definitionLevels()
	}
	switch el.Type.V {
	case format.ByteArray:
		_, bounds := el.LogicalType.Value.(*format.StringType)
		return e.bytesColumn(plain, bounds)
	case format.FixedLenByteArray:
		return false, e.decimalColumn()
	case format.Double:
		e.gather(Float64)
		e.floatStats()
		return false, e.fixedPages(format.Plain)
	case format.Boolean:
		e.gather(Bool)
		e.intStats(1)
		return false, e.boolPages()
	case format.Int32:
		e.gather(Int64)
		for _, v := range e.ints {
			if v != int64(int32(v)) {
				return false, fmt.Errorf("date: day %d since 1970 does not fit Parquet's 32 bits", v)
			}
		}
		e.intStats(4)
		return false, e.datePages()
	}
	e.gather(Int64)
	e.intStats(8)
	return false, e.fixedPages(format.DeltaBinaryPacked)
}

// definitionLevels fills e.levels and the null count.
func (e *Encoder) definitionLevels() {
	e.levels = e.levels[:0]
	nulls := 0
	for _, s := range e.spans {
		nulls += len(s.Column.Nulls)
	}
	if nulls == 0 {
		return
	}
	nulls = 0
	for _, s := range e.spans {
		col := s.Column
		for r := s.From; r < s.To; r++ {
			level := byte(1)
			if col.IsNull(r) {
				level = 0
				nulls++
			}
			e.levels = append(e.levels, level)
		}
	}
	e.meta.Statistics.NullCount = int64(nulls)
	if nulls == 0 {
		e.levels = e.levels[:0]
	}
}

// gather collects the values that are not null as 64 bits.
func (e *Encoder) gather(kind Kind) {
	e.ints = e.ints[:0]
	row := 0
	for _, s := range e.spans {
		col := s.Column
		if kind == Int64 && len(e.levels) == 0 && col.Dict == nil {
			e.ints = append(e.ints, col.Ints[s.From:s.To]...)
			continue
		}
		for r := s.From; r < s.To; r, row = r+1, row+1 {
			switch {
			case len(e.levels) > 0 && e.levels[row] == 0:
			case kind == Float64:
				e.ints = append(e.ints, int64(math.Float64bits(col.Float(r))))
			case kind == Bool:
				e.ints = append(e.ints, col.Int(r)&1)
			default:
				e.ints = append(e.ints, col.Int(r))
			}
		}
	}
}

// pages cuts the row group into pages and calls encode with the values [from, to) of each; encode returns the encoded
// values, which may alias e.part.
func (e *Encoder) pages(enc format.Encoding, encode func(from, to int) ([]byte, error)) error {
	value := 0
	for row := 0; row < int(e.meta.NumValues); row += pageRows {
		n := min(pageRows, int(e.meta.NumValues)-row)
		from := value
		var err error
		if value, err = e.startPage(row, n, value); err != nil {
			return err
		}
		data, err := encode(from, value)
		if err != nil {
			return err
		}
		e.body = append(e.body, data...)
		if err := e.page(pageHeader{kind: format.DataPage, values: n, encoding: enc}, e.body); err != nil {
			return err
		}
	}
	return nil
}

// startPage begins e.body with the definition levels of n rows from row on, and returns the number of the first value
// behind them, given that of the first value in them.
func (e *Encoder) startPage(row, n, value int) (int, error) {
	e.body = e.body[:0]
	if !e.optional {
		return value + n, nil
	}
	if len(e.levels) == 0 {
		e.part = append(binary.AppendUvarint(e.part[:0], uint64(n)<<1), 1)
		value += n
	} else {
		var err error
		levels := e.levels[row : row+n]
		if e.part, err = (&rle.Encoding{BitWidth: 1}).EncodeLevels(e.part, levels); err != nil {
			return 0, err
		}
		value += bytes.Count(levels, []byte{1})
	}
	e.body = binary.LittleEndian.AppendUint32(e.body, uint32(len(e.part)))
	e.body = append(e.body, e.part...)
	return value, nil
}

func (e *Encoder) fixedPages(enc format.Encoding) error {
	return e.pages(enc, func(from, to int) (_ []byte, err error) {
		if enc == format.DeltaBinaryPacked {
			e.part, err = new(delta.BinaryPackedEncoding).EncodeInt64(e.part, e.ints[from:to])
			return e.part, err
		}
		e.part = e.part[:0]
		for _, v := range e.ints[from:to] {
			e.part = binary.LittleEndian.AppendUint64(e.part, uint64(v))
		}
		return e.part, nil
	})
}

func (e *Encoder) datePages() error {
	return e.pages(format.Plain, func(from, to int) ([]byte, error) {
		e.part = e.part[:0]
		for _, v := range e.ints[from:to] {
			e.part = binary.LittleEndian.AppendUint32(e.part, uint32(v))
		}
		return e.part, nil
	})
}

func (e *Encoder) boolPages() error {
	return e.pages(format.Plain, func(from, to int) ([]byte, error) {
		e.part = append(e.part[:0], make([]byte, (to-from+7)/8)...)
		for i, v := range e.ints[from:to] {
			e.part[i>>3] |= byte(v) << (i & 7)
		}
		return e.part, nil
	})
}

// decimalColumn writes 16 bytes a value, plain.
func (e *Encoder) decimalColumn() error {
	values := e.values[:0]
	if len(e.spans) == 1 && len(e.levels) == 0 && e.spans[0].Column.Dict == nil {
		s := e.spans[0]
		values = s.Column.Data[DecimalBytes*s.From : DecimalBytes*s.To]
	} else {
		row := 0
		for _, s := range e.spans {
			for r := s.From; r < s.To; r, row = r+1, row+1 {
				if len(e.levels) == 0 || e.levels[row] != 0 {
					values = append(values, s.Column.Bytes(r)...)
				}
			}
		}
		e.values = values
	}
	e.setBounds(decimalBounds(values))
	return e.pages(format.Plain, func(from, to int) ([]byte, error) {
		return values[DecimalBytes*from : DecimalBytes*to], nil
	})
}

// decimalBounds compares numbers in two's complement of 16 bytes, the most significant first.
func decimalBounds(values []byte) bounds {
	if len(values) == 0 {
		return bounds{}
	}
	const sign = 1 << 63 // turned round, words without a sign compare as those with one
	at := func(i int) (hi, lo uint64) {
		return binary.BigEndian.Uint64(values[i:]) ^ sign, binary.BigEndian.Uint64(values[i+8:])
	}
	least, most := 0, 0
	leastHi, leastLo := at(0)
	mostHi, mostLo := leastHi, leastLo
	for i := DecimalBytes; i < len(values); i += DecimalBytes {
		hi, lo := at(i)
		if hi < leastHi || hi == leastHi && lo < leastLo {
			least, leastHi, leastLo = i, hi, lo
		}
		if hi > mostHi || hi == mostHi && lo > mostLo {
			most, mostHi, mostLo = i, hi, lo
		}
	}
	return bounds{values[least : least+DecimalBytes], values[most : most+DecimalBytes], true}
}

// intStats sets the bounds of e.ints, in size bytes.
func (e *Encoder) intStats(size int) {
	if len(e.ints) == 0 {
		return
	}
	lo, hi := e.ints[0], e.ints[0]
	for _, v := range e.ints {
		lo, hi = min(lo, v), max(hi, v)
	}
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], uint64(lo))
	binary.LittleEndian.PutUint64(b[8:], uint64(hi))
	e.setBounds(bounds{b[:size], b[8 : 8+size], true})
}

// floatStats sets the bounds of floats, unless there is a NaN: readers order it differently, and must not skip it.
func (e *Encoder) floatStats() {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, bits := range e.ints {
		v := math.Float64frombits(uint64(bits))
		if v != v {
			return
		}
		lo, hi = min(lo, v), max(hi, v) // min and max order the zeros by sign, as the format asks
	}
	if len(e.ints) == 0 {
		return
	}
	if lo == 0 {
		lo = math.Copysign(0, -1)
	}
	if hi == 0 {
		hi = 0
	}
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], math.Float64bits(lo))
	binary.LittleEndian.PutUint64(b[8:], math.Float64bits(hi))
	e.setBounds(bounds{b[:8], b[8:], true})
}

// bounds are the least and the greatest of some values.
type bounds struct {
	lo, hi []byte
	some   bool
}

func (b *bounds) add(v []byte, compare func(a, b []byte) int) {
	if !b.some || compare(v, b.lo) < 0 {
		b.lo = v
	}
	if !b.some || compare(v, b.hi) > 0 {
		b.hi = v
	}
	b.some = true
}

// setBounds copies b into the chunk's statistics.
func (e *Encoder) setBounds(b bounds) {
	if !b.some || len(b.lo) > maxStatBytes || len(b.hi) > maxStatBytes {
		return
	}
	e.meta.Statistics.MinValue = append([]byte{}, b.lo...)
	e.meta.Statistics.MaxValue = append([]byte{}, b.hi...)
}
