//go:build synctests

package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit/catalogtest"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// memNet is a network inside the test's bubble: a goroutine that waits on it lets virtual time pass, which one that
// waits on a socket does not.
type memNet struct {
	mu        sync.Mutex // guards listeners
	listeners map[string]*memListener
	next      int
	down      bool
	conns     map[net.Conn]bool
}

type memListener struct {
	net  *memNet
	addr memAddr
	in   chan net.Conn
	done chan struct{}
	once sync.Once
}

type memAddr string

func (memAddr) Network() string  { return "tcp" }
func (a memAddr) String() string { return string(a) }

func (n *memNet) listen(_, _ string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next++
	l := &memListener{net: n, addr: memAddr(fmt.Sprintf("127.0.0.1:%d", 20000+n.next)), in: make(chan net.Conn), done: make(chan struct{})}
	if n.listeners == nil {
		n.listeners, n.conns = map[string]*memListener{}, map[net.Conn]bool{}
	}
	n.listeners[string(l.addr)] = l
	return l, nil
}

func (n *memNet) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	n.mu.Lock()
	l, down := n.listeners[addr], n.down
	n.mu.Unlock()
	if l == nil || down {
		return nil, errors.New("connection refused")
	}
	ours, theirs := net.Pipe()
	select {
	case l.in <- addrConn{theirs, l.addr}:
		n.mu.Lock()
		n.conns[ours] = true
		n.mu.Unlock()
		return addrConn{ours, l.addr}, nil
	case <-l.done:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// cut breaks all connections and refuses new ones until heal.
func (n *memNet) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = true
	for c := range n.conns {
		_ = c.Close()
	}
	clear(n.conns)
}

func (n *memNet) heal() {
	n.mu.Lock()
	n.down = false
	n.mu.Unlock()
}

// addrConn is a pipe that has the address of its listener.
type addrConn struct {
	net.Conn
	addr memAddr
}

func (c addrConn) LocalAddr() net.Addr  { return c.addr }
func (c addrConn) RemoteAddr() net.Addr { return c.addr }

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.in:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *memListener) Addr() net.Addr { return l.addr }
func (l *memListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }

const worldTable = `
table: events
topic: events
event_time: {column: ts, lateness: 1m}
columns:
  - {name: ts, type: timestamp(ms)}
  - {name: id, type: string}
  - {name: n, type: int64}
staging: {roll: {rows: 100, age: 10s}}
on_loss: skip
`

// world is a broker, a catalog and a store in one bubble of virtual time.
type world struct {
	t       *testing.T
	net     *memNet
	cluster *kfake.Cluster
	cat     *catalog.Catalog
	mem     *blob.Mem
	dir     string
	def     *cube.Table
	prod    *kgo.Client
	sent    map[int32]map[int64]string // by partition and offset: the id, or "" for an unreadable record
	n       int
}

func newWorld(t *testing.T, partitions int32, yaml string) *world {
	t.Helper()
	w := &world{t: t, net: new(memNet), mem: new(blob.Mem), dir: t.TempDir(), sent: map[int32]map[int64]string{}}
	var err error
	w.cluster, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.ListenFn(w.net.listen), kfake.SeedTopics(partitions, "events"))
	w.must(err)
	t.Cleanup(w.cluster.Close)
	w.cat, err = catalog.Open(t.Context(), catalogtest.Put(t, filepath.Join(w.dir, "catalog.db")), catalog.Options{})
	w.must(err)
	t.Cleanup(func() { w.must(w.cat.Close()) })
	def, err := cube.ParseTable([]byte(yaml), "events.yaml")
	w.must(err)
	applied, err := w.cat.ApplyTable(t.Context(), def)
	w.must(err)
	w.def = applied.Table
	w.prod, err = kgo.NewClient(append(w.kafka(), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	w.must(err)
	t.Cleanup(w.prod.Close)
	return w
}

func (w *world) kafka() []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(w.cluster.ListenAddrs()...), kgo.Dialer(w.net.dial)}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// produce sends n events to a partition; every bad-th of them is rubbish (0: none).
func (w *world) produce(partition int32, n, bad int) {
	w.t.Helper()
	for range n {
		w.n++
		id := fmt.Sprintf("e%d", w.n)
		value := fmt.Sprintf(`{"ts":%d,"id":%q,"n":%d}`, time.Now().UnixMilli(), id, w.n)
		if bad > 0 && w.n%bad == 0 {
			id, value = "", `{"ts":`
		}
		w.send(partition, id, []byte(value))
	}
}

