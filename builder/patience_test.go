package builder

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Whatever a clock shows, nothing waits for longer than it was given, and no lease that is renewed is over.
func TestPatience(t *testing.T) {
	const s = int64(1_000_000)
	type look struct {
		up    time.Duration // since the process started
		us    int64         // by the clock
		until int64         // of the job then
		want  bool
	}
	for _, tt := range []struct {
		name   string
		state  catalog.JobState
		length time.Duration
		looks  []look
	}{
		{"lease, not renewed", catalog.JobRunning, 16 * time.Second, []look{{0, 100 * s, 116 * s, false}, {15 * time.Second, 115 * s, 116 * s, false}, {16 * time.Second, 116 * s, 116 * s, true}}},
		{"lease, its owner died before this process started", catalog.JobRunning, 16 * time.Second, []look{{0, 300 * s, 116 * s, false}, {7 * time.Second, 307 * s, 116 * s, false}, {8 * time.Second, 308 * s, 116 * s, true}}},
		{"lease, the clock jumps ahead by a day, the owner lives", catalog.JobRunning, 16 * time.Second, []look{
			{0, 100 * s, 116 * s, false}, {time.Second, 86_500 * s, 116 * s, false}, {4 * time.Second, 86_504 * s, 86_520 * s, false}, {8 * time.Second, 86_508 * s, 86_524 * s, false},
		}},
		{"lease, the clock is set back by a day, the owner lives", catalog.JobRunning, 16 * time.Second, []look{
			{0, 86_500 * s, 86_516 * s, false}, {time.Second, 100 * s, 86_516 * s, false}, {4 * time.Second, 104 * s, 120 * s, false}, {20 * time.Second, 119 * s, 120 * s, true},
		}},
		{"lease, the clock is set back by a day, the owner died", catalog.JobRunning, 16 * time.Second, []look{{0, 100 * s, 86_516 * s, false}, {15 * time.Second, 115 * s, 86_516 * s, false}, {16 * time.Second, 116 * s, 86_516 * s, true}}},
		{"lease of an owner whose clock is an hour behind", catalog.JobRunning, 16 * time.Second, []look{
			{0, 3700 * s, 116 * s, false}, {4 * time.Second, 3704 * s, 120 * s, false}, {8 * time.Second, 3708 * s, 124 * s, false}, {12 * time.Second, 3712 * s, 128 * s, false},
		}},
		{"back-off", catalog.JobPending, 8 * time.Second, []look{{0, 100 * s, 108 * s, false}, {8 * time.Second, 108 * s, 108 * s, true}}},
		{"back-off, the clock is set back", catalog.JobPending, 8 * time.Second, []look{{0, 100 * s, 86_508 * s, false}, {7 * time.Second, 107 * s, 86_508 * s, false}, {8 * time.Second, 108 * s, 86_508 * s, true}}},
		{"a fresh job waits for nothing", catalog.JobPending, 8 * time.Second, []look{{0, 100 * s, 0, true}}},
		{"staging, the clock is set back in the middle", catalog.JobWaiting, 900 * time.Second, []look{{0, 100_000 * s, 100_900 * s, false}, {600 * time.Second, 14_200 * s, 100_900 * s, false}, {900 * time.Second, 14_500 * s, 100_900 * s, true}}},
		{"reservation of a failed job, the clock is set back", catalog.JobFailed, time.Hour, []look{{0, 0, 90_000 * s, false}, {time.Hour, 3600 * s, 90_000 * s, true}}},
		{"reservation of a failed job, its time went by while no process ran", catalog.JobFailed, time.Hour, []look{{0, 90_001 * s, 90_000 * s, true}}},
	} {
		p := newPatience("me")
		for i, l := range tt.looks {
			j := catalog.Job{ID: 7, State: tt.state, UntilUs: l.until}
			now := moment{us: l.us, up: l.up}
			p.watch([]catalog.Job{j}, now)
			if got := p.over(j, tt.length, now); got != l.want {
				t.Errorf("%s: look %d, %+v: over is %t, want %t", tt.name, i, l, got, l.want)
			}
		}
	}
	p := newPatience("me")
	mine := catalog.Job{ID: 1, State: catalog.JobRunning, Owner: "me", UntilUs: 16 * s}
	p.watch([]catalog.Job{mine}, moment{})
	if !p.over(mine, 16*time.Second, moment{}) {
		t.Error("a lease that the process before this one held is not over")
	}
	done := p.run(1)
	if p.over(mine, 16*time.Second, moment{}) {
		t.Error("the lease of a job that runs here is over")
	}
	given := p.end(1)
	if !p.ending(1) || p.ending(2) {
		t.Errorf("while job 1 is given back: job 1 %t, job 2 %t, want true, false", p.ending(1), p.ending(2))
	}
	given()
	done()
	p.watch(nil, moment{})
	if len(p.seen)+len(p.runs)+len(p.ends) != 0 {
		t.Errorf("ended jobs are remembered: %v, %v, %v", p.seen, p.runs, p.ends)
	}
}

