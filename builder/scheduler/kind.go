package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind says how tasks of one kind are run.
type Kind struct {
	// Run does one attempt and returns the tasks that follow from it, which are submitted in the transaction that finishes
	// the task. It must return soon after ctx is done; context.Cause tells why. What it writes elsewhere must bear
	// being done again, or be fenced by t.Epoch. Its errors: a *FinalError is not tried again, a *LaterError is no failure.
	Run func(ctx context.Context, t Task) ([]Submission, error)

	MaxAttempts int           // 0: Options.MaxAttempts
	Timeout     time.Duration // of one attempt; 0: none
}

// FinalError ends a task as failed at once: trying again cannot help.
type FinalError struct{ Err error }

func (e *FinalError) Error() string { return e.Err.Error() }
func (e *FinalError) Unwrap() error { return e.Err }

// LaterError gives a task back: it waits for something else, and the attempt does not count.
type LaterError struct {
	After  time.Duration
	Reason string
}

func (e *LaterError) Error() string { return e.Reason }

// Causes of a context that Run was given.
var (
	ErrCancelled = errors.New("cancelled by hand")
	ErrPaused    = errors.New("paused by hand")
	ErrShutdown  = errors.New("the process stops")
	ErrTimeout   = errors.New("the attempt took longer than its kind allows")
)

// PanicError is what Run panicked with. The process goes on: a broken invariant of one key must not stop the others.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// decide turns the end of an attempt into its outcome. cause is why the context ended; nil: it did not.
func (o Options) decide(t Task, spawn []Submission, cause, err error) Outcome {
	out := Outcome{Lease: Lease{t.ID, t.Epoch}, State: Init}
	var final *FinalError
	var later *LaterError
	switch {
	case err == nil:
		out.State, out.Spawn = Finished, spawn
		return out
	case errors.Is(cause, ErrCancelled):
		out.State, out.Error = Cancelled, ErrCancelled.Error()
		return out
	case errors.Is(cause, ErrPaused):
		out.Uncount, out.Pause, out.Error = true, true, ErrPaused.Error()
		return out
	case errors.Is(cause, ErrShutdown), errors.Is(cause, ErrLeaseLost):
		out.Uncount, out.Error = true, cause.Error()
		return out
	case errors.As(err, &later):
		out.Uncount, out.Delay, out.Error = true, max(later.After, 0), later.Error()
		return out
	}
	out.Error = err.Error()
	if errors.As(err, &final) || t.Attempts >= t.MaxAttempts {
		out.State = Failed
		return out
	}
	out.Delay = o.backOff(t.Attempts)
	return out
}

// backOff returns how long to wait after so many attempts.
func (o Options) backOff(attempts int) time.Duration {
	d := o.BackOff
	for i := 1; i < attempts && d < o.MaxBackOff; i++ {
		d *= 2
	}
	return min(d, o.MaxBackOff)
}
