package local

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

const tableYAML = `
table: shop
topic: shop
event_time: {column: ts}
columns:
  - {name: ts, type: timestamp(us)}
  - {name: country, type: string}
  - {name: page, type: string}
  - {name: n, type: int64}
  - {name: price, type: "decimal(10,2)"}
  - {name: big, type: "decimal(30,5)"}
  - {name: ratio, type: float64}
  - {name: flag, type: bool}
  - {name: day, type: date}
`

const cubeYAML = `
cube: sales
table: shop
dimensions: [minute(ts), country, page, flag, day, n]
measures: [count, count(n), sum(n), sum(big), max(price), min(ratio), avg(price)]
groups:
  - {includes: [ts_minute, country, page]}
  - {includes: [country, flag, day], joint: [[flag, day]]}
  - {includes: [country, n]}
`

// world is staged files in a folder, and the ledger's rows over them.
type world struct {
	t     testing.TB
	root  string
	store blob.Store
	table *cube.Table
	cube  *cube.Cube
	rows  []catalog.LedgerEntry
	rng   *rand.Rand
	epoch int64
	wild  bool // floats may be NaN, infinite and -0, strings empty or with a zero byte
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t testing.TB, seed uint64) *world {
	t.Helper()
	w := &world{t: t, root: t.TempDir(), rng: rand.New(rand.NewPCG(seed, 1)), epoch: 1}
	var err error
	w.store, err = blob.NewDir(w.root)
	must(t, err)
	w.table, err = cube.ParseTable([]byte(tableYAML), "shop.yaml")
	must(t, err)
	w.table = w.table.WithDefaults()
	w.table.ID, w.table.Version = "t1", 1
	w.apply(cubeYAML)
	return w
}

func (w *world) apply(yaml string) {
	w.t.Helper()
	def, err := cube.ParseCube([]byte(yaml), "sales.yaml", w.table)
	must(w.t, err)
	w.cube = def.WithDefaults()
	w.cube.ID, w.cube.Version = "c1", 1
}

const firstUs = 1_700_000_000_000_000

// value appends a random value, now and then null.
func (w *world) value(c *stage.Column, f stage.Field, off int64) {
	r := w.rng
	if f.Name == "ts" {
		c.AppendInt(firstUs + off*700_000 + r.Int64N(90_000_000))
		return
	}
	if r.IntN(20) == 0 {
		c.AppendNull()
		return
	}
	if w.wild && r.IntN(4) == 0 && (f.Kind == stage.Float64 || f.Kind == stage.Bytes) {
		if f.Kind == stage.Float64 {
			c.AppendFloat([]float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0}[r.IntN(5)])
		} else {
			c.AppendBytes([]byte([]string{"", "\u00e9", "a\x00"}[r.IntN(3)]))
		}
		return
	}
	switch f.Name {
	case "country":
		c.AppendBytes(fmt.Appendf(nil, "c%02d", min(r.IntN(12), r.IntN(12))))
	case "page":
		c.AppendBytes(fmt.Appendf(nil, "/p/%d", r.IntN(3000)))
	case "n":
		c.AppendInt(r.Int64N(9) - 4)
	case "price":
		c.AppendInt(r.Int64N(100_000) - 500)
	case "big":
		var b [16]byte
		for i := 8; i < 16; i++ {
			b[i] = byte(r.Uint32())
		}
		c.AppendBytes(b[:])
	case "ratio":
		c.AppendFloat(math.Round(r.NormFloat64()*1e6) / 64)
	case "flag":
		c.AppendInt(r.Int64N(2))
	case "day":
		c.AppendInt(19_000 + r.Int64N(5))
	default:
		w.t.Fatalf("no values for column %s", f.Name)
	}
}

// chunk makes the events of given offsets.
func (w *world) chunk(offsets []int64) *stage.Chunk {
	s := stage.NewSchema(w.table)
	c := stage.NewChunk(s)
	for _, off := range offsets {
		c.Offsets, c.Timestamps = append(c.Offsets, off), append(c.Timestamps, firstUs/1000+off)
		for i, f := range s.Fields {
			w.value(&c.Columns[i], f, off)
		}
	}
	return c
}

func count(from, to int64) (out []int64) {
	for ; from < to; from++ {
		out = append(out, from)
	}
	return out
}

