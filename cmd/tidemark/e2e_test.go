//go:build e2e

package main_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/pageviews"
	"github.com/tidemarkdb/tidemark/internal/testkit"
)

// site is a topic on a real Kafka with page views and their truth, and a table over it.
type site struct {
	t       *testing.T
	brokers string
	topic   string
	sums    pageviews.Sums
	sent    atomic.Int64 // records so far, to be asked while they are sent
	flags   []string     // of every command: --data, --store, --catalog
	env     []string
	data    string
	logs    string // folder that all calls are logged in; empty: none
}

// place says where a site is. The zero value of a field means its default.
type place struct {
	brokers    string   // default: the real Kafka without TLS
	partitions int32    // default 4
	flags, env []string // of every command
	staging    string   // the line of that name in the definition
	logs       string   // folder that all calls are logged in; default: none
}

// newSite makes the topic and applies the table.
func newSite(t *testing.T, at place) *site {
	t.Helper()
	s := &site{t: t, brokers: cmp.Or(at.brokers, testkit.Kafka(t)), data: t.TempDir(), flags: at.flags, env: at.env, logs: at.logs}
	s.topic = testkit.Topic(t, testkit.Client(t, []string{testkit.Kafka(t)}), cmp.Or(at.partitions, 4), nil)
	def := filepath.Join(s.data, "pageviews.yaml")
	yaml := pageviews.TableYAML("pageviews", s.topic)
	if i := strings.Index(yaml, "staging:"); at.staging != "" {
		yaml = yaml[:i] + "staging: " + at.staging + "\n"
	}
	if err := os.WriteFile(def, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run("table", "apply", "-f", def)
	return s
}

// produce sends page views of a seed to all partitions in turn, in batches, until n are sent or ctx ends.
func (s *site) produce(ctx context.Context, n int, seed uint64, opts ...kgo.Opt) {
	s.t.Helper()
	send := s.sender(seed, opts...)
	for sent := 0; sent < n && ctx.Err() == nil; {
		batch := min(2000, n-sent)
		send(batch)
		sent += batch
	}
}

// sender returns what sends the next n page views of a seed.
func (s *site) sender(seed uint64, opts ...kgo.Opt) func(n int) {
	s.t.Helper()
	opts = append([]kgo.Opt{
		kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.ProducerLinger(5 * time.Millisecond),
		kgo.ProducerBatchCompression(kgo.ZstdCompression()),
	}, opts...)
	cl := testkit.Client(s.t, []string{testkit.Kafka(s.t)}, opts...)
	g, err := pageviews.New(pageviews.Options{Seed: seed, Bad: 0.001, Late: 0.01})
	if err != nil {
		s.t.Fatal(err)
	}
	return func(n int) {
		s.t.Helper()
		batch := make([]*kgo.Record, 0, n)
		for range n {
			var ev pageviews.Event
			value := g.Append(nil, &ev)
			if ev.Null() {
				value = nil
			}
			s.sums.Add(&ev, len(value))
			batch = append(batch, &kgo.Record{Topic: s.topic, Value: value})
		}
		testkit.Produce(s.t, cl, batch...)
		s.sent.Add(int64(len(batch)))
	}
}

func (s *site) args(args ...string) []string {
	return append(append(args, "--data", s.data), s.flags...)
}

// run runs a command that must succeed and returns its standard output.
func (s *site) run(args ...string) string {
	s.t.Helper()
	out, all, code := testkit.Run(s.t, testkit.Command{Args: s.args(args...), Env: s.env, Log: s.log("commands")})
	if code != 0 {
		s.t.Fatalf("tidemark %s: exit code %d\n%s", strings.Join(args, " "), code, all)
	}
	return out
}

// log is the file of that name in the folder of logs, if there is one.
func (s *site) log(name string) string {
	if s.logs == "" {
		return ""
	}
	return filepath.Join(s.logs, name+".log")
}

func (s *site) ingest() { s.run("ingest", "--brokers", s.brokers, "--until-end", "-o", "json") }

// verify proves the tiling and compares with Kafka; its numbers must be the truth's.
func (s *site) verify() {
	s.t.Helper()
	var report struct {
		Events     int64
		Files      int64
		Exceptions map[string]int64
		Problems   []any
	}
	out := s.run("verify", "--against-kafka", "--brokers", s.brokers, "-o", "json")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &report); err != nil {
		if err = json.Unmarshal([]byte(out), &report); err != nil {
			s.t.Fatalf("verify printed %q: %v", out, err)
		}
	}
	if len(report.Problems) > 0 {
		s.t.Errorf("verify found %v", report.Problems)
	}
	if report.Events != s.sums.Events || report.Exceptions["quarantined"] != s.sums.Bad {
		s.t.Errorf("verify counts %d events and %d quarantined, sent %d and %d",
			report.Events, report.Exceptions["quarantined"], s.sums.Events, s.sums.Bad)
	}
	s.t.Logf("verify: %d events in %d files", report.Events, report.Files)
}

