//go:build e2e

package main_test

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/pageviews"
	"github.com/tidemarkdb/tidemark/internal/testkit"
)

// byHand leaves all to requests.
const byHand = "cut: {manual: true}\nmerge: {manual: true}\nfill_holes: false\n"

// cubed is a site with a cube over its table, and the process that reads and builds.
type cubed struct {
	*site
	random *rand.Rand
	reads  string       // the partitions that its process reads; empty: all
	more   []string     // flags of its process alone
	client *http.Client // asks it; nil: as nobody, without TLS
	p      *testkit.Process
	url    string
	pg     string // host and port of PostgreSQL's protocol
}

// newCubed makes the cube; rules are its lines on when segments are cut and merged.
func newCubed(t *testing.T, at place, rules string) *cubed {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	c := &cubed{site: newSite(t, at), random: rand.New(rand.NewPCG(seed, 1))}
	c.applyCube(rules)
	return c
}

const cubeName = "views"

func (c *cubed) applyCube(rules string) {
	c.t.Helper()
	def := filepath.Join(c.t.TempDir(), "cube.yaml")
	text, _, _ := strings.Cut(pageviews.CubeYAML(cubeName, "pageviews"), "cut:")
	// All of its 255 cuboids of each small segment would be most of the work, and of a small disk.
	small := strings.Replace(text, "groups:\n  - ", "groups:\n  - dim_cap: 2\n    ", 1)
	if small == text {
		c.t.Fatalf("the definition has no groups to be capped:\n%s", text)
	}
	if err := os.WriteFile(def, []byte(small+rules), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.run("cube", "apply", "-f", def)
}

// start starts a process that reads and builds, and returns when it answers.
func (c *cubed) start() {
	c.t.Helper()
	args := c.args("serve", "--brokers", c.brokers, "--http", "127.0.0.1:0")
	if c.reads != "" {
		args = append(args, "--partitions", c.reads)
	}
	c.p = testkit.Start(c.t, testkit.Command{Args: append(args, c.more...), Env: c.env, Log: c.log("serve")})
	m := c.p.WaitLine(`tidemark serves (https?://\S+), postgres://([0-9.:]+)/default`)
	c.url, c.pg = m[1], m[2]
	testkit.Until(c.t, "the process answers", func(ctx context.Context) error { return c.ask(ctx, "/version", &struct{}{}) })
}

// do sends a request to the process.
func (c *cubed) do(r *http.Request) (*http.Response, error) {
	if c.client == nil {
		return http.DefaultClient.Do(r)
	}
	return c.client.Do(r)
}

// crash kills the process at some moment within most, without a word, and starts it again.
func (c *cubed) crash(most time.Duration) {
	c.t.Helper()
	life := time.NewTimer(time.Duration(c.random.Int64N(int64(most))))
	<-life.C
	c.p.Kill()
	c.start()
}

// end is a clean stop, by one Ctrl-C.
func (c *cubed) end() {
	c.t.Helper()
	c.p.Signal(syscall.SIGINT)
	if code := c.p.Wait(); code != 0 {
		c.t.Fatalf("exit code %d after Ctrl-C, want 0", code)
	}
}

// segmentLine is one of `segment list -o json`.
type segmentLine struct {
	Cube, ID, Path, State string
	Number                int64
	Start, End            map[string]int64
	MinTime               *time.Time `json:"min_time"`
	MaxTime               *time.Time `json:"max_time"`
	Events                int64
	Stale                 bool
	Reason                string
}

func (s segmentLine) String() string {
	return fmt.Sprintf("segment %d, %s, %v to %v, %d events (%s)", s.Number, s.State, s.Start, s.End, s.Events, s.Reason)
}

// sum of offsets over partitions: what Kylin names places by.
func offsetSum(at map[string]int64) (n int64) {
	for _, o := range at {
		n += o
	}
	return n
}

type segmentLines struct{ Segments []segmentLine }

// segments lists those in a state by the command line, in the order of their offsets. What it prints is JSON alone.
func (c *cubed) segments(state string, flags ...string) []segmentLine {
	c.t.Helper()
	var out segmentLines
	text := c.run(append([]string{"segment", "list", cubeName, "--state", state, "-o", "json"}, flags...)...)
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		c.t.Fatalf("segment list printed %q: %v", text, err)
	}
	return inOrder(out.Segments)
}

