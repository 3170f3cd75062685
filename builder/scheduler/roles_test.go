package scheduler_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
)

// apart has the processes of some names decide, and the others run bodies (T10).
func (w *world) apart(decides func(name string) bool) {
	w.options = func(o *scheduler.Options) {
		if decides(o.Node.Name) {
			o.Bodies = -1
			return
		}
		o.Decisions, o.Periodic = -1, nil
	}
	w.allowed = func(p *process, t scheduler.Task) string {
		if body := t.Slots > 0; body == decides(p.name) {
			return fmt.Sprintf("T10: begun by %s", p.name)
		}
		return ""
	}
}

// T10 and T1 to T8: what random schedules are held to holds where one process decides and the others run bodies.
func TestSimRolesApart(t *testing.T) {
	for seed := range schedules() / 4 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.apart(func(name string) bool { return name == "n0" })
			chaos(w, rand.New(rand.NewPCG(seed, 3)))
			w.check(fmt.Sprintf("seed %d", seed))
		})
		if t.Failed() {
			return
		}
	}
}

// T5, T10: the body of a process that was killed goes on at another one that runs bodies; a decision, and an exclusive task, wait
// for the one that decides.
func TestSimKilledBuilder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.apart(func(name string) bool { return strings.HasPrefix(name, "decide") })
		seed := uint64(0)
		start := func(name string) *process { // each draws by itself: they run at once
			seed++
			return w.start(name, rand.New(rand.NewPCG(seed, 1)))
		}
		builders := []*process{start("build-1")}
		list := []scheduler.Submission{
			{Kind: "build", Key: "c1/jobs", Slots: 2, Spec: work{ForMs: 20_000}.json(), SubmittedBy: "build"},
			{Kind: "decide", Key: "c1", Spec: work{ForMs: 10}.json(), SubmittedBy: "decide"},
		}
		tasks, err := builders[0].s.Submit(t.Context(), list...)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if got := w.f.find(tasks[1].ID).State; got != scheduler.Init {
			t.Errorf("T10: the decision is %s while nobody decides, want %s", got, scheduler.Init)
		}
		builders[0].kill()
		killed := time.Now()
		builders = append(builders, start("build-2"), start("build-3"))
		decider := start("decide-1")
		sweep, err := builders[1].s.Submit(t.Context(), scheduler.Submission{Kind: "sweep", Spec: work{ForMs: 10}.json(), SubmittedBy: "sweep"})
		if err != nil {
			t.Fatal(err)
		}
		w.settle(10 * time.Minute)
		for _, task := range append(tasks, sweep...) {
			if r := w.f.find(task.ID); r.State != scheduler.Finished {
				t.Errorf("task %d (%s) is %s: %s", r.ID, r.Kind, r.State, r.Error)
			}
		}
		if took := time.Since(killed); took > time.Minute {
			t.Errorf("T5: the task of the killed process ended %v after it, want a lease of 8s and 20s of work", took)
		}
		for _, p := range append(builders[1:], decider) {
			p.end()
		}
		w.wg.Wait()
		w.check("killed builder")
	})
}

// T7: the task of a timer whose process is killed is no error of anybody: a warning says so, and the timer makes the next one.
func TestSimKilledWithATimersTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var log bytes.Buffer // written by the one that lives, read when it has ended
		w.options = func(o *scheduler.Options) {
			o.Periodic[0].Submission.MaxAttempts, o.Periodic[0].Submission.Spec = 1, work{ForMs: 3000}.json()
			if o.Node.Name == "heir" {
				o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			}
		}
		first := w.start("first", rand.New(rand.NewPCG(1, 1)))
		time.Sleep(2 * time.Second)
		first.kill()
		heir := w.start("heir", rand.New(rand.NewPCG(2, 1)))
		time.Sleep(time.Minute)
		heir.end()
		w.wg.Wait()
		if n := strings.Count(log.String(), `level=WARN msg="task ended with its process, the timer makes the next"`); n != 1 || strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("one warning and no error wanted:\n%s", log.String())
		}
		if begun := w.begun(); len(begun) < 4 {
			t.Errorf("begun: %v, want the next ones too", begun)
		}
		w.check("killed with a timer's task")
	})
}

// T3, T10: an exclusive task that waits for bodies holds up further ones for a lease only once the process is killed that would
// run it; when that one is back it runs, alone.
func TestSimKilledDecider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.apart(func(name string) bool { return name == "decider" })
		apart := w.options
		w.options = func(o *scheduler.Options) {
			apart(o)
			o.ExclusiveWait, o.Periodic = time.Hour, nil
		}
		decider, builder := w.start("decider", rand.New(rand.NewPCG(1, 1))), w.start("builder", rand.New(rand.NewPCG(2, 1)))
		first := w.add(scheduler.Submission{Kind: "build", Key: "c1/jobs", Slots: 2, Spec: work{ForMs: 120_000}.json()})
		time.Sleep(2 * time.Second)
		sweep := w.add(scheduler.Submission{Kind: "sweep", Spec: work{ForMs: 10}.json()})
		time.Sleep(2 * time.Second)
		second := w.add(scheduler.Submission{Kind: "build", Key: "c2/jobs", Slots: 2, Spec: work{ForMs: 1000}.json()})
		want := func(when string, states map[int64]string) {
			t.Helper()
			for id, state := range states {
				if got := w.task(id); got.State != state {
					t.Errorf("%s: task %d (%s) is %s, want %s", when, id, got.Kind, got.State, state)
				}
			}
		}
		time.Sleep(20 * time.Second) // some leases
		want("while the exclusive task waits", map[int64]string{
			first.ID: scheduler.Running, sweep.ID: scheduler.Init, second.ID: scheduler.Init,
		})
		decider.kill()
		time.Sleep(12 * time.Second)
		want("a lease of 8s after nobody decides", map[int64]string{
			first.ID: scheduler.Running, sweep.ID: scheduler.Init, second.ID: scheduler.Finished,
		})
		decider = w.start("decider", rand.New(rand.NewPCG(3, 1)))
		w.settle(5 * time.Minute)
		want("in the end", map[int64]string{first.ID: scheduler.Finished, sweep.ID: scheduler.Finished})
		for _, p := range []*process{decider, builder} {
			p.end()
		}
		w.wg.Wait()
		w.check("killed decider")
	})
}
