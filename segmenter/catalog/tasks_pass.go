package catalog

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TaskPass is one round of a scheduler's process. Its fields are those of the scheduler's Pass.
type TaskPass struct {
	Node        string
	Incarnation int64
	Tick        int64 // what the task clock must show by now; it never goes back
	First       bool  // of this incarnation: what was to be made while nobody ran counts, by the wall clock

	Held          []TaskLease // renewed; what else runs under the node's name goes back
	Lease         time.Duration
	ExclusiveWait time.Duration

	Kinds     []string // that the process can run
	Decides   bool     // it takes ordered and exclusive tasks, if not now then once one of those that it holds has ended
	Decisions int      // how many more ordered or exclusive tasks
	Bodies    int      // how many more pooled tasks

	Periodic []TaskTimer
	Slack    time.Duration // a timer may fire so much early
	Stats    bool
}

// TaskTimer makes a task once an interval.
type TaskTimer struct {
	Every      time.Duration
	Submission TaskSubmission
}

// TaskPassed answers a TaskPass.
type TaskPassed struct {
	Tick            int64
	Claimed         []Task
	Lost            []TaskLease // of Held
	Asked           []Task      // of Held
	Failed          []Task      // the process died in their last attempt
	TakenOver       int
	GaveWay         int
	ExclusiveWaitUs int64
	Stats           []TaskStats
}

// TaskStats counts live tasks of a kind.
type TaskStats struct {
	Kind     string
	Waiting  int
	Running  int
	OldestUs int64 // by the task clock
	Failures int   // in a row
}

// pass is a TaskPass under way.
type pass struct {
	t   *tx
	q   *queue
	in  TaskPass
	out *TaskPassed

	keys    map[string]int // running, by key
	running int
	bodies  int // of those, pooled ones
}

// PassTasks advances the task clock, renews and takes over leases, makes what is due by a timer, and claims tasks for the
// caller, in one transaction. It fails with ErrNodeReplaced. The cost depends on live tasks only (C7).
func (c *Catalog) PassTasks(ctx context.Context, in TaskPass) (out TaskPassed, err error) {
	err = c.write(ctx, "pass over tasks", func(t *tx) error {
		q, err := t.lockQueue()
		if err != nil {
			return err
		}
		out = TaskPassed{}
		q.tick = max(q.tick, in.Tick)
		out.Tick = q.tick
		p := &pass{t: t, q: q, in: in, out: &out, keys: map[string]int{}}
		steps := []func() error{
			func() error { return t.beat(in.Node, in.Incarnation, q.tick) },
			p.lookAtRunning, p.timers, p.claim, p.stats,
		}
		for _, step := range steps {
			if err := step(); err != nil {
				return err
			}
		}
		return t.saveQueue(q)
	})
	return out, err
}

// lookAtRunning renews what the caller holds and gives back what nobody holds any more.
func (p *pass) lookAtRunning() error {
	var list []*taskRow
	err := p.t.each(func(scan func(...any) error) error {
		r, err := scanTask(scan)
		list = append(list, r)
		return err
	}, `SELECT `+taskColumns+` FROM tasks t WHERE t.state = 'running' ORDER BY t.id`)
	if err != nil {
		return err
	}
	lost := map[TaskLease]bool{}
	for _, l := range p.in.Held {
		lost[l] = true
	}
	for _, r := range list {
		l := TaskLease{r.ID, r.Epoch}
		mine := r.Node == p.in.Node && r.incarnation == p.in.Incarnation
		switch {
		case mine && lost[l]:
			delete(lost, l)
			r.lease = p.q.tick + p.in.Lease.Microseconds()
			if r.Ask != "" {
				p.out.Asked = append(p.out.Asked, r.at(p.q.tick))
			}
		case mine: // the answer that told of the claim was lost: the attempt never began
			r.Attempts--
			p.q.giveBack(r, "the answer to its claim was lost")
		case r.Node == p.in.Node || r.lease < p.q.tick:
			p.out.TakenOver++
			if err := p.expire(r); err != nil {
				return err
			}
			continue
		}
		if r.State == taskRunning {
			p.count(r)
		}
		if mine {
			if err := p.t.saveTask(r); err != nil {
				return err
			}
		}
	}
	for _, l := range p.in.Held {
		if lost[l] {
			p.out.Lost = append(p.out.Lost, l)
		}
	}
	return nil
}

