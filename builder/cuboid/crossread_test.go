package cuboid_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	xreader "github.com/xitongsys/parquet-go/reader"
	xsource "github.com/xitongsys/parquet-go/source"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pages"
)

// colSum is what a reader found in a column: how many values are not null, and the sum of the checksums of their text.
type colSum struct {
	Values int64  `json:"values"`
	Sum    uint64 `json:"sum"`
}

// fileSums are the sums of a file's columns by name.
type fileSums map[string]*colSum

// add takes in a value: decimals by their unscaled number, times by micros since 1970, dates by days, floats by bits.
func (f fileSums) add(name string, v any) {
	s := f[name]
	if s == nil {
		s = new(colSum)
		f[name] = s
	}
	if v == nil {
		return
	}
	s.Values++
	s.Sum += uint64(crc32.ChecksumIEEE(textOf(v)))
}

func textOf(v any) []byte {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(nil, v)
	case int32:
		return strconv.AppendInt(nil, int64(v), 10)
	case int64:
		return strconv.AppendInt(nil, v, 10)
	case float64:
		if v != v {
			return []byte("nan")
		}
		return strconv.AppendUint(nil, math.Float64bits(v), 10)
	case *big.Int:
		return []byte(v.String())
	case string:
		return []byte(v)
	case []byte:
		return v
	}
	panic(fmt.Sprintf("no text of a %T", v))
}

// typedFile is a file that other readers read, what they must find and the types of its columns.
type typedFile struct {
	path  string
	data  []byte
	rows  int64
	want  fileSums
	types map[string]cube.Type
}

// crossFile writes cuboids of many rows, in several pages and row groups, as one file.
func crossFile(t *testing.T, l *cells.Layout) typedFile {
	t.Helper()
	b := build(t, l, testCells(t, l, 11, 400), cuboid.WriterOptions{FileBytes: 1 << 30}, batches{rows: 150})
	h, err := cuboid.NewHeader(l)
	if err != nil {
		t.Fatal(err)
	}
	f := typedFile{data: objectBytes(t, b.st, b.files[0].Key), want: fileSums{}, types: map[string]cube.Type{}}
	for _, d := range h.Dimensions {
		f.types[d.Name] = d.Type
	}
	for _, m := range h.Measures {
		for _, field := range m.Fields {
			f.types[field.Name] = field.Type
		}
	}
	for mask, c := range b.cells {
		f.rows += int64(c.Len())
		f.addCells(l, mask, c)
	}
	f.path = filepath.Join(t.TempDir(), "cuboids.parquet")
	if err := os.WriteFile(f.path, f.data, 0o644); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *typedFile) addCells(l *cells.Layout, mask uint64, c *cells.Cells) {
	for r := range c.Len() {
		f.want.add("_cuboid", int64(mask))
		for i, d := range c.Dicts {
			if d == nil || c.Keys.Code(r, i) == 0 {
				f.want.add(l.Dims[i].Name, nil)
			} else {
				f.want.add(l.Dims[i].Name, valueOf(&d.Values, int(c.Keys.Code(r, i)-1)))
			}
		}
	}
	for i, s := range c.States {
		cols := s.Columns(0, c.Len())
		for k, spec := range l.Measures[i].Columns() {
			for r := range c.Len() {
				f.want.add(spec.Name, valueOf(&cols[k], r))
			}
		}
	}
}

func valueOf(c *pages.Column, i int) any {
	switch {
	case c.IsNull(i):
		return nil
	case c.Kind == pages.Bool:
		return c.Int(i) != 0
	case c.Kind == pages.Float64:
		return c.Float(i)
	case c.Kind == pages.Decimal128:
		return twosComplement(c.Bytes(i))
	case c.Kind == pages.Bytes:
		return c.Bytes(i)
	}
	return c.Int(i)
}

