package query_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/local"
	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/internal/testkit/catalogtest"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/source"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

// The table of the live test: events without a code are quarantined, until its second version takes them.
const (
	strictYAML = tableYAML + "  - {name: code, type: int64, null: reject}\n" + liveStaging
	kindYAML   = tableYAML + "  - {name: code, type: int64}\n" + liveStaging

	liveStaging = "on_loss: skip\nstaging: {roll: {rows: 60, age: 300ms}}\n"
	liveCuts    = "start: earliest\ncut: {rows: 150, age: 1s}\nmerge: {budget: [{segments: 2}]}\n"
)

// live is a table that is read, staged, built and asked by what does so in the program, in one process and at once.
type live struct {
	t     testing.TB
	ctx   context.Context // a test's: goroutines of it end with it
	dir   string
	cat   *catalog.Catalog
	store *blob.Dir
	table *cube.Table
	kfake *kfake.Cluster
	prod  *kgo.Client
	kafka []kgo.Opt
	parts int
	rng   *rand.Rand // of the one that acts
	truth *truth

	in     *ingest.Ingester
	stopIn func()
	b      *builder.Builder
	stopB  func()
	kind   bool // the table's second version is there
	cubes  int  // versions of cube sales

	pins atomic.Int64
	mu   sync.RWMutex // held while a statement runs and its answer is looked at: nobody closes its engine, and nothing is lost
	e    *query.Engine
}

func newLive(t testing.TB, seed uint64, address string) *live {
	t.Helper()
	l := &live{t: t, ctx: context.Background(), dir: t.TempDir(), parts: 3, rng: rand.New(rand.NewPCG(seed, 3))}
	cluster, brokers := testkit.FakeKafka(t, kfake.SeedTopics(int32(l.parts), "shop"))
	l.kfake = cluster
	l.kafka = []kgo.Opt{kgo.SeedBrokers(brokers...)}
	l.prod = testkit.Client(t, brokers, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if address == "" {
		address = catalogtest.Put(t, filepath.Join(l.dir, "catalog.db"))
	}
	var err error
	l.cat, err = catalog.Open(l.ctx, address, catalog.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, l.cat.Close()) })
	l.store, err = blob.NewDir(filepath.Join(l.dir, "store"))
	must(t, err)
	l.define(strictYAML)
	l.truth = newTruth(t, seed, l.table)
	l.apply(cubeYAML + liveCuts)
	l.apply(berlinYAML + liveCuts)
	l.truth.views(map[string]string{"sales": "UTC", "berlin": "Europe/Berlin"})
	l.openEngine()
	t.Cleanup(func() { must(t, l.e.Close()) })
	return l
}

func (l *live) define(yaml string) {
	def, err := cube.ParseTable([]byte(yaml), "shop.yaml")
	must(l.t, err)
	a, err := l.cat.ApplyTable(l.ctx, def.WithDefaults())
	must(l.t, err)
	l.table = a.Table
}

func (l *live) apply(yaml string) {
	def, err := cube.ParseCube([]byte(yaml), "cube.yaml", l.table)
	must(l.t, err)
	_, err = l.cat.ApplyCube(l.ctx, def.WithDefaults())
	must(l.t, err)
}

// runs starts something that ends with its context; what it returns ends it.
func (l *live) runs(what string, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(l.ctx)
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Errorf("%s: %v", what, err)
		}
	})
	l.t.Cleanup(stop)
	return stop
}

// read starts the ingester.
func (l *live) read(stop time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readLocked(stop)
}

// readLocked starts the ingester while nobody asks. With a short stop what is in hand at its end is lost, as by kill -9: it is read again.
func (l *live) readLocked(stop time.Duration) {
	in, err := ingest.New(ingest.Options{
		Kafka: l.kafka, Catalog: l.cat, Store: l.store, SpoolDir: filepath.Join(l.dir, "spool"), Owner: "test",
		Interval: 20 * time.Millisecond, MaxUncommittedRanges: 1 + l.rng.IntN(3), StopTimeout: stop,
	})
	must(l.t, err)
	l.in = in
	l.stopIn = l.runs("ingest", in.Run)
}

// build starts the builder.
func (l *live) build() {
	e, err := local.New(local.Options{Store: l.store, Dir: filepath.Join(l.dir, "build"), Threads: 1})
	must(l.t, err)
	often := 50 * time.Millisecond
	l.b, err = builder.New(builder.Options{
		Catalog: l.cat, Store: l.store, Engine: e, Node: "test", BackupEvery: -1, Interval: 10 * time.Millisecond, Lease: 5 * time.Second, BackOff: often,
		CutEvery: often, RefreshEvery: often, MaintenanceEvery: often, RecoverEvery: often,
	})
	must(l.t, err)
	l.stopB = l.runs("builder", l.b.Run)
}

