package ingest_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

func TestMetricsAreDocumented(t *testing.T) {
	reg := prometheus.NewRegistry()
	o := ingest.Options{
		Kafka: []kgo.Opt{kgo.SeedBrokers("127.0.0.1:1")}, Catalog: new(catalog.Catalog), Store: new(blob.Mem), SpoolDir: t.TempDir(), Registry: reg,
	}
	if _, err := ingest.New(o); err != nil {
		t.Fatal(err)
	}
	testkit.CheckMetrics(t, reg, "tidemark_ingest_")
}

// Every complaint about the options comes at once.
func TestOptionsAreChecked(t *testing.T) {
	_, err := ingest.New(ingest.Options{MemoryBudget: 1, MaxUploads: -1, Group: "g", Partitions: []int32{1}})
	if err == nil {
		t.Fatal("no error")
	}
	want := "ingest: no brokers given\ningest: no catalog given\ningest: no store given\ningest: no spool folder given\n" +
		"ingest: memory budget is below 8 MiB\ningest: a limit is below 1\ningest: pinned partitions and a consumer group exclude each other"
	if err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}
