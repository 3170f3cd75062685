package cuboid_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
	"github.com/tidemarkdb/tidemark/internal/testkit/celltest"
	"github.com/tidemarkdb/tidemark/segmenter"
)

func objectBytes(t testing.TB, st blob.Store, key string) []byte {
	t.Helper()
	body, err := st.Open(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// readEverything reads all cuboids.
func readEverything(t testing.TB, st blob.Store, b built, l *cells.Layout) (string, error) {
	t.Helper()
	r, err := cuboid.NewReader(st, l, b.files, b.entries)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var text strings.Builder
	for _, mask := range celltest.Masks(l) {
		lines, err := readCuboid(t, r, l, mask)
		if err != nil {
			return "", err
		}
		text.WriteString(strings.Join(lines, "\n"))
	}
	return text.String(), nil
}

func checkFormatError(t testing.TB, key string, err error) {
	t.Helper()
	var fe *cuboid.FormatError
	if !errors.As(err, &fe) || fe.Key != key || !strings.Contains(err.Error(), key) {
		t.Fatalf("%s: error %v (%T), want a *FormatError that names it", key, err, err)
	}
}

// A storage error stays one when a cuboid is read: it is no damage, and worth another try.
func TestReadFaults(t *testing.T) {
	l := testLayout(t)
	b := goldenStore(t, "testdata/format/v1")
	for at := 0; ; at++ {
		faulty := &faultblob.Store{Store: b.st, At: at}
		_, err := readEverything(t, faulty, b, l)
		if !faulty.Fired() {
			if err != nil {
				t.Fatal(err)
			}
			if at < 10 {
				t.Errorf("only %d storage calls", at)
			}
			break
		}
		var fe *cuboid.FormatError
		if err == nil || errors.As(err, &fe) {
			t.Fatalf("fault %d gives %v, want a storage error", at, err)
		}
	}
}

// A storage call that fails, before or after it took effect, ends the writer; a second one on the same store ends in the
// same files.
func TestWriteFaults(t *testing.T) {
	l := testLayout(t)
	want := fixture(t, l)
	base := celltest.Cells(t, l, 20260101, 30)
	write := func(st blob.Store) ([]segmenter.SegmentFile, error) {
		w, err := cuboid.NewWriter(st, testFolder, l, cuboid.WriterOptions{FileBytes: 16 << 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, mask := range celltest.Masks(l) {
			if err := appendCells(t, w, l, celltest.RollUp(t, l, base, mask), batches{rows: 20}); err != nil {
				return nil, err
			}
		}
		files, _, err := w.Finish(t.Context())
		return files, err
	}
	for _, after := range []bool{false, true} {
		for at := 0; ; at++ {
			mem := new(blob.Mem)
			st := &faultblob.Store{Store: mem, At: at, After: after}
			_, err := write(st)
			if !st.Fired() {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
			if err == nil {
				t.Fatalf("fault %d (after=%t) was swallowed", at, after)
			}
			files, err := write(mem)
			if err != nil || len(files) != len(want.files) {
				t.Fatalf("fault %d (after=%t): the second build gives %d files, want %d: %v", at, after, len(files), len(want.files), err)
			}
			for i, f := range files {
				if f != want.files[i] {
					t.Fatalf("fault %d (after=%t): file %+v, want %+v", at, after, f, want.files[i])
				}
			}
		}
	}
}
