package query_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/ingest/decode"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit/catalogtest"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/run"
	"github.com/tidemarkdb/tidemark/query/source"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

const tableYAML = `
table: shop
topic: shop
event_time: {column: ts, lateness: 1m}
columns:
  - {name: ts, type: timestamp(us)}
  - {name: country, type: string}
  - {name: device, type: string}
  - {name: page, path: page.url, type: string}
  - {name: visitor, type: string}
  - {name: status, type: int64}
  - {name: bytes, type: int64}
  - {name: big, type: int64}
  - {name: latency, type: float64}
  - {name: price, type: "decimal(12,2)"}
  - {name: total, type: "decimal(30,4)"}
  - {name: ok, type: bool}
  - {name: day, type: date}
  - {name: sent, type: timestamp(ms)}
  - {name: ctx, type: json}
`

// cubeYAML has all dimensions by which the first version of the cube groups; moreYAML is the second.
const cubeYAML = `
cube: sales
table: shop
dimensions: [day(ts), hour(ts), country, device, ok, day]
measures: [count, sum(bytes), avg(latency), sum(price), min(bytes), max(price), count(bytes), count_distinct(visitor)]
`

const moreYAML = `
cube: sales
table: shop
dimensions: [month(ts), day(ts), hour(ts), minute(ts), country, device, ok, day, status, hour(sent), price]
measures:
  - count
  - count(bytes)
  - count(price)
  - sum(bytes)
  - sum(big)
  - avg(big)
  - avg(latency)
  - min(latency)
  - max(latency)
  - sum(price)
  - avg(price)
  - sum(total)
  - max(total)
  - min(bytes)
  - max(bytes)
  - max(price)
  - min(ts)
  - max(ts)
  - max(country)
  - count_distinct(visitor)
  - count_distinct_exact(bytes)
  - {function: percentile, column: latency}
  - {function: top_n, by: [page], n: 200}
  - first(page)
  - last(status)
groups:
  - {includes: [ts_month, ts_day, ts_hour, ts_minute, country, device, ok], hierarchy: [[ts_month, ts_day, ts_hour, ts_minute]]}
  - {includes: [country, device, day, status, sent_hour, price], dim_cap: 2}
`

const berlinYAML = `
cube: berlin
table: shop
time_zone: Europe/Berlin
dimensions: [day(ts), hour(ts), country, page]
measures: [count, sum(bytes), max(total), sum(latency)]
`

// fatal is what both *testing.T and *rapid.T can do.
type fatal interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