// Pin is that of package source over the ingester that runs now, or ran last. One of three times it comes back when the catalog has moved: that
// is what lies between a pin and the look at the catalog when it goes wrong.
func (l *live) Pin(ctx context.Context, id string) (source.Pin, error) {
	pin := l.in.PinTail(id)
	if l.pins.Add(1)%3 == 0 {
		l.moved(ctx, id)
	}
	return pin, nil
}

// moved waits for a change of the table, but not long.
func (l *live) moved(ctx context.Context, id string) {
	before, err := l.cat.TableChange(ctx, id)
	if err != nil {
		return // the statement will say it
	}
	late := time.NewTimer(100 * time.Millisecond)
	defer late.Stop()
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
			if now, err := l.cat.TableChange(ctx, id); err != nil || now != before {
				return
			}
		case <-late.C:
			return
		}
	}
}

func (l *live) openEngine() {
	e, err := query.New(query.Options{Catalog: l.cat, Store: l.store, Tail: l, Duck: duck.Options{MemoryBytes: 256 << 20, MaxConns: 6, Threads: 2}})
	must(l.t, err)
	l.mu.Lock()
	old := l.e
	l.e = e
	l.mu.Unlock()
	if old != nil { // nobody asks it: who does holds the lock
		must(l.t, old.Close())
	}
}

// produce sends n events to a partition. Nobody asks for the truth in between.
func (l *live) produce(p int32, n int) {
	l.truth.mu.Lock()
	defer l.truth.mu.Unlock()
	var recs []*kgo.Record
	for range n {
		recs = append(recs, l.truth.next(p))
	}
	must(l.t, l.prod.ProduceSync(l.ctx, recs...).FirstErr())
	for _, r := range recs {
		l.truth.sent(r)
	}
}

// act does one thing that may change where events are.
func (l *live) act() {
	switch n := l.rng.IntN(60); {
	case n < 36:
		l.produce(int32(l.rng.IntN(l.parts)), 1+l.rng.IntN(60))
	case n < 37:
		l.lose()
	case n < 38:
		l.makeAgain()
	case n < 41:
		l.stopIn()
		l.read([]time.Duration{time.Millisecond, 20 * time.Second}[l.rng.IntN(2)])
	case n < 43:
		l.stopB()
		l.build()
	case n < 45:
		l.openEngine()
	case n < 46:
		l.cubes++
		l.apply([]string{cubeYAML, moreYAML}[l.cubes%2] + liveCuts)
	case n < 49:
		if l.kind = l.kind || l.rng.IntN(2) == 0; l.kind {
			l.define(kindYAML)
			l.requeue()
		}
	default:
		l.byHand()
	}
}

// lose has Kafka remove records that were not committed while nobody reads, those that were in memory too.
func (l *live) lose() {
	p := int32(l.rng.IntN(l.parts))
	l.stopIn()
	l.produce(p, 1+l.rng.IntN(60))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.truth.mu.Lock()
	defer l.truth.mu.Unlock()
	x := l.truth
	from := x.starts[p]
	if i := l.partition(p); i.Begun && i.Generation == x.generations[p] {
		from = max(from, i.End)
	}
	x.starts[p] = from + 1 + l.rng.Int64N(x.ends[p]-from)
	must(l.t, l.kfake.DeleteRecords("shop", p, x.starts[p]))
	x.forget("_partition = %d AND _generation = %d AND _offset >= %d AND _offset < %d", p, x.generations[p], from, x.starts[p])
	l.readLocked(20 * time.Second)
}

// makeAgain deletes the topic and makes it again: the offsets of its partitions begin at 0, in a new generation where the catalog knows the
// one before. What was not committed is gone.
func (l *live) makeAgain() {
	l.stopIn()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.truth.mu.Lock()
	defer l.truth.mu.Unlock()
	x := l.truth
	must(l.t, l.kfake.DeleteTopic("shop"))
	must(l.t, l.kfake.CreateTopic("shop", int32(l.parts), nil))
	l.prod.PurgeTopicsFromProducing("shop")
	for p := range int32(l.parts) {
		x.starts[p], x.ends[p], x.generations[p] = 0, 0, 0
		i := l.partition(p)
		if !i.Begun {
			x.forget("_partition = %d", p)
			continue
		}
		x.generations[p] = i.Generation + 1
		x.forget("_partition = %d AND (_generation > %d OR _generation = %d AND _offset >= %d)", p, i.Generation, i.Generation, i.End)
	}
	l.readLocked(20 * time.Second)
}

// partition is what the catalog knows of one; zero: nothing.
func (l *live) partition(p int32) catalog.PartitionInfo {
	list, err := l.cat.Partitions(l.ctx, l.table.ID)
	must(l.t, err)
	for _, i := range list {
		if i.Partition == p {
			return i
		}
	}
	return catalog.PartitionInfo{}
}

// requeue reads again what was quarantined.
func (l *live) requeue() {
	_, err := ingest.Requeue(l.ctx, ingest.RequeueOptions{Catalog: l.cat, Store: l.store, Project: "default", Table: "shop", Partition: -1})
	must(l.t, err)
}

