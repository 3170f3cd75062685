package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/config"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// builds is a process that only builds, with the refresh of a lookup table in its queue, which asks ask.
func builds(t *testing.T, ask func(context.Context) error) (*node, ports) {
	t.Helper()
	cfg, err := config.Load(config.Input{Flags: map[string]string{"data": t.TempDir(), "http": "127.0.0.1:0", "pg": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	n, err := (&app{process: process{stderr: io.Discard}}).open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	})
	at, err := n.listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := n.take([]string{config.RoleBuild}, at, ingest.Options{}); err != nil {
		t.Fatal(err)
	}
	s, err := lookup.Queries{Catalog: n.catalog, Store: n.store, Ask: n.ask}.Read(t.Context(), lookup.Source{
		Project: "default", Name: "numbers", Key: "n", Query: &cube.LookupQuery{SQL: "SELECT 1 AS n", Every: "10s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	v, _, err := lookup.Apply(t.Context(), n.store, n.catalog, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.catalog.NoteLookupRefresh(t.Context(), v.Lookup.ID, v.Lookup.Version, "to be tried again at once"); err != nil {
		t.Fatal(err)
	}
	if _, err := n.catalog.SubmitTasks(t.Context(), []catalog.TaskSubmission{{
		Kind: "refresh_lookup", Key: "body/lookups", Slots: 1, MaxAttempts: 1, Spec: json.RawMessage(`{"project": "default", "lookup": "numbers"}`),
	}}); err != nil {
		t.Fatal(err)
	}
	n.builder, err = builder.New(builder.Options{
		Catalog: n.catalog, Store: n.store, Node: "builder", NoPlans: true, BackOff: 1, Logger: n.log,
		Ask: func(ctx context.Context, project, sql string) (lookup.Answer, error) {
			if err := ask(ctx); err != nil {
				return nil, err
			}
			return n.ask(ctx, project, sql)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return n, at
}

// A process that is stopped answers until what it builds has ended: that it lives, that it is leaving, and its metrics.
func TestAnswersUntilBuildsHaveEnded(t *testing.T) {
	building, finish := make(chan struct{}), make(chan struct{})
	n, at := builds(t, func(context.Context) error {
		close(building)
		<-finish
		return nil
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.run(ctx, at, nil) }()
	<-building
	stop()
	get := func(path string) (code int, body []byte) {
		resp, err := http.Get("http://" + at.http.Addr().String() + path)
		if err != nil {
			t.Fatalf("%s while the process builds: %v", path, err)
		}
		defer resp.Body.Close()
		if body, err = io.ReadAll(resp.Body); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, body
	}
	var a server.Readiness
	for !a.Leaving {
		code, body := get("/readyz")
		if err := json.Unmarshal(body, &a); err != nil || (code == http.StatusOK) == a.Leaving {
			t.Fatalf("readyz: %d %s, %v", code, body, err)
		}
	}
	for _, path := range []string{"/healthz", "/metrics"} {
		if code, body := get(path); code != http.StatusOK {
			t.Errorf("%s while it leaves: %d %s, want %d", path, code, body, http.StatusOK)
		}
	}
	close(finish)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
