package query_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// What was asked of a project that nobody has made says which there are.
func TestUnknownProject(t *testing.T) {
	w := someWorld(t)
	e := w.limited(query.Options{})
	for range 2 {
		_, err := answered(e, query.Request{SQL: "SELECT 1", Project: "nobody"})
		if !errors.Is(err, catalog.ErrNotFound) || !strings.Contains(err.Error(), "default") {
			t.Errorf("project nobody: %v, want one that is not found, and default", err)
		}
	}
	must(t, w.cat.ApplyProject(context.Background(), catalog.Project{Name: "nobody"}))
	if n, err := answered(e, query.Request{SQL: "SELECT 1", Project: "nobody"}); n != 1 || err != nil {
		t.Errorf("a project without tables: %d rows, %v: want 1", n, err)
	}
}

// Explain has the limits of statements.
func TestExplainTakesTurn(t *testing.T) {
	w := someWorld(t)
	e := w.limited(query.Options{Concurrent: 1, Queue: 1, QueueWait: time.Nanosecond})
	a, err := e.Query(context.Background(), query.Request{SQL: "SELECT 1"})
	must(t, err)
	var busy *query.BusyError
	if _, err := e.Explain(context.Background(), query.Request{SQL: "SELECT 1"}); !errors.As(err, &busy) {
		t.Errorf("explain while the only turn is taken: %v, want a *BusyError", err)
	}
	must(t, a.Close())
	_, err = e.Explain(context.Background(), query.Request{SQL: "SELECT 1"})
	must(t, err)
}

// What asks for more ranges of time that lie across cells than query.edge_ranges is answered from events, with the limit's name, and the same.
func TestEdgeRanges(t *testing.T) {
	w := someWorld(t)
	const sql = "SELECT country, count(*) FROM shop WHERE ts BETWEEN '2026-03-27 06:10:10' AND '2026-03-27 06:20:10' OR ts > '2026-03-27 09:10:00' GROUP BY country"
	answer := func(most int) (rows []string, block query.BlockReport, beyond float64) {
		reg := prometheus.NewRegistry()
		e := w.limited(query.Options{EdgeRanges: most, Registry: reg})
		rows, _ = rowsOf(t, e, query.Request{SQL: sql})
		_, ended := e.Statements()
		return rows, ended[0].Blocks[0], metric(t, reg, "tidemark_query_edge_ranges_exceeded_total")
	}
	want, enough, none := answer(2)
	if enough.Cube != "sales" || none != 0 || len(want) == 0 {
		t.Errorf("%s: %d rows, by %q because %s, %v beyond the limit: want it by cube sales", sql, len(want), enough.Cube, enough.Reason, none)
	}
	got, less, one := answer(1)
	if less.Cube != "" || !strings.Contains(less.Reason, "query.edge_ranges") || one != 1 || !slices.Equal(got, want) {
		t.Errorf("%s with one range: %v by %q because %s, %v beyond the limit: want %v from events because of query.edge_ranges, and 1", sql, got, less.Cube, less.Reason, one, want)
	}
}

// What is compiled of statements stays within query.program_bytes, and what has given way is compiled again.
func TestProgramBytes(t *testing.T) {
	w := someWorld(t)
	statement := func(i int) string {
		var list []string
		for k := range 1000 {
			list = append(list, fmt.Sprintf("'%d-%d'", i, k))
		}
		return "SELECT country, count(*) FROM shop WHERE device NOT IN (" + strings.Join(list, ", ") + ") GROUP BY country"
	}
	const limit = 128 << 10
	reg := prometheus.NewRegistry()
	e := w.limited(query.Options{ProgramBytes: limit, Plans: 50, NoResults: true, Registry: reg})
	for i := range 40 {
		if _, err := answered(e, query.Request{SQL: statement(i)}); err != nil {
			t.Fatal(err)
		}
		if n := metric(t, reg, "tidemark_query_program_bytes"); n > limit || n < 8<<10 {
			t.Fatalf("after %d statements %v bytes are compiled, want at most %d, and those of the last", i+1, n, limit)
		}
	}
	dropped := metric(t, reg, "tidemark_query_programs_dropped_total")
	if dropped < 20 || dropped > 40 {
		t.Errorf("%v blocks gave way, want most of 40", dropped)
	}
	for i := range 40 {
		if _, err := answered(e, query.Request{SQL: statement(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := metric(t, reg, "tidemark_query_programs_dropped_total"); n < dropped+20 {
		t.Errorf("%v blocks gave way, want more than %v when they were asked again", n, dropped)
	}
	for i := range 50 { // plans of which nothing is compiled take the place of the others
		if _, err := answered(e, query.Request{SQL: fmt.Sprintf("SELECT %d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := metric(t, reg, "tidemark_query_program_bytes"); n != 0 {
		t.Errorf("%v bytes are compiled for plans that are not kept, want 0", n)
	}
}

// A time-out holds and gives the turn back also where DuckDB works on; with query.abandoned such statements others are refused.
func TestAbandoned(t *testing.T) {
	w := someWorld(t)
	reg := prometheus.NewRegistry()
	e := w.limited(query.Options{Timeout: 50 * time.Millisecond, Concurrent: 1, Queue: 1, QueueWait: time.Nanosecond, RawConcurrent: 1, Abandoned: 2, Registry: reg})
	for range 2 {
		_, err := answered(e, query.Request{SQL: "SELECT levenshtein(repeat('a', 40000), repeat('b', 40000))"})
		var late *query.TimeoutError
		if !errors.As(err, &late) {
			t.Fatalf("a distance of long texts: %v, want a time-out", err)
		}
		if running, _ := e.Statements(); len(running) != 0 {
			t.Errorf("%d statements run after the time-out, want 0", len(running))
		}
	}
	_, err := answered(e, query.Request{SQL: "SELECT 1"})
	var busy *query.BusyError
	if !errors.As(err, &busy) || !strings.Contains(err.Error(), "query.abandoned") {
		t.Errorf("a statement beside two abandoned ones: %v, want it refused with query.abandoned", err)
	}
	if now, ever := metric(t, reg, "tidemark_query_statements_abandoned"), metric(t, reg, "tidemark_query_statements_abandoned_total"); now != 2 || ever != 2 {
		t.Errorf("%v statements are abandoned, %v ever were: want 2 and 2", now, ever)
	}
}
