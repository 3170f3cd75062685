package builder

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Ingest is away for longer than jobs wait: one segment waits for it, not one for each cut, and when it is back that one is
// built at once, though its job has failed.
func TestIngestAwayForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "cut: {age: 10s}\nmerge: {manual: true}\n")
		w.stage(0, 0, 10)
		end := int64(10)
		w.log.setEnds(map[int32]int64{0: end})
		b := w.builder(func(o *Options) { o.StagingWait = time.Minute })
		defer running(t, b)()
		for range 18 {
			time.Sleep(10 * time.Second)
			end += 10
			w.log.setEnds(map[int32]int64{0: end})
		}
		w.wantSegments("1 new p0 [0,20) 0 events")
		if j := w.job(w.jobOf(1)); j.State != catalog.JobFailed || !j.Unstaged || !strings.Contains(j.Problem, "is table events read by an ingest process?") {
			t.Errorf("the job that waits: %+v, want it failed for want of staging", j)
		}
		w.stage(0, 10, end)
		time.Sleep(15 * time.Second)
		w.wantSegments("1 ready p0 [0,20) 20 events", "2 ready p0 [20,190) 170 events")
	})
}

func (w *world) jobOf(segment int64) int64 {
	w.t.Helper()
	s, err := w.cat.Segment(w.t.Context(), w.cube.ID, segment)
	must(w.t, err)
	return s.JobID
}

// A segment waits for one partition: the others are cut as far as their logs go, whether brokers answer or not.
func TestCutBehindWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, "cut: {age: 10s}\nmerge: {manual: true}\n")
		w.stage(0, 0, 10)
		w.stage(1, 0, 10)
		w.log.setEnds(map[int32]int64{0: 15, 1: 10})
		b := w.builder(nil)
		defer running(t, b)()
		time.Sleep(15 * time.Second)
		w.wantSegments("1 new p0 [0,15) p1 [0,10) 0 events")
		w.log.setEnds(map[int32]int64{0: 30})
		w.stage(1, 10, 20)
		time.Sleep(15 * time.Second)
		w.wantSegments("1 new p0 [0,15) p1 [0,10) 0 events", "2 ready p0 [15,15) p1 [10,20) 10 events")
		w.log.setEnds(nil) // not known any more
		w.stage(1, 20, 25)
		time.Sleep(15 * time.Second)
		w.wantSegments("1 new p0 [0,15) p1 [0,10) 0 events", "2 ready p0 [15,15) p1 [10,20) 10 events", "3 ready p0 [15,15) p1 [20,25) 5 events")
	})
}

// The topic is made again while a segment waits for offsets of the old one, which never come: its job ends with that reason,
// and the cube goes on.
func TestGenerationEndsUnderWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "cut: {age: 10s}\nmerge: {manual: true}\n")
		w.stage(0, 0, 10)
		w.log.setEnds(map[int32]int64{0: 15})
		b := w.builder(nil)
		defer running(t, b)()
		time.Sleep(20 * time.Second)
		w.wantSegments("1 new p0 [0,15) 0 events")
		id := w.jobOf(1)
		g, err := w.cat.NewGeneration(t.Context(), catalog.NewGeneration{TableID: w.table.ID, Partition: 0, Epoch: w.epoch[0], Reason: "topic made again"})
		must(t, err)
		w.gen[0] = g
		w.log.setEnds(nil)
		w.stage(0, 0, 7)
		time.Sleep(20 * time.Second)
		w.wantSegments("2 ready p0 [0,10) p0.g1 [0,7) 17 events")
		if j := w.job(id); j.State != catalog.JobFailed || j.Reserved || !strings.Contains(j.Problem, "p0 [10,15) will never be staged") {
			t.Errorf("job: got %+v, want it withdrawn with the reason", j)
		}
		if rolls, err := w.cat.RollRequests(t.Context()); err != nil || len(rolls) != 0 {
			t.Errorf("roll requests of ended jobs: %+v, %v", rolls, err)
		}
	})
}

// A job whose offsets can never come is withdrawn in its first attempt too.
func TestNeverStagedInAttempt(t *testing.T) {
	w := newWorld(t, 1, byHand)
	w.stage(0, 0, 10)
	b := w.builder(nil)
	s, j, err := w.cat.Reserve(t.Context(), catalog.Reservation{CubeID: w.cube.ID, JobKind: KindBuild, Range: segmenter.Vector{{Start: 0, End: 15}}})
	must(t, err)
	_, err = w.cat.NewGeneration(t.Context(), catalog.NewGeneration{TableID: w.table.ID, Partition: 0, Epoch: w.epoch[0], Reason: "test"})
	must(t, err)
	_, err = b.runBody(t.Context(), scheduler.Task{Spec: bodyTask(j, 1).Spec})
	must(t, err)
	if got := w.job(j.ID); got.State != catalog.JobFailed || got.Reserved || got.Attempts != 1 {
		t.Errorf("job of segment %d: got %+v, want it failed and withdrawn at once", s.Number, got)
	}
	w.wantSegments()
}
