package dictionary_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/testkit"
)

func TestMetricsAreDocumented(t *testing.T) {
	reg := prometheus.NewRegistry()
	open(t, dictionary.Options{Store: new(blob.Mem), Catalog: new(memCatalog), Registry: reg})
	testkit.CheckMetrics(t, reg, "tidemark_builder_dictionary_")
}

// Every complaint about the options comes at once.
func TestOptionsAreChecked(t *testing.T) {
	_, err := dictionary.New(dictionary.Options{Memory: 1, Tries: -1})
	for _, want := range []string{"no catalog given", "no store given", "at least 1 MiB", "a limit is below 1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}
