//go:build !race

// Much data, and no goroutines that other tests do not have: the stage race runs these without the detector.

package stage_test

import (
	"sort"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit/readers"
)

// TIDEMARK_PYTHON names a python that has pyarrow and pandas; `make test` sets it.
func TestPythonReads(t *testing.T) {
	files := map[string]testFile{}
	var paths []string
	for _, x := range []struct {
		format cube.Format
		suffix string
	}{{cube.Parquet, ".parquet"}, {cube.NDJSON, ".ndjson.zst"}} {
		for _, f := range testFiles(t, x.format) {
			if f.name == "empty" && x.format == cube.NDJSON {
				continue // no line, no columns: pandas and pyarrow refuse an empty input
			}
			path := writeFile(t, &f, x.suffix)
			files[path] = f
			paths = append(paths, path)
		}
	}
	got := readers.Python(t, "testdata/readers.py", paths...)
	for path, f := range files {
		checkPython(t, path, &f, got[path])
	}
}

func checkPython(t *testing.T, path string, f *testFile, got readers.PythonSums) {
	t.Helper()
	if got.PyArrow == nil && got.Pandas == nil {
		t.Errorf("%s: read by nobody", path)
	}
	if got.PyArrow != nil {
		f.want.Same(t, f.name, got.PyArrow)
	}
	if got.Rows != nil && *got.Rows != f.rows {
		t.Errorf("%s: pyarrow reads %d lines, want %d", path, *got.Rows, f.rows)
	}
	if p := got.Pandas; p != nil && f.rows > 0 {
		var columns []string
		for name := range f.want {
			columns = append(columns, name)
		}
		sort.Strings(columns)
		var have []string
		for _, name := range p.Columns {
			if name != "_raw_base64" && name != "_key_base64" {
				have = append(have, name)
			}
		}
		if _, raw := f.want["_raw"]; raw && len(have) < len(columns) {
			columns = cmpWithout(columns, "_raw") // no value of the file is UTF-8: it has only _raw_base64
		}
		if d := cmp.Diff(columns, have); d != "" || p.Rows != f.rows {
			t.Errorf("%s: pandas reads %d rows, want %d; columns (-want +pandas):\n%s", path, p.Rows, f.rows, d)
		}
	}
}

func cmpWithout(all []string, name string) []string {
	var out []string
	for _, x := range all {
		if x != name {
			out = append(out, x)
		}
	}
	return out
}
