package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/config"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

func TestDemoSummaryTellsMissingFromDoubled(t *testing.T) {
	for want, c := range map[string]struct {
		done    demoDone
		missing int64
	}{
		"nothing is missing or doubled":                               {demoDone{Sent: 5, Committed: 5, OK: true}, 0},
		"2 are not read yet":                                          {demoDone{Sent: 5, Committed: 3}, 2},
		"1 more than were sent":                                       {demoDone{Sent: 5, Committed: 6}, -1},
		"4 were left from an earlier run; read 9":                     {demoDone{Sent: 5, Backlog: 4, Committed: 9, OK: true}, 0},
		"lag 0; 5 events in 2 segments; peak":                         {demoDone{Events: 5, Cubed: 5, Segments: 2}, 0},
		"9 events in 2 segments of all runs":                          {demoDone{Events: 5, Cubed: 9, Segments: 2}, 0},
		"3 events are in no segment yet":                              {demoDone{Unsegmented: 3}, 0},
		"fresh within 48 ms (p50), 1.3 s (p99); peak memory 210.0 MB": {demoDone{Answers: 9, FreshP50: .048, FreshP99: 1.3, used: used{PeakRSSBytes: 210e6}}, 0},
	} {
		if got := c.done.text(c.missing); !strings.Contains(got, want) || strings.Contains(got, "\n") {
			t.Errorf("got %q, want one line with %q", got, want)
		}
	}
}

// jobs makes a list as the catalog gives it, the newest first, of words such as "3 merge finished".
func jobs(t *testing.T, list ...string) (out []catalog.Job) {
	t.Helper()
	for _, text := range list {
		var j catalog.Job
		if _, err := fmt.Sscan(text, &j.ID, &j.Kind, &j.State); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		j.Segment, j.Reserved = j.ID, j.State != catalog.JobFinished && j.State != catalog.JobCancelled
		out = append(out, j)
	}
	return out
}

// Everything is told once: what an earlier run has told is not told again, and what it saw begin is told when it ends.
func TestStoryTellsEverythingOnce(t *testing.T) {
	var s story
	for i, c := range []struct {
		jobs []catalog.Job
		want []string
	}{
		{jobs(t, "3 build running", "2 build finished", "1 build finished"), nil}, // of an earlier run
		{jobs(t, "3 build running", "2 build finished", "1 build finished"), nil},
		{jobs(t, "4 build pending", "3 build finished", "2 build finished"), []string{"3 ended", "4 begun"}},
		{jobs(t, "4 build running", "3 build finished"), nil},
		{jobs(t, "4 build failed", "3 build finished"), nil}, // it may go on: its segment is still reserved
		{jobs(t, "6 merge finished", "5 build finished", "4 build finished"), []string{"4 ended", "5 begun", "5 ended", "6 begun", "6 ended"}},
		{jobs(t, "6 merge finished", "5 build finished", "4 build finished"), nil},
		{jobs(t, "7 build cancelled"), []string{"7 begun", "7 ended"}},
	} {
		var got []string
		for _, e := range s.next(c.jobs) {
			got = append(got, fmt.Sprint(e.job.ID, map[bool]string{false: " begun", true: " ended"}[e.ended]))
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("look %d (-want +got):\n%s", i, d)
		}
	}
}

// An empty list is a first look too: the first job of all is told.
func TestStoryTellsTheFirstJob(t *testing.T) {
	var s story
	if got := s.next(nil); len(got) != 0 {
		t.Errorf("of no jobs: %v", got)
	}
	if got := s.next(jobs(t, "1 build running")); len(got) != 1 || got[0].ended {
		t.Errorf("the first job: got %v, want that it has begun", got)
	}
}

func TestEventTexts(t *testing.T) {
	seg := catalog.SegmentEntry{Segment: segmenter.Segment{
		Range: segmenter.Vector{{Partition: 0, Start: 10, End: 50}, {Partition: 1, Start: 0, End: 60}}, Reason: "age 5s",
		Events: 99, Bytes: 1_500_000, PublishedUs: 1, Replaces: []int64{1, 2, 5},
	}}
	steps := []catalog.JobStep{{Name: "group events", Done: 99, Unit: "events"}, {Name: "make cuboids", Done: 61, Unit: "cuboids"}}
	job := func(kind string, state catalog.JobState) catalog.Job {
		return catalog.Job{Segment: 7, Kind: kind, State: state, Steps: steps, StartedUs: 1_000_000, EndedUs: 2_250_000, Problem: "disk\nfull"}
	}
	for _, c := range []struct {
		e    event
		s    catalog.SegmentEntry
		want string
	}{
		{event{job("build", "running"), false}, seg, "cut      segment 7: 100 offsets (age 5s)"},
		{event{job("build", "failed"), false}, catalog.SegmentEntry{}, ""}, // it was withdrawn meanwhile
		{event{job("merge", "running"), false}, seg, ""},
		{event{job("build", "finished"), true}, seg, "built    segment 7: 99 events, 62 cuboids, 1.5 MB, in 1.2 s"},
		{event{job("merge", "finished"), true}, seg, "merged   segments 1, 2, 5 into 7: 99 events, 61 cuboids, 1.5 MB, in 1.2 s"},
		{event{job("refresh", "finished"), true}, seg, "rebuilt  segment 1, 2, 5 as 7: 99 events, 62 cuboids, 1.5 MB, in 1.2 s"},
		{event{job("build", "failed"), true}, catalog.SegmentEntry{}, `failed   build of segment 7: disk\nfull`},
		{event{catalog.Job{Segment: 8, Kind: "merge", State: "cancelled"}, true}, catalog.SegmentEntry{}, "cancelled merge of segment 8: no reason is known"},
	} {
		if got := c.e.text(c.s); got != c.want {
			t.Errorf("%s %s, ended %v: got %q, want %q", c.e.job.Kind, c.e.job.State, c.e.ended, got, c.want)
		}
	}
}

