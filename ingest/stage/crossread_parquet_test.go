//go:build !race

// Much data, and no goroutines that other tests do not have: the stage race runs these without the detector.

package stage_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	arrowfile "github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit/readers"
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
			got := readers.Sums{}
			for i := range int(table.NumCols()) {
				col := table.Column(i)
				for _, chunk := range col.Data().Chunks() {
					for r := range chunk.Len() {
						got.Add(col.Name(), arrowValue(t, col.Name(), chunk, r))
					}
				}
			}
			f.want.Same(t, f.name, got)
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

func TestXitongsysReadsParquet(t *testing.T) {
	for _, f := range testFiles(t, cube.Parquet) {
		t.Run(f.name, func(t *testing.T) { f.want.Same(t, f.name, readers.Xitongsys(t, f.data, f.rows, f.wide)) })
	}
}

func TestParquetGoReadsParquet(t *testing.T) {
	for _, f := range testFiles(t, cube.Parquet) {
		t.Run(f.name, func(t *testing.T) { f.want.Same(t, f.name, readers.ParquetGo(t, f.data, f.wide)) })
	}
}
