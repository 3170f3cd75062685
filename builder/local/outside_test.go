package local_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/builder/local"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/internal/testkit/ducktest"
)

// Every cuboid has the cells that DuckDB finds in the staged files themselves, and no others.
func TestBuildAgreesWithDuckDB(t *testing.T) {
	local.CompareWithDuckDB(t, func() local.Query {
		db := ducktest.Open(t)
		return func(statement string) [][]any { return ducktest.Rows(t, db, statement) }
	})
}

func TestMetricsAreDocumented(t *testing.T) {
	reg := prometheus.NewRegistry()
	if _, err := local.New(local.Options{Store: new(blob.Mem), Dir: t.TempDir(), Registry: reg}); err != nil {
		t.Fatal(err)
	}
	testkit.CheckMetrics(t, reg, "tidemark_builder_engine_")
}
