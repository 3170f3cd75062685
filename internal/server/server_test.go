package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/verify"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

func TestListenRefusesAllButLoopback(t *testing.T) {
	for address, want := range map[string]string{
		"0.0.0.0:0":       "tidemark user add NAME --auth-file",
		":0":              "tidemark user add NAME --auth-file",
		"192.0.2.1:80":    "tidemark user add NAME --auth-file",
		"example.org:80":  "tidemark user add NAME --auth-file",
		"[::]:0":          "tidemark user add NAME --auth-file",
		"127.0.0.1":       "want host:port",
		"127.0.0.1:70707": "invalid port",
	} {
		if ln, err := Listen(t.Context(), address, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Listen(%q) = %v, %v, want %q (R4)", address, ln, err, want)
		}
	}
	for _, address := range []string{"127.0.0.1:0", "localhost:0"} {
		ln, err := Listen(t.Context(), address, false)
		if err != nil {
			t.Errorf("Listen(%q): %v", address, err)
			continue
		}
		if err := ln.Close(); err != nil {
			t.Error(err)
		}
	}
}

// R4: a page of another origin, or one whose name was pointed at us, gets nothing.
func TestForeignPagesAreRefused(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		method, host, origin, site string
		want                       int
	}{
		"command":            {http.MethodPost, "127.0.0.1:7070", "", "", http.StatusOK},
		"by name":            {http.MethodPost, "localhost:7070", "", "", http.StatusOK},
		"IPv6":               {http.MethodPost, "[::1]:7070", "", "", http.StatusOK},
		"foreign origin":     {http.MethodPost, "127.0.0.1:7070", "http://evil.example", "", http.StatusForbidden},
		"cross site":         {http.MethodPost, "127.0.0.1:7070", "", "cross-site", http.StatusForbidden},
		"rebound name":       {http.MethodGet, "evil.example:7070", "", "", http.StatusForbidden},
		"rebound name, POST": {http.MethodPost, "evil.example", "http://evil.example", "same-origin", http.StatusForbidden},
	} {
		path := "/api/v1/gc?dry_run"
		if c.method == http.MethodGet {
			path = "/api/v1/tables"
		}
		r := httptest.NewRequestWithContext(t.Context(), c.method, path, nil)
		r.Host = c.host
		r.Header.Set("Origin", c.origin)
		r.Header.Set("Sec-Fetch-Site", c.site)
		rec := httptest.NewRecorder()
		w.server.ServeHTTP(rec, r)
		if rec.Code != c.want {
			t.Errorf("%s: status %d, want %d: %s", name, rec.Code, c.want, rec.Body)
		}
	}
}

func TestUnknownPathsAnswerInJSON(t *testing.T) {
	w := newWorld(t)
	w.refused(http.MethodGet, "/api/v1/nope", "", http.StatusNotFound, "not_found")
	w.refused(http.MethodPost, "/api/v1/tables/x/offsets", "", http.StatusNotFound, "not_found")
}

// R1: a broken invariant is an answer and a line in the log, not a stack trace.
func TestPanicIsAnswered(t *testing.T) {
	var log strings.Builder
	w := newWorld(t, func(o *Options) { o.Logger = slog.New(slog.NewJSONHandler(&log, nil)) })
	w.work.panics = true
	e := w.refused(http.MethodGet, "/api/v1/sample?topic=x", "", http.StatusInternalServerError, "internal")
	if strings.Contains(e.Message, "goroutine") || !strings.Contains(log.String(), "request panicked") {
		t.Errorf("message %q, log %s", e.Message, log.String())
	}
}

func TestErrorsOfWorkHaveTheirStatus(t *testing.T) {
	w := newWorld(t)
	w.apply()
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{errors.New("disk on fire"), http.StatusInternalServerError, "internal"},
		{blob.ErrUnavailable, http.StatusServiceUnavailable, "unavailable"},
		{catalog.ErrUnavailable, http.StatusServiceUnavailable, "unavailable"},
		{&catalog.ConflictError{What: "offset 3", Reason: "is no longer quarantined"}, http.StatusConflict, "conflict"},
		{&catalog.StaleEpochError{}, http.StatusConflict, "conflict"},
		{context.DeadlineExceeded, http.StatusGatewayTimeout, "timeout"},
	} {
		w.work.err = c.err
		e := w.refused(http.MethodPost, "/api/v1/tables/clicks/quarantine/requeue", "", c.status, c.code)
		if !strings.Contains(e.Message, c.err.Error()) {
			t.Errorf("%v: message %q", c.err, e.Message)
		}
	}
}