func TestFreshnessIsOfEachAnswerSinceTheLastLine(t *testing.T) {
	var f freshness
	if got := f.line(); got != "" {
		t.Errorf("before any answer: %q", got)
	}
	began := time.UnixMilli(1_774_483_200_000)
	answer := func(sent, answered time.Duration) { f.see(began.Add(sent).UnixMilli(), began.Add(answered)) }
	f.see(0, began)                   // nothing is in memory yet
	answer(-time.Minute, time.Second) // the first finds what came before
	answer(time.Second, 1500*time.Millisecond)
	answer(time.Second, 2*time.Second)           // nothing is newer
	answer(2*time.Second, 2100*time.Millisecond) // with the others 0, 20, 100, 500 and 1240 ms
	answer(3*time.Second, 4240*time.Millisecond)
	answer(5*time.Second, 5020*time.Millisecond)
	answer(6*time.Second, 5*time.Second) // by a clock that is ahead
	if got, want := f.line(), "fresh    an event is in answers 100 ms after it was sent (median of 5; slowest 1.2 s)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := f.line(); got != "" {
		t.Errorf("told twice: %q", got)
	}
	for i := range 2 * keptAnswers {
		f.see(began.UnixMilli()+10_000+int64(i), began)
	}
	if len(f.seen) != keptAnswers || f.untold != keptAnswers {
		t.Errorf("keeps %d answers, %d of them untold, want %d", len(f.seen), f.untold, keptAnswers)
	}
}

func TestQuantile(t *testing.T) {
	list := make([]time.Duration, 200)
	for i := range list {
		list[len(list)-1-i] = time.Duration(i + 1)
	}
	for share, want := range map[float64]time.Duration{0: 1, .5: 100, .99: 198, 1: 200} {
		if got := quantile(list, share); got != want {
			t.Errorf("quantile %v of 1 to 200: got %d, want %d", share, got, want)
		}
	}
	if got := quantile(nil, .5); got != 0 {
		t.Errorf("of nothing: %d", got)
	}
}

func TestInvokedIsWhatAPersonTypes(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "cmd", "tidemark"), 0o755); err != nil {
		t.Fatal(err)
	}
	hash := strings.Repeat("0123456789abcdef", 4)
	for _, c := range []struct{ dir, name, want string }{
		{dir, "tidemark", "tidemark"},
		{dir, "", "tidemark"},
		{dir, "./tidemark", "./tidemark"},
		{dir, "/opt/tide mark/tidemark", "'/opt/tide mark/tidemark'"},
		{dir, "/tmp/go-build123/b001/exe/tidemark", "go run ./cmd/tidemark"},
		{dir, "/var/cache/ab/" + hash + "-d/tidemark", "go run ./cmd/tidemark"},
		{t.TempDir(), "/tmp/go-build123/b001/exe/tidemark", "/tmp/go-build123/b001/exe/tidemark"}, // go run of another folder
	} {
		t.Chdir(c.dir)
		if got := invoked(c.name); got != c.want {
			t.Errorf("started as %q: got %q, want %q", c.name, got, c.want)
		}
	}
}

// A demo lowers all budgets, or none: whoever gives one of them, or GOMEMLIMIT, decides.
func TestDemoLowersBudgetsUnlessOneIsGiven(t *testing.T) {
	budgets := func(c *config.Config) map[string]int64 {
		return map[string]int64{
			"ingest.memory": c.Ingest.Memory, "build.memory": c.Build.Memory,
			"query.result_cache_bytes": c.Query.ResultCacheBytes, "query.column_cache_bytes": c.Query.ColumnCacheBytes,
			"query.cell_cache_bytes": c.Query.CellCacheBytes, "query.folded_cache_bytes": c.Query.FoldedCacheBytes,
		}
	}
	load := func(yaml string) *config.Config {
		t.Helper()
		path := filepath.Join(t.TempDir(), "tidemark.yaml")
		if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(config.Input{File: path})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	t.Setenv("GOMEMLIMIT", "")
	usual := budgets(load(""))
	c := load("http: 127.0.0.1:0\n") // no budget
	if !small(c) {
		t.Error("no budget is given, and none was lowered")
	}
	for key, n := range budgets(c) {
		if n <= 0 || n >= usual[key] {
			t.Errorf("%s is %d, usually %d: want less", key, n, usual[key])
		}
	}
	for key := range usual {
		area, name, _ := strings.Cut(key, ".")
		yaml := fmt.Sprintf("%s:\n  %s: 100MiB\n", area, name)
		c := load(yaml)
		if small(c) {
			t.Errorf("%s is given, and budgets were lowered", key)
		}
		if d := cmp.Diff(budgets(load(yaml)), budgets(c)); d != "" {
			t.Errorf("%s is given (-before +after):\n%s", key, d)
		}
	}
	t.Setenv("GOMEMLIMIT", "1GiB")
	c = load("")
	if small(c) {
		t.Error("GOMEMLIMIT is set, and budgets were lowered")
	}
	if d := cmp.Diff(usual, budgets(c)); d != "" {
		t.Errorf("GOMEMLIMIT is set (-before +after):\n%s", d)
	}
}