// byHand asks for a build, a refresh, a merge or a drop. It may be refused: others are at work.
func (l *live) byHand() {
	name := []string{"sales", "berlin"}[l.rng.IntN(2)]
	info, err := l.cat.Cube(l.ctx, "default", name)
	must(l.t, err)
	var ready []catalog.SegmentEntry
	for s, err := range l.cat.Segments(l.ctx, catalog.SegmentQuery{CubeID: info.Cube.ID, States: []segmenter.SegmentState{segmenter.SegmentReady}}) {
		must(l.t, err)
		ready = append(ready, s)
	}
	req := builder.Request{Project: "default", Cube: name, By: "test"}
	one := func() []int64 { return []int64{ready[l.rng.IntN(len(ready))].Number} }
	switch n := l.rng.IntN(8); {
	case n < 2 || len(ready) == 0:
		_, err = l.b.Build(l.ctx, builder.BuildRequest{Request: req})
	case n < 4:
		_, err = l.b.Refresh(l.ctx, builder.RefreshRequest{Request: req, Choice: builder.Choice{Segments: one()}})
	case n < 7:
		list := append(one(), one()...)
		_, err = l.b.Merge(l.ctx, builder.MergeRequest{Request: req, Choice: builder.Choice{Segments: list}})
	default:
		_, err = l.b.Drop(l.ctx, builder.DropRequest{Request: req, Choice: builder.Choice{Segments: one()}})
	}
	var wrong *builder.RequestError
	var taken *catalog.OverlapError
	var planned *plan.OverlapError
	var replaced *catalog.ConflictError
	switch {
	case err == nil, errors.As(err, &wrong), errors.As(err, &taken), errors.As(err, &planned), errors.As(err, &replaced), errors.Is(err, plan.ErrNothingNew), errors.Is(err, catalog.ErrNotFound):
	default:
		l.t.Errorf("a request by hand: %v", err)
	}
}

// truth is what was sent, in a DuckDB.
type truth struct {
	*oracle
	mu           sync.Mutex
	events       *generator
	counts       map[int32]int   // records sent
	generations  map[int32]int32 // of each partition: that of its topic as it is now
	starts, ends map[int32]int64 // of its log
	late         int64           // events without a code
	grain        map[string][]string
	lines        []string // not in the database yet
}

func newTruth(t testing.TB, seed uint64, table *cube.Table) *truth {
	w := &world{t: t, table: table, cubes: map[string]*cube.Cube{}}
	x := &truth{
		oracle: emptyOracle(w), counts: map[int32]int{}, grain: map[string][]string{},
		generations: map[int32]int32{}, starts: map[int32]int64{}, ends: map[int32]int64{},
	}
	x.exec("ALTER TABLE shop_all ADD COLUMN _generation INTEGER")
	x.events = &generator{rng: rand.New(rand.NewPCG(seed, 4)), most: 3000}
	return x
}

// views notes what the cubes have beside the columns of the table.
func (x *truth) views(zones map[string]string) {
	for name, zone := range zones {
		def, err := cube.ParseCube([]byte(map[string]string{"sales": moreYAML, "berlin": berlinYAML}[name]), name, x.table)
		must(x.t, err)
		x.cubes[name] = def.WithDefaults()
		if x.cubes[name].TimeZone == "" {
			x.cubes[name].TimeZone = zone
		}
		x.grain[name] = x.grains(name)
	}
}

// next makes a record. One of 25 lacks its code, and has a country and a page like no other's.
func (x *truth) next(p int32) *kgo.Record {
	rec := x.events.record(x.counts[p])
	x.counts[p]++
	value := string(rec.value)
	switch {
	case rec.value == nil:
		value = "nothing"
	case x.events.rng.IntN(25) == 0:
		x.late++
		value = fmt.Sprintf(`{"ts":%d,"country":"zz","page":{"url":"/late/%d"},"bytes":1}`, rec.timestampMs*1000, x.late)
	case strings.HasSuffix(value, "}"):
		value = strings.TrimSuffix(value, "}") + `, "code":1}`
	}
	return &kgo.Record{Topic: "shop", Partition: p, Value: []byte(value)}
}

// sent notes where a record is.
func (x *truth) sent(r *kgo.Record) {
	x.ends[r.Partition] = r.Offset + 1
	if cells, ok := oracleRow(x.table, r.Value); ok {
		x.lines = append(x.lines, fmt.Sprintf("(%d, %d, make_timestamp(%d), %s, %d)", r.Partition, r.Offset, r.Timestamp.UnixMicro(), strings.Join(cells, ", "), x.generations[r.Partition]))
	}
}

// forget removes events that nobody has any more.
func (x *truth) forget(which string, args ...any) {
	x.flush()
	x.exec("DELETE FROM shop_all WHERE " + fmt.Sprintf(which, args...))
}

// flush writes the events that were sent into the database.
func (x *truth) flush() {
	for some := range slices.Chunk(x.lines, 500) {
		x.exec("INSERT INTO shop_all VALUES " + strings.Join(some, ", "))
	}
	x.lines = nil
}
