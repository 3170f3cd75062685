package catalog

import (
	"context"
	"fmt"
	"testing"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// BenchmarkSnapshot measures what a query asks first, of a cube with ready segments over a ledger that is long, and of one with
// few over one that is short. But for the first read the two must not differ by more than a factor of 2 (C7).
func BenchmarkSnapshot(b *testing.B) {
	for _, be := range backends() {
		for _, size := range []struct{ segments, rows int64 }{{10, 700}, {1440, 100_800}} {
			b.Run(fmt.Sprintf("%s/segments=%d,rows=%d", be.name, size.segments, size.rows), func(b *testing.B) {
				w := newSnapshotBench(b, be.dsn(b), size.segments, size.rows)
				b.Run("first", func(b *testing.B) {
					for b.Loop() {
						w.read(b, nil)
					}
				})
				last := w.read(b, nil)
				b.Run("unchanged", func(b *testing.B) {
					for b.Loop() {
						w.read(b, last)
					}
				})
				b.Run("commit", func(b *testing.B) {
					for b.Loop() {
						b.StopTimer()
						w.commit(b)
						b.StartTimer()
						last = w.read(b, last)
					}
				})
				b.Run("publish", func(b *testing.B) {
					for b.Loop() {
						b.StopTimer()
						r := w.commit(b)
						published(b, w.c, w.cube, r)
						b.StartTimer()
						last = w.read(b, last)
					}
				})
				b.Run("staged", func(b *testing.B) { // of 10 rows in the middle
					q := StagedQuery{
						Snapshot: w.read(b, last), Ranges: []segmenter.PartitionRange{rng(0, 0, w.at)},
						FromUs: size.rows / 2 * minuteUs, ToUs: (size.rows/2 + 9) * minuteUs,
					}
					for b.Loop() {
						list, err := w.c.Staged(context.Background(), q)
						if err != nil || len(list) < 10 || len(list) > 12 {
							b.Fatalf("%d rows, %v", len(list), err)
						}
					}
				})
			})
		}
	}
}

const minuteUs = int64(60e6)

type snapshotBench struct {
	c           *Catalog
	cube, table string
	epoch, at   int64
}

// newSnapshotBench fills a ledger with rows of an offset and a minute each, which segments cover.
func newSnapshotBench(b *testing.B, dsn string, segments, rows int64) *snapshotBench {
	w := &snapshotBench{c: openAt(b, dsn), at: rows}
	w.cube, w.table, w.epoch = cubed(b, w.c)
	w.c.opts.CallTimeout = w.c.opts.ScanTimeout // so many rows at once are the benchmark's doing only
	each := rows / segments
	const series = `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < $1 - 1) `
	if err := w.c.write(context.Background(), "fill", func(t *tx) error {
		for _, s := range []struct {
			query string
			args  []any
		}{
			{`INSERT INTO files (file_key, table_id, size, sha256, format, schema_version, records, row_hash) ` + series +
				`SELECT 'staged/' || i, $2, 100, 'ab', 'parquet', 1, 1, 'cd' FROM n`, []any{rows, w.table}},
			{
				`INSERT INTO ledger (table_id, partition, generation, start_offset, end_offset, state, events, exceptions, min_time_us, max_time_us,
				reason, epoch, staged_key, committed_us, time_step) ` + series +
					`SELECT $2, 0, 0, i, i + 1, 'staged', 1, '[]', i * 60000000, i * 60000000 + 59000000, '', 1, 'staged/' || i, 1, 2 FROM n`,
				[]any{rows, w.table},
			},
			{`UPDATE partitions SET end_offset = $2, ledger_rows = $2, events = $2 WHERE table_id = $1`, []any{w.table, rows}},
			{`INSERT INTO segments (cube_id, number, state, version, ranges, reason, replaces, job_id, id, attempt, parts, min_time_us, max_time_us,
				events, created_us, published_us, revision) ` + series + fmt.Sprintf(
				`SELECT $2, 1000 + i, 'ready', 1, '[{"partition":0,"generation":0,"start":' || (i * %[1]d) || ',"end":' || ((i + 1) * %[1]d) || '}]',
				'test', '[]', 0, 'ab', 1, '[{"partition":0,"generation":0,"events":%[1]d,"gaps":0,"quarantined":0,"skipped":0,"lost":0}]',
				i * %[1]d * 60000000, (i + 1) * %[1]d * 60000000 - 1000000, %[1]d, 1, 1, 1 FROM n`, each), []any{segments, w.cube}},
			{`INSERT INTO segment_ranges (cube_id, kind, partition, generation, end_offset, number, start_offset) ` + series + fmt.Sprintf(
				`SELECT $2, 'ready', 0, 0, (i + 1) * %[1]d, 1000 + i, i * %[1]d FROM n`, each), []any{segments, w.cube}},
		} {
			if _, err := t.exec(s.query, s.args...); err != nil {
				return fmt.Errorf("%s: %w", s.query, err)
			}
		}
		_, err := t.exec(`UPDATE cubes SET next_segment = 100000 WHERE id = $1`, w.cube)
		return err
	}); err != nil {
		b.Fatal(err)
	}
	if _, err := w.c.w.Exec(`ANALYZE`); err != nil {
		b.Fatal(err)
	}
	return w
}

func (w *snapshotBench) read(b *testing.B, prev *QuerySnapshot) *QuerySnapshot {
	s, err := w.c.QuerySnapshot(context.Background(), w.table, w.cube, prev)
	if err != nil {
		b.Fatal(err)
	}
	if s.Long || s.Lines[0].Staged.Offsets()+s.Lines[0].Built.Offsets() != w.at {
		b.Fatalf("a snapshot of %+v, want %d offsets", s.Lines[0], w.at)
	}
	return s
}

// commit adds a row, which no segment covers.
func (w *snapshotBench) commit(b *testing.B) segmenter.PartitionRange {
	r := rng(0, w.at, w.at+1)
	mustCommit(b, w.c, staged(w.table, w.epoch, r))
	w.at++
	return r
}
