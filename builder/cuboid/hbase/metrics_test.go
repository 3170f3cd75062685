package hbase_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/internal/testkit"
)

func TestMetricsAreDocumented(t *testing.T) {
	reg := prometheus.NewRegistry()
	s, err := hbase.Open(hbase.Options{Quorum: "127.0.0.1:1", Registry: reg})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	testkit.CheckMetrics(t, reg, "tidemark_builder_hbase_")
}
