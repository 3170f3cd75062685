package cuboid_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pages"
	"github.com/tidemarkdb/tidemark/internal/testkit/celltest"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// proveAll proves every cuboid, and that it agrees with the base.
func proveAll(r *cuboid.Reader, l *cells.Layout, t testing.TB) error {
	if err := r.ProvePieces(t.Context()); err != nil {
		return err
	}
	base, prints := cuboid.NewTotals(l), cuboid.NewPrints(l, celltest.Masks(l)...)
	for _, mask := range celltest.Masks(l) { // the base comes first
		totals, own := cuboid.NewTotals(l), cuboid.NewPrints(l, mask)
		err := r.Prove(t.Context(), mask, func(c *cells.Cells) error {
			own.Add(l, c)
			if mask == l.Base() {
				prints.Add(l, c)
				if err := base.Add(c); err != nil {
					return err
				}
			}
			return totals.Add(c)
		})
		if err != nil {
			return err
		}
		if why := totals.Differs(base, true); why != "" {
			return errors.New(why)
		}
		if why := own.Differs(prints, mask); why != "" {
			return errors.New("prints of " + why)
		}
	}
	return nil
}

// What an entry says wrong is told from a file that is damaged.
func TestProveRefuses(t *testing.T) {
	l := smallLayout(t)
	b := build(t, l, celltest.Cells(t, l, 3, 90), cuboid.WriterOptions{}, batches{rows: 20})
	for name, edit := range map[string]func(e []segmenter.CuboidEntry){
		"hash":                 func(e []segmenter.CuboidEntry) { e[0].SHA256 = e[1].SHA256 },
		"rows":                 func(e []segmenter.CuboidEntry) { e[1].Rows++ },
		"bytes":                func(e []segmenter.CuboidEntry) { e[1].Bytes++ },
		"a row group less":     func(e []segmenter.CuboidEntry) { e[len(e)-1].Pieces[0].Count-- },
		"a file that is none":  func(e []segmenter.CuboidEntry) { e[0].Pieces[0].File = 7 },
		"row groups of others": func(e []segmenter.CuboidEntry) { e[0].Pieces, e[1].Pieces = e[1].Pieces, e[0].Pieces },
		"row groups in another order": func(e []segmenter.CuboidEntry) {
			p := e[len(e)-1].Pieces[0]
			e[len(e)-1].Pieces = []segmenter.CuboidPiece{{First: p.First + 1, Count: p.Count - 1}, {First: p.First, Count: 1}}
		},
	} {
		bad := b
		bad.entries = slices.Clone(b.entries)
		for i := range bad.entries {
			bad.entries[i].Pieces = slices.Clone(b.entries[i].Pieces)
		}
		edit(bad.entries)
		var entry *cuboid.EntryError
		if err := proveAll(bad.reader(t, l), l, t); !errors.As(err, &entry) {
			t.Errorf("%s: got error %v, want an *EntryError", name, err)
		}
	}
}

// A number in a wrong row changes the fingerprint, although it adds up.
func TestPrintsSeeRows(t *testing.T) {
	l := smallLayout(t)
	c := celltest.Cells(t, l, 5, 60)
	swapped := *c
	swapped.States = slices.Clone(c.States)
	counts := c.States[0].Columns(0, c.Len())[0]
	ints := slices.Clone(counts.Ints)
	at := slices.IndexFunc(ints, func(v int64) bool { return v != ints[0] })
	if at < 0 {
		ints[0], ints[1], at = ints[0]+1, ints[1]-1, 1
	} else {
		ints[0], ints[at] = ints[at], ints[0]
	}
	var err error
	if swapped.States[0], err = l.Measures[0].FromColumns([]pages.Column{{Kind: pages.Int64, Ints: ints}}); err != nil {
		t.Fatal(err)
	}
	a, b := cuboid.NewPrints(l, l.Base(), 0), cuboid.NewPrints(l, l.Base(), 0)
	a.Add(l, c)
	b.Add(l, &swapped)
	if got := a.Differs(b, l.Base()); got != "count" {
		t.Errorf("counts of rows 0 and %d swapped: the fingerprints of the base differ in %q, want count", at, got)
	}
	if got := a.Differs(b, 0); got != "" {
		t.Errorf("counts of rows 0 and %d swapped: the fingerprints of no dimensions differ in %q, want none", at, got)
	}
}

// The values of a set, or of a top_n, in a wrong row change the fingerprint, although all rows together have them.
func TestPrintsSeeItems(t *testing.T) {
	l := everyMeasure(t)
	c := celltest.Cells(t, l, 5, 60)
	for i := range l.Measures {
		m := &l.Measures[i]
		if m.Function != cube.CountDistinctExact && m.Function != cube.TopN {
			continue
		}
		cols := c.States[i].Columns(0, c.Len())
		at := 0
		for at < c.Len() && string(cols[0].Bytes(at)) == string(cols[0].Bytes(0)) {
			at++
		}
		order := make([]int, c.Len())
		for row := range order {
			order[row] = row
		}
		order[0], order[at] = at, 0
		swapped := *c
		swapped.States = slices.Clone(c.States)
		col := pages.Column{Kind: pages.Bytes}
		for _, row := range order {
			col.AppendBytes(cols[0].Bytes(row))
		}
		var err error
		if swapped.States[i], err = m.FromColumns([]pages.Column{col}); err != nil {
			t.Fatal(err)
		}
		a, b := cuboid.NewPrints(l, l.Base(), 0), cuboid.NewPrints(l, l.Base(), 0)
		a.Add(l, c)
		b.Add(l, &swapped)
		if got := a.Differs(b, l.Base()); got != m.Name {
			t.Errorf("%s of rows 0 and %d swapped: the fingerprints of the base differ in %q", m.Name, at, got)
		}
		if got := a.Differs(b, 0); got != "" {
			t.Errorf("%s of rows 0 and %d swapped: the fingerprints of no dimensions differ in %q, want none", m.Name, at, got)
		}
	}
}
