//go:build e2e

package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/auth"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/pageviews"
	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// path is all of tidemark on real servers: page views in Kafka, staged files on S3, the catalog in PostgreSQL, a cube on S3
// and one in HBase, one process that reads, builds and answers, and somebody who asks it.
type path struct {
	*cubed
	*person
	store string
	done  *[]string // a line for each stage
}

// person is who asks, and how.
type person struct {
	user, password string
	cert           string // what is trusted; empty: no TLS
}

// question is one that only one of the two cubes can answer.
type question struct {
	cube, sql string
	total     func(*pageviews.Sums) int64 // of its last column
}

func questions() []question {
	const sql = "SELECT country, count(*), sum(%s) FROM pageviews GROUP BY country ORDER BY country"
	return []question{
		{inFiles, fmt.Sprintf(sql, "bytes"), func(s *pageviews.Sums) int64 { return s.Bytes }},
		{inHBase, fmt.Sprintf(sql, "latency_ms"), func(s *pageviews.Sums) int64 { return s.LatencyMs }},
	}
}

// The whole path, once open on loopback with a plain Kafka, once with SASL_SSL, users and TLS. The process is killed as it
// reads, as it builds and as it fills holes; every event is there once in the end, whoever asks.
func TestWholePath(t *testing.T) {
	testkit.Binary(t) // whose build is no stage
	var done []string
	for _, name := range []string{"plain", "sasl_ssl"} {
		t.Run(name, func(t *testing.T) {
			done = append(done, name)
			began := time.Now()
			p := newPath(t, name, &done)
			p.walk()
			done = append(done, fmt.Sprintf("  %-14s %6.1fs", "all", time.Since(began).Seconds()))
		})
	}
	t.Logf("stages of the whole path:\n%s", strings.Join(done, "\n"))
}

// stage does a part of the path and says how long it took. The first that fails is the last.
func (p *path) stage(name string, do func()) {
	p.t.Helper()
	began := time.Now()
	defer func() {
		took, word := time.Since(began).Seconds(), ""
		if p.t.Failed() {
			word = " FAILED"
			p.examine()
		}
		p.t.Logf("stage %s %.1fs%s", name, took, word)
		*p.done = append(*p.done, fmt.Sprintf("  %-14s %6.1fs%s", name, took, word))
	}()
	do()
	if p.t.Failed() {
		p.t.FailNow()
	}
}

// examine asks doctor why nothing moves, while the process that has failed is still there, and leaves what it says with the logs.
func (p *path) examine() {
	p.t.Helper()
	if p.data == "" {
		return // there is nothing yet that could be asked
	}
	bundle := filepath.Join(p.logs, "support.tar.gz")
	if err := os.Remove(bundle); err != nil && !os.IsNotExist(err) { // of an earlier run
		p.t.Error(err)
	}
	_, all, code := testkit.Run(p.t, testkit.Command{Args: p.args("doctor", "--bundle", bundle), Env: p.env, Log: p.log("doctor")})
	if _, err := os.Stat(bundle); err != nil {
		p.t.Errorf("doctor left no bundle: exit code %d\n%s", code, all)
	}
}

// logsOf is the folder that everything of a run is logged in. It is with the logs of the servers where there are any, and
// else stays if the run fails.
func logsOf(t *testing.T, name string) string {
	t.Helper()
	dir, kept := filepath.Join(os.Getenv("TIDEMARK_TEST_LOGS"), "path", name), true
	switch run := os.Getenv("SERVICES_RUN"); {
	case run != "":
		dir = filepath.Join(run, "logs", "path", name)
	case os.Getenv("TIDEMARK_TEST_LOGS") == "":
		dir, kept = filepath.Join(os.TempDir(), testkit.Name("tidemark-path")), false
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("logs are in %s", dir)
		} else if !kept {
			os.RemoveAll(dir)
		}
	})
	return dir
}

