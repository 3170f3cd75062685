package run

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// appendTo appends the values of rows of c, which has no dictionary, to a builder of a type that holds them.
func appendTo(b array.Builder, c *stage.Column, rows []uint32) error {
	for _, row := range rows {
		i := int(row)
		if c.IsNull(i) {
			b.AppendNull()
			continue
		}
		switch b := b.(type) {
		case *array.BooleanBuilder:
			b.Append(c.Ints[i] != 0)
		case *array.Int8Builder:
			b.Append(int8(c.Ints[i]))
		case *array.Int16Builder:
			b.Append(int16(c.Ints[i]))
		case *array.Int32Builder:
			b.Append(int32(c.Ints[i]))
		case *array.Int64Builder:
			b.Append(c.Ints[i])
		case *array.Uint8Builder:
			b.Append(uint8(c.Ints[i]))
		case *array.Uint16Builder:
			b.Append(uint16(c.Ints[i]))
		case *array.Uint32Builder:
			b.Append(uint32(c.Ints[i]))
		case *array.Uint64Builder:
			b.Append(binary.BigEndian.Uint64(c.Bytes(i)[8:]))
		case *array.Float32Builder:
			b.Append(float32(c.Floats[i]))
		case *array.Float64Builder:
			b.Append(c.Floats[i])
		case *array.Date32Builder:
			if v := c.Ints[i]; v != int64(int32(v)) {
				return fmt.Errorf("day %d since 1970 does not fit a date of Arrow", v)
			}
			b.Append(arrow.Date32(c.Ints[i]))
		case *array.Date64Builder:
			b.Append(arrow.Date64(c.Ints[i]))
		case *array.Time32Builder:
			b.Append(arrow.Time32(c.Ints[i]))
		case *array.Time64Builder:
			b.Append(arrow.Time64(c.Ints[i]))
		case *array.TimestampBuilder:
			b.Append(arrow.Timestamp(c.Ints[i]))
		case *array.Decimal128Builder:
			b.Append(decimalAt(c, i))
		case *array.StringBuilder:
			b.Append(text(c.Bytes(i)))
		case *array.LargeStringBuilder:
			b.Append(text(c.Bytes(i)))
		case *array.BinaryBuilder:
			b.Append(c.Bytes(i))
		default:
			return fmt.Errorf("values of kind %d as %T", c.Kind, b)
		}
	}
	return nil
}

// text is b as a string that lives no longer than b: the builder copies it.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func decimalAt(c *stage.Column, i int) decimal128.Num {
	if c.Kind != stage.Decimal128 {
		return decimal128.FromI64(c.Ints[i])
	}
	b := c.Bytes(i)
	return decimal128.New(int64(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint64(b[8:]))
}

// floatOf returns the number in 16 bytes of a Decimal128.
func floatOf(b []byte) float64 {
	v := decimal128.New(int64(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint64(b[8:]))
	if hi, lo := v.HighBits(), v.LowBits(); hi == int64(lo)>>63 {
		return float64(int64(lo))
	}
	return v.ToFloat64(0)
}

// FromArrow returns the values of an array as the Values of a Group gives them: of what DuckDB made of the values of a
// dictionary. The error says that values of the type are not grouped natively.
func FromArrow(a arrow.Array) (*stage.Column, error) {
	k, err := KindOf(a.DataType())
	if err != nil {
		return nil, err
	}
	out := &stage.Column{Kind: k}
	for i := range a.Len() {
		if a.IsNull(i) {
			out.AppendNull()
			continue
		}
		switch a := a.(type) {
		case *array.Boolean:
			v := int64(0)
			if a.Value(i) {
				v = 1
			}
			out.AppendInt(v)
		case *array.Float32:
			out.AppendFloat(float64(a.Value(i)))
		case *array.Float64:
			out.AppendFloat(a.Value(i))
		case *array.String:
			out.AppendBytes([]byte(a.Value(i)))
		case *array.LargeString:
			out.AppendBytes([]byte(a.Value(i)))
		case *array.Binary:
			out.AppendBytes(a.Value(i))
		case *array.LargeBinary:
			out.AppendBytes(a.Value(i))
		case *array.Uint64:
			appendDecimal(out, decimal128.FromU64(a.Value(i)))
		case *array.Decimal128:
			appendDecimal(out, a.Value(i))
		default:
			v, err := intAt(a, i)
			if err != nil {
				return nil, err
			}
			out.AppendInt(v)
		}
	}
	return out, nil
}

func appendDecimal(c *stage.Column, v decimal128.Num) {
	if c.Kind == stage.Int64 {
		c.AppendInt(int64(v.LowBits()))
		return
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(v.HighBits()))
	binary.BigEndian.PutUint64(b[8:], v.LowBits())
	c.AppendBytes(b[:])
}

// intAt returns a value that is kept as an int64.
func intAt(a arrow.Array, i int) (int64, error) {
	switch a := a.(type) {
	case *array.Int8:
		return int64(a.Value(i)), nil
	case *array.Int16:
		return int64(a.Value(i)), nil
	case *array.Int32:
		return int64(a.Value(i)), nil
	case *array.Int64:
		return a.Value(i), nil
	case *array.Uint8:
		return int64(a.Value(i)), nil
	case *array.Uint16:
		return int64(a.Value(i)), nil
	case *array.Uint32:
		return int64(a.Value(i)), nil
	case *array.Date32:
		return int64(a.Value(i)), nil
	case *array.Date64:
		return int64(a.Value(i)), nil
	case *array.Time32:
		return int64(a.Value(i)), nil
	case *array.Time64:
		return int64(a.Value(i)), nil
	case *array.Timestamp:
		return int64(a.Value(i)), nil
	}
	return math.MinInt64, fmt.Errorf("values of type %s are not grouped natively", a.DataType())
}

// ToArrow returns the values of a column, which has no dictionary, as an array of a type that holds them.
func ToArrow(t arrow.DataType, c *stage.Column) (arrow.Array, error) {
	b := array.NewBuilder(memory.DefaultAllocator, t)
	defer b.Release()
	rows := make([]uint32, c.Len())
	for i := range rows {
		rows[i] = uint32(i)
	}
	if err := appendTo(b, c, rows); err != nil {
		return nil, err
	}
	return b.NewArray(), nil
}
