package source_test

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit/catalogtest"
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
  - {name: page, type: string}
  - {name: id, type: int64}
`

const cubeYAML = `
cube: sales
table: shop
dimensions: [minute(ts), page]
measures: [count, sum(id)]
`

// fatal is what both *testing.T and *rapid.T can do.
type fatal interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func must(t fatal, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a table that is read, staged and built by hand. What became of an offset and what an event holds is told from its number,
// so that it is the same however often it is read.
type world struct {
	t      fatal
	cat    *catalog.Catalog
	store  blob.Store
	table  *cube.Table
	schema *stage.Schema
	cube   *cube.Cube
	layout *cells.Layout
	parts  []*part
	format cube.Format
	group  int // rows of a row group

	requeues   int64
	requeued   map[place]bool
	foundAgain map[place]bool // lost once, then read after all
	lost       map[place]bool
}

// place is an offset.
type place struct {
	partition, generation int32
	offset                int64
}

// part is a partition with its reader.
type part struct {
	n     int32
	epoch int64
	gens  []segmenter.PartitionRange // the last one is open; its end is what is committed
	next  int64                      // the next offset to read
	seen  int64                      // what was read of the generation, before a restart too
	tail  []*tailRange               // the last one is open unless it is sealed
}

type tailRange struct {
	stage.TailRange
	sealed, done bool // done: committed, but not gone from memory yet
}

func (p *part) line() *segmenter.PartitionRange { return &p.gens[len(p.gens)-1] }

func newCatalog(t testing.TB) *catalog.Catalog {
	t.Helper()
	return openCatalog(t, catalogtest.Put(t, filepath.Join(t.TempDir(), "catalog.db")), catalog.Options{})
}

func openCatalog(t testing.TB, path string, o catalog.Options) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(context.Background(), path, o)
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

// newWorld adds a table and a cube to a catalog.
func newWorld(t fatal, c *catalog.Catalog, name string, partitions int) *world {
	ctx := context.Background()
	w := &world{t: t, cat: c, store: new(blob.Mem), format: cube.Parquet, group: 5, requeued: map[place]bool{}, foundAgain: map[place]bool{}, lost: map[place]bool{}}
	def, err := cube.ParseTable([]byte(tableYAML), "shop.yaml")
	must(t, err)
	def = def.WithDefaults()
	cubeDef, err := cube.ParseCube([]byte(cubeYAML), "sales.yaml", def)
	must(t, err)
	cubeDef = cubeDef.WithDefaults()
	def.Name = "shop" + name
	a, err := c.ApplyTable(ctx, def)
	must(t, err)
	w.table, w.schema = a.Table, stage.NewSchema(a.Table)
	cubeDef.Name, cubeDef.Table = "sales"+name, def.Name
	ac, err := c.ApplyCube(ctx, cubeDef)
	must(t, err)
	w.cube = ac.Cube
	w.layout, err = cells.NewLayout(w.cube, w.table)
	must(t, err)
	for n := range partitions {
		p := &part{n: int32(n), next: int64(10 * n)}
		w.parts = append(w.parts, p)
		w.assign(p)
		must(t, c.Begin(ctx, catalog.Begin{TableID: w.table.ID, Partition: p.n, Epoch: p.epoch, TopicID: "id", Start: p.next}))
		p.gens = append(p.gens, segmenter.PartitionRange{Partition: p.n, Start: p.next, End: p.next})
	}
	return w
}

func (w *world) assign(p *part) {
	st, err := w.cat.Assign(context.Background(), catalog.Claim{TableID: w.table.ID, Partition: p.n, Owner: "test"})
	must(w.t, err)
	p.epoch = st.Epoch
}

func (x place) hash(salt string) uint32 {
	h := fnv.New32a()
	fmt.Fprint(h, x, salt)
	return h.Sum32()
}

// fate is what reading finds at an offset: an event ("") or an exception.
func (x place) fate() segmenter.ExceptionKind {
	switch x.hash("fate") % 8 {
	case 0:
		return segmenter.Gap
	case 1:
		return segmenter.Quarantined
	}
	return ""
}

const baseUs = int64(1_700_000_000_000_000)

// timeUs is the event time: some seconds an offset, out of order, now and then late by an hour.
func (x place) timeUs() int64 {
	us := baseUs + x.offset*7_000_000 + int64(x.hash("time")%60_000_000)
	if x.hash("late")%16 == 0 {
		us -= 3600e6
	}
	return us
}

// id is told from an event's place, and no other event's.
func (x place) id() int64 { return int64(x.partition)<<40 | int64(x.generation)<<32 | x.offset }

func (x place) page() string { return fmt.Sprint("/", x.hash("page")%5) }

// addEvent appends an event to a chunk.
func (w *world) addEvent(c *stage.Chunk, x place) {
	us := x.timeUs()
	if c.Rows() == 0 {
		c.MinTimeUs, c.MaxTimeUs = us, us
	}
	c.MinTimeUs, c.MaxTimeUs = min(c.MinTimeUs, us), max(c.MaxTimeUs, us)
	c.Offsets, c.Timestamps = append(c.Offsets, x.offset), append(c.Timestamps, us/1000)
	c.Columns[0].AppendInt(us)
	c.Columns[1].AppendBytes([]byte(x.page()))
	c.Columns[2].AppendInt(x.id())
}

// read appends n offsets to the open range. Chunks hold up to 4 events.
func (w *world) read(p *part, n int) {
	if len(p.tail) == 0 || p.tail[len(p.tail)-1].sealed {
		r := *p.line()
		r.Start, r.End = p.next, p.next
		p.tail = append(p.tail, &tailRange{TailRange: stage.TailRange{Range: r, Schema: w.schema}})
	}
	t := p.tail[len(p.tail)-1]
	for range n {
		x := place{p.n, t.Range.Generation, p.next}
		if kind := x.fate(); kind != "" {
			t.Exceptions = t.Exceptions.Add(kind, x.offset, x.offset+1)
		} else {
			if len(t.Chunks) == 0 || t.Chunks[len(t.Chunks)-1].Rows() == 4 {
				t.Chunks = append(t.Chunks, stage.NewChunk(w.schema))
			}
			w.addEvent(t.Chunks[len(t.Chunks)-1], x)
		}
		p.next++
		t.Range.End = p.next
	}
	p.seen = max(p.seen, p.next)
}

// roll seals the open range.
func (w *world) roll(p *part) {
	if n := len(p.tail); n > 0 {
		p.tail[n-1].sealed = true
	}
}

// lose makes a range of a few offsets that are lost, unless somebody has seen their events.
func (w *world) lose(p *part, n int64) {
	if p.next < p.seen {
		return
	}
	w.roll(p)
	r := *p.line()
	r.Start, r.End = p.next, p.next+n
	for o := r.Start; o < r.End; o++ {
		w.lost[place{p.n, r.Generation, o}] = true
	}
	p.tail = append(p.tail, &tailRange{TailRange: stage.TailRange{Range: r, Schema: w.schema, Lost: true}, sealed: true})
	p.next += n
}

// commit commits the first sealed range. It stays in memory until leave.
func (w *world) commit(p *part) {
	for _, t := range p.tail {
		if t.done || !t.sealed {
			continue
		}
		var m catalog.Commit
		if t.Lost {
			m = w.lostCommit(t.Range, p.epoch)
		} else {
			m = w.commitOf(t.Range, t.Chunks, t.Exceptions, p.epoch)
		}
		must(w.t, w.cat.Commit(context.Background(), m))
		t.done, p.line().End = true, t.Range.End
		return
	}
}

// leave drops committed ranges from memory.
func (w *world) leave(p *part) {
	for len(p.tail) > 0 && p.tail[0].done {
		p.tail = p.tail[1:]
	}
}

func (w *world) lostCommit(r segmenter.PartitionRange, epoch int64) catalog.Commit {
	return catalog.Commit{
		TableID: w.table.ID, Epoch: epoch, Row: segmenter.LedgerRow{Range: r, State: segmenter.Lost, Reason: "test"},
		LedgerFile: &catalog.File{Key: fmt.Sprintf("%s.e%d", stage.LedgerKey(w.table.ID, r, segmenter.Lost), epoch), Size: 1},
	}
}

// commitOf writes the staged file of a range.
func (w *world) commitOf(r segmenter.PartitionRange, chunks []*stage.Chunk, ex segmenter.Exceptions, epoch int64) catalog.Commit {
	row := segmenter.LedgerRow{Range: r, State: segmenter.Staged, Exceptions: ex, Events: r.Len() - ex.Total()}
	key := stage.StagedKey(w.table.ID, r, epoch, w.table.Version, w.format)
	m := catalog.Commit{TableID: w.table.ID, Epoch: epoch, Row: row}
	m.File = w.write(key, stage.Footer{Range: r, Epoch: epoch, Events: row.Events, Exceptions: ex}, chunks, &m.Row.MinTimeUs, &m.Row.MaxTimeUs)
	if n := ex.Count(segmenter.Quarantined); n > 0 {
		m.Quarantine = &catalog.File{Key: stage.QuarantineKey(w.table.ID, r, epoch), Size: 1, Records: n}
	}
	return m
}

func (w *world) write(key string, foot stage.Footer, chunks []*stage.Chunk, minUs, maxUs *int64) *catalog.File {
	foot.TableID, foot.Table, foot.Schema = w.table.ID, w.table.Name, w.table.Version
	var buf bytes.Buffer
	enc, err := stage.Encode(&buf, w.schema, w.format, foot, chunks, stage.EncodeOptions{RowGroupRows: w.group})
	must(w.t, err)
	must(w.t, w.store.Create(context.Background(), key, &buf))
	*minUs, *maxUs = enc.MinTimeUs, enc.MaxTimeUs
	return &catalog.File{Key: key, Size: enc.Size, SHA256: enc.SHA256, Format: w.format, Schema: w.table.Version, Records: foot.Events}
}

// restart drops what is not committed; another process reads on. What it found lost it has committed.
func (w *world) restart(p *part) {
	for slices.ContainsFunc(p.tail, func(t *tailRange) bool { return t.Lost && !t.done }) {
		w.commit(p)
	}
	p.tail = nil
	w.assign(p)
	p.next = p.line().End
}

// generation begins the topic anew at an offset; all that was read is committed first.
func (w *world) generation(p *part, start int64) {
	w.roll(p)
	for range p.tail {
		w.commit(p)
	}
	p.tail = nil
	n, err := w.cat.NewGeneration(context.Background(), catalog.NewGeneration{TableID: w.table.ID, Partition: p.n, Epoch: p.epoch, TopicID: "other", Start: start})
	must(w.t, err)
	p.gens = append(p.gens, segmenter.PartitionRange{Partition: p.n, Generation: n, Start: start, End: start})
	p.next, p.seen = start, start
}

// requeue makes events of up to n quarantined offsets that are committed, from an offset on.
func (w *world) requeue(line segmenter.PartitionRange, from int64, n int) {
	c := stage.NewChunk(w.schema)
	for o := from; o < line.End && c.Rows() < n; o++ {
		x := place{line.Partition, line.Generation, o}
		if x.fate() == segmenter.Quarantined && !w.requeued[x] && !w.lost[x] {
			w.addEvent(c, x)
			w.requeued[x] = true
		}
	}
	if c.Rows() == 0 {
		return
	}
	w.requeues++
	s := catalog.Supplement{TableID: w.table.ID, Requeue: w.requeues, Range: line, Offsets: c.Offsets}
	s.Range.Start, s.Range.End = c.Offsets[0], c.Offsets[len(c.Offsets)-1]+1
	s.File = w.write(stage.SupplementKey(w.table.ID, s.Range, w.requeues, w.format),
		stage.Footer{Range: s.Range, Requeue: w.requeues, Events: int64(c.Rows())}, []*stage.Chunk{c}, &s.MinTimeUs, &s.MaxTimeUs)
	must(w.t, w.cat.CommitSupplement(context.Background(), s))
}

// reread puts staged rows in the place of a lost one.
func (w *world) reread(p *part, e catalog.LedgerEntry) {
	r, at := e.Range, p.next
	p.next = r.Start
	q := &part{n: p.n, gens: []segmenter.PartitionRange{r}, next: r.Start}
	w.read(q, int(r.Len()))
	p.next = at
	t := q.tail[0]
	m := w.commitOf(r, t.Chunks, t.Exceptions, p.epoch+1)
	epoch, err := w.cat.Replace(context.Background(), catalog.Replace{TableID: w.table.ID, Epoch: p.epoch, Old: r, Rows: []catalog.Commit{m}})
	must(w.t, err)
	p.epoch = epoch
	for o := r.Start; o < r.End; o++ {
		x := place{r.Partition, r.Generation, o}
		delete(w.lost, x)
		w.foundAgain[x] = true
	}
}

// build publishes a segment over a range, whatever it replaces.
func (w *world) build(v segmenter.Vector, replaces ...int64) {
	ctx := context.Background()
	_, j, err := w.cat.Reserve(ctx, catalog.Reservation{CubeID: w.cube.ID, Range: v, Reason: "test", Replaces: replaces, JobKind: "build"})
	must(w.t, err)
	j, ok, err := w.cat.ClaimJob(ctx, catalog.JobClaim{ID: j.ID, Owner: "test", Now: time.Unix(1_800_000_000, 0), Lease: time.Minute})
	if err != nil || !ok {
		w.t.Fatalf("claim job: %t, %v", ok, err)
	}
	p := catalog.Publication{CubeID: w.cube.ID, Number: j.Segment, JobEpoch: j.Epoch, ID: fmt.Sprintf("%064x", j.ID), Attempt: j.Epoch, Bytes: 1}
	for _, r := range v {
		m := segmenter.PartMeasure{Partition: r.Partition, Generation: r.Generation}
		for e, err := range w.cat.Inputs(ctx, w.table.ID, segmenter.Vector{r}) {
			must(w.t, err)
			m.Measure = m.Add(segmenter.MeasureRow(e.LedgerRow, r))
		}
		p.Parts = append(p.Parts, m)
	}
	must(w.t, w.cat.Publish(ctx, p))
}

// Pin is that of package source over what the parts hold: as in ingest, the last chunk of an open range is a copy.
func (w *world) Pin(context.Context, string) (source.Pin, error) {
	pin := new(worldPin)
	for _, p := range w.parts {
		if len(p.tail) == 0 {
			r := *p.line()
			r.Start, r.End = p.next, p.next
			pin.ranges = append(pin.ranges, stage.TailRange{Range: r, Epoch: p.epoch, Schema: w.schema})
		}
		for _, t := range p.tail {
			r := t.TailRange
			r.Epoch, r.Chunks, r.Exceptions = p.epoch, slices.Clone(t.Chunks), slices.Clone(t.Exceptions)
			r.Sealed = len(r.Chunks)
			if n := len(r.Chunks); n > 0 && !t.sealed && r.Chunks[n-1].Rows() < 4 {
				c := *r.Chunks[n-1]
				c.Columns = slices.Clone(c.Columns)
				r.Chunks[n-1], r.Sealed = &c, n-1
			}
			pin.ranges = append(pin.ranges, r)
		}
	}
	return pin, nil
}

type worldPin struct {
	ranges   []stage.TailRange
	lost     bool
	released int
}

func (p *worldPin) Tail() []stage.TailRange { return p.ranges }
func (p *worldPin) Lost() bool              { return p.lost }
func (p *worldPin) Release()                { p.released++ }

// source makes a Source over the world.
func (w *world) source(change ...func(*source.Options)) *source.Source {
	o := source.Options{Catalog: w.cat, Store: w.store, Tail: w}
	for _, f := range change {
		f(&o)
	}
	src, err := source.New(o)
	must(w.t, err)
	return src
}
