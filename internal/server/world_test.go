package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit/catalogtest"
	"github.com/tidemarkdb/tidemark/internal/verify"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

const clicks = `table: clicks
topic: clicks
event_time: {column: ts}
columns:
  - {name: ts, type: timestamp(ms)}
  - {name: url, type: string}
`

// world is a server over a real catalog and a store in memory, with work that is made up.
type world struct {
	t        *testing.T
	server   *Server
	catalog  *catalog.Catalog
	store    blob.Store
	work     fakeWork
	building fakeBuilding
	sources  []ingest.Source
}

func newWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	c, err := catalog.Open(t.Context(), catalogtest.Put(t, filepath.Join(t.TempDir(), "catalog.db")), catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // a test may have closed it
	w := &world{t: t, catalog: c, store: new(blob.Mem)}
	o := Options{Catalog: c, Store: w.store, Work: &w.work, Building: &w.building, Metrics: prometheus.NewRegistry(), Version: "v1"}
	for _, f := range change {
		f(&o)
	}
	w.store = o.Store
	if w.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	return w
}

// Sources makes the world an Ingest.
func (w *world) Sources() []ingest.Source { return w.sources }

// call sends a request and returns the status and the body.
func (w *world) call(method, path, body string) (int, string) {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	w.valid(method, path, rec)
	return rec.Code, rec.Body.String()
}

// get reads a good answer into out.
func (w *world) get(method, path, body string, out any) {
	w.t.Helper()
	code, text := w.call(method, path, body)
	if code != http.StatusOK {
		w.t.Fatalf("%s %s: status %d: %s", method, path, code, text)
	}
	if err := json.Unmarshal([]byte(text), out); err != nil {
		w.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
}

// refused wants an error and returns it.
func (w *world) refused(method, path, body string, status int, code string) *Error {
	w.t.Helper()
	got, text := w.call(method, path, body)
	var e ErrorBody
	if err := json.Unmarshal([]byte(text), &e); err != nil || e.Error == nil {
		w.t.Fatalf("%s %s: status %d, no error in %q", method, path, got, text)
	}
	if got != status || e.Error.Code != code {
		w.t.Fatalf("%s %s: status %d %s (%s), want %d %s", method, path, got, e.Error.Code, e.Error.Message, status, code)
	}
	return e.Error
}

func (w *world) apply() *cube.Table {
	w.t.Helper()
	var a Applied
	w.get(http.MethodPut, "/api/v1/tables", clicks, &a)
	return a.Definition
}

// commit adds a staged row [start, end) to a partition whose offsets in bad are quarantined.
func (w *world) commit(def *cube.Table, r segmenter.PartitionRange, bad ...int64) {
	w.t.Helper()
	ctx := w.t.Context()
	state, err := w.catalog.Assign(ctx, catalog.Claim{TableID: def.ID, Partition: r.Partition, Owner: "me", Address: "127.0.0.1:1"})
	if err != nil {
		w.t.Fatal(err)
	}
	if !state.Begun {
		if err := w.catalog.Begin(ctx, catalog.Begin{TableID: def.ID, Partition: r.Partition, Epoch: state.Epoch, Start: r.Start}); err != nil {
			w.t.Fatal(err)
		}
	}
	row := segmenter.LedgerRow{Range: r, State: segmenter.Staged, Events: r.Len() - int64(len(bad)), MinTimeUs: 1_000_000, MaxTimeUs: 2_000_000}
	var recs []stage.QuarantineRecord
	for _, o := range bad {
		row.Exceptions = row.Exceptions.Add(segmenter.Quarantined, o, o+1)
		recs = append(recs, stage.QuarantineRecord{
			Offset: o, TimestampMs: 1000 + o, Reason: "not_json", Detail: "not_json: at byte 0",
			Value: []byte(strings.Repeat("é", 150)), Key: []byte{0xff}, Headers: []stage.Header{{Key: "h", Value: []byte("v")}},
		})
	}
	m := catalog.Commit{
		TableID: def.ID, Epoch: state.Epoch, Row: row,
		File: &catalog.File{
			Key: stage.StagedKey(def.ID, r, state.Epoch, 1, cube.Parquet), Size: 7, SHA256: "00", Format: cube.Parquet, Schema: 1, Records: row.Events,
		},
	}
	if len(recs) > 0 {
		m.Quarantine = w.quarantineFile(def, r, state.Epoch, recs)
	}
	if err := w.catalog.Commit(ctx, m); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) quarantineFile(def *cube.Table, r segmenter.PartitionRange, epoch int64, recs []stage.QuarantineRecord) *catalog.File {
	w.t.Helper()
	var buf bytes.Buffer
	foot := stage.QuarantineFooter{
		Project: def.Project, Table: def.Name, TableID: def.ID, Topic: def.Topic, Schema: 1, Range: r, Epoch: epoch, Records: int64(len(recs)),
	}
	if _, err := stage.EncodeQuarantine(&buf, foot, recs); err != nil {
		w.t.Fatal(err)
	}
	key := stage.QuarantineKey(def.ID, r, epoch)
	sum := sha256.Sum256(buf.Bytes())
	f := &catalog.File{Key: key, Size: int64(buf.Len()), SHA256: hex.EncodeToString(sum[:]), Format: cube.NDJSON, Schema: 1, Records: int64(len(recs))}
	if err := w.store.Create(w.t.Context(), key, &buf); err != nil {
		w.t.Fatal(err)
	}
	return f
}

// fakeWork remembers what it was asked and answers what it was given.
type fakeWork struct {
	requeue  RequeueRequest
	verified VerifyRequest
	progress []VerifyProgress
	report   *verify.Report
	err      error
	until    <-chan struct{} // nil: answer at once
	panics   bool
}

func (f *fakeWork) Sample(_ context.Context, project, topic string, n int) (*Sample, error) {
	if f.panics {
		panic("R1")
	}
	return &Sample{Topic: topic, Records: n, Definition: project}, f.err
}

func (f *fakeWork) Requeue(_ context.Context, r RequeueRequest) (*RequeueResult, error) {
	f.requeue = r
	return &RequeueResult{DryRun: r.DryRun, Requeued: 1, Files: []string{}, ByReason: map[string]int64{}}, f.err
}

func (f *fakeWork) Verify(ctx context.Context, r VerifyRequest, progress func(VerifyProgress)) (*verify.Report, error) {
	f.verified = r
	for _, p := range f.progress {
		progress(p)
	}
	if f.until != nil {
		select {
		case <-f.until:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return f.report, f.err
}

func (f *fakeWork) GC(context.Context) (*GCResult, error) {
	return &GCResult{Scanned: 1, Orphans: []Orphan{{Key: "k", Reason: "of no commit", MarkedAt: time.Unix(1, 0).UTC()}}, Bytes: 1}, f.err
}
