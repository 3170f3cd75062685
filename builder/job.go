package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Kinds of jobs.
const (
	KindBuild   = "build"
	KindFill    = "fill"
	KindRefresh = "refresh"
	KindMerge   = "merge"
)

// jobRun is one attempt at a job.
type jobRun struct {
	b    *Builder
	job  catalog.Job
	seg  catalog.SegmentEntry
	def  *cube.Cube // of the segment's version
	info catalog.CubeInfo

	mu    sync.Mutex // guards what follows
	steps []catalog.JobStep
	lines []string
}

// bodySpec is the spec of a task that runs a job.
type bodySpec struct {
	Job   int64 `json:"job"`
	Until int64 `json:"until,omitempty"` // the Job.UntilUs that was found to be over
}

// bodyTask is the task that runs a job: a slot of its cube. Fresh builds go first, since the others let pass what comes
// within their Yield.
func bodyTask(j catalog.Job, maxJobs int) scheduler.Submission {
	yield := time.Duration(0)
	switch j.Kind {
	case KindMerge:
		yield = 2 * time.Minute
	case KindRefresh, KindFill:
		yield = time.Minute
	}
	return scheduler.Submission{
		Kind: taskBody, Key: "body/" + j.CubeID, Dedup: fmt.Sprintf("job-%d", j.ID), SubmittedBy: j.SubmittedBy,
		Spec: fmt.Appendf(nil, `{"job":%d,"until":%d}`, j.ID, j.UntilUs), Slots: max(maxJobs, 1), Yield: yield,
	}
}

// runBody runs a job, if it may run still. What becomes of the job is kept with the job: the task finishes but when the
// catalog does not answer.
func (b *Builder) runBody(ctx context.Context, t scheduler.Task) ([]scheduler.Submission, error) {
	var spec bodySpec
	if err := json.Unmarshal(t.Spec, &spec); err != nil {
		return nil, &scheduler.FinalError{Err: fmt.Errorf("spec of task %d: %w", t.ID, err)}
	}
	if b.patience.ending(spec.Job) {
		return nil, nil // to take it over from oneself would count as an attempt: Recover sees to it then
	}
	defer b.patience.run(spec.Job)()
	j, ok, err := b.o.Catalog.ClaimJob(ctx, catalog.JobClaim{ID: spec.Job, Owner: b.o.Node, Now: time.Now(), Lease: b.o.Lease, Until: spec.Until})
	if errors.Is(err, catalog.ErrNotFound) || (err == nil && !ok) {
		return nil, nil // it ended, was paused, waits, or another has it: Recover sees to it
	}
	if err != nil {
		return nil, err
	}
	r := &jobRun{b: b, job: j, steps: j.Steps}
	started := time.Now()
	err = r.attempt(ctx)
	took := time.Since(started)
	state, endErr := r.end(ctx, err)
	b.m.jobEnded(j.Kind, state, took)
	attrs := []slog.Attr{
		slog.Int64("job", j.ID), slog.String("cube", j.CubeID), slog.Int64("segment", j.Segment),
		slog.String("kind", j.Kind), slog.Int64("epoch", j.Epoch), slog.Int64("took_ms", took.Milliseconds()),
	}
	switch {
	case err == nil:
		b.o.Logger.LogAttrs(ctx, slog.LevelInfo, "job finished", attrs...)
	case state == catalog.JobWaiting:
		b.o.Logger.LogAttrs(ctx, slog.LevelInfo, "job waits for staging", append(attrs, slog.Any("err", err))...)
	case state == jobStalled:
		b.o.Logger.LogAttrs(ctx, slog.LevelWarn, "job waits for a store that does not answer", append(attrs, slog.Any("err", err))...)
	case state == catalog.JobFailed:
		b.o.Logger.LogAttrs(ctx, slog.LevelError, "job failed", append(attrs, slog.Any("err", err))...)
	case ctx.Err() != nil:
		b.o.Logger.LogAttrs(ctx, slog.LevelInfo, "job is left to the next start", append(attrs, slog.Any("err", err))...)
	default:
		b.o.Logger.LogAttrs(ctx, slog.LevelWarn, "job did not end", append(attrs, slog.Any("err", err))...)
	}
	return nil, endErr
}

