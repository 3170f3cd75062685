package scheduler_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/internal/testkit/catalogtest"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

func onBoth(t *testing.T, f func(t *testing.T, dsn string)) {
	t.Run("sqlite", func(t *testing.T) { f(t, catalogtest.Put(t, filepath.Join(t.TempDir(), "catalog.db"))) })
	t.Run("postgres", func(t *testing.T) { f(t, testkit.Postgres(t)) })
}

func openCatalog(t *testing.T, dsn string, o catalog.Options) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(context.Background(), dsn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}
