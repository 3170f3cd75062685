package builder

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// The planners alone keep a cube whole: whatever is staged, requeued, dropped, cancelled and paused while processes come
// and go and the storage fails, in the end every offset is in one ready segment, each event is counted once, and no job is
// left.
func TestSimPlanners(t *testing.T) {
	seeds := uint64(2)
	if os.Getenv("TIDEMARK_TEST_SOAK") != "" {
		seeds = 100
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { simulate(t, rand.New(rand.NewPCG(seed, 11))) })
		})
	}
}

// process is a builder that comes and goes.
type process struct {
	cancel context.CancelFunc
	done   chan error
}

func simulate(t *testing.T, r *rand.Rand) {
	w := newWorld(t, 2, "max_jobs: 2\ncut: {age: 20s}\nmerge: {time_ranges: [1m, 3m]}\n")
	flaky := &faultblob.Flaky{Store: w.store, Latency: 5 * time.Millisecond, ErrorRate: 0.1, Seed: r.Uint64()}
	x := newRandomWorld(w, nil, r)
	procs := map[int]*process{}
	toggle := func(n int) {
		if p := procs[n]; p != nil {
			p.cancel()
			must(t, <-p.done)
			delete(procs, n)
			return
		}
		b := w.builder(func(o *Options) {
			o.Node, o.Store, o.CleanupEvery, o.Grace, o.FailedHold = fmt.Sprint("n", n), flaky, 5*time.Minute, time.Minute, time.Minute
			o.Interval, o.Lease, o.CutEvery, o.RecoverEvery = 2*time.Second, 20*time.Second, 6*time.Second, 4*time.Second
		})
		ctx, cancel := context.WithCancel(context.Background())
		p := &process{cancel: cancel, done: make(chan error, 1)}
		go func() { p.done <- b.Run(ctx) }()
		procs[n] = p
	}
	for range 40 {
		switch r.IntN(10) {
		case 0, 1, 2, 3:
			x.stage(r.Int32N(2))
		case 4:
			x.requeue(r.Int32N(2))
		case 5, 6:
			toggle(r.IntN(2))
		case 7:
			w.disturb(r)
		case 8:
			flaky.Cut()
		default:
			flaky.Heal()
		}
		time.Sleep(time.Duration(r.IntN(20)) * time.Second)
	}
	flaky.Heal()
	for n := range 2 {
		if procs[n] == nil {
			toggle(n)
		}
	}
	x.stage(0) // so that there is something behind what was dropped last
	x.stage(1)
	open, err := w.cat.OpenJobs(t.Context(), "")
	must(t, err)
	for _, j := range open {
		if j.State == catalog.JobPaused {
			must(t, w.cat.ResumeJob(t.Context(), j.ID, "test"))
		}
	}
	time.Sleep(12 * time.Minute)
	for n := range 2 {
		toggle(n)
	}
	w.wantComplete()
}

// disturb does what a person may do at any time.
func (w *world) disturb(r *rand.Rand) {
	w.t.Helper()
	open, err := w.cat.OpenJobs(w.t.Context(), "")
	must(w.t, err)
	if len(open) > 0 && r.IntN(2) == 0 {
		id := open[r.IntN(len(open))].ID
		if r.IntN(2) == 0 {
			err = w.cat.CancelJob(w.t.Context(), id, "test")
		} else {
			err = w.cat.PauseJob(w.t.Context(), id, "test")
		}
		w.t.Logf("job %d disturbed: %v", id, err) // it may have ended just now
		return
	}
	for s, err := range w.cat.Segments(w.t.Context(), catalog.SegmentQuery{CubeID: w.cube.ID, States: []segmenter.SegmentState{segmenter.SegmentReady}}) {
		must(w.t, err)
		if r.IntN(3) == 0 {
			err = w.cat.Retire(w.t.Context(), w.cube.ID, []int64{s.Number}, "test")
			w.t.Logf("segment %d dropped: %v", s.Number, err) // a job may be replacing it
			return
		}
	}
}

// wantComplete wants every offset behind the first segment in one ready segment, whose parts are what the staged files hold.
func (w *world) wantComplete() {
	w.t.Helper()
	ctx := w.t.Context()
	if open, err := w.cat.OpenJobs(ctx, ""); err != nil || len(open) != 0 {
		w.t.Errorf("jobs are left: %+v, %v", open, err)
	}
	var covered []segmenter.PartitionRange
	b := w.builder(nil)
	first := segmenter.Vector{}
	for s, err := range w.cat.Segments(ctx, catalog.SegmentQuery{CubeID: w.cube.ID}) {
		must(w.t, err)
		if s.State != segmenter.SegmentReady {
			w.t.Errorf("segment %d is %s", s.Number, s.State)
		}
		if free := segmenter.Vector(s.Range.Subtract(covered)); free.Len() != s.Range.Len() {
			w.t.Errorf("segment %d: only %s of %s is in no other one", s.Number, free, s.Range)
		}
		covered = append(covered, s.Range...)
		in, err := b.readInputs(ctx, w.table.ID, s.Range, func(int64, int64) {})
		must(w.t, err)
		if d := cmp.Diff(in.parts, s.Parts); d != "" {
			w.t.Errorf("segment %d (-staged +segment):\n%s", s.Number, d)
		}
		if len(first) == 0 || s.Range.Compare(first) < 0 {
			first = s.Range
		}
	}
	if len(first) == 0 {
		w.t.Fatal("no segment at all")
	}
	parts, err := w.cat.Partitions(ctx, w.table.ID)
	must(w.t, err)
	for _, left := range generations(parts).Read().Subtract(covered) {
		if begin, ok := first.Line(left.Partition, left.Generation); !ok || left.End > begin.Start { // dropped from the front: not built again
			w.t.Errorf("offsets %s are in no segment; segments %q", left, w.segments())
		}
	}
	stale, err := w.cat.StaleSegments(ctx, w.cube.ID)
	if err != nil || len(stale) != 0 {
		w.t.Errorf("stale: %d segments, %v", len(stale), err)
	}
}

// outlast lets all grace periods pass, with clean-ups.
func (w *tableWorld) outlast() {
	w.t.Helper()
	for range 4 {
		time.Sleep(2 * time.Hour)
		w.clean()
	}
}
