package builder

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// heldEngine does something before it makes cuboids. attempt counts from 1.
type heldEngine struct {
	fakeEngine
	before  func(ctx context.Context, attempt int) error
	attempt int
}

func (e *heldEngine) Build(ctx context.Context, in EngineInput) (EngineOutput, error) {
	e.attempt++
	if err := e.before(ctx, e.attempt); err != nil {
		return EngineOutput{}, err
	}
	return e.fakeEngine.Build(ctx, in)
}

// faulty opens the world's catalog again, with a fault.
func (w *world) faulty(fault func(done bool) error) {
	w.t.Helper()
	must(w.t, w.cat.Close())
	var err error
	w.cat, err = catalog.Open(w.t.Context(), w.path, catalog.Options{Fault: fault})
	must(w.t, err)
}

// goesAway makes a catalog that refuses every call for as long as it is told.
func (w *world) goesAway() (away func(d time.Duration)) {
	w.t.Helper()
	var gone atomic.Bool
	w.faulty(func(bool) error {
		if gone.Load() {
			return fmt.Errorf("connection refused: %w", catalog.ErrUnavailable)
		}
		return nil
	})
	return func(d time.Duration) {
		gone.Store(true)
		time.AfterFunc(d, func() { gone.Store(false) })
	}
}

// engineWorld is a world with ten events to build, and a job that builds them.
func engineWorld(t *testing.T, more string) (w *world, submit func(b *Builder) (job int64)) {
	t.Helper()
	w = newWorld(t, 1, byHand+more)
	w.storeTable()
	w.stage(0, 0, 10)
	return w, func(b *Builder) int64 {
		t.Helper()
		got, err := b.Build(t.Context(), BuildRequest{Request: w.request()})
		must(t, err)
		return got.Jobs[0].ID
	}
}

// A catalog that hangs while a lease is to be renewed has not answered, though no call of it lasted for its whole time limit: the
// attempt that lost its lease is a stalled one.
func TestHangingCatalogCostsNoAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, submit := engineWorld(t, "")
		var hang atomic.Int64 // of the next call, in ns
		w.faulty(func(bool) error { time.Sleep(time.Duration(hang.Swap(0))); return nil })
		b := w.builder(func(o *Options) {
			o.Engine = &heldEngine{before: func(ctx context.Context, attempt int) error {
				if attempt > 1 {
					return nil
				}
				hang.Store(int64(8 * time.Second))
				<-ctx.Done()
				return ctx.Err()
			}}
		})
		id := submit(b)
		w.run(b)
		if j := w.job(id); j.State != catalog.JobPending || j.Attempts != 0 || j.Stalls != 1 || !strings.Contains(j.Problem, "could not be renewed") {
			t.Errorf("%s, %d attempts, %d stalls, %q; want pending, 0, 1, a lease that could not be renewed", j.State, j.Attempts, j.Stalls, j.Problem)
		}
		time.Sleep(time.Second)
		w.run(b)
		w.wantSegments("1 ready p0 [0,10) 10 events")
	})
}

// What became of an attempt reaches a catalog that is away for longer than a lease, and counts as it would have at once.
func TestEndOfAttemptReachesTheCatalog(t *testing.T) {
	luck := errors.New("out of luck")
	for _, tt := range []struct {
		name             string
		err              error
		state            catalog.JobState
		attempts, stalls int
	}{
		{"outage", fmt.Errorf("look up values: %w", catalog.ErrUnavailable), catalog.JobPending, 0, 1},
		{"failure", luck, catalog.JobPending, 1, 0},
		{"final failure", &FinalError{luck}, catalog.JobFailed, 1, 0},
		{"staging", &waitError{"p0 [10,20)"}, catalog.JobWaiting, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, submit := engineWorld(t, "")
				away := w.goesAway()
				b := w.builder(func(o *Options) {
					o.Engine = &heldEngine{before: func(context.Context, int) error {
						away(2 * time.Minute)
						return tt.err
					}}
				})
				id := submit(b)
				spawn, err := b.recover(t.Context(), scheduler.Task{})
				must(t, err)
				_, err = b.runBody(t.Context(), scheduler.Task{Spec: spawn[0].Spec})
				must(t, err)
				j := w.job(id)
				if j.State != tt.state || j.Attempts != tt.attempts || j.Stalls != tt.stalls || !strings.Contains(j.Problem, tt.err.Error()) {
					t.Errorf("%s, %d attempts, %d stalls, %q; want %s, %d, %d, %q", j.State, j.Attempts, j.Stalls, j.Problem, tt.state, tt.attempts, tt.stalls, tt.err)
				}
			})
		})
	}
}

// The job of a process that lives loses its lease in each outage of the catalog, and no attempt.
func TestOutagesOfTheCatalog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, submit := engineWorld(t, "")
		away := w.goesAway()
		b := w.builder(func(o *Options) {
			o.MaxAttempts = 2
			o.Engine = &heldEngine{before: func(ctx context.Context, attempt int) error {
				if attempt > 4 {
					return nil
				}
				away(time.Minute)
				<-ctx.Done()
				return ctx.Err()
			}}
		})
		id := submit(b)
		stop := running(t, b)
		time.Sleep(10 * time.Minute)
		stop()
		if j := w.job(id); j.State != catalog.JobFinished || j.Attempts != 1 {
			t.Errorf("%s after %d attempts (%s), want finished in the first that counts", j.State, j.Attempts, j.Problem)
		}
		w.wantSegments("1 ready p0 [0,10) 10 events")
	})
}

// A process that stops waits for no catalog.
func TestStopsWhileTheCatalogIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, submit := engineWorld(t, "")
		away := w.goesAway()
		b := w.builder(func(o *Options) {
			o.Engine = &heldEngine{before: func(ctx context.Context, _ int) error {
				away(time.Hour)
				<-ctx.Done()
				return ctx.Err()
			}}
		})
		submit(b)
		stop := running(t, b)
		time.Sleep(time.Minute)
		asked := time.Now()
		stop()
		if took := time.Since(asked); took > b.o.Lease {
			t.Errorf("it took %v to stop, want at most %v", took, b.o.Lease)
		}
	})
}
