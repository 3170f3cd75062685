package scheduler_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
)

// row is a task of a fake with what only the queue knows.
type row struct {
	scheduler.Task
	token                    string
	incarnation              int64
	seq, queued, due, expiry int64
	from                     int64 // what its rank counts from: queued, or when it gave way
}

func (r *row) live() bool { return r.State == scheduler.Init || r.State == scheduler.Running }
func (r *row) rank() int64 {
	return r.from + r.Yield.Microseconds()
}

type timerKey struct{ kind, key string }

// fake is a Store in memory, the obvious slow one: it looks at every task it ever had, each time. TestStoresAgree
// compares it with the catalog's.
type fake struct {
	mu        sync.Mutex
	maxTasks  int
	tick      int64
	seq       int64
	rows      []*row // all that ever were, by id
	waiter    *row   // the exclusive task that waits for others or runs
	waitSince int64
	nodes     map[string]int64
	made      map[timerKey]int64 // tick
	failures  map[string]int
}

func newFake() *fake {
	return &fake{maxTasks: 20_000, seq: 1, nodes: map[string]int64{}, made: map[timerKey]int64{}, failures: map[string]int{}}
}

func (f *fake) next() int64 {
	f.seq++
	return f.seq - 1
}

func (f *fake) at(r *row) scheduler.Task {
	t := r.Task
	if t.State == scheduler.Init {
		t.WaitedUs, t.DueInUs = f.tick-r.queued, r.due-f.tick
	}
	return t
}

func (f *fake) Register(_ context.Context, n scheduler.Node) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes[n.Name] = f.next()
	return f.nodes[n.Name], nil
}

func (f *fake) Submit(_ context.Context, list []scheduler.Submission) ([]scheduler.Task, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rows, err := f.submit(list)
	var out []scheduler.Task
	for _, r := range rows {
		out = append(out, f.at(r))
	}
	return out, err
}

func (f *fake) submit(list []scheduler.Submission) (out []*row, err error) {
	before, seq := len(f.rows), f.seq
	for _, s := range list {
		r := f.standsFor(s)
		if r == nil {
			if f.count((*row).live) >= f.maxTasks {
				f.rows, f.seq = f.rows[:before], seq
				return nil, scheduler.ErrQueueFull
			}
			r = &row{token: s.Idempotency, Task: scheduler.Task{
				Kind: s.Kind, Key: s.Key, Dedup: s.Dedup, Spec: s.Spec, SubmittedBy: s.SubmittedBy, Slots: s.Slots, Yield: s.Yield,
				MaxAttempts: s.MaxAttempts, State: scheduler.Init,
			}}
			r.seq = f.next()
			r.ID, r.queued, r.from, r.due = r.seq, f.tick, f.tick, f.tick+s.Delay.Microseconds()
			f.rows = append(f.rows, r)
		}
		out = append(out, r)
	}
	return out, nil
}

func (f *fake) count(is func(*row) bool) (n int) {
	for _, r := range f.rows {
		if is(r) {
			n++
		}
	}
	return n
}

func (f *fake) standsFor(s scheduler.Submission) *row {
	for _, r := range f.bySeq() {
		if s.Idempotency != "" && r.token == s.Idempotency {
			return r
		}
	}
	for _, r := range f.bySeq() {
		if s.Dedup != "" && r.State == scheduler.Init && r.Kind == s.Kind && r.Key == s.Key && r.Dedup == s.Dedup && string(r.Spec) == string(s.Spec) {
			return r
		}
	}
	return nil
}

func (f *fake) bySeq() []*row {
	return slices.SortedFunc(slices.Values(f.rows), func(a, b *row) int { return cmp.Compare(a.seq, b.seq) })
}

func (f *fake) end(r *row, state, problem string) {
	r.State, r.Error, r.Ask, r.Paused = state, problem, "", false
	switch state {
	case scheduler.Failed:
		f.failures[r.Kind]++
	case scheduler.Finished:
		f.failures[r.Kind] = 0
	}
	if f.waiter == r {
		f.waiter = nil
	}
}

func (f *fake) giveBack(r *row, problem string) {
	r.Paused = r.Paused || r.Ask == scheduler.Pause
	r.State, r.Ask, r.Error = scheduler.Init, "", problem
	if f.waiter == r {
		f.waiter = nil
	}
}

