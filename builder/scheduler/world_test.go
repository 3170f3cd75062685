package scheduler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
)

var errLink = errors.New("the database did not answer")

// link is one process's way to the Store: slow, and with answers and questions that get lost.
type link struct {
	scheduler.Store
	mu     sync.Mutex
	rng    *rand.Rand
	dead   bool    // the process was killed: nothing gets through
	cut    bool    // the network is
	lossy  float64 // share of calls that fail, half of them after they took effect
	calls  int
	at     int // the call that fails, from 1; 0: none
	after  bool
	onCall func() // called under mu, when call at was made
}

func (l *link) lose() (before, after bool, wait [2]time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	for i := range wait {
		wait[i] = time.Duration(l.rng.IntN(5_000)) * time.Microsecond
		if l.rng.Float64() < l.lossy {
			wait[i] += time.Duration(l.rng.IntN(3_000)) * time.Millisecond
		}
	}
	if l.rng.Float64() < l.lossy {
		before = l.rng.IntN(2) == 0
		after = !before
	}
	if l.calls == l.at {
		before, after = !l.after, l.after
	}
	return before, after, wait
}

func (l *link) gone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead || l.cut
}

// call does f, or not, and tells, or not.
func (l *link) call(ctx context.Context, f func() error) error {
	before, after, wait := l.lose()
	if err := rest(ctx, wait[0]); err != nil {
		return err
	}
	if before {
		l.struck()
	}
	if l.gone() || before {
		return errLink
	}
	err := f()
	if after {
		l.struck()
	}
	if err := rest(ctx, wait[1]); err != nil {
		return err
	}
	if l.gone() || after {
		return errLink
	}
	return err
}

func (l *link) struck() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.onCall != nil {
		l.onCall()
	}
}

func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

func (l *link) Register(ctx context.Context, n scheduler.Node) (inc int64, err error) {
	lost := l.call(ctx, func() error { inc, err = l.Store.Register(ctx, n); return nil })
	return inc, errors.Join(lost, err)
}

func (l *link) Submit(ctx context.Context, list []scheduler.Submission) (out []scheduler.Task, err error) {
	lost := l.call(ctx, func() error { out, err = l.Store.Submit(ctx, list); return nil })
	return out, errors.Join(lost, err)
}

func (l *link) Pass(ctx context.Context, p scheduler.Pass) (out scheduler.Passed, err error) {
	lost := l.call(ctx, func() error { out, err = l.Store.Pass(ctx, p); return nil })
	return out, errors.Join(lost, err)
}

func (l *link) Finish(ctx context.Context, o scheduler.Outcome) (err error) {
	lost := l.call(ctx, func() error { err = l.Store.Finish(ctx, o); return nil })
	return errors.Join(lost, err)
}

func (l *link) Control(ctx context.Context, id int64, action string) (t scheduler.Task, err error) {
	lost := l.call(ctx, func() error { t, err = l.Store.Control(ctx, id, action); return nil })
	return t, errors.Join(lost, err)
}

// work is the spec of a task in a world: what its Run does.
type work struct {
	ForMs int  // of work
	Fails int  // attempts that fail at first
	Later bool // the first attempt waits for something else
	Spawn bool // a body follows, named after its parent
	Of    int64
}

func (w work) json() json.RawMessage {
	raw, err := json.Marshal(w)
	if err != nil {
		panic(err)
	}
	return raw
}

// world runs processes on one Store in virtual time and watches what runs when.
type world struct {
	t     *testing.T
	f     *fake
	store scheduler.Store
	wg    sync.WaitGroup
	began time.Time

	mu      sync.Mutex
	runs    map[*process]map[int64]scheduler.Task // under way, of processes that live
	newest  map[string]int64                      // by ordered key, the newest task that was begun
	tries   map[int64]int                         // begun
	starts  int                                   // of processes
	broken  []string
	begins  []scheduler.Task // in order
	options func(o *scheduler.Options)
	allowed func(p *process, t scheduler.Task) (wrong string) // nil: any process may
}

func newWorld(t *testing.T) *world {
	f := newFake()
	return &world{
		t: t, f: f, store: f, began: time.Now(), runs: map[*process]map[int64]scheduler.Task{}, newest: map[string]int64{},
		tries: map[int64]int{}, options: func(*scheduler.Options) {},
	}
}

type process struct {
	w    *world
	name string
	link *link
	s    *scheduler.Scheduler
	stop context.CancelFunc
	done chan struct{}
}

