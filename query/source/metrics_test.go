package source_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/query/source"
)

func TestMetricsAreDocumented(t *testing.T) {
	reg := prometheus.NewRegistry()
	newWorld(t, newCatalog(t), "", 1).source(func(o *source.Options) { o.Registry = reg })
	testkit.CheckMetrics(t, reg, "tidemark_query_source_")
}
