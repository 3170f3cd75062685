//go:build !race

// Much data, and no goroutines that other tests do not have: the stage race runs these without the detector.

package stage_test

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	arrowfile "github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/parquet-go/parquet-go"
	xreader "github.com/xitongsys/parquet-go/reader"
	xsource "github.com/xitongsys/parquet-go/source"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

func TestArrowReadsParquet(t *testing.T) {
	for _, f := range testFiles(t, cube.Parquet) {
		t.Run(f.name, func(t *testing.T) {
			pf, err := arrowfile.NewParquetReader(bytes.NewReader(f.data))
			if err != nil {
				t.Fatal(err)
			}
			r, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
			if err != nil {
				t.Fatal(err)
			}
			table, err := r.ReadTable(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			defer table.Release()
			got := fileSums{}
			for i := range int(table.NumCols()) {
				col := table.Column(i)
				for _, chunk := range col.Data().Chunks() {
					for r := range chunk.Len() {
						got.add(col.Name(), arrowValue(t, col.Name(), chunk, r))
					}
				}
			}
			f.same(t, got)
		})
	}
}

func arrowValue(t *testing.T, name string, a arrow.Array, r int) any {
	if a.IsNull(r) {
		return nil
	}
	switch a := a.(type) {
	case *array.Boolean:
		return a.Value(r)
	case *array.Int64:
		return a.Value(r)
	case *array.Float64:
		return a.Value(r)
	case *array.Date32:
		return int64(a.Value(r))
	case *array.Timestamp:
		want := arrow.Microsecond
		if name == stage.TimestampColumn {
			want = arrow.Millisecond
		}
		if typ := a.DataType().(*arrow.TimestampType); typ.Unit != want || typ.TimeZone != "UTC" {
			t.Fatalf("column %s: %s", name, typ)
		}
		return int64(a.Value(r))
	case *array.Decimal128:
		return a.Value(r).BigInt()
	case *array.String:
		return a.Value(r)
	case *array.Binary:
		return a.Value(r)
	}
	t.Fatalf("column %s: arrow makes a %T", name, a)
	return nil
}

// memFile is a file in memory as xitongsys/parquet-go wants it.
type memFile struct {
	*bytes.Reader
	data []byte
}

func (m memFile) Open(string) (xsource.ParquetFile, error) {
	return memFile{bytes.NewReader(m.data), m.data}, nil
}
func (m memFile) Create(string) (xsource.ParquetFile, error) { return nil, io.ErrClosedPipe }
func (m memFile) Write([]byte) (int, error)                  { return 0, io.ErrClosedPipe }
func (m memFile) Close() error                               { return nil }

func TestXitongsysReadsParquet(t *testing.T) {
	for _, f := range testFiles(t, cube.Parquet) {
		t.Run(f.name, func(t *testing.T) {
			r, err := xreader.NewParquetColumnReader(memFile{bytes.NewReader(f.data), f.data}, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer r.ReadStop()
			if r.GetNumRows() != f.rows {
				t.Fatalf("%d rows, want %d", r.GetNumRows(), f.rows)
			}
			got := fileSums{}
			for i := range int64(len(r.SchemaHandler.ValueColumns)) {
				name := r.SchemaHandler.GetExName(int(i) + 1)
				vals, _, _, err := r.ReadColumnByIndex(i, f.rows)
				if err != nil {
					t.Fatalf("column %s: %v", name, err)
				}
				for _, v := range vals {
					got.add(name, xitongsysValue(f.name, name, v))
				}
			}
			f.same(t, got)
		})
	}
}

func xitongsysValue(file, name string, v any) any {
	switch v := v.(type) {
	case int32:
		return int64(v)
	case string:
		if file != "pageviews" && name == "huge" {
			return twosComplement([]byte(v))
		}
	}
	return v
}

func TestParquetGoReadsParquet(t *testing.T) {
	for _, f := range testFiles(t, cube.Parquet) {
		t.Run(f.name, func(t *testing.T) {
			pf, err := parquet.OpenFile(bytes.NewReader(f.data), int64(len(f.data)))
			if err != nil {
				t.Fatal(err)
			}
			got := fileSums{}
			rows := make([]parquet.Row, 100)
			for _, rg := range pf.RowGroups() {
				r := rg.Rows()
				defer r.Close()
				for {
					n, err := r.ReadRows(rows)
					for _, row := range rows[:n] {
						for i, v := range row {
							name := pf.Schema().Fields()[i].Name()
							got.add(name, parquetGoValue(f.name, name, v))
						}
					}
					if err == io.EOF {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			f.same(t, got)
		})
	}
}

func parquetGoValue(file, name string, v parquet.Value) any {
	if v.IsNull() {
		return nil
	}
	switch v.Kind() {
	case parquet.Boolean:
		return v.Boolean()
	case parquet.Int32:
		return int64(v.Int32())
	case parquet.Int64:
		return v.Int64()
	case parquet.Double:
		return v.Double()
	}
	if file != "pageviews" && name == "huge" {
		return twosComplement(v.ByteArray())
	}
	return v.ByteArray()
}
