package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/internal/server/results"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/source"
)

// queryWorld is a world with an engine over its catalog.
func queryWorld(t *testing.T, change ...func(*query.Options)) *world {
	t.Helper()
	return newWorld(t, func(o *Options) {
		q := query.Options{Catalog: o.Catalog, Store: o.Store}
		for _, f := range change {
			f(&q)
		}
		q.Duck.TempDir = t.TempDir()
		e, err := query.New(q)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
		o.Query = e
	})
}

// What is wrong with a question, or with the form of its answer, is said with a status of its own before anything is sent.
func TestQueryRefusals(t *testing.T) {
	w := queryWorld(t)
	for _, c := range []struct {
		accept, body string
		status       int
		text         string
	}{
		{results.JSON, `{"sql":"SELECT ? = 1","params":[[1]]}`, http.StatusBadRequest, "bad_query"},
		{results.JSON, `{"sql":"SELECT len(?)","params":[[1, 2]]}`, http.StatusOK, "[2]"},
		{results.JSON, `{"sql":"SELECT ? = 1","params":[{"a":1}]}`, http.StatusBadRequest, "params[0]: an object"},
		{results.JSON, `{"sql":"SELECT ?, ?","params":[1, 1e400]}`, http.StatusBadRequest, "params[1]: no number is as large as 1e400"},
		{results.JSON, `{"sql":"SELECT ?","params":[99999999999999999999]}`, http.StatusOK, `"99999999999999999999"`},
		{results.JSON, `{"sql":"SELECT ?","params":[]}`, http.StatusBadRequest, "0 values for 1 parameters"},
		{results.JSON, "{\"sql\":\"SELECT '\xff'\"}", http.StatusBadRequest, "the body is not UTF-8"},
		{results.JSON, `{"sql":"SELECT '\u0000'"}`, http.StatusBadRequest, "a zero byte"},
		{results.JSON, `{"sql":"SELECT ?","params":["a\u0000b"]}`, http.StatusBadRequest, "parameter $1: a zero byte at byte 1"},
		{results.JSON, `{"sql":"SELECT 1","project":"nobody"}`, http.StatusNotFound, "default"},
		{results.Parquet, `{"sql":"SELECT INTERVAL 1 DAY AS i"}`, http.StatusNotAcceptable, "column i, which is INTERVAL"},
		{results.Parquet, `{"sql":"SELECT 1 AS i"}`, http.StatusOK, "PAR1"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/api/v1/query", strings.NewReader(c.body))
		r.Header.Set("Accept", c.accept)
		rec := httptest.NewRecorder()
		w.server.ServeHTTP(rec, r)
		if got := rec.Body.String(); rec.Code != c.status || !strings.Contains(got, c.text) {
			t.Errorf("%s as %s: %d %s, want %d with %q", c.body, c.accept, rec.Code, got, c.status, c.text)
		}
	}
}

// Errors that a statement meets while it runs say whether asking again helps.
func TestQueryErrorCodes(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{&query.KilledError{By: "ann"}, http.StatusConflict, "killed"},
		{&query.AgainError{What: "moved"}, http.StatusServiceUnavailable, "unavailable"},
		{&source.TypesError{Where: "a file", Err: errors.New("column a")}, http.StatusUnprocessableEntity, "unusable"},
		{&source.FileError{Key: "a", Err: errors.New("gone")}, http.StatusServiceUnavailable, "unavailable"},
		{&query.TimeoutError{}, http.StatusGatewayTimeout, "timeout"},
		{context.Canceled, http.StatusServiceUnavailable, "cancelled"},
	} {
		if e := asError(fmt.Errorf("read: %w", c.err)); e.Status != c.status || e.Code != c.code {
			t.Errorf("%T: %d %s, want %d %s", c.err, e.Status, e.Code, c.status, c.code)
		}
	}
}
