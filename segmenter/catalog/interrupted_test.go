//go:build !race

// One caller that dies at each of its statements in turn, again and again: TestInterruptedChange shows the race detector what
// there is to be seen.

package catalog

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/segmenter"
)

type cubeChange struct {
	name  string
	call  func(ctx context.Context, w crashWorld) error
	steps bool // several transactions, each of them whole
}

func cubeChanges() []cubeChange {
	return []cubeChange{
		{name: "apply", call: func(ctx context.Context, w crashWorld) error {
			_, err := w.c.ApplyCube(ctx, cubeDef("another", w.table()))
			return err
		}},
		{name: "change", call: func(ctx context.Context, w crashWorld) error {
			def := cubeDef(w.name, w.table())
			def.Owner = "eve"
			_, err := w.c.ApplyCube(ctx, def)
			return err
		}},
		{name: "state", call: func(ctx context.Context, w crashWorld) error {
			return w.c.SetCubeState(ctx, w.cube, CubeState{Reason: "test"})
		}},
		{name: "purge", call: func(ctx context.Context, w crashWorld) error { return w.c.PurgeCube(ctx, "default", w.name, "ann") }},
		{name: "drop", call: func(ctx context.Context, w crashWorld) error { return w.c.DropCube(ctx, "default", w.name, "ann") }},
		{name: "reserve", call: func(ctx context.Context, w crashWorld) error {
			r := reservation(w.cube, rng(0, 30, 40))
			r.Idempotency.Key = w.cube
			_, _, err := w.c.Reserve(ctx, r)
			return err
		}},
		{name: "plan", call: applyTwo},
		{name: "claim", call: func(ctx context.Context, w crashWorld) error {
			_, ok, err := w.c.ClaimJob(ctx, JobClaim{ID: w.running.ID, Owner: "b", Now: clock(60), Lease: lease})
			if err == nil && !ok {
				err = errors.New("nothing claimed")
			}
			return err
		}},
		{name: "renew", call: func(ctx context.Context, w crashWorld) error {
			return w.c.RenewJob(ctx, JobReport{ID: w.running.ID, Epoch: w.running.Epoch, Now: clock(5), Lease: lease, Log: []string{"a", "b"}})
		}},
		{name: "publish", call: func(ctx context.Context, w crashWorld) error {
			return w.c.Publish(ctx, publication(w.running, w.merge...))
		}},
		{name: "fail", call: func(ctx context.Context, w crashWorld) error {
			return w.c.FailJob(ctx, JobPause{ID: w.running.ID, Epoch: w.running.Epoch, Problem: "why"})
		}},
		{name: "wait", call: func(ctx context.Context, w crashWorld) error {
			return w.c.WaitJob(ctx, JobPause{ID: w.running.ID, Epoch: w.running.Epoch, Problem: "why", Until: clock(9)})
		}},
		{name: "finish", call: func(ctx context.Context, w crashWorld) error {
			return w.c.FinishJob(ctx, w.running.ID, w.running.Epoch, "nothing to do")
		}},
		{name: "pause", call: func(ctx context.Context, w crashWorld) error { return w.c.PauseJob(ctx, w.running.ID, "ann") }},
		{name: "resume", call: func(ctx context.Context, w crashWorld) error { return w.c.ResumeJob(ctx, w.resumed.ID, "ann") }},
		{name: "cancel", call: func(ctx context.Context, w crashWorld) error { return w.c.CancelJob(ctx, w.running.ID, "ann") }},
		{name: "drop job", call: func(ctx context.Context, w crashWorld) error { return w.c.DropJob(ctx, w.running.ID, "ann") }},
		{name: "withdraw", call: func(ctx context.Context, w crashWorld) error {
			return w.c.FailJob(ctx, JobPause{ID: w.resumed.ID, Epoch: w.resumed.Epoch, Problem: "too late"})
		}},
		{name: "request rolls", call: func(ctx context.Context, w crashWorld) error {
			_, err := w.c.RequestJobRolls(ctx, w.running.ID, w.tab, segmenter.Vector{rng(0, 30, 99)})
			return err
		}},
		{name: "stale", steps: true, call: func(ctx context.Context, w crashWorld) error {
			_, err := w.c.StaleSegments(ctx, w.cube)
			return err
		}},
		{name: "supplement", call: func(ctx context.Context, w crashWorld) error {
			return w.c.CommitSupplement(ctx, Supplement{
				TableID: w.tab, Requeue: 9, Range: rng(0, 6, 20), Offsets: []int64{6, 19}, File: &File{Key: w.tab + "/s", Records: 2},
			})
		}},
	}
}

func applyTwo(ctx context.Context, w crashWorld) error {
	one, two := reservation("", rng(0, 30, 40)), reservation("", rng(0, 40, 50))
	_, err := w.c.Apply(ctx, Changes{
		CubeID: w.cube, Steps: []Step{{Reserve: &one}, {Reserve: &two}}, Idempotency: Idempotency{Key: w.cube, Request: "r"},
		Answer: func(o Outcome) any { return o }, Into: new(Outcome),
	})
	return err
}

func (w crashWorld) table() string { return strings.TrimPrefix(w.name, "cube-") }

// C2: a change of a cube, its segments or jobs whose caller dies before statement 0, 1, 2 ... or before the commit leaves
// nothing visible in any table; asked again it does all of its work.
func TestInterruptedCubeChange(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		for _, ch := range cubeChanges() {
			t.Run(ch.name, func(t *testing.T) {
				w := newCrashWorld(t, c)
				_, before := dumpLines(t, c)
				points := interrupt(t, c, func(ctx context.Context) error { return ch.call(ctx, w) }, func(point int) {
					if ch.steps {
						checkSegments(t, c, w.cube)
						return
					}
					_, after := dumpLines(t, c)
					if d := cmp.Diff(before, after); d != "" {
						t.Fatalf("interrupted before statement %d, visible (-before +after):\n%s", point, d)
					}
				})
				if points < 3 {
					t.Errorf("%d statements seen, want at least 3: is the hook called?", points)
				}
				if _, after := dumpLines(t, c); cmp.Equal(before, after) {
					t.Error("the change that was not interrupted changed nothing")
				}
				if ch.name != "drop" {
					checkSegments(t, c, w.cube)
				}
			})
		}
	})
}

// interrupt makes a call die before its first statement, its second ..., looks after each, and lets the last one through. It
// returns how often it interrupted.
func interrupt(t *testing.T, c *Catalog, call func(ctx context.Context) error, look func(point int)) (points int) {
	t.Helper()
	for ; ; points++ {
		ctx, cancel := context.WithCancel(context.Background())
		n, fired := 0, false
		c.onStatement = func(string) error {
			if n == points {
				fired = true
				cancel() // the database sees the caller go; the statement itself still runs or not
			}
			n++
			return nil
		}
		err := call(ctx)
		cancel()
		c.onStatement = nil
		if !fired {
			if err != nil {
				t.Fatalf("after %d interruptions: %v", points, err)
			}
			return points
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("interrupted before statement %d: got %v, want context.Canceled", points, err)
		}
		look(points)
	}
}
