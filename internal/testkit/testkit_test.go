package testkit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
)

// failing is a test that notes how it fails instead of failing the test it stands in.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Helper() {}

func (f *failing) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// fails runs body in a goroutine of its own, as Fatalf ends it, and returns what it failed with.
func fails(t *testing.T, body func(testing.TB)) string {
	t.Helper()
	f := &failing{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		body(f)
	}()
	<-done
	return f.said
}

func shell(t *testing.T, script string) Command {
	t.Helper()
	t.Setenv("TIDEMARK_TEST_BINARY", "/bin/sh")
	t.Setenv("TIDEMARK_DATA", "/elsewhere")
	return Command{Args: []string{"-c", script}, Env: []string{"TIDEMARK_BROKERS=given"}}
}

// What two calls say stands in one file, as it came.
func TestLog(t *testing.T) {
	c := shell(t, `echo out; exit 3`)
	c.Log = filepath.Join(t.TempDir(), "calls.log")
	for range 2 {
		Run(t, c)
	}
	text, err := os.ReadFile(c.Log)
	if want := strings.Repeat("$ tidemark -c echo out; exit 3\nout\nexit code 3\n\n", 2); err != nil || string(text) != want {
		t.Errorf("got %q, %v; want %q", text, err, want)
	}
}

func TestRun(t *testing.T) {
	stdout, all, code := Run(t, shell(t, `echo "[$TIDEMARK_DATA][$TIDEMARK_BROKERS]"; echo err >&2; printf tail; exit 3`))
	if stdout != "[][given]\ntail" || !strings.Contains(all, "err\n") || code != 3 {
		t.Errorf("got stdout %q, all %q, code %d", stdout, all, code)
	}
}

func TestWaitLine(t *testing.T) {
	p := Start(t, shell(t, `echo one; echo listening on :7 >&2; exec sleep 1000`))
	if m := p.WaitLine(`listening on :(\d+)`); m[1] != "7" {
		t.Errorf("got %q", m)
	}
	p.WaitLine("one") // lines that came before count too
	if p.Ended() {
		t.Error("ended by itself")
	}
	p.Kill()
	if code := p.Wait(); code != -1 {
		t.Errorf("code %d after kill -9, want -1", code)
	}
	p.Kill()
}

func TestWaitLineOfEndedProcess(t *testing.T) {
	c := shell(t, "echo one; exit 4")
	said := fails(t, func(f testing.TB) { Start(f, c).WaitLine("two") })
	if !strings.Contains(said, "ended with code 4") || !strings.Contains(said, `"two"`) {
		t.Errorf("said %q", said)
	}
}

func TestSignal(t *testing.T) {
	p := Start(t, shell(t, `trap 'echo bye; exit 5' INT; echo ready; while :; do sleep 0.05; done`))
	p.WaitLine("ready")
	p.Signal(syscall.SIGINT)
	p.WaitLine("bye")
	if code := p.Wait(); code != 5 {
		t.Errorf("code %d, want 5", code)
	}
}

func TestUntil(t *testing.T) {
	n := 0
	Until(t, "third question", func(context.Context) error {
		if n++; n < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if n != 3 {
		t.Errorf("asked %d times, want 3", n)
	}
}

func TestWaitHTTP(t *testing.T) {
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, "ok")
	}))
	defer srv.Close()
	if body := WaitHTTP(t, srv.URL); body != "ok" || asked.Load() != 3 {
		t.Errorf("got %q after %d questions, want ok after 3", body, asked.Load())
	}
}

func TestFakeKafka(t *testing.T) {
	NoLeaks(t)
	_, brokers := FakeKafka(t)
	roundTrip(t, brokers)
}

func TestKafka(t *testing.T) { roundTrip(t, []string{Kafka(t)}) }

func roundTrip(t *testing.T, brokers []string) {
	t.Helper()
	cl := Client(t, brokers, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	topic := Topic(t, cl, 2, map[string]string{"cleanup.policy": "compact"})
	Produce(t, cl, &kgo.Record{Topic: topic, Partition: 1, Key: []byte("k"), Value: []byte("v")})
	reader := Client(t, brokers, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {1: kgo.NewOffset().AtStart()}}))
	fetches := reader.PollFetches(t.Context())
	if err := fetches.Err(); err != nil {
		t.Fatal(err)
	}
	if r := fetches.Records(); len(r) != 1 || string(r[0].Value) != "v" || r[0].Partition != 1 {
		t.Errorf("got %v", r)
	}
}

func TestPostgres(t *testing.T) {
	conn, err := pgx.Connect(t.Context(), Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var n int
	if err := conn.QueryRow(t.Context(), "select count(*) from pg_tables where schemaname = 'public'").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d tables in a new database, %v", n, err)
	}
}

func TestS3(t *testing.T) {
	if a, b := S3(t), S3(t); a == b || !strings.HasPrefix(a, "s3://") || !strings.Contains(a, "?endpoint=") {
		t.Errorf("addresses %q and %q", a, b)
	}
}

func TestCompareMetrics(t *testing.T) {
	r := prometheus.NewRegistry()
	r.MustRegister(
		prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tidemark_x_records_total", Help: `with "quotes", labels: {a}`}, []string{"topic", "partition"}),
		prometheus.NewGauge(prometheus.GaugeOpts{Name: "tidemark_x_lag_records"}),
		prometheus.NewGauge(prometheus.GaugeOpts{Name: "tidemark_x_new_bytes"}),
		prometheus.NewGauge(prometheus.GaugeOpts{Name: "tidemark_y_other"}),
	)
	doc := "# Metrics\n" +
		"| `tidemark_x_records_total` | counter | `partition`, `topic` | records read |\n" +
		"| `tidemark_x_lag_records` | gauge | topic | lag |\n" +
		"| `tidemark_x_files` | counter | - | gone |\n" +
		"| `tidemark_z_files` | counter | - | another package's |\n"
	want := []string{
		"tidemark_x_files: counters end in _total, and nothing else does",
		"tidemark_x_files: docs/METRICS.md has it, the code does not",
		"tidemark_x_lag_records: docs/METRICS.md has labels [topic], the code []",
		"tidemark_x_new_bytes: docs/METRICS.md does not have it",
	}
	if diff := cmp.Diff(want, compareMetrics(doc, describe(r), "tidemark_x_")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
