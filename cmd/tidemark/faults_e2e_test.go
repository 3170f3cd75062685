//go:build e2e

package main_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	_ "modernc.org/sqlite"

	"github.com/tidemarkdb/tidemark/internal/pageviews"
	"github.com/tidemarkdb/tidemark/internal/testkit"
)

// serving is a running `tidemark serve`.
type serving struct {
	*testkit.Process
	t   *testing.T
	url string
}

// serve starts a process that reads the site's tables, and returns when it answers.
func (s *site) serve(more ...string) serving {
	s.t.Helper()
	args := append(s.args("serve", "--brokers", s.brokers, "--http", "127.0.0.1:0"), more...)
	p := testkit.Start(s.t, testkit.Command{Args: args, Env: s.env})
	v := serving{Process: p, t: s.t, url: p.WaitLine(`tidemark serves (http://\S+),`)[1]}
	testkit.WaitHTTP(s.t, v.url+"/healthz")
	return v
}

// line is one of /api/v1/sources.
type line struct {
	Table     string
	Partition int32
	State     string
	Reason    string
	Next      int64
	Committed int64
}

func (v serving) sources(ctx context.Context) ([]line, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url+"/api/v1/sources", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var out struct{ Sources []line }
	return out.Sources, json.NewDecoder(resp.Body).Decode(&out)
}

// until waits for sources that are as wanted.
func (v serving) until(what string, ok func([]line) bool) {
	v.t.Helper()
	testkit.Until(v.t, what, func(ctx context.Context) error {
		if v.Ended() {
			v.t.Fatalf("%s: the process has ended", what)
		}
		lines, err := v.sources(ctx)
		if err != nil {
			return err
		}
		if !ok(lines) {
			return fmt.Errorf("sources: %+v", lines)
		}
		return nil
	})
}

// says is true when a source has the state, and a reason that holds every one of the words.
func says(table, state string, words ...string) func([]line) bool {
	return func(lines []line) bool {
		for _, l := range lines {
			found := l.Table == table && l.State == state
			for _, w := range words {
				found = found && strings.Contains(l.Reason, w)
			}
			if found {
				return true
			}
		}
		return false
	}
}

// committed is true when n offsets of a table, all partitions together, are committed.
func committed(table string, n int64) func([]line) bool {
	return func(lines []line) bool {
		var sum int64
		for _, l := range lines {
			if l.Table == table {
				sum += l.Committed
			}
		}
		return sum == n
	}
}

// read is true when n offsets are read, committed or not.
func read(n int64) func([]line) bool {
	return func(lines []line) bool {
		var sum int64
		for _, l := range lines {
			sum += l.Next
		}
		return sum == n
	}
}

// all is what was sent to the site's topic.
func (s *site) all() int64 { return s.sums.Events + s.sums.Bad }

// stop ends a process with one Ctrl-C, which is a clean end.
func (v serving) stop() {
	v.t.Helper()
	v.Signal(syscall.SIGINT)
	if code := v.Wait(); code != 0 {
		v.t.Fatalf("exit code %d after Ctrl-C, want 0", code)
	}
}

// server is one of the test's own, by a script of deploy/local: it may be stopped and killed.
type server struct {
	t      *testing.T
	script string
	env    []string
}

// ports returns the first of n free ports side by side.
func ports(t *testing.T, n int) int {
	t.Helper()
	out, err := exec.Command("../../deploy/local/ports.sh", strconv.Itoa(n)).Output()
	if err != nil {
		t.Fatalf("find free ports: %v", err)
	}
	port, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func newServer(t *testing.T, script string, env ...string) server {
	t.Helper()
	s := server{t: t, script: "../../deploy/local/" + script, env: append(env, "SERVICES_RUN="+t.TempDir())}
	t.Cleanup(func() { s.run("stop") })
	s.run("start")
	return s
}

func (s server) run(verb string) {
	s.t.Helper()
	cmd := exec.Command(s.script, verb)
	cmd.Env = append(os.Environ(), s.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%s %s: %v\n%s", s.script, verb, err, out)
	}
}

// ownS3 starts an S3 server and makes it the one of this test.
func ownS3(t *testing.T) (server, string) {
	t.Helper()
	testkit.Kafka(t) // without servers there is nothing to test
	port := ports(t, 1)
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "tidemark", "AWS_SECRET_ACCESS_KEY": "tidemark-secret", "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(name, value)
	}
	s := newServer(t, "s3.sh", fmt.Sprintf("S3_PORT=%d", port), "S3_ACCESS_KEY=tidemark", "S3_SECRET_KEY=tidemark-secret")
	t.Setenv("TIDEMARK_TEST_S3", fmt.Sprintf("s3://tidemark-test/run?endpoint=http://127.0.0.1:%d&region=us-east-1&path_style=true", port))
	return s, testkit.S3(t)
}

