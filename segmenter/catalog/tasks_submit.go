package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

// SubmitTasks adds tasks, all or none, and returns them in order, or those that stand for them: under the same
// Idempotency whatever has become of it, under the same Dedup one that waits with the same kind, key and spec. It fails with
// ErrQueueFull.
func (c *Catalog) SubmitTasks(ctx context.Context, list []TaskSubmission) (tasks []Task, err error) {
	err = c.write(ctx, "submit tasks", func(t *tx) error {
		q, err := t.lockQueue()
		if err != nil {
			return err
		}
		if tasks, err = t.submitTasks(q, list); err != nil {
			return err
		}
		return t.saveQueue(q)
	})
	return tasks, err
}

// submitTasks leaves saving q to the caller.
func (t *tx) submitTasks(q *queue, list []TaskSubmission) (tasks []Task, err error) {
	for _, s := range list {
		r, err := t.submitTask(q, s)
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, r.at(q.tick))
	}
	return tasks, nil
}

func (t *tx) submitTask(q *queue, s TaskSubmission) (*taskRow, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	r, err := t.standsFor(s)
	if err != nil || r != nil {
		return r, err
	}
	if q.live >= int64(t.c.opts.MaxTasks) {
		return nil, fmt.Errorf("submit task of kind %s: %d have not ended: %w", s.Kind, q.live, ErrQueueFull)
	}
	r = &taskRow{Task: Task{
		Kind: s.Kind, Key: s.Key, Dedup: s.Dedup, Spec: s.Spec, SubmittedBy: s.SubmittedBy, Slots: s.Slots, Yield: s.Yield,
		MaxAttempts: s.MaxAttempts, State: taskInit, CreatedUs: now(),
	}, idempotency: s.Idempotency}
	q.enqueue(r, s.Delay)
	r.ID = r.seq
	q.live++
	_, err = t.exec(`INSERT INTO tasks (id, kind, task_key, dedup, idempotency, spec, submitted_by, slots, yield_us, max_attempts,
		state, live, seq, rank_tick, queued_tick, due_tick, created_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12, $13, $14, $15, $16)`,
		r.ID, r.Kind, r.Key, r.Dedup, r.idempotency, string(r.Spec), r.SubmittedBy, r.Slots, r.Yield.Microseconds(), r.MaxAttempts,
		r.State, r.seq, r.rank, r.queued, r.due, r.CreatedUs)
	return r, err
}

// standsFor returns the task that makes a new one needless, or nil.
func (t *tx) standsFor(s TaskSubmission) (*taskRow, error) {
	if s.Idempotency != "" {
		r, err := scanTask(t.row(`SELECT `+taskColumns+` FROM tasks t WHERE t.idempotency = $1 AND t.idempotency <> ''`, s.Idempotency).Scan)
		switch {
		case err == nil && (r.Kind != s.Kind || r.Key != s.Key || string(r.Spec) != string(s.Spec)):
			return nil, &ConflictError{
				What:   "idempotency key " + s.Idempotency,
				Reason: fmt.Sprintf("task %d was submitted under it with another kind, key or spec: use a new one for another request", r.ID),
			}
		case !errors.Is(err, sql.ErrNoRows):
			return r, err
		}
	}
	if s.Dedup == "" {
		return nil, nil
	}
	r, err := scanTask(t.row(`SELECT `+taskColumns+` FROM tasks t WHERE t.live = 1 AND t.task_key = $1 AND t.kind = $2 AND t.dedup = $3
		AND t.spec = $4 AND t.state = 'init' ORDER BY t.seq LIMIT 1`, s.Key, s.Kind, s.Dedup, string(s.Spec)).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return r, err
}

// check fills what is left out and refuses what cannot be queued.
func (s *TaskSubmission) check() error {
	if len(s.Spec) == 0 {
		s.Spec = json.RawMessage("null")
	}
	if s.MaxAttempts == 0 {
		s.MaxAttempts = 5
	}
	switch {
	case s.Kind == "":
		return errors.New("submit task: no kind given")
	case !json.Valid(s.Spec):
		return fmt.Errorf("submit task of kind %s: its spec is not JSON: %.100s", s.Kind, s.Spec)
	case s.Slots < 0 || s.Yield < 0 || s.Delay < 0 || s.MaxAttempts < 0:
		return fmt.Errorf("submit task of kind %s: slots %d, yield %v, delay %v, max attempts %d: want none below 0",
			s.Kind, s.Slots, s.Yield, s.Delay, s.MaxAttempts)
	case s.Key == "" && s.Slots > 0:
		return fmt.Errorf("submit task of kind %s: %d slots without a key: an exclusive task runs alone", s.Kind, s.Slots)
	}
	return nil
}
