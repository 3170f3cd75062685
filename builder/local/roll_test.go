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
