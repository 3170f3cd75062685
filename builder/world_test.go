package builder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

const tableYAML = `
table: events
topic: events
event_time: {column: ts}
columns:
  - {name: ts, type: timestamp(us)}
  - {name: n, type: int64}
staging: {format: ndjson}
`

const cubeYAML = `
cube: views
table: events
dimensions: [n]
measures: [count]
start: earliest
`

// world is a catalog with one table and one cube, a store, and offsets to stage. The event of an offset has the event
// time eventUs(offset).
type world struct {
	t     testing.TB
	path  string // of the catalog's file, or its URL
	cat   *catalog.Catalog
	store blob.Store
	table *cube.Table
	cube  *cube.Cube
	epoch map[int32]int64
	gen   map[int32]int32
	log   *fakeLog
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newWorld opens a catalog whose table has partitions that begin at offset 0. more is added to the cube's definition.
func newWorld(t testing.TB, partitions int32, more string) *world {
	t.Helper()
	w := &world{t: t, store: new(blob.Mem), epoch: map[int32]int64{}, gen: map[int32]int32{}, log: &fakeLog{}}
	var err error
	w.path = newDSN(t)
	w.cat, err = catalog.Open(t.Context(), w.path, catalog.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, w.cat.Close()) })
	def, err := cube.ParseTable([]byte(tableYAML), "events.yaml")
	must(t, err)
	applied, err := w.cat.ApplyTable(t.Context(), def)
	must(t, err)
	w.table = applied.Table
	for p := range partitions {
		w.begin(p)
	}
	w.apply(more)
	return w
}

func (w *world) begin(p int32) {
	w.t.Helper()
	s, err := w.cat.Assign(w.t.Context(), catalog.Claim{TableID: w.table.ID, Partition: p, Owner: "test"})
	must(w.t, err)
	w.epoch[p] = s.Epoch
	if !s.Begun {
		must(w.t, w.cat.Begin(w.t.Context(), catalog.Begin{TableID: w.table.ID, Partition: p, Epoch: s.Epoch}))
	}
}

// apply stores the cube's definition with more lines.
func (w *world) apply(more string) {
	w.t.Helper()
	def, err := cube.ParseCube([]byte(cubeYAML+more), "views.yaml", w.table)
	must(w.t, err)
	applied, err := w.cat.ApplyCube(w.t.Context(), def.WithDefaults())
	must(w.t, err)
	w.cube = applied.Cube
}

// addCube stores another cube of the same table.
func (w *world) addCube(name, more string) *cube.Cube {
	w.t.Helper()
	text := strings.Replace(strings.Replace(cubeYAML, "views", name, 1), "start: earliest\n", "", 1)
	def, err := cube.ParseCube([]byte(text+byHand+more), name+".yaml", w.table)
	must(w.t, err)
	applied, err := w.cat.ApplyCube(w.t.Context(), def.WithDefaults())
	must(w.t, err)
	return applied.Cube
}

const firstUs = 1_700_000_000_000_000

// eventUs is the event time of an offset: a second an offset.
func eventUs(offset int64) int64 { return firstUs + offset*1_000_000 }

// stage commits a staged file of offsets [start, end) of a partition. exceptions are left out of it.
func (w *world) stage(p int32, start, end int64, exceptions ...segmenter.Exception) {
	w.t.Helper()
	ctx := w.t.Context()
	r := segmenter.PartitionRange{Partition: p, Generation: w.gen[p], Start: start, End: end}
	chunk, row := w.rows(r, exceptions)
	file := w.write(stageKey(w, r), chunk, w.footer(r, row))
	m := catalog.Commit{TableID: w.table.ID, Epoch: w.epoch[p], Row: row, File: file}
	if n := row.Exceptions.Count(segmenter.Quarantined); n > 0 {
		m.Quarantine = w.quarantine(r, row.Exceptions)
	}
	must(w.t, w.cat.Commit(ctx, m))
}

func stageKey(w *world, r segmenter.PartitionRange) string {
	return stage.StagedKey(w.table.ID, r, w.epoch[r.Partition], w.table.Version, cube.NDJSON)
}

