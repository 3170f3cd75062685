package pgcatalog

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// typ is a type that PostgreSQL has and a value may be sent as.
type typ struct {
	oid      uint32
	name     string // in pg_type
	sql      string // as format_type says it
	size     int64
	category string
	array    uint32
}

// builtin are the types of columns, parameters, and of what drivers look for.
var builtin = []typ{
	{pgtype.BoolOID, "bool", "boolean", 1, "B", pgtype.BoolArrayOID},
	{pgtype.ByteaOID, "bytea", "bytea", -1, "U", pgtype.ByteaArrayOID},
	{pgtype.QCharOID, "char", `"char"`, 1, "Z", pgtype.QCharArrayOID},
	{pgtype.NameOID, "name", "name", 64, "S", pgtype.NameArrayOID},
	{pgtype.Int8OID, "int8", "bigint", 8, "N", pgtype.Int8ArrayOID},
	{pgtype.Int2OID, "int2", "smallint", 2, "N", pgtype.Int2ArrayOID},
	{pgtype.Int4OID, "int4", "integer", 4, "N", pgtype.Int4ArrayOID},
	{pgtype.TextOID, "text", "text", -1, "S", pgtype.TextArrayOID},
	{pgtype.OIDOID, "oid", "oid", 4, "N", pgtype.OIDArrayOID},
	{pgtype.JSONOID, "json", "json", -1, "U", pgtype.JSONArrayOID},
	{pgtype.Float4OID, "float4", "real", 4, "N", pgtype.Float4ArrayOID},
	{pgtype.Float8OID, "float8", "double precision", 8, "N", pgtype.Float8ArrayOID},
	{pgtype.UnknownOID, "unknown", "unknown", -2, "X", 0},
	{pgtype.BPCharOID, "bpchar", "character", -1, "S", pgtype.BPCharArrayOID},
	{pgtype.VarcharOID, "varchar", "character varying", -1, "S", pgtype.VarcharArrayOID},
	{pgtype.DateOID, "date", "date", 4, "D", pgtype.DateArrayOID},
	{pgtype.TimeOID, "time", "time without time zone", 8, "D", pgtype.TimeArrayOID},
	{pgtype.TimestampOID, "timestamp", "timestamp without time zone", 8, "D", pgtype.TimestampArrayOID},
	{pgtype.TimestamptzOID, "timestamptz", "timestamp with time zone", 8, "D", pgtype.TimestamptzArrayOID},
	{pgtype.IntervalOID, "interval", "interval", 16, "T", pgtype.IntervalArrayOID},
	{pgtype.NumericOID, "numeric", "numeric", -1, "N", pgtype.NumericArrayOID},
	{pgtype.UUIDOID, "uuid", "uuid", 16, "U", pgtype.UUIDArrayOID},
	{pgtype.JSONBOID, "jsonb", "jsonb", -1, "U", pgtype.JSONBArrayOID},
}

// formatType is format_type as an expression.
func formatType() string {
	var b strings.Builder
	b.WriteString("CASE ")
	for _, t := range builtin {
		text := "'" + t.sql + "'"
		if t.oid == pgtype.NumericOID {
			text = "'numeric' || CASE WHEN $2 >= 4 THEN '(' || CAST((CAST($2 AS BIGINT) - 4) >> 16 AS VARCHAR) || ',' || CAST((CAST($2 AS BIGINT) - 4) & 65535 AS VARCHAR) || ')' ELSE '' END"
		}
		fmt.Fprintf(&b, "WHEN $1 = %d THEN %s ", t.oid, text)
		if t.array != 0 {
			fmt.Fprintf(&b, "WHEN $1 = %d THEN '%s[]' ", t.array, t.sql)
		}
	}
	return b.String() + "WHEN $1 IS NULL THEN NULL ELSE '???' END"
}

// typeNamed finds a type by any of its names; nil: there is none.
func typeNamed(name string) *typ {
	name = strings.ToLower(strings.TrimSpace(strings.ReplaceAll(name, `"`, "")))
	name = strings.TrimPrefix(name, "pg_catalog.")
	for i, t := range builtin {
		if name == t.name || name == t.sql {
			return &builtin[i]
		}
		if t.array != 0 && (name == "_"+t.name || name == t.name+"[]" || name == t.sql+"[]") {
			return &typ{oid: t.array, name: "_" + t.name, sql: t.sql + "[]"}
		}
	}
	return nil
}

// TypeOID returns the number of a type by any of its names, as bigint[]; 0: there is none.
func TypeOID(name string) uint32 {
	if t := typeNamed(name); t != nil {
		return t.oid
	}
	switch strings.ToLower(name) {
	case "int[]":
		return pgtype.Int4ArrayOID
	case "double[]":
		return pgtype.Float8ArrayOID
	}
	return 0
}

// columnType is the type of a table's column, and its modifier.
func columnType(t cube.Type) (typ, int64) {
	name, mod := "bytea", int64(-1)
	switch t.Kind {
	case cube.Bool:
		name = "bool"
	case cube.Int64:
		name = "int8"
	case cube.Float64:
		name = "float8"
	case cube.Decimal:
		name = "numeric"
		mod = int64(t.Precision)<<16 | int64(t.Scale) + 4
	case cube.Date:
		name = "date"
	case cube.Timestamp:
		name = "timestamp"
	case cube.String, cube.JSON:
		name = "text"
	}
	return *typeNamed(name), mod
}
