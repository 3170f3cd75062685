package kylin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/internal/testkit/catalogtest"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

const clicks = `table: clicks
topic: clicks
event_time: {column: ts}
columns:
  - {name: ts, type: timestamp(ms)}
  - {name: url, type: string}
`

// fixture is a Handler over a real catalog with a cube over two partitions, and planning that is made up.
type fixture struct {
	t       *testing.T
	h       *Handler
	c       *catalog.Catalog
	cubeID  string
	tableID string

	rng    segmenter.Vector // of the next segment
	holed  []plan.Hole
	err    error
	action string // what was asked last
	asked  server.SegmentRequest
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	ctx := t.Context()
	c, err := catalog.Open(ctx, catalogtest.Put(t, filepath.Join(t.TempDir(), "catalog.db")), catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	f := &fixture{t: t, c: c}
	if f.h, err = New(Options{Catalog: c, Building: f, Cubes: f, Store: new(blob.Mem)}); err != nil {
		t.Fatal(err)
	}
	def, err := cube.ParseTable([]byte(clicks), "")
	if err != nil {
		t.Fatal(err)
	}
	table, err := c.ApplyTable(ctx, def)
	if err != nil {
		t.Fatal(err)
	}
	f.tableID = table.Table.ID
	for p := range int32(2) {
		s, err := c.Assign(ctx, catalog.Claim{TableID: f.tableID, Partition: p, Owner: "me"})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Begin(ctx, catalog.Begin{TableID: f.tableID, Partition: p, Epoch: s.Epoch}); err != nil {
			t.Fatal(err)
		}
	}
	made, err := f.apply("clicks_cube")
	if err != nil {
		t.Fatal(err)
	}
	f.cubeID = made.Cube.ID
	return f
}

func (f *fixture) apply(name string) (catalog.AppliedCube, error) {
	def, err := cube.ParseCube([]byte("cube: "+name+"\ntable: clicks\nowner: ann\ndimensions: [url]\n"), "", nil)
	if err != nil {
		return catalog.AppliedCube{}, err
	}
	return f.c.ApplyCube(f.t.Context(), def)
}

// CloneCube makes the fixture a Cubes.
func (f *fixture) CloneCube(ctx context.Context, from *cube.Cube, q server.CloneRequest) (*server.AppliedCube, error) {
	if _, err := f.c.Cube(ctx, from.Project, q.Cube); err == nil {
		return nil, &catalog.ConflictError{What: "cube " + q.Cube, Reason: "it exists already"}
	}
	a, err := f.apply(q.Cube)
	if err != nil {
		return nil, err
	}
	return &server.AppliedCube{Cube: q.Cube, ID: a.Cube.ID}, nil
}

// ApplyTable applies a definition as the server does.
func (f *fixture) ApplyTable(ctx context.Context, def *cube.Table) (*server.Applied, error) {
	_, err := f.c.ApplyTable(ctx, def)
	return &server.Applied{Table: def.Name}, err
}

// ApplyCube applies a definition as the server does.
func (f *fixture) ApplyCube(ctx context.Context, def *cube.Cube) (*server.AppliedCube, error) {
	a, err := f.c.ApplyCube(ctx, def)
	if err != nil {
		return nil, err
	}
	return &server.AppliedCube{Cube: a.Cube.Name, ID: a.Cube.ID, Version: a.Cube.Version}, nil
}

// Submit reserves what the test says.
func (f *fixture) Submit(ctx context.Context, action string, q server.SegmentRequest) (*server.Done, error) {
	f.action, f.asked = action, q
	if f.err != nil {
		return nil, f.err
	}
	if action == "drop" {
		return &server.Done{Retired: q.Segments}, f.c.Retire(ctx, f.cubeID, q.Segments, "dropped")
	}
	s, j, err := f.c.Reserve(ctx, catalog.Reservation{
		CubeID: f.cubeID, Range: f.rng, Reason: "request", Replaces: q.Segments, JobKind: action, SubmittedBy: q.By,
	})
	return &server.Done{Segments: []catalog.SegmentEntry{s}, Jobs: []catalog.Job{j}}, err
}

func (f *fixture) Plan(context.Context, string, string) (*server.Plan, error) { return nil, f.err }

func (f *fixture) Holes(context.Context, string, string) ([]plan.Hole, error) { return f.holed, f.err }

func (f *fixture) FixStart(ctx context.Context, _, _ string) (segmenter.Vector, error) {
	return span(100, 100, 90, 90), f.c.SetCubeStart(ctx, f.cubeID, span(100, 100, 90, 90))
}

func (f *fixture) SubmitTask(context.Context, server.TaskRequest) (catalog.Task, error) {
	return catalog.Task{}, f.err
}

func span(start0, end0, start1, end1 int64) segmenter.Vector {
	return segmenter.Vector{{Partition: 0, Start: start0, End: end0}, {Partition: 1, Start: start1, End: end1}}
}

// build reserves and publishes a segment with events from minMs to maxMs.
func (f *fixture) build(v segmenter.Vector, minMs, maxMs int64) catalog.SegmentEntry {
	f.t.Helper()
	ctx := f.t.Context()
	s, j, err := f.c.Reserve(ctx, catalog.Reservation{CubeID: f.cubeID, Range: v, Reason: "age", JobKind: "build", SubmittedBy: "timer"})
	if err != nil {
		f.t.Fatal(err)
	}
	j, ok, err := f.c.ClaimJob(ctx, catalog.JobClaim{ID: j.ID, Owner: "me", Now: time.Unix(1, 0), Lease: time.Second})
	if err != nil || !ok {
		f.t.Fatalf("claim: %t, %v", ok, err)
	}
	var parts []segmenter.PartMeasure
	for _, r := range v {
		p := segmenter.PartMeasure{Partition: r.Partition, Generation: r.Generation}
		if p.Events = r.Len(); p.Events > 0 {
			p.MinTimeUs, p.MaxTimeUs = minMs*1000, maxMs*1000
		}
		parts = append(parts, p)
	}
	if err := f.c.Publish(ctx, catalog.Publication{
		CubeID: f.cubeID, Number: s.Number, JobEpoch: j.Epoch, Attempt: j.Epoch, ID: fmt.Sprintf("%064x", s.Number), Parts: parts, Bytes: 2000,
	}); err != nil {
		f.t.Fatal(err)
	}
	return s
}

// curl sends what `curl -X METHOD --user ADMIN:KYLIN -H "Content-Type: application/json" -d BODY` sends.
func (f *fixture) curl(method, path, body string) (int, string) {
	f.t.Helper()
	r := httptest.NewRequestWithContext(f.t.Context(), method, "http://localhost:7070/kylin/api"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Basic QURNSU46S1lMSU4=")
	r.Header.Set("Content-Type", "application/json;charset=utf-8")
	rec := httptest.NewRecorder()
	f.h.ServeHTTP(rec, r)
	if got := rec.Header().Get("Content-Type"); got != "application/json;charset=UTF-8" {
		f.t.Errorf("%s %s: content type %q", method, path, got)
	}
	return rec.Code, rec.Body.String()
}

func (f *fixture) good(method, path, body string, out any) {
	f.t.Helper()
	code, text := f.curl(method, path, body)
	if code != http.StatusOK {
		f.t.Fatalf("%s %s: %d %s", method, path, code, text)
	}
	if err := json.Unmarshal([]byte(text), out); err != nil {
		f.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
}

// bad wants Kylin's shape of an error (K1).
func (f *fixture) bad(method, path, body string, status int, want string) {
	f.t.Helper()
	code, text := f.curl(method, path, body)
	var e map[string]any
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		f.t.Fatalf("%s %s: %v in %q", method, path, err, text)
	}
	exception, _ := e["exception"].(string)
	if code != status || !strings.Contains(exception, want) || e["msg"] != exception || e["code"] != "999" {
		f.t.Errorf("%s %s %s: %d %s, want %d %q", method, path, body, code, text, status, want)
	}
	if url, _ := e["url"].(string); !strings.HasPrefix(url, "http://localhost:7070/kylin/api"+path) {
		f.t.Errorf("%s %s: url %q", method, path, url)
	}
	if data, ok := e["data"]; !ok || data != nil || strings.Contains(exception, "\n") {
		f.t.Errorf("%s %s: %s", method, path, text)
	}
}
