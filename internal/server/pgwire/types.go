package pgwire

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// Formats of values.
const (
	formatText   = 0
	formatBinary = 1
)

// column is one of an answer, as it was described.
type column struct {
	name string
	oid  uint32
	mod  int32 // of a numeric its digits; else -1
}

// columnsOf returns the columns of an answer.
func columnsOf(s *arrow.Schema) []column {
	out := make([]column, len(s.Fields()))
	for i, f := range s.Fields() {
		oid, mod := oidOf(f)
		out[i] = column{f.Name, oid, mod}
	}
	return out
}

// oids are of types without parts.
var oids = map[arrow.Type]uint32{
	arrow.BOOL: pgtype.BoolOID, arrow.INT8: pgtype.Int2OID, arrow.INT16: pgtype.Int2OID, arrow.UINT8: pgtype.Int2OID, arrow.INT32: pgtype.Int4OID,
	arrow.UINT16: pgtype.Int4OID, arrow.INT64: pgtype.Int8OID, arrow.UINT32: pgtype.Int8OID, arrow.UINT64: pgtype.NumericOID,
	arrow.FLOAT32: pgtype.Float4OID, arrow.FLOAT64: pgtype.Float8OID, arrow.DECIMAL128: pgtype.NumericOID, arrow.STRING: pgtype.TextOID,
	arrow.BINARY: pgtype.ByteaOID, arrow.DATE32: pgtype.DateOID, arrow.TIME64: pgtype.TimeOID, arrow.INTERVAL_MONTH_DAY_NANO: pgtype.IntervalOID,
	arrow.NULL: pgtype.TextOID,
}

// oidOf returns PostgreSQL's type of a column. What has none, such as a list of lists, a struct or a map, is JSON.
func oidOf(f arrow.Field) (oid uint32, mod int32) {
	mod = -1
	switch t := f.Type.(type) {
	case *arrow.TimestampType:
		if t.TimeZone != "" {
			return pgtype.TimestamptzOID, mod
		}
		return pgtype.TimestampOID, mod
	case *arrow.Decimal128Type:
		if t.Precision != 38 || t.Scale != 0 { // that is a HUGEINT, which sums are
			mod = t.Precision<<16 | t.Scale + 4
		}
		return pgtype.NumericOID, mod
	case *arrow.StringType:
		switch kind, _ := f.Metadata.GetValue(duck.DuckType); kind {
		case "UUID":
			return pgtype.UUIDOID, mod
		case "JSON":
			return pgtype.JSONOID, mod
		}
	case *arrow.ListType:
		if elem, _ := oidOf(t.ElemField()); arrays[elem] != 0 {
			return arrays[elem], mod
		}
		return pgtype.JSONOID, mod
	case *arrow.StructType, *arrow.MapType:
		return pgtype.JSONOID, mod
	}
	if oid, ok := oids[f.Type.ID()]; ok {
		return oid, mod
	}
	return pgtype.TextOID, mod
}

// arrays are the types of arrays, by those of their elements.
var arrays = map[uint32]uint32{
	pgtype.BoolOID: pgtype.BoolArrayOID, pgtype.Int2OID: pgtype.Int2ArrayOID, pgtype.Int4OID: pgtype.Int4ArrayOID, pgtype.Int8OID: pgtype.Int8ArrayOID,
	pgtype.Float4OID: pgtype.Float4ArrayOID, pgtype.Float8OID: pgtype.Float8ArrayOID, pgtype.NumericOID: pgtype.NumericArrayOID,
	pgtype.TextOID: pgtype.TextArrayOID, pgtype.VarcharOID: pgtype.VarcharArrayOID, pgtype.ByteaOID: pgtype.ByteaArrayOID, pgtype.DateOID: pgtype.DateArrayOID,
	pgtype.TimeOID: pgtype.TimeArrayOID, pgtype.TimestampOID: pgtype.TimestampArrayOID, pgtype.TimestamptzOID: pgtype.TimestamptzArrayOID,
	pgtype.UUIDOID: pgtype.UUIDArrayOID, pgtype.IntervalOID: pgtype.IntervalArrayOID,
}