// ownKafka starts a broker that knows ACLs (whoever is not named may do all) and makes it the one of this test. It
// returns its address for users with a password.
func ownKafka(t *testing.T) (server, string) {
	t.Helper()
	testkit.Kafka(t)
	port := ports(t, 4)
	s := newServer(t, "kafka.sh", fmt.Sprintf("KAFKA_PORT=%d", port), "KAFKA_SECURE=1", "KAFKA_USER=tidemark", "KAFKA_PASSWORD=tidemark-secret",
		"KAFKA_START_TIMEOUT=300", "KAFKA_EXTRA=authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n"+
			"super.users=User:ANONYMOUS\nallow.everyone.if.no.acl.found=true")
	t.Setenv("TIDEMARK_TEST_KAFKA", fmt.Sprintf("127.0.0.1:%d", port))
	return s, fmt.Sprintf("127.0.0.1:%d", port+3)
}

// With a wrong password serve stays up, answers, and every table says what is wrong.
func TestE2EFaultsWrongPassword(t *testing.T) {
	sec := testkit.KafkaSASL(t)
	s := newSite(t, place{
		brokers: sec.Plaintext, flags: []string{"--kafka-sasl", "SCRAM-SHA-512", "--kafka-user", sec.User},
		env: []string{"TIDEMARK_KAFKA_SASL_PASSWORD=wrong"},
	})
	v := s.serve()
	v.until("a word about the password", says("pageviews", "waiting_for_topic", "wrong user or password"))
	v.stop()
	s.env = []string{"TIDEMARK_KAFKA_SASL_PASSWORD=" + sec.Password}
	s.produce(t.Context(), 1000, 1)
	s.ingest()
	s.verify()
}

