package cuboid_test

import (
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit/celltest"
	"github.com/tidemarkdb/tidemark/segmenter"
)

func testLayout(t testing.TB) *cells.Layout { return celltest.Layout(t, celltest.Cube()) }

// everyMeasure is a layout with a measure of every function, and a sketch in every form.
func everyMeasure(t testing.TB) *cells.Layout {
	c := celltest.Cube()
	for _, m := range []string{
		"count_distinct url", "count_distinct num", "count_distinct_exact num", "count_distinct_exact name", "percentile share", "first url", "last cost",
	} {
		f, column, _ := strings.Cut(m, " ")
		c.Measures = append(c.Measures, cube.Measure{Function: cube.Function(f), Column: column})
	}
	c.Measures = append(c.Measures,
		cube.Measure{Name: "shares", Function: cube.CountDistinct, Column: "share", Precision: 4}, // few registers, soon full
		cube.Measure{Function: cube.TopN, By: []string{"url"}},
		cube.Measure{Name: "top_amounts", Function: cube.TopN, By: []string{"name", "num"}, Column: "cost", N: 3})
	return celltest.Layout(t, c.WithDefaults())
}

// smallLayout has few columns, for tests that read a file many times.
func smallLayout(t testing.TB) *cells.Layout {
	c := celltest.Cube()
	c.Dimensions, c.RowKey, c.Measures = c.Dimensions[:5], nil, c.Measures[:3]
	return celltest.Layout(t, c.WithDefaults())
}

// built is a segment's cuboids and what a writer says of them.
type built struct {
	st      *blob.Mem
	cells   map[uint64]*cells.Cells
	files   []segmenter.SegmentFile
	entries []segmenter.CuboidEntry
}

const testFolder = "segments/c1/0000.1"

// batches say how rows reach an encoder: in row groups of rows rows, each made of parts of as many rows as cut says, nil
// for one part.
type batches struct {
	rows int
	cut  func(rows int) int

	encoder *cuboid.Encoder // default: a new one
}

// build writes cuboids.
func build(t testing.TB, l *cells.Layout, base *cells.Cells, o cuboid.WriterOptions, in batches) built {
	t.Helper()
	b := built{st: new(blob.Mem), cells: map[uint64]*cells.Cells{}}
	for _, mask := range celltest.Masks(l) {
		b.cells[mask] = celltest.RollUp(t, l, base, mask)
	}
	w, err := cuboid.NewWriter(b.st, testFolder, l, o)
	if err != nil {
		t.Fatal(err)
	}
	e, err := cuboid.NewEncoder(l)
	if err != nil {
		t.Fatal(err)
	}
	in.encoder = e
	for _, mask := range celltest.Masks(l) {
		if err := appendCells(t, w, l, b.cells[mask], in); err != nil {
			t.Fatal(err)
		}
	}
	if b.files, b.entries, err = w.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

func appendCells(t testing.TB, w *cuboid.Writer, l *cells.Layout, c *cells.Cells, in batches) error {
	t.Helper()
	e := in.encoder
	if e == nil {
		var err error
		if e, err = cuboid.NewEncoder(l); err != nil {
			t.Fatal(err)
		}
	}
	for from := 0; from < max(c.Len(), 1); from += in.rows {
		var parts []cells.Part
		to := min(from+in.rows, c.Len())
		for at := from; at < to; {
			n := to - at
			if in.cut != nil {
				n = min(in.cut(n), n)
			}
			// Parts of merges have dictionaries of their own.
			part, err := l.Combine(c.Mask, cells.Part{Cells: c, From: at, To: at + n})
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, celltest.Whole(part))
			at += n
		}
		if len(parts) == 0 {
			parts = []cells.Part{celltest.Whole(c)}
		}
		g, err := e.Encode(parts...)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(t.Context(), g); err != nil {
			return err
		}
	}
	return nil
}
