package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/server/results"
	"github.com/tidemarkdb/tidemark/query"
)

// A client that goes away in the middle of an answer ends its statement: the only turn is free for the next one, in whatever form it was sent.
func TestClientGoneInMidAnswer(t *testing.T) {
	var e *query.Engine
	w := newWorld(t, func(o *Options) {
		q := query.Options{Catalog: o.Catalog, Store: o.Store, Concurrent: 1, Queue: 1, QueueWait: time.Minute}
		q.Duck.TempDir = t.TempDir()
		var err error
		if e, err = query.New(q); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
		o.Query = e
	})
	s := httptest.NewServer(w.server)
	defer s.Close()
	ask := func(media, sql string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/api/v1/query", strings.NewReader(`{"sql":"`+sql+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", media)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	for _, media := range []string{results.JSON, results.CSV, results.Arrow} {
		res := ask(media, "SELECT range, repeat('x', 100) FROM range(1000000000)")
		if n, err := res.Body.Read(make([]byte, 100)); n == 0 {
			t.Errorf("%s: nothing was sent: %v", media, err)
		}
		if err := res.Body.Close(); err != nil { // of which there is more: the connection breaks off
			t.Error(err)
		}
		if res = ask(media, "SELECT 1 AS x"); res.StatusCode != http.StatusOK {
			t.Errorf("%s: the next statement: status %d, want %d", media, res.StatusCode, http.StatusOK)
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}
