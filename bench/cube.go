package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cubeFlags are those of the scenario cube.
type cubeFlags struct {
	runFlags
	memory, small                string
	sizes, hllPeers, peers, only string
	rates                        string
	merges                       mergeFlags
}

func (f *cubeFlags) register(fs *flag.FlagSet) {
	f.runFlags.register(fs, 1)
	fs.StringVar(&f.memory, "build-memory", "512MiB", "of tidemark's builds")
	fs.StringVar(&f.small, "small-memory", "64MiB", "of one more build of the fewest events, which must make the same files")
	fs.StringVar(&f.sizes, "sizes", "1000000,3000000,10000000,30000000", "numbers of events to build; of the largest only the cube all")
	fs.StringVar(&f.peers, "peer-sizes", "10000000", "numbers of events that DuckDB builds too")
	fs.StringVar(&f.hllPeers, "peer-hll-sizes", "3000000", "the same for the cube all_hll, which takes DuckDB long")
	fs.StringVar(&f.rates, "event-rates", "10000,250", "events per second of event time; after the first, only the cube all of the fewest events and the merges")
	fs.StringVar(&f.only, "parts", "all,all_hll,base,memory,merges", "what is measured; separated by commas")
	f.merges.register(fs)
}

// cubeRun is one contender's build of one cube, by its own clock; CPU and memory are of its whole process.
type cubeRun struct {
	Cube       string  `json:"cube"`
	Contender  string  `json:"contender"`
	Round      int     `json:"round"`
	Events     int64   `json:"events"`
	Rate       float64 `json:"events_per_second"`     // of event time
	Input      int64   `json:"input_cells,omitempty"` // of the segments that are merged
	Cells      int64   `json:"cells,omitempty"`
	Bytes      int64   `json:"bytes,omitempty"` // of the cuboids' files
	Seconds    float64 `json:"seconds"`
	Process    processUsage
	OtherCores float64 `json:"other_cores"` // busy with anything else on the machine meanwhile, about
	digest     string  // of the cuboids' files
}

// cubeReport is what the scenario leaves.
type cubeReport struct {
	header
	Memory string    `json:"build_memory"`
	Runs   []cubeRun `json:"runs"`
}

func (f *cubeFlags) measure(ctx context.Context, h header, stdout io.Writer) (report, error) {
	rep := &cubeReport{header: h, Memory: f.memory}
	return rep, f.cubes(ctx, func(r cubeRun) {
		rep.Runs = append(rep.Runs, r)
		fmt.Fprintf(stdout, "%-26s %-24s %9d events %8.2f s %8.1f CPU s %6.0f MiB\n",
			r.Cube, r.Contender, r.Events, r.Seconds, r.Process.CPUSeconds, float64(r.Process.PeakRSSBytes)/(1<<20))
	})
}

func (f *cubeFlags) validate() error {
	if err := f.runFlags.validate(); err != nil {
		return err
	}
	for _, list := range []string{f.sizes, f.peers, f.hllPeers, f.rates} {
		if _, err := numbers(list); err != nil {
			return err
		}
	}
	for _, p := range strings.Split(f.only, ",") {
		if !slices.Contains([]string{"all", "all_hll", "base", "memory", "merges"}, p) {
			return wrongUse("part %q: give some of all, all_hll, base, memory, merges", p)
		}
	}
	return nil
}

func (f *cubeFlags) has(part string) bool { return slices.Contains(strings.Split(f.only, ","), part) }

// numbers reads numbers of events.
func numbers(list string) (out []int64, err error) {
	for _, s := range strings.Split(list, ",") {
		if s == "" {
			continue
		}
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 1 {
			return nil, wrongUse("%q is no number of events: give some, 1 or more, separated by commas", s)
		}
		out = append(out, n)
	}
	return out, nil
}

