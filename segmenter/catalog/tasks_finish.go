package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// TaskLease is the right to bring a task's outcome.
type TaskLease struct {
	ID    int64
	Epoch int64
}

// TaskOutcome ends an attempt. Its fields are those of the scheduler's Outcome.
type TaskOutcome struct {
	Lease   TaskLease
	State   string // finished, failed, cancelled, or init: to be run again
	Error   string
	Delay   time.Duration
	Uncount bool
	Pause   bool
	Spawn   []TaskSubmission
}

// FinishTask ends an attempt and submits what it spawns, in one transaction. The same outcome once more is a success (C3).
// It fails with ErrLeaseLost if the epoch is not the task's current one, and with ErrQueueFull.
func (c *Catalog) FinishTask(ctx context.Context, o TaskOutcome) error {
	switch o.State {
	case taskInit, taskFinished, taskFailed, taskCancelled:
	default:
		return fmt.Errorf("catalog: finish task %d: unknown outcome %q", o.Lease.ID, o.State)
	}
	return c.write(ctx, fmt.Sprintf("finish task %d", o.Lease.ID), func(t *tx) error {
		q, err := t.lockQueue()
		if err != nil {
			return err
		}
		r, err := t.task(o.Lease.ID)
		switch {
		case errors.Is(err, ErrNotFound): // ended by another, and deleted since
			return fmt.Errorf("task %d under epoch %d: %w", o.Lease.ID, o.Lease.Epoch, ErrLeaseLost)
		case err != nil:
			return err
		case r.Epoch == o.Lease.Epoch && r.State == o.State:
			return nil
		case r.State != taskRunning || r.Epoch != o.Lease.Epoch:
			return fmt.Errorf("%s under epoch %d: it is %s under epoch %d: %w", r, o.Lease.Epoch, r.State, r.Epoch, ErrLeaseLost)
		}
		if err := t.bring(q, r, o); err != nil {
			return err
		}
		return t.saveQueue(q)
	})
}

func (t *tx) bring(q *queue, r *taskRow, o TaskOutcome) error {
	if o.State == taskFinished {
		if _, err := t.submitTasks(q, o.Spawn); err != nil {
			return err
		}
	}
	if o.State != taskInit {
		return t.endTask(q, r, o.State, o.Error)
	}
	if r.Ask == "cancel" { // it was to be tried again, and nobody wants that
		return t.endTask(q, r, taskCancelled, o.Error)
	}
	if o.Uncount {
		r.Attempts--
	}
	q.giveBack(r, o.Error)
	r.Paused = r.Paused || o.Pause
	r.due = q.tick + o.Delay.Microseconds()
	return t.saveTask(r)
}

// giveBack makes a running task wait again, at its place; what was asked of it is kept.
func (q *queue) giveBack(r *taskRow, problem string) {
	r.Paused = r.Paused || r.Ask == "pause"
	r.State, r.Ask, r.Error, r.lease = taskInit, "", problem, 0
	if q.exclusive == r.ID {
		q.exclusive = 0
	}
}