// count counts a task as running.
func (p *pass) count(r *taskRow) {
	p.running++
	p.keys[r.Key]++
	if r.Slots > 0 {
		p.bodies++
	}
}

// expire takes a task from a process that has died or fallen silent.
func (p *pass) expire(r *taskRow) error {
	problem := "node " + r.Node + " fell silent in attempt " + strconv.Itoa(r.Attempts)
	switch {
	case r.Ask == "cancel":
		return p.t.endTask(p.q, r, taskCancelled, problem)
	case r.Attempts >= r.MaxAttempts && r.Ask == "":
		err := p.t.endTask(p.q, r, taskFailed, problem)
		p.out.Failed = append(p.out.Failed, r.at(p.q.tick))
		return err
	}
	p.q.giveBack(r, problem)
	r.due = p.q.tick
	return p.t.saveTask(r)
}

// timers makes what is due. A task that waits stands for the next one.
func (p *pass) timers() error {
	const made = "timer"
	for _, timer := range p.in.Periodic {
		s := timer.Submission
		s.Dedup, s.Idempotency = made, ""
		due, err := p.due(timer)
		if err != nil || !due {
			if err != nil {
				return err
			}
			continue
		}
		_, err = p.t.exec(`INSERT INTO task_timers (kind, task_key, made_tick, made_us) VALUES ($1, $2, $3, $4)
			ON CONFLICT (kind, task_key) DO UPDATE SET made_tick = $3, made_us = $4`, s.Kind, s.Key, p.q.tick, now())
		if err != nil {
			return err
		}
		waiting := false
		err = p.t.row(`SELECT EXISTS (SELECT 1 FROM tasks WHERE live = 1 AND task_key = $1 AND kind = $2 AND dedup = $3 AND state = 'init')`,
			s.Key, s.Kind, made).Scan(&waiting)
		if err != nil {
			return err
		}
		if waiting {
			continue
		}
		if _, err := p.t.submitTask(p.q, s); err != nil && !errors.Is(err, ErrQueueFull) {
			return err
		}
	}
	return nil
}

func (p *pass) due(timer TaskTimer) (bool, error) {
	due := true
	err := p.t.each(func(scan func(...any) error) error {
		var tick, us int64
		err := scan(&tick, &us)
		due = p.q.tick-tick >= (timer.Every-p.in.Slack).Microseconds() || p.in.First && now()-us >= timer.Every.Microseconds()
		return err
	}, `SELECT made_tick, made_us FROM task_timers WHERE kind = $1 AND task_key = $2`, timer.Submission.Kind, timer.Submission.Key)
	return due, err
}

// stats counts what is live, and names kinds that fail.
func (p *pass) stats() error {
	if !p.in.Stats {
		return nil
	}
	byKind := map[string]*TaskStats{}
	err := p.t.each(func(scan func(...any) error) error {
		var s TaskStats
		oldest := p.q.tick
		err := scan(&s.Kind, &s.Waiting, &s.Running, &oldest)
		s.OldestUs = p.q.tick - oldest
		byKind[s.Kind] = &s
		return err
	}, `SELECT kind, SUM(CASE WHEN state = 'init' THEN 1 ELSE 0 END), SUM(CASE WHEN state = 'running' THEN 1 ELSE 0 END),
		COALESCE(MIN(CASE WHEN state = 'init' THEN queued_tick END), `+strconv.FormatInt(p.q.tick, 10)+`) FROM tasks WHERE live = 1 GROUP BY kind`)
	if err != nil {
		return err
	}
	err = p.t.each(func(scan func(...any) error) error {
		var kind string
		var failures int
		err := scan(&kind, &failures)
		if byKind[kind] == nil {
			byKind[kind] = &TaskStats{Kind: kind}
		}
		byKind[kind].Failures = failures
		return err
	}, `SELECT kind, failures FROM task_kinds`)
	for _, s := range byKind {
		p.out.Stats = append(p.out.Stats, *s)
	}
	slices.SortFunc(p.out.Stats, func(a, b TaskStats) int { return cmp.Compare(a.Kind, b.Kind) })
	return err
}

// numbered returns "$n, $n+1 ..." for a list and its values as arguments.
func numbered(from int, list []string) (marks string, args []any) {
	var b strings.Builder
	for i, v := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(from+i))
		args = append(args, v)
	}
	return b.String(), args
}
