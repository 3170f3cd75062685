package cuboid_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pages"
	"github.com/tidemarkdb/tidemark/internal/testkit/celltest"
	"github.com/tidemarkdb/tidemark/internal/testkit/readers"
)

// typedFile is a file that other readers read, what they must find and the types of its columns.
type typedFile struct {
	path  string
	data  []byte
	rows  int64
	want  readers.Sums
	types map[string]cube.Type
}

// crossFile writes cuboids of many rows, in several pages and row groups, as one file.
func crossFile(t *testing.T, l *cells.Layout) typedFile {
	t.Helper()
	b := build(t, l, celltest.Cells(t, l, 11, 400), cuboid.WriterOptions{FileBytes: 1 << 30}, batches{rows: 150})
	h, err := cuboid.NewHeader(l)
	if err != nil {
		t.Fatal(err)
	}
	f := typedFile{data: objectBytes(t, b.st, b.files[0].Key), want: readers.Sums{}, types: map[string]cube.Type{}}
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
		f.want.Add("_cuboid", int64(mask))
		for i, d := range c.Dicts {
			if d == nil || c.Keys.Code(r, i) == 0 {
				f.want.Add(l.Dims[i].Name, nil)
			} else {
				f.want.Add(l.Dims[i].Name, readers.Value(&d.Values, int(c.Keys.Code(r, i)-1)))
			}
		}
	}
	for i, s := range c.States {
		cols := s.Columns(0, c.Len())
		for k, spec := range l.Measures[i].Columns() {
			for r := range c.Len() {
				f.want.Add(spec.Name, readers.Value(&cols[k], r))
			}
		}
	}
}

// wide reports whether a column's values are 16 bytes of a decimal.
func (f *typedFile) wide(name string) bool {
	return pages.KindOf(f.types[name]) == pages.Decimal128 && name != "_cuboid"
}

// crossReads has a reader read files with numbers, and with measures of every function.
func crossReads(t *testing.T, read func(*testing.T, typedFile)) {
	for dir, l := range goldenSets(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) { read(t, crossFile(t, l)) })
	}
}

func TestDuckDBReads(t *testing.T) { crossReads(t, duckDBReads) }

func duckDBReads(t *testing.T, f typedFile) {
	db := readers.OpenDuckDB(t)
	f.want.Same(t, f.path, readers.DuckDB(t, db, fmt.Sprintf("SELECT * FROM read_parquet('%s')", f.path), func(name string, at time.Time) int64 {
		if f.types[name].Kind == cube.Date {
			return at.Unix() / 86400
		}
		return at.UnixMicro()
	}))

	// A cuboid is a filter, which DuckDB answers by the statistics.
	var n, events int64
	q := "SELECT count(*), sum(count) FROM read_parquet('%s') WHERE _cuboid = 0"
	if err := db.QueryRow(fmt.Sprintf(q, f.path)).Scan(&n, &events); err != nil || n != 1 || events != 400 {
		t.Errorf("cuboid 0: %d rows of %d events, want 1 of 400: %v", n, events, err)
	}
}

func TestXitongsysReads(t *testing.T) {
	crossReads(t, func(t *testing.T, f typedFile) { f.want.Same(t, f.path, readers.Xitongsys(t, f.data, f.rows, f.wide)) })
}

func TestParquetGoReads(t *testing.T) {
	crossReads(t, func(t *testing.T, f typedFile) { f.want.Same(t, f.path, readers.ParquetGo(t, f.data, f.wide)) })
}

// TIDEMARK_PYTHON names a python that has pyarrow and pandas; `make test` sets it.
func TestPythonReads(t *testing.T) {
	crossReads(t, func(t *testing.T, f typedFile) {
		f.want.Same(t, f.path, readers.Python(t, "../../ingest/stage/testdata/readers.py", f.path)[f.path].PyArrow)
	})
}
