package cuboid_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/testkit/celltest"
	"github.com/tidemarkdb/tidemark/segmenter"
)

func (b *built) reader(t testing.TB, l *cells.Layout) *cuboid.Reader {
	t.Helper()
	r, err := cuboid.NewReader(b.st, l, b.files, b.entries)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// readCuboid reads every row of a cuboid as text.
func readCuboid(t testing.TB, r *cuboid.Reader, l *cells.Layout, mask uint64) ([]string, error) {
	t.Helper()
	groups, err := r.Groups(t.Context(), mask)
	if err != nil {
		return nil, err
	}
	lines := []string{}
	for _, g := range groups {
		c, err := r.Cells(t.Context(), g)
		if err != nil {
			return nil, err
		}
		lines = append(lines, celltest.Rows(c)...)
	}
	return lines, nil
}

// U1, U3: what was written is read, whatever the row groups and files.
func TestRoundTrip(t *testing.T) {
	l := testLayout(t)
	rapid.Check(t, func(rt *rapid.T) {
		base := celltest.Cells(t, l, rapid.Uint64().Draw(rt, "seed"), rapid.IntRange(0, 120).Draw(rt, "rows"))
		o := cuboid.WriterOptions{FileBytes: rapid.Int64Range(1, 40000).Draw(rt, "file bytes"), MaxGroups: rapid.IntRange(1, 5).Draw(rt, "groups")}
		b := build(t, l, base, o, batches{rows: rapid.IntRange(7, 100).Draw(rt, "group rows")})
		r := b.reader(t, l)
		for _, mask := range celltest.Masks(l) {
			got, err := readCuboid(t, r, l, mask)
			if err != nil {
				rt.Fatal(err)
			}
			if d := cmp.Diff(celltest.Rows(b.cells[mask]), got); d != "" {
				rt.Fatalf("cuboid %b (-written +read):\n%s", mask, d)
			}
		}
		var names []string
		for i, e := range b.entries {
			if e.Rows != int64(b.cells[uint64(e.Cuboid)].Len()) || i > 0 && b.entries[i-1].Cuboid >= e.Cuboid {
				rt.Fatalf("entry %+v: want %d rows, and cuboids ascending", e, b.cells[uint64(e.Cuboid)].Len())
			}
		}
		for i, f := range b.files {
			names = append(names, f.Key)
			if i > 0 && names[i-1] >= f.Key {
				rt.Fatalf("files %q do not ascend", names)
			}
		}
	})
}

// U2: the same rows give the same bytes, whatever the parts they come in. U4: and the same hash in other row groups.
func TestSameBytes(t *testing.T) {
	l := testLayout(t)
	rapid.Check(t, func(rt *rapid.T) {
		base := celltest.Cells(t, l, rapid.Uint64().Draw(rt, "seed"), rapid.IntRange(1, 100).Draw(rt, "rows"))
		rows := rapid.IntRange(5, 60).Draw(rt, "group rows")
		o := cuboid.WriterOptions{FileBytes: 30000}
		a := build(t, l, base, o, batches{rows: rows})
		b := build(t, l, base, o, batches{rows: rows, cut: func(n int) int { return rapid.IntRange(1, n).Draw(rt, "part") }})
		if d := cmp.Diff(a.files, b.files); d != "" {
			rt.Fatalf("other parts, other files:\n%s", d)
		}
		if d := cmp.Diff(a.entries, b.entries); d != "" {
			rt.Fatalf("other parts, other cuboids:\n%s", d)
		}
		c := build(t, l, base, cuboid.WriterOptions{}, batches{rows: rows + 1})
		if d := cmp.Diff(hashes(a.entries), hashes(c.entries)); d != "" {
			rt.Fatalf("other row groups and files, other hashes:\n%s", d)
		}
	})
}

func hashes(entries []segmenter.CuboidEntry) map[int64]string {
	out := map[int64]string{}
	for _, e := range entries {
		out[e.Cuboid] = e.SHA256
	}
	return out
}

// Any dimensions and measures may be read alone.
func TestReadSome(t *testing.T) {
	l := testLayout(t)
	b := build(t, l, celltest.Cells(t, l, 5, 90), cuboid.WriterOptions{}, batches{rows: 40})
	r := b.reader(t, l)
	rapid.Check(t, func(rt *rapid.T) {
		mask := rapid.SampledFrom(celltest.Masks(l)).Draw(rt, "cuboid")
		dims := rapid.Uint64Range(0, l.Base()).Draw(rt, "dims")
		measures := rapid.SliceOfNDistinct(rapid.IntRange(0, len(l.Measures)-1), 0, -1, rapid.ID).Draw(rt, "measures")
		groups, err := r.Groups(t.Context(), mask)
		if err != nil {
			rt.Fatal(err)
		}
		for _, g := range groups {
			all, err := r.Read(t.Context(), g, l.Base(), nil)
			if err != nil {
				rt.Fatal(err)
			}
			some, err := r.Read(t.Context(), g, dims, append([]int{}, measures...))
			if err != nil {
				rt.Fatal(err)
			}
			for i := range l.Dims {
				want := all.Dicts[i]
				if dims>>(len(l.Dims)-1-i)&1 == 0 {
					want = nil
				}
				if (want == nil) != (some.Dicts[i] == nil) || want != nil && (!cmp.Equal(want, some.Dicts[i], cmpopts.EquateNaNs()) || !cmp.Equal(all.Codes[i], some.Codes[i])) {
					rt.Fatalf("dimension %s of %b: %v %v, want %v %v", l.Dims[i].Name, dims, some.Dicts[i], some.Codes[i], want, all.Codes[i])
				}
			}
			for i := range l.Measures {
				wanted := false
				for _, m := range measures {
					wanted = wanted || m == i
				}
				if wanted != (some.States[i] != nil) {
					rt.Fatalf("measure %d read: %t, asked for: %t", i, some.States[i] != nil, wanted)
				}
			}
		}
	})
}

// Statistics bound the values of a row group, so that a reader may pass it over.
func TestBounds(t *testing.T) {
	l := testLayout(t)
	b := build(t, l, celltest.Cells(t, l, 9, 200), cuboid.WriterOptions{}, batches{rows: 16})
	r := b.reader(t, l)
	known := 0
	for _, mask := range celltest.Masks(l) {
		groups, err := r.Groups(t.Context(), mask)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range groups {
			rows, err := r.Read(t.Context(), g, l.Base(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, d := range rows.Dicts {
				nulls := int64(0)
				for _, code := range rows.Codes[i] {
					if code == 0 {
						nulls++
					}
					if bound := g.Bounds[i]; bound != nil && code != 0 {
						known++
						if d.Compare(code, bound, 1) < 0 || d.Compare(code, bound, 2) > 0 {
							t.Fatalf("cuboid %b, dimension %s: a value outside of the bounds %v", mask, l.Dims[i].Name, bound.Values)
						}
					}
				}
				if d != nil && nulls != g.Nulls[i] {
					t.Errorf("cuboid %b, dimension %s: %d nulls, the statistics say %d", mask, l.Dims[i].Name, nulls, g.Nulls[i])
				}
			}
		}
	}
	if known == 0 {
		t.Error("no bounds at all")
	}
}

// U1: rows that do not ascend, mix cuboids or come back to one are refused.
func TestRefusedRows(t *testing.T) {
	l := testLayout(t)
	base := celltest.Cells(t, l, 3, 40)
	e, err := cuboid.NewEncoder(l)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Encode(cells.Part{Cells: base, From: 5, To: 9}, cells.Part{Cells: base, From: 8, To: 12}); err == nil {
		t.Error("a row twice: encoded, want an error")
	}
	if _, err := e.Encode(celltest.Whole(base), celltest.Whole(celltest.RollUp(t, l, base, 1))); err == nil {
		t.Error("two cuboids in one group: encoded, want an error")
	}
	w, err := cuboid.NewWriter(build(t, l, base, cuboid.WriterOptions{}, batches{rows: 99}).st, "other", l, cuboid.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, mask := range []uint64{1, 3, 1} {
		g, err := e.Encode(celltest.Whole(celltest.RollUp(t, l, base, mask)))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(t.Context(), g); (err != nil) != (i == 2) {
			t.Errorf("cuboid %b as number %d: %v", mask, i, err)
		}
	}
}

// I4: a file that is there with other bytes is an error, one with the same bytes is success.
func TestFileExists(t *testing.T) {
	l := testLayout(t)
	base := celltest.Cells(t, l, 3, 40)
	b := build(t, l, base, cuboid.WriterOptions{}, batches{rows: 99})
	for _, same := range []bool{true, false} {
		c := base
		if !same {
			c = celltest.Cells(t, l, 4, 40)
		}
		w, err := cuboid.NewWriter(b.st, testFolder, l, cuboid.WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, mask := range celltest.Masks(l) {
			if err := appendCells(t, w, l, celltest.RollUp(t, l, c, mask), batches{rows: 99}); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := w.Finish(t.Context()); (err == nil) != same {
			t.Errorf("the same bytes: %t; Finish: %v", same, err)
		}
	}
}
