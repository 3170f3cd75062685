package cuboid_test

import (
	"runtime"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/testkit/celltest"
)

// U5: to make a file takes its bytes of memory, not a multiple of them.
func TestWriterHoldsAFileOnce(t *testing.T) {
	l := smallLayout(t)
	w, err := cuboid.NewWriter(new(blob.Mem), testFolder, l, cuboid.WriterOptions{FileBytes: 1 << 30, MaxGroups: 32767})
	if err != nil {
		t.Fatal(err)
	}
	e, err := cuboid.NewEncoder(l)
	if err != nil {
		t.Fatal(err)
	}
	g, err := e.Encode(celltest.Whole(celltest.Cells(t, l, 1, 20_000)))
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const groups = 200
	for range groups {
		if err := w.Append(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	files, _, err := w.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	took, size := int64(after.TotalAlloc-before.TotalAlloc), files[0].Size
	if most := size * 3 / 2; took > most || size < 8<<20 {
		t.Errorf("a file of %d bytes took %d bytes of memory, want at most %d", size, took, most)
	}
}
