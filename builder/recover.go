package builder

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// recover looks at every job that holds a reservation: it queues what may run and has no task, wakes what waited for
// staging, ends what has waited too long, and withdraws what nobody will build. It costs what is open. One job's trouble
// does not stop the others: its error comes at the end.
func (b *Builder) recover(ctx context.Context, _ scheduler.Task) ([]scheduler.Submission, error) {
	jobs, err := b.o.Catalog.OpenJobs(ctx, "")
	if err != nil {
		return nil, err
	}
	r := &recovery{b: b, now: b.patience.now(), cubes: map[string]catalog.CubeInfo{}}
	b.patience.watch(jobs, r.now)
	b.countJobs(jobs, time.Now())
	var spawn []scheduler.Submission
	var errs []error
	for _, j := range jobs {
		s, err := r.look(ctx, j)
		switch {
		case ctx.Err() != nil && len(spawn) > 0:
			return spawn, nil // the others are for the next pass
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, catalog.ErrNotFound): // it, or its cube, has ended meanwhile
		case err != nil:
			errs = append(errs, fmt.Errorf("job %d: %w", j.ID, err))
		case s != nil:
			spawn = append(spawn, *s)
		}
	}
	if time.Since(b.swept.Load().(time.Time)) > time.Minute {
		if _, err := b.o.Catalog.WithdrawAbandoned(ctx); err != nil {
			errs = append(errs, err)
		} else {
			b.swept.Store(time.Now())
		}
	}
	if len(errs) == 0 {
		return spawn, nil
	}
	if len(spawn) > 0 { // a task that fails spawns nothing
		_, err := b.sched.Submit(ctx, spawn...)
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// recovery is one pass of recover.
type recovery struct {
	b     *Builder
	now   moment
	cubes map[string]catalog.CubeInfo // read so far
}

func (r *recovery) cube(ctx context.Context, id string) (catalog.CubeInfo, error) {
	if info, ok := r.cubes[id]; ok {
		return info, nil
	}
	info, err := r.b.o.Catalog.CubeInfo(ctx, id)
	if err == nil {
		r.cubes[id] = info
	}
	return info, err
}

// look returns the task that runs a job, where it may run now.
func (r *recovery) look(ctx context.Context, j catalog.Job) (*scheduler.Submission, error) {
	length, timed := r.b.given(j)
	over := timed && r.b.patience.over(j, length, r.now)
	ready := false
	var err error
	switch j.State {
	case catalog.JobPending, catalog.JobRunning:
		ready = over
	case catalog.JobWaiting:
		ready, err = r.waiting(ctx, j, over)
	case catalog.JobFailed:
		ready, err = r.failed(ctx, j, over)
	}
	if err != nil || !ready {
		return nil, err
	}
	info, err := r.cube(ctx, j.CubeID)
	if err != nil {
		return nil, err
	}
	s := bodyTask(j, info.Cube.MaxJobs)
	return &s, nil
}

// waiting wakes a job when all is staged, and ends it when that cannot come any more or has taken too long.
func (r *recovery) waiting(ctx context.Context, j catalog.Job, over bool) (ready bool, err error) {
	missing, info, err := r.unstaged(ctx, j)
	switch {
	case err != nil:
		return false, err
	case missing.Empty():
		return true, r.b.o.Catalog.WakeJob(ctx, j.ID)
	case len(missing.Never) > 0:
		return false, r.withdraw(ctx, j, info, (&neverError{missing.Never}).Error())
	case !over:
		return false, nil
	}
	problem := fmt.Sprintf("%s was not staged within %s: is table %s read by an ingest process?", missing.Coming, r.b.o.StagingWait, info.Cube.Table)
	until := time.UnixMicro(r.now.us).Add(r.b.o.FailedHold)
	return false, r.fail(ctx, j, info, catalog.JobPause{ID: j.ID, Epoch: j.Epoch, Problem: problem, Until: until, Unstaged: true})
}

// failed wakes a job that lacked nothing but staging when that has come, and withdraws one that nobody has resumed in time.
func (r *recovery) failed(ctx context.Context, j catalog.Job, over bool) (ready bool, err error) {
	if j.Unstaged {
		missing, info, err := r.unstaged(ctx, j)
		switch {
		case err != nil:
			return false, err
		case missing.Empty():
			return true, r.b.o.Catalog.WakeJob(ctx, j.ID)
		case len(missing.Never) > 0:
			return false, r.withdraw(ctx, j, info, (&neverError{missing.Never}).Error())
		}
	}
	if !over {
		return false, nil
	}
	return false, taken(r.b.o.Catalog.FailJob(ctx, catalog.JobPause{ID: j.ID, Epoch: j.Epoch, Problem: j.Problem}))
}

// unstaged returns what a job's segment lacks.
func (r *recovery) unstaged(ctx context.Context, j catalog.Job) (catalog.Unstaged, catalog.CubeInfo, error) {
	s, err := r.b.o.Catalog.Segment(ctx, j.CubeID, j.Segment)
	if err != nil {
		return catalog.Unstaged{}, catalog.CubeInfo{}, err
	}
	info, err := r.cube(ctx, j.CubeID)
	if err != nil {
		return catalog.Unstaged{}, info, err
	}
	missing, err := r.b.o.Catalog.Unstaged(ctx, info.TableID, s.Range)
	return missing, info, err
}

// withdraw ends a job whose offsets cannot come, so that its cube goes on.
func (r *recovery) withdraw(ctx context.Context, j catalog.Job, info catalog.CubeInfo, problem string) error {
	return r.fail(ctx, j, info, catalog.JobPause{ID: j.ID, Epoch: j.Epoch, Problem: problem})
}

func (r *recovery) fail(ctx context.Context, j catalog.Job, info catalog.CubeInfo, p catalog.JobPause) error {
	err := r.b.o.Catalog.FailJob(ctx, p)
	if err != nil {
		return taken(err)
	}
	r.b.m.jobEnded(j.Kind, catalog.JobFailed, 0)
	run := &jobRun{b: r.b, job: j, def: info.Cube}
	r.b.notify(ctx, run.failure(p.Problem).forGood())
	return nil
}

// neverError says that offsets of a segment cannot come any more.
type neverError struct{ lines segmenter.Vector }

func (e *neverError) Error() string {
	return fmt.Sprintf("%s will never be staged: its generation of the topic was closed before it (the topic was made again, or truncated): the next cut ends where it was closed", e.lines)
}

// stalled reports whether a job waits for a store, or tries it again just now. One that has run for longer than the longest pause
// has met it.
func (b *Builder) stalled(j catalog.Job, now time.Time) bool {
	trying := j.State == catalog.JobRunning && now.Sub(time.UnixMicro(j.StartedUs)) < b.o.MaxBackOff
	return j.Stalls > 0 && (j.State == catalog.JobPending || trying)
}

// countJobs sets the gauges of open jobs.
func (b *Builder) countJobs(jobs []catalog.Job, now time.Time) {
	b.m.jobsOpen.Reset()
	oldest, stalled := now.UnixMicro(), 0
	for _, j := range jobs {
		if b.stalled(j, now) {
			stalled++
		}
		b.m.jobsOpen.WithLabelValues(j.Kind, string(j.State)).Inc()
		oldest = min(oldest, j.CreatedUs)
	}
	b.m.jobsStalled.Set(float64(stalled))
	b.m.jobOldest.Set(float64(now.UnixMicro()-oldest) / 1e6)
}