// files returns the committed files of the table below root, as a list in SQL. Others may lie beside them: a kill
// between upload and commit leaves one.
func (s *site) files(root string) string {
	s.t.Helper()
	var out struct {
		Ranges []struct{ File string }
		Next   string
	}
	if err := json.Unmarshal([]byte(s.run("table", "offsets", "pageviews", "--ranges", "--limit", "10000", "-o", "json")), &out); err != nil {
		s.t.Fatal(err)
	}
	if out.Next != "" {
		s.t.Fatalf("more than %d ranges", len(out.Ranges))
	}
	var files []string
	for _, r := range out.Ranges {
		files = append(files, "'"+filepath.Join(root, r.File)+"'")
	}
	return "[" + strings.Join(files, ",") + "]"
}

// duckdb reads the committed files with an engine that knows nothing of tidemark, and compares with the truth.
func (s *site) duckdb(root, format string) {
	s.t.Helper()
	db := openDuckDB(s.t)
	from := fmt.Sprintf("read_parquet(%s)", s.files(root))
	if format == "ndjson" {
		from = fmt.Sprintf("read_json(%s, format='newline_delimited')", s.files(root))
	}
	var got pageviews.Sums
	row := db.QueryRow("select count(*), sum(bytes), sum(latency_ms), count(*) filter (where is_bounce) from " + from)
	if err := row.Scan(&got.Events, asInt{&got.Bytes}, asInt{&got.LatencyMs}, &got.Bounces); err != nil {
		s.t.Fatal(err)
	}
	want := pageviews.Sums{Events: s.sums.Events, Bytes: s.sums.Bytes, LatencyMs: s.sums.LatencyMs, Bounces: s.sums.Bounces}
	if d := gocmp.Diff(want, got); d != "" {
		s.t.Errorf("sums over the staged files (-sent +read):\n%s", d)
	}
	countries := map[string]int64{}
	rows, err := db.Query("select country, count(*) from " + from + " group by 1")
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var c string
		var n int64
		if err := rows.Scan(&c, &n); err != nil {
			s.t.Fatal(err)
		}
		countries[c] = n
	}
	if d := gocmp.Diff(s.sums.ByCountry, countries); d != "" {
		s.t.Errorf("events by country (-sent +read):\n%s", d)
	}
}

// asInt scans DuckDB's hugeint sums.
type asInt struct{ to *int64 }

func (a asInt) Scan(v any) error {
	n, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
	*a.to = n
	return err
}