// On a broker of its own: a topic that may not be read, then the broker away for a while under a process that reads.
func TestE2EFaultsBroker(t *testing.T) {
	broker, secured := ownKafka(t)
	s := newSite(t, place{
		brokers: secured, flags: []string{"--kafka-sasl", "PLAIN", "--kafka-user", "tidemark"},
		env: []string{"TIDEMARK_KAFKA_SASL_PASSWORD=tidemark-secret"}, staging: "{roll: {rows: 1000, age: 1s}}",
	})
	locked := &site{t: t, brokers: s.brokers, flags: s.flags, env: s.env, data: s.data}
	cl := testkit.Client(t, []string{testkit.Kafka(t)})
	adm := kadm.NewClient(cl)
	locked.topic = testkit.Topic(t, cl, 1, nil)
	allow := func(user string) {
		t.Helper()
		done, err := adm.CreateACLs(t.Context(), kadm.NewACLs().Topics(locked.topic).Allow("User:"+user).AllowHosts("*").
			ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpRead, kadm.OpDescribe, kadm.OpDescribeConfigs))
		for _, r := range done {
			err = errors.Join(err, r.Err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	allow("somebody") // and so nobody else
	def := filepath.Join(t.TempDir(), "locked.yaml")
	columns, _, _ := strings.Cut(pageviews.TableYAML("locked", locked.topic), "staging:")
	if err := os.WriteFile(def, []byte(columns+"staging: {roll: {age: 1s}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run("table", "apply", "-f", def)
	locked.produce(t.Context(), 500, 1)
	s.produce(t.Context(), 5000, 2)

	v := s.serve()
	v.until("what to grant", says("locked", "waiting_for_topic", "grant it READ and DESCRIBE"))
	v.until("the other table goes on", committed("pageviews", s.all()))
	allow("tidemark")
	v.until("read once it may be", committed("locked", locked.all()))

	broker.run("stop")
	v.until("the broker is away", says("pageviews", "failing", "127.0.0.1"))
	broker.run("start")
	s.produce(t.Context(), 5000, 3)
	v.until("reads on", committed("pageviews", s.all()))
	v.until("healthy", func(lines []line) bool {
		for _, l := range lines {
			if l.State != "at_end" || l.Reason != "" {
				return false
			}
		}
		return len(lines) == 5
	})
	v.stop()
	s.sums.Events += locked.sums.Events
	s.sums.Bad += locked.sums.Bad
	s.verify()
}

// The S3 server is killed in the middle of uploads. Reading stops at its limits and says why; a stop that cannot commit
// is ended by the second Ctrl-C; once the server is back every event is there once.
func TestE2EFaultsS3Killed(t *testing.T) {
	s3, store := ownS3(t)
	s := newSite(t, place{flags: []string{"--store", store}, staging: "{roll: {rows: 1000, age: 1s}}"})
	v := s.serve()
	s.produce(t.Context(), 20_000, 1)
	v.until("first uploads", func(lines []line) bool { return !committed("pageviews", 0)(lines) })
	s3.run("crash")
	s.produce(t.Context(), 40_000, 2)
	v.until("the store is away", says("pageviews", "failing", "127.0.0.1", "connection refused"))
	s3.run("start")
	v.until("all is committed", committed("pageviews", s.all()))

	s3.run("crash")
	s.produce(t.Context(), 4000, 3)
	v.until("something to upload", func(lines []line) bool { return !read(s.all() - 4000)(lines) })
	v.Signal(syscall.SIGINT)
	v.WaitLine("stopping: what is in hand is finished and committed")
	v.Signal(syscall.SIGINT)
	v.WaitLine("ended at once: nothing is lost")
	if code := v.Wait(); code != 130 {
		t.Errorf("exit code %d after the second Ctrl-C, want 130", code)
	}
	s3.run("start")
	s.ingest()
	s.verify()
}

// asRoot runs the test again as root of a user namespace of its own, where the user is not root already, and reports whether it did: root
// of such a one may mount, and is the user outside of it.
func asRoot(t *testing.T) bool {
	t.Helper()
	if os.Getuid() == 0 {
		return false
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), "TIDEMARK_TEST_BINARY="+testkit.Binary(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit), bytes.Contains(out, []byte("--- SKIP")):
		t.Skipf("no user namespace or no mount here, and no root: %v: %s", err, out)
	case err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())):
		t.Fatalf("as root of a user namespace: %v: %s", err, out)
	}
	return true
}

// smallDisk mounts a file system of 16 MiB and returns its folder, and what fills it up until free is called. The user is root: asRoot.
func smallDisk(t *testing.T) (disk string, fill func() (free func())) {
	t.Helper()
	disk = t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Errorf("unmount %s: %v", disk, err)
		}
	})
	return disk, func() (free func()) {
		t.Helper()
		path := filepath.Join(disk, "ballast")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		block := make([]byte, 4096)
		for err == nil {
			_, err = f.Write(block)
		}
		if err = errors.Join(f.Close(), notFull(err)); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The disk that holds spool, local store and catalog is full: the process says so and lives, and goes on when there is
// room again.
func TestE2EFaultsDiskFull(t *testing.T) {
	if asRoot(t) {
		return
	}
	disk, fill := smallDisk(t)
	s := newSite(t, place{staging: "{roll: {rows: 1000, age: 1s}}"})
	def := filepath.Join(s.data, "pageviews.yaml")
	s.data = filepath.Join(disk, "data")
	s.run("table", "apply", "-f", def)
	v := s.serve()
	s.produce(t.Context(), 4000, 1)
	v.until("committed while there is room", committed("pageviews", s.all()))
	free := fill()
	before := s.all()
	s.produce(t.Context(), 4000, 2)
	v.until("the disk is full", says("pageviews", "failing", s.data, "no space left on device"))
	v.until("nothing is committed", committed("pageviews", before))
	testkit.WaitHTTP(t, v.url+"/healthz")
	free()
	v.until("goes on by itself", committed("pageviews", s.all()))
	v.stop()
	s.verify()

	free = fill()
	s.produce(t.Context(), 2000, 3)
	_, out, code := testkit.Run(t, testkit.Command{Args: s.args("serve", "--brokers", s.brokers, "--http", "127.0.0.1:0")})
	if code != 1 || !strings.Contains(out, "no space left on device") && !strings.Contains(out, "disk") {
		t.Errorf("start on a full disk: exit code %d, printed %q; want 1 and that it is full", code, out)
	}
	free()
	s.ingest()
	s.verify()
}

func notFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return nil
	}
	return err
}

