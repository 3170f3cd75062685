package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

// attempt is one task that runs here.
type attempt struct {
	task Task
	stop context.CancelCauseFunc
	end  *time.Timer // fires when the lease was not renewed in time

	// Under Scheduler.mu.
	until time.Time // the lease is ours up to here
	lost  bool      // the Store said so
}

// prolong is called under Scheduler.mu.
func (a *attempt) prolong(until time.Time) {
	if until.After(a.until) {
		a.until = until
		a.end.Reset(time.Until(until))
	}
}

func (s *Scheduler) start(ctx context.Context, t Task, until time.Time) {
	ctx, stop := context.WithCancelCause(ctx)
	a := &attempt{task: t, stop: stop, until: until}
	a.end = time.AfterFunc(time.Until(until), func() { stop(ErrLeaseLost) })
	s.mu.Lock()
	s.held[Lease{t.ID, t.Epoch}] = a
	s.mu.Unlock()
	s.wg.Go(func() {
		defer stop(nil)
		defer a.end.Stop()
		s.run(ctx, a)
		s.mu.Lock()
		delete(s.held, Lease{t.ID, t.Epoch})
		s.mu.Unlock()
		s.wakeUp() // its key is free, and what it spawned waits
	})
}

// run does one attempt and brings its outcome.
func (s *Scheduler) run(ctx context.Context, a *attempt) {
	started := time.Now()
	spawn, err := s.call(ctx, a.task)
	if err == nil {
		if spawn, err = s.fill(spawn); err != nil {
			err = &FinalError{err}
		}
	}
	out := s.o.decide(a.task, spawn, context.Cause(ctx), err)
	took := time.Since(started)
	if err := s.finish(context.WithoutCancel(ctx), a, &out); err != nil {
		s.m.leaseLosses.Inc()
		s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "task was lost", taskAttrs(a.task, err)...)
		return
	}
	s.ended(ctx, a.task, out, took)
}

// call runs the task within its kind's time and turns a panic into an error.
func (s *Scheduler) call(ctx context.Context, t Task) (spawn []Submission, err error) {
	kind := s.kinds[t.Kind]
	if kind.Timeout > 0 {
		whole := ctx
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(whole, kind.Timeout, ErrTimeout)
		defer func() {
			if err != nil && whole.Err() == nil && ctx.Err() != nil {
				err = fmt.Errorf("%w: %w", ErrTimeout, err)
			}
			cancel()
		}()
	}
	defer func() {
		if v := recover(); v != nil {
			p := &PanicError{Value: v, Stack: debug.Stack()}
			s.o.Logger.LogAttrs(ctx, slog.LevelError, "task panicked", append(taskAttrs(t, p), slog.String("stack", string(p.Stack)))...)
			err = p
		}
	}()
	return kind.Run(ctx, t)
}

// finish asks until the Store has answered, as long as the lease is ours. Where the queue has no room for what the task
// spawns, the attempt has failed: *out says so then. It fails when the lease is lost.
func (s *Scheduler) finish(ctx context.Context, a *attempt, out *Outcome) error {
	for {
		call, cancel := context.WithTimeout(ctx, s.o.Lease/2)
		err := s.store.Finish(call, *out)
		cancel()
		switch {
		case err == nil || errors.Is(err, ErrLeaseLost):
			return err
		case errors.Is(err, ErrQueueFull) && len(out.Spawn) > 0:
			*out = s.o.decide(a.task, nil, nil, err)
			continue
		}
		s.m.passErrors.Inc()
		s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "ending a task failed", taskAttrs(a.task, err)...)
		if !s.ours(a) {
			return ErrLeaseLost
		}
		select {
		case <-ctx.Done():
			return ErrLeaseLost
		case <-time.After(s.o.Interval / 2):
		}
	}
}

func (s *Scheduler) ours(a *attempt) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !a.lost && time.Now().Before(a.until)
}

// ended tells metrics and people of an outcome that the Store has taken.
func (s *Scheduler) ended(ctx context.Context, t Task, out Outcome, took time.Duration) {
	s.m.ran(t.Kind, out.State, took)
	attrs := append(taskAttrs(t, nil), slog.Int64("took_ms", took.Milliseconds()))
	if out.Error != "" {
		attrs[3] = slog.String("err", out.Error)
	}
	switch {
	case out.State == Failed:
		s.o.Logger.LogAttrs(ctx, slog.LevelError, "task failed", attrs...)
	case out.State == Init && !out.Uncount:
		s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "task will be tried again", attrs...)
	default:
		s.o.Logger.LogAttrs(ctx, slog.LevelDebug, "task ended", attrs...)
	}
	if out.State == Failed {
		t.State, t.Error = Failed, out.Error
		s.o.OnFailed(context.WithoutCancel(ctx), t)
	}
}
