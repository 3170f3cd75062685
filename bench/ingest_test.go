package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/tidemarkdb/tidemark/internal/pageviews"
)

// TestMain lets the test binary stand in for every program that the scenario starts: bench itself, tidemark, Python with
// DuckDB, and Connect.
func TestMain(m *testing.M) {
	if os.Getenv("BENCH_STAND_IN") == "" {
		os.Exit(m.Run())
	}
	if err := standIn(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func standIn(ctx context.Context, args []string) error {
	switch {
	case args[0] == "-c" && args[2] == "write":
		b, err := os.ReadFile(args[3])
		if err != nil {
			return err
		}
		if err := os.WriteFile(args[4], []byte("PAR1"), 0o644); err != nil {
			return err
		}
		return writeJSON(os.Stdout, ingested{Events: int64(bytes.Count(b, []byte("\n")))})
	case args[0] == "-c":
		fmt.Println(os.Getenv("BENCH_SUMS"))
		return nil
	case args[0] == "run":
		return standInForConnect(ctx)
	case args[0] == "table" && args[1] == "apply":
		return nil
	case args[0] == "ingest":
		data := args[4]
		definition, err := os.ReadFile(filepath.Join(filepath.Dir(data), "table.yaml"))
		if err != nil {
			return err
		}
		_, topic, _ := strings.Cut(string(definition), "\ntopic: ")
		topic, _, _ = strings.Cut(topic, "\n")
		c, err := consume(ctx, args[2], topic)
		if err != nil {
			return err
		}
		if os.Getenv("BENCH_LOSE") != "" {
			c.Events--
		}
		staged := filepath.Join(data, "store", "staged")
		if err := os.MkdirAll(staged, 0o755); err != nil {
			return err
		}
		fmt.Println(`{"progress": 1}`)
		return errors.Join(os.WriteFile(filepath.Join(staged, "x.parquet"), make([]byte, 1000), 0o644),
			writeJSON(os.Stdout, ingested{Events: c.Events, Seconds: 1}))
	}
	os.Exit(dispatch(ctx, args))
	return nil
}

// standInForConnect commits the ends, as Connect does when its output has taken all, and runs on until it is interrupted.
func standInForConnect(ctx context.Context) error {
	if os.Getenv("BENCH_CRASH") != "" {
		return errors.New("no such component")
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	cl, err := newClient(os.Getenv("BROKERS"))
	if err != nil {
		return err
	}
	defer cl.Close()
	_, end, err := ends(ctx, cl, os.Getenv("TOPIC"))
	if err != nil {
		return err
	}
	at := kadm.Offsets{}
	for p, e := range end {
		at.AddOffset(os.Getenv("TOPIC"), p, e, -1)
	}
	if err := kadm.NewClient(cl).CommitAllOffsets(ctx, os.Getenv("GROUP"), at); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

const scenarioEvents = 3000

// scenarioSums are what a true DuckDB would find.
func scenarioSums(t *testing.T) string {
	t.Helper()
	g, err := pageviews.New(pageviews.Options{Seed: 1, Late: 0.01})
	if err != nil {
		t.Fatal(err)
	}
	var s pageviews.Sums
	for range scenarioEvents {
		var ev pageviews.Event
		s.Add(&ev, len(g.Append(nil, &ev)))
	}
	b, err := json.Marshal(duckSums{s.Events, s.Bytes, s.LatencyMs, s.Bounces, s.Events, s.MinTimeUs, s.MaxTimeUs, s.ByCountry})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func ingestScenario(t *testing.T, more ...string) (out string, results string, err error) {
	t.Helper()
	t.Setenv("BENCH_STAND_IN", "1")
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	results = t.TempDir()
	args := append([]string{
		"--brokers", newBroker(t), "--tidemark", me, "--events", fmt.Sprint(scenarioEvents), "--rounds", "2", "--variants", "base,p64",
		"--out", results, "--broker-pid", fmt.Sprint(os.Getpid()), "--peer-timeout", "1m",
	}, more...)
	var b bytes.Buffer
	err = runScenario(t.Context(), "ingest", new(ingestFlags), args, &b)
	return b.String(), results, err
}

func TestIngestScenario(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("the broker's CPU is read from /proc, which this system does not have")
	}
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("BENCH_SUMS", scenarioSums(t))
	out, results, err := ingestScenario(t, "--python", me, "--connect", me)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(results, "ingest-*"))
	if err != nil || len(files) != 3 {
		t.Fatalf("results %v (%v), want .json, .md and .txt", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var rep ingestReport
	if err := json.Unmarshal(b, &rep); err != nil {
		t.Fatal(err)
	}
	contenders := 4 + len(threadCounts())
	if got, want := len(rep.Runs), 2*2*contenders; got != want {
		t.Errorf("%d runs, want %d", got, want)
	}
	if got, want := len(rep.Summary), 2*contenders; got != want {
		t.Errorf("%d summaries, want %d", got, want)
	}
	for _, r := range rep.Runs {
		if r.Events != scenarioEvents || r.Seconds <= 0 || r.CPUSeconds <= 0 || r.PeakRSSBytes <= 1<<20 {
			t.Errorf("run without figures: %+v", r)
		}
		if r.Contender == "tidemark" && (r.OutputFiles != 1 || r.OutputBytes != 1000) {
			t.Errorf("output of tidemark: %d files, %d bytes; want 1, 1000", r.OutputFiles, r.OutputBytes)
		}
	}
	if rep.Runs[0].Contender != "consumer" || rep.Runs[contenders].Contender != "tidemark" {
		t.Errorf("rounds begin with %s and %s: the order must rotate", rep.Runs[0].Contender, rep.Runs[contenders].Contender)
	}
	if strings.Contains(rep.Command, filepath.Dir(me)) {
		t.Errorf("the command shows a folder: %s", rep.Command)
	}
}

// B2.
func TestAWrongResultIsNoFigure(t *testing.T) {
	t.Setenv("BENCH_LOSE", "1")
	if _, results, err := ingestScenario(t); err == nil || !strings.Contains(err.Error(), "2999 events, the generator made 3000") {
		t.Errorf("a lost event: %v", err)
	} else if files, _ := filepath.Glob(filepath.Join(results, "*")); len(files) > 0 {
		t.Errorf("results were written: %v", files)
	}
}

func TestWrongSumsAreNoFigure(t *testing.T) {
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("BENCH_SUMS", `{"events": 3000}`)
	if _, _, err := ingestScenario(t, "--python", me); err == nil || !strings.Contains(err.Error(), "DuckDB finds") {
		t.Errorf("other sums: %v", err)
	}
}

func TestAPeerThatEndsTooEarly(t *testing.T) {
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("BENCH_CRASH", "1")
	if _, _, err := ingestScenario(t, "--connect", me); err == nil || !strings.Contains(err.Error(), "ended before its work was done") {
		t.Errorf("a peer that ended: %v", err)
	}
}

func TestSummary(t *testing.T) {
	r := ingestReport{header: header{Started: time.Unix(0, 0)}, Events: 1000}
	add := func(variant, contender string, round int, seconds, cpu float64, rss int64) {
		r.Runs = append(r.Runs, run{
			Variant: variant, Contender: contender, Round: round, Events: 1000,
			processUsage: processUsage{Seconds: seconds, CPUSeconds: cpu, PeakRSSBytes: rss},
		})
	}
	// The second round ran on a machine half as fast: ratios are taken within a round.
	add("base", "consumer", 1, 1, 1, 10)
	add("base", "tidemark", 1, 2, 3, 30)
	add("base", "consumer", 2, 2, 2, 20)
	add("base", "tidemark", 2, 4, 6, 20)
	add("wide", "tidemark", 1, 4, 9, 20)
	r.summarize()
	want := []summary{
		{
			Variant: "base", Contender: "consumer", EventsPerSecond: 750, CPUMicrosPerEvent: 1500, CPUMicrosLowest: 1000, PeakRSSBytes: 20,
			SpeedToConsumer: 1, TidemarkCPUBetter: 1. / 3,
		},
		{
			Variant: "base", Contender: "tidemark", EventsPerSecond: 375, CPUMicrosPerEvent: 4500, CPUMicrosLowest: 3000, PeakRSSBytes: 30,
			SpeedToConsumer: 0.5, TidemarkCPUBetter: 1,
		},
		{
			Variant: "wide", Contender: "tidemark", EventsPerSecond: 250, CPUMicrosPerEvent: 9000, CPUMicrosLowest: 9000, PeakRSSBytes: 20,
			TidemarkCPUBetter: 1, CPUToBaseOfVariant: 2,
		},
	}
	if diff := cmp.Diff(want, r.Summary, cmpopts.EquateApprox(1e-12, 0)); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if md := r.markdown(); !strings.Contains(md, "wide: tidemark takes 2.00 times") || !strings.Contains(md, "| tidemark | 375 | 0.50 |") {
		t.Errorf("table:\n%s", md)
	}
}

func TestIngestWrongUse(t *testing.T) {
	for _, args := range []string{"ingest", "ingest --tidemark x --variants huge", "ingest --tidemark x --rounds 0"} {
		if code := dispatch(t.Context(), strings.Fields(args)); code != 2 {
			t.Errorf("bench %s: exit code %d, want 2", args, code)
		}
	}
}