// elements are the types of elements, by those of their arrays.
var elements = func() map[uint32]uint32 {
	out := map[uint32]uint32{}
	for elem, array := range arrays {
		out[array] = elem
	}
	return out
}()

// sizes are the bytes of types whose values all have the same.
var sizes = map[uint32]int16{
	pgtype.BoolOID: 1, pgtype.Int2OID: 2, pgtype.Int4OID: 4, pgtype.Int8OID: 8, pgtype.Float4OID: 4, pgtype.Float8OID: 8, pgtype.DateOID: 4,
	pgtype.TimeOID: 8, pgtype.TimestampOID: 8, pgtype.TimestamptzOID: 8, pgtype.IntervalOID: 16, pgtype.UUIDOID: 16,
}

// described is the message of columns. formats is that of Bind: none, one for all, or one each.
func described(columns []column, formats []int16) *pgproto3.RowDescription {
	out := &pgproto3.RowDescription{Fields: make([]pgproto3.FieldDescription, len(columns))}
	for i, c := range columns {
		size, ok := sizes[c.oid]
		if !ok {
			size = -1
		}
		out.Fields[i] = pgproto3.FieldDescription{Name: []byte(c.name), DataTypeOID: c.oid, DataTypeSize: size, TypeModifier: c.mod, Format: formatAt(formats, i)}
	}
	return out
}

// formatAt is the format of one of several values.
func formatAt(formats []int16, i int) int16 {
	switch {
	case len(formats) == 1:
		return formats[0]
	case i < len(formats):
		return formats[i]
	}
	return formatText
}

// checkFormats refuses formats that do not fit n values.
func checkFormats(formats []int16, n int, what string) error {
	if len(formats) > 1 && len(formats) != n {
		return &failure{code: "08P01", message: fmt.Sprintf("%d formats for %d %s", len(formats), n, what)}
	}
	for _, f := range formats {
		if f != formatText && f != formatBinary {
			return &failure{code: "22023", message: fmt.Sprintf("format %d: want 0 or 1", f)}
		}
	}
	return nil
}

// sqlTypes are DuckDB's names of the types that parameters may have. That of text is left out: a string may become what it is
// compared with, as a parameter that nobody has given a type.
var sqlTypes = map[uint32]string{
	pgtype.BoolOID: "BOOLEAN", pgtype.Int2OID: "SMALLINT", pgtype.Int4OID: "INTEGER", pgtype.Int8OID: "BIGINT", pgtype.Float4OID: "FLOAT",
	pgtype.Float8OID: "DOUBLE", pgtype.DateOID: "DATE", pgtype.TimeOID: "TIME", pgtype.TimestampOID: "TIMESTAMP",
	pgtype.TimestamptzOID: "TIMESTAMP WITH TIME ZONE", pgtype.IntervalOID: "INTERVAL", pgtype.UUIDOID: "UUID", pgtype.ByteaOID: "BLOB",
	pgtype.TextOID: "VARCHAR", pgtype.VarcharOID: "VARCHAR", pgtype.BPCharOID: "VARCHAR", pgtype.NameOID: "VARCHAR", pgtype.JSONOID: "VARCHAR", pgtype.JSONBOID: "VARCHAR",
	pgtype.NumericOID: "DOUBLE", pgtype.OIDOID: "BIGINT",
}

// paramOID is the type of a parameter by DuckDB's name of it.
func paramOID(name string) uint32 {
	switch name {
	case "TINYINT", "UTINYINT":
		return pgtype.Int2OID
	case "USMALLINT":
		return pgtype.Int4OID
	case "UINTEGER":
		return pgtype.Int8OID
	case "UBIGINT", "HUGEINT", "DECIMAL":
		return pgtype.NumericOID
	case "", "VARCHAR":
		return pgtype.TextOID
	case "DOUBLE":
		return pgtype.Float8OID
	}
	for oid, n := range sqlTypes {
		if n == name && oid != pgtype.OIDOID && oid != pgtype.NumericOID {
			return oid
		}
	}
	return pgtype.TextOID
}
