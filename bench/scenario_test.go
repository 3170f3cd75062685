package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stub is a scenario that measures nothing.
type stub struct {
	runFlags
	fails error
	work  string // as measure found it
}

type stubReport struct {
	header
	Figure int `json:"figure"`
}

func (r *stubReport) markdown() string { return r.title("Stub") }

func (s *stub) register(fs *flag.FlagSet) { s.runFlags.register(fs, 1) }

func (s *stub) measure(_ context.Context, h header, _ io.Writer) (report, error) {
	s.work = s.runFlags.work
	return &stubReport{h, 42}, s.fails
}

func TestAScenarioGoesFromFlagsToFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	var out bytes.Buffer
	s := new(stub)
	if err := runScenario(t.Context(), "stub", s, []string{"--tidemark", "/somewhere/tidemark", "--out", dir}, &out); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.work); !errors.Is(err, os.ErrNotExist) || s.work == "" {
		t.Errorf("the folder for work %q is still there (%v)", s.work, err)
	}
	text, err := filepath.Glob(filepath.Join(dir, "stub-*.md"))
	if err != nil || len(text) != 1 {
		t.Fatalf("texts in %s: %v (%v), want one", dir, text, err)
	}
	md, err := os.ReadFile(text[0])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(md), "# Stub, 2") || !strings.Contains(string(md), "`go run ./bench stub --tidemark tidemark --out new`") || !strings.HasSuffix(out.String(), string(md)) {
		t.Errorf("text:\n%s\nprinted:\n%s", md, &out)
	}
	b, err := os.ReadFile(strings.TrimSuffix(text[0], ".md") + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var rep stubReport
	if err := json.Unmarshal(b, &rep); err != nil || rep.Scenario != "stub" || rep.Figure != 42 || rep.Machine.Cores == 0 || rep.Started.IsZero() {
		t.Errorf("JSON (%v):\n%s", err, b)
	}
}

func TestAScenarioThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := &stub{fails: errors.New("no figure")}
	if err := runScenario(t.Context(), "stub", s, []string{"--tidemark", "x", "--out", dir}, io.Discard); !errors.Is(err, s.fails) {
		t.Errorf("got %v, want the scenario's own error", err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("results were written: %v", files)
	}
	if _, err := os.Stat(s.work); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder for work %q is still there (%v)", s.work, err)
	}
}

// Results that are committed can be compared with new ones: their fields keep their names and order.
func TestCommittedResultsHaveTodaysFields(t *testing.T) {
	for scenario, rep := range map[string]report{"cube": new(cubeReport), "ingest": new(ingestReport)} {
		files, err := filepath.Glob(filepath.Join("results", scenario+"-*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("results of %s: %v (%v), want some", scenario, files, err)
		}
		newest := files[len(files)-1]
		b, err := os.ReadFile(newest)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, rep); err != nil {
			t.Fatalf("%s: %v", newest, err)
		}
		again, err := json.MarshalIndent(rep, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(b), string(again)+"\n"); diff != "" {
			t.Errorf("%s is written otherwise today (-committed +today):\n%s", newest, diff)
		}
	}
}

func TestWrongUseOfScenarios(t *testing.T) {
	for _, args := range []string{
		"query", "cube --tidemark x --parts none", "segments --tidemark x --few 10 --many 10", "freshness --tidemark x --cut-age 0",
		"freshness --tidemark x --rate 0", "query --tidemark x --rounds 0",
	} {
		if code := dispatch(t.Context(), strings.Fields(args)); code != 2 {
			t.Errorf("bench %s: exit code %d, want 2", args, code)
		}
	}
}

