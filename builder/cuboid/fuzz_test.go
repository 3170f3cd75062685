package cuboid_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/zeebo/xxh3"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit/celltest"
)

// maxFuzzBytes bounds what reading an input of the fuzzer, of some kilobytes, may allocate.
const maxFuzzBytes = 512 << 20

// FuzzFile reads any bytes as a cuboid file, by itself and by a manifest: an error is fine, if it names the file; a panic, a hang or
// a run out of memory is not (U3). Sealed inputs have the hash of their metadata, so that more than the guard is tried.
func FuzzFile(f *testing.F) {
	l := fuzzLayout(f)
	whole := build(f, l, celltest.Cells(f, l, 5, 6), cuboid.WriterOptions{}, batches{rows: 4})
	key := whole.files[0].Key
	data := objectBytes(f, whole.st, key)
	f.Add(data, true)
	f.Add(data, false)
	f.Add(data[:len(data)/2], false)
	f.Add(data[len(data)/2:], true)
	f.Fuzz(func(t *testing.T, data []byte, sealed bool) {
		if sealed {
			data = seal(data)
		}
		st := new(blob.Mem)
		if err := st.Create(t.Context(), key, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		defer func() {
			if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > maxFuzzBytes {
				t.Errorf("reading %d bytes allocates %d", len(data), after.TotalAlloc-before.TotalAlloc)
			}
		}()
		if err := readAlone(t, st, key); err != nil {
			checkFormatError(t, key, err)
			return
		}
		b := built{files: slices.Clone(whole.files), entries: whole.entries}
		b.files[0].Size = int64(len(data))
		var format *cuboid.FormatError
		var entry *cuboid.EntryError
		if _, err := readEverything(t, st, b, l); err != nil && !errors.As(err, &format) && !errors.As(err, &entry) {
			t.Fatalf("error %v (%T), want a *FormatError or an *EntryError", err, err)
		}
	})
}

// fuzzLayout has few columns, and a measure of every kind of state.
func fuzzLayout(f *testing.F) *cells.Layout {
	c := celltest.Cube()
	c.Dimensions, c.RowKey, c.Measures = c.Dimensions[:5], nil, nil
	for _, m := range []string{"count", "sum amount", "avg share", "max url", "count_distinct_exact name", "percentile share", "first url"} {
		function, column, _ := strings.Cut(m, " ")
		c.Measures = append(c.Measures, cube.Measure{Function: cube.Function(function), Column: column})
	}
	c.Measures = append(c.Measures, cube.Measure{Function: cube.CountDistinct, Column: "share", Precision: 4}, cube.Measure{Function: cube.TopN, By: []string{"url"}})
	return celltest.Layout(f, c.WithDefaults())
}

// seal gives metadata their hash, where there can be some. Before them stand 8 bytes of a name and those of the hash, after them 4 of
// their size and PAR1.
func seal(data []byte) []byte {
	out := bytes.Clone(data)
	end := len(out) - 8
	if end < 0 {
		return out
	}
	start := end - int(binary.LittleEndian.Uint32(out[end:]))
	if start < 16 || start > end {
		return out
	}
	binary.LittleEndian.PutUint64(out[start-8:], xxh3.Hash(out[start:end]))
	return out
}

// readAlone reads all of a file without a manifest.
func readAlone(t *testing.T, st blob.Store, key string) error {
	t.Helper()
	f, err := cuboid.OpenFile(t.Context(), st, key, -1)
	if err != nil {
		return err
	}
	defer f.Close()
	for i, g := range f.Groups {
		cols, err := f.Read(t.Context(), i)
		if err != nil {
			return err
		}
		for k := range cols {
			if n := int64(cols[k].Len()); n != g.Rows {
				t.Fatalf("row group %d, column %d: %d values of %d rows", i, k, n, g.Rows)
			}
		}
	}
	return nil
}
