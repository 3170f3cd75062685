package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed peers/duckdb_cube.py
var duckdbCube string

// cubeFlags are those of the scenario cube.
type cubeFlags struct {
	ingestFlags
	memory string
	merges mergeFlags
}

// cubeRun is one contender's build of one cube, by its own clock; CPU and memory are of its whole process.
type cubeRun struct {
	Cube      string  `json:"cube"`
	Contender string  `json:"contender"`
	Round     int     `json:"round"`
	Events    int64   `json:"events"`
	Cells     int64   `json:"cells,omitempty"`
	Seconds   float64 `json:"seconds"`
	Process   processUsage
}

// cubeReport is what the scenario leaves.
type cubeReport struct {
	Scenario string    `json:"scenario"`
	Command  string    `json:"command"`
	Commit   string    `json:"commit"`
	Started  time.Time `json:"started"`
	Machine  machine   `json:"machine"`
	Events   int64     `json:"events"`
	Runs     []cubeRun `json:"runs"`
}

// cubeKinds are the cubes that are built: name, measures, and whether it has the base cuboid alone.
var cubeKinds = []struct {
	name, measures, peer string
	base                 bool
}{
	{"all", "[count, sum(bytes), max(latency_ms)]", "plain", false},
	{"all_hll", "[count, sum(bytes), count_distinct(visitor_id)]", "hll", false},
	{"base", "[count, sum(bytes), max(latency_ms)]", "plain", true},
}

const cubeDims = "ts_minute,country,section,page_url,device_type,os,browser,lang,referrer"

// cubeYAML is the definition of one of cubeKinds: 9 dimensions, 63 cuboids or one.
func cubeYAML(name, measures string, base bool) string {
	groups := "  - {hierarchy: [[device_type, os, browser]], joint: [[section, page_url], [lang, referrer]]}\n"
	if base {
		groups = "  - {joint: [[" + cubeDims + "]]}\n"
	}
	return "cube: " + name + "\ntable: pageviews\ndimensions: [" + strings.Replace(cubeDims, "ts_minute", "minute(ts)", 1) + "]\nmeasures: " + measures +
		"\ngroups:\n" + groups + "cut: {manual: true}\nmerge: {manual: true}\n"
}

// cubeSets are the cuboids of cubeYAML, for DuckDB.
func cubeSets(base bool) string {
	if base {
		return cubeDims
	}
	units := [][]string{
		{"", "device_type", "device_type,os", "device_type,os,browser"},
		{"", "section,page_url"},
		{"", "lang,referrer"},
		{"", "ts_minute"},
		{"", "country"},
	}
	sets := []string{""}
	for _, options := range units {
		var next []string
		for _, s := range sets {
			for _, o := range options {
				next = append(next, strings.Trim(s+","+o, ","))
			}
		}
		sets = next
	}
	return strings.Join(sets[1:], ";") // the first is empty
}

func runCube(ctx context.Context, args []string, stdout io.Writer) (err error) {
	f := cubeFlags{ingestFlags: ingestFlags{log: os.Stderr}}
	fs := flag.NewFlagSet("cube", flag.ContinueOnError)
	f.register(fs)
	fs.StringVar(&f.memory, "build-memory", "512MiB", "of tidemark's builds")
	f.merges.register(fs)
	if err := parse(fs, args); err != nil {
		return err
	}
	if _, err := f.chosen(); err != nil {
		return err
	}
	if f.work == "" {
		if f.work, err = os.MkdirTemp("", "tidemark-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(f.work)) }()
	}
	rep := cubeReport{
		Scenario: "cube", Command: strings.Replace(shownCommand(args), "bench ingest", "bench cube", 1), Commit: commit(ctx),
		Started: time.Now().UTC().Truncate(time.Second), Machine: describeMachine(), Events: f.events,
	}
	if rep.Runs, err = f.cubes(ctx); err != nil {
		return err
	}
	text := rep.markdown()
	if _, err := io.WriteString(stdout, text); err != nil || f.out == "" {
		return err
	}
	return rep.write(f.out, text)
}

// cubes stages the events once, and has each contender build each cube in each round.
func (f *cubeFlags) cubes(ctx context.Context) (runs []cubeRun, err error) {
	j, err := f.prepare(ctx, variants()[0])
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.clean(context.WithoutCancel(ctx), j)) }()
	data := filepath.Join(f.work, "cube")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	if _, err := f.runTidemark(ctx, j, data); err != nil {
		return nil, err
	}
	data = filepath.Join(data, "data")
	for round := range f.rounds {
		for _, k := range cubeKinds {
			r, err := f.tidemarkCube(ctx, data, cubeYAML(k.name, k.measures, k.base), k.name)
			if err != nil {
				return nil, fmt.Errorf("cube %s: %w", k.name, err)
			}
			r.Events, r.Round = j.truth.Events, round
			runs = append(runs, r)
			if f.python == "" {
				continue
			}
			for _, threads := range threadCounts() {
				r, err := f.duckdbCube(ctx, data, fmt.Sprint(threads), k.peer, cubeSets(k.base))
				if err != nil {
					return nil, fmt.Errorf("cube %s: %w", k.name, err)
				}
				if r.Events != j.truth.Events {
					return nil, fmt.Errorf("DuckDB counts %d events, want %d", r.Events, j.truth.Events)
				}
				r.Cube, r.Round = k.name, round
				runs = append(runs, r)
			}
		}
		merged, err := f.measureMerges(ctx, data)
		if err != nil {
			return nil, err
		}
		for _, r := range merged {
			r.Round = round
			runs = append(runs, r)
		}
	}
	return runs, nil
}

