package builder

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// oneRow is an answer with one row.
type oneRow struct {
	n    int64
	done bool
}

func (o *oneRow) Schema() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil)
}
func (o *oneRow) Covers() []cube.LookupCover { return nil }
func (o *oneRow) Close() error               { return nil }
func (o *oneRow) Next() (arrow.Record, error) {
	if o.done {
		return nil, io.EOF
	}
	o.done = true
	b := array.NewRecordBuilder(memory.NewGoAllocator(), o.Schema())
	defer b.Release()
	b.Field(0).(*array.Int64Builder).Append(o.n)
	return b.NewRecord(), nil
}

// asks counts the statements of all processes and answers them.
type asks struct {
	mu    sync.Mutex
	n     int64
	at    []time.Time
	took  time.Duration
	fails error
	same  bool
}

func (a *asks) ask(ctx context.Context, _, _ string) (lookup.Answer, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(a.took):
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at = append(a.at, time.Now())
	if !a.same {
		a.n++
	}
	return &oneRow{n: a.n}, a.fails
}

// times returns how often was asked since the last call.
func (a *asks) times() []time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.at
	a.at = nil
	return list
}

// snapshotOfQuery makes lookup table numbers.
func (w *world) snapshotOfQuery(a *asks, every string) {
	w.t.Helper()
	q := lookup.Queries{Catalog: w.cat, Store: w.store, Ask: a.ask}
	s, err := q.Read(w.t.Context(), lookup.Source{Project: "default", Name: "numbers", Key: "n", Query: &cube.LookupQuery{SQL: "SELECT n", Every: every}})
	must(w.t, err)
	_, _, err = lookup.Apply(w.t.Context(), w.store, w.cat, s)
	must(w.t, err)
	a.times()
}

func (w *world) numbers() catalog.LookupVersion {
	w.t.Helper()
	v, err := w.cat.Lookup(w.t.Context(), "default", "numbers")
	must(w.t, err)
	return v
}

// B11: of two processes one asks, each time that the table is due and not in between, until there is nothing to refresh any more.
func TestRefreshLookupsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		a := &asks{took: 2 * time.Second}
		w.snapshotOfQuery(a, "30s")
		one := w.builder(func(o *Options) { o.Ask = a.ask })
		two := w.builder(func(o *Options) { o.Ask, o.Node = a.ask, "n2" })
		deaf := w.builder(func(o *Options) { o.Node = "n3" }) // which answers no statements
		stop := running(t, one, two, deaf)
		time.Sleep(3 * time.Minute)
		got := a.times()
		if len(got) < 4 || len(got) > 6 {
			t.Errorf("asked %d times in 3m, want every 30s: %v", len(got), got)
		}
		for i := 1; i < len(got); i++ {
			if d := got[i].Sub(got[i-1]); d < 30*time.Second || d > 45*time.Second {
				t.Errorf("asked %v after the time before, want 30s", d)
			}
		}
		if v := w.numbers(); int(v.Lookup.Version) != 1+len(got) {
			t.Errorf("version %d after %d refreshes, want one each", v.Lookup.Version, len(got))
		}
		w.snapshotOfQuery(a, "") // by hand from now on
		time.Sleep(time.Minute)
		if got := a.times(); len(got) != 0 {
			t.Errorf("asked at %v, want never", got)
		}
		stop()
	})
}

// B11: who decides plans refreshes and asks nothing; who only builds asks.
func TestRefreshLookupRolesApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		plans, builds := &asks{}, &asks{}
		w.snapshotOfQuery(builds, "30s")
		stopBuilds := running(t, w.builder(func(o *Options) { o.NoPlans, o.Node, o.Ask = true, "builds", builds.ask }))
		time.Sleep(2 * time.Minute)
		if got := builds.times(); len(got) != 0 {
			t.Errorf("asked at %v while nobody decides, want never", got)
		}
		stop := running(t, w.builder(func(o *Options) { o.MaxBuilds, o.Node, o.Ask = -1, "plans", plans.ask }))
		time.Sleep(2 * time.Minute)
		if asked := builds.times(); len(asked) < 3 || len(plans.times()) != 0 || int(w.numbers().Lookup.Version) != 1+len(asked) {
			t.Errorf("version %d after the one that builds asked at %v, want one each 30s, and none asked by the one that decides", w.numbers().Lookup.Version, asked)
		}
		stopBuilds()
		stop()
	})
}

