package query

import (
	"context"
	"fmt"
	"time"
)

// BusyError says that too many statements run and wait.
type BusyError struct {
	Setting          string // which bounds those that run
	Running, Waiting int
	Abandoned        int64 // nobody's statements that are still worked on; 0: not the reason
}

func (e *BusyError) Error() string {
	if e.Abandoned > 0 {
		return fmt.Sprintf("%d statements that did not end when they were told to are still worked on: try again later, or raise %s", e.Abandoned, e.Setting)
	}
	return fmt.Sprintf("%d statements run and %d wait: try again later, or raise %s", e.Running, e.Waiting, e.Setting)
}

// TimeoutError says that a statement took too long.
type TimeoutError struct{ Limit time.Duration }

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("the statement took longer than %v: ask for less, or raise query.timeout", e.Limit)
}

// turns bounds the statements that run at once (Q6).
type turns struct {
	setting          string
	running, waiting chan struct{}
	patience         time.Duration
}

func newTurns(setting string, running, waiting int, patience time.Duration) *turns {
	return &turns{setting: setting, running: make(chan struct{}, running), waiting: make(chan struct{}, waiting), patience: patience}
}

func (t *turns) take(ctx context.Context) error {
	select {
	case t.running <- struct{}{}:
		return nil
	default:
	}
	select {
	case t.waiting <- struct{}{}:
	default:
		return &BusyError{Setting: t.setting, Running: cap(t.running), Waiting: cap(t.waiting)}
	}
	defer func() { <-t.waiting }()
	late := time.NewTimer(t.patience)
	defer late.Stop()
	select {
	case t.running <- struct{}{}:
		return nil
	case <-late.C:
		return &BusyError{Setting: t.setting, Running: cap(t.running), Waiting: len(t.waiting)}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t *turns) give() { <-t.running }
