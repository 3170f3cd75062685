package local

import (
	"context"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/cells"
)

// frames gives frames one after the other, and counts them.
type frames struct {
	parts []cells.Part
	given int
}

func (f *frames) next(context.Context) (cells.Part, error) {
	if f.given == len(f.parts) {
		return cells.Part{}, nil
	}
	f.given++
	return f.parts[f.given-1], nil
}

// L1, L3: of sources whose states are large a merge holds a frame, not a window of rows; its cells are the same.
func TestMergeHoldsWhatThereIsRoomFor(t *testing.T) {
	w := newWorld(t, 62)
	w.stage(0, 0, 500)
	made := w.build(t.Context(), w.engine(nil), w.input(w.all(), 1))
	layout, err := cells.NewLayout(w.cube, w.table)
	must(t, err)
	all := w.cells(made, layout.Base())
	const each = 10
	want := ""
	for _, tt := range []struct {
		room int64 // bytes
		most int   // frames of a source that are held
	}{{1 << 30, 11}, {1, 1}} {
		s := w.engine(nil).size
		s.stepRows, s.minWindow, s.stepBytes = 300, 20, tt.room // a window of 100 rows
		var list []source
		for range 3 {
			f := &frames{}
			for from := 0; from < all.Len(); from += each {
				c, err := layout.Combine(all.Mask, cells.Part{Cells: all, From: from, To: min(from+each, all.Len())})
				must(t, err)
				f.parts = append(f.parts, cells.Part{Cells: c, To: c.Len()})
			}
			list = append(list, f)
		}
		m := newMerger(layout, all.Mask, list, s)
		var got []cells.Part
		for {
			p, err := m.next(t.Context())
			must(t, err)
			if p.Cells == nil {
				break
			}
			got = append(got, p)
			for i, l := range m.lanes {
				if f := list[i].(*frames); f.given-(l.rows+each-1)/each > tt.most*len(got) {
					t.Errorf("room for %d bytes: %d frames of source %d were read in %d steps, want at most %d a step", tt.room, f.given, i, len(got), tt.most)
				}
			}
		}
		if first := list[0].(*frames); tt.most == 1 && len(got) < len(first.parts) {
			t.Errorf("room for %d bytes: %d steps, want one a frame, %d", tt.room, len(got), len(first.parts))
		}
		c, err := layout.Combine(all.Mask, got...)
		must(t, err)
		if sum := string(c.Append(nil)); want == "" {
			want = sum
		} else if sum != want {
			t.Errorf("room for %d bytes: the merged cells are others", tt.room)
		}
	}
}
