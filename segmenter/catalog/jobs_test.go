package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// pending is a job on its own range of a cube.
func pending(t testing.TB, c *Catalog, cubeID string, at int64) Job {
	t.Helper()
	_, j := reserve(t, c, reservation(cubeID, rng(0, at, at+10)))
	return j
}

func job(t testing.TB, c *Catalog, id int64) Job {
	t.Helper()
	j, err := c.Job(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func wantStale(t testing.TB, what string, err error, state JobState) {
	t.Helper()
	var stale *StaleJobError
	if !errors.As(err, &stale) || stale.State != state {
		t.Errorf("%s: got %v, want StaleJobError of a %s job", what, err, state)
	}
}

// Claims go by priority, then age; what may not run is passed over; a lease that is over goes first.
func TestClaimOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		id, _, _ := cubed(t, c)
		var jobs []Job
		for i, priority := range []int{5, 1, 5, 1} {
			r := reservation(id, rng(0, int64(i)*10, int64(i)*10+10))
			r.Priority = priority
			_, j := reserve(t, c, r)
			jobs = append(jobs, j)
		}
		next := func(at int64) (Job, bool) {
			t.Helper()
			j, ok, err := c.ClaimJob(ctx, JobClaim{Owner: "a", Now: clock(at), Lease: lease})
			if err != nil {
				t.Fatal(err)
			}
			return j, ok
		}
		wantNext := func(at int64, want Job, attempt int) Job {
			t.Helper()
			j, ok := next(at)
			if !ok || j.ID != want.ID || j.Attempts != attempt || j.State != JobRunning {
				t.Fatalf("next at %d: got %+v, %t, want job %d, attempt %d", at, j, ok, want.ID, attempt)
			}
			return j
		}
		first := wantNext(0, jobs[1], 1)
		if err := c.RetryJob(ctx, JobPause{ID: first.ID, Epoch: first.Epoch, Problem: "no room", Until: clock(20)}); err != nil {
			t.Fatal(err)
		}
		wantNext(10, jobs[3], 1)
		slow := wantNext(10, jobs[0], 1) // its lease ends at 40
		wantNext(20, jobs[1], 2)
		if err := c.PauseJob(ctx, jobs[2].ID, "ann"); err != nil {
			t.Fatal(err)
		}
		if j, ok := next(30); ok {
			t.Fatalf("nothing is left, got %+v", j)
		}
		again := wantNext(40, jobs[3], 2)
		if taken := wantNext(41, slow, 2); taken.Epoch <= again.Epoch || again.Epoch <= slow.Epoch {
			t.Errorf("epochs %d, %d, %d do not ascend", slow.Epoch, again.Epoch, taken.Epoch)
		}
		for _, named := range []int64{slow.ID, jobs[2].ID} { // another's shorter leases are no matter
			if j, ok, err := c.ClaimJob(ctx, JobClaim{ID: named, Owner: "b", Now: clock(42), Lease: time.Second}); ok || err != nil {
				t.Errorf("claim of a running or paused job: got %+v, %v, want none", j, err)
			}
		}
		// By a clock far behind no lease is over, but the one that the caller has watched: whose end it names.
		for until, want := range map[int64]bool{0: false, 1: false, job(t, c, slow.ID).UntilUs: true} {
			if _, ok, err := c.ClaimJob(ctx, JobClaim{ID: slow.ID, Owner: "b", Now: clock(-3600), Lease: lease, Until: until}); ok != want || err != nil {
				t.Errorf("claim by a clock an hour behind, of a lease until %d: %t, %v, want %t", until, ok, err, want)
			}
		}
	})
}

