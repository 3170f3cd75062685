package local

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/builder/cells"
)

// Frames of any size make the same cells: of few rows they leave many that wait for the next frame, so that the rest is
// merged from runs; of many rows all is one frame.
func TestFramesOfAnySizeMakeTheSameCells(t *testing.T) {
	w := newWorld(t, 11)
	w.stage(0, 0, 9000)
	w.stage(1, 0, 4000)
	var want map[int64]string
	for _, rows := range []int{1 << 17, 4000, 700, 64, 7} {
		e := w.engine(func(_ *Options, s *sizes) { s.groupRows = rows })
		got := map[int64]string{}
		for _, c := range w.build(t.Context(), e, w.input(w.all(), int64(rows))).Cuboids {
			got[c.Cuboid] = c.SHA256
		}
		if want == nil {
			want = got
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("frames of %d rows (-large +these):\n%s", rows, d)
		}
	}
}

// L3: rows that wait for the next frame are merged from runs where they are large; the cells are the same.
func TestLargeRowsDoNotWait(t *testing.T) {
	w := newWorld(t, 12)
	w.stage(0, 0, 6000)
	sums, spilled := [2]string{}, [2]float64{}
	for i := range sums {
		e := w.engine(func(_ *Options, s *sizes) {
			s.groupRows, s.keepAtMost = 700, 1
			if i == 1 {
				s.heldBytes = 1
			}
		})
		for _, c := range w.build(t.Context(), e, w.input(w.all(), 1+int64(i))).Cuboids {
			sums[i] += c.SHA256
		}
		spilled[i] = counted(t, e, "spilled_bytes_total")
	}
	if sums[0] != sums[1] {
		t.Error("the cells are others where rows do not wait")
	}
	if spilled[1] <= spilled[0] {
		t.Errorf("%v bytes were spilled where rows may wait, %v where they may not, want more of these", spilled[0], spilled[1])
	}
}

func TestSharedDims(t *testing.T) {
	l := &cells.Layout{Dims: make([]cells.Dim, 4)}
	for _, x := range []struct {
		child, parent uint64
		want          int
	}{
		{0b1000, 0b1111, 1}, {0b1101, 0b1111, 2}, {0b0111, 0b1111, 0}, {0b0110, 0b0111, 2}, {0b0101, 0b0111, 1}, {0b0001, 0b0011, 0},
	} {
		if got := l.SharedDims(x.child, x.parent); got != x.want {
			t.Errorf("%04b of %04b: got %d shared dimensions, want %d", x.child, x.parent, got, x.want)
		}
	}
}
