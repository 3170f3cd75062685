package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/internal/testkit"
)

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

// Attempts, back-off, final errors, panics and time limits: what the task says in the end, and when it was tried.
func TestAttempts(t *testing.T) {
	for _, tt := range []struct {
		name     string
		run      func(ctx context.Context, t scheduler.Task) ([]scheduler.Submission, error)
		state    string
		problem  string
		attempts int
		after    time.Duration // less than a second more
	}{
		{"fails for ever", func(context.Context, scheduler.Task) ([]scheduler.Submission, error) {
			return nil, errors.New("disk full")
		}, scheduler.Failed, "disk full", 4, 7 * time.Second}, // 1 + 2 + 4
		{"final", func(context.Context, scheduler.Task) ([]scheduler.Submission, error) {
			return nil, fmt.Errorf("build: %w", &scheduler.FinalError{Err: errors.New("no such cube")})
		}, scheduler.Failed, "build: no such cube", 1, 0},
		{"panics", func(context.Context, scheduler.Task) ([]scheduler.Submission, error) {
			panic("S1: ranges overlap")
		}, scheduler.Failed, "panic: S1: ranges overlap", 4, 7 * time.Second},
		{"hangs", func(ctx context.Context, _ scheduler.Task) ([]scheduler.Submission, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, scheduler.Failed, "the attempt took longer than its kind allows: context deadline exceeded", 4, 47 * time.Second},
		{"later", func(_ context.Context, t scheduler.Task) ([]scheduler.Submission, error) {
			if t.Epoch < 10 {
				return nil, &scheduler.LaterError{After: time.Second, Reason: "waits for staging"}
			}
			return nil, nil
		}, scheduler.Finished, "", 1, 9 * time.Second},
		{"spawns nonsense", func(context.Context, scheduler.Task) ([]scheduler.Submission, error) {
			return []scheduler.Submission{{Kind: "nonsense"}}, nil
		}, scheduler.Failed, `unknown kind of task "nonsense": want one of ["x"]`, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				var failed []scheduler.Task
				s, err := scheduler.New(f, map[string]scheduler.Kind{"x": {Run: tt.run, MaxAttempts: 4, Timeout: 10 * time.Second}}, scheduler.Options{
					Node: scheduler.Node{Name: "n1"}, Interval: 10 * time.Millisecond,
					OnFailed: func(_ context.Context, t scheduler.Task) { failed = append(failed, t) },
				})
				if err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(context.Background())
				done := make(chan error)
				go func() { done <- s.Run(ctx) }()
				got, err := s.Submit(ctx, scheduler.Submission{Kind: "x", Key: "a"})
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				for f.live() > 0 && time.Since(began) < time.Hour {
					time.Sleep(10 * time.Millisecond)
				}
				took := time.Since(began)
				stop()
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				task := f.find(got[0].ID).Task
				if task.State != tt.state || task.Error != tt.problem || task.Attempts != tt.attempts {
					t.Errorf("got %s, %q after %d attempts, want %s, %q after %d", task.State, task.Error, task.Attempts, tt.state, tt.problem, tt.attempts)
				}
				if took < tt.after || took > tt.after+time.Second {
					t.Errorf("it took %v, want %v", took, tt.after)
				}
				if want := tt.state == scheduler.Failed; (len(failed) == 1) != want || want && failed[0].Error != tt.problem {
					t.Errorf("OnFailed was told %+v, want once: %t", failed, want)
				}
			})
		})
	}
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

// Every complaint about the options comes at once.
func TestOptionsAreChecked(t *testing.T) {
	kinds := map[string]scheduler.Kind{"x": {}}
	_, err := scheduler.New(newFake(), kinds, scheduler.Options{
		Interval: time.Second, Lease: time.Second, Decisions: -1, BackOff: time.Hour,
		Periodic: []scheduler.Periodic{{Every: time.Second, Submission: scheduler.Submission{Kind: "y"}}},
	})
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		"scheduler: no node name given",
		"scheduler: lease 1s: want at least 8 intervals of 1s, a few lost passes must not lose a lease",
		"scheduler: -1 decisions, 2 bodies, 5 attempts: want at least 1, 0, 1",
		"scheduler: back-off 1h0m0s up to 5m0s: want the second not below the first",
		`scheduler: kind "x" has no name or no Run`,
		`scheduler: periodic kind "y" is not among the kinds`,
	}
	if d := cmp.Diff(want, strings.Split(err.Error(), "\n")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// What cannot be queued says why.
func TestSubmissionsAreChecked(t *testing.T) {
	s, err := scheduler.New(newFake(), map[string]scheduler.Kind{"x": {Run: (&process{}).run}}, scheduler.Options{Node: scheduler.Node{Name: "n"}})
	if err != nil {
		t.Fatal(err)
	}
	for want, sub := range map[string]scheduler.Submission{
		`unknown kind of task "y": want one of ["x"]`:                                     {Kind: "y", Key: "k"},
		"task of kind x: 2 slots without a key: an exclusive task runs alone":             {Kind: "x", Slots: 2},
		"task of kind x: slots 0, yield -1s, delay 0s, max attempts 0: want none below 0": {Kind: "x", Key: "k", Yield: -time.Second},
	} {
		if _, err := s.Submit(context.Background(), sub); err == nil || err.Error() != want {
			t.Errorf("submit %+v: got %v, want %s", sub, err, want)
		}
	}
	got, err := s.Submit(context.Background(), scheduler.Submission{Kind: "x", Key: "k"})
	if err != nil || got[0].MaxAttempts != 5 || string(got[0].Spec) != "null" {
		t.Errorf("submit: %+v, %v; want 5 attempts and a spec of null", got, err)
	}
}

func TestMetricsAreDocumented(t *testing.T) {
	reg := prometheus.NewRegistry()
	_, err := scheduler.New(newFake(), map[string]scheduler.Kind{"x": {Run: (&process{}).run}}, scheduler.Options{Node: scheduler.Node{Name: "n"}, Registry: reg})
	if err != nil {
		t.Fatal(err)
	}
	testkit.CheckMetrics(t, reg, "tidemark_builder_task_")
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