// C11: whoever does not run the job any more is refused, whatever it asks, and nothing of it is visible.
func TestStaleEpochRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		id, _, _ := cubed(t, c)
		ask := func(what string, old Job, state JobState) {
			t.Helper()
			before := job(t, c, old.ID)
			live := segments(t, c, SegmentQuery{CubeID: id})
			pause := JobPause{ID: old.ID, Epoch: old.Epoch, Problem: "late", Until: clock(99)}
			wantStale(t, what+", publish", c.Publish(ctx, publication(old, rng(0, 0, 10))), state)
			wantStale(t, what+", renew", c.RenewJob(ctx, JobReport{
				ID: old.ID, Epoch: old.Epoch, Now: clock(50), Lease: lease, Steps: []JobStep{{Name: "late"}}, Log: []string{"late"},
			}), state)
			wantStale(t, what+", wait", c.WaitJob(ctx, pause), state)
			wantStale(t, what+", retry", c.RetryJob(ctx, pause), state)
			wantStale(t, what+", fail", c.FailJob(ctx, pause), state)
			wantStale(t, what+", fail for good", c.FailJob(ctx, JobPause{ID: old.ID, Epoch: old.Epoch}), state)
			wantStale(t, what+", finish", c.FinishJob(ctx, old.ID, old.Epoch, "late"), state)
			wantDiff(t, what+", job", before, job(t, c, old.ID))
			wantDiff(t, what+", segments", live, segments(t, c, SegmentQuery{CubeID: id}))
		}
		old := claim1(t, c, pending(t, c, id, 0).ID)
		taken, ok, err := c.ClaimJob(ctx, JobClaim{ID: old.ID, Owner: "b", Now: clock(30), Lease: lease})
		if err != nil || !ok {
			t.Fatalf("take over: %t, %v", ok, err)
		}
		ask("taken over", old, JobRunning)
		if err := c.PauseJob(ctx, old.ID, "ann"); err != nil {
			t.Fatal(err)
		}
		ask("paused", taken, JobPaused)
		if err := c.ResumeJob(ctx, old.ID, "ann"); err != nil {
			t.Fatal(err)
		}
		ask("resumed", taken, JobPending)
		if err := c.CancelJob(ctx, old.ID, "ann"); err != nil {
			t.Fatal(err)
		}
		ask("cancelled", taken, JobCancelled)
		done := claim1(t, c, pending(t, c, id, 0).ID)
		if err := c.Publish(ctx, publication(done, rng(0, 0, 10))); err != nil {
			t.Fatal(err)
		}
		other := publication(done, rng(0, 0, 10))
		other.ID = strings.Repeat("f", 64)
		wantStale(t, "another publication of a finished job", c.Publish(ctx, other), JobFinished)
	})
}

// C10: each end of a job withdraws its segment in the same transaction, or keeps both.
func TestJobEnds(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		id, _, _ := cubed(t, c)
		for i, tt := range []struct {
			name string
			end  func(j Job) error
			want JobState
			open bool
		}{
			{"cancel", func(j Job) error { return c.CancelJob(ctx, j.ID, "ann") }, JobCancelled, false},
			{"cancel again", func(j Job) error {
				return errors.Join(c.CancelJob(ctx, j.ID, "ann"), c.CancelJob(ctx, j.ID, "ann"))
			}, JobCancelled, false},
			{"fail", func(j Job) error { return c.FailJob(ctx, JobPause{ID: j.ID, Epoch: j.Epoch, Problem: "why"}) }, JobFailed, false},
			{"fail and hold", func(j Job) error {
				return c.FailJob(ctx, JobPause{ID: j.ID, Epoch: j.Epoch, Problem: "why", Until: clock(3600)})
			}, JobFailed, true},
			{"finish", func(j Job) error { return c.FinishJob(ctx, j.ID, j.Epoch, "nothing to do") }, JobFinished, false},
			{"wait", func(j Job) error { return c.WaitJob(ctx, JobPause{ID: j.ID, Epoch: j.Epoch, Until: clock(60)}) }, JobWaiting, true},
			{"wait too long", func(j Job) error {
				return errors.Join(c.WaitJob(ctx, JobPause{ID: j.ID, Epoch: j.Epoch, Until: clock(60)}),
					c.FailJob(ctx, JobPause{ID: j.ID, Epoch: j.Epoch, Problem: "never staged"}))
			}, JobFailed, false},
			{"wake", func(j Job) error {
				return errors.Join(c.WaitJob(ctx, JobPause{ID: j.ID, Epoch: j.Epoch, Until: clock(60)}), c.WakeJob(ctx, j.ID), c.WakeJob(ctx, j.ID))
			}, JobPending, true},
			{"pause", func(j Job) error { return errors.Join(c.PauseJob(ctx, j.ID, "ann"), c.PauseJob(ctx, j.ID, "bob")) }, JobPaused, true},
			{"fail and resume", func(j Job) error {
				return errors.Join(c.FailJob(ctx, JobPause{ID: j.ID, Epoch: j.Epoch, Problem: "why", Until: clock(3600)}), c.ResumeJob(ctx, j.ID, "ann"))
			}, JobPending, true},
		} {
			at := int64(i) * 10
			j := claim1(t, c, pending(t, c, id, at).ID)
			if err := tt.end(j); err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			got := job(t, c, j.ID)
			_, err := c.Segment(ctx, id, j.Segment)
			owned := got.EndedUs > 0 && tt.name != "wait too long" // who ran it stays
			if got.State != tt.want || got.Reserved != tt.open || errors.Is(err, ErrNotFound) == tt.open || (got.Owner != "") != owned {
				t.Errorf("%s: got job %+v, segment %v, want %s, with segment: %t", tt.name, got, err, tt.want, tt.open)
			}
			if !tt.open {
				reserve(t, c, reservation(id, rng(0, at, at+10))) // the place is free
			}
		}
		var conflict *ConflictError
		done := claim1(t, c, pending(t, c, id, 500).ID)
		if err := c.FinishJob(ctx, done.ID, done.Epoch, ""); err != nil {
			t.Fatal(err)
		}
		for name, err := range map[string]error{
			"cancel": c.CancelJob(ctx, done.ID, "ann"), "pause": c.PauseJob(ctx, done.ID, "ann"), "resume": c.ResumeJob(ctx, done.ID, "ann"),
		} {
			if !errors.As(err, &conflict) || !strings.Contains(err.Error(), "finished") {
				t.Errorf("%s a finished job: got %v, want ConflictError", name, err)
			}
		}
		failed := claim1(t, c, pending(t, c, id, 500).ID)
		if err := c.FailJob(ctx, JobPause{ID: failed.ID, Epoch: failed.Epoch}); err != nil {
			t.Fatal(err)
		}
		if err := c.ResumeJob(ctx, failed.ID, "ann"); !errors.As(err, &conflict) || !strings.Contains(err.Error(), "submit it again") {
			t.Errorf("resume without a reservation: got %v, want ConflictError with what to do", err)
		}
	})
}