func inOrder(list []segmentLine) []segmentLine {
	slices.SortFunc(list, func(a, b segmentLine) int {
		return cmp.Or(cmp.Compare(offsetSum(a.Start), offsetSum(b.Start)), cmp.Compare(offsetSum(a.End), offsetSum(b.End)))
	})
	return list
}

// ask reads an answer of /api/v1.
func (c *cubed) ask(ctx context.Context, path string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/api/v1"+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// committed is how many offsets of the table the process has read and committed.
func (c *cubed) committed(ctx context.Context) (sum int64, err error) {
	var out struct{ Sources []struct{ Committed int64 } }
	err = c.ask(ctx, "/sources", &out)
	for _, s := range out.Sources {
		sum += max(s.Committed, 0)
	}
	return sum, err
}

// merged waits until a merge has taken the place of segments.
func (c *cubed) merged() {
	c.t.Helper()
	testkit.Until(c.t, "a merge", func(ctx context.Context) error {
		var jobs struct {
			Jobs []struct{ Kind string }
		}
		err := c.ask(ctx, "/jobs?state=finished&limit=10000", &jobs)
		if err == nil && !slices.ContainsFunc(jobs.Jobs, func(j struct{ Kind string }) bool { return j.Kind == "merge" }) {
			err = fmt.Errorf("%d jobs have finished, no merge", len(jobs.Jobs))
		}
		return err
	})
}

// quiet waits until ready segments cover all that was sent, none is stale, and no job is open or has failed.
func (c *cubed) quiet() {
	c.t.Helper()
	c.covered(c.sums.Events + c.sums.Bad)
}

// covered is quiet, of the first want offsets.
func (c *cubed) covered(want int64) {
	c.t.Helper()
	testkit.Until(c.t, "all is built", func(ctx context.Context) error {
		if c.p.Ended() {
			c.t.Fatal("the process has ended")
		}
		var list segmentLines
		if err := c.ask(ctx, "/cubes/"+cubeName+"/segments?state=new,ready&limit=10000", &list); err != nil {
			return err
		}
		var jobs struct {
			Jobs []struct {
				ID                   int64
				Kind, State, Problem string
			}
		}
		if err := c.ask(ctx, "/jobs?state=pending,waiting_for_staging,running,paused,failed", &jobs); err != nil {
			return err
		}
		var covered int64
		for _, s := range list.Segments {
			covered += offsetSum(s.End) - offsetSum(s.Start)
			if s.Stale || s.State != "ready" {
				covered = -1 << 40
			}
		}
		if covered != want || len(jobs.Jobs) > 0 {
			return fmt.Errorf("%d of %d offsets covered by %v, jobs %+v", covered, want, list.Segments, jobs.Jobs)
		}
		return nil
	})
}

// tiled checks the ready segments: the first begins where the topic begins, each other one where the one before it ends,
// in every partition, the last ends where the topic ends, and their events are those that were sent.
func (c *cubed) tiled() []segmentLine {
	c.t.Helper()
	list := c.segments("ready")
	at := map[string]int64{"0": 0, "1": 0, "2": 0, "3": 0}
	var events int64
	folders := map[string]bool{}
	for _, s := range list {
		if !maps.Equal(s.Start, at) {
			c.t.Errorf("%s begins at %v; the one before it ends at %v", s, s.Start, at)
		}
		at, events, folders[s.Path] = s.End, events+s.Events, true
		if s.ID == "" || !strings.HasPrefix(s.Path, "segments/") || s.MinTime == nil || s.MaxTime == nil || s.MinTime.After(*s.MaxTime) {
			c.t.Errorf("%s has id %q, path %q, times %v to %v", s, s.ID, s.Path, s.MinTime, s.MaxTime)
		}
	}
	if want := c.sums.Events + c.sums.Bad; offsetSum(at) != want || events != c.sums.Events {
		c.t.Errorf("%d segments end at %v, %d offsets with %d events; sent %d with %d", len(list), at, offsetSum(at), events, want, c.sums.Events)
	}
	if len(folders) != len(list) {
		c.t.Errorf("%d segments have %d folders", len(list), len(folders))
	}
	return list
}

// measured asks another engine about the events of each segment: how many, the first and the last.
func (c *cubed) measured(list []segmentLine) {
	c.t.Helper()
	var out struct {
		Ranges []struct{ File string }
		Next   string
	}
	if err := json.Unmarshal([]byte(c.run("table", "offsets", "pageviews", "--ranges", "--limit", "10000", "-o", "json")), &out); err != nil {
		c.t.Fatal(err)
	}
	var files []string
	for _, r := range out.Ranges {
		files = append(files, "'"+filepath.Join(c.data, "store", r.File)+"'")
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	for _, s := range list {
		var within []string
		for p, start := range s.Start {
			within = append(within, fmt.Sprintf(`(p = %s and _offset >= %d and _offset < %d)`, p, start, s.End[p]))
		}
		q := fmt.Sprintf(`select count(*), count(distinct (p, _offset)), epoch_us(min(ts)), epoch_us(max(ts)) from (select *, cast(regexp_extract(filename, '/(\d+)/[^/]*$', 1) as int) p
			from read_parquet([%s], filename=true)) where %s`, strings.Join(files, ","), strings.Join(within, " or "))
		var n, distinct, first, last int64
		if err := db.QueryRow(q).Scan(&n, &distinct, &first, &last); err != nil {
			c.t.Fatal(err)
		}
		if n != s.Events || distinct != n || first != s.MinTime.UnixMicro() || last != s.MaxTime.UnixMicro() {
			c.t.Errorf("%s, %v to %v; its files hold %d, %d of them distinct, %v to %v", s, s.MinTime, s.MaxTime, n, distinct,
				time.UnixMicro(first).UTC(), time.UnixMicro(last).UTC())
		}
	}
}

// kylinJob is what is used of Kylin's job instance.
type kylinJob struct {
	UUID      string
	Type      string
	JobStatus string `json:"job_status"`
	Steps     []struct {
		Name       string
		StepStatus string `json:"step_status"`
	}
}

// curl calls Kylin's API as people's crontabs do, and returns status and body.
func (c *cubed) curl(method, path, body string) (status int, answer []byte) {
	c.t.Helper()
	args := []string{"-sS", "-w", "\n%{http_code}", "-X", method, "--user", "ADMIN:KYLIN", "-H", "Content-Type: application/json;charset=utf-8"}
	if body != "" {
		args = append(args, "-d", body)
	}
	cmd := exec.Command("curl", append(args, c.url+"/kylin/api"+path)...)
	var diag bytes.Buffer
	cmd.Stderr = &diag
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("%v: %v %s", cmd.Args, err, diag.Bytes())
	}
	at := bytes.LastIndexByte(out, '\n')
	status, err = strconv.Atoi(string(out[at+1:]))
	if err != nil {
		c.t.Fatalf("%v printed %q", cmd.Args, out)
	}
	return status, out[:at]
}

// curlInto makes a call that must succeed.
func (c *cubed) curlInto(method, path, body string, into any) {
	c.t.Helper()
	status, text := c.curl(method, path, body)
	if err := json.Unmarshal(text, into); status != http.StatusOK || err != nil {
		c.t.Fatalf("%s %s %s: %d %s (%v)", method, path, body, status, text, err)
	}
}

// build2 is the trigger that users have.
func (c *cubed) build2(body string) kylinJob {
	c.t.Helper()
	var j kylinJob
	c.curlInto(http.MethodPut, "/cubes/"+cubeName+"/build2", body, &j)
	return j
}

// finished waits for a job as kylinpy does.
func (c *cubed) finished(j kylinJob) {
	c.t.Helper()
	testkit.Until(c.t, "job "+j.UUID+" ends", func(context.Context) error {
		var now kylinJob
		c.curlInto(http.MethodGet, "/jobs/"+j.UUID, "", &now)
		switch now.JobStatus {
		case "FINISHED":
			return nil
		case "PENDING", "RUNNING":
			return fmt.Errorf("%+v", now)
		}
		c.t.Fatalf("job %+v", now)
		return nil
	})
}

const newest = `{"sourceOffsetStart": 0, "sourceOffsetEnd": 9223372036854775807, "buildType": "BUILD"}`

func rangeBody(kind string, from, to segmentLine) string {
	return fmt.Sprintf(`{"sourceOffsetStart": %d, "sourceOffsetEnd": %d, "buildType": "%s"}`, offsetSum(from.Start), offsetSum(to.End), kind)
}

// Builds, a merge, a refresh and a hole by curl and by the command line, with a process that is killed in between.
func TestE2ECubesByHand(t *testing.T) {
	c := newCubed(t, place{staging: "{roll: {rows: 5000, age: 1s}}"}, byHand)
	c.start()
	const rounds = 6
	for i := range rounds - 2 {
		c.produce(t.Context(), 3000+700*i, uint64(i+1))
		if i == 0 {
			c.read() // before a partition has begun a build is refused
		}
		j := c.build2(newest)
		if i%2 == 1 {
			c.crash(400 * time.Millisecond)
		}
		c.finished(j)
	}
	var two []kylinJob
	for i := range 2 { // what comes right behind one trigger is for the next
		c.produce(t.Context(), 500, uint64(20+i))
		two = append(two, c.build2(newest))
	}
	c.finished(two[0])
	c.finished(two[1])
	list := c.tiled()
	if len(list) != rounds {
		t.Fatalf("%d builds made %d segments: %v", rounds, len(list), list)
	}
	status, text := c.curl(http.MethodPut, "/cubes/"+cubeName+"/build2", newest)
	if want := fmt.Sprintf("No new message comes, startOffset = endOffset:%d", c.sums.Events+c.sums.Bad); status != http.StatusInternalServerError || !strings.Contains(string(text), want) {
		t.Errorf("a build without news: %d %s; want 500 and %q", status, text, want)
	}

	merge := c.build2(rangeBody("MERGE", list[0], list[1]))
	c.crash(400 * time.Millisecond)
	c.finished(merge)
	refresh := c.build2(rangeBody("REFRESH", list[2], list[2]))
	c.crash(400 * time.Millisecond)
	c.finished(refresh)
	after := c.tiled()
	if len(after) != rounds-1 || after[0].Events != list[0].Events+list[1].Events || after[1].Events != list[2].Events || after[1].Number == list[2].Number {
		t.Fatalf("merged the first two and refreshed the third of %v, have %v", list, after)
	}
	c.dropAndFill(after)
	c.quiet()
	list = c.tiled()
	c.measured(list)
	c.end()
	c.verify()
	c.proved(len(list), 0)
	c.fromFilesAlone()
}

// dropAndFill makes holes and fills them, one by the command line, one by curl.
func (c *cubed) dropAndFill(list []segmentLine) {
	c.t.Helper()
	var holes struct {
		Holes []struct {
			Start, End    map[string]int64
			After, Before int64
			Missing       []any
		}
	}
	drop := list[2]
	c.run("segment", "drop", cubeName, fmt.Sprint(drop.Number))
	text := c.run("segment", "holes", cubeName, "-o", "json")
	if err := json.Unmarshal([]byte(text), &holes); err != nil {
		c.t.Fatalf("segment holes printed %q: %v", text, err)
	}
	if h := holes.Holes; len(h) != 1 || !maps.Equal(h[0].Start, drop.Start) || !maps.Equal(h[0].End, drop.End) ||
		h[0].After != list[1].Number || h[0].Before != list[3].Number || len(h[0].Missing) > 0 {
		c.t.Fatalf("dropped %s, holes are %s", drop, text)
	}
	c.planned()
	if got := c.segments("new,ready"); len(got) != len(list)-1 {
		c.t.Fatalf("fill_holes is off, and yet there are %v", got)
	}
	c.proved(len(list)-1, 1)
	c.run("segment", "holes", cubeName, "--fill")
	c.crash(400 * time.Millisecond)
	c.quiet()

	list = c.tiled()
	drop = list[1]
	var cube, hole, jobs any
	name := fmt.Sprintf("%d_%d", offsetSum(drop.Start), offsetSum(drop.End))
	c.curlInto(http.MethodDelete, "/cubes/"+cubeName+"/segs/"+name, "", &cube)
	c.curlInto(http.MethodGet, "/cubes/"+cubeName+"/holes", "", &hole)
	if list, ok := hole.([]any); !ok || len(list) != 1 || list[0].(map[string]any)["name"] != name {
		c.t.Fatalf("dropped %s, holes by Kylin's API are %v", name, hole)
	}
	c.curlInto(http.MethodPut, "/cubes/"+cubeName+"/holes", "", &jobs)
	if list, ok := jobs.([]any); !ok || len(list) != 1 {
		c.t.Fatalf("filling one hole by Kylin's API answers %v", jobs)
	}
	c.crash(400 * time.Millisecond)
	c.quiet()
	if again := c.tiled(); again[1].Events != drop.Events || again[1].Number == drop.Number {
		c.t.Errorf("dropped %s, filled it with %s", drop, again[1])
	}
}

// proved runs verify, which must find no problem, and wants so many ready segments and holes.
func (c *cubed) proved(segments, holes int) {
	c.t.Helper()
	var report struct {
		OK       bool
		Segments int
		Holes    []any
	}
	text := c.run("verify", "-o", "json")
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		c.t.Fatalf("verify printed %q: %v", text, err)
	}
	if !report.OK || report.Segments != segments || len(report.Holes) != holes {
		c.t.Errorf("verify says %s; want %d segments and %d holes", text, segments, holes)
	}
}

