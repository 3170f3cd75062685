//go:build !race

// Much data, and no goroutines that other tests do not have: the stage race runs these without the detector.

package stage_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit/readers"
)

// sumsOf returns the sums of our own rows.
func sumsOf(s *stage.Schema, chunks ...*stage.Chunk) readers.Sums {
	all := readers.Sums{}
	for _, c := range chunks {
		for r := range c.Rows() {
			all.Add(stage.OffsetColumn, c.Offsets[r])
			all.Add(stage.TimestampColumn, c.Timestamps[r])
			for i, f := range s.Fields {
				all.Add(f.Name, readers.Value(&c.Columns[i], r))
			}
		}
	}
	return all
}

// testFile is a file that other readers read, and what they must find.
type testFile struct {
	name string
	data []byte
	want readers.Sums
	rows int64
}

// testFiles returns files of one format: every type with its hard values, and many rows in several pages and row groups.
func testFiles(t *testing.T, f cube.Format) []testFile {
	t.Helper()
	encode := func(name string, s *stage.Schema, foot stage.Footer, chunks []*stage.Chunk, rows int) testFile {
		var buf bytes.Buffer
		if _, err := stage.Encode(&buf, s, f, foot, chunks, stage.EncodeOptions{RowGroupRows: rows}); err != nil {
			t.Fatal(err)
		}
		return testFile{name, buf.Bytes(), sumsOf(s, chunks...), foot.Events}
	}
	s, c, foot := stage.Fixture()
	views, chunks, viewFoot := stage.PageViews(40000)
	files := []testFile{
		encode("fixture", s, foot, []*stage.Chunk{c}, 40),
		encode("pageviews", views, viewFoot, chunks, 36000),
		encode("empty", s, stage.Footer{TableID: "t7"}, nil, 0),
	}
	suffix := ".parquet"
	if f == cube.NDJSON {
		suffix = ".ndjson.zst"
	}
	for key, data := range stage.GoldenFiles(t) {
		k, err := stage.ParseKey(key)
		if err != nil {
			t.Fatal(err)
		}
		if k.Kind == stage.SupplementFile && strings.HasSuffix(key, suffix) {
			files = append(files, testFile{"supplement", data, ownSums(t, key, data), 20})
		}
	}
	return files
}

// ownSums reads a file with our reader.
func ownSums(t *testing.T, key string, data []byte) readers.Sums {
	t.Helper()
	st := new(blob.Mem)
	if err := st.Create(t.Context(), key, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	r, err := stage.Open(t.Context(), st, key, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var chunks []*stage.Chunk
	for g := range r.Groups() {
		c, err := r.Read(t.Context(), g, nil)
		if err != nil {
			t.Fatal(err)
		}
		chunks = append(chunks, c)
	}
	return sumsOf(r.Schema(), chunks...)
}

// wide reports whether a column's values are bytes of a decimal.
func (f *testFile) wide(name string) bool { return f.name != "pageviews" && name == "huge" }
