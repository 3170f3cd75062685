package local

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// manifest is what a merge needs to know of a segment.
func manifest(number int64, out builder.EngineOutput) *segmenter.Manifest {
	return &segmenter.Manifest{Number: number, Attempt: number, Files: out.Files, Cuboids: out.Cuboids}
}

// cut cuts a range at an offset of partition 0 into two.
func cut(v segmenter.Vector, at int64) (a, b segmenter.Vector) {
	for _, line := range v {
		first, second := line, line
		if line.Partition == 0 {
			first.End, second.Start = at, at
		} else {
			first.End = line.Start + line.Len()/3
			second.Start = first.End
		}
		a, b = append(a, first), append(b, second)
	}
	return a, b
}

// I6 (a): merge(A, B, C) has the cells of build(A u B u C), by the hash of their rows; and its bytes do not depend on threads
// or memory (I6 (b)).
func TestMergeIsBuildOfUnion(t *testing.T) {
	w := site(t, 20)
	want := w.build(t.Context(), w.engine(nil), w.input(w.all(), 1))
	a, rest := cut(w.all(), 2000)
	b, c := cut(rest, 6999)
	var parts []*segmenter.Manifest
	for i, v := range []segmenter.Vector{a, b, c} {
		parts = append(parts, manifest(int64(i+1), w.build(t.Context(), w.engine(nil), w.input(v, int64(i+2)))))
	}
	var first builder.EngineOutput
	for i, set := range []func(o *Options, s *sizes){
		nil,
		func(o *Options, _ *sizes) { o.Threads = 1 },
		func(o *Options, s *sizes) { o.Threads, s.stepRows, s.minWindow = 4, 90, 7 },
	} {
		e := w.engine(set)
		in := w.input(w.all(), int64(i+10))
		in.Merged, in.Rows = parts, nil
		got := w.build(t.Context(), e, in)
		w.sameCells(got, want)
		w.gaveBack(e)
		if i == 0 {
			first = got
		}
		for k := range got.Files {
			if got.Files[k].SHA256 != first.Files[k].SHA256 {
				t.Errorf("settings %d: file %d has other bytes", i, k)
			}
		}
	}
}

// sameCells compares cuboids by the hash of their rows.
func (w *world) sameCells(got, want builder.EngineOutput) {
	w.t.Helper()
	if len(got.Cuboids) != len(want.Cuboids) {
		w.t.Fatalf("%d cuboids, want %d", len(got.Cuboids), len(want.Cuboids))
	}
	for i, e := range got.Cuboids {
		if x := want.Cuboids[i]; e.Cuboid != x.Cuboid || e.Rows != x.Rows || e.SHA256 != x.SHA256 {
			w.t.Errorf("cuboid %b: %d rows, hash %.8s; want %b, %d rows, %.8s", e.Cuboid, e.Rows, e.SHA256, x.Cuboid, x.Rows, x.SHA256)
		}
	}
}

// I6 (a) of float sums: within 1e-9 relative. The order of additions is another one.
func TestMergeOfFloats(t *testing.T) {
	w := newWorld(t, 21)
	w.apply("cube: sales\ntable: shop\ndimensions: [country, flag]\nmeasures: [count, sum(ratio), avg(ratio)]\n")
	w.stage(0, 0, 4000)
	union := w.build(t.Context(), w.engine(nil), w.input(w.all(), 1))
	a, b := cut(w.all(), 1234)
	in := w.input(w.all(), 4)
	in.Merged = []*segmenter.Manifest{
		manifest(1, w.build(t.Context(), w.engine(nil), w.input(a, 2))), manifest(2, w.build(t.Context(), w.engine(nil), w.input(b, 3))),
	}
	merged := w.build(t.Context(), w.engine(nil), in)
	layout, err := cells.NewLayout(w.cube, w.table)
	must(t, err)
	sums := func(out builder.EngineOutput) (list []float64) {
		r, err := cuboid.NewReader(w.store, layout, out.Files, out.Cuboids)
		must(t, err)
		defer r.Close()
		for _, e := range out.Cuboids {
			groups, err := r.Groups(t.Context(), uint64(e.Cuboid))
			must(t, err)
			for _, g := range groups {
				c, err := r.Cells(t.Context(), g)
				must(t, err)
				list = append(list, c.States[1].Columns(0, c.Len())[0].Floats...)
			}
		}
		return list
	}
	got, want := sums(merged), sums(union)
	if len(got) != len(want) || len(got) < 30 {
		t.Fatalf("%d sums, want %d", len(got), len(want))
	}
	for i := range got {
		if math.Abs(got[i]-want[i]) > 1e-9*math.Abs(want[i]) {
			t.Errorf("sum %d: got %v, want %v", i, got[i], want[i])
		}
	}
}

// A segment without cuboids, or with a file that is gone, cannot be merged, and the error says what to do.
func TestMergeRefused(t *testing.T) {
	w := newWorld(t, 22)
	w.stage(0, 0, 500)
	a, b := cut(w.all(), 200)
	first, second := manifest(1, w.build(t.Context(), w.engine(nil), w.input(a, 2))), manifest(2, w.build(t.Context(), w.engine(nil), w.input(b, 3)))
	refused := func(name string, parts ...*segmenter.Manifest) {
		t.Helper()
		in := w.input(w.all(), 9)
		in.Merged = parts
		_, err := w.engine(nil).Build(t.Context(), in)
		var final *builder.FinalError
		if !errors.As(err, &final) || !strings.Contains(err.Error(), "segment 2") || !strings.Contains(err.Error(), "refresh it") {
			t.Errorf("%s: got %v, want a final error about segment 2 that says refresh", name, err)
		}
	}
	refused("no cuboids", first, &segmenter.Manifest{Number: 2})
	path := filepath.Join(w.root, second.Files[0].Key)
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, w.store.Delete(t.Context(), second.Files[0].Key))
	refused("gone", first, second)
	text[100] ^= 1 // of the base cuboid: smaller ones may be rolled up of it, and are not read then
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, text, 0o644))
	refused("a changed byte", first, second)
}