// write encodes a file with row groups of a few rows.
func (w *world) write(key string, c *stage.Chunk, foot stage.Footer, format cube.Format) *catalog.File {
	w.t.Helper()
	foot.Project, foot.Table, foot.TableID, foot.Topic, foot.Schema, foot.Events = "default", "shop", "t1", "shop", w.table.Version, int64(c.Rows())
	var buf bytes.Buffer
	enc, err := stage.Encode(&buf, stage.NewSchema(w.table), format, foot, []*stage.Chunk{c}, stage.EncodeOptions{RowGroupRows: 700})
	must(w.t, err)
	must(w.t, w.store.Create(w.t.Context(), key, &buf))
	return &catalog.File{Key: key, Size: enc.Size, SHA256: enc.SHA256, Format: format, Schema: w.table.Version, Records: int64(c.Rows())}
}

// stage adds a row of staged events; bad offsets are quarantined.
func (w *world) stage(p int32, start, end int64, bad ...int64) {
	w.t.Helper()
	r := segmenter.PartitionRange{Partition: p, Start: start, End: end}
	var good []int64
	for _, off := range count(start, end) {
		if !has(bad, off) {
			good = append(good, off)
		}
	}
	ex, err := segmenter.ExceptionsOf(segmenter.Quarantined, bad)
	must(w.t, err)
	format := cube.Parquet
	if w.rng.IntN(4) == 0 {
		format = cube.NDJSON
	}
	f := w.write(stage.StagedKey("t1", r, w.epoch, w.table.Version, format), w.chunk(good), stage.Footer{Range: r, Epoch: w.epoch, Exceptions: ex}, format)
	w.rows = append(w.rows, catalog.LedgerEntry{
		LedgerRow: segmenter.LedgerRow{Range: r, State: segmenter.Staged, Events: int64(len(good)), Exceptions: ex}, Epoch: w.epoch, File: f,
	})
}

func has(list []int64, v int64) bool {
	for _, x := range list {
		if x == v {
			return true
		}
	}
	return false
}

// supplement makes quarantined offsets of one row events.
func (w *world) supplement(row int, requeue int64, offsets ...int64) {
	w.t.Helper()
	e := &w.rows[row]
	r := segmenter.PartitionRange{Partition: e.Range.Partition, Start: offsets[0], End: offsets[len(offsets)-1] + 1}
	f := w.write(stage.SupplementKey("t1", r, requeue, cube.Parquet), w.chunk(offsets), stage.Footer{Range: r, Requeue: requeue}, cube.Parquet)
	e.Supplements = append(e.Supplements, catalog.Supplement{TableID: "t1", Requeue: requeue, Range: r, File: f, Offsets: offsets})
	requeued, err := e.Requeue(offsets, firstUs, firstUs)
	must(w.t, err)
	e.LedgerRow = requeued
}

// engine makes an engine of small sizes, so that few events are many blocks, frames and groups; change may be nil.
func (w *world) engine(change func(o *Options, s *sizes)) *Engine {
	w.t.Helper()
	o := Options{Store: w.store, Dir: filepath.Join(w.t.TempDir(), "builds"), Memory: 1 << 30, Threads: 2}
	s := fixedSizes()
	s.blockRows, s.frameRows, s.stepRows, s.minWindow, s.fanIn = 1500, 100, 300, 20, 5
	if change != nil {
		change(&o, &s)
	}
	e, err := New(o)
	must(w.t, err)
	e.size = s
	if s.keepAtMost > 0 {
		e.mem.most = s.keepAtMost
	}
	return e
}

// all is the range of all rows.
func (w *world) all() (v segmenter.Vector) {
	for _, e := range w.rows {
		if n := len(v); n > 0 && v[n-1].Partition == e.Range.Partition {
			v[n-1].End = e.Range.End
		} else {
			v = append(v, e.Range)
		}
	}
	return v
}

func (w *world) input(v segmenter.Vector, attempt int64) builder.EngineInput {
	in := builder.EngineInput{
		Cube: w.cube, Table: w.table, TableID: "t1", Content: fmt.Sprintf("%064x", attempt), Folder: segmenter.SegmentFolder("c1", fmt.Sprintf("%064x", attempt), attempt),
		Range: v, Step: func(string, string) func(int64, int64) { return func(int64, int64) {} }, Logf: w.t.Logf,
	}
	for _, line := range v {
		for _, e := range w.rows {
			if e.Range.Overlaps(line) {
				in.Rows = append(in.Rows, e)
				in.Events += segmenter.MeasureRow(e.LedgerRow, line).Events
			}
		}
	}
	return in
}

// build builds and returns what the engine made.
func (w *world) build(ctx context.Context, e *Engine, in builder.EngineInput) builder.EngineOutput {
	w.t.Helper()
	out, err := e.Build(ctx, in)
	must(w.t, err)
	return out
}
