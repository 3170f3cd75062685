package query_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/run"
)

const (
	byCube   = "SELECT country, count(*) FROM shop GROUP BY 1"
	byEvents = "SELECT page, count(*) FROM shop GROUP BY 1"
	ofRows   = "SELECT page FROM shop"
	inPast   = "SELECT page, count(*) FROM shop WHERE ts < '1999-01-01' GROUP BY 1"
)

// opens counts what is opened of staged files.
type opens struct {
	blob.Store
	n atomic.Int64
}

func (o *opens) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if strings.HasPrefix(key, "staged/") {
		o.n.Add(1)
	}
	return o.Store.Open(ctx, key, off, n)
}

// What no cube answers is refused where the engine or the request says so, and the request goes first. The error says what cubes lack.
func TestRawIsRefused(t *testing.T) {
	w := someWorld(t)
	reg, store := prometheus.NewRegistry(), &opens{Store: w.store}
	e := w.limited(query.Options{Raw: query.RefuseRaw, Registry: reg, Store: store})
	for _, sql := range []string{byEvents, ofRows, "SELECT * FROM (" + byCube + ") a JOIN (" + byEvents + ") b ON true"} {
		_, err := answered(e, query.Request{SQL: sql})
		var refused *query.NoCubeError
		if !errors.As(err, &refused) || !strings.Contains(refused.Reason, "table shop") {
			t.Errorf("%s: got %v, want that no cube answers", sql, err)
		}
		if sql == byEvents && !strings.Contains(err.Error(), "page") {
			t.Errorf("%s: %v does not name the column", sql, err)
		}
		x, err := e.Explain(t.Context(), query.Request{SQL: sql})
		if must(t, err); x.Refused != refused.Error() || x.Raw == nil || x.Raw.Files == 0 {
			t.Errorf("%s: explained as %q with %v, want %q", sql, x.Refused, x.Raw, refused)
		}
		if _, err := answered(e, query.Request{SQL: sql, Raw: query.AllowRaw}); err != nil {
			t.Errorf("%s: allowed by the request: %v", sql, err)
		}
	}
	if got := metric(t, reg, "tidemark_query_raw_statements_total", "refused"); got != 3 {
		t.Errorf("%v statements were refused, want 3", got)
	}
	if _, err := answered(e, query.Request{SQL: byCube}); err != nil {
		t.Errorf("%s: %v", byCube, err)
	}
	if _, err := answered(e, query.Request{SQL: byCube, Raw: "maybe"}); err == nil || !strings.Contains(err.Error(), `"maybe": want allow, warn or refuse`) {
		t.Errorf("raw: maybe: %v", err)
	}
}

// A warning stands in the answer and in the log, once, and says how much was read and why.
func TestRawWarns(t *testing.T) {
	w := someWorld(t)
	log, reg := new(lines), prometheus.NewRegistry()
	e := w.limited(query.Options{Raw: query.WarnRaw, Registry: reg, Logger: slog.New(slog.NewTextHandler(log, nil))})
	for sql, want := range map[string]int{byCube: 0, byEvents: 1, ofRows: 1} {
		a, err := e.Query(t.Context(), query.Request{SQL: sql})
		must(t, err)
		if len(a.Warnings) != want || want == 1 && !strings.Contains(a.Warnings[0], "2 staged files of ") {
			t.Errorf("%s: warnings %q, want %d", sql, a.Warnings, want)
		}
		must(t, a.Close())
	}
	if n := strings.Count(log.String(), "statement reads events"); n != 2 || metric(t, reg, "tidemark_query_raw_statements_total", "warned") != 2 {
		t.Errorf("%d lines, want 2:\n%s", n, log)
	}
}

// Too much is refused before a file is opened; what is pruned by time does not count.
func TestRawBytes(t *testing.T) {
	w := someWorld(t)
	reg, store := prometheus.NewRegistry(), &opens{Store: w.store}
	e := w.limited(query.Options{RawBytes: 10, Registry: reg, Store: store})
	for _, sql := range []string{byEvents, ofRows} {
		_, err := answered(e, query.Request{SQL: sql, Raw: query.AllowRaw})
		var large *query.RawSizeError
		if !errors.As(err, &large) || large.Bytes <= 10 || large.Files < 1 || large.Limit != 10 {
			t.Errorf("%s: got %+v, %v, want more than 10 bytes", sql, large, err)
			continue
		}
		x, err := e.Explain(t.Context(), query.Request{SQL: sql})
		if must(t, err); x.Refused != large.Error() {
			t.Errorf("%s: explained as %q, want %q", sql, x.Refused, large)
		}
	}
	if n := store.n.Load(); n > 0 || metric(t, reg, "tidemark_query_raw_statements_total", "too_large") != 2 {
		t.Errorf("%d staged files were opened, want none", n)
	}
	for _, sql := range []string{byCube, inPast} {
		if _, err := answered(e, query.Request{SQL: sql}); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// Statements that read events have turns of their own: while these are all taken, others of them are refused, and the only turn of
// what cubes answer is free.
func TestRawTurns(t *testing.T) {
	w := someWorld(t)
	reg := prometheus.NewRegistry()
	e := w.limited(query.Options{Registry: reg, Concurrent: 1, Queue: 1, QueueWait: time.Millisecond, RawConcurrent: 1, RawQueueWait: time.Millisecond})
	held, err := e.Query(t.Context(), query.Request{SQL: ofRows})
	must(t, err)
	for range 3 {
		if _, err := answered(e, query.Request{SQL: byCube}); err != nil {
			t.Errorf("%s: %v", byCube, err)
		}
		_, err = answered(e, query.Request{SQL: byEvents})
		var busy *query.BusyError
		if !errors.As(err, &busy) || busy.Setting != "query.raw_concurrent" || busy.Running != 1 {
			t.Errorf("%s: got %v, want that the only turn is taken", byEvents, err)
		}
	}
	if n := metric(t, reg, "tidemark_query_statements_refused_total", "query.raw_concurrent"); n != 3 {
		t.Errorf("%v were refused, want 3", n)
	}
	must(t, held.Close())
	if _, err := answered(e, query.Request{SQL: byEvents}); err != nil {
		t.Errorf("%s, once the turn is free: %v", byEvents, err)
	}
	if n := metric(t, reg, "tidemark_query_statements"); n != 0 {
		t.Errorf("%v statements run, want none", n)
	}
}

// An answer ends at its limit with an error, and what a statement keeps of events and of their groups is bounded.
func TestLimitsOfAnswers(t *testing.T) {
	w := someWorld(t)
	e := w.limited(query.Options{MaxRows: 10, Memory: 1 << 20})
	rows, err := answered(e, query.Request{SQL: ofRows})
	var most *query.RowsError
	if !errors.As(err, &most) || rows != 10 {
		t.Errorf("%d rows and %v, want 10 and that there are more", rows, err)
	}
	if rows, err := answered(e, query.Request{SQL: ofRows + " LIMIT 10"}); err != nil || rows != 10 {
		t.Errorf("%d rows and %v, want 10", rows, err)
	}
	_, err = answered(e, query.Request{SQL: "SELECT visitor, repeat(visitor, 50000) r, count(*) FROM shop GROUP BY 1, 2"})
	var memory *run.MemoryError
	if !errors.As(err, &memory) || memory.Limit != 1<<20 {
		t.Errorf("groups of some MB: %v, want that they need too much memory", err)
	}
	if _, err := answered(e, query.Request{SQL: byCube}); err != nil && !errors.As(err, &most) {
		t.Errorf("%s: %v", byCube, err)
	}
}
