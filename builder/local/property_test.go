//go:build !race

// Much data, and no goroutines that other tests do not have: the stage race runs these without the detector.

package local

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// I6 over random definitions, data, ranges and layouts: build(A u B) and merge(A, B) agree, and so do builds of other threads,
// memory and frames, byte for byte.
func TestBuildProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, rapid.Uint64().Draw(rt, "seed"))
		w.apply(randomCube(rt))
		end := int64(0)
		for i := range rapid.IntRange(1, 3).Draw(rt, "files") {
			n := rapid.Int64Range(0, 700).Draw(rt, fmt.Sprintf("events of file %d", i))
			w.stage(0, end, end+n+1)
			end += n + 1
		}
		w.stage(1, 0, rapid.Int64Range(1, 300).Draw(rt, "other partition"))
		at := rapid.Int64Range(0, end).Draw(rt, "cut")
		drawn := fixedSizes()
		drawn.blockRows, drawn.groupRows = rapid.IntRange(100, 2000).Draw(rt, "block"), rapid.IntRange(50, 1000).Draw(rt, "group")
		drawn.fanIn = rapid.IntRange(2, 8).Draw(rt, "fan-in")
		build := func(name string, attempt int64, parts []*segmenter.Manifest, v segmenter.Vector) builder.EngineOutput {
			keep := rapid.SampledFrom([]int64{1, 20_000, 1 << 30}).Draw(rt, "memory of "+name)
			e := w.engine(func(o *Options, s *sizes) {
				*s = drawn
				o.Threads = rapid.SampledFrom([]int{1, 2, 4}).Draw(rt, "threads of "+name)
				s.frameRows, s.stepRows = rapid.IntRange(5, 500).Draw(rt, "frame of "+name), rapid.IntRange(10, 3000).Draw(rt, "step of "+name)
				s.minWindow = rapid.IntRange(1, 100).Draw(rt, "window of "+name)
			})
			e.mem.most = keep
			in := w.input(v, attempt)
			in.Merged = parts
			out := w.build(t.Context(), e, in)
			w.gaveBack(e)
			return out
		}
		union := build("union", 1, nil, w.all())
		again := build("union again", 2, nil, w.all())
		for i, f := range union.Files {
			if again.Files[i].SHA256 != f.SHA256 {
				rt.Errorf("file %d of the same build has other bytes", i)
			}
		}
		a, b := cut(w.all(), at)
		merged := build("merge", 5, []*segmenter.Manifest{manifest(1, build("A", 3, nil, a)), manifest(2, build("B", 4, nil, b))}, w.all())
		w.sameCells(merged, union)
	})
}

// randomCube draws a definition of measures that are exact.
func randomCube(rt *rapid.T) string {
	dims := rapid.Permutation([]string{"minute(ts)", "country", "page", "flag", "day", "n", "price", "ratio", "big"}).Draw(rt, "dimensions")
	dims = dims[:rapid.IntRange(1, 5).Draw(rt, "number of dimensions")]
	measures := rapid.Permutation([]string{"count(country)", "sum(n)", "sum(big)", "max(price)", "min(ratio)", "min(page)", "max(big)", "avg(price)", "max(ts)"}).Draw(rt, "measures")
	measures = append(measures[:rapid.IntRange(0, 4).Draw(rt, "number of measures")], "count")
	return fmt.Sprintf("cube: sales\ntable: shop\ndimensions: [%s]\nmeasures: [%s]\n", strings.Join(dims, ", "), strings.Join(measures, ", "))
}