func (w *world) footer(r segmenter.PartitionRange, row segmenter.LedgerRow) stage.Footer {
	return stage.Footer{
		Project: "default", Table: "events", TableID: w.table.ID, Topic: "events", Schema: w.table.Version, Range: r, Epoch: w.epoch[r.Partition], Events: row.Events,
		Exceptions: row.Exceptions,
	}
}

// rows makes the events of a range.
func (w *world) rows(r segmenter.PartitionRange, exceptions segmenter.Exceptions) (*stage.Chunk, segmenter.LedgerRow) {
	chunk := stage.NewChunk(stage.NewSchema(w.table))
	row := segmenter.LedgerRow{Range: r, State: segmenter.Staged, Exceptions: exceptions}
	for off := r.Start; off < r.End; off++ {
		if _, bad := exceptions.At(off); bad {
			continue
		}
		addRow(chunk, off)
		row.Events++
	}
	row.MinTimeUs, row.MaxTimeUs = chunk.MinTimeUs, chunk.MaxTimeUs
	return chunk, row
}

func addRow(c *stage.Chunk, off int64) {
	us := eventUs(off)
	if len(c.Offsets) == 0 {
		c.MinTimeUs, c.MaxTimeUs = us, us
	}
	c.MinTimeUs, c.MaxTimeUs = min(c.MinTimeUs, us), max(c.MaxTimeUs, us)
	c.Offsets, c.Timestamps = append(c.Offsets, off), append(c.Timestamps, us/1000)
	c.Columns[0].AppendInt(us)
	for i := 1; i < len(c.Columns); i++ {
		if c.Columns[i].Kind == stage.Bytes {
			c.Columns[i].AppendBytes(fmt.Append(nil, off))
		} else {
			c.Columns[i].AppendInt(off)
		}
	}
}

func (w *world) write(key string, chunk *stage.Chunk, foot stage.Footer) *catalog.File {
	w.t.Helper()
	var buf bytes.Buffer
	enc, err := stage.Encode(&buf, stage.NewSchema(w.table), cube.NDJSON, foot, []*stage.Chunk{chunk}, stage.EncodeOptions{RowGroupRows: 8})
	must(w.t, err)
	must(w.t, w.store.Create(w.t.Context(), key, &buf))
	return &catalog.File{
		Key: key, Size: enc.Size, SHA256: enc.SHA256, Format: cube.NDJSON, Schema: w.table.Version, Records: foot.Events, RowHash: enc.RowHash.String(),
	}
}

func (w *world) quarantine(r segmenter.PartitionRange, e segmenter.Exceptions) *catalog.File {
	w.t.Helper()
	key := stage.QuarantineKey(w.table.ID, r, w.epoch[r.Partition])
	var recs []stage.QuarantineRecord
	for _, off := range e.Offsets(segmenter.Quarantined) {
		recs = append(recs, stage.QuarantineRecord{Offset: off, Reason: "bad_json", Value: []byte("x")})
	}
	var buf bytes.Buffer
	enc, err := stage.EncodeQuarantine(&buf, stage.QuarantineFooter{
		Project: "default", Table: "events", TableID: w.table.ID, Topic: "events", Schema: 1, Range: r, Epoch: w.epoch[r.Partition],
	}, recs)
	must(w.t, err)
	must(w.t, w.store.Create(w.t.Context(), key, &buf))
	return &catalog.File{Key: key, Size: enc.Size, SHA256: enc.SHA256, Format: cube.NDJSON, Schema: w.table.Version, Records: int64(len(recs))}
}

// supplement turns quarantined offsets of a partition into events.
func (w *world) supplement(p int32, offsets ...int64) {
	w.t.Helper()
	n, err := w.cat.NextRequeue(w.t.Context(), w.table.ID)
	must(w.t, err)
	chunk := stage.NewChunk(stage.NewSchema(w.table))
	for _, off := range offsets {
		addRow(chunk, off)
	}
	r := segmenter.PartitionRange{Partition: p, Generation: w.gen[p], Start: offsets[0], End: offsets[len(offsets)-1] + 1}
	file := w.write(stage.SupplementKey(w.table.ID, r, n, cube.NDJSON), chunk, stage.Footer{
		Project: "default", Table: "events", TableID: w.table.ID, Topic: "events", Schema: 1, Range: r, Requeue: n, Events: int64(len(offsets)),
	})
	must(w.t, w.cat.CommitSupplement(w.t.Context(), catalog.Supplement{
		TableID: w.table.ID, Requeue: n, Range: r, File: file, Offsets: offsets, MinTimeUs: chunk.MinTimeUs, MaxTimeUs: chunk.MaxTimeUs,
	}))
}

func shaOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// lose commits a range that the broker has removed.
func (w *world) lose(p int32, start, end int64) {
	w.t.Helper()
	r := segmenter.PartitionRange{Partition: p, Generation: w.gen[p], Start: start, End: end}
	row := segmenter.LedgerRow{Range: r, State: segmenter.Lost, Reason: "retention"}
	text, err := stage.LedgerRecord{Project: "default", Table: "events", TableID: w.table.ID, Topic: "events", Epoch: w.epoch[p], Row: row}.Encode()
	must(w.t, err)
	key := stage.LedgerKey(w.table.ID, r, segmenter.Lost)
	must(w.t, w.store.Create(w.t.Context(), key, bytes.NewReader(text)))
	must(w.t, w.cat.Commit(w.t.Context(), catalog.Commit{TableID: w.table.ID, Epoch: w.epoch[p], Row: row, LedgerFile: &catalog.File{Key: key, Size: int64(len(text)), SHA256: shaOf(text), Schema: 1}}))
}

// builder makes a Builder on the world; change may be nil.
func (w *world) builder(change func(o *Options)) *Builder {
	w.t.Helper()
	o := Options{Catalog: w.cat, Store: w.store, Log: w.log, Node: "n1", BackupEvery: -1}
	if change != nil {
		change(&o)
	}
	b, err := New(o)
	must(w.t, err)
	return b
}

// run runs all open jobs that may run, without a scheduler, until none is left that may, and returns how many attempts
// there were.
func (w *world) run(b *Builder) (attempts int) {
	w.t.Helper()
	for range 1000 {
		spawn, err := b.recover(w.t.Context(), scheduler.Task{})
		must(w.t, err)
		if len(spawn) == 0 {
			return attempts
		}
		for _, s := range spawn {
			attempts++
			_, err := b.runBody(w.t.Context(), scheduler.Task{Kind: s.Kind, Spec: s.Spec})
			must(w.t, err)
		}
	}
	w.t.Fatal("jobs never end")
	return 0
}

// segments lists the live segments: "1 ready p0 [0,10) 10 events".
func (w *world) segments() (list []string) {
	w.t.Helper()
	for s, err := range w.cat.Segments(w.t.Context(), catalog.SegmentQuery{CubeID: w.cube.ID}) {
		must(w.t, err)
		line := fmt.Sprintf("%d %s %s %d events", s.Number, s.State, s.Range, s.Events)
		if s.JobID != 0 { // of a rebuilt catalog: no job is known
			if j := w.job(s.JobID); j.Problem != "" {
				w.t.Logf("job %d of segment %d: %s", j.ID, s.Number, j.Problem)
			}
		}
		list = append(list, line)
	}
	return list
}

func (w *world) wantSegments(want ...string) {
	w.t.Helper()
	if got := w.segments(); !slices.Equal(got, want) {
		w.t.Errorf("segments:\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func (w *world) job(id int64) catalog.Job {
	w.t.Helper()
	j, err := w.cat.Job(w.t.Context(), id)
	must(w.t, err)
	return j
}

func (w *world) request() Request { return Request{Project: "default", Cube: "views", By: "ann"} }

// fakeLog is a Log with fixed answers.
type fakeLog struct {
	mu   sync.Mutex // guards ends: a test sets them while builders run
	ends map[int32]int64
	at   map[int32]int64
	err  error
}

func (l *fakeLog) setEnds(ends map[int32]int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends = ends
}

func (l *fakeLog) Ends(context.Context, string) (map[int32]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ends, l.err
}

func (l *fakeLog) Starts(context.Context, string) (map[int32]int64, error) {
	return map[int32]int64{}, l.err
}

func (l *fakeLog) At(context.Context, string, time.Time) (map[int32]int64, error) {
	return l.at, l.err
}
