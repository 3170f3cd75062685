package run_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/query/run"
)

func TestMetricsAreDocumented(t *testing.T) {
	reg := prometheus.NewRegistry()
	if _, err := run.New(run.Options{Registry: reg}); err != nil {
		t.Fatal(err)
	}
	testkit.CheckMetrics(t, reg, "tidemark_query_run_")
}

// Every complaint about the options comes at once.
func TestOptionsAreChecked(t *testing.T) {
	_, err := run.New(run.Options{Threads: -1, MemoryBytes: 1, TableBytes: 1})
	for _, want := range []string{"-1 threads", "memory of 1 bytes", "a cache of fewer than"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}
