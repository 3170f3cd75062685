package lookup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// readParquet reads a file of flat columns. Its own types are taken.
func readParquet(s Source, text []byte) (t *table, err error) {
	// The library panics on some damaged files.
	defer func() {
		if p := recover(); p != nil {
			t, err = nil, wrong(0, 0, "the file is damaged: %v", p)
		}
	}()
	f, err := parquet.OpenFile(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return nil, wrong(0, 0, "it is no Parquet file, or a damaged one: %w", err)
	}
	for _, g := range f.Metadata().RowGroups {
		for _, c := range g.Columns {
			if codec := c.MetaData.Codec; codec == format.Lz4 || codec == format.Lz4Raw {
				return nil, wrong(0, 0, "it is compressed with %s, which is not read here: write it with zstd, snappy or gzip", codec)
			}
		}
	}
	if len(s.Types) > 0 {
		return nil, wrong(0, 0, "a Parquet file has types of its own: give none")
	}
	t = &table{def: &cube.Lookup{Project: s.Project, Name: s.Name, Key: s.Key}, what: "row"}
	fields := f.Schema().Fields()
	for _, field := range fields {
		typ, err := typeOf(field)
		if err != nil {
			return nil, wrong(0, 0, "column %s: %w", field.Name(), err)
		}
		t.def.Columns = append(t.def.Columns, cube.LookupColumn{Name: field.Name(), Type: typ.String()})
	}
	if err := t.types(); err != nil {
		return nil, err
	}
	if f.NumRows() > MaxRows {
		return nil, wrong(0, 0, "it has %d rows: a lookup table has at most %d", f.NumRows(), MaxRows)
	}
	in := parquet.NewReader(f)
	defer in.Close()
	buf := make([]parquet.Row, 256)
	for {
		n, err := in.ReadRows(buf)
		for _, values := range buf[:n] {
			r := row{at: len(t.rows) + 1}
			for i, v := range values {
				v, err := convert(fields[i], t.kind[i], v.Clone())
				if err != nil {
					return nil, wrong(0, 0, "row %d, column %s: %w", r.at, t.def.Columns[i].Name, err)
				}
				r.values = append(r.values, v)
			}
			t.rows = append(t.rows, r)
		}
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, wrong(0, 0, "the file is damaged: %w", err)
		}
	}
}

// typeOf returns our type for a column of a Parquet file.
func typeOf(n parquet.Node) (t cube.Type, err error) {
	if !n.Leaf() || n.Repeated() {
		return t, errors.New("it is a list or a group, and a lookup table has plain columns only: leave it out")
	}
	var logical format.LogicalTypeValue
	if l := n.Type().LogicalType(); l != nil {
		logical = l.Value
	}
	kind := n.Type().Kind()
	switch l := logical.(type) {
	case *format.DecimalType:
		if kind == parquet.Int32 || kind == parquet.Int64 {
			return cube.Type{Kind: cube.Decimal, Precision: int(l.Precision), Scale: int(l.Scale)}, nil
		}
	case *format.DateType:
		return cube.Type{Kind: cube.Date}, nil
	case *format.TimestampType:
		if kind == parquet.Int64 {
			return cube.Type{Kind: cube.Timestamp, Format: "us"}, nil
		}
	case *format.StringType, *format.EnumType:
		return cube.Type{Kind: cube.String}, nil
	case *format.IntType:
		if l.IsSigned || l.BitWidth < 32 {
			return cube.Type{Kind: cube.Int64}, nil
		}
	case nil:
		switch kind {
		case parquet.Boolean:
			return cube.Type{Kind: cube.Bool}, nil
		case parquet.Int64, parquet.Int32:
			return cube.Type{Kind: cube.Int64}, nil
		case parquet.Double, parquet.Float:
			return cube.Type{Kind: cube.Float64}, nil
		case parquet.ByteArray:
			return cube.Type{Kind: cube.String}, nil
		}
	}
	return t, fmt.Errorf("type %s is not known here: write it as string, int64, float64, bool, date, timestamp or a decimal of up to 18 digits", n.Type())
}

// convert makes a value of a file one of a snapshot.
func convert(n parquet.Node, t cube.Type, v parquet.Value) (parquet.Value, error) {
	if v.IsNull() {
		return parquet.NullValue(), nil
	}
	switch kind := n.Type().Kind(); {
	case t.Kind == cube.String:
		return parse(t, string(v.ByteArray()))
	case t.Kind == cube.Float64 && kind == parquet.Float:
		return parquet.DoubleValue(float64(v.Float())), nil
	case t.Kind == cube.Timestamp:
		unit := n.Type().LogicalType().Value.(*format.TimestampType).Unit.Value.Duration()
		if unit < time.Microsecond {
			return parquet.Int64Value(floorDiv(v.Int64(), int64(time.Microsecond/unit))), nil
		}
		us := int64(unit / time.Microsecond)
		if v.Int64()*us/us != v.Int64() {
			return v, fmt.Errorf("time %d %s is out of range", v.Int64(), unit)
		}
		return parquet.Int64Value(v.Int64() * us), nil
	case kindOf(t) == parquet.Int64 && kind == parquet.Int32:
		return parquet.Int64Value(int64(v.Int32())), nil
	}
	return v, nil
}

// floorDiv rounds down, before 1970 too.
func floorDiv(a, b int64) int64 {
	if a < 0 {
		return -((-a + b - 1) / b)
	}
	return a / b
}