// twosComplement returns the number of big-endian bytes.
func twosComplement(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

// wide reports whether a column's values are 16 bytes of a decimal.
func (f *typedFile) wide(name string) bool {
	return pages.KindOf(f.types[name]) == pages.Decimal128 && name != "_cuboid"
}

func (f *typedFile) same(t *testing.T, got fileSums) {
	t.Helper()
	if d := cmp.Diff(f.want, got); d != "" {
		t.Errorf("sums differ (-tidemark +reader):\n%s", d)
	}
}

// crossReads has a reader read files with numbers, and with measures of every function.
func crossReads(t *testing.T, read func(*testing.T, typedFile)) {
	for dir, l := range goldenSets(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) { read(t, crossFile(t, l)) })
	}
}

func TestDuckDBReads(t *testing.T) { crossReads(t, duckDBReads) }

func duckDBReads(t *testing.T, f typedFile) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("SET threads = 1; SET TimeZone = 'UTC'"); err != nil {
		t.Fatal(err)
	}
	rows, err := db.Query(fmt.Sprintf("SELECT * FROM read_parquet('%s')", f.path))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	got, vals, ptrs := fileSums{}, make([]any, len(names)), make([]any, len(names))
	for i := range vals {
		ptrs[i] = &vals[i]
	}
	for rows.Next() {
		if err := rows.Scan(ptrs...); err != nil {
			t.Fatal(err)
		}
		for i, v := range vals {
			got.add(names[i], f.duckValue(names[i], v))
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	f.same(t, got)

	// A cuboid is a filter, which DuckDB answers by the statistics.
	var n, events int64
	q := "SELECT count(*), sum(count) FROM read_parquet('%s') WHERE _cuboid = 0"
	if err := db.QueryRow(fmt.Sprintf(q, f.path)).Scan(&n, &events); err != nil || n != 1 || events != 400 {
		t.Errorf("cuboid 0: %d rows of %d events, want 1 of 400: %v", n, events, err)
	}
}

func (f *typedFile) duckValue(name string, v any) any {
	switch v := v.(type) {
	case duckdb.Decimal:
		return v.Value
	case time.Time:
		if f.types[name].Kind == cube.Date {
			return v.Unix() / 86400
		}
		return v.UnixMicro()
	}
	return v
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

func TestXitongsysReads(t *testing.T) { crossReads(t, xitongsysReads) }

func xitongsysReads(t *testing.T, f typedFile) {
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
			if text, ok := v.(string); ok && f.wide(name) {
				v = twosComplement([]byte(text))
			}
			got.add(name, v)
		}
	}
	f.same(t, got)
}

func TestParquetGoReads(t *testing.T) { crossReads(t, parquetGoReads) }

func parquetGoReads(t *testing.T, f typedFile) {
	pf, err := parquet.OpenFile(bytes.NewReader(f.data), int64(len(f.data)))
	if err != nil {
		t.Fatal(err)
	}
	got := fileSums{}
	rows := make([]parquet.Row, 100)
	for _, rg := range pf.RowGroups() {
		r := rg.Rows()
		for {
			n, err := r.ReadRows(rows)
			for _, row := range rows[:n] {
				for i, v := range row {
					name := pf.Schema().Fields()[i].Name()
					got.add(name, f.parquetGoValue(name, v))
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
	f.same(t, got)
}

func (f *typedFile) parquetGoValue(name string, v parquet.Value) any {
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
	case f.wide(name):
		return twosComplement(v.ByteArray())
	}
	return v.ByteArray()
}

// TIDEMARK_PYTHON names a python that has pyarrow and pandas; `make test` sets it.
func TestPythonReads(t *testing.T) { crossReads(t, pythonReads) }

func pythonReads(t *testing.T, f typedFile) {
	python := os.Getenv("TIDEMARK_PYTHON")
	if python == "" {
		t.Skip("TIDEMARK_PYTHON names no python with pyarrow and pandas")
	}
	cmd := exec.CommandContext(t.Context(), python, "../../ingest/stage/testdata/readers.py", f.path)
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]struct {
		PyArrow fileSums `json:"pyarrow"`
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	f.same(t, got[f.path].PyArrow)
}
