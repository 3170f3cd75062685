package query_test

import (
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// A cube that is cut and merged for long has had many segments and has few: only these are kept open, also if they were merged
// in turns that no statement saw. A statement over an earlier moment finds those of then.
func TestOnlyReadySegmentsStayOpen(t *testing.T) {
	const segments, each = 12, 10
	w := newWorld(t, 7, segments*each)
	t.Cleanup(func() { must(t, w.cat.Close()) })
	p := w.parts[0]
	w.stage(p, segments*each)
	w.apply(cubeYAML, w.firsts())
	reg := prometheus.NewRegistry()
	e := w.limited(query.Options{NoResults: true, Registry: reg})
	want := func(step string, open float64) {
		t.Helper()
		if n := metric(t, reg, "tidemark_query_segments_open"); n != open {
			t.Errorf("%s: %v segments are open, want %v", step, n, open)
		}
	}
	ask := func(r query.Request) []string {
		t.Helper()
		r.SQL = "SELECT country, count(*), sum(bytes) FROM sales GROUP BY 1"
		rows, _ := rowsOf(t, e, r)
		return rows
	}
	var numbers []int64
	for i := range int64(segments) {
		numbers = append(numbers, w.build("sales", segmenter.Vector{p.line(i*each, (i+1)*each)}, false))
		ask(query.Request{})
	}
	want("all are built", segments)
	before := ask(query.Request{})
	a, err := e.Query(t.Context(), query.Request{SQL: "SELECT count(*) FROM sales", AsOf: &catalog.AsOf{Time: time.Now()}})
	must(t, err)
	then := a.Tables[0].Completeness.AsOf.Version
	must(t, a.Close())
	left := w.build("sales", segmenter.Vector{p.line(0, 3*each)}, true, numbers[:3]...)
	w.build("sales", segmenter.Vector{p.line(0, 6*each)}, true, append([]int64{left}, numbers[3:6]...)...)
	if after := ask(query.Request{}); !slices.Equal(after, before) {
		t.Errorf("after merges %q, before %q", after, before)
	}
	want("six are merged, in two turns", 7)
	if old := ask(query.Request{AsOf: &catalog.AsOf{Version: then}}); !slices.Equal(old, before) {
		t.Errorf("of the earlier moment %q, at it %q", old, before)
	}
	w.build("sales", segmenter.Vector{p.line(0, segments*each)}, true, append([]int64{left + 1}, numbers[6:]...)...)
	ask(query.Request{})
	want("all are merged", 1)
}
