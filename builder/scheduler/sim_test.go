package scheduler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
)

// schedules returns how many random ones a run of the tests takes; each has a seed that a failure names.
func schedules() uint64 {
	if os.Getenv("TIDEMARK_TEST_SOAK") != "" {
		return 20_000
	}
	return 500
}

// I7, T1 to T8: two or three processes share a queue over connections that lose questions and answers; they are killed,
// cut off, stopped and started again at random, and people cancel, pause and resume.
func TestSimRandomSchedules(t *testing.T) {
	for seed := range schedules() {
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
		lossy := []float64{0, 0.02, 0.1}[rng.IntN(3)]
		procs[i] = w.start(fmt.Sprintf("n%d", i), rand.New(rand.NewPCG(rng.Uint64(), 2)), func(l *link) { l.lossy = lossy })
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
			procs[i] = w.start(p.name, rand.New(rand.NewPCG(rng.Uint64(), 2)))
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

// simulate runs f with a world in virtual time and checks what must hold of every schedule.
func simulate(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.options = func(o *scheduler.Options) { o.Periodic = nil }
		f(w)
		w.check(t.Name())
	})
}

func seeded() *rand.Rand { return rand.New(rand.NewPCG(7, 7)) }

func (w *world) add(s scheduler.Submission) scheduler.Task {
	w.t.Helper()
	got, err := w.f.Submit(context.Background(), []scheduler.Submission{filled(s)})
	if err != nil {
		w.t.Fatal(err)
	}
	return got[0]
}

// begun lists what was begun, by kind, in order.
func (w *world) begun() (list []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.begins {
		list = append(list, t.Kind)
	}
	return list
}

func (w *world) task(id int64) scheduler.Task {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	return w.f.at(w.f.find(id))
}

// T6: with one slot that is never free for long, builds go before a merge that was submitted with them, and the merge
// goes before builds that come later than its Yield, however many they are.
func TestMergeLetsBuildsPassAndDoesNotStarve(t *testing.T) {
	simulate(t, func(w *world) {
		build := scheduler.Submission{Kind: "build", Key: "c/jobs", Slots: 1, Spec: work{ForMs: 10_000}.json()}
		merge := scheduler.Submission{Kind: "merge", Key: "c/jobs", Slots: 1, Yield: time.Minute, Spec: work{ForMs: 10_000}.json()}
		p := w.start("n1", seeded())
		w.add(build)
		time.Sleep(time.Second)
		at := time.Now()
		m := w.add(merge)
		for w.task(m.ID).State == scheduler.Init && time.Since(at) < time.Hour {
			w.add(build) // two for each that can be built in this time
			time.Sleep(5 * time.Second)
		}
		waited := time.Since(at)
		before := len(w.begun()) - 1
		// Some 12 builds came within its Yield; they take about 120s.
		if before < 11 || before > 15 || waited > 3*time.Minute {
			t.Errorf("the merge started after %v and %d builds, want about 2m10s and 13", waited, before)
		}
		p.end()
		w.wg.Wait()
	})
}

// T3: an exclusive task waits for bodies; further bodies do not start, decisions do; at its limit it gives way and the
// bodies go on, later it gets its turn.
func TestExclusiveGivesWay(t *testing.T) {
	simulate(t, func(w *world) {
		long := scheduler.Submission{Kind: "build", Key: "c/jobs", Slots: 2, Spec: work{ForMs: 45_000}.json()}
		first := w.add(long)
		p := w.start("n1", seeded())
		time.Sleep(2 * time.Second)
		sweep := w.add(scheduler.Submission{Kind: "sweep", Spec: work{ForMs: 1000}.json()})
		time.Sleep(2 * time.Second)
		second, decision := w.add(long), w.add(scheduler.Submission{Kind: "decide", Key: "c", Spec: work{}.json()})
		time.Sleep(5 * time.Second)
		for id, want := range map[int64]string{
			first.ID: scheduler.Running, sweep.ID: scheduler.Init, second.ID: scheduler.Init, decision.ID: scheduler.Finished,
		} {
			if got := w.task(id); got.State != want {
				t.Errorf("while the exclusive task waits: task %d (%s) is %s, want %s", id, got.Kind, got.State, want)
			}
		}
		time.Sleep(20 * time.Second)
		if got := w.task(sweep.ID); got.GaveWay != 1 || got.State != scheduler.Init || !strings.Contains(got.Error, "gave way") {
			t.Errorf("after 20s of waiting: gave way %d times, is %s, error %q; want once, init", got.GaveWay, got.State, got.Error)
		}
		if got := w.task(second.ID); got.State != scheduler.Running {
			t.Errorf("when it has given way the second body is %s, want running", got.State)
		}
		w.settle(5 * time.Minute)
		if got := w.task(sweep.ID); got.State != scheduler.Finished {
			t.Errorf("in the end the exclusive task is %s, want finished", got.State)
		}
		p.end()
		w.wg.Wait()
	})
}