func TestJobProgressAndLog(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		id, _, _ := cubed(t, c)
		j := claim1(t, c, pending(t, c, id, 0).ID)
		report := JobReport{ID: j.ID, Epoch: j.Epoch, Now: clock(10), Lease: lease, Steps: []JobStep{{Name: "read", Done: 3, Total: 9, Unit: "files"}}}
		for i := range 4 {
			report.Log = nil
			for k := range 300 {
				report.Log = append(report.Log, fmt.Sprintf("line %d", i*300+k+1))
			}
			if err := c.RenewJob(ctx, report); err != nil {
				t.Fatal(err)
			}
		}
		odd := "nul \x00, half \xc3, " + strings.Repeat("long ", 1000)
		report.Steps, report.Log = nil, []string{odd}
		if err := c.RenewJob(ctx, report); err != nil {
			t.Fatal(err)
		}
		got := job(t, c, j.ID)
		wantDiff(t, "steps", []JobStep{{Name: "read", Done: 3, Total: 9, Unit: "files"}}, got.Steps)
		if want := clock(10).Add(lease).UnixMicro(); got.UntilUs != want {
			t.Errorf("lease until %d, want %d", got.UntilUs, want)
		}
		log, err := c.JobLog(ctx, j.ID, 0, 5000)
		if err != nil || len(log) != keepLines {
			t.Fatalf("log: %d lines, %v, want %d", len(log), err, keepLines)
		}
		if first, last := log[0], log[len(log)-1]; first.Line != 202 || first.Text != "line 202" || last.Line != 1201 || len(last.Text) > maxLineText {
			t.Errorf("log goes from %+v to line %d of %d bytes", first, last.Line, len(last.Text))
		}
		page, err := c.JobLog(ctx, j.ID, 300, 2)
		if err != nil || len(page) != 2 || page[0].Line != 301 {
			t.Errorf("page behind 300: got %+v, %v", page, err)
		}
		if err := c.DropJob(ctx, j.ID, "ann"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.JobLog(ctx, j.ID, 0, 1); !errors.Is(err, ErrNotFound) {
			t.Errorf("log of a dropped job: got %v, want ErrNotFound", err)
		}
		wantDiff(t, "segments of a dropped job", []string(nil), segments(t, c, SegmentQuery{CubeID: id}))
	})
}

func TestJobLists(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		a, _, _ := cubed(t, c)
		b, _, _ := cubed(t, c)
		var ids []int64
		for i := range int64(6) {
			ids = append(ids, pending(t, c, []string{a, b}[i%2], i*10).ID)
		}
		for _, i := range []int{1, 4} {
			if err := c.CancelJob(ctx, ids[i], "ann"); err != nil {
				t.Fatal(err)
			}
		}
		idsOf := func(list []Job, err error) (out []int64) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range list {
				out = append(out, j.ID)
			}
			return out
		}
		pick := func(at ...int) (out []int64) {
			for _, i := range at {
				out = append(out, ids[i])
			}
			return out
		}
		wantDiff(t, "all", pick(5, 4, 3, 2, 1, 0), idsOf(c.Jobs(ctx, JobQuery{})))
		wantDiff(t, "first page", pick(5, 4), idsOf(c.Jobs(ctx, JobQuery{Limit: 2})))
		wantDiff(t, "next page", pick(3, 2), idsOf(c.Jobs(ctx, JobQuery{Limit: 2, Before: ids[4]})))
		wantDiff(t, "of a cube", pick(4, 2, 0), idsOf(c.Jobs(ctx, JobQuery{CubeID: a})))
		wantDiff(t, "of a state", pick(4, 1), idsOf(c.Jobs(ctx, JobQuery{States: []JobState{JobCancelled}})))
		wantDiff(t, "of both", pick(4), idsOf(c.Jobs(ctx, JobQuery{CubeID: a, States: []JobState{JobCancelled, JobFailed}})))
		if _, err := c.Jobs(ctx, JobQuery{States: []JobState{"done"}}); err == nil || !strings.Contains(err.Error(), "want one of [pending") {
			t.Errorf("unknown state: got %v", err)
		}
		wantDiff(t, "open", pick(0, 2, 3, 5), idsOf(c.OpenJobs(ctx, "")))
		wantDiff(t, "open of a cube", pick(3, 5), idsOf(c.OpenJobs(ctx, b)))
		n, err := c.ForgetJobs(ctx, time.Now().Add(time.Hour), 1)
		if err != nil || n != 1 {
			t.Errorf("forget one: got %d, %v", n, err)
		}
		n, err = c.ForgetJobs(ctx, time.Now().Add(time.Hour), 10)
		if err != nil || n != 1 {
			t.Errorf("forget the rest: got %d, %v, want 1: open ones stay", n, err)
		}
		wantDiff(t, "left", pick(5, 3, 2, 0), idsOf(c.Jobs(ctx, JobQuery{})))
	})
}