func TestWorkGetsWhatWasAsked(t *testing.T) {
	w := newWorld(t)
	w.apply()
	var requeued RequeueResult
	w.get(http.MethodPost, "/api/v1/tables/clicks/quarantine/requeue?reason=not_json&partition=3&dry_run", "", &requeued)
	if diff := cmp.Diff(RequeueRequest{"default", "clicks", "not_json", 3, true}, w.work.requeue); diff != "" {
		t.Error(diff)
	}
	var sample Sample
	w.get(http.MethodGet, "/api/v1/sample?topic=clicks", "", &sample)
	if diff := cmp.Diff(Sample{Topic: "clicks", Records: 1000, Definition: "default"}, sample); diff != "" {
		t.Error(diff)
	}
	w.refused(http.MethodGet, "/api/v1/sample", "", http.StatusBadRequest, "bad_request")
	w.refused(http.MethodGet, "/api/v1/sample?topic=x&n=1000000", "", http.StatusBadRequest, "bad_request")
	w.refused(http.MethodPost, "/api/v1/tables/nope/quarantine/requeue", "", http.StatusNotFound, "not_found")
	w.refused(http.MethodPost, "/api/v1/gc", "", http.StatusBadRequest, "bad_request")
	var gc GCResult
	if w.get(http.MethodPost, "/api/v1/gc?dry_run", "", &gc); len(gc.Orphans) != 1 {
		t.Errorf("got %+v", gc)
	}
}

func TestVerifyStreamsAndEndsWithItsReport(t *testing.T) {
	w := newWorld(t)
	w.apply()
	w.work.progress = []VerifyProgress{{Table: "default/clicks", Files: 1}, {Table: "default/clicks", Files: 2}}
	w.work.report = &verify.Report{OK: true, Files: 2}
	code, text := w.call(http.MethodPost, "/api/v1/verify?table=clicks&against_kafka", "")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if code != http.StatusOK || len(lines) != 3 {
		t.Fatalf("status %d, %d lines: %s", code, len(lines), text)
	}
	var last VerifyLine
	if err := json.Unmarshal([]byte(lines[2]), &last); err != nil || last.Report == nil || !last.Report.OK {
		t.Errorf("last line %s, %v", lines[2], err)
	}
	if diff := cmp.Diff(VerifyRequest{"default", "clicks", true}, w.work.verified); diff != "" {
		t.Error(diff)
	}
	w.refused(http.MethodPost, "/api/v1/verify?table=nope", "", http.StatusNotFound, "not_found")

	// R3: an error in the middle is the last line.
	w.work.err = blob.ErrUnavailable
	_, text = w.call(http.MethodPost, "/api/v1/verify", "")
	lines = strings.Split(strings.TrimSpace(text), "\n")
	if err := json.Unmarshal([]byte(lines[2]), &last); err != nil || last.Error == nil || last.Error.Code != "unavailable" {
		t.Errorf("last line %s, %v", lines[2], err)
	}
}

func TestSourcesAreFiltered(t *testing.T) {
	w := newWorld(t)
	var got Sources
	if w.get(http.MethodGet, "/api/v1/sources", "", &got); got.Reading || got.Sources == nil {
		t.Errorf("a process that reads nothing: %+v", got)
	}
	w = newWorld(t, func(o *Options) {
		o.Ingest = &world{sources: []ingest.Source{{Project: "a", Table: "x"}, {Project: "b", Table: "x"}}}
	})
	for query, want := range map[string]int{"": 2, "?project=a": 1, "?table=x": 2, "?table=y": 0} {
		if w.get(http.MethodGet, "/api/v1/sources"+query, "", &got); len(got.Sources) != want || !got.Reading {
			t.Errorf("%s: %+v, want %d", query, got, want)
		}
	}
}

func TestMetricsAreThoseOfTheRegistry(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "tidemark_test_total", Help: "test"})
	reg.MustRegister(c)
	w := newWorld(t, func(o *Options) { o.Metrics = reg })
	if code, text := w.call(http.MethodGet, "/metrics", ""); code != http.StatusOK || !strings.Contains(text, "tidemark_test_total 0") {
		t.Errorf("%d %s", code, text)
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	_, err := New(Options{MaxBody: -1})
	for _, want := range []string{"no catalog", "no store", "no work", "a limit is below 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// Over a real connection: lines arrive as they are made, and a stop ends the request in hand when its time is over.
func TestRunStopsWithinItsLimit(t *testing.T) {
	w := newWorld(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	w.work.progress = []VerifyProgress{{Table: "first"}}
	w.work.until = make(chan struct{})
	ln, err := Listen(t.Context(), "127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.server.Run(ctx, ln, time.Millisecond) }()

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+ln.Addr().String()+"/api/v1/verify", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || !strings.Contains(lines.Text(), "first") {
		t.Fatalf("first line %q, %v", lines.Text(), lines.Err())
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	for lines.Scan() {
		if strings.Contains(lines.Text(), "report") {
			t.Errorf("a report of a proof that was cut off: %s", lines.Text())
		}
	}
}
