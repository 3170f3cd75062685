package verify_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/internal/testkit/catalogtest"
	"github.com/tidemarkdb/tidemark/internal/verify"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

const topicName = "events"

// tableYAML is the definition; nPath is where column n comes from.
func tableYAML(format, nPath string) string {
	return fmt.Sprintf(`
table: events
topic: events
event_time: {column: ts}
columns:
  - {name: ts, type: timestamp(ms)}
  - {name: id, type: string}
  - {name: n, path: %s, type: int64}
  - {name: price, type: "decimal(30,2)"}
  - {name: ratio, type: float64}
  - {name: ok, type: bool}
include: [key]
staging: {format: %s, roll: {rows: 40}}
on_loss: skip
`, nPath, format)
}

// site is a data folder, its catalog closed, and the broker that it was read from.
type site struct {
	t       *testing.T
	dir     string
	brokers []string
	prod    *kgo.Client
	def     *cube.Table
	base    time.Time
	n       int
}

func newSite(t *testing.T, partitions int32, format string) *site {
	t.Helper()
	_, brokers := testkit.FakeKafka(t, kfake.SeedTopics(partitions, topicName))
	s := &site{t: t, dir: t.TempDir(), brokers: brokers, base: time.UnixMilli(1_700_000_000_000)}
	s.prod = client(t, brokers)
	must(t, os.Mkdir(filepath.Join(s.dir, "store"), 0o755))
	catalogtest.Put(t, filepath.Join(s.dir, "catalog.db"))
	s.apply(tableYAML(format, "n"))
	return s
}

// client sends records to the partitions and with the timestamps they have; delivery has no time limit, which counts from
// a record's own timestamp.
func client(t *testing.T, brokers []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	return testkit.Client(t, brokers, append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RecordDeliveryTimeout(0))...)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// with opens the folder for f.
func (s *site) with(f func(*catalog.Catalog, blob.Store)) {
	s.t.Helper()
	cat, err := catalog.Open(s.t.Context(), filepath.Join(s.dir, "catalog.db"), catalog.Options{})
	must(s.t, err)
	defer func() { must(s.t, cat.Close()) }()
	st, err := blob.NewDir(filepath.Join(s.dir, "store"))
	must(s.t, err)
	f(cat, st)
}

func (s *site) apply(yaml string) {
	s.t.Helper()
	def, err := cube.ParseTable([]byte(yaml), "events.yaml")
	must(s.t, err)
	s.with(func(cat *catalog.Catalog, st blob.Store) {
		applied, err := cat.ApplyTable(s.t.Context(), def)
		must(s.t, err)
		s.def = applied.Table
		must(s.t, blob.Claim(s.t.Context(), st, cat.ID()))
		s.define(st, fmt.Sprintf("tables/%s/v%d.json", s.def.ID, s.def.Version), s.def)
	})
}

// define stores a definition as the server does.
func (s *site) define(st blob.Store, key string, def any) {
	s.t.Helper()
	text, err := json.MarshalIndent(def, "", "  ")
	must(s.t, err)
	must(s.t, blob.CreateSame(s.t.Context(), st, key, bytes.NewReader(append(text, '\n'))))
}

// ingest reads to the present end.
func (s *site) ingest() {
	s.t.Helper()
	s.with(func(cat *catalog.Catalog, st blob.Store) {
		in, err := ingest.New(ingest.Options{
			Kafka: s.kafka(), Catalog: cat, Store: st, SpoolDir: filepath.Join(s.dir, "spool"), UntilEnd: true, Interval: 20 * time.Millisecond,
		})
		must(s.t, err)
		must(s.t, in.Run(s.t.Context()))
	})
}

func (s *site) requeue() {
	s.t.Helper()
	s.with(func(cat *catalog.Catalog, st blob.Store) {
		res, err := ingest.Requeue(s.t.Context(), ingest.RequeueOptions{
			Catalog: cat, Store: st, Project: s.def.Project, Table: s.def.Name, Partition: -1,
		})
		must(s.t, err)
		if res.Requeued == 0 {
			s.t.Fatalf("nothing was requeued: %+v", res)
		}
	})
}

func (s *site) kafka() []kgo.Opt { return []kgo.Opt{kgo.SeedBrokers(s.brokers...)} }

// record makes the next event of a partition; its times do not depend on when the test runs.
func (s *site) record(partition int32) *kgo.Record {
	s.n++
	at := s.base.Add(time.Duration(s.n) * time.Second)
	return &kgo.Record{
		Topic: topicName, Partition: partition, Timestamp: at, Key: fmt.Appendf(nil, "k%d", s.n%7),
		Value: fmt.Appendf(nil, `{"ts":%d,"id":"e%d","n":%d,"nn":%d,"price":%d.25,"ratio":0.%d,"ok":%t}`,
			at.UnixMilli(), s.n, s.n, -s.n, s.n, s.n, s.n%3 == 0),
	}
}

// produce sends n events; every tenth is no JSON and every tenth has an n of a wrong type.
func (s *site) produce(partition int32, n int) {
	s.t.Helper()
	var recs []*kgo.Record
	for range n {
		r := s.record(partition)
		switch s.n % 10 {
		case 3:
			r.Value = []byte(`{"ts":`)
		case 7:
			r.Value = []byte(strings.Replace(string(r.Value), `"n":`, `"n":"x`, 1))
			r.Value = []byte(strings.Replace(string(r.Value), `,"nn"`, `","nn"`, 1))
		}
		recs = append(recs, r)
	}
	testkit.Produce(s.t, s.prod, recs...)
}

