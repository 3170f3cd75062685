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
	fs.Int64Var(&m.events, "merge-events", 10_000_000, "events that are built in segments and merged, at most")
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
func (f *cubeFlags) measureMerges(ctx context.Context, st staged, add func(cubeRun)) error {
	for _, grain := range []string{"minute", "hour"} {
		if err := f.merge(ctx, st, grain, add); err != nil {
			return fmt.Errorf("merge by %s: %w", grain, err)
		}
	}
	return nil
}

// asker runs a command against the server and decodes its answer.
type asker func(v any, args ...string) error

// merge builds segments of equal parts, merges them, and builds the merged one again: each with a server of its own, so that
// CPU and memory are of that alone.
func (f *cubeFlags) merge(ctx context.Context, st staged, grain string, add func(cubeRun)) error {
	name := "parts_" + grain
	path := filepath.Join(f.work, name+".yaml")
	if err := os.WriteFile(path, []byte(mergeYAML(name, grain)), 0o644); err != nil {
		return err
	}
	var events, cells int64
	list := []string{"segment", "merge", name, "--wait"}
	_, err := f.served(ctx, st.data, func(_ context.Context, ask asker) (err error) {
		if err := ask(nil, "cube", "apply", "-f", path); err != nil {
			return err
		}
		events, err = f.parts(ask, name)
		return err
	})
	if err != nil {
		return err
	}
	parts, err := manifests(st.data, name)
	if err != nil {
		return err
	}
	n := f.merges.segments
	if len(parts) < n {
		return fmt.Errorf("cube %s has %d manifests, want %d", name, len(parts), n)
	}
	for i, m := range parts[len(parts)-n:] {
		list = append(list, fmt.Sprint(i+1))
		cells += m.cells()
	}
	refresh := []string{"segment", "refresh", name, fmt.Sprint(n + 1), "--wait"}
	cube := fmt.Sprintf("%d segments by %s", n, grain)
	for _, c := range []struct {
		contender string
		job       []string
		input     int64
	}{{"tidemark", list, cells}, {"tidemark, their union", refresh, 0}} {
		r := cubeRun{Cube: cube, Contender: c.contender, Events: events, Rate: st.rate, Input: c.input}
		err := r.watched(func() (processUsage, error) {
			return f.served(ctx, st.data, func(_ context.Context, ask asker) (err error) {
				if err := ask(nil, c.job...); err != nil {
					return err
				}
				r.Seconds, err = last(ask, name)
				return err
			})
		})
		if err == nil {
			err = r.readManifest(st.data, name)
		}
		if err != nil {
			return err
		}
		add(r)
	}
	_, err = f.served(ctx, st.data, func(_ context.Context, ask asker) error { return ask(nil, "cube", "purge", name) })
	return err
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
