package builder

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// running runs builders until the test stops them, in virtual time.
func running(t *testing.T, builders ...*Builder) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, len(builders))
	for _, b := range builders {
		go func() { done <- b.Run(ctx) }()
	}
	return func() {
		t.Helper()
		cancel()
		for range builders {
			must(t, <-done)
		}
	}
}

// From staged files to ready segments by the timer alone: nothing is cut before its age, all of it after.
func TestRunCutsByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, "cut: {age: 30s}\n")
		b := w.builder(nil)
		stop := running(t, b)
		time.Sleep(5 * time.Second)
		w.stage(0, 0, 10)
		time.Sleep(20 * time.Second)
		w.stage(1, 0, 4)
		w.wantSegments()
		time.Sleep(20 * time.Second)
		w.wantSegments("1 ready p0 [0,10) p1 [0,4) 14 events")
		w.stage(0, 10, 20)
		time.Sleep(29 * time.Second)
		w.wantSegments("1 ready p0 [0,10) p1 [0,4) 14 events")
		time.Sleep(5 * time.Second)
		w.wantSegments("1 ready p0 [0,10) p1 [0,4) 14 events", "2 ready p0 [10,20) p1 [4,4) 10 events")
		stop()
	})
}

// After an outage one pass plans all that is missing, in segments of the size limit, and they are built one after another.
func TestRunAfterOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "max_jobs: 1\ncut: {age: 1h, rows_per_build: 1000}\nmerge: {manual: true}\n")
		w.stage(0, 0, 2000)
		w.stage(0, 2000, 5000)
		time.Sleep(24 * time.Hour)
		b := w.builder(nil)
		stop := running(t, b)
		time.Sleep(10 * time.Second)
		w.wantSegments("1 ready p0 [0,1000) 1000 events", "2 ready p0 [1000,2000) 1000 events", "3 ready p0 [2000,3000) 1000 events",
			"4 ready p0 [3000,4000) 1000 events", "5 ready p0 [4000,5000) 1000 events")
		stop()
	})
}

// Two processes share one catalog: each offset is in one segment, whoever builds it; what the killed one held is taken over.
func TestRunTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "cut: {age: 5s}\nmerge: {manual: true}\n")
		a := w.builder(nil)
		b := w.builder(func(o *Options) { o.Node = "n2" })
		stop := running(t, a, b)
		for i := range int64(20) {
			w.stage(0, i*10, i*10+10)
			time.Sleep(3 * time.Second)
		}
		time.Sleep(20 * time.Second)
		stop()
		covered := int64(0)
		for s, err := range w.cat.Segments(t.Context(), catalog.SegmentQuery{CubeID: w.cube.ID}) {
			must(t, err)
			if s.Range[0].Start != covered || s.State != "ready" {
				t.Errorf("segment %d is %s %s, want ready from %d on", s.Number, s.State, s.Range, covered)
			}
			covered = s.Range[0].End
		}
		if covered != 200 {
			t.Errorf("covered up to %d, want 200", covered)
		}
	})
}

// A job whose process died is taken over when its lease is over, under a higher epoch, and the old one is refused.
func TestRunTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "cut: {manual: true}\n")
		w.stage(0, 0, 10)
		b := w.builder(nil)
		got, err := b.Build(t.Context(), BuildRequest{Request: w.request()})
		must(t, err)
		dead, ok, err := w.cat.ClaimJob(t.Context(), catalog.JobClaim{ID: got.Jobs[0].ID, Owner: "dead", Now: time.Now(), Lease: 15 * time.Second})
		if err != nil || !ok {
			t.Fatalf("claim: %t, %v", ok, err)
		}
		stop := running(t, b)
		time.Sleep(10 * time.Second)
		w.wantSegments("1 new p0 [0,10) 0 events")
		time.Sleep(10 * time.Second)
		w.wantSegments("1 ready p0 [0,10) 10 events")
		stop()
		var stale *catalog.StaleJobError
		if err := w.cat.RenewJob(t.Context(), catalog.JobReport{ID: dead.ID, Epoch: dead.Epoch, Now: time.Now(), Lease: time.Second}); !errors.As(err, &stale) {
			t.Errorf("the dead one comes back: got %v, want StaleJobError", err)
		}
	})
}

// What is not staged in time fails the job with the reason, and tells its reservation's end.
func TestRunStagingTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "cut: {manual: true}\n")
		w.log.setEnds(map[int32]int64{0: 10})
		b := w.builder(func(o *Options) { o.StagingWait, o.FailedHold = time.Minute, 10*time.Minute })
		stop := running(t, b)
		got, err := b.Build(t.Context(), BuildRequest{Request: w.request()})
		must(t, err)
		time.Sleep(30 * time.Second)
		if j := w.job(got.Jobs[0].ID); j.State != catalog.JobWaiting || j.Attempts != 0 {
			t.Errorf("after 30s: got %s, %d attempts, want waiting_for_staging, none counted", j.State, j.Attempts)
		}
		time.Sleep(time.Minute)
		if j := w.job(got.Jobs[0].ID); j.State != catalog.JobFailed || !j.Reserved {
			t.Errorf("after 90s: got %s, reserved %t, want failed and reserved", j.State, j.Reserved)
		}
		w.stage(0, 0, 10)
		must(t, w.cat.ResumeJob(t.Context(), got.Jobs[0].ID, "ann"))
		time.Sleep(5 * time.Second)
		w.wantSegments("1 ready p0 [0,10) 10 events")
		stop()
	})
}
