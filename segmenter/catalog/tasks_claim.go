package catalog

import (
	"errors"
	"fmt"
	"slices"
)

// gate says what an exclusive task lets start.
type gate int

const (
	open      gate = iota
	decisions      // it waits for bodies: no further ones
	shut           // it runs, or only decisions are in its way
)

// claim gives the caller what may run.
func (p *pass) claim() error {
	g, err := p.exclusive()
	if err != nil || g == shut {
		return err
	}
	if len(p.in.Kinds) == 0 || p.in.Decisions <= 0 && p.in.Bodies <= 0 {
		return nil
	}
	picked, waiter, err := p.pick(g)
	if err != nil {
		return err
	}
	for _, r := range picked {
		if err := p.start(r); err != nil {
			return err
		}
	}
	if waiter == nil {
		return nil
	}
	p.q.exclusive, p.q.exclusiveTick = waiter.ID, p.q.tick
	return p.hold(waiter)
}

// hold has everything wait for an exclusive task that waits itself: for a lease, as whoever is to run it may die.
func (p *pass) hold(r *taskRow) error {
	r.lease = p.q.tick + p.in.Lease.Microseconds()
	return p.t.saveTask(r)
}

// exclusive sees to the exclusive task that runs or waits for the others to end.
func (p *pass) exclusive() (gate, error) {
	if p.q.exclusive == 0 {
		return open, nil
	}
	r, err := p.t.task(p.q.exclusive)
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		return shut, err
	case err == nil && r.State == taskRunning:
		return shut, nil
	case err != nil || r.State != taskInit || r.Paused || r.due > p.q.tick: // not any more
		p.q.exclusive = 0
		return open, nil
	}
	waited := p.q.tick - p.q.exclusiveTick
	mine := p.in.Decides && slices.Contains(p.in.Kinds, r.Kind)
	switch {
	case !mine && r.lease < p.q.tick: // nobody who would run it has passed since: it must not hold up the others
		p.q.exclusive = 0
		return open, nil
	case mine && p.running == 0 && p.in.Decisions > 0:
		return shut, p.start(r)
	case waited >= p.in.ExclusiveWait.Microseconds():
		p.q.exclusive = 0
		p.out.GaveWay++
		r.GaveWay++
		r.Error = fmt.Sprintf("gave way after waiting %ds for %d running tasks to end", waited/1e6, p.running)
		queued := r.queued // its age is since it was submitted
		p.q.enqueue(r, p.in.ExclusiveWait)
		r.queued = queued
		return open, p.t.saveTask(r)
	}
	p.out.ExclusiveWaitUs = waited
	if mine {
		if err := p.hold(r); err != nil {
			return shut, err
		}
	}
	if p.bodies > 0 {
		return decisions, nil
	}
	return shut, nil
}

// errEnough ends an iteration early.
var errEnough = errors.New("enough")

// pick reads ready tasks in the order of their rank. An exclusive one is picked alone, or becomes the one that waits.
func (p *pass) pick(g gate) (picked []*taskRow, waiter *taskRow, err error) {
	left := p.in
	marks, args := numbered(2, p.in.Kinds)
	err = p.t.each(func(scan func(...any) error) error {
		if left.Decisions <= 0 && left.Bodies <= 0 {
			return errEnough
		}
		r, err := scanTask(scan)
		if err != nil {
			return err
		}
		switch {
		case r.Key == "" && (g != open || left.Decisions <= 0):
			return nil
		case r.Key == "" && p.running+len(picked) > 0:
			waiter = r
			return errEnough
		case r.Key == "":
			picked = append(picked, r)
			return errEnough
		case r.Slots == 0 && (left.Decisions <= 0 || p.keys[r.Key] > 0),
			r.Slots > 0 && (left.Bodies <= 0 || g != open || p.keys[r.Key] >= r.Slots):
			return nil
		case r.Slots == 0:
			left.Decisions--
		default:
			left.Bodies--
		}
		p.keys[r.Key]++
		picked = append(picked, r)
		return nil
	}, `SELECT `+taskColumns+` FROM tasks t WHERE t.live = 1 AND t.state = 'init' AND t.paused = 0 AND t.due_tick <= $1
		AND t.kind IN (`+marks+`) AND (t.slots > 0 OR t.task_key = '' OR NOT EXISTS (
			SELECT 1 FROM tasks b WHERE b.live = 1 AND b.task_key = t.task_key AND b.seq < t.seq AND b.slots = 0))
		ORDER BY t.rank_tick, t.seq`, append([]any{p.q.tick}, args...)...)
	if errors.Is(err, errEnough) {
		err = nil
	}
	return picked, waiter, err
}

// start hands a task to the caller under a new epoch.
func (p *pass) start(r *taskRow) error {
	r.State, r.Node, r.incarnation, r.StartedUs = taskRunning, p.in.Node, p.in.Incarnation, now()
	r.Attempts++
	r.Epoch++
	r.lease = p.q.tick + p.in.Lease.Microseconds()
	if r.Key == "" {
		p.q.exclusive = r.ID
	}
	p.out.Claimed = append(p.out.Claimed, r.at(p.q.tick))
	return p.t.saveTask(r)
}