// planned returns when the maintenance of the cube has run once more.
func (c *cubed) planned() {
	c.t.Helper()
	c.task("maintain", "--cube", cubeName)
}

// task submits one and returns when it has finished.
func (c *cubed) task(args ...string) {
	c.t.Helper()
	var task struct{ ID int64 }
	text := c.run(append([]string{"task", "submit", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(text), &task); err != nil {
		c.t.Fatalf("task submit printed %q: %v", text, err)
	}
	testkit.Until(c.t, fmt.Sprint("task ", args), func(ctx context.Context) error {
		var now struct{ State string }
		if err := c.ask(ctx, fmt.Sprintf("/tasks/%d", task.ID), &now); err != nil {
			return err
		}
		if now.State != "finished" {
			return fmt.Errorf("task %d is %s", task.ID, now.State)
		}
		return nil
	})
}

// fromFilesAlone makes the catalog again, from the files and from a backup: both say of segments what the one in force says.
func (c *cubed) fromFilesAlone() {
	c.t.Helper()
	c.run("catalog", "backup")
	want := c.segments("ready")
	store := filepath.Join(c.data, "store")
	for _, how := range []string{"rebuild", "restore"} {
		again := &cubed{site: &site{t: c.t, brokers: c.brokers, topic: c.topic, sums: c.sums, data: c.t.TempDir(), flags: []string{"--store", store}}}
		again.run("catalog", how)
		got := again.segments("ready")
		for i := range got {
			got[i].Reason = ""
		}
		for i := range want {
			want[i].Reason = ""
		}
		if d := gocmp.Diff(want, got); d != "" {
			c.t.Errorf("segments after catalog %s (-before +after):\n%s", how, d)
		}
		again.verify()
	}
}

// Segments are cut and merged by themselves under load while the process is killed again and again.
func TestE2ECubesKilledUnderLoad(t *testing.T) {
	c := newCubed(t, place{staging: "{roll: {rows: 5000, age: 1s}}"},
		"cut: {age: 1s, rows: 20000}\nmerge: {budget: [{segments: 3}]}\nmax_jobs: 2\n")
	ctx, stop := context.WithCancel(t.Context())
	sent := make(chan struct{})
	c.start()
	go func() {
		defer close(sent)
		c.produce(ctx, testkit.Rounds(1_000_000, 20_000_000), 7)
	}()
	for range testkit.Rounds(5, 30) {
		c.crash(3 * time.Second)
	}
	stop()
	<-sent
	c.quiet()
	c.merged()
	c.quiet()
	c.measured(c.tiled())
	c.end()
	c.verify()
	c.fromFilesAlone()
}

// A requeue after a mended definition makes segments stale; they are built again with the events that were missing.
func TestE2ECubesRequeue(t *testing.T) {
	c := newCubed(t, place{staging: "{roll: {rows: 5000, age: 1s}}"}, byHand)
	columns, _, _ := strings.Cut(pageviews.TableYAML("pageviews", c.topic), "staging:")
	table := columns + "staging: {roll: {age: 1s}}\n"
	apply := func(text string) {
		t.Helper()
		def := filepath.Join(t.TempDir(), "table.yaml")
		if err := os.WriteFile(def, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c.run("table", "apply", "-f", def)
	}
	apply(strings.Replace(table, "path: latency_ms, type: int64", "path: page.section, type: int64", 1)) // never a number
	c.produce(t.Context(), 2000, 1)
	c.start()
	testkit.Until(t, "staged", func(ctx context.Context) error {
		n, err := c.committed(ctx)
		if err == nil && n != 2000 {
			err = fmt.Errorf("%d of 2000 offsets are committed", n)
		}
		return err
	})
	c.finished(c.build2(newest))
	truth := c.sums.Clone()
	c.sums.Bad, c.sums.Events = c.sums.Bad+c.sums.Events, 0
	before := c.segments("ready")
	if len(before) != 1 || before[0].Events != 0 {
		t.Fatalf("no record can be read, segments are %v", before)
	}
	apply(table)
	c.run("quarantine", "requeue", "pageviews")
	c.sums = truth
	c.crash(400 * time.Millisecond)
	testkit.Until(t, "the segment is built again", func(ctx context.Context) error {
		var list segmentLines
		err := c.ask(ctx, "/cubes/"+cubeName+"/segments?state=ready", &list)
		if err == nil && (len(list.Segments) != 1 || list.Segments[0].Number == before[0].Number) {
			err = fmt.Errorf("segments are %v", list.Segments)
		}
		return err
	})
	c.quiet()
	c.tiled()
	c.end()
	c.verify()
	c.fromFilesAlone()
}

// Two processes share the work over one PostgreSQL and one S3. A large build becomes many jobs; in the middle of them one
// process is killed, and the other does the rest. Each reads its own partitions, so that the brokers hand nothing over.
func TestE2ECubesShared(t *testing.T) {
	flags := []string{"--catalog", testkit.Postgres(t), "--store", testkit.S3(t)}
	c := newCubed(t, place{flags: flags, staging: "{roll: {rows: 5000, age: 1s}}"},
		"cut: {manual: true, rows_per_build: 1000}\nmerge: {budget: [{segments: 3}]}\nmax_jobs: 10\n")
	other := &cubed{site: &site{t: t, brokers: c.brokers, flags: flags, data: t.TempDir()}, random: c.random}
	c.reads, other.reads = "0,1", "2,3"
	c.start()
	other.start()
	for i, pair := range [][2]*cubed{{c, other}, {other, c}} {
		dies, lives := pair[0], pair[1]
		c.produce(t.Context(), testkit.Rounds(50_000, 60_000), uint64(9+i))
		testkit.Until(t, "both have read", func(ctx context.Context) error {
			a, err := c.committed(ctx)
			if err != nil {
				return err
			}
			b, err := other.committed(ctx)
			if want := c.sums.Events + c.sums.Bad; err == nil && a+b != want {
				err = fmt.Errorf("%d and %d of %d offsets are committed", a, b, want)
			}
			return err
		})
		lives.build2(newest)
		life := time.NewTimer(time.Duration(c.random.IntN(700)) * time.Millisecond)
		<-life.C
		dies.p.Kill()
		lives.covered(c.sums.Events + c.sums.Bad)
		dies.start()
	}
	c.merged()
	c.quiet()
	c.tiled()
	var tasks struct{ Tasks []struct{ Node string } }
	if err := c.ask(t.Context(), "/tasks?kind=body&all=true&limit=1000", &tasks); err != nil {
		t.Fatal(err)
	}
	nodes := map[string]int{}
	for _, task := range tasks.Tasks {
		nodes[task.Node]++
	}
	t.Logf("runs of jobs by process: %v", nodes)
	if delete(nodes, ""); len(nodes) != 2 {
		t.Errorf("jobs were run by %v, want two processes", nodes)
	}
	other.end()
	c.end()
	c.verify()
}
