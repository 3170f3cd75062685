package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/tidemarkdb/tidemark/internal/pageviews"
)

//go:embed peers/duckdb_peer.py
var duckdbPeer string

//go:embed peers/connect_docs.yaml
var connectDocs string

//go:embed peers/connect_tuned.yaml
var connectTuned string

// job is one thing to read: a filled topic, and the same records as a file for those who have no Kafka.
type job struct {
	variant variant
	topic   string
	ndjson  string // empty without DuckDB
	truth   pageviews.Sums
}

// outcome is what a contender says of its own run.
type outcome struct {
	events  int64
	seconds float64 // by its own clock, without its start; 0 unknown
	output  string  // folder or file of the result; empty if there is none
	usage   processUsage
}

// contender runs in an empty folder of its own.
type contender struct {
	name string
	run  func(ctx context.Context, j *job, dir string) (outcome, error)
}

// contenders lists who takes part, and says why the others do not.
func (f *ingestFlags) contenders() (in []contender, out []string) {
	in = []contender{{"consumer", f.runConsumer}, {"tidemark", f.runTidemark}}
	if f.python == "" {
		out = append(out, "DuckDB: skipped, --python names no interpreter that has the duckdb package")
	} else {
		for _, threads := range threadCounts() {
			in = append(in, contender{fmt.Sprintf("duckdb-%dt", threads), f.runDuckDB(threads)})
		}
	}
	if f.connect == "" {
		out = append(out, "Redpanda Connect: skipped, --connect names no binary (bench/peers/connect says how to build one)")
	} else {
		in = append(in, contender{"connect-docs", f.runConnect(connectDocs)}, contender{"connect-tuned", f.runConnect(connectTuned)})
	}
	return in, out
}

func threadCounts() []int {
	if n := runtime.NumCPU(); n > 1 {
		return []int{n, 1}
	}
	return []int{1}
}

// runConsumer measures this program's own consume command, as a process like the others.
func (f *ingestFlags) runConsumer(ctx context.Context, j *job, _ string) (outcome, error) {
	var c consumed
	u, err := f.self("consume", "--brokers", f.brokers, "--topic", j.topic).runJSON(ctx, &c)
	return outcome{events: c.Events - j.truth.Bad, seconds: c.Seconds, usage: u}, err
}

// ingested is the last line of tidemark ingest -o json.
type ingested struct {
	Events  int64   `json:"events"`
	Seconds float64 `json:"seconds"`
}

func (f *ingestFlags) runTidemark(ctx context.Context, j *job, dir string) (outcome, error) {
	definition := filepath.Join(dir, "table.yaml")
	if err := os.WriteFile(definition, []byte(pageviews.TableYAML("pageviews", j.topic)), 0o644); err != nil {
		return outcome{}, err
	}
	data := filepath.Join(dir, "data")
	apply := child{path: f.tidemark, args: []string{"table", "apply", "-f", definition, "--data", data}, stderr: os.Stderr}
	if _, _, err := apply.run(ctx); err != nil {
		return outcome{}, err
	}
	args := append([]string{"ingest", "--brokers", f.brokers, "--data", data, "--until-end", "-o", "json"}, strings.Fields(f.tidemarkArgs)...)
	var r ingested
	u, err := child{path: f.tidemark, args: args, stderr: f.log}.runJSON(ctx, &r)
	return outcome{events: r.Events, seconds: r.Seconds, output: filepath.Join(data, "store", "staged"), usage: u}, err
}

func (f *ingestFlags) runDuckDB(threads int) func(context.Context, *job, string) (outcome, error) {
	return func(ctx context.Context, j *job, dir string) (outcome, error) {
		out := filepath.Join(dir, "views.parquet")
		var r ingested
		u, err := f.duckdb("write", j.ndjson, out, fmt.Sprint(threads)).runJSON(ctx, &r)
		return outcome{events: r.Events, seconds: r.Seconds, output: out, usage: u}, err
	}
}

func (f *ingestFlags) duckdb(args ...string) child {
	return child{path: f.python, args: append([]string{"-c", duckdbPeer}, args...), stderr: f.log}
}

