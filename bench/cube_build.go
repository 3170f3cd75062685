package main

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/internal/pageviews"
)

//go:embed peers/duckdb_cube.py
var duckdbCube string

// cubeKind is a cube that is built: its measures, by the name that the peer has for them, and how the peer plans it.
type cubeKind struct {
	name, measures, peer string
	base                 bool // the base cuboid alone
	plans                []string
}

var cubeKinds = []cubeKind{
	{"all", "[count, sum(bytes), max(latency_ms)]", "plain", false, []string{"sets", "enums"}},
	{"all_hll", "[count, sum(bytes), count_distinct(visitor_id)]", "hll", false, []string{"each"}},
	{"base", "[count, sum(bytes), max(latency_ms)]", "plain", true, []string{"sets"}},
}

// cubeUnits are dimensions that cuboids have all of or none of.
var cubeUnits = []string{"ts_minute", "country,lang", "section", "device_type,os", "is_bounce", "referrer,campaign"}

// yaml is the definition of the cube: 63 cuboids or one.
func (k cubeKind) yaml() string {
	var joint []string
	for _, u := range cubeUnits {
		if strings.Contains(u, ",") {
			joint = append(joint, "["+u+"]")
		}
	}
	dims := strings.Join(cubeUnits, ",")
	if k.base {
		joint = []string{"[" + dims + "]"}
	}
	return "cube: " + k.name + "\ntable: pageviews\ndimensions: [" + strings.Replace(dims, "ts_minute", "minute(ts)", 1) + "]\nmeasures: " + k.measures +
		"\ngroups:\n  - {joint: [" + strings.Join(joint, ", ") + "]}\ncut: {manual: true}\nmerge: {manual: true}\n"
}

// sets are the cuboids for DuckDB.
func (k cubeKind) sets() string {
	if k.base {
		return strings.Join(cubeUnits, ",")
	}
	sets := []string{""}
	for _, u := range cubeUnits {
		for _, s := range sets {
			sets = append(sets, strings.Trim(s+","+u, ","))
		}
	}
	return strings.Join(sets[1:], ";") // the first is empty
}

// staged is a data folder with the events of one topic.
type staged struct {
	data   string
	events int64
	rate   float64 // a second of event time
}

// stage fills a topic, has tidemark stage it, and deletes it.
func (f *cubeFlags) stage(ctx context.Context, events int64, rate float64) (st staged, err error) {
	dir := filepath.Join(f.work, fmt.Sprintf("cube-%d-%d-%v", events, f.seed, rate))
	st = staged{data: filepath.Join(dir, "data"), events: events, rate: rate}
	done := filepath.Join(dir, "done")
	if _, err := os.Stat(done); err == nil && f.keep {
		return st, nil
	}
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return st, err
	}
	topic := fmt.Sprintf("bench-cube-%d-%d", events, f.seed)
	produce := f.self("produce", "--brokers", f.brokers, "--topic", topic, "--recreate", "--events", fmt.Sprint(events),
		"--seed", fmt.Sprint(f.seed), "--late", fmt.Sprint(f.late), "--event-rate", fmt.Sprint(rate), "-o", "json")
	if _, err := produce.runJSON(ctx, new(produced)); err != nil {
		return st, err
	}
	defer func() {
		err = errors.Join(err, f.clean(context.WithoutCancel(ctx), &job{topic: topic}))
	}()
	// The records have a campaign, which no other benchmark reads.
	text := pageviews.TableYAML("pageviews", topic)
	text = strings.Replace(text, "staging:\n", "  - {name: campaign, path: referrer.campaign, type: string}\nstaging:\n", 1)
	table := filepath.Join(dir, "table.yaml")
	if err := os.WriteFile(table, []byte(text), 0o644); err != nil {
		return st, err
	}
	apply := child{path: f.tidemark, args: []string{"table", "apply", "-f", table, "--data", st.data}, stderr: f.log}
	if _, _, err := apply.run(ctx); err != nil {
		return st, err
	}
	ingest := child{path: f.tidemark, args: []string{"ingest", "--brokers", f.brokers, "--data", st.data, "--until-end", "-o", "json"}, stderr: f.log}
	var got ingested
	if _, err := ingest.runJSON(ctx, &got); err != nil {
		return st, err
	}
	if got.Events != events {
		return st, fmt.Errorf("%d events were staged, want %d", got.Events, events)
	}
	return st, os.WriteFile(done, nil, 0o644)
}