func (f *fake) Finish(_ context.Context, o scheduler.Outcome) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.find(o.Lease.ID)
	switch {
	case r == nil || r.Epoch != o.Lease.Epoch:
		return scheduler.ErrLeaseLost
	case r.State == o.State:
		return nil
	case r.State != scheduler.Running:
		return scheduler.ErrLeaseLost
	}
	if o.State == scheduler.Finished {
		if _, err := f.submit(o.Spawn); err != nil {
			return err
		}
	}
	switch {
	case o.State != scheduler.Init:
		f.end(r, o.State, o.Error)
	case r.Ask == scheduler.Cancel:
		f.end(r, scheduler.Cancelled, o.Error)
	default:
		if o.Uncount {
			r.Attempts--
		}
		f.giveBack(r, o.Error)
		r.Paused = r.Paused || o.Pause
		r.due = f.tick + o.Delay.Microseconds()
	}
	return nil
}

func (f *fake) find(id int64) *row {
	for _, r := range f.rows {
		if r.ID == id {
			return r
		}
	}
	return nil
}

var errNonsense = errors.New("that makes no sense")

func (f *fake) Control(_ context.Context, id int64, action string) (scheduler.Task, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.find(id)
	if r == nil {
		return scheduler.Task{}, errNonsense
	}
	running, waiting := r.State == scheduler.Running, r.State == scheduler.Init
	switch {
	case action == scheduler.Cancel && waiting:
		f.end(r, scheduler.Cancelled, scheduler.ErrCancelled.Error())
	case action == scheduler.Cancel && running:
		r.Ask = scheduler.Cancel
	case action == scheduler.Cancel && r.State == scheduler.Cancelled:
	case action == scheduler.Retry && waiting:
		r.due = min(r.due, f.tick)
	case action == scheduler.Retry && running && r.Ask == "":
	case action == scheduler.Retry && (r.State == scheduler.Failed || r.State == scheduler.Cancelled):
		if f.count((*row).live) >= f.maxTasks {
			return scheduler.Task{}, scheduler.ErrQueueFull
		}
		r.State, r.Attempts = scheduler.Init, 0
		r.seq, r.queued, r.from, r.due = f.next(), f.tick, f.tick, f.tick
	case action == scheduler.Pause && waiting:
		r.Paused = true
	case action == scheduler.Pause && running && r.Ask != scheduler.Cancel:
		r.Ask = scheduler.Pause
	case action == scheduler.Resume && waiting:
		r.Paused = false
	case action == scheduler.Resume && running:
		if r.Ask == scheduler.Pause {
			r.Ask = ""
		}
	default:
		return scheduler.Task{}, errNonsense
	}
	return f.at(r), nil
}

func (f *fake) Pass(_ context.Context, p scheduler.Pass) (out scheduler.Passed, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.nodes[p.Node] != p.Incarnation {
		return out, scheduler.ErrNodeReplaced
	}
	f.tick = max(f.tick, p.Tick)
	out.Tick = f.tick
	f.renew(p, &out)
	for _, timer := range p.Periodic {
		f.fire(p, timer)
	}
	f.claim(p, &out)
	if p.Stats {
		out.Stats = f.stats()
	}
	return out, nil
}

func (f *fake) renew(p scheduler.Pass, out *scheduler.Passed) {
	for _, l := range p.Held {
		r := f.find(l.ID)
		if r == nil || r.State != scheduler.Running || r.Epoch != l.Epoch {
			out.Lost = append(out.Lost, l)
			continue
		}
		r.expiry = f.tick + p.Lease.Microseconds()
		if r.Ask != "" {
			out.Asked = append(out.Asked, r.Task)
		}
	}
	for _, r := range f.rows {
		mine := r.Node == p.Node && r.incarnation == p.Incarnation
		switch {
		case r.State != scheduler.Running || slices.Contains(p.Held, scheduler.Lease{ID: r.ID, Epoch: r.Epoch}):
		case mine:
			r.Attempts--
			f.giveBack(r, "the answer to its claim was lost")
		case r.Node == p.Node || r.expiry < f.tick:
			out.TakenOver++
			problem := fmt.Sprintf("node %s fell silent in attempt %d", r.Node, r.Attempts)
			switch {
			case r.Ask == scheduler.Cancel:
				f.end(r, scheduler.Cancelled, problem)
			case r.Ask == "" && r.Attempts >= r.MaxAttempts:
				f.end(r, scheduler.Failed, problem)
				out.Failed = append(out.Failed, r.Task)
			default:
				f.giveBack(r, problem)
				r.due = f.tick
			}
		}
	}
}

func (f *fake) fire(p scheduler.Pass, timer scheduler.Periodic) {
	s := timer.Submission
	s.Dedup = scheduler.Timer
	at, ok := f.made[timerKey{s.Kind, s.Key}]
	if ok && f.tick-at < (timer.Every-p.Slack).Microseconds() {
		return
	}
	f.made[timerKey{s.Kind, s.Key}] = f.tick
	if f.count(func(r *row) bool {
		return r.State == scheduler.Init && r.Kind == s.Kind && r.Key == s.Key && r.Dedup == s.Dedup
	}) == 0 {
		f.submit([]scheduler.Submission{s}) // a full queue has no room for it either
	}
}