// A second process on a data folder is refused with the first's pid; one Ctrl-C commits what is in hand.
func TestE2EFaultsOneFolder(t *testing.T) {
	s := newSite(t, place{staging: "{roll: {age: 10m}}"})
	v := s.serve()
	s.produce(t.Context(), 20_000, 1)
	v.until("all is read", read(s.all()))
	pid, err := os.ReadFile(filepath.Join(s.data, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	cmdline, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), "cmdline"))
	if err == nil && !strings.Contains(string(cmdline), s.data) {
		t.Errorf("process %s is %q, not the one that serves", pid, cmdline)
	}
	for _, command := range [][]string{{"serve", "--http", "127.0.0.1:0"}, {"ingest", "--until-end"}} {
		_, out, code := testkit.Run(t, testkit.Command{Args: s.args(append(command, "--brokers", s.brokers)...)})
		if want := "is in use by process " + strings.TrimSpace(string(pid)); code != 1 || !strings.Contains(out, want) {
			t.Errorf("%s: exit code %d, printed %q; want 1 and %q", command[0], code, out, want)
		}
	}
	v.until("nothing was rolled yet", committed("pageviews", 0))
	v.stop()
	s.verify() // nothing was read since: the stop has committed it all
}

// A catalog that a newer program has changed is refused by every command, and not touched.
func TestE2EFaultsNewerCatalog(t *testing.T) {
	s := newSite(t, place{})
	db, err := sql.Open("sqlite", filepath.Join(s.data, "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("insert into schema_versions (version_id, is_applied) values (999, true)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"serve", "--http", "127.0.0.1:0", "--brokers", s.brokers}, {"table", "list"}, {"verify"}} {
		_, out, code := testkit.Run(t, testkit.Command{Args: s.args(command...)})
		if code != 1 || !strings.Contains(out, "999") || !strings.Contains(out, "newer") || strings.Contains(out, "goroutine") {
			t.Errorf("%s: exit code %d, printed %q; want 1, the version 999 and that it is newer", command[0], code, out)
		}
	}
}

