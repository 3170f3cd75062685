package catalog

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// ControlTask does cancel, retry, pause or resume to a task and returns it as it is then. What makes no sense is a
// *ConflictError; done twice is done.
func (c *Catalog) ControlTask(ctx context.Context, id int64, action string) (task Task, err error) {
	act := map[string]func(*tx, *queue, *taskRow) error{
		"cancel": (*tx).cancelTask, "retry": (*tx).retryTask, "pause": (*tx).pauseTask, "resume": (*tx).resumeTask,
	}[action]
	if act == nil {
		return Task{}, fmt.Errorf("catalog: task %d: unknown action %q: want cancel, retry, pause or resume", id, action)
	}
	err = c.write(ctx, fmt.Sprintf("%s task %d", action, id), func(t *tx) error {
		q, err := t.lockQueue()
		if err != nil {
			return err
		}
		r, err := t.task(id)
		if err != nil {
			return err
		}
		if err := act(t, q, r); err != nil {
			return err
		}
		task = r.at(q.tick)
		return t.saveQueue(q)
	})
	return task, err
}

func (t *tx) cancelTask(q *queue, r *taskRow) error {
	switch r.State {
	case taskInit:
		return t.endTask(q, r, taskCancelled, "cancelled by hand")
	case taskRunning:
		r.Ask = "cancel"
		return t.saveTask(r)
	case taskCancelled:
		return nil
	}
	return &ConflictError{What: r.String(), Reason: "it is " + r.State + " already: there is nothing to cancel"}
}

func (t *tx) retryTask(q *queue, r *taskRow) error {
	switch r.State {
	case taskInit:
		r.due = min(r.due, q.tick)
		return t.saveTask(r)
	case taskRunning:
		if r.Ask == "" {
			return nil
		}
		return &ConflictError{What: r.String(), Reason: "it still runs and is to " + r.Ask + ": retry when it has ended"}
	case taskFinished:
		return &ConflictError{What: r.String(), Reason: "it has finished: submit a new one"}
	}
	if q.live >= int64(t.c.opts.MaxTasks) {
		return fmt.Errorf("%s: %d have not ended: %w", r, q.live, ErrQueueFull)
	}
	q.live++
	r.State, r.Attempts, r.EndedUs, r.endedAt = taskInit, 0, 0, 0
	q.enqueue(r, 0)
	return t.saveTask(r)
}

func (t *tx) pauseTask(_ *queue, r *taskRow) error {
	switch {
	case r.State == taskInit:
		r.Paused = true
	case r.State == taskRunning && r.Ask != "cancel":
		r.Ask = "pause"
	default:
		return &ConflictError{What: r.String(), Reason: "it has ended or is to be cancelled: there is nothing to pause"}
	}
	return t.saveTask(r)
}

func (t *tx) resumeTask(_ *queue, r *taskRow) error {
	switch {
	case r.State == taskInit:
		r.Paused = false
	case r.State == taskRunning && r.Ask == "pause":
		r.Ask = ""
	case r.State != taskRunning:
		return &ConflictError{What: r.String(), Reason: "it is " + r.State + ": retry it, or submit a new one"}
	}
	return t.saveTask(r)
}

// Task returns one task. It fails with ErrNotFound, also for one that ended so long ago that it was deleted.
func (c *Catalog) Task(ctx context.Context, id int64) (task Task, err error) {
	err = c.read(ctx, fmt.Sprintf("read task %d", id), func(t *tx) error {
		tick, err := t.tick()
		if err != nil {
			return err
		}
		r, err := t.task(id)
		if err != nil {
			return err
		}
		task = r.at(tick)
		return nil
	})
	return task, err
}

func (t *tx) tick() (tick int64, err error) {
	err = t.row(`SELECT tick FROM task_queue WHERE one = 1`).Scan(&tick)
	return tick, err
}

// TaskQuery selects tasks; an empty field selects all.
type TaskQuery struct {
	Kind  string
	Key   string
	Live  bool   // only those that have not ended, in order of submission; else newest first
	State string // one of a task's states
}

// Tasks yields tasks. The first error ends it.
func (c *Catalog) Tasks(ctx context.Context, q TaskQuery) iter.Seq2[Task, error] {
	return func(yield func(Task, error) bool) {
		live, order := "", "t.id DESC"
		if q.Live || q.State == taskInit || q.State == taskRunning {
			live, order = "t.live = 1 AND ", "t.seq"
		}
		err := c.scan(ctx, "list tasks", func(t *tx) error {
			tick, err := t.tick()
			if err != nil {
				return err
			}
			return t.each(func(scan func(...any) error) error {
				r, err := scanTask(scan)
				if err == nil && !yield(r.at(tick), nil) {
					return errEnough
				}
				return err
			}, `SELECT `+taskColumns+` FROM tasks t WHERE `+live+`($1 = '' OR t.kind = $1) AND ($2 = '' OR t.task_key = $2)
				AND ($3 = '' OR t.state = $3) ORDER BY `+order, q.Kind, q.Key, q.State)
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(Task{}, err)
		}
	}
}