func (s *site) send(recs ...*kgo.Record) {
	s.t.Helper()
	testkit.Produce(s.t, s.prod, recs...)
}

// transaction sends records and commits or aborts them.
func transaction(t *testing.T, brokers []string, commit kgo.TransactionEndTry, recs ...*kgo.Record) {
	t.Helper()
	cl := client(t, brokers, kgo.TransactionalID(testkit.Name("tx")))
	must(t, cl.BeginTransaction())
	testkit.Produce(t, cl, recs...)
	must(t, cl.Flush(t.Context()))
	must(t, cl.EndTransaction(t.Context(), commit))
	cl.Close()
}

// deleteBelow removes what a partition has below an offset, as retention does.
func (s *site) deleteBelow(partition int32, offset int64) {
	s.t.Helper()
	var o kadm.Offsets
	o.Add(kadm.Offset{Topic: topicName, Partition: partition, At: offset})
	res, err := kadm.NewClient(s.prod).DeleteRecords(s.t.Context(), o)
	must(s.t, err)
	must(s.t, res.Error())
}

func (s *site) end(partition int32) int64 {
	s.t.Helper()
	l, err := kadm.NewClient(s.prod).ListCommittedOffsets(s.t.Context(), topicName)
	must(s.t, err)
	o, _ := l.Lookup(topicName, partition)
	return o.Offset
}

// fullSite has one of everything: files of two versions, quarantine, supplements, gaps, a loss.
func fullSite(t *testing.T, format string) *site {
	t.Helper()
	s := newSite(t, 2, format)
	s.produce(0, 100)
	s.produce(1, 50)
	transaction(t, s.brokers, kgo.TryAbort, s.record(0), s.record(0))
	transaction(t, s.brokers, kgo.TryCommit, s.record(0), s.record(0))
	s.ingest()
	s.apply(tableYAML(format, "nn"))
	s.requeue()
	s.produce(1, 10)
	s.deleteBelow(1, s.end(1))
	s.produce(0, 20)
	s.produce(1, 20)
	s.ingest()
	return s
}

// clone is a copy of the folder that may be damaged.
func (s *site) clone(t *testing.T) *site {
	t.Helper()
	c := *s
	c.t, c.dir = t, filepath.Join(t.TempDir(), "copy")
	must(t, os.CopyFS(c.dir, os.DirFS(s.dir)))
	return &c
}

func (s *site) path(key string) string { return filepath.Join(s.dir, "store", filepath.FromSlash(key)) }

// keys lists the objects of a kind: "staged/", "quarantine/", "ledger/", or "staged/" with a name that contains a word.
func (s *site) keys(prefix, word string) []string {
	s.t.Helper()
	var out []string
	s.with(func(_ *catalog.Catalog, st blob.Store) {
		for o, err := range st.List(s.t.Context(), prefix) {
			must(s.t, err)
			if strings.Contains(o.Key, word) {
				out = append(out, o.Key)
			}
		}
	})
	if len(out) == 0 {
		s.t.Fatalf("the store has no %s*%s*", prefix, word)
	}
	return out
}

// sql changes the catalog by hand, and must change something.
func (s *site) sql(statement string, args ...any) {
	s.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "catalog.db"))
	must(s.t, err)
	defer db.Close()
	res, err := db.Exec(statement, args...)
	must(s.t, err)
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		s.t.Fatalf("%s changed %d rows: %v", statement, n, err)
	}
}

func (s *site) verify(change ...func(*verify.Options)) *verify.Report {
	s.t.Helper()
	var rep *verify.Report
	s.with(func(cat *catalog.Catalog, st blob.Store) {
		o := verify.Options{Catalog: cat, Store: st, SecondReader: 100}
		for _, f := range change {
			f(&o)
		}
		ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Minute)
		defer cancel()
		var err error
		rep, err = verify.Run(ctx, o)
		must(s.t, err)
	})
	return rep
}

func (s *site) againstKafka(o *verify.Options) { o.Kafka, o.AgainstKafka = s.kafka(), true }

// clean fails where a report has problems.
func (s *site) clean(r *verify.Report) {
	s.t.Helper()
	for _, p := range r.Problems {
		s.t.Errorf("problem: %s", p)
	}
	if !r.OK && len(r.Problems) == 0 {
		s.t.Error("the report is not OK and has no problem")
	}
}

// finds fails unless a problem of one of the kinds is there; it returns the first of them.
func (s *site) finds(r *verify.Report, kinds ...verify.Kind) verify.Problem {
	s.t.Helper()
	for _, p := range r.Problems {
		if p.Do == "" || p.Table != "default/events" || p.Message == "" {
			s.t.Errorf("problem without table, message or advice: %+v", p)
		}
	}
	if i := slices.IndexFunc(r.Problems, func(p verify.Problem) bool { return slices.Contains(kinds, p.Kind) }); i >= 0 && !r.OK {
		return r.Problems[i]
	}
	s.t.Fatalf("no problem of kind %v in %v", kinds, r.Problems)
	return verify.Problem{}
}
