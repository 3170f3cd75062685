package query_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// What was asked of a project that nobody has made says which there are.
func TestUnknownProject(t *testing.T) {
	w := someWorld(t)
	e := w.limited(query.Options{})
	for range 2 {
		_, err := answered(e, query.Request{SQL: "SELECT 1", Project: "nobody"})
		if !errors.Is(err, catalog.ErrNotFound) || !strings.Contains(err.Error(), "default") {
			t.Errorf("project nobody: %v, want one that is not found, and default", err)
		}
	}
	must(t, w.cat.ApplyProject(context.Background(), catalog.Project{Name: "nobody"}))
	if n, err := answered(e, query.Request{SQL: "SELECT 1", Project: "nobody"}); n != 1 || err != nil {
		t.Errorf("a project without tables: %d rows, %v: want 1", n, err)
	}
}

// Explain has the limits of statements.
func TestExplainTakesTurn(t *testing.T) {
	w := someWorld(t)
	e := w.limited(query.Options{Concurrent: 1, Queue: 1, QueueWait: time.Nanosecond})
	a, err := e.Query(context.Background(), query.Request{SQL: "SELECT 1"})
	must(t, err)
	var busy *query.BusyError
	if _, err := e.Explain(context.Background(), query.Request{SQL: "SELECT 1"}); !errors.As(err, &busy) {
		t.Errorf("explain while the only turn is taken: %v, want a *BusyError", err)
	}
	must(t, a.Close())
	_, err = e.Explain(context.Background(), query.Request{SQL: "SELECT 1"})
	must(t, err)
}
