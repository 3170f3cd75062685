package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// hangingLog is a Log of which some topics never answer.
type hangingLog struct {
	hangs func(topic string) bool

	mu    sync.Mutex // guards asked
	asked map[string]int
}

func (l *hangingLog) Ends(ctx context.Context, topic string) (map[int32]int64, error) {
	l.mu.Lock()
	if l.asked == nil {
		l.asked = map[string]int{}
	}
	l.asked[topic]++
	l.mu.Unlock()
	if !l.hangs(topic) {
		return map[int32]int64{}, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (l *hangingLog) At(ctx context.Context, topic string, _ time.Time) (map[int32]int64, error) {
	return l.Ends(ctx, topic)
}

func (l *hangingLog) Starts(ctx context.Context, topic string) (map[int32]int64, error) {
	return l.Ends(ctx, topic)
}

// Brokers that hang cost a pass of PlanCut one deadline for all cubes of a topic, once in logErrorAge, and what is committed is
// cut.
func TestHangingBrokersOneTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const cubes = 30
		w := newWorld(t, 1, byHand)
		for i := range cubes {
			w.define(fmt.Sprint("c", i), "cut: {age: 1s}\n")
		}
		w.stage(0, 0, 10)
		log := &hangingLog{hangs: func(string) bool { return true }}
		b := w.builder(func(o *Options) { o.Log = log })
		time.Sleep(10 * time.Second)
		pass := func() (took time.Duration, cuts int) {
			started := time.Now()
			spawn, err := b.planCut(t.Context(), scheduler.Task{})
			must(t, err)
			return time.Since(started), len(spawn)
		}
		if took, cuts := pass(); took != logWait || cuts != cubes {
			t.Errorf("first pass: %d cuts in %v, want %d in %v", cuts, took, cubes, logWait)
		}
		for range 9 {
			time.Sleep(time.Second)
			if took, cuts := pass(); took != 0 || cuts != cubes {
				t.Errorf("pass after it: %d cuts in %v, want %d at once", cuts, took, cubes)
			}
		}
		if n := log.asked["events"]; n != 1 {
			t.Errorf("the brokers were asked %d times in 10 passes, want once", n)
		}
		time.Sleep(logErrorAge)
		log.hangs = func(string) bool { return false }
		if took, cuts := pass(); took != 0 || cuts != cubes || log.asked["events"] != 2 {
			t.Errorf("when the brokers are back: %d cuts in %v, asked %d times, want %d at once, asked twice", cuts, took, log.asked["events"], cubes)
		}
	})
}

// Where all topics hang they share the deadline; where some do, the others are planned with the ends of their logs.
func TestHangingBrokersManyTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		const topics = 3 * logAskers
		for i := range topics {
			w.tableWithCube(fmt.Sprint("t", i))
		}
		log := &hangingLog{hangs: func(string) bool { return true }}
		b := w.builder(func(o *Options) { o.Log = log })
		pass := func() time.Duration {
			started := time.Now()
			_, err := b.planCut(t.Context(), scheduler.Task{})
			must(t, err)
			return time.Since(started)
		}
		if got := pass(); got != logWait {
			t.Errorf("all of %d topics hang: the pass took %v, want %v", topics, got, logWait)
		}
		if got := pass(); got != 0 {
			t.Errorf("the pass after it took %v, want none to be asked", got)
		}
		time.Sleep(logErrorAge)
		log.asked = nil
		log.hangs = func(topic string) bool { return topic == "t0" || topic == "t1" }
		if got := pass(); got != logWait {
			t.Errorf("two topics hang: the pass took %v, want %v", got, logWait)
		}
		if len(log.asked) != topics {
			t.Errorf("two topics hang: %d of %d were asked", len(log.asked), topics)
		}
		time.Sleep(time.Second)
		if got := pass(); got != 0 {
			t.Errorf("two topics hang: the pass after it took %v, want nothing", got)
		}
	})
}

// tableWithCube adds a table of its own topic, and a cube of the same name.
func (w *world) tableWithCube(name string) {
	w.t.Helper()
	def := *w.table
	def.ID, def.Version, def.Name, def.Topic = "", 0, name, name
	applied, err := w.cat.ApplyTable(w.t.Context(), &def)
	must(w.t, err)
	c, err := cube.ParseCube(fmt.Appendf(nil, "cube: %s\ntable: %s\ndimensions: [n]\nmeasures: [count]\ncut: {age: 1s}\n", name, name), name, applied.Table)
	must(w.t, err)
	_, err = w.cat.ApplyCube(w.t.Context(), c.WithDefaults())
	must(w.t, err)
}

// A pass that is out of time returns the cuts that it has planned by then.
func TestPlanCutKeepsWhatIsPlanned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		cubes := []*cube.Cube{w.define("a", "cut: {age: 1s}\n"), w.define("b", "cut: {age: 1s}\n")}
		last := slices.MaxFunc(cubes, func(a, b *cube.Cube) int { return strings.Compare(a.ID, b.ID) })
		w.define(last.Name, "cut: {age: 1s}\nstart: 2026-01-01T00:00:00Z\n")
		w.stage(0, 0, 10)
		b := w.builder(func(o *Options) { o.Log = &deafLog{} })
		time.Sleep(10 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if spawn, err := b.planCut(ctx, scheduler.Task{}); err != nil || len(spawn) != 1 {
			t.Errorf("got %d cuts, %v, want that of the cube that was planned before the time was over", len(spawn), err)
		}
	})
}

// deafLog knows ends, and never answers for a time.
type deafLog struct{ fakeLog }

func (l *deafLog) At(ctx context.Context, _ string, _ time.Time) (map[int32]int64, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// An answer counts from when it came. One who asks by hand is answered anew, and a caller who leaves is not held against the
// brokers.
func TestLogCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		slow := &slowLog{fakeLog: fakeLog{ends: map[int32]int64{0: 7}}, takes: 2 * logAge}
		l := newLogCache(slow, w.builder(nil).m)
		ask := func(ctx context.Context, wantCalls int, wantErr error) {
			t.Helper()
			ends, err := l.of(ctx, "x")
			if (err == nil) != (wantErr == nil) || !errors.Is(err, wantErr) || (err == nil && ends[0] != 7) || slow.calls != wantCalls {
				t.Errorf("got %v, %v after %d calls, want %v after %d", ends, err, slow.calls, wantErr, wantCalls)
			}
		}
		ask(t.Context(), 1, nil)
		ask(t.Context(), 1, nil)
		time.Sleep(logAge)
		ask(t.Context(), 2, nil)
		l.forget("x")
		ask(t.Context(), 3, nil)
		l.forget("x")
		gone, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		ask(gone, 4, context.DeadlineExceeded)
		cancel()
		ask(t.Context(), 5, nil)
		slow.takes = time.Hour
		l.forget("x")
		ask(t.Context(), 6, errLogWait)
		ask(t.Context(), 6, errLogWait)
		if _, err := l.offsetsAt(t.Context(), "x", time.Now()); !errors.Is(err, errLogWait) || slow.calls != 6 {
			t.Errorf("offsets at a time: got %v after %d calls, want %v without a call", err, slow.calls, errLogWait)
		}
	})
}

// slowLog takes its time.
type slowLog struct {
	fakeLog
	takes time.Duration
	calls int
}

func (l *slowLog) Ends(ctx context.Context, topic string) (map[int32]int64, error) {
	l.calls++
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(l.takes):
		return l.fakeLog.Ends(ctx, topic)
	}
}