// attempt runs the body beside the renewal of the lease. The body's context ends when the lease is lost.
func (r *jobRun) attempt(ctx context.Context) (err error) {
	if r.job.Attempts > r.b.o.MaxAttempts {
		return &FinalError{fmt.Errorf("its process died in attempt %d", r.job.Attempts-1)}
	}
	ctx, stop := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() { stop(r.renew(ctx, done)) })
	err = r.guarded(ctx)
	close(done)
	wg.Wait()
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) && !errors.Is(cause, context.Canceled) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	stop(nil)
	return err
}

// guarded turns a panic of the body into an error: a broken invariant of one cube must not stop the others.
func (r *jobRun) guarded(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			r.b.o.Logger.LogAttrs(ctx, slog.LevelError, "job panicked", slog.Int64("job", r.job.ID), slog.Any("err", v), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return r.body(ctx)
}

// renew keeps the lease until done is closed. It returns why it could not.
func (r *jobRun) renew(ctx context.Context, done <-chan struct{}) error {
	tick := time.NewTicker(r.b.o.Lease / 4)
	defer tick.Stop()
	until := time.Now().Add(r.b.o.Lease)
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		sent := time.Now()
		call, cancel := context.WithTimeout(ctx, r.b.o.Lease/2)
		err := r.report(call)
		cancel()
		var stale *catalog.StaleJobError
		switch {
		case err == nil:
			until = sent.Add(r.b.o.Lease)
		case errors.As(err, &stale):
			return err
		case time.Now().Add(r.b.o.Lease / 4).After(until):
			if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) { // of the call and not of the job: the catalog hangs
				err = fmt.Errorf("%w: %w", catalog.ErrUnavailable, err)
			}
			return fmt.Errorf("the lease of job %d could not be renewed: %w", r.job.ID, err)
		}
	}
}

// report renews the lease and hands over steps and log lines. Lines of a report that failed go with the next one.
func (r *jobRun) report(ctx context.Context) error {
	r.mu.Lock()
	m := catalog.JobReport{
		ID: r.job.ID, Epoch: r.job.Epoch, Now: time.Now(), Lease: r.b.o.Lease, Log: r.lines,
		Steps: append([]catalog.JobStep{}, r.steps...),
	}
	r.lines = nil
	r.mu.Unlock()
	err := r.b.o.Catalog.RenewJob(ctx, m)
	if err != nil {
		r.mu.Lock()
		r.lines = append(m.Log, r.lines...)
		r.mu.Unlock()
	}
	return err
}

// logf adds a line to the job's log.
func (r *jobRun) logf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

// step begins a step, or begins it again, and ends the one before.
func (r *jobRun) step(name, unit string) (progress func(done, total int64)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now().UnixMicro()
	at := -1
	for i := range r.steps {
		s := &r.steps[i]
		if s.Name == name {
			at = i
		} else if s.EndedUs == 0 {
			s.EndedUs = now
		}
	}
	if at < 0 {
		at = len(r.steps)
		r.steps = append(r.steps, catalog.JobStep{})
	}
	r.steps[at] = catalog.JobStep{Name: name, Unit: unit, StartedUs: now}
	return func(done, total int64) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.steps[at].Done, r.steps[at].Total = done, total
	}
}

// waitError gives a job back until what it needs is staged (B5).
type waitError struct{ what string }

func (e *waitError) Error() string { return "waits for " + e.what }

// States in metrics alone.
const (
	jobTaken   catalog.JobState = "taken"   // somebody else decides about it by now
	jobStalled catalog.JobState = "stalled" // it is pending, and a store did not answer
)

