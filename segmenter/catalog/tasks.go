package catalog

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// States of a task.
const (
	taskInit      = "init"
	taskRunning   = "running"
	taskFinished  = "finished"
	taskFailed    = "failed"
	taskCancelled = "cancelled"
)

var (
	// ErrLeaseLost is in the chain when the outcome of a task comes under another epoch than its current one. Nothing of
	// it is visible.
	ErrLeaseLost = errors.New("the lease was lost")

	// ErrQueueFull is in the chain when Options.MaxTasks tasks have not ended. Nothing was submitted.
	ErrQueueFull = errors.New("the task queue is full")
)

// Task is one row of the queue. Its fields are those of the scheduler's Task.
type Task struct {
	ID          int64
	Kind        string
	Key         string // empty: exclusive
	Dedup       string
	Spec        json.RawMessage
	SubmittedBy string
	Slots       int // 0: tasks of the key run one after another; n: up to n of them at once
	Yield       time.Duration
	MaxAttempts int

	State    string // init, running, finished, failed, cancelled
	Paused   bool
	Ask      string // cancel or pause, while a running task has yet to obey
	Attempts int
	Epoch    int64
	Error    string
	GaveWay  int
	Node     string

	CreatedUs int64 // wall clock, as the next two
	StartedUs int64
	EndedUs   int64
	WaitedUs  int64 // by the task clock, as the next
	DueInUs   int64
}

// TaskSubmission asks for a task. Its fields are those of the scheduler's Submission.
type TaskSubmission struct {
	Kind        string
	Key         string
	Dedup       string
	Idempotency string
	Spec        json.RawMessage
	SubmittedBy string
	Slots       int
	Yield       time.Duration
	MaxAttempts int
	Delay       time.Duration
}

// taskRow is a task with what only the queue needs.
type taskRow struct {
	Task
	idempotency                            string
	incarnation                            int64
	seq, rank, queued, due, lease, endedAt int64
}

const taskColumns = `t.id, t.kind, t.task_key, t.dedup, t.idempotency, t.spec, t.submitted_by, t.slots, t.yield_us, t.max_attempts,
	t.state, t.paused, t.ask, t.attempts, t.epoch, t.problem, t.gave_way, t.node, t.incarnation, t.seq, t.rank_tick,
	t.queued_tick, t.due_tick, t.lease_tick, t.created_us, t.started_us, t.ended_us, t.ended_seq`

func scanTask(scan func(...any) error) (*taskRow, error) {
	r := new(taskRow)
	var spec string
	var yieldUs int64
	err := scan(&r.ID, &r.Kind, &r.Key, &r.Dedup, &r.idempotency, &spec, &r.SubmittedBy, &r.Slots, &yieldUs, &r.MaxAttempts,
		&r.State, &r.Paused, &r.Ask, &r.Attempts, &r.Epoch, &r.Error, &r.GaveWay, &r.Node, &r.incarnation, &r.seq, &r.rank,
		&r.queued, &r.due, &r.lease, &r.CreatedUs, &r.StartedUs, &r.EndedUs, &r.endedAt)
	r.Spec, r.Yield = json.RawMessage(spec), time.Duration(yieldUs)*time.Microsecond
	return r, err
}

// at returns the task as it is read at a tick.
func (r *taskRow) at(tick int64) Task {
	t := r.Task
	if t.State == taskInit {
		t.WaitedUs, t.DueInUs = tick-r.queued, r.due-tick
	}
	return t
}

func (r *taskRow) live() bool { return r.State == taskInit || r.State == taskRunning }

func (r *taskRow) String() string { return fmt.Sprintf("task %d (%s)", r.ID, r.Kind) }

// task reads one task, which others cannot change while the queue is locked.
func (t *tx) task(id int64) (*taskRow, error) {
	r, err := scanTask(t.row(`SELECT `+taskColumns+` FROM tasks t WHERE t.id = $1`, id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("task %d: %w", id, ErrNotFound)
	}
	return r, err
}

// saveTask writes back everything that may change of a task.
func (t *tx) saveTask(r *taskRow) error {
	_, err := t.exec(`UPDATE tasks SET state = $2, live = $3, paused = $4, ask = $5, attempts = $6, epoch = $7, problem = $8,
		gave_way = $9, node = $10, incarnation = $11, seq = $12, rank_tick = $13, queued_tick = $14, due_tick = $15,
		lease_tick = $16, started_us = $17, ended_us = $18, ended_seq = $19 WHERE id = $1`,
		r.ID, r.State, flag(r.live()), flag(r.Paused), r.Ask, r.Attempts, r.Epoch, r.Error,
		r.GaveWay, r.Node, r.incarnation, r.seq, r.rank, r.queued, r.due,
		r.lease, r.StartedUs, r.EndedUs, r.endedAt)
	return err
}

// queue is the row of task_queue, locked until its transaction ends. Whoever needs it beside other rows locks it first.
type queue struct {
	tick          int64
	nextSeq       int64
	live          int64
	exclusive     int64
	exclusiveTick int64
}

func (t *tx) lockQueue() (*queue, error) {
	q := new(queue)
	err := t.row(`SELECT p.tick, p.next_seq, p.live, p.exclusive_id, p.exclusive_tick FROM task_queue p WHERE p.one = 1`+t.c.forUpdate).
		Scan(&q.tick, &q.nextSeq, &q.live, &q.exclusive, &q.exclusiveTick)
	return q, err
}

func (t *tx) saveQueue(q *queue) error {
	_, err := t.exec(`UPDATE task_queue SET tick = $1, next_seq = $2, live = $3, exclusive_id = $4, exclusive_tick = $5 WHERE one = 1`,
		q.tick, q.nextSeq, q.live, q.exclusive, q.exclusiveTick)
	return err
}

// seq hands out the next place in the queue.
func (q *queue) seq() int64 {
	q.nextSeq++
	return q.nextSeq - 1
}

// enqueue puts a task at the end of the queue, not to be started before delay.
func (q *queue) enqueue(r *taskRow, delay time.Duration) {
	r.seq, r.queued, r.due = q.seq(), q.tick, q.tick+delay.Microseconds()
	r.rank = q.tick + r.Yield.Microseconds()
}

// endTask makes r finished, failed or cancelled, and deletes what is past Options.KeepTasks of its kind: a few rows at
// most, so that a lowered limit does not make one call long.
func (t *tx) endTask(q *queue, r *taskRow, state, problem string) error {
	const prune = 100
	failures := "0"
	switch state {
	case taskFailed:
		failures = "task_kinds.failures + 1"
	case taskCancelled:
		failures = "task_kinds.failures"
	}
	r.State, r.Error, r.Ask, r.Paused, r.EndedUs = state, problem, "", false, now()
	q.live--
	if q.exclusive == r.ID {
		q.exclusive = 0
	}
	err := t.row(`INSERT INTO task_kinds (kind, ended, failures) VALUES ($1, 1, $2)
		ON CONFLICT (kind) DO UPDATE SET ended = task_kinds.ended + 1, failures = `+failures+` RETURNING ended`,
		r.Kind, flag(state == taskFailed)).Scan(&r.endedAt)
	if err != nil {
		return err
	}
	if err := t.saveTask(r); err != nil {
		return err
	}
	_, err = t.exec(`DELETE FROM tasks WHERE live = 0 AND id IN (SELECT id FROM tasks WHERE live = 0 AND kind = $1 AND ended_seq <= $2
		ORDER BY ended_seq LIMIT $3)`, r.Kind, r.endedAt-int64(t.c.opts.KeepTasks), prune)
	return err
}