func newPath(t *testing.T, name string, done *[]string) *path {
	t.Helper()
	p := &path{cubed: &cubed{site: &site{t: t}}, person: &person{user: "ADMIN", password: "KYLIN"}, store: testkit.S3(t), done: done}
	p.stage("hbase", func() { hbaseServer(t, "start") })
	at := place{staging: "{roll: {rows: 5000, age: 1s}}", logs: logsOf(t, name), flags: []string{
		"--store", p.store, "--catalog", testkit.Postgres(t), "--hbase-quorum", os.Getenv("TIDEMARK_TEST_HBASE"),
		"--hbase-prefix", fmt.Sprintf("path%s%d", strings.ReplaceAll(name, "_", ""), os.Getpid()),
	}}
	var more []string
	if name == "sasl_ssl" {
		sec := testkit.KafkaSASL(t)
		at.brokers = sec.TLS
		at.flags = append(at.flags, "--kafka-tls-ca", sec.CA, "--kafka-sasl", "SCRAM-SHA-512", "--kafka-user", sec.User)
		at.env = []string{"TIDEMARK_KAFKA_SASL_PASSWORD=" + sec.Password}
		users := filepath.Join(t.TempDir(), "users.yaml")
		if err := auth.Edit(users, func(f *auth.File) error { return f.Add("ann", annsPassword, false) }); err != nil {
			t.Fatal(err)
		}
		cert, key := testkit.Certificate(t)
		p.person = &person{"ann", annsPassword, cert}
		more = []string{"--auth-file", users, "--tls-cert", cert, "--tls-key", key}
	}
	p.stage("apply", func() {
		p.cubed = &cubed{site: newSite(t, at), more: more, client: p.http(t)}
		for cube, lines := range map[string]string{inFiles: "measures: [count, sum(bytes)]\n", inHBase: "store: hbase\nmeasures: [count, sum(latency_ms)]\n"} {
			def := filepath.Join(t.TempDir(), "cube.yaml")
			text := "cube: " + cube + "\ntable: pageviews\ndimensions: [hour(ts), country, section, device_type]\n" + lines +
				"cut: {manual: true, rows_per_build: 30000}\nmerge: {manual: true}\nfill_holes: false\n"
			if err := os.WriteFile(def, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			p.run("cube", "apply", "-f", def)
		}
	})
	return p
}

func (p *path) walk() {
	p.stage("ingest", p.readWhileKilled)
	p.stage("staged", func() { p.duckdb(download(p.t, p.store), "parquet") })
	p.stage("build", p.buildWhileKilled)
	p.stage("curl", p.curls)
	p.stage("psql", p.psqls)
	p.stage("kylinpy", p.kylinpys)
	p.stage("kylin-jdbc", p.kylinJDBC)
	p.stage("kylin stop", p.kylinStop)
	if p.cert != "" {
		p.stage("strangers", p.strangers)
	}
	p.stage("merge", p.merge)
	p.stage("asked again", func() { p.curls(); p.psqls() })
	p.stage("holes", p.holesFilled)
	p.stage("asked again", func() { p.curls(); p.psqls(); p.kylinpys() })
	p.stage("stop", p.end)
	p.stage("verify", func() { p.verify() })
}

// readWhileKilled ends when all that was sent is staged. The process is killed twice as events come in.
func (p *path) readWhileKilled() {
	const rounds, batch = 30, 3000
	p.start()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		pause := time.NewTicker(150 * time.Millisecond)
		defer pause.Stop()
		for i := range rounds {
			p.produce(p.t.Context(), batch, uint64(i+1))
			<-pause.C
		}
	}()
	for _, part := range []int64{5, 2} {
		testkit.Until(p.t, "a part is read", func(ctx context.Context) error {
			n, err := p.committed(ctx)
			if err == nil && n < rounds*batch/part {
				err = fmt.Errorf("%d offsets are committed", n)
			}
			return err
		})
		p.p.Kill()
		p.t.Logf("killed when %d were sent", p.sent.Load())
		p.start()
	}
	<-sent
	p.read()
}

// buildWhileKilled makes four segments of each cube. The process is killed while the first three are built.
func (p *path) buildWhileKilled() {
	var jobs []int64
	for _, cube := range []string{inFiles, inHBase} {
		r := p.post(p.t.Context(), "/cubes/"+cube+"/segments", "{}", "")
		if r.err != nil || len(r.Jobs) == 0 {
			p.t.Fatalf("build %s: %d %s (%v)", cube, r.status, r.text, r.err)
		}
		for _, j := range r.Jobs {
			jobs = append(jobs, j.ID)
		}
	}
	testkit.Until(p.t, "a job runs", func(ctx context.Context) error {
		var running struct{ Jobs []struct{ ID int64 } }
		err := p.ask(ctx, "/jobs?state=running", &running)
		if err == nil && len(running.Jobs) == 0 {
			err = fmt.Errorf("of %v none runs", jobs)
		}
		return err
	})
	p.p.Kill()
	if n := len(p.ready(inFiles)) + len(p.ready(inHBase)); n >= len(jobs) {
		p.t.Errorf("all %d segments were ready before the process was killed: nothing was tested", n)
	}
	p.start()
	for _, id := range jobs {
		p.job(id, "finished")
	}
	p.whole(3)
	p.produce(p.t.Context(), 6000, 100)
	p.read()
	for _, cube := range []string{inFiles, inHBase} {
		p.run("segment", "build", cube, "--wait")
	}
	p.whole(4)
}

