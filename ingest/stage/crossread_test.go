//go:build !race

// Much data, and no goroutines that other tests do not have: the stage race runs these without the detector.

package stage_test

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// colSum is what a reader found in a column: how many values are not null, and the sum of the checksums of their text.
// It does not depend on the order of rows. The text of a value: text makes it; testdata/readers.py makes the same.
type colSum struct {
	Values int64  `json:"values"`
	Sum    uint64 `json:"sum"`
}

func (s *colSum) add(text []byte) {
	s.Values++
	s.Sum += uint64(crc32.ChecksumIEEE(text))
}

// fileSums are the sums of a file's columns by name.
type fileSums map[string]*colSum

func (f fileSums) add(name string, v any) {
	s := f[name]
	if s == nil {
		s = new(colSum)
		f[name] = s
	}
	if v != nil {
		s.add(textOf(v))
	}
}

// textOf returns the text of a value: decimals by their unscaled number, times by micros (_timestamp: millis) since
// 1970, dates by days, floats by their bits.
func textOf(v any) []byte {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(nil, v)
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

// sumsOf returns the sums of our own rows.
func sumsOf(s *stage.Schema, chunks ...*stage.Chunk) fileSums {
	all := fileSums{}
	for _, c := range chunks {
		for r := range c.Rows() {
			all.add(stage.OffsetColumn, c.Offsets[r])
			all.add(stage.TimestampColumn, c.Timestamps[r])
			for i, f := range s.Fields {
				all.add(f.Name, valueOf(&f, &c.Columns[i], r))
			}
		}
	}
	return all
}

func valueOf(f *stage.Field, c *stage.Column, r int) any {
	switch {
	case c.IsNull(r):
		return nil
	case f.Kind == stage.Bool:
		return c.Int(r) != 0
	case f.Kind == stage.Int64:
		return c.Int(r)
	case f.Kind == stage.Float64:
		return c.Float(r)
	case f.Kind == stage.Decimal128:
		return twosComplement(c.Bytes(r))
	}
	return c.Bytes(r)
}

// twosComplement returns the number of big-endian bytes.
func twosComplement(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

// testFile is a file that other readers read, and what they must find.
type testFile struct {
	name string
	data []byte
	want fileSums
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
func ownSums(t *testing.T, key string, data []byte) fileSums {
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

// same compares the sums of a reader with ours. A file without rows has no sums.
func (f *testFile) same(t *testing.T, got fileSums) {
	t.Helper()
	if d := cmp.Diff(f.want, got); d != "" {
		t.Errorf("%s: sums differ (-tidemark +reader):\n%s", f.name, d)
	}
}
