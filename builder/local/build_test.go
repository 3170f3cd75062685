package local

import (
	"fmt"
	"os"
	"testing"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// site makes a world of two partitions with supplements.
func site(t testing.TB, seed uint64) *world {
	t.Helper()
	w := newWorld(t, seed)
	w.stage(0, 0, 3000, 5, 6, 7, 2000)
	w.stage(0, 3000, 7000)
	w.stage(1, 0, 5000)
	w.supplement(0, 1, 6, 2000)
	w.supplement(0, 2, 5)
	return w
}

// ranges are all of a site, and a range that begins and ends inside of files.
func (w *world) ranges() []segmenter.Vector {
	return []segmenter.Vector{w.all(), {{Partition: 0, Start: 6, End: 6500}}, {{Partition: 0, Start: 1999, End: 2001}, {Partition: 1, Start: 3, End: 4}}}
}

// Every cuboid counts every event of the range once, whatever the part of a file or a supplement it lies in (L2), and a
// build gives back its memory and its disk.
func TestBuildCounts(t *testing.T) {
	w := site(t, 1)
	for _, v := range w.ranges() {
		e := w.engine(nil)
		last := memSinks(e)
		in := w.input(v, 1)
		out := w.build(t.Context(), e, in)
		masks, err := w.cube.Cuboids()
		must(t, err)
		if len(out.Cuboids) != len(masks) {
			t.Errorf("%s: %d cuboids, want %d", v, len(out.Cuboids), len(masks))
		}
		for _, m := range masks {
			events := int64(0)
			for _, c := range (*last).groups[m] {
				for _, n := range c.States[0].Columns(0, c.Len())[0].Ints {
					events += n
				}
			}
			if events != in.Events || events == 0 {
				t.Errorf("%s: cuboid %b counts %d events, want %d", v, m, events, in.Events)
			}
		}
		w.gaveBack(e)
	}
}

// gaveBack wants nothing of an engine to be left.
func (w *world) gaveBack(e *Engine) {
	w.t.Helper()
	if now, _ := e.mem.used(); now != 0 || e.disk.now() != 0 || len(e.open) != 0 {
		w.t.Errorf("left: %d bytes of memory, %d of disk, builds %v", now, e.disk.now(), e.open)
	}
	left, err := os.ReadDir(e.o.Dir)
	if err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	for _, d := range left {
		w.t.Errorf("folder %s is left", d.Name())
	}
}

// I6 (b), L1, L3: the same bytes whatever the threads, the memory and the sizes that decide nothing.
func TestBuildSameBytes(t *testing.T) {
	w := site(t, 2)
	want := ""
	for i, set := range []func(o *Options, s *sizes){
		nil,
		func(o *Options, _ *sizes) { o.Threads = 1 },
		func(o *Options, _ *sizes) { o.Threads = 4 },
		func(o *Options, _ *sizes) { o.Memory = leastMemory },
		func(o *Options, s *sizes) { o.Memory, s.keepAtMost = leastMemory, 1 },
		func(o *Options, s *sizes) { o.Threads, s.keepAtMost = 4, 200_000 },
		func(_ *Options, s *sizes) { s.frameRows, s.stepRows, s.minWindow = 37, 1000, 5 },
		func(_ *Options, s *sizes) { s.frameRows, s.keepAtMost = 5000, 1 },
		func(_ *Options, s *sizes) { s.stepBytes, s.frameBytes, s.keepAtMost = 1, 2000, 1 },
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			e := w.engine(func(o *Options, s *sizes) {
				s.groupRows = 1100
				if set != nil {
					set(o, s)
				}
			})
			memSinks(e)
			got := w.build(t.Context(), e, w.input(w.all(), 1)).Files[0].SHA256
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("sum of all cells: got %s, want %s", got, want)
			}
			if spills := e.size.keepAtMost > 0; spills != (e.disk.peak > 0) {
				t.Errorf("%d bytes were on disk, want some: %t", e.disk.peak, spills)
			}
			w.gaveBack(e)
		})
	}
}
