package catalog

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// BenchmarkCommit measures one staged file after another, by one caller: what a roll waits for. rows is how many rows the
// ledger holds before; the cost must not depend on it (C7).
func BenchmarkCommit(b *testing.B) {
	for _, be := range backends() {
		for _, rows := range []int64{0, 5000} {
			b.Run(fmt.Sprintf("%s/rows=%d", be.name, rows), func(b *testing.B) {
				c, table, epoch := filled(b, be.dsn(b), rows)
				at := rows
				for b.Loop() {
					mustCommit(b, c, staged(table, epoch, rng(0, at, at+1)))
					at++
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "files/s")
			})
		}
	}
}

// BenchmarkResume measures what a new owner of a partition asks.
func BenchmarkResume(b *testing.B) {
	for _, be := range backends() {
		for _, rows := range []int64{0, 5000} {
			b.Run(fmt.Sprintf("%s/rows=%d", be.name, rows), func(b *testing.B) {
				c, table, _ := filled(b, be.dsn(b), rows)
				for b.Loop() {
					if _, err := c.Assign(context.Background(), Claim{TableID: table}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// filled is a table whose ledger has rows of one offset each, put there in one transaction.
func filled(b *testing.B, dsn string, rows int64) (c *Catalog, table string, epoch int64) {
	c = openAt(b, dsn)
	table, epoch = begun(b, c, 0)
	if rows == 0 {
		return c, table, epoch
	}
	var list []Commit
	for i := range rows {
		list = append(list, staged(table, epoch, rng(0, i, i+1)))
	}
	c.opts.CallTimeout = c.opts.ScanTimeout // so many rows at once are the benchmark's doing only
	err := c.write(context.Background(), "fill", func(t *tx) error {
		p, err := t.lockPartition(table, 0)
		if err != nil {
			return err
		}
		for _, m := range list {
			if err := t.append(p, m); err != nil {
				return err
			}
		}
		return t.save(p)
	})
	if err != nil {
		b.Fatal(err)
	}
	return c, table, epoch
}

// scale is how much history a catalog has in BenchmarkHistory: a hundredth of 1,000 cubes, 100,000 segments and 1,000,000
// finished jobs, or all of it with TIDEMARK_BENCH_SCALE=100.
func scale(b *testing.B) int64 {
	text := os.Getenv("TIDEMARK_BENCH_SCALE")
	if text == "" {
		return 1
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		b.Fatalf("TIDEMARK_BENCH_SCALE=%q: want a number from 1", text)
	}
	return n
}

// BenchmarkHistory measures what schedulers, cuts, builds and query planning ask, of a catalog that is empty but for one cube,
// and of one that is full of others' and of its own history. The two must not differ by more than a factor of 2 (C7).
func BenchmarkHistory(b *testing.B) {
	for _, be := range backends() {
		b.Run(be.name, func(b *testing.B) {
			empty := newHistory(b, be.dsn(b), 0)
			full := newHistory(b, be.dsn(b), scale(b))
			for _, op := range historyOps() {
				b.Run(op.name+"/empty", func(b *testing.B) { empty.run(b, op.call) })
				b.Run(op.name+"/full", func(b *testing.B) { full.run(b, op.call) })
			}
		})
	}
}

// history is a catalog with a cube of ten ready segments and an open job.
type history struct {
	c        *Catalog
	cube     string
	tab      string
	revision int64
	job      Job
	at       int64 // next free offset of the cube
}

type historyOp struct {
	name string
	call func(ctx context.Context, h *history) error
}

func historyOps() []historyOp {
	return []historyOp{
		{"OpenJobs", func(ctx context.Context, h *history) error { _, err := h.c.OpenJobs(ctx, ""); return err }},
		{"Jobs", func(ctx context.Context, h *history) error {
			_, err := h.c.Jobs(ctx, JobQuery{CubeID: h.cube, Limit: 10})
			return err
		}},
		{"CubeChanges", func(ctx context.Context, h *history) error { _, err := h.c.CubeChanges(ctx, h.revision); return err }},
		{"TableMarks", func(ctx context.Context, h *history) error { _, err := h.c.TableMarks(ctx); return err }},
		{"CubeEnds", func(ctx context.Context, h *history) error { _, err := h.c.CubeEnds(ctx, h.cube); return err }},
		{"CubeSnapshot", func(ctx context.Context, h *history) error { _, err := h.c.CubeSnapshot(ctx, h.cube); return err }},
		{"SegmentsByTime", func(ctx context.Context, h *history) error {
			for _, err := range h.c.Segments(ctx, SegmentQuery{CubeID: h.cube, FromUs: 15, ToUs: 25}) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"StaleSegments", func(ctx context.Context, h *history) error { _, err := h.c.StaleSegments(ctx, h.cube); return err }},
		{"Unstaged", func(ctx context.Context, h *history) error {
			_, err := h.c.Unstaged(ctx, h.tab, segmenter.Vector{rng(0, 0, 9)})
			return err
		}},
		{"WithdrawAbandoned", func(ctx context.Context, h *history) error {
			_, err := h.c.WithdrawAbandoned(ctx)
			return err
		}},
		{"RetiredSegments", func(ctx context.Context, h *history) error { _, err := h.c.RetiredSegments(ctx, now(), 10); return err }},
		{"ReserveClaimPublishRetire", func(ctx context.Context, h *history) error {
			r := rng(0, h.at, h.at+10)
			h.at += 10
			s, j, err := h.c.Reserve(ctx, reservation(h.cube, r))
			if err != nil {
				return err
			}
			j, _, err = h.c.ClaimJob(ctx, JobClaim{ID: j.ID, Owner: "b", Now: clock(0), Lease: lease})
			if err != nil {
				return err
			}
			if err := h.c.Publish(ctx, publication(j, r)); err != nil {
				return err
			}
			return h.c.Retire(ctx, h.cube, []int64{s.Number}, "test")
		}},
	}
}

func (h *history) run(b *testing.B, call func(ctx context.Context, h *history) error) {
	for b.Loop() {
		if err := call(context.Background(), h); err != nil {
			b.Fatal(err)
		}
	}
}

// newHistory makes a catalog with n times ten other cubes, each with a hundred segments of which ninety are retired and
// removed, and ten thousand jobs that have ended, a tenth of them this cube's own.
func newHistory(b *testing.B, dsn string, n int64) *history {
	c := openAt(b, dsn)
	h := &history{c: c, at: 100}
	h.cube, h.tab, _ = cubed(b, c)
	name := tableName(b, c, h.tab)
	for i := int64(0); i < 10; i++ {
		published(b, c, h.cube, rng(0, i*10, i*10+10))
	}
	h.job = pending(b, c, h.cube, 1<<30)
	cubes := []string{h.cube}
	for i := range n * 10 {
		cubes = append(cubes, applyCube(b, c, cubeDef(fmt.Sprint("other", i), name)).Cube.ID)
	}
	c.opts.CallTimeout = c.opts.ScanTimeout // so many rows at once are the benchmark's doing only
	if err := c.write(context.Background(), "fill", func(t *tx) error {
		if n == 0 {
			return nil
		}
		for i, id := range cubes {
			if err := fillSegments(t, id, 1000, 100, i == 0); err != nil {
				return err
			}
		}
		return fillJobs(t, cubes, n*10_000)
	}); err != nil {
		b.Fatal(err)
	}
	if _, err := c.w.Exec(`ANALYZE`); err != nil {
		b.Fatal(err)
	}
	h.revision = cubesRevision(b, c)
	return h
}

// fillSegments adds segments by one statement a kind; those of the measured cube are all retired.
func fillSegments(t *tx, cubeID string, first, n int64, retired bool) error {
	ready := n / 10
	if retired {
		ready = 0
	}
	const series = `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < $1) `
	if _, err := t.exec(`INSERT INTO segments (cube_id, number, state, version, ranges, reason, replaces, job_id, id, attempt, max_time_us, events,
		created_us, published_us, retired_us, removed_us) `+series+`SELECT $2, $3 + i, CASE WHEN i < $4 THEN 'ready' ELSE 'retired' END, 1,
		'[{"partition":0,"generation":0,"start":0,"end":10}]', 'test', '[]', 0, 'ab', 1, i, 1, 1, 1, CASE WHEN i < $4 THEN 0 ELSE 1 END,
		CASE WHEN i < $4 THEN 0 ELSE 1 END FROM n`, n-1, cubeID, first, ready); err != nil || ready == 0 {
		return err
	}
	_, err := t.exec(`INSERT INTO segment_ranges (cube_id, kind, partition, generation, end_offset, number, start_offset) `+series+
		`SELECT $2, 'ready', 0, 0, i * 10 + 10, $3 + i, i * 10 FROM n`, ready-1, cubeID, first)
	return err
}

func fillJobs(t *tx, cubes []string, n int64) error {
	own := n / 10
	each := (n - own) / int64(len(cubes)-1)
	first := int64(1) << 40
	for i, id := range cubes {
		count := each
		if i == 0 {
			count = own
		}
		if _, err := t.exec(`INSERT INTO jobs (id, cube_id, segment, kind, state, reserved, priority, spec, submitted_by, epoch, created_us, ended_us)
			WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
			SELECT CAST($2 AS BIGINT) + i, $3, 0, 'build', CASE WHEN i % 10 = 0 THEN 'failed' ELSE 'finished' END, 0, 0, 'null', 'test', 1, 1, 2 FROM n`,
			count-1, first, id); err != nil {
			return err
		}
		first += count
	}
	return nil
}
