package hbase

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/testkit/celltest"
	"github.com/tidemarkdb/tidemark/segmenter"
)

func testLayout(t testing.TB) *cells.Layout {
	t.Helper()
	return celltest.Layout(t, celltest.Cube("first url", "count_distinct num", "percentile share"))
}

// testTexts are strings that a row key has trouble with among them.
func testTexts() []string {
	return []string{"", "DE", "FR", "Ünïcode ✓", "a\nb", "a\x00b", "a\x00", "a", strings.Repeat("long", 30)}
}

// written is a segment's cuboids in a table, and what files of the same cells would say of them.
type written struct {
	layout  *cells.Layout
	cells   map[uint64]*cells.Cells
	entries []segmenter.CuboidEntry
	stored  *segmenter.StoredTable
	files   []segmenter.CuboidEntry
}

func newWorld(t testing.TB, seed uint64, events int) *written {
	t.Helper()
	l, all := testLayout(t), map[uint64]*cells.Cells{}
	base := celltest.Cells(t, l, seed, events, testTexts()...)
	for _, mask := range celltest.Masks(l) {
		all[mask] = celltest.RollUp(t, l, base, mask)
	}
	return worldOf(t, l, all)
}

// worldOf makes the files of cuboids, to compare with.
func worldOf(t testing.TB, l *cells.Layout, all map[uint64]*cells.Cells) *written {
	t.Helper()
	w := &written{layout: l, cells: all}
	enc, err := cuboid.NewEncoder(w.layout)
	if err != nil {
		t.Fatal(err)
	}
	out, err := cuboid.NewWriter(new(blob.Mem), "segments/c1/0000.1", w.layout, cuboid.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, mask := range celltest.Masks(w.layout) {
		g, err := enc.Encode(cells.Part{Cells: w.cells[mask], To: w.cells[mask].Len()})
		if err != nil {
			t.Fatal(err)
		}
		if err := out.Append(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	if _, w.files, err = out.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *written) spec(attempt int64, events int) Spec {
	return Spec{CubeID: "c1", Segment: strings.Repeat("ab", 32), Attempt: attempt, ShardBy: "name", Events: int64(events), Layout: w.layout}
}

// write puts the cuboids into a table, in row groups of at most rows rows.
func (w *written) write(t testing.TB, s *Store, spec Spec, rows int) error {
	t.Helper()
	out, _, err := s.NewWriter(t.Context(), spec)
	if err != nil {
		return err
	}
	for _, mask := range celltest.Masks(w.layout) {
		if err := out.Begin(mask); err != nil {
			return err
		}
		c := w.cells[mask]
		for from := 0; from < c.Len(); from += rows {
			part, err := w.layout.Combine(mask, cells.Part{Cells: c, From: from, To: min(from+rows, c.Len())})
			if err != nil {
				t.Fatal(err)
			}
			if err := out.Append(t.Context(), part); err != nil {
				return err
			}
		}
	}
	w.entries, w.stored, err = out.Finish(t.Context(), func(int64, int64) {})
	return err
}

// same compares what was written with what files say, and what is read with the cells.
func (w *written) same(t testing.TB, s *Store) error {
	t.Helper()
	if len(w.entries) != len(w.files) {
		return fmt.Errorf("%d entries, want %d", len(w.entries), len(w.files))
	}
	for i, e := range w.entries {
		if f := w.files[i]; e.Cuboid != f.Cuboid || e.Rows != f.Rows || e.SHA256 != f.SHA256 {
			return fmt.Errorf("entry %+v, of files %+v", e, f)
		}
	}
	r, err := s.NewReader(w.layout, w.stored, w.entries)
	if err != nil {
		return err
	}
	for _, mask := range celltest.Masks(w.layout) {
		groups, err := r.Groups(t.Context(), mask)
		if err != nil {
			return err
		}
		var got []string
		for _, g := range groups {
			c, err := r.Cells(t.Context(), g)
			if err != nil {
				return err
			}
			got = append(got, celltest.Rows(c)...)
		}
		if want := celltest.Rows(w.cells[mask]); strings.Join(got, "\n") != strings.Join(want, "\n") {
			return fmt.Errorf("cuboid %b: read\n%s\nwant\n%s", mask, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	return nil
}

func fakeStore(t testing.TB, o Options) (*Store, *Mem) {
	t.Helper()
	s, f, err := OpenMem(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, f
}