// start starts a process whose link is as set makes it.
func (w *world) start(name string, rng *rand.Rand, set ...func(l *link)) *process {
	w.t.Helper()
	p := &process{w: w, name: name, link: &link{Store: w.store, rng: rng}, done: make(chan struct{})}
	for _, f := range set {
		f(p.link)
	}
	run := scheduler.Kind{Run: p.run, MaxAttempts: 4}
	kinds := map[string]scheduler.Kind{"decide": run, "build": run, "merge": run, "sweep": run, "tick": run}
	o := scheduler.Options{
		Node: scheduler.Node{Name: name}, Lease: 8 * time.Second, ExclusiveWait: 20 * time.Second, ShutdownWait: 3 * time.Second,
		Decisions: 3, Bodies: 2, MaxBackOff: 4 * time.Second,
		Periodic: []scheduler.Periodic{{Every: 5 * time.Second, Submission: scheduler.Submission{Kind: "tick", Key: "plan", Spec: work{ForMs: 5}.json()}}},
	}
	w.options(&o)
	var err error
	if p.s, err = scheduler.New(p.link, kinds, o); err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	w.mu.Lock()
	w.runs[p] = map[int64]scheduler.Task{}
	w.starts++
	w.mu.Unlock()
	w.wg.Go(func() {
		defer close(p.done)
		if err := p.s.Run(ctx); err != nil && !p.link.gone() && !errors.Is(err, scheduler.ErrNodeReplaced) {
			w.fail("process %s: %v", name, err)
		}
	})
	return p
}

// kill is kill -9: from here on nothing that p does reaches anybody.
func (p *process) kill() {
	p.link.mu.Lock()
	p.link.dead = true
	p.link.mu.Unlock()
	p.w.mu.Lock()
	delete(p.w.runs, p)
	p.w.mu.Unlock()
	p.stop()
}

// end stops a process cleanly and waits for it.
func (p *process) end() {
	p.stop()
	<-p.done
}

func (w *world) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = append(w.broken, fmt.Sprintf("%v: ", time.Since(w.began))+fmt.Sprintf(format, args...))
}

// run is what all kinds do.
func (p *process) run(ctx context.Context, t scheduler.Task) ([]scheduler.Submission, error) {
	var todo work
	if err := json.Unmarshal(t.Spec, &todo); err != nil {
		return nil, err
	}
	p.w.begin(p, t)
	err := rest(ctx, time.Duration(todo.ForMs)*time.Millisecond)
	tries := p.w.over(p, t)
	switch {
	case err != nil:
		return nil, err
	case todo.Later && tries == 1:
		return nil, &scheduler.LaterError{After: 2 * time.Second, Reason: "waits for staging"}
	case tries <= todo.Fails:
		return nil, errors.New("disk full")
	case todo.Spawn:
		return []scheduler.Submission{{Kind: "build", Key: t.Key + "/jobs", Slots: 2, Spec: work{ForMs: 900, Of: t.ID}.json()}}, nil
	}
	return nil, nil
}

// begin checks T1, T2 and T3 against all that runs.
func (w *world) begin(p *process, t scheduler.Task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	mine := w.runs[p]
	if mine == nil {
		return // dead already
	}
	same := 0
	var exclusive, others []int64
	for _, runs := range w.runs {
		for id, r := range runs {
			others = append(others, id)
			if r.Key == t.Key {
				same++
			}
			if r.Key == "" {
				exclusive = append(exclusive, id)
			}
		}
	}
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			w.broken = append(w.broken, fmt.Sprintf("%v: task %d (%s %q): ", time.Since(w.began), t.ID, t.Kind, t.Key)+fmt.Sprintf(format, args...))
		}
	}
	if w.allowed != nil {
		wrong := w.allowed(p, t)
		bad(wrong != "", "%s", wrong)
	}
	bad(t.Key == "" && len(others) > 0, "T3: begun while %v ran", others)
	bad(len(exclusive) > 0, "T3: begun while exclusive %v ran", exclusive)
	bad(t.Slots == 0 && same > 0, "T1: begun while another of its key ran")
	bad(t.Slots > 0 && same >= t.Slots, "T2: begun while %d of its key ran, slots %d", same, t.Slots)
	if t.Slots == 0 && t.Key != "" {
		bad(t.ID < w.newest[t.Key], "T1: begun after task %d", w.newest[t.Key])
		w.newest[t.Key] = max(w.newest[t.Key], t.ID)
	}
	mine[t.ID] = t
	w.begins = append(w.begins, t)
}

// over returns how often the task was brought to the end of its work.
func (w *world) over(p *process, t scheduler.Task) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.runs[p], t.ID)
	w.tries[t.ID]++
	return w.tries[t.ID]
}

// check reports what was broken.
func (w *world) check(what string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range w.broken {
		w.t.Errorf("%s: %s", what, b)
	}
}
