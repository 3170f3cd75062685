package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// mergeFlags are those of the merges of the scenario cube.
type mergeFlags struct {
	segments int
	events   int64
}

func (m *mergeFlags) register(fs *flag.FlagSet) {
	fs.IntVar(&m.segments, "segments", 12, "that are merged, of equal parts of the events")
	fs.Int64Var(&m.events, "merge-events", 3_000_000, "events that are built in segments and merged, at most")
}

// mergeYAML is a cube of 9 dimensions of about 50, 12, 2, 4, 8, 11, 30 and 1000 values and the time, and 63 cuboids.
func mergeYAML(name, grain string) string {
	return fmt.Sprintf(`cube: %s
table: pageviews
dimensions: [%s(ts), country, section, is_bounce, device_type, os, browser, lang, referrer]
measures: [count, sum(bytes), count_distinct(visitor_id)]
groups:
  - {hierarchy: [[device_type, os, browser]], joint: [[country, lang], [section, is_bounce]]}
cut: {manual: true}
merge: {manual: true}
`, name, grain)
}

// measureMerges measures a merge, at each grain of the time, beside a build of what it makes.
func (f *cubeFlags) measureMerges(ctx context.Context, data string) (runs []cubeRun, err error) {
	for _, grain := range []string{"minute", "hour"} {
		r, err := f.merge(ctx, data, grain)
		if err != nil {
			return nil, fmt.Errorf("merge by %s: %w", grain, err)
		}
		runs = append(runs, r...)
	}
	return runs, nil
}

// asker runs a command against the server and decodes its answer.
type asker func(v any, args ...string) error

// merge builds segments of equal parts, merges them, and builds the merged one again. Both runs have one server: CPU and
// memory are of all of it.
func (f *cubeFlags) merge(ctx context.Context, data, grain string) ([]cubeRun, error) {
	name := "parts_" + grain
	path := filepath.Join(f.work, name+".yaml")
	if err := os.WriteFile(path, []byte(mergeYAML(name, grain)), 0o644); err != nil {
		return nil, err
	}
	merged := cubeRun{Cube: fmt.Sprintf("merge of %d by %s", f.merges.segments, grain), Contender: "tidemark"}
	union := cubeRun{Cube: "build of their union by " + grain, Contender: "tidemark"}
	u, err := f.served(ctx, data, func(_ context.Context, ask func(v any, args ...string) error) (err error) {
		if err := ask(nil, "cube", "apply", "-f", path); err != nil {
			return err
		}
		if union.Events, err = f.parts(ask, name); err != nil {
			return err
		}
		merged.Events = union.Events
		list := []string{"segment", "merge", name}
		for i := range f.merges.segments {
			list = append(list, fmt.Sprint(i+1))
		}
		if err := ask(nil, append(list, "--wait")...); err != nil {
			return err
		}
		if merged.Seconds, err = last(ask, name); err != nil {
			return err
		}
		if err := ask(nil, "segment", "refresh", name, fmt.Sprint(f.merges.segments+1), "--wait"); err != nil {
			return err
		}
		if union.Seconds, err = last(ask, name); err != nil {
			return err
		}
		return ask(nil, "cube", "purge", name)
	})
	merged.Process, union.Process = u, u
	return []cubeRun{merged, union}, err
}

// parts builds the segments, of the first events of each partition, and counts the events.
func (f *cubeFlags) parts(ask asker, name string) (events int64, err error) {
	var offsets struct {
		Partitions []struct {
			Partition        int32
			Start, Committed int64
		}
	}
	if err := ask(&offsets, "table", "offsets", "pageviews"); err != nil {
		return 0, err
	}
	for i, p := range offsets.Partitions {
		most := f.merges.events / int64(len(offsets.Partitions))
		offsets.Partitions[i].Committed = min(p.Committed, p.Start+most)
		events += offsets.Partitions[i].Committed - p.Start
	}
	for i := range f.merges.segments {
		var at []string
		for _, p := range offsets.Partitions {
			at = append(at, fmt.Sprintf("%d:%d", p.Partition, p.Start+(p.Committed-p.Start)*int64(i+1)/int64(f.merges.segments)))
		}
		if err := ask(nil, "segment", "build", name, "--end", strings.Join(at, ","), "--wait"); err != nil {
			return 0, err
		}
	}
	return events, nil
}
