package query_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/source"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// limited starts an engine over the world with options of its own, over the store and the tail of the world where they name none.
func (w *world) limited(o query.Options) *query.Engine {
	w.t.Helper()
	o.Catalog = w.cat
	if o.Store == nil {
		o.Store = w.store
	}
	if o.Tail == nil {
		o.Tail = w
	}
	if o.Duck == (duck.Options{}) {
		o.Duck = duck.Options{MemoryBytes: 256 << 20, MaxConns: 4, Threads: 2}
	}
	e, err := query.New(o)
	must(w.t, err)
	w.t.Cleanup(func() { must(w.t, e.Close()) })
	return e
}

// someWorld has a segment, staged files behind it and a tail.
func someWorld(t testing.TB) *world {
	w := newWorld(t, 7, 300)
	p := w.parts[0]
	w.stage(p, 100)
	w.stage(p, 100)
	w.apply(cubeYAML, w.firsts())
	w.build("sales", segmenter.Vector{p.line(0, 100)}, false)
	w.remember(p, 200, 32)
	w.t.Cleanup(func() { must(w.t, w.cat.Close()) })
	return w
}

// metric returns the sum of a metric over its labels, of those with a value that is named if any is.
func metric(t *testing.T, reg *prometheus.Registry, name string, values ...string) (sum float64) {
	t.Helper()
	all, err := reg.Gather()
	must(t, err)
	for _, f := range all {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.Metric {
			has := len(values) == 0
			for _, l := range m.Label {
				has = has || slices.Contains(values, l.GetValue())
			}
			if has {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// answered reads an answer to its end.
func answered(e *query.Engine, r query.Request) (rows int64, err error) {
	a, err := e.Query(context.Background(), r)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	for {
		rec, err := a.Next()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows += rec.NumRows()
		rec.Release()
	}
}

// broken panics where it reads keys with a prefix, or a tail.
type broken struct {
	blob.Store
	source.Tail
	on     atomic.Bool
	prefix string // "tail": pins of the tail; "chunk": its chunks lack their columns
}

func (b *broken) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if b.on.Load() && strings.HasPrefix(key, b.prefix) {
		panic("broken: " + key)
	}
	return b.Store.Open(ctx, key, off, n)
}

func (b *broken) Pin(ctx context.Context, table string) (source.Pin, error) {
	if b.on.Load() && b.prefix == "tail" {
		panic("broken: tail")
	}
	p, err := b.Tail.Pin(ctx, table)
	if err != nil || !b.on.Load() || b.prefix != "chunk" {
		return p, err
	}
	var out tailPin
	for _, r := range p.Tail() {
		r.Chunks = slices.Clone(r.Chunks)
		for i, c := range r.Chunks {
			bare := *c
			bare.Columns, r.Chunks[i] = nil, &bare
		}
		out = append(out, r)
	}
	return out, nil
}

// lines is a log that can be asked.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Q7: wherever a panic happens it ends its statement alone, with a number that the log has, and gives the only turn back.
func TestPanicsAreIncidents(t *testing.T) {
	w := someWorld(t)
	const cubes, raw = "SELECT country, count(*) FROM shop GROUP BY 1", "SELECT page, count(*) FROM shop GROUP BY 1"
	for _, c := range []struct{ prefix, sql string }{
		{"tail", cubes},      // in the goroutine of the statement
		{"segments/", cubes}, // likewise, of a segment
		{"chunk", cubes},     // in one that makes cells
		{"chunk", raw},       // in one that makes records
	} {
		log, reg := new(lines), prometheus.NewRegistry()
		b := &broken{Store: w.store, Tail: w, prefix: c.prefix}
		e := w.limited(query.Options{
			Store: b, Tail: b, Registry: reg, Concurrent: 1, Queue: 1, QueueWait: time.Millisecond, Logger: slog.New(slog.NewTextHandler(log, nil)),
		})
		b.on.Store(true)
		_, err := answered(e, query.Request{SQL: c.sql})
		var incident *query.IncidentError
		if !errors.As(err, &incident) {
			t.Fatalf("%s: %s: got %v, want an incident", c.prefix, c.sql, err)
		}
		for _, want := range []string{incident.Number, "goroutine ", "SELECT"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%s: %s: the log does not have %q:\n%s", c.prefix, c.sql, want, log.String())
			}
		}
		b.on.Store(false)
		if rows, err := answered(e, query.Request{SQL: c.sql}); err != nil || rows == 0 {
			t.Errorf("%s: %s: afterwards %d rows, %v", c.prefix, c.sql, rows, err)
		}
		running, ended := e.Statements()
		if len(running) != 0 || len(ended) != 2 || ended[1].State != "failed" || ended[0].State != "finished" {
			t.Errorf("%s: %s: running %v, ended %v", c.prefix, c.sql, running, ended)
		}
		if n := metric(t, reg, "tidemark_query_incidents_total"); n != 1 {
			t.Errorf("%s: %s: %v incidents, want 1", c.prefix, c.sql, n)
		}
	}
}
