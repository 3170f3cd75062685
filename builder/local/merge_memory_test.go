package local

import (
	"context"
	"fmt"
	"runtime"
	runtimemetrics "runtime/metrics"
	"testing"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// slices cuts the range of partition 0 into n segments and builds them.
func (w *world) slices(n int64, attempt *int64) (list []*segmenter.Manifest) {
	end := w.all()[0].End
	for i := range n {
		*attempt++
		v := segmenter.Vector{{Start: end * i / n, End: end * (i + 1) / n}}
		list = append(list, manifest(i+1, w.build(w.t.Context(), w.engine(nil), w.input(v, *attempt))))
	}
	return list
}

// I6 (b), of states that are rounded as they fold: t-digests of more values than they have centroids, top_n of more than they
// keep, and sums of floats have the same bytes whether row groups are held or spooled, and whatever the frames and windows.
func TestMergeOfSketchesSameBytes(t *testing.T) {
	w := newWorld(t, 31)
	w.apply("cube: sales\ntable: shop\ndimensions: [flag, country]\nmeasures: [count, sum(ratio), percentile(ratio), percentile(price), top_n(page)]\n")
	w.stage(0, 0, 12_000)
	attempt := int64(0)
	parts := w.slices(7, &attempt)
	var first builder.EngineOutput
	for i, set := range []func(o *Options, s *sizes){
		nil,
		func(_ *Options, s *sizes) { s.frameRows, s.stepRows, s.minWindow = 3, 10, 1 },
		func(_ *Options, s *sizes) { s.keepAtMost = 1 << 30 }, // no room for row groups
		func(_ *Options, s *sizes) { s.keepAtMost, s.frameRows, s.stepRows, s.minWindow = 1<<30, 5, 20, 2 },
	} {
		e := w.engine(func(o *Options, s *sizes) {
			s.fanIn = 3 // several turns in any case
			if set != nil {
				set(o, s)
			}
		})
		attempt++
		in := w.input(w.all(), attempt)
		in.Merged = parts
		got := w.build(t.Context(), e, in)
		if i == 0 {
			first = got
		}
		for k, f := range got.Files {
			if f.SHA256 != first.Files[k].SHA256 {
				t.Errorf("settings %d: file %d has other bytes", i, k)
			}
		}
		w.gaveBack(e)
	}
}

// L3: within one budget a merge of many segments needs no more memory than one of two. The sizes are a sixteenth of what they
// are, and so is the budget, so that a segment is many steps. The heap counts from before the merge.
func BenchmarkMergeMemory(b *testing.B) {
	const cube = "cube: views\ntable: views\ndimensions: [minute(ts), country, section, referrer]\nmeasures: [count, sum(bytes), count_distinct(visitor_id)]\n"
	for _, n := range []int64{2, 12, 48} {
		w := stagePageviews(b, n*25_000, "[count]")
		w.apply(cube)
		engine := func() *Engine {
			e, err := New(Options{Store: w.store, Dir: b.TempDir(), Memory: leastMemory})
			must(b, err)
			e.newSink = func(_ context.Context, b *build) (sink, error) {
				w, err := cuboid.NewWriter(b.e.o.Store, b.in.Folder, b.layout, cuboid.WriterOptions{FileBytes: 1 << 20})
				return &fileSink{fileCodec: fileCodec{layout: b.layout}, w: w}, err
			}
			e.size.groupRows, e.size.frameRows, e.size.stepRows, e.size.minWindow = 1<<13, 1<<10, 1<<14, 1<<6
			return e
		}
		var list []*segmenter.Manifest
		for i := range n {
			v := segmenter.Vector{{Start: i * 25_000, End: (i + 1) * 25_000}}
			list = append(list, manifest(i+1, w.build(b.Context(), engine(), w.input(v, i+1))))
		}
		attempt := n
		b.Run(fmt.Sprint("segments=", n), func(b *testing.B) {
			for b.Loop() {
				attempt++
				e, in := engine(), w.input(w.all(), attempt)
				in.Merged = list
				peak := int64(0)
				done := make(chan struct{})
				stop := heapPeak(&peak, done)
				w.build(b.Context(), e, in)
				close(done)
				<-stop
				_, accounted := e.mem.used()
				b.ReportMetric(float64(peak)/(1<<20), "MiB-heap")
				b.ReportMetric(float64(accounted)/(1<<20), "MiB-accounted")
				b.ReportMetric(float64(e.disk.peak)/(1<<20), "MiB-disk")
			}
		})
	}
}

// heapPeak looks at the live heap, after collections, until done is closed.
func heapPeak(peak *int64, done chan struct{}) (ended chan struct{}) {
	ended = make(chan struct{})
	runtime.GC()
	sample := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}}
	runtimemetrics.Read(sample)
	before := int64(sample[0].Value.Uint64())
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			default:
			}
			runtime.GC()
			runtimemetrics.Read(sample)
			*peak = max(*peak, int64(sample[0].Value.Uint64())-before)
		}
	}()
	return ended
}