func TestSegmentsAreComparedWithTheFewThatWereAskedTheSame(t *testing.T) {
	var r segmentsReport
	for _, run := range []segmentsRun{
		{Asked: "a day, cold", Segments: 2, Read: 1, Each: []float64{1, 10}},
		{Asked: "a day, warm", Segments: 2, Read: 1, Each: []float64{1, 2}},
		{Asked: "a day, cold", Segments: 10, Read: 3, Each: []float64{4, 40}},
		{Asked: "a day, warm", Segments: 10, Read: 3, Each: []float64{1, 8}},
	} {
		r.add(run)
	}
	text := r.markdown()
	for _, row := range []string{"| a day, cold | 2 | 1 | 0.00 | 0.00 | 1 |", "| a day, cold | 10 | 3 | 0.00 | 0.00 | 4.00 |", "| a day, warm | 10 | 3 | 0.00 | 0.00 | 2.00 |"} {
		if !strings.Contains(text, row) {
			t.Errorf("no row %q:\n%s", row, text)
		}
	}
}

// Two records of the three of partition 0 are seen at 30 ms, the third 6 s after it was made; partition 1 has none.
func TestFreshnessCountsRecordsByStep(t *testing.T) {
	begin := time.Unix(1000, 0)
	at := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	x := &fresh{
		produced: [][]time.Time{{at(0), at(10), at(20)}, nil},
		seen:     [][]seenUpTo{{{2, at(30)}, {3, at(6020)}}, nil},
		answers:  []float64{3, 1, 2},
	}
	r := freshReport{Jobs: map[string]int{"build": 5, "merge": 2}, CutAge: 10, Server: 321}
	r.sum(x)
	text := r.markdown()
	for _, want := range []string{
		"| 20 | 1 | 0.3333 |", "| 50 | 1 | 0.6667 |", "| 5000 | 0 | 0.6667 |", "| more | 1 | 1.0000 |", "a cut every 10 s: 5 builds ended meanwhile, and merges: 2.", "p99 is 321 ms",
		"| produce to visible, ms | 30 | 6000 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q:\n%s", want, text)
		}
	}
}

func TestFreshnessNeedsMerges(t *testing.T) {
	jobs := func(text string) asker {
		return func(v any, _ ...string) error { return json.Unmarshal([]byte(text), v) }
	}
	for _, c := range []struct{ jobs, want string }{
		{`{"jobs": [{"kind": "build", "state": "finished"}, {"kind": "merge", "state": "finished"}]}`, ""},
		{`{"jobs": [{"kind": "build", "state": "finished"}, {"kind": "merge", "state": "running"}]}`, "no merge ended (builds: 1)"},
		{`{"jobs": [{"kind": "merge", "state": "finished"}, {"kind": "build", "state": "failed", "problem": "disk full"}]}`, "a build of cube live failed: disk full"},
	} {
		r := freshReport{Jobs: map[string]int{}}
		err := r.count(jobs(c.jobs))
		if got := errorText(err); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: error %q, want %q", c.jobs, got, c.want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestHistogramQuantile(t *testing.T) {
	const text = `# TYPE x_seconds histogram
x_seconds_bucket{le="0.1"} 10
x_seconds_bucket{le="0.5"} 90
x_seconds_bucket{le="+Inf"} 100
x_seconds_sum 7
x_seconds_other_bucket{le="+Inf"} 5
`
	for p, want := range map[float64]float64{.05: .05, .1: .1, .5: .3, .9: .5, .99: .5} {
		if got, err := histogramQuantile(text, "x_seconds", p); err != nil || got < want-1e-9 || got > want+1e-9 {
			t.Errorf("p%g is %v (%v), want %v", 100*p, got, err, want)
		}
	}
	for _, text := range []string{"", `x_seconds_bucket{le="+Inf"} 0`, "x_seconds_bucket{le=\"0.1\"} 0\nx_seconds_bucket{le=\"+Inf\"} 0\n", `x_seconds_bucket{le="a"} 1`} {
		if got, err := histogramQuantile(text, "x_seconds", .5); err == nil {
			t.Errorf("%q gave %v and no error", text, got)
		}
	}
}