// ready lists the ready segments of a cube in the order of their offsets.
func (p *path) ready(cube string) []segmentLine {
	p.t.Helper()
	return (&stores{p.cubed}).ready(cube)
}

// whole waits until each cube has n segments, all of them ready; then they must hold all events and lie where they should.
func (p *path) whole(n int) {
	p.t.Helper()
	st, err := blob.OpenStore(p.t.Context(), p.store, blob.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, cube := range []string{inFiles, inHBase} {
		testkit.Until(p.t, fmt.Sprintf("%d segments of %s", n, cube), func(ctx context.Context) error {
			var list segmentLines
			err := p.ask(ctx, "/cubes/"+cube+"/segments?state=new,ready", &list)
			if err == nil && (len(list.Segments) != n || slices.ContainsFunc(list.Segments, func(s segmentLine) bool { return s.State != "ready" || s.Stale })) {
				err = fmt.Errorf("segments %v", list.Segments)
			}
			return err
		})
		at, events := map[string]int64{"0": 0, "1": 0, "2": 0, "3": 0}, int64(0)
		list := p.ready(cube)
		for _, s := range list {
			if !maps.Equal(s.Start, at) {
				p.t.Errorf("%s: %s begins at %v; the one before it ends at %v", cube, s, s.Start, at)
			}
			at, events = s.End, events+s.Events
			p.lies(st, s, cube == inHBase)
		}
		if len(list) != n || offsetSum(at) != p.all() || events != p.sums.Events {
			p.t.Errorf("%s: %d segments end at %v with %d events; want %d with %d offsets and %d events", cube, len(list), at, events, n, p.all(), p.sums.Events)
		}
	}
}

// lies wants the cells of a segment in HBase, or beside its manifest on S3.
func (p *path) lies(st blob.Store, s segmentLine, inHBase bool) {
	p.t.Helper()
	r, err := st.Open(p.t.Context(), s.Path+"/"+segmenter.ManifestName, 0, -1)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		p.t.Fatal(err)
	}
	m, err := segmenter.DecodeManifest(text)
	if err != nil {
		p.t.Fatal(err)
	}
	if (m.Stored != nil) != inHBase || (len(m.Files) == 0) != inHBase || len(m.Cuboids) == 0 {
		p.t.Errorf("%s has %d cuboids in %+v and %d files; want them in hbase: %t", s, len(m.Cuboids), m.Stored, len(m.Files), inHBase)
	}
}

// merge makes one segment of the first two of each cube.
func (p *path) merge() {
	for _, cube := range []string{inFiles, inHBase} {
		list := p.ready(cube)
		p.run("segment", "merge", cube, fmt.Sprint(list[0].Number), fmt.Sprint(list[1].Number), "--wait")
	}
	p.whole(3)
}

// holesFilled drops the segment in the middle, asks while it is missing, and has it filled; the process is killed meanwhile.
func (p *path) holesFilled() {
	for _, cube := range []string{inFiles, inHBase} {
		gone := p.ready(cube)[1]
		p.run("segment", "drop", cube, fmt.Sprint(gone.Number))
		var out struct {
			Holes []struct{ Start, End map[string]int64 }
		}
		text := p.run("segment", "holes", cube, "-o", "json")
		if err := json.Unmarshal([]byte(text), &out); err != nil || len(out.Holes) != 1 {
			p.t.Fatalf("segment holes printed %q: %v", text, err)
		}
		if d := gocmp.Diff([]map[string]int64{gone.Start, gone.End}, []map[string]int64{out.Holes[0].Start, out.Holes[0].End}); d != "" {
			p.t.Errorf("the hole of %s (-dropped +listed):\n%s", cube, d)
		}
	}
	p.asked(false)
	for _, cube := range []string{inFiles, inHBase} {
		p.run("segment", "holes", cube, "--fill")
	}
	p.p.Kill()
	p.start()
	p.whole(3)
}