// T7: three processes with the same timer make one task an interval, and none while one waits.
func TestTimerFiresOnceForAll(t *testing.T) {
	simulate(t, func(w *world) {
		w.options = func(*scheduler.Options) {}
		var procs []*process
		for i := range 3 {
			procs = append(procs, w.start(fmt.Sprintf("n%d", i), rand.New(rand.NewPCG(uint64(i), 3))))
		}
		time.Sleep(101 * time.Second)
		n := len(w.f.all())
		if n < 18 || n > 22 {
			t.Errorf("%d tasks of a timer of 5s in 101s, want about 21", n)
		}
		// One that waits, here behind another task of its key, stands for all that would follow.
		w.add(scheduler.Submission{Kind: "decide", Key: "plan", Spec: work{ForMs: 60_000}.json()})
		time.Sleep(time.Minute)
		if got := len(w.f.all()); got > n+3 {
			t.Errorf("while one waits %d more were made, want at most 1", got-n-2)
		}
		for _, p := range procs {
			p.end()
		}
		w.wg.Wait()
	})
}

// By hand: pause holds back the key and stops what runs, resume lets it go on, cancel ends, retry queues again at the end.
func TestByHand(t *testing.T) {
	simulate(t, func(w *world) {
		p := w.start("n1", seeded())
		do := func(id int64, action, want string) {
			t.Helper()
			if _, err := p.s.Control(context.Background(), id, action); err != nil {
				t.Fatalf("%s: %v", action, err)
			}
			time.Sleep(5 * time.Second)
			if got := w.task(id); got.State != want {
				t.Errorf("5s after %s: %s, want %s (%s)", action, got.State, want, got.Error)
			}
		}
		a := w.add(scheduler.Submission{Kind: "decide", Key: "a", Spec: work{ForMs: 20_000}.json()})
		b := w.add(scheduler.Submission{Kind: "decide", Key: "a", Spec: work{ForMs: 100}.json()})
		time.Sleep(3 * time.Second)
		do(a.ID, scheduler.Pause, scheduler.Init)
		if got := w.task(a.ID); !got.Paused || got.Attempts != 0 {
			t.Errorf("paused=%t after %d attempts, want true and 0", got.Paused, got.Attempts)
		}
		if got := w.task(b.ID); got.State != scheduler.Init {
			t.Errorf("behind a paused task of its key: %s, want init", got.State)
		}
		do(a.ID, scheduler.Resume, scheduler.Running)
		do(a.ID, scheduler.Cancel, scheduler.Cancelled)
		if got := w.task(b.ID); got.State != scheduler.Finished {
			t.Errorf("after the one before was cancelled: %s, want finished", got.State)
		}
		w.mu.Lock()
		delete(w.newest, "a") // a queues again, behind b
		w.mu.Unlock()
		do(a.ID, scheduler.Retry, scheduler.Running)
		w.settle(time.Minute)
		if _, err := p.s.Control(context.Background(), a.ID, "stop"); err == nil {
			t.Error("an unknown action was taken")
		}
		p.end()
		w.wg.Wait()
	})
}

// A clean stop lets short tasks end and gives long ones back without counting the attempt; the next process has them at once.
func TestCleanStop(t *testing.T) {
	simulate(t, func(w *world) {
		short := w.add(scheduler.Submission{Kind: "decide", Key: "a", Spec: work{ForMs: 2000}.json()})
		long := w.add(scheduler.Submission{Kind: "build", Key: "a/jobs", Slots: 1, Spec: work{ForMs: 60_000}.json()})
		p := w.start("n1", seeded())
		time.Sleep(time.Second)
		p.end()
		if got := w.task(short.ID); got.State != scheduler.Finished {
			t.Errorf("the short task is %s, want finished", got.State)
		}
		if got := w.task(long.ID); got.State != scheduler.Init || got.Attempts != 0 {
			t.Errorf("the long task is %s after %d attempts, want init after 0", got.State, got.Attempts)
		}
		q := w.start("n2", seeded())
		time.Sleep(time.Second)
		if got := w.task(long.ID); got.State != scheduler.Running || got.Node != "n2" {
			t.Errorf("a second later the long task is %s on %q, want running on n2", got.State, got.Node)
		}
		q.end()
		w.wg.Wait()
	})
}