// I7: what nobody will use any more is removed, and only that: of a failed job when its caller says so, under the epoch of
// its failure, and a segment that no job holds.
func TestWithdrawn(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		id, _, _ := cubed(t, c)
		for i := range int64(2) {
			j := claim1(t, c, pending(t, c, id, i*10).ID)
			end := JobPause{ID: j.ID, Epoch: j.Epoch, Problem: "why", Until: clock(100)}
			if err := c.FailJob(ctx, end); err != nil {
				t.Fatal(err)
			}
			end.Until = time.Time{}
			if end.Epoch -= i; i == 1 { // it was resumed and ran again since the caller looked
				wantStale(t, "withdraw", c.FailJob(ctx, end), JobFailed)
			} else if err := c.FailJob(ctx, end); err != nil {
				t.Fatal(err)
			}
		}
		pending(t, c, id, 20)
		orphan := pending(t, c, id, 30)
		if _, err := c.w.Exec(`UPDATE jobs SET reserved = 0 WHERE id = $1`, orphan.ID); err != nil { // as a damaged catalog might
			t.Fatal(err)
		}
		for want := 1; want >= 0; want-- {
			if n, err := c.WithdrawAbandoned(ctx); err != nil || n != want {
				t.Errorf("withdrew %d, %v, want %d", n, err, want)
			}
		}
		wantDiff(t, "left", []string{"2 new p0 [10,20)", "3 new p0 [20,30)"}, segments(t, c, SegmentQuery{CubeID: id}))
		list, err := c.Jobs(ctx, JobQuery{States: []JobState{JobFailed}})
		if err != nil || len(list) != 2 || list[1].Reserved || !list[0].Reserved || list[1].Problem != "why" {
			t.Errorf("failed jobs: got %+v, %v", list, err)
		}
	})
}

// The same key and request get the same answer, whatever has become of it; another request is refused.
func TestIdempotency(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		id, _, _ := cubed(t, c)
		r := reservation(id, rng(0, 0, 10))
		r.Idempotency.Key = "ann/1"
		s, j := reserve(t, c, r)
		if err := c.CancelJob(ctx, j.ID, "ann"); err != nil {
			t.Fatal(err)
		}
		again, sameJob := reserve(t, c, r)
		wantDiff(t, "segment", s, again)
		wantDiff(t, "job", j, sameJob)
		wantDiff(t, "segments", []string(nil), segments(t, c, SegmentQuery{CubeID: id}))
		r.Range = segmenter.Vector{rng(0, 0, 11)}
		var conflict *ConflictError
		if _, _, err := c.Reserve(ctx, r); !errors.As(err, &conflict) || !strings.Contains(err.Error(), "new key") {
			t.Errorf("another request: got %v, want ConflictError", err)
		}
		i := Idempotency{Key: "ann/2", Request: "apply"}
		var got string
		if ok, err := c.Answer(ctx, i, &got); ok || err != nil {
			t.Errorf("no answer yet: got %t, %v", ok, err)
		}
		if err := c.KeepAnswer(ctx, i, "yes"); err != nil {
			t.Fatal(err)
		}
		if err := c.KeepAnswer(ctx, i, "no"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("a second answer: got %v, want ErrUnavailable", err)
		}
		if ok, err := c.Answer(ctx, i, &got); !ok || err != nil || got != "yes" {
			t.Errorf("answer: got %q, %t, %v", got, ok, err)
		}
		if n, err := c.ForgetAnswers(ctx, time.Now().Add(time.Hour), 1); n != 1 || err != nil {
			t.Errorf("forget one: got %d, %v", n, err)
		}
	})
}
