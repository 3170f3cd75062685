package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/auth"
	"github.com/tidemarkdb/tidemark/internal/blob"
)

// guarded is a world that asks: it has user ann and one token of hers.
func guarded(t *testing.T, o auth.Options, change ...func(*Options)) (w *world, token string) {
	t.Helper()
	o.File, o.Local = filepath.Join(t.TempDir(), "users.yaml"), "of this process"
	if err := auth.Edit(o.File, func(f *auth.File) (err error) {
		if err = f.Add("ann", "correct horse", false); err == nil {
			token, err = f.AddToken("ann", "ci", time.Time{})
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	g, err := auth.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return newWorld(t, append(change, func(o *Options) { o.Auth = g })...), token
}

// ask sends a request with a header Authorization, or Basic credentials as name:password.
func (w *world) ask(method, path, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(w.t.Context(), method, path, nil)
	r.RemoteAddr = "192.0.2.1:1234"
	if name, password, ok := strings.Cut(authorization, ":"); ok {
		r.SetBasicAuth(name, password)
	} else if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	return rec
}

// R7: every route asks. The list of them is the server's own, so that none is forgotten.
func TestEveryRouteAsks(t *testing.T) {
	w, _ := guarded(t, auth.Options{})
	w.server.Mount("/mounted/", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("R7: what is mounted was asked") }))
	paths := []string{"GET /metrics", "GET /", "GET /nowhere", "GET /mounted/x", "GET /healthz/x", "GET //healthz", "POST /readyz/"}
	for _, r := range w.server.routes() {
		paths = append(paths, r.method+" /api/v1"+r.path)
	}
	for _, p := range paths {
		method, path, _ := strings.Cut(p, " ")
		rec := w.ask(method, strings.NewReplacer("{", "", "}", "").Replace(path), "")
		want := []string{`Basic realm="tidemark", charset="UTF-8"`, `Bearer realm="tidemark"`}
		if rec.Code != http.StatusUnauthorized || !cmp.Equal(rec.Header().Values("WWW-Authenticate"), want) {
			t.Errorf("R7: %s is answered with %d, %v", p, rec.Code, rec.Header())
		}
	}
	if rec := w.ask(http.MethodGet, "/healthz", ""); rec.Code != http.StatusOK {
		t.Errorf("/healthz: %d", rec.Code)
	}
}

func TestWhoAsks(t *testing.T) {
	w, token := guarded(t, auth.Options{})
	for _, c := range []struct {
		authorization string
		want          int
	}{
		{"ann:correct horse", http.StatusOK},
		{"Bearer " + token, http.StatusOK},
		{"bearer  " + token, http.StatusOK},
		{"Bearer of this process", http.StatusOK},
		{"ann:wrong guess", http.StatusUnauthorized},
		{"bob:correct horse", http.StatusUnauthorized},
		{"Bearer " + token + "x", http.StatusUnauthorized},
		{"Bearer", http.StatusUnauthorized},
		{"Bearer ", http.StatusUnauthorized},
		{"Digest abc", http.StatusUnauthorized},
		{"Basic !!!", http.StatusUnauthorized},
	} {
		rec := w.ask(http.MethodGet, "/api/v1/tables", c.authorization)
		var body ErrorBody
		if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil || rec.Code != c.want || (body.Error == nil) != (c.want == http.StatusOK) {
			t.Errorf("%q: got %d %s, want %d", c.authorization, rec.Code, rec.Body, c.want)
		}
		if strings.Contains(rec.Body.String(), token) || strings.Contains(rec.Body.String(), "wrong guess") {
			t.Errorf("A6: the answer holds what was sent: %s", rec.Body)
		}
	}
}

func TestGuessesAreLimited(t *testing.T) {
	w, token := guarded(t, auth.Options{UserBurst: 2, UserEvery: time.Hour})
	for i, want := range []int{http.StatusUnauthorized, http.StatusUnauthorized, http.StatusTooManyRequests} {
		rec := w.ask(http.MethodGet, "/api/v1/tables", "ann:wrong guess")
		if rec.Code != want {
			t.Errorf("guess %d: got %d, want %d", i, rec.Code, want)
		}
		if after := rec.Header().Get("Retry-After"); want == http.StatusTooManyRequests && after != "3600" {
			t.Errorf("Retry-After %q, want 3600", after)
		}
	}
	if rec := w.ask(http.MethodGet, "/api/v1/tables", "Bearer "+token); rec.Code != http.StatusOK {
		t.Errorf("a token: %d, want 200", rec.Code)
	}
}

// R7: a probe learns whether, and not why.
func TestReadyzGivesNobodyReasons(t *testing.T) {
	w, token := guarded(t, auth.Options{}, func(o *Options) { o.Store = new(blob.Mem) })
	if err := w.catalog.Close(); err != nil {
		t.Fatal(err)
	}
	const hidden = "does not answer: ask with credentials for the reason"
	for authorization, want := range map[string]bool{"": true, "Bearer " + token: false} {
		rec := w.ask(http.MethodGet, "/readyz", authorization)
		if rec.Code != http.StatusServiceUnavailable || strings.Contains(rec.Body.String(), hidden) != want {
			t.Errorf("%q: %d %s", authorization, rec.Code, rec.Body)
		}
	}
}

// R7: that brokers were not asked yet is no secret, and not the same as that they do not answer.
func TestReadyzTellsNobodyOfBrokersNotAsked(t *testing.T) {
	kafka := ingest.ErrNotAsked
	w, _ := guarded(t, auth.Options{}, func(o *Options) { o.Store, o.Kafka = new(blob.Mem), func() error { return kafka } })
	for _, c := range []struct {
		err  error
		want string
	}{{ingest.ErrNotAsked, "not asked yet"}, {errors.New("broker-1:9092: refused"), "does not answer: ask with credentials for the reason"}} {
		kafka = c.err
		if body := w.ask(http.MethodGet, "/readyz", "").Body.String(); !strings.Contains(body, c.want) || strings.Contains(body, "broker-1") {
			t.Errorf("%v: got %s", c.err, body)
		}
	}
}

// With users an address of another machine is one to ask by; what a page of another origin sends is still refused.
func TestForeignHostWithUsers(t *testing.T) {
	w, token := guarded(t, auth.Options{})
	for origin, want := range map[string]int{"": http.StatusOK, "https://evil.example": http.StatusForbidden} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/gc?dry_run", nil)
		r.Host = "tidemark.example:7070"
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Origin", origin)
		rec := httptest.NewRecorder()
		w.server.ServeHTTP(rec, r)
		if rec.Code != want {
			t.Errorf("origin %q: got %d %s, want %d", origin, rec.Code, rec.Body, want)
		}
	}
}

func TestListenWithUsers(t *testing.T) {
	ln, err := Listen(t.Context(), "0.0.0.0:0", true)
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
}
