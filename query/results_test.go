package query_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/run"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// rowsOf returns the rows of an answer, sorted, and whether it was kept from before.
func rowsOf(t *testing.T, e *query.Engine, r query.Request) (rows []string, cached bool) {
	t.Helper()
	a, err := e.Query(context.Background(), r)
	if err != nil {
		t.Fatalf("%s: %v", r.SQL, err)
	}
	defer func() { must(t, a.Close()) }()
	for {
		rec, err := a.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", r.SQL, err)
		}
		for i := range int(rec.NumRows()) {
			var row []string
			for _, c := range rec.Columns() {
				row = append(row, c.ValueStr(i))
			}
			rows = append(rows, strings.Join(row, ","))
		}
		rec.Release()
	}
	slices.Sort(rows)
	return rows, a.Cached
}

// grow reads more records, which are in memory.
func (w *world) grow(p *part, n int) {
	for range n {
		p.records = append(p.records, w.events.record(len(p.records)))
	}
	p.tail = nil
	w.remember(p, p.committed-p.first, 32)
}

// early is of the first day, all the others of all times.
const early = "SELECT country, count(*), sum(bytes) FROM shop WHERE ts < '2026-03-27' GROUP BY 1"

// Q8: whatever happens to a table, an answer that is kept is that of an engine that keeps none, and asked again with nothing in between
// it is kept. An answer over times at which nothing has happened stays. So it is with what is folded of segments and of staged files.
func TestResultsAreNeverStale(t *testing.T) {
	w := newWorld(t, 7, 300)
	w.events.most = 400
	t.Cleanup(func() { must(t, w.cat.Close()) })
	p := w.parts[0]
	w.stage(p, 100)
	w.apply(cubeYAML, w.firsts())
	e, plain := w.limited(query.Options{}), w.limited(query.Options{NoResults: true, Run: run.Options{NoFolded: true}})
	reg := prometheus.NewRegistry()
	folds := w.limited(query.Options{NoResults: true, Registry: reg})
	forgets := w.limited(query.Options{NoResults: true, Run: run.Options{DomainBytes: 1 << 16}}) // values of groups, at times between two parts of a block
	list := []string{
		byCube, byEvents, ofRows, inPast, early,
		"SELECT date_trunc('hour', ts) h, count(*) FROM shop WHERE ts >= '2026-03-26 03:10' AND ts < '2026-03-27 05:20:30' GROUP BY 1",
		"SELECT a.country, a.n, b.s FROM (SELECT country, count(*) n FROM shop GROUP BY 1) a JOIN (SELECT country, sum(bytes) s FROM sales WHERE ok GROUP BY 1) b USING (country)",
		"SELECT country, count(*) FROM sales GROUP BY 1", "SELECT count(*), sum(bytes) FROM sales", "SELECT upper(country) c, count(*) FROM sales GROUP BY 1",
		"SELECT date_trunc('minute', ts) m, count(*) FROM shop GROUP BY 1",
		"SELECT country, count(DISTINCT visitor), count(*) FILTER (WHERE ok) FROM shop GROUP BY CUBE (country) ORDER BY 2 DESC, 1 LIMIT 3",
	}
	const kept = "tidemark_query_run_folded_total"
	var first, second int64
	for _, step := range []struct {
		name string
		do   func()
		same bool // early stays
	}{
		{"at first", func() {}, false},
		{"staged", func() { w.stage(p, 100) }, true},
		{"in memory", func() { w.grow(p, 20) }, true},
		{"more in memory", func() { w.grow(p, 20) }, true},
		{"committed", func() { w.stage(p, 100); p.tail = nil; w.remember(p, 300, 32) }, true},
		{"built", func() { first = w.build("sales", segmenter.Vector{p.line(0, 60)}, false) }, false},
		{"built behind it", func() { second = w.build("sales", segmenter.Vector{p.line(60, 120)}, false) }, false},
		{"merged", func() { w.build("sales", segmenter.Vector{p.line(0, 120)}, true, first, second) }, false},
		{"another cube", func() { w.apply(moreYAML, nil) }, false},
	} {
		step.do()
		before := metric(t, reg, kept, "kept")
		for _, sql := range list {
			r := query.Request{SQL: sql}
			want, _ := rowsOf(t, plain, r)
			got, cached := rowsOf(t, e, r)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %s (kept: %t):\n got %q\nwant %q", step.name, sql, cached, got, want)
			}
			if sql == early && cached != step.same {
				t.Errorf("%s: %s: kept %t, want %t", step.name, sql, cached, step.same)
			}
			if sql == byCube && cached {
				t.Errorf("%s: %s: kept, though there are other events or segments", step.name, sql)
			}
			for range 3 {
				if got, _ := rowsOf(t, folds, r); !slices.Equal(got, want) {
					t.Errorf("%s: %s, by folded groups:\n got %q\nwant %q", step.name, sql, got, want)
				}
				if got, _ := rowsOf(t, forgets, r); !slices.Equal(got, want) {
					t.Errorf("%s: %s, by folded groups of forgotten values:\n got %q\nwant %q", step.name, sql, got, want)
				}
			}
			if again, cached := rowsOf(t, e, r); !cached || !slices.Equal(again, want) {
				t.Errorf("%s: %s again: kept %t:\n got %q\nwant %q", step.name, sql, cached, again, want)
			}
		}
		if n := metric(t, reg, kept, "kept") - before; n < float64(len(list)) {
			t.Errorf("%s: folded groups were taken %v times by %d statements that were asked three times", step.name, n, len(list))
		}
	}
}

