package builder

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// countingStore counts calls.
type countingStore struct {
	blob.Store
	opens, creates atomic.Int64
}

func (s *countingStore) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	s.opens.Add(1)
	return s.Store.Open(ctx, key, off, n)
}

func (s *countingStore) Create(ctx context.Context, key string, body io.Reader) error {
	s.creates.Add(1)
	return s.Store.Create(ctx, key, body)
}

// ready gives the cube more ready segments behind those that it has, without files.
func (w *world) ready(from, count int) {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.path)
	must(w.t, err)
	const series = `WITH RECURSIVE n (i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM n WHERE i < $2) `
	for _, query := range []string{
		`INSERT INTO segments (cube_id, number, state, version, ranges, reason, replaces, job_id, id, attempt, parts, min_time_us, max_time_us, events,
			created_us, published_us) ` + series + `SELECT '` + w.cube.ID + `', 1000 + i, 'ready', 1,
			'[{"partition":0,"generation":0,"start":' || (i * 10) || ',"end":' || (i * 10 + 10) || '}]', 'test', '[]', 0, 'ab', 1, '[]', i, i, 1, 1, 1 FROM n`,
		`INSERT INTO segment_ranges (cube_id, kind, partition, generation, end_offset, number, start_offset) ` + series +
			`SELECT '` + w.cube.ID + `', 'ready', 0, 0, i * 10 + 10, 1000 + i, i * 10 FROM n`,
	} {
		if _, err := db.ExecContext(w.t.Context(), query, from, from+count-1); err != nil {
			w.t.Fatalf("fill: %v: %s", err, query)
		}
	}
	must(w.t, db.Close())
}

// cost is what a merge asked of the store and the catalog, and how long its request and its job took.
type cost struct {
	opens, creates, calls int64
	request, job          time.Duration
}

// mergeTwo merges two segments of a cube that has so many.
func mergeTwo(t testing.TB, segments int) (c cost) {
	w := newWorld(t, 1, byHand)
	st := &countingStore{Store: w.store}
	b := w.builder(func(o *Options) { o.Store, o.Engine = st, &fakeEngine{cuboids: 60} })
	w.pieces(b, 2)
	if segments > 2 {
		w.ready(2, segments-2)
	}
	st.opens.Store(0)
	st.creates.Store(0)
	before, began := w.cat.Calls(), time.Now()
	got, err := b.Merge(t.Context(), MergeRequest{Request: w.request(), Choice: Choice{Segments: []int64{1, 2}}})
	must(t, err)
	c.request = time.Since(began)
	w.run(b)
	c.job = time.Since(began) - c.request
	if j := w.job(got.Jobs[0].ID); j.State != catalog.JobFinished {
		t.Fatalf("merge: %+v", j)
	}
	c.opens, c.creates, c.calls = st.opens.Load(), st.creates.Load(), w.cat.Calls()-before
	return c
}

// I8: a merge of two segments asks the same of the store and the catalog in a cube of 2 segments and in one of 1,440.
func TestMergeAmongMany(t *testing.T) {
	alone, among := mergeTwo(t, 2), mergeTwo(t, 1440)
	t.Logf("alone %+v, among 1,440 %+v", alone, among)
	alone.request, alone.job, among.request, among.job = 0, 0, 0, 0
	if alone != among {
		t.Errorf("among 1,440: %+v, want %+v as alone", among, alone)
	}
}

// BenchmarkMergeAmongMany measures all of a merge of two segments but its cuboids, the least of all rounds.
func BenchmarkMergeAmongMany(b *testing.B) {
	least := map[int]cost{}
	for b.Loop() {
		for _, n := range []int{2, 1440} {
			c := mergeTwo(b, n)
			if l, ok := least[n]; ok {
				c.request, c.job = min(c.request, l.request), min(c.job, l.job)
			}
			least[n] = c
		}
	}
	for n, c := range least {
		b.ReportMetric(c.request.Seconds()*1000, fmt.Sprintf("ms-request-of-%d", n))
		b.ReportMetric(c.job.Seconds()*1000, fmt.Sprintf("ms-job-of-%d", n))
	}
}