func (f *fake) running(is func(*row) bool) int {
	return f.count(func(r *row) bool { return r.State == scheduler.Running && is(r) })
}

func everything(*row) bool { return true }
func body(r *row) bool     { return r.Slots > 0 }

func (f *fake) claim(p scheduler.Pass, out *scheduler.Passed) {
	onlyDecisions := false
	if w := f.waiter; w != nil {
		waited := f.tick - f.waitSince
		mine := p.Decides && slices.Contains(p.Kinds, w.Kind)
		switch {
		case w.State == scheduler.Running:
			return
		case w.State != scheduler.Init || w.Paused || w.due > f.tick:
			f.waiter = nil
		case !mine && w.expiry < f.tick:
			f.waiter = nil
		case mine && f.running(everything) == 0 && p.Decisions > 0:
			f.start(p, w, out)
			return
		case waited >= p.ExclusiveWait.Microseconds():
			f.waiter = nil
			out.GaveWay++
			w.GaveWay++
			w.Error = fmt.Sprintf("gave way after waiting %ds for %d running tasks to end", waited/1e6, f.running(everything))
			w.seq, w.from, w.due = f.next(), f.tick, f.tick+p.ExclusiveWait.Microseconds()
		default:
			out.ExclusiveWaitUs = waited
			if mine {
				w.expiry = f.tick + p.Lease.Microseconds()
			}
			if onlyDecisions = f.running(body) > 0; !onlyDecisions {
				return
			}
		}
	}
	f.pick(p, onlyDecisions, out)
}

func (f *fake) pick(p scheduler.Pass, onlyDecisions bool, out *scheduler.Passed) {
	ready := slices.SortedFunc(slices.Values(f.rows), func(a, b *row) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.seq, b.seq))
	})
	for _, r := range ready {
		if p.Decisions <= 0 && p.Bodies <= 0 {
			return
		}
		if r.State != scheduler.Init {
			continue
		}
		inKey := f.running(func(o *row) bool { return o.Key == r.Key })
		switch {
		case r.Paused || r.due > f.tick || !slices.Contains(p.Kinds, r.Kind) || f.behind(r):
		case r.Key == "":
			if onlyDecisions || p.Decisions <= 0 {
				continue
			}
			if f.running(everything) == 0 {
				f.start(p, r, out)
			} else {
				f.waiter, f.waitSince, r.expiry = r, f.tick, f.tick+p.Lease.Microseconds()
			}
			return
		case r.Slots == 0 && p.Decisions > 0 && inKey == 0:
			p.Decisions--
			f.start(p, r, out)
		case r.Slots > inKey && p.Bodies > 0 && !onlyDecisions:
			p.Bodies--
			f.start(p, r, out)
		}
	}
}

// behind reports whether a task of an ordered key was submitted before r and has not ended.
func (f *fake) behind(r *row) bool {
	return r.Key != "" && r.Slots == 0 && f.count(func(o *row) bool { return o.live() && o.Key == r.Key && o.Slots == 0 && o.seq < r.seq }) > 0
}

func (f *fake) start(p scheduler.Pass, r *row, out *scheduler.Passed) {
	r.State, r.Node, r.incarnation = scheduler.Running, p.Node, p.Incarnation
	r.Attempts++
	r.Epoch++
	r.expiry = f.tick + p.Lease.Microseconds()
	if r.Key == "" {
		f.waiter = r
	}
	out.Claimed = append(out.Claimed, r.Task)
}

func (f *fake) stats() (out []scheduler.KindStats) {
	kinds := map[string]scheduler.KindStats{}
	for _, r := range f.rows {
		k := kinds[r.Kind]
		k.Kind = r.Kind
		switch r.State {
		case scheduler.Init:
			k.Waiting++
			k.OldestUs = max(k.OldestUs, f.tick-r.queued)
		case scheduler.Running:
			k.Running++
		}
		k.Failures = f.failures[r.Kind]
		kinds[r.Kind] = k
	}
	for _, k := range kinds {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b scheduler.KindStats) int { return cmp.Compare(a.Kind, b.Kind) })
	return out
}

// live counts the tasks that have not ended, those of a timer left out.
func (f *fake) live() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count(func(r *row) bool { return r.live() && r.Dedup != "timer" })
}

func (f *fake) all() (list []scheduler.Task) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.rows {
		list = append(list, r.Task)
	}
	return list
}
