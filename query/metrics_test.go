package query_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/filecache"
)

func TestMetricsAreDocumented(t *testing.T) {
	reg := prometheus.NewRegistry()
	someWorld(t).limited(query.Options{Registry: reg, Files: filecache.Options{Dir: t.TempDir()}})
	testkit.CheckMetrics(t, reg, "tidemark_query_")
}
