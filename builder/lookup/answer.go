package lookup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/parquet-go/parquet-go"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// Ask answers a statement over the tables of a project.
type Ask func(ctx context.Context, project, sql string) (Answer, error)

// Answer is an answer to a statement, as it comes. It must be closed.
type Answer interface {
	Schema() *arrow.Schema
	// Next returns some rows, which the caller releases; io.EOF after the last.
	Next() (arrow.Record, error)
	// Covers says what was read; it is known after the last row.
	Covers() []cube.LookupCover
	Close() error
}

// readAnswer takes the rows of an answer.
func readAnswer(s Source, a Answer) (*table, error) {
	t := &table{def: &cube.Lookup{Project: s.Project, Name: s.Name, Key: s.Key, Query: s.Query}, what: "row"}
	fields := a.Schema().Fields()
	for _, f := range fields {
		typ, err := typeOfArrow(f.Type)
		if err != nil {
			return nil, wrong(0, 0, "column %s: %w", f.Name, err)
		}
		t.def.Columns = append(t.def.Columns, cube.LookupColumn{Name: f.Name, Type: typ.String()})
	}
	if err := t.types(); err != nil {
		return nil, err
	}
	size := 0
	for {
		rec, err := a.Next()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, err
		}
		size, err = t.addRecord(rec, size)
		rec.Release()
		if err != nil {
			return nil, err
		}
	}
}

// addRecord appends rows and returns the bytes of all values so far.
func (t *table) addRecord(rec arrow.Record, size int) (int, error) {
	if int64(len(t.rows))+rec.NumRows() > MaxRows {
		return size, wrong(0, 0, "the answer has more than %d rows, the limit of a lookup table: ask for fewer of them", MaxRows)
	}
	for i := range int(rec.NumRows()) {
		r := row{at: len(t.rows) + 1, values: make([]parquet.Value, rec.NumCols())}
		for c, a := range rec.Columns() {
			v, err := valueOfArrow(a, i)
			if err != nil {
				return size, wrong(0, 0, "row %d, column %s: %w", r.at, t.def.Columns[c].Name, err)
			}
			r.values[c] = v
			if size += 8; v.Kind() == parquet.ByteArray {
				size += len(v.ByteArray())
			}
		}
		t.rows = append(t.rows, r)
	}
	if size > MaxBytes {
		return size, wrong(0, 0, "the values of the answer have more than %d bytes, the limit of a lookup table: ask for fewer rows or columns", MaxBytes)
	}
	return size, nil
}

// typeOfArrow returns our type for a column of an answer.
func typeOfArrow(t arrow.DataType) (cube.Type, error) {
	switch t := t.(type) {
	case *arrow.BooleanType:
		return cube.Type{Kind: cube.Bool}, nil
	case *arrow.Int8Type, *arrow.Int16Type, *arrow.Int32Type, *arrow.Int64Type, *arrow.Uint8Type, *arrow.Uint16Type, *arrow.Uint32Type:
		return cube.Type{Kind: cube.Int64}, nil
	case *arrow.Float32Type, *arrow.Float64Type:
		return cube.Type{Kind: cube.Float64}, nil
	case *arrow.StringType:
		return cube.Type{Kind: cube.String}, nil
	case *arrow.Date32Type:
		return cube.Type{Kind: cube.Date}, nil
	case *arrow.TimestampType:
		return cube.Type{Kind: cube.Timestamp, Format: "us"}, nil
	case *arrow.Decimal128Type:
		return cube.Type{Kind: cube.Decimal, Precision: int(t.Precision), Scale: int(t.Scale)}, nil
	}
	return cube.Type{}, fmt.Errorf("a lookup table has no values of type %s: cast it to VARCHAR, BIGINT, DOUBLE, BOOLEAN, DATE, TIMESTAMP or a DECIMAL, or leave it out", t)
}

// valueOfArrow returns value i of a column as a snapshot holds it.
func valueOfArrow(a arrow.Array, i int) (parquet.Value, error) {
	if a.IsNull(i) {
		return parquet.NullValue(), nil
	}
	switch a := a.(type) {
	case *array.Boolean:
		return parquet.BooleanValue(a.Value(i)), nil
	case *array.Int8:
		return parquet.Int64Value(int64(a.Value(i))), nil
	case *array.Int16:
		return parquet.Int64Value(int64(a.Value(i))), nil
	case *array.Int32:
		return parquet.Int64Value(int64(a.Value(i))), nil
	case *array.Int64:
		return parquet.Int64Value(a.Value(i)), nil
	case *array.Uint8:
		return parquet.Int64Value(int64(a.Value(i))), nil
	case *array.Uint16:
		return parquet.Int64Value(int64(a.Value(i))), nil
	case *array.Uint32:
		return parquet.Int64Value(int64(a.Value(i))), nil
	case *array.Float32:
		return parquet.DoubleValue(float64(a.Value(i))), nil
	case *array.Float64:
		return parquet.DoubleValue(a.Value(i)), nil
	case *array.String:
		return parquet.ByteArrayValue([]byte(a.Value(i))), nil
	case *array.Date32:
		return parquet.Int32Value(int32(a.Value(i))), nil
	case *array.Timestamp:
		return timeValue(int64(a.Value(i)), a.DataType().(*arrow.TimestampType).Unit)
	case *array.Decimal128:
		return decimalValue(a.Value(i), a.DataType().(*arrow.Decimal128Type).Precision)
	}
	return parquet.Value{}, fmt.Errorf("it is a %s", a.DataType())
}

// timeValue returns microseconds since 1970.
func timeValue(v int64, unit arrow.TimeUnit) (parquet.Value, error) {
	if unit == arrow.Nanosecond {
		return parquet.Int64Value(floorDiv(v, 1000)), nil
	}
	us := map[arrow.TimeUnit]int64{arrow.Second: 1_000_000, arrow.Millisecond: 1000, arrow.Microsecond: 1}[unit]
	if v*us/us != v {
		return parquet.Value{}, fmt.Errorf("time %d %s is out of range", v, unit)
	}
	return parquet.Int64Value(v * us), nil
}

// decimalValue returns the number without its point.
func decimalValue(v decimal128.Num, precision int32) (parquet.Value, error) {
	if !v.FitsInPrecision(precision) { // a HUGEINT, which the answer calls a decimal of 38 digits
		return parquet.Value{}, fmt.Errorf("%s has more than %d digits", v.BigInt(), precision)
	}
	if precision <= 18 {
		return parquet.Int64Value(int64(v.LowBits())), nil
	}
	n := v.BigInt()
	if n.Sign() < 0 {
		n.Add(n, new(big.Int).Lsh(big.NewInt(1), 128))
	}
	return parquet.FixedLenByteArrayValue(n.FillBytes(make([]byte, 16))), nil
}
