package celltest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// E1: equal seeds give equal cells, other ones others; every dimension has several values, but for the one that is always null.
func TestCells(t *testing.T) {
	l := Layout(t, Cube())
	first := Cells(t, l, 1, 100)
	if d := cmp.Diff(Rows(first), Rows(Cells(t, l, 1, 100))); d != "" {
		t.Errorf("seed 1 twice (-first +second):\n%s", d)
	}
	if cmp.Equal(Rows(first), Rows(Cells(t, l, 2, 100))) {
		t.Error("seeds 1 and 2 give the same cells")
	}
	for i, dim := range l.Dims {
		if n := first.Dicts[i].Values.Len(); (n < 2) != (dim.Name == "nothing") {
			t.Errorf("dimension %s has %d values", dim.Name, n)
		}
	}
	small := RollUp(t, l, first, Masks(l)[1])
	if small.Len() == 0 || small.Len() > first.Len() || None(t, l, small.Mask).Len() != 0 {
		t.Errorf("%d cells of cuboid %b of %d, none in one without: %d", small.Len(), small.Mask, first.Len(), None(t, l, small.Mask).Len())
	}
}