// cubes measures every size in turn, so that the disk holds the events of one.
func (f *cubeFlags) cubes(ctx context.Context, add func(cubeRun)) error {
	sizes, err := numbers(f.sizes)
	if err != nil {
		return err
	}
	rates, err := numbers(f.rates)
	if err != nil {
		return err
	}
	if len(sizes) == 0 || len(rates) == 0 {
		return wrongUse("no --sizes or no --event-rates: give at least one of each")
	}
	slices.Sort(sizes)
	merged := sizes[len(sizes)-1] // of which size merges are
	if i := slices.IndexFunc(sizes, func(n int64) bool { return n >= f.merges.events }); i >= 0 {
		merged = sizes[i]
	}
	for k, rate := range rates {
		for i, n := range sizes {
			merges := f.has("merges") && n == merged
			if k > 0 && i > 0 && !merges {
				continue
			}
			err := f.size(ctx, n, float64(rate), func(st staged) (err error) {
				switch {
				case k == 0:
					err = f.builds(ctx, st, i == 0, i > 0 && i == len(sizes)-1, add)
				case i == 0:
					err = f.builds(ctx, st, false, true, add)
				}
				if err != nil || !merges {
					return err
				}
				return f.measureMerges(ctx, st, add)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// size stages so many events for measure, and removes them.
func (f *cubeFlags) size(ctx context.Context, events int64, rate float64, measure func(staged) error) error {
	st, err := f.stage(ctx, events, rate)
	if err != nil {
		return fmt.Errorf("stage %d events, %v a second: %w", events, rate, err)
	}
	if err = measure(st); !f.keep {
		err = errors.Join(err, os.RemoveAll(filepath.Dir(st.data)))
	}
	return err
}

// builds has each contender build each cube of the staged events, of the largest size only all.
func (f *cubeFlags) builds(ctx context.Context, st staged, smallest, largest bool, add func(cubeRun)) error {
	for round := range f.rounds {
		for _, k := range cubeKinds {
			if !f.has(k.name) || largest && k.name != "all" {
				continue
			}
			r, err := f.tidemarkCube(ctx, st, k, f.memory)
			if err != nil {
				return fmt.Errorf("cube %s: %w", k.name, err)
			}
			r.Round = round
			add(r)
			if err := f.duckdbCubes(ctx, st, k, func(r cubeRun) { r.Round = round; add(r) }); err != nil {
				return fmt.Errorf("cube %s: %w", k.name, err)
			}
			if k.name != "all" || !smallest || !f.has("memory") || round > 0 {
				continue
			}
			small, err := f.tidemarkCube(ctx, st, k, f.small)
			if err != nil {
				return fmt.Errorf("cube %s with %s: %w", k.name, f.small, err)
			}
			if small.digest != r.digest {
				return fmt.Errorf("cube %s: with %s of memory its files are not those with %s", k.name, f.small, f.memory)
			}
			small.Contender += " with " + f.small
			add(small)
		}
	}
	return nil
}

// with returns the flags with more of them for tidemark, before the user's own: the last one counts.
func (f *cubeFlags) with(more string) *cubeFlags {
	with := *f
	with.tidemarkArgs = more + " " + f.tidemarkArgs
	return &with
}

// readMemory is for events that are read: there are none while cubes are built.
const readMemory = "16MiB"

// served runs steps against a server of its own, whose CPU and memory it returns.
func (f *cubeFlags) served(ctx context.Context, data string, steps func(ctx context.Context, ask asker) error) (processUsage, error) {
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
		"--memory", readMemory,
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

func (r *cubeReport) markdown() string {
	var b strings.Builder
	b.WriteString(r.title("Cubes"))
	fmt.Fprintf(&b, cubeAbout, r.Memory)
	b.WriteString("\n| cube | events | events/s | contender | round | seconds | to tidemark | CPU s | CPU to tidemark | CPU us/event | ns/cell | " +
		"cells in/event | cells/event | MB | peak RSS MiB | cores of others |\n" + strings.Repeat("| --- ", 16) + "|\n")
	own := map[string]cubeRun{}
	for _, x := range r.Runs {
		key := fmt.Sprint(x.Cube, x.Events, x.Rate, x.Round)
		if x.Contender == "tidemark" {
			own[key] = x
		}
		t, events := own[key], float64(max(x.Events, 1))
		perCell, input := "-", "-"
		if x.Cells > 0 {
			perCell = fmt.Sprintf("%.0f", x.Process.CPUSeconds*1e9/float64(x.Cells))
		}
		if x.Input > 0 {
			input = fmt.Sprintf("%.2f", float64(x.Input)/events)
		}
		fmt.Fprintf(&b, "| %s | %d | %.0f | %s | %d | %.2f | %.2f | %.1f | %.2f | %.2f | %s | %s | %.2f | %.1f | %.0f | %.1f |\n",
			x.Cube, x.Events, x.Rate, x.Contender, x.Round+1, x.Seconds, x.Seconds/t.Seconds, x.Process.CPUSeconds, x.Process.CPUSeconds/t.Process.CPUSeconds,
			x.Process.CPUSeconds*1e6/events, perCell, input, float64(x.Cells)/events, float64(x.Bytes)/1e6, float64(x.Process.PeakRSSBytes)/(1<<20), x.OtherCores)
	}
	return b.String()
}

// cubeAbout says what the table is of.
const cubeAbout = `Page views of bench table, staged by tidemark as Parquet. 9 dimensions: minute, country (60 values), lang (39), section (12), device_type (4),
os (9), is_bounce (2), referrer (1000), campaign (200); 63 cuboids (base: 1). Measures: count and sum of bytes, with the max of latency_ms (all, base)
or the distinct visitors (all_hll). Seconds are those of the job, or of the statements, by the contender's own clock; CPU and memory are of its
process. tidemark writes compressed Parquet with a hash of every row (builds with %s of memory), DuckDB fills tables in memory. DuckDB's plans:
"sets" is one statement with GROUPING SETS over the files; "each" reads the files into a table, then groups by each set in turn (in sets,
sketches take all of the memory); "enums" is each with the strings turned into enums by hand before, which is our trick done for it.

"events/s" is how dense the events are in their own time. 10,000 is a busy site's (3 million in five minutes); 250 is the unfavourable case, where
hardly two events share a cell. Sessions grow with it, so that a visitor is as quick in both. "cells in/event" are those of the segments that are
merged, by 9 dimensions of about 50, 12, 2, 4, 8, 11, 30 and 1000 values and the time, with count, sum and distinct visitors; their union is built
from the events. "cores of others" counts what else ran on the machine: where it is above about 0.1, seconds say little, and CPU seconds are to be compared.
`
