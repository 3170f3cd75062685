package scheduler_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
)

// schedules is how many random ones a run of the tests takes; each has a seed that a failure names.
const schedules = 1000

// I7, T1 to T8: two or three processes share a queue over connections that lose questions and answers; they are killed,
// cut off, stopped and started again at random, and people cancel, pause and resume.
func TestSimRandomSchedules(t *testing.T) {
	for seed := range uint64(schedules) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			chaos(w, rand.New(rand.NewPCG(seed, 1)))
			w.check(fmt.Sprintf("seed %d", seed))
		})
		if t.Failed() {
			return
		}
	}
}

// chaos lives for a minute of virtual time, then everything is whole again and must come to an end.
func chaos(w *world, rng *rand.Rand) {
	procs := make([]*process, 2+rng.IntN(2))
	start := func(i int) {
		procs[i] = w.start(fmt.Sprintf("n%d", i), rand.New(rand.NewPCG(rng.Uint64(), 2)))
		procs[i].link.lossy = []float64{0, 0.02, 0.1}[rng.IntN(3)]
	}
	for i := range procs {
		start(i)
	}
	for n := range 60 {
		time.Sleep(time.Duration(rng.IntN(2000)) * time.Millisecond)
		switch i := rng.IntN(len(procs)); rng.IntN(12) {
		case 0:
			procs[i].kill()
			start(i) // at once, under the same name
		case 1:
			procs[i].kill()
			time.Sleep(time.Duration(rng.IntN(15)) * time.Second)
			start(i)
		case 2:
			procs[i].end()
			start(i)
		case 3:
			procs[i].link.sever(!procs[i].link.gone())
		case 4:
			byHand(w, rng)
		default:
			w.submit(procs[i], n, randomTask(rng))
		}
	}
	for i, p := range procs {
		p.link.sever(false)
		p.link.mu.Lock()
		p.link.lossy = 0
		p.link.mu.Unlock()
		if rng.IntN(4) == 0 {
			p.kill()
			start(i)
			procs[i].link.lossy = 0
		}
	}
	for _, t := range w.f.all() {
		if t.State == scheduler.Init || t.State == scheduler.Running {
			_, _ = w.f.Control(context.Background(), t.ID, scheduler.Resume) // one that has ended is refused
		}
	}
	w.settle(10 * time.Minute)
	for _, p := range procs {
		p.end()
	}
	w.wg.Wait()
}

func (l *link) sever(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
}

func randomTask(rng *rand.Rand) scheduler.Submission {
	key := string(rune('a' + rng.IntN(3)))
	todo := work{ForMs: rng.IntN(1500)}
	if rng.IntN(4) == 0 {
		todo.Fails = rng.IntN(5) // 4 attempts are all it gets
	}
	switch rng.IntN(8) {
	case 0, 1, 2:
		todo.ForMs, todo.Spawn = rng.IntN(300), rng.IntN(2) == 0
		return scheduler.Submission{Kind: "decide", Key: key, Spec: todo.json()}
	case 3, 4:
		todo.ForMs, todo.Later = rng.IntN(9000), rng.IntN(3) == 0
		return scheduler.Submission{Kind: "build", Key: key + "/jobs", Slots: 2, Spec: todo.json()}
	case 5:
		todo.ForMs = rng.IntN(30_000)
		return scheduler.Submission{Kind: "merge", Key: key + "/jobs", Slots: 2, Yield: 10 * time.Second, Spec: todo.json()}
	case 6:
		return scheduler.Submission{Kind: "decide", Key: key, Dedup: "same", Spec: work{ForMs: 200}.json()}
	}
	return scheduler.Submission{Kind: "sweep", Spec: todo.json()}
}

// submit asks until there is an answer, under one idempotency key, in the background: the process may die meanwhile.
func (w *world) submit(p *process, n int, s scheduler.Submission) {
	if s.Dedup == "" {
		s.Idempotency = fmt.Sprint("once ", n)
		s.SubmittedBy = s.Idempotency
	}
	w.wg.Go(func() {
		for range 5 {
			if _, err := p.s.Submit(context.Background(), s); err == nil {
				return
			}
			time.Sleep(time.Second)
		}
		if _, err := w.f.Submit(context.Background(), []scheduler.Submission{filled(s)}); err != nil { // by another way
			w.fail("submit %+v: %v", s, err)
		}
	})
}

func filled(s scheduler.Submission) scheduler.Submission {
	s.MaxAttempts = 4
	return s
}

func byHand(w *world, rng *rand.Rand) {
	all := w.f.all()
	if len(all) == 0 {
		return
	}
	t := all[rng.IntN(len(all))]
	action := []string{scheduler.Cancel, scheduler.Pause, scheduler.Pause, scheduler.Resume}[rng.IntN(4)]
	_, _ = w.f.Control(context.Background(), t.ID, action) // what makes no sense is refused
}
