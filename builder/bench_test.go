package builder

import (
	"database/sql"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
)

// BenchmarkPasses measures what the timer makes, and the pass of the scheduler that makes it, over cubes of which none has
// anything to do: of one cube, of many, and of many with history. Many are 1,000 cubes, 100,000 segments, 1,000,000 ended
// jobs and as many ended tasks with TIDEMARK_BENCH_SCALE=100, and a hundredth of it each without. The three must not differ
// by more than a factor of 2.
func BenchmarkPasses(b *testing.B) {
	n := 1
	if text := os.Getenv("TIDEMARK_BENCH_SCALE"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 {
			b.Fatalf("TIDEMARK_BENCH_SCALE=%q: want a number from 1", text)
		}
	}
	type size struct {
		cubes   int
		history bool
	}
	sizes := []size{{1, false}, {10 * n, false}, {10 * n, true}}
	all := map[size]map[string]func(t testing.TB) []string{}
	for _, c := range sizes {
		w := newWorld(b, 4, byHand)
		for i := range c.cubes {
			w.define(fmt.Sprint("c", i), "cut: {age: 10h}\nmerge: {manual: true}\n")
		}
		w.stage(0, 0, 110)
		if c.history {
			w.past(n)
		}
		bb := w.builder(nil)
		settle(b, w, bb)
		all[c] = passes(bb)
		all[c]["scheduler"] = schedulerPass(b, w)
	}
	// One size after another of each pass: what else the machine does must not fall on one of them alone.
	for _, name := range slices.Sorted(maps.Keys(all[sizes[0]])) {
		for _, c := range sizes {
			b.Run(fmt.Sprintf("%s/cubes=%d,history=%t", name, c.cubes, c.history), func(b *testing.B) {
				for b.Loop() {
					all[c][name](b)
				}
			})
		}
	}
}

// schedulerPass is a round of a scheduler that finds nothing to do.
func schedulerPass(b *testing.B, w *world) func(t testing.TB) []string {
	queue := TaskStore(w.cat)
	incarnation, err := queue.Register(b.Context(), scheduler.Node{Name: "n1"})
	must(b, err)
	tick := int64(0)
	return func(t testing.TB) []string {
		tick++
		_, err := queue.Pass(t.Context(), scheduler.Pass{
			Node: "n1", Incarnation: incarnation, Tick: tick, Lease: time.Minute, ExclusiveWait: time.Minute, Kinds: []string{taskCut}, Decisions: 1, Bodies: 1,
		})
		must(t, err)
		return nil
	}
}

// past gives the world's cubes a hundred segments each, of which ninety are retired and removed, and ended jobs and tasks.
func (w *world) past(n int) {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.path)
	must(w.t, err)
	const series = `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < $1) `
	for _, s := range []struct {
		query string
		count int
	}{
		{`INSERT INTO segments (cube_id, number, state, version, ranges, reason, replaces, job_id, id, attempt, parts, max_time_us, events, created_us,
			published_us, retired_us, removed_us) ` + series + `SELECT c.id, 1000 + i, CASE WHEN i < 10 THEN 'ready' ELSE 'retired' END, c.version,
			'[{"partition":0,"generation":0,"start":' || (i * 10) || ',"end":' || (i * 10 + 10) || '}]', 'test', '[]', 0, 'ab', 1, '[]', i, 1, 1, 1,
			CASE WHEN i < 10 THEN 0 ELSE 1 END, CASE WHEN i < 10 THEN 0 ELSE 1 END FROM n, cubes c WHERE c.name <> 'views'`, 100},
		{`INSERT INTO segment_ranges (cube_id, kind, partition, generation, end_offset, number, start_offset) ` + series +
			`SELECT c.id, 'ready', 0, 0, i * 10 + 10, 1000 + i, i * 10 FROM n, cubes c WHERE c.name <> 'views'`, 10},
		{`INSERT INTO jobs (id, cube_id, segment, kind, state, reserved, priority, spec, submitted_by, epoch, created_us, ended_us) ` + series +
			`SELECT 1000000 + i, (SELECT MIN(id) FROM cubes), 0, 'build', 'finished', 0, 0, 'null', 'test', 1, 1, 2 FROM n`, n * 10_000},
		{`INSERT INTO tasks (id, kind, task_key, dedup, idempotency, spec, submitted_by, slots, yield_us, max_attempts, state, live, seq, rank_tick,
			queued_tick, due_tick, created_us, ended_us, ended_seq) ` + series +
			`SELECT -1 - i, 'cut', 'cube/x', '', '', '{}', 'test', 0, 0, 1, 'finished', 0, -1 - i, 0, 0, 0, 1, 1, i FROM n`, n * 10_000},
		{`ANALYZE`, 0},
	} {
		args := []any{s.count - 1}
		if s.count == 0 {
			args = nil
		}
		if _, err := db.ExecContext(w.t.Context(), s.query, args...); err != nil {
			w.t.Fatalf("fill: %v: %s", err, s.query)
		}
	}
	must(w.t, db.Close())
}