// B11: a refresh that fails keeps the version, is told by a metric, and is tried again after pauses that double, up to the limit.
func TestRefreshLookupFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		a := &asks{}
		w.snapshotOfQuery(a, "20s")
		reg := prometheus.NewRegistry()
		stop := running(t, w.builder(func(o *Options) {
			o.Ask, o.Registry, o.LookupsEvery, o.BackOff, o.MaxBackOff = a.ask, reg, time.Second, 2*time.Second, 16*time.Second
		}))
		a.mu.Lock()
		a.fails = errors.New("there is no table events")
		a.mu.Unlock()
		time.Sleep(2 * time.Minute)
		got := a.times()
		for i, want := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 16 * time.Second} {
			if len(got) < i+2 {
				t.Fatalf("asked %d times, want more", len(got))
			}
			if d := got[i+1].Sub(got[i]); d < want || d > want+3*time.Second {
				t.Errorf("failure %d: tried again after %v, want %v", i+1, d, want)
			}
		}
		v := w.numbers()
		if v.Lookup.Version != 1 || v.Refresh.Failures != len(got) || v.Refresh.Problem != a.fails.Error() {
			t.Errorf("newest: version %d, %+v, want version 1 with %d failures", v.Lookup.Version, v.Refresh, len(got))
		}
		if n := gauge(t, reg, "tidemark_builder_lookups_failing"); n != 1 {
			t.Errorf("lookups failing: got %v, want 1", n)
		}
		a.mu.Lock()
		a.fails, a.same, a.n = nil, true, 1
		a.mu.Unlock()
		time.Sleep(30 * time.Second)
		if v := w.numbers(); v.Lookup.Version != 1 || v.Refresh.Failures != 0 || v.Refresh.Problem != "" {
			t.Errorf("mended with the same answer: version %d, %+v, want version 1 without failures", v.Lookup.Version, v.Refresh)
		}
		if n := gauge(t, reg, "tidemark_builder_lookups_failing"); n != 0 {
			t.Errorf("lookups failing: got %v, want 0", n)
		}
		stop()
	})
}

// What was applied, or dropped, while a refresh ran makes it needless: the task does not fail.
func TestRefreshLookupGivesWay(t *testing.T) {
	for name, meanwhile := range map[string]func(w *world){
		"applied": func(w *world) { w.snapshotOfQuery(&asks{n: 7}, "10s") },
		"dropped": func(w *world) { must(w.t, w.cat.DropLookup(w.t.Context(), "default", "numbers")) },
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, byHand)
			a := &asks{}
			w.snapshotOfQuery(a, "10s")
			time.Sleep(11 * time.Second)
			b := w.builder(func(o *Options) {
				o.Ask = func(ctx context.Context, project, sql string) (lookup.Answer, error) {
					meanwhile(w)
					return a.ask(ctx, project, sql)
				}
			})
			spawn, err := b.planLookups(t.Context(), scheduler.Task{})
			if err != nil || len(spawn) != 1 || spawn[0].Slots != 1 || spawn[0].Key != lookupsKey {
				t.Fatalf("%s: planned %+v, %v, want one body under the key of all", name, spawn, err)
			}
			if _, err := b.refreshLookup(t.Context(), scheduler.Task{Spec: spawn[0].Spec}); err != nil || len(a.times()) != 1 {
				t.Errorf("%s: got %v, want no failure after one question", name, err)
			}
		})
	}
}

// A clock that was set back delays a refresh by no more than its own length.
func TestRefreshIsDue(t *testing.T) {
	w := newWorld(t, 1, byHand)
	b := w.builder(func(o *Options) { o.BackOff, o.MaxBackOff = time.Second, time.Minute })
	at := time.Unix(1_700_000_000, 0)
	for _, tt := range []struct {
		every    string
		failures int
		now      time.Duration // after the last try
		want     bool
	}{
		{"", 0, 1000 * time.Hour, false},
		{"1h", 0, time.Hour - 1, false},
		{"1h", 0, time.Hour, true},
		{"1h", 1, time.Second, true},
		{"1h", 3, 3 * time.Second, false},
		{"1h", 100, time.Minute, true},
		{"10s", 100, 10 * time.Second, true},
		{"1h", 0, -time.Hour, false},
		{"1h", 0, -time.Hour - 1, true},
	} {
		v := catalog.LookupVersion{Lookup: &cube.Lookup{Query: &cube.LookupQuery{SQL: "SELECT 1", Every: tt.every}}}
		v.Refresh = catalog.LookupRefresh{TriedUs: at.UnixMicro(), Failures: tt.failures}
		if got := b.refreshDue(v, at.Add(tt.now)); got != tt.want {
			t.Errorf("every %q, %d failures, %v after the last try: due %t, want %t", tt.every, tt.failures, tt.now, got, tt.want)
		}
	}
}
