package local

import (
	"testing"

	"github.com/tidemarkdb/tidemark/builder/cells"
)

// L3: row groups that wait for their turn are in the accounted memory while it lasts, else in a temporary file; when they are
// written, or given up, nothing of either is left.
func TestWaitingGroups(t *testing.T) {
	w := newWorld(t, 60)
	w.stage(0, 0, 500)
	made := w.build(t.Context(), w.engine(nil), w.input(w.all(), 1))
	for _, tt := range []struct {
		name         string
		most         int64
		lasting      bool
		memory, disk bool
		written      bool
	}{
		{"in memory", 1 << 30, false, true, false, true},
		{"in memory, given up", 1 << 30, false, true, false, false},
		{"on disk", 1, false, false, true, true},
		{"on disk, given up", 1, false, false, true, false},
		{"kept for another attempt", 1 << 30, true, false, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := w.engine(func(_ *Options, s *sizes) { s.keepAtMost = tt.most })
			last := memSinks(e)
			layout, err := cells.NewLayout(w.cube, w.table)
			must(t, err)
			masks, err := w.cube.Cuboids()
			must(t, err)
			b := &build{e: e, in: w.input(w.all(), 1), layout: layout, nodes: order(masks), cpu: make(chan struct{}, 2), lasting: tt.lasting}
			leave, err := b.enter()
			must(t, err)
			s, err := e.newSink(t.Context(), b)
			must(t, err)
			o := b.newOutput(t.Context(), s)
			n := b.nodes[1]
			l, c := o.begin(n), w.cells(made, n.mask)
			for from := 0; from < 40; from += 10 {
				part, err := layout.Combine(n.mask, cells.Part{Cells: c, From: from, To: from + 10})
				must(t, err)
				must(t, l.add(part))
			}
			must(t, l.end())
			if now, _ := e.mem.used(); (now > 0) != tt.memory || (e.disk.now() > 0) != tt.disk {
				t.Errorf("while they wait: %d bytes of memory, %d of disk, want some: %t and %t", now, e.disk.now(), tt.memory, tt.disk)
			}
			if tt.written {
				must(t, o.begin(b.nodes[0]).end())
				rows := 0
				for _, c := range (*last).groups[n.mask] {
					rows += c.Len()
				}
				if rows != 40 {
					t.Errorf("%d rows were written, want 40", rows)
				}
			}
			o.abandon()
			leave(true)
			w.gaveBack(e)
		})
	}
}