func (w *world) send(partition int32, id string, value []byte) {
	w.t.Helper()
	r, err := w.prod.ProduceSync(w.t.Context(), &kgo.Record{Topic: "events", Partition: partition, Value: value}).First()
	w.must(err)
	if w.sent[partition] == nil {
		w.sent[partition] = map[int64]string{}
	}
	w.sent[partition][r.Offset] = id
}

func (w *world) options(change ...func(*ingest.Options)) ingest.Options {
	o := ingest.Options{Kafka: w.kafka(), Catalog: w.cat, Store: w.mem, SpoolDir: filepath.Join(w.dir, "spool"), Owner: "test"}
	if testing.Verbose() {
		o.Logger = slog.New(slog.NewTextHandler(w.t.Output(), nil))
	}
	for _, f := range change {
		f(&o)
	}
	return o
}

// readToEnd runs an ingester until the present ends.
func (w *world) readToEnd(change ...func(*ingest.Options)) {
	w.t.Helper()
	o := w.options(change...)
	o.UntilEnd = true
	in, err := ingest.New(o)
	w.must(err)
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Minute)
	defer cancel()
	w.must(in.Run(ctx))
	if ctx.Err() != nil {
		w.t.Fatalf("not at the end after ten minutes: %+v", in.Sources())
	}
}

// start runs an ingester beside the test; stop ends it clean.
func (w *world) start(change ...func(*ingest.Options)) (in *ingest.Ingester, stop func()) {
	w.t.Helper()
	in, err := ingest.New(w.options(change...))
	w.must(err)
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	return in, sync.OnceFunc(func() {
		cancel()
		w.must(<-done)
	})
}

// committed is what the ledger and the staged files say, by partition and generation.
type committed map[string]map[int64]string

// check reads every staged file and compares with what was sent: each offset once, as an event or as quarantined, with
// nothing missing below the last commit.
func (w *world) check(wantAll bool) {
	w.t.Helper()
	rows, got := w.ledger()
	if problems := segmenter.CheckTiling(rows); len(problems) > 0 {
		w.t.Errorf("ledger does not tile: %v", problems)
	}
	for p, sent := range w.sent {
		have := got[fmt.Sprintf("%d.0", p)]
		for _, off := range slices.Sorted(maps.Keys(sent)) {
			id, ok := have[off]
			switch {
			case !ok && wantAll:
				w.t.Errorf("partition %d offset %d is not committed", p, off)
			case ok && id != sent[off]:
				w.t.Errorf("partition %d offset %d: got %q, sent %q", p, off, id, sent[off])
			}
		}
		for off := range have {
			if _, ok := sent[off]; !ok {
				w.t.Errorf("partition %d offset %d was never sent", p, off)
			}
		}
	}
}

// ledger returns all rows and, by "partition.generation", the id of each offset read.
func (w *world) ledger() ([]segmenter.LedgerRow, committed) {
	w.t.Helper()
	got := committed{}
	var rows []segmenter.LedgerRow
	for e, err := range w.cat.Ledger(w.t.Context(), catalog.LedgerQuery{TableID: w.def.ID, Partition: -1}) {
		w.must(err)
		rows = append(rows, e.LedgerRow)
		line := fmt.Sprintf("%d.%d", e.Range.Partition, e.Range.Generation)
		if got[line] == nil {
			got[line] = map[int64]string{}
		}
		add := func(off int64, id string) {
			if old, twice := got[line][off]; twice {
				w.t.Errorf("%s offset %d is there twice: %q and %q", line, off, old, id)
			}
			got[line][off] = id
		}
		for _, x := range e.Exceptions {
			for off := x.Start; x.Kind == segmenter.Quarantined && off < x.End; off++ {
				add(off, "")
			}
		}
		if e.File != nil {
			w.readFile(e.File.Key, add)
		}
		for _, s := range e.Supplements {
			w.readFile(s.File.Key, add)
		}
	}
	return rows, got
}

func (w *world) readFile(key string, add func(int64, string)) {
	w.t.Helper()
	r, err := stage.Open(w.t.Context(), w.mem, key, -1)
	w.must(err)
	defer r.Close()
	f := r.Schema().Field("id")
	for g := range r.Groups() {
		c, err := r.Read(w.t.Context(), g, []int{f})
		w.must(err)
		for i, off := range c.Offsets {
			add(off, string(c.Columns[f].Bytes(i)))
		}
	}
}

// state returns the one word that all sources share, or all of them.
func states(in *ingest.Ingester) string {
	seen := map[string]bool{}
	for _, s := range in.Sources() {
		seen[string(s.State)] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(seen)), ",")
}

func (w *world) admin() *kadm.Client { return kadm.NewClient(w.prod) }
