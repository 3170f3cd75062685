package auth_test

import (
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/internal/auth"
	"github.com/tidemarkdb/tidemark/internal/testkit"
)

func TestMetrics(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yaml")
	if err := auth.Edit(path, func(f *auth.File) error { return f.Add("ann", "correct horse", false) }); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	g, err := auth.Open(auth.Options{File: path, Registry: registry})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Password(t.Context(), "192.0.2.1:1", "ann", "correct horse"); err != nil {
		t.Fatal(err)
	}
	testkit.CheckMetrics(t, registry, "tidemark_auth_")
}