// A clock that was a day ahead left times behind that are far away: each state comes to its end in its own length all the same.
func TestClockSetBack(t *testing.T) {
	const ahead = 24 * time.Hour
	for _, tt := range []struct {
		name   string
		leave  func(w *world, j catalog.Job) error // as the process did whose clock was ahead
		within time.Duration
		want   string
	}{
		{"back-off", func(w *world, j catalog.Job) error {
			return w.cat.RetryJob(w.t.Context(), catalog.JobPause{ID: j.ID, Epoch: j.Epoch, Problem: "x", Until: time.Now().Add(ahead + time.Second)})
		}, 10 * time.Second, "1 ready p0 [0,10) 10 events"},
		{"lease", func(*world, catalog.Job) error { return nil }, 25 * time.Second, "1 ready p0 [0,10) 10 events"},
		{"staging", func(w *world, j catalog.Job) error {
			return w.cat.WaitJob(w.t.Context(), catalog.JobPause{ID: j.ID, Epoch: j.Epoch, Problem: "x", Until: time.Now().Add(ahead + 15*time.Minute)})
		}, 10 * time.Second, "1 ready p0 [0,10) 10 events"},
		{"failed", func(w *world, j catalog.Job) error {
			return w.cat.FailJob(w.t.Context(), catalog.JobPause{ID: j.ID, Epoch: j.Epoch, Problem: "x", Until: time.Now().Add(ahead + time.Minute)})
		}, 70 * time.Second, "2 ready p0 [0,10) 10 events"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, "cut: {age: 1s}\nmerge: {manual: true}\n")
				w.stage(0, 0, 10)
				b := w.builder(func(o *Options) { o.FailedHold = time.Minute })
				got, err := b.Build(t.Context(), BuildRequest{Request: w.request()})
				must(t, err)
				j, ok, err := w.cat.ClaimJob(t.Context(), catalog.JobClaim{ID: got.Jobs[0].ID, Owner: "n9", Now: time.Now().Add(ahead), Lease: 15 * time.Second})
				if err != nil || !ok {
					t.Fatal(err, ok)
				}
				must(t, tt.leave(w, j))
				stop := running(t, b)
				defer stop()
				time.Sleep(tt.within)
				w.wantSegments(tt.want)
			})
		})
	}
}

// While a job waits for its time nothing is queued for it.
func TestRecoverQueuesOnlyWhatMayRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		w.stage(0, 0, 10)
		b := w.builder(func(o *Options) { o.BackOff = time.Minute })
		got, err := b.Build(t.Context(), BuildRequest{Request: w.request()})
		must(t, err)
		j, _, err := w.cat.ClaimJob(t.Context(), catalog.JobClaim{ID: got.Jobs[0].ID, Owner: "n9", Now: time.Now(), Lease: time.Second})
		must(t, err)
		must(t, w.cat.RetryJob(t.Context(), catalog.JobPause{ID: j.ID, Epoch: j.Epoch, Problem: "x", Until: time.Now().Add(24 * time.Hour)}))
		for i := range 61 {
			spawn, err := b.recover(t.Context(), scheduler.Task{})
			must(t, err)
			if want := i / 60; len(spawn) != want {
				t.Errorf("after %d s: %d tasks, want %d", i, len(spawn), want)
			}
			for _, s := range spawn {
				_, err := b.runBody(t.Context(), scheduler.Task{Spec: s.Spec})
				must(t, err)
			}
			time.Sleep(time.Second)
		}
		w.wantSegments("1 ready p0 [0,10) 10 events")
	})
}