// tidemarkCube builds all events as one segment, in a process of its own.
func (f *cubeFlags) tidemarkCube(ctx context.Context, st staged, k cubeKind, memory string) (r cubeRun, err error) {
	path := filepath.Join(f.work, k.name+".yaml")
	if err := os.WriteFile(path, []byte(k.yaml()), 0o644); err != nil {
		return r, err
	}
	r.Cube, r.Contender, r.Events, r.Rate = k.name, "tidemark", st.events, st.rate
	with := *f
	with.memory = memory
	err = r.watched(func() (processUsage, error) {
		return with.served(ctx, st.data, func(_ context.Context, ask asker) (err error) {
			if err := ask(nil, "cube", "apply", "-f", path); err != nil {
				return err
			}
			if err := ask(nil, "segment", "build", k.name, "--start", "earliest", "--wait"); err != nil {
				return err
			}
			if r.Seconds, err = last(ask, k.name); err != nil {
				return err
			}
			if err := r.readManifest(st.data, k.name); err != nil {
				return err
			}
			return ask(nil, "cube", "purge", k.name)
		})
	})
	return r, err
}

// watched runs f, and notes what it took and how many cores were busy with anything else meanwhile.
func (r *cubeRun) watched(f func() (processUsage, error)) (err error) {
	began, own := time.Now(), ownUsage().CPUSeconds
	busy, stolen, _ := machineCPU()
	if r.Process, err = f(); err != nil {
		return err
	}
	busyNow, stolenNow, _ := machineCPU()
	others := busyNow - busy + stolenNow - stolen - r.Process.CPUSeconds - (ownUsage().CPUSeconds - own)
	r.OtherCores = max(0, others/time.Since(began).Seconds())
	return nil
}

// manifest is what the scenario reads of a segment's manifest.
type manifest struct {
	Cube      string
	CreatedUs int64 `json:"created_us"`
	Cuboids   []struct{ Rows, Bytes int64 }
	Files     []struct{ SHA256 string }
}

func (m *manifest) cells() (n int64) {
	for _, c := range m.Cuboids {
		n += c.Rows
	}
	return n
}

// manifests reads those of a cube's segments, the oldest first.
func manifests(data, cube string) (out []manifest, err error) {
	list, err := filepath.Glob(filepath.Join(data, "store", "segments", "*", "*", "manifest.json"))
	if err != nil {
		return nil, err
	}
	for _, path := range list {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var m manifest
		if err := json.Unmarshal(b, &m); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if m.Cube == cube {
			out = append(out, m)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("cube %s: none of %d manifests is of it", cube, len(list))
	}
	slices.SortFunc(out, func(a, b manifest) int { return cmp.Compare(a.CreatedUs, b.CreatedUs) })
	return out, nil
}

// readManifest takes what the newest segment of a cube says of itself.
func (r *cubeRun) readManifest(data, cube string) error {
	list, err := manifests(data, cube)
	if err != nil {
		return err
	}
	newest := list[len(list)-1]
	r.Cells = newest.cells()
	for _, c := range newest.Cuboids {
		r.Bytes += c.Bytes
	}
	for _, f := range newest.Files {
		r.digest += f.SHA256
	}
	if r.Cells == 0 {
		return fmt.Errorf("cube %s: its newest manifest has no cells", cube)
	}
	return nil
}

// duckdbCubes has DuckDB make a cube by each of its plans, where it takes part.
func (f *cubeFlags) duckdbCubes(ctx context.Context, st staged, k cubeKind, add func(cubeRun)) error {
	list := f.peers
	if k.peer == "hll" {
		list = f.hllPeers
	}
	sizes, err := numbers(list)
	if err != nil || f.python == "" || !slices.Contains(sizes, st.events) {
		return err
	}
	glob := filepath.Join(st.data, "store", "staged", "*", "*", "*.parquet")
	for _, plan := range k.plans {
		threads := fmt.Sprint(threadCounts()[0])
		c := child{path: f.python, args: []string{"-c", duckdbCube, glob, threads, k.peer, plan, k.sets()}, stderr: f.log}
		r := cubeRun{}
		if err = r.watched(func() (processUsage, error) { return c.runJSON(ctx, &r) }); err != nil {
			if ctx.Err() != nil {
				return err
			}
			fmt.Fprintln(f.log, err) // it ran out of memory: the others go on
			add(cubeRun{Cube: k.name, Contender: "duckdb " + plan + " (failed)", Events: st.events, Rate: st.rate, Process: r.Process})
			continue
		}
		if r.Events != st.events {
			return fmt.Errorf("DuckDB counts %d events, want %d", r.Events, st.events)
		}
		r.Cube, r.Contender, r.Rate = k.name, "duckdb "+plan, st.rate
		add(r)
	}
	return nil
}