func (f *cubeFlags) duckdbCube(ctx context.Context, data, threads, measures, sets string) (r cubeRun, err error) {
	glob := filepath.Join(data, "store", "staged", "*", "*", "*.parquet")
	c := child{path: f.python, args: []string{"-c", duckdbCube, glob, threads, measures, sets}, stderr: f.log}
	r.Process, err = c.runJSON(ctx, &r)
	r.Contender = "duckdb-" + threads + "t"
	return r, err
}

// served runs steps against a server of its own, whose CPU and memory it returns.
func (f *cubeFlags) served(ctx context.Context, data string, steps func(ctx context.Context, ask func(v any, args ...string) error) error) (processUsage, error) {
	ask := func(v any, args ...string) error {
		cmd := exec.CommandContext(ctx, f.tidemark, append(args, "--data", data, "-o", "json")...)
		cmd.Stderr = f.log
		text, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("tidemark %s: %w", strings.Join(args, " "), err)
		}
		if v == nil {
			return nil
		}
		return json.Unmarshal(text, v)
	}
	args := append([]string{
		"serve", "--data", data, "--http", "127.0.0.1:0", "--brokers", f.brokers, "--build-memory", f.memory, "--log-level", "warn",
	}, strings.Fields(f.tidemarkArgs)...)
	c := child{path: f.tidemark, args: args, stderr: f.log, done: func(ctx context.Context) error {
		if err := answering(ctx, data); err != nil {
			return err
		}
		return steps(ctx, ask)
	}}
	_, u, err := c.run(ctx)
	return u, err
}

// answering waits until the server has left its address in the folder.
func answering(ctx context.Context, data string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(filepath.Join(data, "address")); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// jobTimes is what the scenario reads of a job.
type jobTimes struct {
	Jobs []struct {
		State, Problem string
		StartedAt      time.Time `json:"started_at"`
		EndedAt        time.Time `json:"ended_at"`
	} `json:"jobs"`
}

// last returns the seconds of a cube's newest job.
func last(ask func(v any, args ...string) error, cube string) (float64, error) {
	var list jobTimes
	if err := ask(&list, "job", "list", "--cube", cube); err != nil {
		return 0, err
	}
	if len(list.Jobs) == 0 || list.Jobs[0].State != "finished" {
		return 0, fmt.Errorf("cube %s: no finished job: %+v", cube, list.Jobs)
	}
	return list.Jobs[0].EndedAt.Sub(list.Jobs[0].StartedAt).Seconds(), nil
}

// tidemarkCube builds all events as one segment, in a process of its own.
func (f *cubeFlags) tidemarkCube(ctx context.Context, data, yaml, name string) (r cubeRun, err error) {
	path := filepath.Join(f.work, name+".yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o644); err != nil {
		return r, err
	}
	r.Cube, r.Contender = name, "tidemark"
	r.Process, err = f.served(ctx, data, func(_ context.Context, ask func(v any, args ...string) error) error {
		if err := ask(nil, "cube", "apply", "-f", path); err != nil {
			return err
		}
		if err := ask(nil, "segment", "build", name, "--start", "earliest", "--wait"); err != nil {
			return err
		}
		if r.Seconds, err = last(ask, name); err != nil {
			return err
		}
		return ask(nil, "cube", "purge", name)
	})
	return r, err
}

func (r *cubeReport) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Cubes, %s, commit %s\n\n`%s`\n\n%d x %s, %.0f GiB, %s, %s, load %.1f before the first run. %d events; 9 dimensions, 63 cuboids (base: 1).\n\n",
		r.Started.Format("2006-01-02 15:04Z"), r.Commit, r.Command, r.Machine.Cores, r.Machine.CPU, float64(r.Machine.MemoryBytes)/(1<<30),
		r.Machine.System, r.Machine.Go, r.Machine.Load, r.Events)
	b.WriteString("| cube | contender | round | seconds | to tidemark | CPU s, whole process | peak RSS MiB |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	own := map[string]float64{}
	for _, x := range r.Runs {
		if x.Contender == "tidemark" {
			own[fmt.Sprint(x.Cube, x.Round)] = x.Seconds
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %.2f | %.2f | %.1f | %.0f |\n", x.Cube, x.Contender, x.Round+1, x.Seconds, x.Seconds/own[fmt.Sprint(x.Cube, x.Round)],
			x.Process.CPUSeconds, float64(x.Process.PeakRSSBytes)/(1<<20))
	}
	return b.String()
}

func (r *cubeReport) write(dir, text string) error {
	whole, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	name := filepath.Join(dir, fmt.Sprintf("cube-%s-%s", r.Started.Format("20060102-1504"), strings.TrimSuffix(r.Commit, "+")))
	for ext, text := range map[string]string{".json": string(whole) + "\n", ".md": text} {
		if err := os.WriteFile(name+ext, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