// Seconds where milliseconds were declared: quarantined with the hint, and events once the definition is mended.
func TestE2EFaultsSecondsForMilliseconds(t *testing.T) {
	s := &site{t: t, brokers: testkit.Kafka(t), data: t.TempDir()}
	cl := testkit.Client(t, []string{s.brokers})
	s.topic = testkit.Topic(t, cl, 1, nil)
	apply := func(unit string) {
		t.Helper()
		def := filepath.Join(t.TempDir(), "clicks.yaml")
		text := fmt.Sprintf("table: clicks\ntopic: %s\nevent_time: {column: ts}\ncolumns:\n  - {name: ts, type: timestamp(%s)}\n  - {name: n, type: int64}\n", s.topic, unit)
		if err := os.WriteFile(def, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.run("table", "apply", "-f", def)
	}
	wants := func(what, out string, words ...string) {
		t.Helper()
		for _, w := range words {
			if !strings.Contains(out, w) {
				t.Errorf("%s printed %q, which does not say %q", what, out, w)
			}
		}
	}
	apply("ms")
	now := time.Now().Unix()
	for i := range 100 {
		testkit.Produce(t, cl, &kgo.Record{Topic: s.topic, Value: fmt.Appendf(nil, `{"ts":%d,"n":%d}`, now, i)})
	}
	testkit.Produce(t, cl, &kgo.Record{Topic: s.topic, Value: []byte(`{"ts":`)})
	s.ingest()
	s.sums.Bad = 101
	s.verify()
	wants("quarantine list", s.run("quarantine", "list", "clicks", "--reason", "event_time_range"), "use timestamp(s)", "of 101 quarantined")
	wants("quarantine show", s.run("quarantine", "show", "clicks", "0", "7"), "event_time_range", fmt.Sprintf(`{"ts":%d,"n":7}`, now))
	wants("quarantine requeue", s.run("quarantine", "requeue", "clicks"), "0 requeued, 101 still unreadable")
	apply("s")
	wants("a dry run", s.run("quarantine", "requeue", "clicks", "--dry-run"), "100 would be requeued")
	wants("quarantine requeue", s.run("quarantine", "requeue", "clicks"), "100 requeued, 1 still unreadable")
	s.sums.Events, s.sums.Bad = 100, 1
	s.verify()
	wants("a second requeue", s.run("quarantine", "requeue", "clicks"), "0 requeued, 1 still unreadable")
	testkit.Produce(t, cl, &kgo.Record{Topic: s.topic, Value: fmt.Appendf(nil, `{"ts":%d,"n":100}`, now)})
	s.ingest()
	s.sums.Events++
	s.verify()
	wants("quarantine list", s.run("quarantine", "list", "clicks"), "truncated", "1 shown of 1 quarantined")
	var sum int64
	db := openDuckDB(t)
	row := db.QueryRow(fmt.Sprintf("select sum(n) from read_parquet('%s/store/staged/*/*/*.parquet', union_by_name=true)", s.data))
	if err := row.Scan(asInt{&sum}); err != nil || sum != 5050 {
		t.Errorf("sum of n over staged and supplement files: %d, %v; want 5050", sum, err)
	}
}

func openDuckDB(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// Two processes share a table's partitions over one catalog and one store while events come in. One is killed and comes
// back, the other leaves: every offset is in exactly one committed file.
func TestE2EFaultsRebalance(t *testing.T) {
	store := t.TempDir()
	s := newSite(t, place{partitions: 6, flags: []string{"--catalog", testkit.Postgres(t), "--store", store}, staging: "{roll: {rows: 5000, age: 1s}}"})
	other := &site{t: t, brokers: s.brokers, flags: s.flags, data: t.TempDir()}
	ctx, cancel := context.WithCancel(t.Context())
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		s.produce(ctx, testkit.Rounds(3_000_000, 20_000_000), 1)
	}()
	owns := func(n int) func([]line) bool {
		return func(lines []line) bool {
			return len(lines) == n && lines[0].Partition >= 0 && !committed("pageviews", 0)(lines)
		}
	}
	a := s.serve()
	a.until("one process reads all", owns(6))
	b := other.serve()
	b.until("the second gets its share", owns(3))
	a.until("the first keeps its share", owns(3))
	b.Kill()
	b = other.serve()
	b.until("it is back", owns(3))
	a.stop()
	b.until("it reads all", owns(6))
	cancel()
	<-sent
	b.until("all is committed", committed("pageviews", s.all()))
	b.stop()
	s.verify()
	s.noOffsetTwice(store)
}

// noOffsetTwice asks DuckDB whether the committed files hold an offset twice.
func (s *site) noOffsetTwice(store string) {
	s.t.Helper()
	var n, distinct int64
	row := openDuckDB(s.t).QueryRow(`select count(*), count(distinct (regexp_extract(filename, '/(\d+)/[^/]*$', 1), _offset))
		from read_parquet(` + s.files(store) + `, filename=true)`)
	if err := row.Scan(&n, &distinct); err != nil {
		s.t.Fatal(err)
	}
	if n != distinct || n != s.sums.Events {
		s.t.Errorf("%d rows with %d distinct offsets in the committed files, sent %d", n, distinct, s.sums.Events)
	}
}
