package duck

import (
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"
	bindings "github.com/duckdb/duckdb-go-bindings"
)

// reader turns vectors of one type into Arrow arrays. Values are copied: a vector goes with its chunk.
type reader struct {
	field arrow.Field
	read  func(vec bindings.Vector, n int) (arrow.Array, error)
}

// newReader returns the reader of a column. Lists, structs and maps stay what they are, so that Arrow clients get their
// types; who wants text asks the array for it.
func newReader(name string, t bindings.LogicalType) (reader, error) {
	r := reader{field: arrow.Field{Name: name, Nullable: true}}
	mark := func(duck string) {
		r.field.Metadata = arrow.NewMetadata([]string{DuckType}, []string{duck})
	}
	id := bindings.GetTypeId(t)
	switch id {
	case bindings.TypeBoolean:
		r.field.Type, r.read = arrow.FixedWidthTypes.Boolean, readBools
	case bindings.TypeHugeInt, bindings.TypeUHugeInt:
		mark("HUGEINT")
		r.field.Type, r.read = &arrow.Decimal128Type{Precision: 38}, readHuge
	case bindings.TypeDecimal:
		width, scale := bindings.DecimalWidth(t), bindings.DecimalScale(t)
		typ := &arrow.Decimal128Type{Precision: int32(width), Scale: int32(scale)}
		r.field.Type, r.read = typ, readDecimals(typ)
	case bindings.TypeVarchar:
		if bindings.LogicalTypeGetAlias(t) == "JSON" {
			mark("JSON")
		}
		r.field.Type, r.read = arrow.BinaryTypes.String, readStrings(arrow.BinaryTypes.String)
	case bindings.TypeBlob:
		r.field.Type, r.read = arrow.BinaryTypes.Binary, readStrings(arrow.BinaryTypes.Binary)
	case bindings.TypeInterval:
		r.field.Type, r.read = arrow.FixedWidthTypes.MonthDayNanoInterval, readIntervals
	case bindings.TypeSQLNull:
		r.field.Type, r.read = arrow.Null, func(_ bindings.Vector, n int) (arrow.Array, error) { return array.NewNull(n), nil }
	case bindings.TypeUUID:
		mark("UUID")
		r.field.Type, r.read = arrow.BinaryTypes.String, readUUIDs
	case bindings.TypeEnum:
		r.field.Type, r.read = arrow.BinaryTypes.String, readEnums(t)
	case bindings.TypeList, bindings.TypeStruct, bindings.TypeMap, bindings.TypeArray:
		return nestedReader(r, id, t)
	default:
		typ, width := fixedType(id)
		if typ == nil {
			return r, &Error{
				Kind: KindUnsupported, Message: fmt.Sprintf("column %q has a type that answers cannot hold", name),
				Hint: "cast it to VARCHAR", Offset: -1,
			}
		}
		r.field.Type, r.read = typ, readFixed(typ, width)
	}
	return r, nil
}

// fixedType is Arrow's type with the same layout, and its bytes; nil for none.
func fixedType(id bindings.Type) (arrow.DataType, int) {
	switch id {
	case bindings.TypeTinyInt:
		return arrow.PrimitiveTypes.Int8, 1
	case bindings.TypeSmallInt:
		return arrow.PrimitiveTypes.Int16, 2
	case bindings.TypeInteger:
		return arrow.PrimitiveTypes.Int32, 4
	case bindings.TypeBigInt:
		return arrow.PrimitiveTypes.Int64, 8
	case bindings.TypeUTinyInt:
		return arrow.PrimitiveTypes.Uint8, 1
	case bindings.TypeUSmallInt:
		return arrow.PrimitiveTypes.Uint16, 2
	case bindings.TypeUInteger:
		return arrow.PrimitiveTypes.Uint32, 4
	case bindings.TypeUBigInt:
		return arrow.PrimitiveTypes.Uint64, 8
	case bindings.TypeFloat:
		return arrow.PrimitiveTypes.Float32, 4
	case bindings.TypeDouble:
		return arrow.PrimitiveTypes.Float64, 8
	case bindings.TypeDate:
		return arrow.FixedWidthTypes.Date32, 4
	case bindings.TypeTime:
		return arrow.FixedWidthTypes.Time64us, 8
	case bindings.TypeTimestamp:
		return &arrow.TimestampType{Unit: arrow.Microsecond}, 8
	case bindings.TypeTimestampTZ:
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, 8
	case bindings.TypeTimestampS:
		return &arrow.TimestampType{Unit: arrow.Second}, 8
	case bindings.TypeTimestampMS:
		return &arrow.TimestampType{Unit: arrow.Millisecond}, 8
	case bindings.TypeTimestampNS:
		return &arrow.TimestampType{Unit: arrow.Nanosecond}, 8
	}
	return nil, 0
}

// nulls copies the bits of what is not null, which lie as Arrow's do.
func nulls(vec bindings.Vector, n int) (*memory.Buffer, int) {
	mask := bindings.VectorGetValidity(vec)
	if mask == nil || n == 0 {
		return nil, 0
	}
	bits := slices.Clone(unsafe.Slice((*byte)(mask), (n+7)/8))
	return memory.NewBufferBytes(bits), n - bitutil.CountSetBits(bits, 0, n)
}

// build makes an array of buffers that nobody else holds.
func build(t arrow.DataType, vec bindings.Vector, n int, buffers []*memory.Buffer, children ...arrow.ArrayData) arrow.Array {
	bits, none := nulls(vec, n)
	d := array.NewData(t, n, append([]*memory.Buffer{bits}, buffers...), children, none, 0)
	defer d.Release()
	return array.MakeFromData(d)
}