// end tells the catalog what became of the attempt, however long that takes. It returns the state that the job is in then, for
// logs, and an error only if the catalog did not take it.
func (r *jobRun) end(ctx context.Context, err error) (state catalog.JobState, _ error) {
	cat, cause := r.b.o.Catalog, context.Cause(ctx)
	if err == nil {
		return catalog.JobFinished, nil
	}
	ctx = context.WithoutCancel(ctx)
	p := catalog.JobPause{ID: r.job.ID, Epoch: r.job.Epoch, Problem: err.Error()}
	now := time.Now()
	var wait *waitError
	var never *neverError
	var final *FinalError
	var stale *catalog.StaleJobError
	switch {
	case errors.As(err, &stale):
		return jobTaken, nil
	case errors.As(err, &never): // withdrawn at once, so that the cube goes on
		return r.failed(ctx, p)
	case errors.As(err, &wait):
		p.Until, p.Uncount = now.Add(r.b.o.StagingWait), true
		return catalog.JobWaiting, taken(r.giveBack(ctx, cat.WaitJob, p))
	case cause != nil: // the process stops, or the task was taken away: another attempt is nobody's fault
		p.Problem, p.Uncount = cause.Error(), true
		return catalog.JobPending, taken(r.giveBack(ctx, cat.RetryJob, p))
	}
	tries, most, state := r.job.Attempts, r.b.o.MaxAttempts, catalog.JobPending
	if p.Stalled = outage(err); p.Stalled {
		tries, most, state = r.job.Stalls+1, r.b.o.MaxStalls, jobStalled
	}
	switch {
	case errors.As(err, &final):
		p.Stalled = false
	case tries < most:
		return r.again(ctx, p, tries, state)
	case p.Stalled:
		p.Problem = fmt.Sprintf("a store did not answer in %d attempts in a row: %s", tries, p.Problem)
	}
	p.Until = now.Add(r.b.o.FailedHold)
	return r.failed(ctx, p)
}

// giveBack asks again while the catalog does not answer, until the process stops: left as it is, the job would count the
// attempt as one that its process died in. What comes too late is refused: another owner has another epoch (C11).
func (r *jobRun) giveBack(ctx context.Context, call func(context.Context, catalog.JobPause) error, p catalog.JobPause) error {
	defer r.b.patience.end(r.job.ID)()
	for {
		err := call(ctx, p)
		if !errors.Is(err, catalog.ErrUnavailable) {
			return err
		}
		r.b.o.Logger.LogAttrs(ctx, slog.LevelWarn, "ending a job failed", slog.Int64("job", r.job.ID), slog.Any("err", err))
		select {
		case <-r.b.stopping:
			return err
		case <-time.After(r.b.o.Interval):
		}
	}
}

// outage reports whether an attempt ended because the object store, HBase or the catalog did not answer. That says nothing of the
// job: another attempt is as good as the first, once they do.
func outage(err error) bool {
	return errors.Is(err, blob.ErrUnavailable) || errors.Is(err, catalog.ErrUnavailable)
}

// again gives the job back for another attempt after tries of one kind in a row.
func (r *jobRun) again(ctx context.Context, p catalog.JobPause, tries int, state catalog.JobState) (catalog.JobState, error) {
	p.Until = time.Now().Add(r.b.backOff(tries))
	if err := r.giveBack(ctx, r.b.o.Catalog.RetryJob, p); err != nil {
		return unsaid(state, err)
	}
	if tries >= r.b.o.NotifyAfter {
		r.b.notify(ctx, r.failure(p.Problem))
	}
	return state, nil
}

// failed ends the job and tells its owner, unless the catalog knows better: a publication whose answer was lost has
// succeeded, and a job that was taken over or cancelled is no failure of this attempt.
func (r *jobRun) failed(ctx context.Context, p catalog.JobPause) (catalog.JobState, error) {
	if err := r.giveBack(ctx, r.b.o.Catalog.FailJob, p); err != nil {
		return unsaid(catalog.JobFailed, err)
	}
	r.b.notify(ctx, r.failure(p.Problem).forGood())
	return catalog.JobFailed, nil
}

// taken makes a refusal a success: somebody else decides about the job by now.
func taken(err error) error {
	var stale *catalog.StaleJobError
	if errors.As(err, &stale) || errors.Is(err, catalog.ErrNotFound) {
		return nil
	}
	return err
}

// unsaid is what became of a job whose state the catalog did not take.
func unsaid(state catalog.JobState, err error) (catalog.JobState, error) {
	if taken(err) == nil {
		return jobTaken, nil
	}
	return state, err
}

// backOff is how long a job rests after tries in a row that ended in the same way.
func (b *Builder) backOff(tries int) time.Duration {
	d := b.o.BackOff
	for i := 1; i < tries && d < b.o.MaxBackOff; i++ {
		d *= 2
	}
	return min(d, b.o.MaxBackOff)
}
