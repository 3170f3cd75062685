package scheduler_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Two processes on one database share the work; one is killed in the middle of a task, and the other ends it, a lease
// later, and all the rest. Nothing runs twice at a time.
func TestTwoProcessesOnOneCatalog(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		testkit.NoLeaks(t)
		shared := newShared(t, dsn)
		var list []scheduler.Submission
		for i := range 40 {
			list = append(list, scheduler.Submission{Kind: "quick", Key: fmt.Sprint("k", i%8), Dedup: fmt.Sprint(i), MaxAttempts: 5})
		}
		list = append(list, scheduler.Submission{Kind: "quick", MaxAttempts: 5}, scheduler.Submission{Kind: "slow", Key: "slow", MaxAttempts: 5})
		a, b := shared.start("a"), shared.start("b")
		if _, err := a.s.Submit(context.Background(), list...); err != nil {
			t.Fatal(err)
		}
		victim, heir := <-shared.slow, a // whoever runs it dies
		if victim == "a" {
			a.kill()
			heir = b
		} else {
			b.kill()
		}
		if next := <-shared.slow; next != heir.name {
			t.Errorf("the slow task went from %s to %s, want %s", victim, next, heir.name)
		}
		close(shared.release)
		for range list {
			<-shared.done
		}
		heir.stop()
		if <-heir.ended; heir.err != nil {
			t.Errorf("process %s: %v", heir.name, heir.err)
		}
		shared.check(len(list))
	})
}

// shared is what two processes of TestTwoProcessesOnOneCatalog have in common.
type shared struct {
	t       *testing.T
	dsn     string
	c       *catalog.Catalog
	slow    chan string   // who began the slow task
	release chan struct{} // it may end
	done    chan struct{} // one for each task that was finished

	mu      sync.Mutex
	running map[string]string // by key: who
	runs    map[int64]int
}

func newShared(t *testing.T, dsn string) *shared {
	return &shared{
		t: t, dsn: dsn, c: openCatalog(t, dsn, catalog.Options{}), slow: make(chan string, 100), release: make(chan struct{}),
		done: make(chan struct{}, 100), running: map[string]string{}, runs: map[int64]int{},
	}
}

// real is a process on a catalog of its own connections.
type real struct {
	shared *shared
	name   string
	link   *link
	s      *scheduler.Scheduler
	stop   context.CancelFunc
	ended  chan struct{} // closed; then err is set
	err    error
}

func (w *shared) start(name string) *real {
	w.t.Helper()
	p := &real{shared: w, name: name, ended: make(chan struct{})}
	c := openCatalog(w.t, w.dsn, catalog.Options{})
	p.link = &link{Store: counting{builder.TaskStore(c), w}, rng: rand.New(rand.NewPCG(1, 1))}
	kinds := map[string]scheduler.Kind{"quick": {Run: p.quick}, "slow": {Run: p.slow}}
	var err error
	p.s, err = scheduler.New(p.link, kinds, scheduler.Options{
		Node: scheduler.Node{Name: name}, Interval: 50 * time.Millisecond, Lease: 4 * time.Second, ShutdownWait: time.Millisecond,
		BackOff: time.Millisecond, Decisions: 4,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	go func() {
		defer close(p.ended)
		p.err = p.s.Run(ctx)
	}()
	w.t.Cleanup(func() {
		stop()
		<-p.ended
	})
	return p
}

func (p *real) kill() {
	p.link.mu.Lock()
	p.link.dead = true
	p.link.mu.Unlock()
	p.shared.mu.Lock()
	for key, who := range p.shared.running {
		if who == p.name {
			delete(p.shared.running, key)
		}
	}
	p.shared.mu.Unlock()
	p.stop()
}

func (p *real) quick(_ context.Context, t scheduler.Task) ([]scheduler.Submission, error) {
	w := p.shared
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.link.gone() {
		return nil, errLink
	}
	if who := w.running[t.Key]; who != "" || t.Key == "" && len(w.running) > 0 {
		w.t.Errorf("task %d of key %q begun by %s while %v ran", t.ID, t.Key, p.name, w.running)
	}
	w.runs[t.ID]++
	return nil, nil
}

func (p *real) slow(ctx context.Context, t scheduler.Task) ([]scheduler.Submission, error) {
	w := p.shared
	w.mu.Lock()
	if who := w.running[t.Key]; who != "" {
		w.t.Errorf("the slow task is begun by %s while %s runs it", p.name, who)
	}
	w.running[t.Key] = p.name
	w.runs[t.ID]++
	w.mu.Unlock()
	w.slow <- p.name
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.running[t.Key] == p.name {
			delete(w.running, t.Key)
		}
	}()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-w.release:
		return nil, nil
	}
}

// counting tells of each task that was finished for good.
type counting struct {
	scheduler.Store
	w *shared
}

func (c counting) Finish(ctx context.Context, o scheduler.Outcome) error {
	err := c.Store.Finish(ctx, o)
	if err == nil && o.State == scheduler.Finished {
		c.w.done <- struct{}{}
	}
	return err
}

// check reads from the database what came of all.
func (w *shared) check(want int) {
	w.t.Helper()
	n := 0
	for t, err := range w.c.Tasks(context.Background(), catalog.TaskQuery{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		n++
		if t.State != scheduler.Finished || w.runs[t.ID] < 1 || t.Kind == "slow" && t.Attempts < 2 {
			w.t.Errorf("task %d (%s) is %s after %d attempts and %d runs: %s", t.ID, t.Kind, t.State, t.Attempts, w.runs[t.ID], t.Error)
		}
	}
	if n != want {
		w.t.Errorf("%d tasks, want %d", n, want)
	}
}
