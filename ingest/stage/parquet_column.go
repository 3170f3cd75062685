package stage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/format"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

const (
	pageRows     = 32768   // most rows of a page
	pageBytes    = 1 << 20 // a page of plain strings ends with the value that reaches it
	maxStatBytes = 64      // bounds of longer strings are left out
)

// systemColumn writes _offset or _timestamp.
func (e *encoder) systemColumn(of func(*Chunk) []int64) error {
	e.ints, e.levels = e.ints[:0], e.levels[:0]
	for _, s := range e.spans {
		e.ints = append(e.ints, of(s.chunk)[s.from:s.to]...)
	}
	e.intStats(8)
	return e.fixedPages(format.DeltaBinaryPacked, false)
}

// column writes column i of the row group.
func (e *encoder) column(f *Field, i int) error {
	e.definitionLevels(i)
	if f.Kind == Bytes {
		return e.bytesColumn(f, i)
	}
	if f.Kind == Decimal128 {
		return e.decimalColumn(i)
	}
	e.gather(f.Kind, i)
	switch {
	case f.Kind == Float64:
		e.floatStats()
		return e.fixedPages(format.Plain, true)
	case f.Kind == Bool:
		e.intStats(1)
		return e.boolPages()
	case f.Type.Kind == cube.Date:
		for _, v := range e.ints {
			if v != int64(int32(v)) {
				return fmt.Errorf("date: day %d since 1970 does not fit Parquet's 32 bits", v)
			}
		}
		e.intStats(4)
		return e.datePages()
	}
	e.intStats(8)
	return e.fixedPages(format.DeltaBinaryPacked, true)
}

// definitionLevels fills e.levels and the null count.
func (e *encoder) definitionLevels(i int) {
	e.levels = e.levels[:0]
	nulls := 0
	for _, s := range e.spans {
		nulls += len(s.chunk.Columns[i].Nulls)
	}
	if nulls == 0 {
		return
	}
	nulls = 0
	for _, s := range e.spans {
		col := &s.chunk.Columns[i]
		for r := s.from; r < s.to; r++ {
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
func (e *encoder) gather(kind Kind, i int) {
	e.ints = e.ints[:0]
	row := 0
	for _, s := range e.spans {
		col := &s.chunk.Columns[i]
		if kind == Int64 && len(e.levels) == 0 && col.Dict == nil {
			e.ints = append(e.ints, col.Ints[s.from:s.to]...)
			continue
		}
		for r := s.from; r < s.to; r, row = r+1, row+1 {
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
func (e *encoder) pages(enc format.Encoding, optional bool, encode func(from, to int) ([]byte, error)) error {
	value := 0
	for row := 0; row < int(e.meta.NumValues); row += pageRows {
		n := min(pageRows, int(e.meta.NumValues)-row)
		from := value
		var err error
		if value, err = e.startPage(row, n, value, optional); err != nil {
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
func (e *encoder) startPage(row, n, value int, optional bool) (int, error) {
	e.body = e.body[:0]
	if !optional {
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

func (e *encoder) fixedPages(enc format.Encoding, optional bool) error {
	return e.pages(enc, optional, func(from, to int) (_ []byte, err error) {
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

func (e *encoder) datePages() error {
	return e.pages(format.Plain, true, func(from, to int) ([]byte, error) {
		e.part = e.part[:0]
		for _, v := range e.ints[from:to] {
			e.part = binary.LittleEndian.AppendUint32(e.part, uint32(v))
		}
		return e.part, nil
	})
}

func (e *encoder) boolPages() error {
	return e.pages(format.Plain, true, func(from, to int) ([]byte, error) {
		e.part = append(e.part[:0], make([]byte, (to-from+7)/8)...)
		for i, v := range e.ints[from:to] {
			e.part[i>>3] |= byte(v) << (i & 7)
		}
		return e.part, nil
	})
}

// decimalColumn writes 16 bytes a value, plain.
func (e *encoder) decimalColumn(i int) error {
	var b bounds
	row := 0
	e.values = e.values[:0]
	for _, s := range e.spans {
		for r := s.from; r < s.to; r, row = r+1, row+1 {
			if len(e.levels) == 0 || e.levels[row] != 0 {
				v := s.chunk.Columns[i].Bytes(r)
				e.values = append(e.values, v...)
				b.add(v, compareDecimal)
			}
		}
	}
	e.setBounds(b)
	return e.pages(format.Plain, true, func(from, to int) ([]byte, error) {
		return e.values[decimalBytes*from : decimalBytes*to], nil
	})
}

// compareDecimal compares two's complement numbers of 16 bytes, the most significant first.
func compareDecimal(a, b []byte) int {
	if (a[0]^b[0])&0x80 != 0 {
		return int(b[0]>>7) - int(a[0]>>7)
	}
	return bytes.Compare(a, b)
}

// intStats sets the bounds of e.ints, in size bytes.
func (e *encoder) intStats(size int) {
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
func (e *encoder) floatStats() {
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
func (e *encoder) setBounds(b bounds) {
	if !b.some || len(b.lo) > maxStatBytes || len(b.hi) > maxStatBytes {
		return
	}
	e.meta.Statistics.MinValue = append([]byte{}, b.lo...)
	e.meta.Statistics.MaxValue = append([]byte{}, b.hi...)
}
