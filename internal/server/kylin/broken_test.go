package kylin

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/query"
)

// killing ends each statement as soon as it has begun.
type killing struct {
	server.Queries
	t *testing.T
}

func (k killing) Query(ctx context.Context, r query.Request) (*query.Answer, error) {
	a, err := k.Queries.Query(ctx, r)
	if err != nil {
		return nil, err
	}
	running, _ := k.Statements()
	if err := k.Kill(running[0].ID, "ann"); err != nil {
		k.t.Error(err)
	}
	return a, nil
}

// K1: a statement that somebody ended, or that took too long, is 500 with Kylin's shape as any that fails: kylinpy raises its own error for no
// other status.
func TestEndedStatements(t *testing.T) {
	f, e := newQueryFixture(t)
	f.h.o.Query = killing{e, t}
	const sql = "select x from range(100000000) as r(x)"
	f.bad(http.MethodPost, "/query", question(t, sql, nil), http.StatusInternalServerError, "the statement was ended by ann")
	o := query.Options{Catalog: f.c, Store: new(blob.Mem), Timeout: time.Nanosecond}
	o.Duck.TempDir = t.TempDir()
	late, err := query.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	f.h.o.Query = late
	f.bad(http.MethodPost, "/query", question(t, sql, nil), http.StatusInternalServerError, "the statement took longer than 1ns: ask for less, or raise query.timeout")
}

// A CSV that fails when a part of it was sent breaks the connection off, and ends the statement all the same.
func TestBrokenCSVEndsItsStatement(t *testing.T) {
	f, e := newQueryFixture(t)
	done := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		f.h.ServeHTTP(w, r)
	}))
	defer s.Close()
	const sql = "SELECT CAST(CASE WHEN range = 900000 THEN 'x' ELSE '1' END AS INT) v FROM range(1000000)"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/kylin/api/query/format/csv?project=default&sql="+url.QueryEscape(sql), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("ADMIN", "KYLIN")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	if err == nil || res.StatusCode != http.StatusOK || len(text) < heldBytes {
		t.Errorf("status %d, %d bytes, error %v: want %d, at least %d and a broken connection", res.StatusCode, len(text), err, http.StatusOK, heldBytes)
	}
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
	<-done
	if left, _ := e.Statements(); len(left) != 0 {
		t.Errorf("%d statements run, want 0: %+v", len(left), left)
		if err := e.Kill(left[0].ID, "test"); err != nil {
			t.Error(err)
		}
	}
}
