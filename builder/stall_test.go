package builder

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// goneEngine fails while there is an error, as one whose store does not answer does.
type goneEngine struct {
	fakeEngine
	err error
}

func (e *goneEngine) Build(ctx context.Context, in EngineInput) (EngineOutput, error) {
	if e.err != nil {
		return EngineOutput{}, fmt.Errorf("make cuboids: %w", e.err)
	}
	return e.fakeEngine.Build(ctx, in)
}

// gauge reads a metric without labels.
func gauge(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	all, err := reg.Gather()
	must(t, err)
	for _, f := range all {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// An outage of HBase, of the object store or of the catalog uses up no attempt of a job, however long it lasts: the job rests
// longer and longer, up to MaxBackOff, is counted in the gauge, and ends well once the store answers. An attempt that fails for
// another reason counts as ever.
func TestOutageCostsNoAttempt(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error // of the engine; nil: the object store is cut off
	}{
		{"hbase", &hbase.UnavailableError{What: "write to table x", For: 2 * time.Minute, Err: hbase.ErrDown}},
		{"catalog", fmt.Errorf("look up values: %w", catalog.ErrUnavailable)},
		{"object store", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, byHand)
				w.storeTable()
				w.stage(0, 0, 10)
				store, engine, reg := &faultblob.Flaky{Store: w.store}, &goneEngine{}, prometheus.NewRegistry()
				away, back := store.Cut, store.Heal
				if tt.err != nil {
					away, back = func() { engine.err = tt.err }, func() { engine.err = nil }
				}
				b := w.builder(func(o *Options) {
					o.Store, o.Engine, o.Registry, o.MaxAttempts, o.MaxBackOff = store, engine, reg, 2, 15*time.Second
				})
				got, err := b.Build(t.Context(), BuildRequest{Request: w.request()})
				must(t, err)
				engine.err = errors.New("out of luck")
				w.run(b)
				engine.err = nil
				away()
				second := func() { time.Sleep(time.Second) }
				want := []time.Duration{1, 1, 2, 4, 8, 15, 15, 15, 15} // the first after the failure
				if d := cmp.Diff(want, w.rests(b, 80, second)); d != "" {
					t.Errorf("seconds between attempts during the outage (-want +got):\n%s", d)
				}
				j := w.job(got.Jobs[0].ID)
				if j.State != catalog.JobPending || j.Attempts != 1 || j.Stalls != len(want) || j.Problem == "" {
					t.Errorf("during the outage: %s, %d attempts, %d stalls, %q; want pending, 1, %d", j.State, j.Attempts, j.Stalls, j.Problem, len(want))
				}
				if n := gauge(t, reg, "tidemark_builder_stalled_jobs"); n != 1 {
					t.Errorf("stalled_jobs is %v during the outage, want 1", n)
				}
				back()
				if got := w.rests(b, 15, second); len(got) != 1 {
					t.Errorf("after the outage there were attempts after %d s, want one", got)
				}
				w.wantSegments("1 ready p0 [0,10) 10 events")
				if n := gauge(t, reg, "tidemark_builder_stalled_jobs"); n != 0 {
					t.Errorf("stalled_jobs is %v after the outage, want 0", n)
				}
			})
		})
	}
}

// rests runs what may run after each second, and returns how many seconds there were before each attempt.
func (w *world) rests(b *Builder, seconds int, second func()) (list []time.Duration) {
	w.t.Helper()
	rest := time.Duration(0)
	for range seconds {
		second()
		rest++
		if w.run(b) > 0 {
			list, rest = append(list, rest), 0
		}
	}
	return list
}

// An outage has an end too: after MaxStalls attempts in a row the job has failed, as after its last attempt, and says why.
func TestOutageEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		w.storeTable()
		w.stage(0, 0, 10)
		engine := &goneEngine{err: &hbase.UnavailableError{What: "create table x", For: 2 * time.Minute, Err: hbase.ErrDown}}
		b := w.builder(func(o *Options) { o.Engine, o.MaxAttempts, o.MaxStalls = engine, 1, 4 })
		got, err := b.Build(t.Context(), BuildRequest{Request: w.request()})
		must(t, err)
		second := func() { time.Sleep(time.Second) }
		if d := cmp.Diff([]time.Duration{1, 1, 2, 4}, w.rests(b, 60, second)); d != "" {
			t.Errorf("seconds between attempts (-want +got):\n%s", d)
		}
		j := w.job(got.Jobs[0].ID)
		if want := "a store did not answer in 4 attempts in a row: make cuboids: hbase does not answer for 2m0s: create table x"; j.State != catalog.JobFailed || !j.Reserved || !strings.HasPrefix(j.Problem, want) {
			t.Errorf("%s, reserved %t, %q; want failed, reserved, %q", j.State, j.Reserved, j.Problem, want)
		}
		engine.err = nil
		must(t, w.cat.ResumeJob(t.Context(), j.ID, "ann"))
		w.run(b)
		w.wantSegments("1 ready p0 [0,10) 10 events")
	})
}

// A job that tries again after an outage counts as stalled for as long as an attempt may take to meet the same one, and no longer.
func TestStalledUntilItRunsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, submit := engineWorld(t, "")
		reg := prometheus.NewRegistry()
		b := w.builder(func(o *Options) {
			o.Registry, o.MaxBackOff = reg, 15*time.Second
			o.Engine = &heldEngine{before: func(ctx context.Context, attempt int) error {
				if attempt == 1 {
					return &hbase.UnavailableError{What: "create table x", For: time.Minute, Err: hbase.ErrDown}
				}
				select {
				case <-ctx.Done():
				case <-time.After(time.Hour):
				}
				return ctx.Err()
			}}
		})
		id := submit(b)
		stop := running(t, b)
		defer stop()
		for _, step := range []struct {
			after time.Duration
			want  float64
		}{{10 * time.Second, 1}, {30 * time.Second, 0}} {
			time.Sleep(step.after)
			j := w.job(id)
			if got := gauge(t, reg, "tidemark_builder_stalled_jobs"); got != step.want || j.State != catalog.JobRunning || j.Stalls != 1 {
				t.Errorf("after another %v: stalled_jobs is %v, the job %s with %d stalls; want %v, running, 1", step.after, got, j.State, j.Stalls, step.want)
			}
		}
	})
}