func must(t fatal, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a table that is read, staged and built by hand.
type world struct {
	t      testing.TB
	dir    string
	cat    *catalog.Catalog
	store  *blob.Mem
	table  *cube.Table
	schema *stage.Schema
	dec    *decode.Decoder
	cubes  map[string]*cube.Cube
	looked []*cube.Lookup              // lookup tables
	starts map[string]segmenter.Vector // of cubes
	parts  []*part
	events *generator
	rng    *rand.Rand
	tables *hbase.Store // where cuboids are; nil: in files
}

// part is a partition with what lies at its offsets from the first on.
type part struct {
	n         int32
	epoch     int64
	first     int64
	records   []record
	committed int64
	tail      []stage.TailRange
}

func (p *part) end() int64 { return p.first + int64(len(p.records)) }

// line is a range of a partition, its offsets counted from the first.
func (p *part) line(from, to int64) segmenter.PartitionRange {
	return segmenter.PartitionRange{Partition: p.n, Start: p.first + from, End: p.first + to}
}

// newWorld makes a table whose partitions hold so many offsets each.
func newWorld(t testing.TB, seed uint64, sizes ...int) *world {
	t.Helper()
	ctx := context.Background()
	w := &world{
		t: t, dir: t.TempDir(), store: new(blob.Mem), cubes: map[string]*cube.Cube{}, starts: map[string]segmenter.Vector{},
		rng: rand.New(rand.NewPCG(seed, 1)),
	}
	catalogtest.Put(t, filepath.Join(w.dir, "catalog.db"))
	w.cat = w.open("catalog.db")
	def, err := cube.ParseTable([]byte(tableYAML), "shop.yaml")
	must(t, err)
	a, err := w.cat.ApplyTable(ctx, def.WithDefaults())
	must(t, err)
	w.table, w.schema = a.Table, stage.NewSchema(a.Table)
	for _, l := range lookupTables() {
		w.applyLookup(l)
	}
	w.dec, err = decode.New(w.table, w.schema)
	must(t, err)
	most := 0
	for _, n := range sizes {
		most = max(most, n)
	}
	w.events = &generator{rng: w.rng, most: most}
	for n, size := range sizes {
		p := &part{n: int32(n), first: int64(10 * n)}
		p.committed = p.first
		for i := range size {
			p.records = append(p.records, w.events.record(i))
		}
		st, err := w.cat.Assign(ctx, catalog.Claim{TableID: w.table.ID, Partition: p.n, Owner: "test"})
		must(t, err)
		p.epoch = st.Epoch
		must(t, w.cat.Begin(ctx, catalog.Begin{TableID: w.table.ID, Partition: p.n, Epoch: p.epoch, TopicID: "id", Start: p.first}))
		w.parts = append(w.parts, p)
	}
	return w
}

func (w *world) open(name string) *catalog.Catalog {
	w.t.Helper()
	c, err := catalog.Open(context.Background(), filepath.Join(w.dir, name), catalog.Options{})
	must(w.t, err)
	return c
}

// read decodes offsets into chunks of some rows.
func (w *world) read(r segmenter.PartitionRange, rows int) (chunks []*stage.Chunk, ex segmenter.Exceptions) {
	p := w.parts[r.Partition]
	for o := r.Start; o < r.End; o++ {
		rec := p.records[o-p.first]
		if rec.value == nil {
			ex = ex.Add(segmenter.Gap, o, o+1)
			continue
		}
		if len(chunks) == 0 || chunks[len(chunks)-1].Rows() == rows {
			chunks = append(chunks, stage.NewChunk(w.schema))
		}
		c := chunks[len(chunks)-1]
		if bad := w.dec.Append(c, decode.Record{Offset: o, TimestampMs: rec.timestampMs, Value: rec.value}); bad != nil {
			ex = ex.Add(segmenter.Quarantined, o, o+1)
		}
	}
	if n := len(chunks); n > 0 && chunks[n-1].Rows() == 0 {
		chunks = chunks[:n-1]
	}
	return chunks, ex
}

// stage commits the next n offsets of a partition as one file.
func (w *world) stage(p *part, n int64) {
	w.t.Helper()
	r := segmenter.PartitionRange{Partition: p.n, Start: p.committed, End: p.committed + n}
	must(w.t, w.cat.Commit(context.Background(), w.file(p, r)))
	p.committed = r.End
}

// file writes a range of a partition, and returns what commits it.
func (w *world) file(p *part, r segmenter.PartitionRange) catalog.Commit {
	w.t.Helper()
	ctx := context.Background()
	chunks, ex := w.read(r, 64)
	row := segmenter.LedgerRow{Range: r, State: segmenter.Staged, Exceptions: ex, Events: r.Len() - ex.Total()}
	format := cube.Parquet
	if w.rng.IntN(4) == 0 {
		format = cube.NDJSON
	}
	key := stage.StagedKey(w.table.ID, r, p.epoch, w.table.Version, format)
	foot := stage.Footer{
		TableID: w.table.ID, Table: w.table.Name, Schema: w.table.Version, Range: r, Epoch: p.epoch, Events: row.Events, Exceptions: ex,
	}
	var buf bytes.Buffer
	enc, err := stage.Encode(&buf, w.schema, format, foot, chunks, stage.EncodeOptions{RowGroupRows: 50})
	must(w.t, err)
	must(w.t, w.store.Create(ctx, key, &buf))
	row.MinTimeUs, row.MaxTimeUs = enc.MinTimeUs, enc.MaxTimeUs
	m := catalog.Commit{TableID: w.table.ID, Epoch: p.epoch, Row: row}
	m.File = &catalog.File{Key: key, Size: enc.Size, SHA256: enc.SHA256, Format: format, Schema: w.table.Version, Records: row.Events}
	if bad := ex.Count(segmenter.Quarantined); bad > 0 {
		m.Quarantine = &catalog.File{Key: stage.QuarantineKey(w.table.ID, r, p.epoch), Size: 1, Records: bad}
	}
	return m
}

// remember keeps ranges of a partition in memory from an offset on, which may be committed: what lies behind is all in the tail.
func (w *world) remember(p *part, from int64, rows int, cuts ...int64) {
	for i, to := range append(cuts, int64(len(p.records))) {
		r := p.line(from, to)
		open := i == len(cuts)
		chunks, ex := w.read(r, rows)
		t := stage.TailRange{Range: r, Epoch: p.epoch, Schema: w.schema, Chunks: chunks, Exceptions: ex, Sealed: len(chunks)}
		if n := len(chunks); open && n > 0 && chunks[n-1].Rows() < rows {
			t.Sealed--
		}
		p.tail, from = append(p.tail, t), to
	}
}

// Pin is that of package source over what the partitions remember.
func (w *world) Pin(context.Context, string) (source.Pin, error) {
	var pin tailPin
	for _, p := range w.parts {
		if len(p.tail) == 0 {
			r := segmenter.PartitionRange{Partition: p.n, Start: p.end(), End: p.end()}
			pin = append(pin, stage.TailRange{Range: r, Epoch: p.epoch, Schema: w.schema})
		}
		pin = append(pin, p.tail...)
	}
	return pin, nil
}

type tailPin []stage.TailRange

func (p tailPin) Tail() []stage.TailRange { return p }
func (tailPin) Lost() bool                { return false }
func (tailPin) Release()                  {}

// bare is a store whose segments cannot be read.
type bare struct{ blob.Store }

func (b bare) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if strings.HasPrefix(key, "segments/") {
		return nil, fmt.Errorf("%s: %w", key, blob.ErrNotFound)
	}
	return b.Store.Open(ctx, key, off, n)
}

