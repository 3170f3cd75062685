package duck

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	bindings "github.com/duckdb/duckdb-go-bindings"
)

// filler writes n values of a column, from the one at on, into a fresh vector.
type filler func(vec bindings.Vector, col arrow.Array, at, n int) error

// DuckType is the key in a field's metadata with DuckDB's name of a type that Arrow has no type for: HUGEINT, which is a
// decimal(38,0) here, JSON and UUID, which are text. Query sets it, and a Table that has it gets the type back.
const DuckType = "duckdb"

// logicalType returns DuckDB's type of a column that is handed in. The caller destroys it.
func logicalType(f arrow.Field) (bindings.LogicalType, filler, error) {
	plain := func(t bindings.Type, fill filler) (bindings.LogicalType, filler, error) {
		return bindings.CreateLogicalType(t), fill, nil
	}
	if name, ok := f.Metadata.GetValue(DuckType); ok {
		switch {
		case name == "HUGEINT" && f.Type.ID() == arrow.DECIMAL128:
			return plain(bindings.TypeHugeInt, fillFixed(16))
		case name == "JSON" && f.Type.ID() == arrow.STRING:
			t := bindings.CreateLogicalType(bindings.TypeVarchar)
			bindings.LogicalTypeSetAlias(t, "JSON")
			return t, fillStrings, nil
		}
	}
	switch t := f.Type.(type) {
	case *arrow.NullType:
		return plain(bindings.TypeSQLNull, fillNull)
	case *arrow.BooleanType:
		return plain(bindings.TypeBoolean, fillBool)
	case *arrow.Decimal128Type:
		return bindings.CreateDecimalType(uint8(t.Precision), uint8(t.Scale)), fillDecimal(t.Precision), nil
	case *arrow.StringType:
		return plain(bindings.TypeVarchar, fillStrings)
	case *arrow.BinaryType:
		return plain(bindings.TypeBlob, fillStrings)
	case *arrow.TimestampType:
		return timestampType(t)
	case *arrow.Time64Type:
		if t.Unit == arrow.Microsecond {
			return plain(bindings.TypeTime, fillFixed(8))
		}
	case *arrow.MonthDayNanoIntervalType:
		return plain(bindings.TypeInterval, fillInterval)
	case *arrow.DictionaryType:
		if t.ValueType.ID() == arrow.STRING {
			return plain(bindings.TypeVarchar, fillDictionary)
		}
	case *arrow.ListType, *arrow.StructType, *arrow.MapType:
		return nestedType(t)
	}
	if typ, width := numberType(f.Type.ID()); width > 0 {
		return plain(typ, fillFixed(width))
	}
	return bindings.LogicalType{}, nil, fmt.Errorf("DuckDB has no type for %s", f.Type)
}

// numberType is DuckDB's type with the same layout, and its bytes; 0 for none.
func numberType(id arrow.Type) (bindings.Type, int) {
	switch id {
	case arrow.INT8:
		return bindings.TypeTinyInt, 1
	case arrow.INT16:
		return bindings.TypeSmallInt, 2
	case arrow.INT32:
		return bindings.TypeInteger, 4
	case arrow.INT64:
		return bindings.TypeBigInt, 8
	case arrow.UINT8:
		return bindings.TypeUTinyInt, 1
	case arrow.UINT16:
		return bindings.TypeUSmallInt, 2
	case arrow.UINT32:
		return bindings.TypeUInteger, 4
	case arrow.UINT64:
		return bindings.TypeUBigInt, 8
	case arrow.FLOAT32:
		return bindings.TypeFloat, 4
	case arrow.FLOAT64:
		return bindings.TypeDouble, 8
	case arrow.DATE32:
		return bindings.TypeDate, 4
	}
	return bindings.TypeInvalid, 0
}

// timestampType keeps the unit; DuckDB has a time zone with microseconds only, and that is UTC's instant.
func timestampType(t *arrow.TimestampType) (bindings.LogicalType, filler, error) {
	typ := map[arrow.TimeUnit]bindings.Type{
		arrow.Second: bindings.TypeTimestampS, arrow.Millisecond: bindings.TypeTimestampMS,
		arrow.Microsecond: bindings.TypeTimestamp, arrow.Nanosecond: bindings.TypeTimestampNS,
	}[t.Unit]
	if t.TimeZone != "" {
		if t.Unit != arrow.Microsecond {
			return bindings.LogicalType{}, nil, fmt.Errorf("a time with zone in %s, want us", t.Unit)
		}
		typ = bindings.TypeTimestampTZ
	}
	return bindings.CreateLogicalType(typ), fillFixed(8), nil
}

func nestedType(t arrow.DataType) (bindings.LogicalType, filler, error) {
	var fields []arrow.Field
	switch t := t.(type) {
	case *arrow.ListType:
		fields = []arrow.Field{t.ElemField()}
	case *arrow.MapType:
		fields = []arrow.Field{t.KeyField(), t.ItemField()}
	case *arrow.StructType:
		fields = t.Fields()
	}
	types, fillers, names := make([]bindings.LogicalType, len(fields)), make([]filler, len(fields)), make([]string, len(fields))
	defer func() {
		for i := range types {
			bindings.DestroyLogicalType(&types[i])
		}
	}()
	for i, f := range fields {
		var err error
		if types[i], fillers[i], err = logicalType(f); err != nil {
			return bindings.LogicalType{}, nil, err
		}
		names[i] = f.Name
	}
	switch t.(type) {
	case *arrow.ListType:
		return bindings.CreateListType(types[0]), fillList(fillers[0]), nil
	case *arrow.MapType:
		return bindings.CreateMapType(types[0], types[1]), fillList(fillStruct(fillers)), nil
	}
	return bindings.CreateStructType(types, names), fillStruct(fillers), nil
}

