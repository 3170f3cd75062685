package query_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/run"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// gone is a store whose cuboid files are not found any more once it is on. What was read of them before stays with who read it.
type gone struct {
	blob.Store
	on atomic.Bool
}

func (g *gone) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if g.on.Load() && strings.Contains(key, "/cuboids-") {
		return nil, fmt.Errorf("%s: %w", key, blob.ErrNotFound)
	}
	return g.Store.Open(ctx, key, off, n)
}

// Q4: of however many segments the cuboids cannot be read, a statement begins again once, also if it has several blocks.
func TestDamageIsLearntInOneStart(t *testing.T) {
	const segments, each = 20, 15
	w := newWorld(t, 7, segments*each)
	p := w.parts[0]
	w.stage(p, segments*each)
	w.apply(cubeYAML, w.firsts())
	for i := range int64(segments) {
		w.build("sales", segmenter.Vector{p.line(i*each, (i+1)*each)}, false)
	}
	w.t.Cleanup(func() { must(w.t, w.cat.Close()) })
	for _, sql := range []string{
		"SELECT country, count(*), sum(bytes) FROM shop GROUP BY 1 ORDER BY 1",
		"SELECT country, n, m FROM (SELECT country, count(*) n FROM shop GROUP BY 1) JOIN (SELECT country, max(price) m FROM shop GROUP BY 1) USING (country) ORDER BY 1",
	} {
		reg := prometheus.NewRegistry()
		store := &gone{Store: w.store}
		e := w.limited(query.Options{Store: store, NoResults: true, Run: run.Options{NoColumns: true}, Registry: reg})
		want, _ := rowsOf(t, e, query.Request{SQL: sql})
		store.on.Store(true)
		got, _ := rowsOf(t, e, query.Request{SQL: sql})
		if fmt.Sprint(got) != fmt.Sprint(want) || len(want) == 0 {
			t.Errorf("%s: without cuboids %v, want %v", sql, got, want)
		}
		if n := metric(t, reg, "tidemark_query_restarts_total"); n != 1 {
			t.Errorf("%s: %v starts in vain for %d damaged segments, want 1", sql, n, segments)
		}
		if n := metric(t, reg, "tidemark_query_segments_from_files_total"); n < segments {
			t.Errorf("%s: %v segments of staged files, want %d and more", sql, n, segments)
		}
	}
}
