package hbase

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/testkit/celltest"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// create writes golden files that do not exist yet. Those that exist are never written again: they are what readers of
// this version must read for ever.
var create = flag.Bool("create", false, "create missing golden files")

const goldenDir = "testdata/format/v1"

// goldenIndex is what a manifest says of the golden table.
type goldenIndex struct {
	Stored  *segmenter.StoredTable  `json:"stored"`
	Cuboids []segmenter.CuboidEntry `json:"cuboids"`
}

// fixture writes what the golden table holds: several shards, cuboids in several row groups. It must never change.
func fixture(t testing.TB) (*written, *Mem) {
	t.Helper()
	w := newWorld(t, 20260101, 30)
	s, mem := fakeStore(t, Options{ShardEvents: 10, GroupRows: 12})
	if err := w.write(t, s, w.spec(7, 30), 17); err != nil {
		t.Fatal(err)
	}
	return w, mem
}

// dump returns the rows of a table, a line for each: key and value in hex.
func dump(mem *Mem, table string) string {
	var b strings.Builder
	mem.Each(table, func(k, v []byte) []byte {
		fmt.Fprintf(&b, "%x %x\n", k, v)
		return v
	})
	return b.String()
}

// goldenRows reads the lines of dump.
func goldenRows(t testing.TB) (list []row) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(goldenDir, "table.hex"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), " ")
		key, err := hex.DecodeString(k)
		if err != nil {
			t.Fatal(err)
		}
		value, err := hex.DecodeString(v)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, row{key, value})
	}
	return list
}

// texts returns the rows of all test cuboids as text.
func (w *written) texts() string {
	var b strings.Builder
	for _, mask := range celltest.Masks(w.layout) {
		fmt.Fprintf(&b, "cuboid %d\n", mask)
		for _, line := range celltest.Rows(w.cells[mask]) {
			fmt.Fprintln(&b, line)
		}
	}
	return b.String()
}

// H2: the writer of today writes the golden table, byte by byte. When a better writer changes bytes within the format, this
// test changes; the files and TestReadGolden do not.
func TestWriteGolden(t *testing.T) {
	w, mem := fixture(t)
	index, err := json.MarshalIndent(goldenIndex{w.stored, w.entries}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"table.hex": dump(mem, w.stored.Table), "index.json": string(index) + "\n", "rows.txt": w.texts()} {
		path := filepath.Join(goldenDir, name)
		want, err := os.ReadFile(path)
		if os.IsNotExist(err) && *create {
			if err := os.MkdirAll(goldenDir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
			t.Errorf("%s (-golden +made):\n%s", path, d)
		}
	}
}

// Version 1 is read for ever: the golden rows give the golden cells, by a manifest and without one.
func TestReadGolden(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(goldenDir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index goldenIndex
	if err := json.Unmarshal(text, &index); err != nil {
		t.Fatal(err)
	}
	s, mem := fakeStore(t, Options{})
	mem.Make(index.Stored.Table)
	if err := s.put(t.Context(), index.Stored.Table, goldenRows(t)); err != nil {
		t.Fatal(err)
	}
	l := testLayout(t)
	r, err := s.NewReader(l, index.Stored, index.Cuboids)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Verify(t.Context(), func(int64, int64) {}); err != nil {
		t.Fatal(err)
	}
	a, err := s.OpenAlone(t.Context(), index.Stored.Table)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, mask := range celltest.Masks(l) {
		fmt.Fprintf(&got, "cuboid %d\n", mask)
		groups, err := r.Groups(t.Context(), mask)
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for _, g := range groups {
			c, err := r.Cells(t.Context(), g)
			if err != nil {
				t.Fatal(err)
			}
			rows += c.Len()
			for _, line := range celltest.Rows(c) {
				fmt.Fprintln(&got, line)
			}
		}
		if cols, err := a.First(t.Context(), mask, 1000); err != nil || cols[0].Len() != rows {
			t.Errorf("cuboid %d, read by itself: %v, want %d rows", mask, err, rows)
		}
	}
	want, err := os.ReadFile(filepath.Join(goldenDir, "rows.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, []byte(got.String())) {
		t.Errorf("rows differ (-golden +read):\n%s", cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")))
	}
}