// One job that cannot be looked at does not stop the others, and its error is told.
func TestRecoverGoesOn(t *testing.T) {
	w := newWorld(t, 1, byHand)
	w.stage(0, 0, 10)
	b := w.builder(nil)
	var jobs []catalog.Job
	for i := range int64(3) {
		_, j, err := w.cat.Reserve(t.Context(), catalog.Reservation{CubeID: w.cube.ID, JobKind: KindBuild, Range: segmenter.Vector{{Start: i, End: i + 1}}})
		must(t, err)
		jobs = append(jobs, j)
	}
	j, _, err := w.cat.ClaimJob(t.Context(), catalog.JobClaim{ID: jobs[0].ID, Owner: "n9", Now: time.Now(), Lease: time.Second})
	must(t, err)
	must(t, w.cat.WaitJob(t.Context(), catalog.JobPause{ID: j.ID, Epoch: j.Epoch, Problem: "x", Until: time.Now().Add(time.Hour)}))
	db, err := sql.Open("sqlite", w.path)
	must(t, err)
	_, err = db.Exec(`UPDATE segments SET ranges = 'x' WHERE number = $1`, j.Segment)
	must(t, errors.Join(err, db.Close()))
	if _, err := b.recover(t.Context(), scheduler.Task{}); err == nil {
		t.Error("recover: no error of a job whose segment cannot be read")
	}
	queued := map[string]bool{}
	for task, err := range w.cat.Tasks(t.Context(), catalog.TaskQuery{}) {
		must(t, err)
		queued[task.Dedup] = true
	}
	for _, j := range jobs[1:] {
		if !queued[fmt.Sprint("job-", j.ID)] {
			t.Errorf("job %d is not queued: %v", j.ID, queued)
		}
	}
}

// The owner is not told of a failure of what was published: the answer of the last attempt's publication was lost.
func TestNoFailureOfWhatWasPublished(t *testing.T) {
	told := 0
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told++ }))
	defer hook.Close()
	w := newWorld(t, 1, byHand+"notify: [\""+hook.URL+"\"]\n")
	w.stage(0, 0, 10)
	b := w.builder(func(o *Options) { o.MaxAttempts, o.NotifyAfter = 1, 1 })
	got, err := b.Build(t.Context(), BuildRequest{Request: w.request()})
	must(t, err)
	j, _, err := w.cat.ClaimJob(t.Context(), catalog.JobClaim{ID: got.Jobs[0].ID, Owner: "n1", Now: time.Now(), Lease: time.Minute})
	must(t, err)
	r := &jobRun{b: b, job: j}
	must(t, r.attempt(t.Context()))
	state, err := r.end(t.Context(), context.DeadlineExceeded)
	b.wg.Wait()
	if state != jobTaken || err != nil || told != 0 {
		t.Errorf("got %s, %v, and %d notices, want taken and none", state, err, told)
	}
	w.wantSegments("1 ready p0 [0,10) 10 events")
}

// A process that was killed and is started again takes up what it ran at once.
func TestRestartTakesUpAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		w.stage(0, 0, 10)
		b := w.builder(nil)
		got, err := b.Build(t.Context(), BuildRequest{Request: w.request()})
		must(t, err)
		_, ok, err := w.cat.ClaimJob(t.Context(), catalog.JobClaim{ID: got.Jobs[0].ID, Owner: "n1", Now: time.Now(), Lease: time.Hour})
		if err != nil || !ok {
			t.Fatal(err, ok)
		}
		stop := running(t, w.builder(nil))
		defer stop()
		time.Sleep(5 * time.Second)
		w.wantSegments("1 ready p0 [0,10) 10 events")
	})
}
