package cuboid_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/testkit/celltest"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// create writes golden files that do not exist yet. Those that exist are never written again: they are what readers of
// this version must read for ever.
var create = flag.Bool("create", false, "create missing golden files")

// goldenSets are folders of golden files: numbers, and measures of every function.
func goldenSets(t testing.TB) map[string]*cells.Layout {
	return map[string]*cells.Layout{"testdata/format/v1": testLayout(t), "testdata/format/v1/measures": everyMeasure(t)}
}

// goldenIndex is what a manifest says of the golden files.
type goldenIndex struct {
	Files   []segmenter.SegmentFile `json:"files"`
	Cuboids []segmenter.CuboidEntry `json:"cuboids"`
}

// fixture builds what the golden files hold: several files, cuboids in several row groups. It must never change.
func fixture(t testing.TB, l *cells.Layout) built {
	t.Helper()
	return build(t, l, celltest.Cells(t, l, 20260101, 30), cuboid.WriterOptions{FileBytes: 16 << 10}, batches{rows: 20})
}

// golden compares got with a golden file.
func golden(t *testing.T, dir, name string, got []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	want, err := os.ReadFile(path)
	if os.IsNotExist(err) && *create {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes are made, other ones than the golden file's %d", path, len(got), len(want))
	}
}

// U2: the writer of today writes the golden files, byte by byte. When a better writer changes bytes within the format, this
// test changes; the files and TestReadGolden do not.
func TestWriteGolden(t *testing.T) {
	for dir, l := range goldenSets(t) {
		b := fixture(t, l)
		for _, f := range b.files {
			golden(t, dir, filepath.Base(f.Key), objectBytes(t, b.st, f.Key))
		}
		text, err := json.MarshalIndent(goldenIndex{b.files, b.entries}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, dir, "index.json", append(text, '\n'))
		golden(t, dir, "rows.txt", []byte(allRows(t, b.reader(t, l), l)))
	}
}

// U3: version 1 is read for ever.
func TestReadGolden(t *testing.T) {
	for dir, l := range goldenSets(t) {
		b := goldenStore(t, dir)
		want, err := os.ReadFile(filepath.Join(dir, "rows.txt"))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(allRows(t, b.reader(t, l), l), "\n")); d != "" {
			t.Errorf("%s: rows differ (-golden +read):\n%s", dir, d)
		}
		if len(b.files) < 2 {
			t.Errorf("%s: %d golden files, want some", dir, len(b.files))
		}
	}
}

// goldenStore returns the golden files as they lie in the repository.
func goldenStore(t testing.TB, dir string) built {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index goldenIndex
	if err := json.Unmarshal(text, &index); err != nil {
		t.Fatal(err)
	}
	b := built{st: new(blob.Mem), files: index.Files, entries: index.Cuboids}
	for _, f := range b.files {
		data, err := os.ReadFile(filepath.Join(dir, filepath.Base(f.Key)))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.st.Create(t.Context(), f.Key, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// allRows returns the rows of all test cuboids as text.
func allRows(t testing.TB, r *cuboid.Reader, l *cells.Layout) string {
	t.Helper()
	var text strings.Builder
	for _, mask := range celltest.Masks(l) {
		fmt.Fprintf(&text, "cuboid %d\n", mask)
		lines, err := readCuboid(t, r, l, mask)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			fmt.Fprintln(&text, line)
		}
	}
	return text.String()
}
