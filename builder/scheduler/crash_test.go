package scheduler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
)

// story is a little of everything: a decision that spawns a body, one that fails once, one of another key, a body that
// waits, an exclusive task.
func story() (list []scheduler.Submission) {
	for _, s := range []scheduler.Submission{
		{Kind: "decide", Key: "a", Spec: work{ForMs: 300, Spawn: true}.json()},
		{Kind: "decide", Key: "a", Spec: work{ForMs: 300, Fails: 1}.json()},
		{Kind: "decide", Key: "b", Spec: work{ForMs: 700}.json()},
		{Kind: "build", Key: "b/jobs", Slots: 2, Spec: work{ForMs: 2500, Later: true}.json()},
		{Kind: "sweep", Spec: work{ForMs: 400}.json()},
	} {
		list = append(list, filled(s))
	}
	return list
}

// ends is what a story came to: kind, state, attempts and parent of each task. Attempts are left out where a crash may
// have cost one.
func ends(w *world, attempts bool) (out []string) {
	for _, t := range w.f.all() {
		var todo work
		if t.Kind == "tick" || json.Unmarshal(t.Spec, &todo) != nil {
			continue
		}
		n := 0
		if attempts {
			n = t.Attempts
		}
		out = append(out, fmt.Sprintf("%s %q %s attempts=%d child=%t", t.Kind, t.Key, t.State, n, todo.Of > 0))
	}
	slices.Sort(out)
	return out
}

// tell runs the story with process n1 and whatever befalls it, and returns how many calls n1's first life made.
func tell(t *testing.T, set func(l *link), befalls func(w *world, p *process)) (got []string, calls int, w *world) {
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(t)
		w.options = func(o *scheduler.Options) { o.Periodic = nil }
		if _, err := w.f.Submit(context.Background(), story()); err != nil {
			t.Fatal(err)
		}
		p := w.start("n1", rand.New(rand.NewPCG(1, 1)), set)
		others := []*process{p}
		befalls(w, p)
		w.settle(3 * time.Minute)
		w.mu.Lock()
		for other := range w.runs {
			others = append(others, other)
		}
		w.mu.Unlock()
		for _, o := range others {
			o.end()
		}
		w.wg.Wait()
		calls = p.link.calls
		got = ends(w, true)
	})
	return got, calls, w
}

// T4, T5: call 1, 2, 3 ... of the Store fails, before or after it took effect. The story ends as without, in as many
// attempts: a lost answer costs nothing.
func TestFaultAtEachCall(t *testing.T) {
	want, calls, w := tell(t, func(*link) {}, func(*world, *process) {})
	w.check("without a fault")
	if len(want) != len(story())+1 || calls < 10 {
		t.Fatalf("without a fault: %d calls, ends %q", calls, want)
	}
	for _, after := range []bool{false, true} {
		for at := 1; ; at++ {
			what := fmt.Sprintf("call %d, after=%t", at, after)
			got, made, w := tell(t, func(l *link) { l.at, l.after = at, after }, func(*world, *process) {})
			if made < at { // the story was over before
				if at < calls/2 {
					t.Errorf("%s: only %d calls were made, %d without a fault", what, made, calls)
				}
				break
			}
			w.check(what)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", what, d)
			}
		}
	}
}

// T4, T5: the process is killed at call 1, 2, 3 ..., before or after it took effect. Another one, or its own next life,
// brings the story to the same end: nothing stuck, nothing twice.
func TestKilledAtEachCall(t *testing.T) {
	_, calls, w := tell(t, func(*link) {}, func(*world, *process) {})
	want := ends(w, false)
	for _, heir := range []string{"n1", "n2"} {
		for _, after := range []bool{false, true} {
			for at := 1; at <= calls; at++ {
				what := fmt.Sprintf("killed at call %d, after=%t, heir %s", at, after, heir)
				var now chan struct{}
				set := func(l *link) {
					now = make(chan struct{})
					l.at, l.after = at, after
					l.onCall = func() {
						l.dead = true
						close(now)
					}
				}
				_, _, w := tell(t, set, func(w *world, p *process) {
					select {
					case <-now:
						p.kill()
					case <-time.After(3 * time.Minute):
						w.fail("it was not killed")
					}
					w.start(heir, rand.New(rand.NewPCG(2, 2)))
				})
				w.check(what)
				if d := cmp.Diff(want, ends(w, false)); d != "" {
					t.Errorf("%s (-want +got):\n%s", what, d)
				}
			}
		}
	}
}