// download copies a store's staged files to a folder, for engines that read local files.
func download(t *testing.T, url string) string {
	t.Helper()
	st, err := blob.OpenStore(t.Context(), url, blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	local, err := blob.NewDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for o, err := range st.List(t.Context(), "staged/") {
		if err != nil {
			t.Fatal(err)
		}
		r, err := st.Open(t.Context(), o.Key, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if err := local.Create(t.Context(), o.Key, r); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Reads while events come in, is killed at random moments without a word, and has every event once in the end.
func TestE2EKilledUnderLoad(t *testing.T) {
	roll := "{roll: {rows: 20000, age: 1s}}"
	t.Run("disk and SQLite", func(t *testing.T) {
		s := newSite(t, place{staging: roll})
		s.killUnderLoad()
		s.duckdb(filepath.Join(s.data, "store"), "parquet")
	})
	t.Run("S3 and PostgreSQL", func(t *testing.T) {
		store := testkit.S3(t)
		s := newSite(t, place{staging: roll, flags: []string{"--store", store, "--catalog", testkit.Postgres(t)}})
		s.killUnderLoad()
		s.duckdb(download(t, store), "parquet")
	})
}

// killUnderLoad ends when all that was sent is committed and verified.
func (s *site) killUnderLoad() {
	s.t.Helper()
	seed := rand.Uint64()
	s.t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	rounds, least := testkit.Rounds(5, 20), int64(testkit.Rounds(0, 2_000_000))
	ctx, stop := context.WithCancel(s.t.Context())
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		s.produce(ctx, testkit.Rounds(2_000_000, 20_000_000), seed)
	}()
	kills := 0
	for ; kills < rounds || s.sent.Load() < least && !s.t.Failed(); kills++ {
		p := testkit.Start(s.t, testkit.Command{Args: s.args("serve", "--brokers", s.brokers, "--http", "127.0.0.1:0")})
		p.WaitLine(`http`)
		life := time.NewTimer(time.Duration(300+random.IntN(2500)) * time.Millisecond)
		<-life.C
		p.Kill()
	}
	stop()
	<-sent
	s.t.Logf("killed %d times while %d records came in", kills, s.sent.Load())
	s.ingest()
	s.verify()
}

// The path to NDJSON: all events once, readable by others. TestWholePath has Parquet on S3.
func TestE2EStagesNDJSON(t *testing.T) {
	s := newSite(t, place{staging: "{format: ndjson}"})
	s.produce(t.Context(), testkit.Rounds(200_000, 2_000_000), 1)
	s.ingest()
	s.verify()
	s.duckdb(filepath.Join(s.data, "store"), "ndjson")
}

// Every codec and a transaction that is aborted, through the client that reads for ever.
func TestE2ECodecsAndTransactions(t *testing.T) {
	s := newSite(t, place{partitions: 2})
	for i, codec := range []kgo.CompressionCodec{
		kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(),
	} {
		s.produce(t.Context(), 5000, uint64(10+i), kgo.ProducerBatchCompression(codec))
	}
	tx := testkit.Client(t, []string{testkit.Kafka(t)}, kgo.TransactionalID(testkit.Name("tx")))
	for _, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		if err := tx.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		g, err := pageviews.New(pageviews.Options{Seed: uint64(100)})
		if err != nil {
			t.Fatal(err)
		}
		for range 500 {
			var ev pageviews.Event
			value := g.Append(nil, &ev)
			testkit.Produce(t, tx, &kgo.Record{Topic: s.topic, Value: value})
			if end == kgo.TryCommit {
				s.sums.Add(&ev, len(value))
			}
		}
		if err := tx.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	s.ingest()
	s.verify()
}

// TLS and every SASL mechanism work; a wrong password says so at once.
func TestE2ESecureKafka(t *testing.T) {
	sec := testkit.KafkaSASL(t)
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			s := newSite(t, place{
				brokers: sec.TLS, partitions: 2, flags: []string{"--kafka-tls-ca", sec.CA, "--kafka-sasl", mechanism, "--kafka-user", sec.User},
				env: []string{"TIDEMARK_KAFKA_SASL_PASSWORD=" + sec.Password},
			})
			s.produce(t.Context(), 2000, 3)
			s.ingest()
			s.verify()
			s.env = []string{"TIDEMARK_KAFKA_SASL_PASSWORD=wrong"}
			_, all, code := testkit.Run(t, testkit.Command{Args: s.args("ingest", "--brokers", s.brokers, "--until-end"), Env: s.env})
			if code != 1 || !strings.Contains(all, "password") {
				t.Errorf("with a wrong password: exit code %d, printed %q; want 1 and a word about the password", code, all)
			}
		})
	}
}

// A record of a megabyte is an event like another; one beyond the table's limit is quarantined; neither stops reading.
// Compacted offsets are gaps.
func TestE2ELargeRecordsAndCompaction(t *testing.T) {
	s := newSite(t, place{partitions: 1})
	cl := testkit.Client(t, []string{testkit.Kafka(t)}, kgo.ProducerBatchMaxBytes(64<<20), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	adm := kadm.NewClient(cl)
	for key, value := range map[string]string{"max.message.bytes": "67108864", "cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.001"} {
		resp, err := adm.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: key, Value: &value}}, s.topic)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range resp {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
	}
	view := func(key string, size int) {
		t.Helper()
		var ev pageviews.Event
		g, err := pageviews.New(pageviews.Options{Seed: uint64(size)})
		if err != nil {
			t.Fatal(err)
		}
		value := g.Append(nil, &ev)
		pad := `,"pad":"` + strings.Repeat("x", size) + `"}`
		value = append(value[:len(value)-1], pad...)
		testkit.Produce(t, cl, &kgo.Record{Topic: s.topic, Key: []byte(key), Value: value})
		if size > 16<<20 {
			s.sums.Bad++
			return
		}
		s.sums.Add(&ev, len(value))
	}
	view("small", 10)
	view("mega", 1<<20)
	view("huge", 20<<20)
	view("last", 10)
	s.ingest()
	s.verify()
	for i := range 20 { // keys written again and again: most are compacted away
		view("again", 100+i)
	}
	before := s.sums
	testkit.Until(t, "compaction", func(ctx context.Context) error {
		view("again", 200)
		return compacted(ctx, t, s.topic)
	})
	s.sums = before
	s.ingest()
	out := s.run("table", "show", "pageviews", "-o", "json")
	if !strings.Contains(out, "gap") {
		t.Logf("table show: %s", out)
	}
	s.run("verify", "--against-kafka", "--brokers", s.brokers)
}

// compacted returns nil once records of the topic are missing between its first and last offset.
func compacted(ctx context.Context, t *testing.T, topic string) error {
	cl := testkit.Client(t, []string{testkit.Kafka(t)}, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	end, _ := ends.Lookup(topic, 0)
	n, last := int64(0), int64(-1)
	for last < end.Offset-1 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) { n++; last = r.Offset })
	}
	if n == end.Offset {
		return fmt.Errorf("all %d records are still there", n)
	}
	return nil
}
