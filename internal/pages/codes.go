package pages

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go/format"
)

// Codes writes one column chunk of codes: 0 is null, code i is value i-1 of dict, whose values ascend and all of which
// are used. No value is looked at more than once, so that a chunk costs what its codes cost.
func (e *Encoder) Codes(out *Output, l *Leaf, dict *Column, codes []uint32) (format.ColumnMetaData, error) {
	meta, err := e.start(out, l, len(codes))
	if err != nil {
		return format.ColumnMetaData{}, err
	}
	defer e.release()
	e.codeLevels(codes)
	if dict.Len() == 0 { // null in every row: pages of levels
		err = e.pages(format.Plain, func(int, int) ([]byte, error) { return nil, nil })
	} else if err = e.dictionaryBody(l, dict); err == nil {
		e.dictionaryBounds(l, dict)
		err = e.codePages(dict.Len())
	}
	if err != nil {
		return format.ColumnMetaData{}, fmt.Errorf("column %s: %w", l.Element.Name, err)
	}
	return finish(meta), nil
}

// codeLevels fills e.levels, e.codes and the null count.
func (e *Encoder) codeLevels(codes []uint32) {
	e.codes = slices.Grow(e.codes[:0], len(codes))[:len(codes)]
	n := 0
	for _, c := range codes { // a null is written too, and the next one over it
		e.codes[n] = int32(c - 1)
		n += int(min(c, 1))
	}
	e.codes = e.codes[:n]
	nulls := len(codes) - n
	e.meta.Statistics.NullCount = int64(nulls)
	if nulls == 0 {
		return
	}
	e.levels = slices.Grow(e.levels, len(codes))[:len(codes)]
	for i, c := range codes {
		e.levels[i] = byte(min(c, 1))
	}
}

// dictionaryBody fills e.body with the plain values of dict.
func (e *Encoder) dictionaryBody(l *Leaf, dict *Column) error {
	b := e.body[:0]
	switch l.Element.Type.V {
	case format.ByteArray:
		if size := len(dict.Data) + 4*dict.Len(); size > math.MaxInt32 {
			return fmt.Errorf("%d bytes of distinct values in one row group, at most %d fit", size, math.MaxInt32)
		}
		for i := range dict.Len() {
			v := dict.Bytes(i)
			b = binary.LittleEndian.AppendUint32(b, uint32(len(v)))
			b = append(b, v...)
		}
	case format.FixedLenByteArray:
		b = append(b, dict.Data...)
	case format.Double:
		for _, v := range dict.Floats {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
	case format.Boolean: // booleans have no dictionaries in Parquet
		return fmt.Errorf("a dictionary of booleans")
	case format.Int32:
		for _, v := range dict.Ints {
			if v != int64(int32(v)) {
				return fmt.Errorf("date: day %d since 1970 does not fit Parquet's 32 bits", v)
			}
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
	default:
		for _, v := range dict.Ints {
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		}
	}
	e.body = b
	return nil
}

// dictionaryBounds takes the bounds from the ends of a dictionary.
func (e *Encoder) dictionaryBounds(l *Leaf, dict *Column) {
	last := dict.Len() - 1
	switch l.Element.Type.V {
	case format.ByteArray, format.FixedLenByteArray:
		e.setBounds(bounds{dict.Bytes(0), dict.Bytes(last), true})
	case format.Double:
		e.ints = append(e.ints[:0], int64(math.Float64bits(dict.Floats[0])), int64(math.Float64bits(dict.Floats[last])))
		e.floatStats()
	case format.Int32:
		e.ints = append(e.ints[:0], dict.Ints[0], dict.Ints[last])
		e.intStats(4)
	default:
		e.ints = append(e.ints[:0], dict.Ints[0], dict.Ints[last])
		e.intStats(8)
	}
}
