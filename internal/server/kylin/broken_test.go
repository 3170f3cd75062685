package kylin

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

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