// A statement whose segments and staged files are folded apart, to be kept, looks at the same cells as one that folds them as they come.
// What is kept is looked at in their stead.
func TestFoldedCellsAreCountedOnce(t *testing.T) {
	w := newWorld(t, 7, 300)
	t.Cleanup(func() { must(t, w.cat.Close()) })
	p := w.parts[0]
	w.stage(p, 100)
	w.apply(cubeYAML, w.firsts())
	w.build("sales", segmenter.Vector{p.line(0, 60)}, false)
	reg := prometheus.NewRegistry()
	e := w.limited(query.Options{NoResults: true, Registry: reg})
	var cells []int64
	for i, state := range []string{"first", "again", "kept"} {
		before := metric(t, reg, "tidemark_query_run_cells_total")
		a, err := e.Query(t.Context(), query.Request{SQL: "SELECT upper(country), count(*) FROM sales WHERE ok GROUP BY 1"})
		must(t, err)
		if n := metric(t, reg, "tidemark_query_run_folded_total", state); n == 0 {
			t.Fatalf("question %d: nothing was %s", i, state)
		}
		cells = append(cells, a.Blocks[0].Cells)
		if counted := metric(t, reg, "tidemark_query_run_cells_total") - before; counted != float64(cells[i]) {
			t.Errorf("question %d: %v cells were counted, the report says %d", i, counted, cells[i])
		}
		must(t, a.Close())
	}
	if cells[0] == 0 || cells[1] != cells[0] || cells[2] == 0 || cells[2] >= cells[0] {
		t.Errorf("asked three times it looked at %v cells; want as many the second time, and fewer the third", cells)
	}
}

// What depends on the time or on chance is never kept, nor what parameters or a request ask for otherwise mixed up; and nothing at
// all where that is switched off.
func TestResultsOfTheirOwn(t *testing.T) {
	w := someWorld(t)
	e, off := w.limited(query.Options{}), w.limited(query.Options{NoResults: true})
	for _, sql := range []string{
		"SELECT country, count(*) FROM shop WHERE ts < now() GROUP BY 1", "SELECT country, count(*), random() FROM shop GROUP BY 1",
		"SELECT count(*), current_date FROM shop", "SELECT page FROM shop USING SAMPLE 10 ROWS", "SELECT gen_random_uuid() FROM shop",
	} {
		for range 2 {
			if _, cached := rowsOf(t, e, query.Request{SQL: sql}); cached {
				t.Errorf("%s is kept", sql)
			}
		}
	}
	for i := range 3 {
		r := query.Request{SQL: "SELECT count(*) FROM shop WHERE bytes > ?", Params: []any{int64(i * 10)}}
		want, cached := rowsOf(t, off, r)
		if cached {
			t.Errorf("%s: kept, though that is off", r.SQL)
		}
		for k := range 2 {
			if got, cached := rowsOf(t, e, r); cached != (k == 1) || !slices.Equal(got, want) {
				t.Errorf("%s of %v: %q, kept %t, want %q", r.SQL, r.Params, got, cached, want)
			}
		}
	}
	a, err := e.Query(t.Context(), query.Request{SQL: byEvents, Raw: query.WarnRaw})
	must(t, err)
	must(t, a.Close())
	for k, policy := range []query.RawPolicy{query.WarnRaw, query.WarnRaw, query.AllowRaw} {
		a, err := e.Query(t.Context(), query.Request{SQL: byEvents, Raw: policy})
		must(t, err)
		if warned := len(a.Warnings) > 0; warned != (policy == query.WarnRaw) || a.Cached != (k == 1) {
			t.Errorf("%d: %s: warned %t, kept %t", k, policy, warned, a.Cached)
		}
		for rec, err := a.Next(); err == nil; rec, err = a.Next() {
			rec.Release()
		}
		must(t, a.Close())
	}
}

// What is kept stays below its limit: an answer that was not read to its end, or that is too large, is not kept, and others give way.
func TestResultsLimit(t *testing.T) {
	w := someWorld(t)
	const limit = 64 << 10
	reg := prometheus.NewRegistry()
	e := w.limited(query.Options{ResultBytes: limit, Registry: reg})
	half, err := e.Query(t.Context(), query.Request{SQL: byCube})
	must(t, err)
	must(t, half.Close())
	if _, cached := rowsOf(t, e, query.Request{SQL: byCube}); cached {
		t.Errorf("%s: kept, though nobody has read it to its end", byCube)
	}
	large := "SELECT visitor, repeat(visitor, 100) FROM shop"
	for range 2 {
		if _, cached := rowsOf(t, e, query.Request{SQL: large}); cached {
			t.Errorf("%s: kept, though it is larger than a sixteenth of %d", large, limit)
		}
	}
	for i := range 100 {
		rowsOf(t, e, query.Request{SQL: fmt.Sprintf("SELECT country, count(*) FROM shop WHERE country <> 'x%d' GROUP BY 1", i)})
		if n := metric(t, reg, "tidemark_query_result_bytes"); n > limit || n == 0 {
			t.Fatalf("%v bytes are kept, want at most %d", n, limit)
		}
	}
	if n := metric(t, reg, "tidemark_query_results_dropped_total"); n == 0 || n > 100 {
		t.Errorf("%v answers gave way, want some", n)
	}
	if _, cached := rowsOf(t, e, query.Request{SQL: "SELECT country, count(*) FROM shop WHERE country <> 'x99' GROUP BY 1"}); !cached {
		t.Error("the last answer is not kept")
	}
}