// A process whose name another one has taken stops with a reason.
func TestNodeReplaced(t *testing.T) {
	simulate(t, func(w *world) {
		s, err := scheduler.New(w.f, map[string]scheduler.Kind{"x": {Run: (&process{w: w}).run}}, scheduler.Options{Node: scheduler.Node{Name: "n1"}})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- s.Run(context.Background()) }()
		time.Sleep(time.Second)
		q := w.start("n1", seeded())
		if err := <-done; !errors.Is(err, scheduler.ErrNodeReplaced) {
			t.Errorf("got %v, want ErrNodeReplaced", err)
		}
		q.end()
		w.wg.Wait()
	})
}

// The gauges tell of the whole queue, and a kind that has ended loses its line.
func TestMetricsFollowTheQueue(t *testing.T) {
	simulate(t, func(w *world) {
		reg := prometheus.NewRegistry()
		w.options = func(o *scheduler.Options) { o.Registry, o.Periodic = reg, nil }
		for range 3 {
			w.add(scheduler.Submission{Kind: "build", Key: "a/jobs", Slots: 1, Spec: work{ForMs: 20_000, Fails: 9}.json()})
		}
		p := w.start("n1", seeded())
		time.Sleep(12 * time.Second)
		want := []string{"failures_in_row 0", "oldest_seconds >0", "queue_length 2", "running 1"}
		if d := cmp.Diff(want, gauges(t, reg)); d != "" {
			t.Errorf("under way (-want +got):\n%s", d)
		}
		w.settle(10 * time.Minute)
		time.Sleep(6 * time.Second)
		want = []string{"failures_in_row >0", "oldest_seconds 0", "queue_length 0", "running 0"}
		if d := cmp.Diff(want, gauges(t, reg)); d != "" {
			t.Errorf("in the end (-want +got):\n%s", d)
		}
		p.end()
		w.wg.Wait()
	})
}

func gauges(t *testing.T, reg *prometheus.Registry) (out []string) {
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		name := strings.TrimPrefix(f.GetName(), "tidemark_builder_task_")
		for _, m := range f.GetMetric() {
			if m.GetGauge() == nil || name == "exclusive_wait_seconds" {
				continue
			}
			value := fmt.Sprint(m.GetGauge().GetValue())
			if (strings.HasPrefix(name, "oldest") || strings.HasPrefix(name, "failures")) && m.GetGauge().GetValue() > 0 {
				value = ">0"
			}
			out = append(out, name+" "+value)
		}
	}
	slices.Sort(out)
	return out
}

// settle waits until nothing is live, and then checks what must hold of every schedule.
func (w *world) settle(limit time.Duration) {
	w.t.Helper()
	for until := time.Now().Add(limit); w.f.live() > 0 && time.Now().Before(until); {
		time.Sleep(time.Second)
	}
	children := map[int64]int{}
	tokens := map[string]int{}
	timers := 0
	for _, t := range w.f.all() {
		var todo work
		if err := json.Unmarshal(t.Spec, &todo); err != nil {
			w.t.Fatal(err)
		}
		children[todo.Of]++
		tokens[t.SubmittedBy]++
		if t.Dedup == "timer" {
			timers++
		} else if t.State == scheduler.Init || t.State == scheduler.Running {
			w.fail("T5: task %d (%s %q) is still %s after %v: %s", t.ID, t.Kind, t.Key, t.State, limit, t.Error)
		}
	}
	for _, t := range w.f.all() {
		var todo work
		_ = json.Unmarshal(t.Spec, &todo) // succeeded above
		want := 0
		if todo.Spawn && t.State == scheduler.Finished {
			want = 1
		}
		if t.Kind != "tick" && children[t.ID] != want {
			w.fail("T4: task %d (%s) is %s and has %d children, want %d", t.ID, t.Kind, t.State, children[t.ID], want)
		}
	}
	for by, n := range tokens {
		if strings.HasPrefix(by, "once") && n != 1 {
			w.fail("submission %s is there %d times", by, n)
		}
	}
	passed := time.Since(w.began)
	w.f.mu.Lock()
	tick := time.Duration(w.f.tick) * time.Microsecond
	w.f.mu.Unlock()
	if most := int(passed/(4500*time.Millisecond)) + w.starts + 1; timers > most {
		w.fail("T7: %d tasks made by the timer in %v, want at most %d", timers, passed, most)
	}
	if tick > passed {
		w.fail("T8: the task clock shows %v after %v", tick, passed)
	}
}