// runConnect ends when the group has committed every offset: Connect does so only after the output has taken the records.
func (f *ingestFlags) runConnect(config string) func(context.Context, *job, string) (outcome, error) {
	return func(ctx context.Context, j *job, dir string) (outcome, error) {
		file, out := filepath.Join(dir, "connect.yaml"), filepath.Join(dir, "out")
		if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
			return outcome{}, err
		}
		if err := os.Mkdir(out, 0o755); err != nil {
			return outcome{}, err
		}
		group := fmt.Sprintf("bench-%d", time.Now().UnixNano())
		c := child{
			path: f.connect, args: []string{"run", file}, stderr: f.log,
			env:  []string{"BROKERS=" + f.brokers, "TOPIC=" + j.topic, "GROUP=" + group, "OUT=" + out},
			done: func(ctx context.Context) error { return f.committed(ctx, j.topic, group) },
		}
		_, u, err := c.run(ctx)
		if err != nil {
			return outcome{}, err
		}
		o := outcome{output: out, usage: u}
		if f.python == "" { // the commits say that all was taken
			o.events = j.truth.Events
			return o, nil
		}
		var sums duckSums
		_, err = f.duckdb("count", filepath.Join(out, "*.parquet")).runJSON(ctx, &sums)
		o.events = sums.Events
		return o, err
	}
}

// committed waits until a group's offsets are the topic's ends.
func (f *ingestFlags) committed(ctx context.Context, topic, group string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, f.peerTimeout, fmt.Errorf("group %s is not at the end of %s after %v", group, topic, f.peerTimeout))
	defer cancel()
	cl, err := newClient(f.brokers)
	if err != nil {
		return err
	}
	defer cl.Close()
	_, end, err := ends(ctx, cl, topic)
	if err != nil {
		return err
	}
	adm := kadm.NewClient(cl)
	for {
		at, err := adm.FetchOffsets(ctx, group)
		if err == nil && reached(at.Offsets(), topic, end) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func reached(at kadm.Offsets, topic string, end map[int32]int64) bool {
	for p, e := range end {
		if o, ok := at.Lookup(topic, p); e > 0 && (!ok || o.At < e) {
			return false
		}
	}
	return true
}

// duckSums are what DuckDB finds in Parquet files of page views.
type duckSums struct {
	Events    int64            `json:"events"`
	Bytes     int64            `json:"sum_bytes"`
	LatencyMs int64            `json:"sum_latency_ms"`
	Bounces   int64            `json:"bounces"`
	IDs       int64            `json:"distinct_ids"`
	MinTimeUs int64            `json:"min_time_us"`
	MaxTimeUs int64            `json:"max_time_us"`
	ByCountry map[string]int64 `json:"by_country"`
}

// check compares the staged files with the truth, by a program that did not write them.
func (f *ingestFlags) check(ctx context.Context, j *job, staged string) error {
	var got duckSums
	if _, err := f.duckdb("sums", filepath.Join(staged, "**", "*.parquet")).runJSON(ctx, &got); err != nil {
		return err
	}
	want := duckSums{
		Events: j.truth.Events, Bytes: j.truth.Bytes, LatencyMs: j.truth.LatencyMs, Bounces: j.truth.Bounces, IDs: j.truth.Events,
		MinTimeUs: j.truth.MinTimeUs, MaxTimeUs: j.truth.MaxTimeUs, ByCountry: j.truth.ByCountry,
	}
	g, err := json.Marshal(got)
	if err != nil {
		return err
	}
	w, err := json.Marshal(want)
	if err != nil {
		return err
	}
	if string(g) != string(w) {
		return fmt.Errorf("staged files of %s: DuckDB finds %s, the generator made %s", j.topic, g, w)
	}
	return nil
}

// sizeOf counts the files under a path and their bytes.
func sizeOf(path string) (files int, size int64, err error) {
	if path == "" {
		return 0, 0, nil
	}
	err = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			files++
			size += info.Size()
		}
		return err
	})
	return files, size, err
}