// engines are the ways in which all statements must have the same answer.
type engines struct {
	native *query.Engine // asked twice: the second time what it needs is kept
	bare   *query.Engine // segments have no cuboids: cells are made of events
	raw    *query.Engine // cubes are disabled: DuckDB computes all from events
}

// engines starts them. Nothing may be staged or built afterwards.
func (w *world) engines() engines {
	w.t.Helper()
	must(w.t, w.cat.Close())
	file, err := os.ReadFile(filepath.Join(w.dir, "catalog.db"))
	must(w.t, err)
	must(w.t, os.WriteFile(filepath.Join(w.dir, "raw.db"), file, 0o600))
	w.cat = w.open("catalog.db")
	raw := w.open("raw.db")
	for _, c := range w.cubes {
		must(w.t, raw.SetCubeState(context.Background(), c.ID, catalog.CubeState{Reason: "test"}))
	}
	w.t.Cleanup(func() { must(w.t, w.cat.Close()); must(w.t, raw.Close()) })
	return engines{w.engine(w.cat, w.store, 2), w.engine(w.cat, bare{w.store}, 1), w.engine(raw, w.store, 1)}
}

// engine starts one whose DuckDB has so many threads. Statements over so few rows take longer with more of them.
func (w *world) engine(c *catalog.Catalog, s blob.Store, threads int) *query.Engine {
	w.t.Helper()
	o := query.Options{Catalog: c, Store: s, Tail: w, Duck: duck.Options{MemoryBytes: 256 << 20, MaxConns: 4, Threads: threads}}
	if w.tables != nil {
		o.Tables = inTables{w.tables}
	}
	e, err := query.New(o)
	must(w.t, err)
	w.t.Cleanup(func() { must(w.t, e.Close()) })
	return e
}

// inTables opens cuboids in HBase.
type inTables struct{ store *hbase.Store }

func (t inTables) Reader(l *cells.Layout, stored *segmenter.StoredTable, list []segmenter.CuboidEntry) (run.Reader, error) {
	return t.store.NewReader(l, stored, list)
}
