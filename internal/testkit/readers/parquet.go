package readers

import (
	"bytes"
	"io"
	"testing"

	"github.com/parquet-go/parquet-go"
	xreader "github.com/xitongsys/parquet-go/reader"
	xsource "github.com/xitongsys/parquet-go/source"
)

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

// Columns reads the columns of a Parquet file of so many rows with xitongsys/parquet-go; bytes come as strings.
func Columns(t testing.TB, data []byte, rows int64) map[string][]any {
	t.Helper()
	r, err := xreader.NewParquetColumnReader(memFile{bytes.NewReader(data), data}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.ReadStop()
	if r.GetNumRows() != rows {
		t.Fatalf("%d rows, want %d", r.GetNumRows(), rows)
	}
	out := map[string][]any{}
	for i := range int64(len(r.SchemaHandler.ValueColumns)) {
		name := r.SchemaHandler.GetExName(int(i) + 1)
		if out[name], _, _, err = r.ReadColumnByIndex(i, rows); err != nil {
			t.Fatalf("column %s: %v", name, err)
		}
	}
	return out
}

// Xitongsys sums what xitongsys/parquet-go reads; wide says which columns are decimals in bytes.
func Xitongsys(t testing.TB, data []byte, rows int64, wide func(name string) bool) Sums {
	t.Helper()
	got := Sums{}
	for name, vals := range Columns(t, data, rows) {
		for _, v := range vals {
			if text, ok := v.(string); ok && wide(name) {
				v = TwosComplement([]byte(text))
			}
			got.Add(name, v)
		}
	}
	return got
}

// ParquetGo sums what parquet-go reads row by row, which our own reader does not do.
func ParquetGo(t testing.TB, data []byte, wide func(name string) bool) Sums {
	t.Helper()
	pf, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	got := Sums{}
	rows := make([]parquet.Row, 100)
	for _, rg := range pf.RowGroups() {
		r := rg.Rows()
		for {
			n, err := r.ReadRows(rows)
			for _, row := range rows[:n] {
				for i, v := range row {
					name := pf.Schema().Fields()[i].Name()
					got.Add(name, parquetGoValue(v, wide(name)))
				}
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

func parquetGoValue(v parquet.Value, wide bool) any {
	switch {
	case v.IsNull():
		return nil
	case v.Kind() == parquet.Boolean:
		return v.Boolean()
	case v.Kind() == parquet.Int32:
		return v.Int32()
	case v.Kind() == parquet.Int64:
		return v.Int64()
	case v.Kind() == parquet.Double:
		return v.Double()
	case wide:
		return TwosComplement(v.ByteArray())
	}
	return v.ByteArray()
}
