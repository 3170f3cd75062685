package builder_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/builder/local"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

func TestMetricsAreDocumented(t *testing.T) {
	reg := prometheus.NewRegistry()
	if _, err := builder.New(builder.Options{Catalog: new(catalog.Catalog), Store: new(blob.Mem), Node: "n", Registry: reg}); err != nil {
		t.Fatal(err)
	}
	if _, err := dictionary.New(dictionary.Options{Catalog: new(catalog.Catalog), Store: new(blob.Mem), Registry: reg}); err != nil {
		t.Fatal(err)
	}
	if _, err := local.New(local.Options{Store: new(blob.Mem), Dir: t.TempDir(), Registry: reg}); err != nil {
		t.Fatal(err)
	}
	tables, err := hbase.Open(hbase.Options{Quorum: "127.0.0.1:1", Registry: reg})
	if err != nil {
		t.Fatal(err)
	}
	defer tables.Close()
	testkit.CheckMetrics(t, reg, "tidemark_builder_")
}

// Every alert is about metrics that docs/METRICS.md has, says what to do, and no two have one name.
func TestAlerts(t *testing.T) {
	alerts, err := os.ReadFile(filepath.Join("..", "deploy", "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(filepath.Join("..", "docs", "METRICS.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, part := range strings.Split(string(alerts), "- alert: ")[1:] {
		name, _, _ := strings.Cut(part, "\n")
		if names[name] {
			t.Errorf("alert %s is there twice", name)
		}
		names[name] = true
		metrics := regexp.MustCompile(`tidemark_[a-z0-9_]+`).FindAllString(part[strings.Index(part, "expr:"):], -1)
		if len(metrics) == 0 || !strings.Contains(part, "do:") {
			t.Errorf("alert %s is about no metric, or does not say what to do", name)
		}
		for _, m := range metrics {
			m = strings.TrimSuffix(strings.TrimSuffix(m, "_bucket"), "_count")
			if !strings.Contains(string(doc), "`"+m+"`") {
				t.Errorf("alert %s: docs/METRICS.md has no metric %s", name, m)
			}
		}
	}
	if len(names) < 10 {
		t.Errorf("%d alerts, want at least 10", len(names))
	}
}

// Every complaint about the options comes at once.
func TestOptionsAreChecked(t *testing.T) {
	_, err := builder.New(builder.Options{NoPlans: true, MaxBuilds: -1, MaxPlan: -1, Lease: 1})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"no catalog given", "no store given", "no node name given", "a limit is below 1", "want at least 8 intervals", "neither plans nor builds"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}
