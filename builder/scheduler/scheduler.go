package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// Scheduler is one process's share in running the tasks of a Store.
type Scheduler struct {
	store Store
	kinds map[string]Kind
	o     Options
	m     *metrics
	wake  chan struct{} // capacity 1: a full channel already means "pass"
	wg    sync.WaitGroup

	// Of the loop in Run alone.
	incarnation int64
	clock       clock
	passed      bool // at least once
	statsAt     time.Time

	mu   sync.Mutex
	held map[Lease]*attempt
}

// New checks the options. kinds are those that this process can run, by name.
func New(store Store, kinds map[string]Kind, o Options) (*Scheduler, error) {
	o = o.withDefaults()
	if err := o.validate(kinds); err != nil {
		return nil, err
	}
	s := &Scheduler{store: store, kinds: maps.Clone(kinds), o: o, wake: make(chan struct{}, 1), held: map[Lease]*attempt{}}
	s.clock.limit = o.Lease / 4
	o.Periodic = slices.Clone(o.Periodic)
	for i := range o.Periodic {
		list, err := s.fill([]Submission{o.Periodic[i].Submission})
		if err != nil {
			return nil, err
		}
		o.Periodic[i].Submission = list[0]
	}
	s.o = o
	var err error
	s.m, err = newMetrics(o.Registry)
	return s, err
}

// Submit adds tasks, all or none, and returns them, or those that stand for them. It may be called from anywhere, whether
// Run runs or not.
func (s *Scheduler) Submit(ctx context.Context, list ...Submission) ([]Task, error) {
	list, err := s.fill(list)
	if err != nil {
		return nil, err
	}
	tasks, err := s.store.Submit(ctx, list)
	if err == nil {
		s.wakeUp()
	}
	return tasks, err
}

// Control does action (Cancel, Retry, Pause, Resume) to a task by hand. A running task obeys at the next pass of its
// process.
func (s *Scheduler) Control(ctx context.Context, id int64, action string) (Task, error) {
	if !slices.Contains([]string{Cancel, Retry, Pause, Resume}, action) {
		return Task{}, fmt.Errorf("task %d: unknown action %q: want %s, %s, %s or %s", id, action, Cancel, Retry, Pause, Resume)
	}
	t, err := s.store.Control(ctx, id, action)
	if err == nil {
		s.wakeUp()
	}
	return t, err
}

// fill checks submissions and gives them the defaults of their kinds.
func (s *Scheduler) fill(list []Submission) ([]Submission, error) {
	out := slices.Clone(list)
	for i := range out {
		sub := &out[i]
		kind, ok := s.kinds[sub.Kind]
		switch {
		case !ok:
			names := slices.Sorted(maps.Keys(s.kinds))
			return nil, fmt.Errorf("unknown kind of task %q: want one of %q", sub.Kind, names)
		case sub.Slots < 0 || sub.Yield < 0 || sub.Delay < 0 || sub.MaxAttempts < 0:
			return nil, fmt.Errorf("task of kind %s: slots %d, yield %v, delay %v, max attempts %d: want none below 0",
				sub.Kind, sub.Slots, sub.Yield, sub.Delay, sub.MaxAttempts)
		case sub.Key == "" && sub.Slots > 0:
			return nil, fmt.Errorf("task of kind %s: %d slots without a key: an exclusive task runs alone", sub.Kind, sub.Slots)
		}
		if len(sub.Spec) == 0 {
			sub.Spec = []byte("null")
		}
		for _, n := range []int{kind.MaxAttempts, s.o.MaxAttempts} {
			if sub.MaxAttempts == 0 {
				sub.MaxAttempts = n
			}
		}
	}
	return out, nil
}

func (s *Scheduler) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run registers the node and runs tasks until ctx is done, then stops cleanly: running tasks may go on for ShutdownWait,
// then they are stopped and given back. It returns an error only if another process has taken the node's name.
func (s *Scheduler) Run(ctx context.Context) error {
	tick := time.NewTicker(s.o.Interval)
	defer tick.Stop()
	if !s.register(ctx, tick) {
		return nil
	}
	for ctx.Err() == nil {
		err := s.pass(ctx, true)
		if errors.Is(err, ErrNodeReplaced) {
			s.stopAll(ErrLeaseLost)
			s.wg.Wait()
			return err
		}
		if err != nil && ctx.Err() == nil {
			s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "scheduler pass failed", slog.Any("err", err))
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-s.wake:
		}
	}
	return s.drain(context.WithoutCancel(ctx), tick)
}

