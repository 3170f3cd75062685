package query_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/query"
)

func TestMetricsAreDocumented(t *testing.T) {
	reg := prometheus.NewRegistry()
	someWorld(t).limited(query.Options{Registry: reg})
	testkit.CheckMetrics(t, reg, "tidemark_query_")
}