// fillNulls marks what is null.
func fillNulls(vec bindings.Vector, col arrow.Array, at, n int) {
	if col.NullN() == 0 || n == 0 {
		return
	}
	bindings.VectorEnsureValidityWritable(vec)
	mask := unsafe.Slice((*byte)(bindings.VectorGetValidity(vec)), (n+63)/64*8)
	bitutil.CopyBitmap(col.NullBitmapBytes(), col.Data().Offset()+at, n, mask, 0)
}

func fillNull(vec bindings.Vector, _ arrow.Array, _, n int) error {
	bindings.VectorEnsureValidityWritable(vec)
	mask := unsafe.Slice((*uint64)(bindings.VectorGetValidity(vec)), (n+63)/64)
	clear(mask)
	return nil
}

// window is the part of a column's values that is asked for, as bytes.
func window(col arrow.Array, width, at, n int) []byte {
	d := col.Data()
	if len(d.Buffers()) < 2 || d.Buffers()[1] == nil {
		return make([]byte, n*width) // all null, or no rows
	}
	from := (d.Offset() + at) * width
	return d.Buffers()[1].Bytes()[from : from+n*width]
}

// fillFixed copies values that lie in both the same way.
func fillFixed(width int) filler {
	return func(vec bindings.Vector, col arrow.Array, at, n int) error {
		copy(vectorData[byte](vec, n*width), window(col, width, at, n))
		fillNulls(vec, col, at, n)
		return nil
	}
}

func fillBool(vec bindings.Vector, col arrow.Array, at, n int) error {
	src, ok := col.(*array.Boolean)
	if !ok {
		return wrongArray(col)
	}
	for i, dst := 0, vectorData[bool](vec, n); i < n; i++ {
		dst[i] = src.Value(at + i)
	}
	fillNulls(vec, col, at, n)
	return nil
}

// fillDecimal writes 16 bytes a value as the 2, 4, 8 or 16 that DuckDB has for the precision.
func fillDecimal(precision int32) filler {
	const wide = 16
	width := decimalWidth(int(precision))
	if width == wide {
		return fillFixed(wide)
	}
	return func(vec bindings.Vector, col arrow.Array, at, n int) error {
		src, dst := window(col, wide, at, n), vectorData[byte](vec, n*width)
		for i := range n {
			copy(dst[i*width:(i+1)*width], src[i*wide:])
		}
		fillNulls(vec, col, at, n)
		return nil
	}
}

// decimalWidth is how many bytes DuckDB has for a decimal.
func decimalWidth(precision int) int {
	switch {
	case precision <= 4:
		return 2
	case precision <= 9:
		return 4
	case precision <= 18:
		return 8
	}
	return 16
}

// fillInterval writes nanoseconds as the microseconds that DuckDB has.
func fillInterval(vec bindings.Vector, col arrow.Array, at, n int) error {
	const width = 16
	src, dst := window(col, width, at, n), vectorData[byte](vec, n*width)
	copy(dst, src)
	for i := 8; i < n*width; i += width {
		nanos := int64(binary.NativeEndian.Uint64(src[i:]))
		binary.NativeEndian.PutUint64(dst[i:], uint64(nanos/1000))
	}
	fillNulls(vec, col, at, n)
	return nil
}

// listEntry is where the elements of a list lie.
type listEntry struct{ offset, length uint64 }

func fillList(elem filler) filler {
	return func(vec bindings.Vector, col arrow.Array, at, n int) error {
		src, ok := col.(array.ListLike)
		if !ok {
			return wrongArray(col)
		}
		if n == 0 {
			return nil
		}
		first, _ := src.ValueOffsets(at)
		_, last := src.ValueOffsets(at + n - 1)
		size := bindings.IdxT(last - first)
		if bindings.ListVectorReserve(vec, size) == bindings.StateError || bindings.ListVectorSetSize(vec, size) == bindings.StateError {
			return errors.New("a list has no room")
		}
		for i, dst := 0, vectorData[listEntry](vec, n); i < n; i++ {
			from, to := src.ValueOffsets(at + i)
			dst[i] = listEntry{uint64(from - first), uint64(to - from)}
		}
		fillNulls(vec, col, at, n)
		return elem(bindings.ListVectorGetChild(vec), src.ListValues(), int(first), int(last-first))
	}
}

func fillStruct(fields []filler) filler {
	return func(vec bindings.Vector, col arrow.Array, at, n int) error {
		src, ok := col.(*array.Struct)
		if !ok {
			return wrongArray(col)
		}
		fillNulls(vec, col, at, n)
		for i, fill := range fields {
			if err := fill(bindings.StructVectorGetChild(vec, bindings.IdxT(i)), src.Field(i), at, n); err != nil {
				return err
			}
		}
		return nil
	}
}

func wrongArray(col arrow.Array) error { return fmt.Errorf("a column is a %T", col) }