// register reports whether it succeeded before ctx was done.
func (s *Scheduler) register(ctx context.Context, tick *time.Ticker) bool {
	for {
		call, cancel := context.WithTimeout(ctx, s.o.Lease/2)
		n, err := s.store.Register(call, s.o.Node)
		cancel()
		if err == nil {
			s.incarnation = n
			return true
		}
		if ctx.Err() == nil {
			s.m.passErrors.Inc()
			s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "registering the node failed", slog.Any("err", err))
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// drain waits for what runs, renewing its leases.
func (s *Scheduler) drain(ctx context.Context, tick *time.Ticker) error {
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	limit := time.NewTimer(s.o.ShutdownWait)
	defer limit.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-limit.C:
			s.stopAll(ErrShutdown)
		case <-tick.C:
			err := s.pass(ctx, false)
			if errors.Is(err, ErrNodeReplaced) {
				s.stopAll(ErrLeaseLost)
				<-done
				return err
			}
		}
	}
}

func (s *Scheduler) stopAll(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.held {
		a.stop(cause)
	}
}

// pass does one round with the Store and starts what it was given.
func (s *Scheduler) pass(ctx context.Context, claim bool) error {
	call, cancel := context.WithTimeout(ctx, s.o.Lease/2)
	defer cancel()
	sent := time.Now()
	p := s.request(sent, claim)
	got, err := s.store.Pass(call, p)
	s.m.passSeconds.Observe(time.Since(sent).Seconds())
	if err != nil {
		s.m.passErrors.Inc()
		return fmt.Errorf("pass: %w", err)
	}
	s.clock.observe(got.Tick, time.Now())
	s.passed = true
	if p.Stats {
		s.statsAt = sent
	}
	s.m.passedBy(p, got)
	s.renewed(sent, p.Held, got)
	for _, t := range got.Failed {
		attrs := taskAttrs(t, errors.New(t.Error))
		if t.Dedup == Timer && t.Attempts == 1 { // its process was killed, which is nothing that the task has done; where it dies again and again it may be
			s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "task ended with its process, the timer makes the next", attrs...)
		} else {
			s.o.Logger.LogAttrs(ctx, slog.LevelError, "task failed", attrs...)
		}
		s.o.OnFailed(context.WithoutCancel(ctx), t)
	}
	for _, t := range got.Claimed {
		if until := s.leaseEnd(sent); time.Now().Before(until) { // else others may have it by now; the next pass gives it back
			s.start(context.WithoutCancel(ctx), t, until)
		}
	}
	return nil
}

func (s *Scheduler) request(now time.Time, claim bool) Pass {
	p := Pass{
		Node: s.o.Node.Name, Incarnation: s.incarnation, Tick: s.clock.propose(now), First: !s.passed,
		Lease: s.o.Lease, ExclusiveWait: s.o.ExclusiveWait, Kinds: slices.Sorted(maps.Keys(s.kinds)),
		Slack: s.o.Interval / 2, Stats: now.Sub(s.statsAt) >= s.o.StatsEvery,
	}
	if claim {
		p.Periodic, p.Decides, p.Decisions, p.Bodies = s.o.Periodic, s.o.Decisions > 0, s.o.Decisions, s.o.Bodies
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for lease, a := range s.held {
		p.Held = append(p.Held, lease)
		switch {
		case !claim:
		case a.task.Slots > 0:
			p.Bodies--
		default:
			p.Decisions--
		}
	}
	slices.SortFunc(p.Held, func(a, b Lease) int { return int(a.ID - b.ID) })
	p.Decisions, p.Bodies = max(p.Decisions, 0), max(p.Bodies, 0)
	return p
}

// leaseEnd is when the holder of a lease that was asked for at sent stops. Others may take over a quarter (clock.limit)
// before its end at the earliest; another eighth is for stopping.
func (s *Scheduler) leaseEnd(sent time.Time) time.Time {
	return sent.Add(s.o.Lease - s.clock.limit - s.o.Lease/8)
}

// renewed prolongs what was held, and stops what is lost or is to stop.
func (s *Scheduler) renewed(sent time.Time, held []Lease, got Passed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, lease := range got.Lost {
		if a := s.held[lease]; a != nil {
			a.stop(ErrLeaseLost)
			a.lost = true
			delete(s.held, lease)
		}
	}
	for _, lease := range held {
		if a := s.held[lease]; a != nil {
			a.prolong(s.leaseEnd(sent))
		}
	}
	for _, t := range got.Asked {
		a := s.held[Lease{t.ID, t.Epoch}]
		switch {
		case a == nil:
		case t.Ask == Cancel:
			a.stop(ErrCancelled)
		case t.Ask == Pause:
			a.stop(ErrPaused)
		}
	}
}

func taskAttrs(t Task, err error) []slog.Attr {
	return []slog.Attr{slog.Int64("task", t.ID), slog.String("kind", t.Kind), slog.Int64("epoch", t.Epoch), slog.Any("err", err)}
}