func readFixed(t arrow.DataType, width int) func(bindings.Vector, int) (arrow.Array, error) {
	return func(vec bindings.Vector, n int) (arrow.Array, error) {
		values := slices.Clone(vectorData[byte](vec, n*width))
		return build(t, vec, n, []*memory.Buffer{memory.NewBufferBytes(values)}), nil
	}
}

func readBools(vec bindings.Vector, n int) (arrow.Array, error) {
	bits := make([]byte, (n+7)/8)
	for i, b := range vectorData[bool](vec, n) {
		if b {
			bits[i>>3] |= 1 << (i & 7)
		}
	}
	return build(arrow.FixedWidthTypes.Boolean, vec, n, []*memory.Buffer{memory.NewBufferBytes(bits)}), nil
}

// readHuge refuses what has more than 38 digits, which Arrow's decimals do not hold.
func readHuge(vec bindings.Vector, n int) (arrow.Array, error) {
	values, valid := slices.Clone(vectorData[decimal128.Num](vec, n)), vectorValid(vec, n)
	for i, v := range values {
		if valid.at(i) && !v.FitsInPrecision(38) {
			return nil, &Error{Kind: "out of range", Message: "a whole number has more than 38 digits", Hint: "cast it to DOUBLE", Offset: -1}
		}
	}
	b := memory.NewBufferBytes(arrow.Decimal128Traits.CastToBytes(values))
	return build(&arrow.Decimal128Type{Precision: 38}, vec, n, []*memory.Buffer{b}), nil
}

func readDecimals(t *arrow.Decimal128Type) func(bindings.Vector, int) (arrow.Array, error) {
	return func(vec bindings.Vector, n int) (arrow.Array, error) {
		var values []decimal128.Num
		switch decimalWidth(int(t.Precision)) {
		case 2:
			values = widen(vectorData[int16](vec, n))
		case 4:
			values = widen(vectorData[int32](vec, n))
		case 8:
			values = widen(vectorData[int64](vec, n))
		default:
			values = slices.Clone(vectorData[decimal128.Num](vec, n))
		}
		b := memory.NewBufferBytes(arrow.Decimal128Traits.CastToBytes(values))
		return build(t, vec, n, []*memory.Buffer{b}), nil
	}
}

func widen[T int16 | int32 | int64](in []T) []decimal128.Num {
	out := make([]decimal128.Num, len(in))
	for i, v := range in {
		out[i] = decimal128.FromI64(int64(v))
	}
	return out
}

func readStrings(t arrow.DataType) func(bindings.Vector, int) (arrow.Array, error) {
	return func(vec bindings.Vector, n int) (arrow.Array, error) {
		in, valid := vectorStrings(vec, n), vectorValid(vec, n)
		return joinStrings(t, vec, n, func(i int) []byte {
			if !valid.at(i) {
				return nil
			}
			return in[i].bytes()
		})
	}
}

// joinStrings lays n strings one after another.
func joinStrings(t arrow.DataType, vec bindings.Vector, n int, value func(i int) []byte) (arrow.Array, error) {
	total := 0
	for i := range n {
		total += len(value(i))
	}
	if total > math.MaxInt32 {
		return nil, &Error{Kind: "out of range", Message: "2,048 rows of text have more than 2 GiB", Offset: -1}
	}
	offsets, data := make([]int32, n+1), make([]byte, 0, total)
	for i := range n {
		data = append(data, value(i)...)
		offsets[i+1] = int32(len(data))
	}
	lie := memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets))
	return build(t, vec, n, []*memory.Buffer{lie, memory.NewBufferBytes(data)}), nil
}

func readIntervals(vec bindings.Vector, n int) (arrow.Array, error) {
	values, valid := slices.Clone(vectorData[arrow.MonthDayNanoInterval](vec, n)), vectorValid(vec, n)
	for i := range values {
		micros := values[i].Nanoseconds
		if values[i].Nanoseconds *= 1000; valid.at(i) && values[i].Nanoseconds/1000 != micros {
			return nil, &Error{Kind: "out of range", Message: "an interval of more than 292 years of hours", Offset: -1}
		}
	}
	b := memory.NewBufferBytes(arrow.MonthDayNanoIntervalTraits.CastToBytes(values))
	return build(arrow.FixedWidthTypes.MonthDayNanoInterval, vec, n, []*memory.Buffer{b}), nil
}

// readUUIDs writes them as text. DuckDB keeps them as numbers that sort, with the first bit turned.
func readUUIDs(vec bindings.Vector, n int) (arrow.Array, error) {
	in := vectorData[decimal128.Num](vec, n)
	return joinStrings(arrow.BinaryTypes.String, vec, n, func(i int) []byte {
		hi, lo := uint64(in[i].HighBits())^1<<63, in[i].LowBits()
		return fmt.Appendf(nil, "%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&(1<<48-1))
	})
}

func readEnums(t bindings.LogicalType) func(bindings.Vector, int) (arrow.Array, error) {
	words := make([][]byte, bindings.EnumDictionarySize(t))
	for i := range words {
		words[i] = []byte(bindings.EnumDictionaryValue(t, bindings.IdxT(i)))
	}
	internal := bindings.EnumInternalType(t)
	return func(vec bindings.Vector, n int) (arrow.Array, error) {
		valid := vectorValid(vec, n)
		return joinStrings(arrow.BinaryTypes.String, vec, n, func(i int) []byte {
			if !valid.at(i) {
				return nil
			}
			switch internal {
			case bindings.TypeUTinyInt:
				return words[vectorData[uint8](vec, n)[i]]
			case bindings.TypeUSmallInt:
				return words[vectorData[uint16](vec, n)[i]]
			}
			return words[vectorData[uint32](vec, n)[i]]
		})
	}
}
