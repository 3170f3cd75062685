package local

import (
	"flag"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/segmenter"
)

var benchEvents = flag.Int64("bench.events", 600_000, "events of BenchmarkMerge")

// mergeCube has 9 dimensions, of about 50, 12, 2, 4, 8, 11, 30 and 1000 values and the time, and 63 cuboids.
const mergeCube = `
cube: views
table: views
dimensions: [GRAIN(ts), country, section, is_bounce, device_type, os, browser, lang, referrer]
measures: MEASURES
groups:
  - {hierarchy: [[device_type, os, browser]], joint: [[country, lang], [section, is_bounce]]}
`

// cpu returns the CPU seconds of this process so far.
func cpu(tb testing.TB) float64 {
	var u syscall.Rusage
	must(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// BenchmarkMerge merges 12 segments of page views, and builds their union. Only the ratio of the CPU seconds of one run
// means something on a machine that others use.
func BenchmarkMerge(b *testing.B) {
	for _, grain := range []string{"minute", "hour"} {
		for name, measures := range map[string]string{
			"hll":   "[count, sum(bytes), count_distinct(visitor_id)]",
			"plain": "[count, sum(bytes), max(latency_ms)]",
		} {
			b.Run(grain+"-"+name, func(b *testing.B) { benchMerge(b, grain, measures, 12) })
		}
	}
}

func benchMerge(b *testing.B, grain, measures string, parts int64) {
	events := *benchEvents
	w := stagePageviews(b, events, measures)
	w.apply(strings.NewReplacer("GRAIN", grain, "MEASURES", measures).Replace(mergeCube))
	engine := func() *Engine {
		e, err := New(Options{Store: w.store, Dir: b.TempDir(), Memory: 1 << 30})
		must(b, err)
		return e
	}
	var list []*segmenter.Manifest
	attempt := int64(1)
	for i := range parts {
		v := segmenter.Vector{{Start: events * i / parts, End: events * (i + 1) / parts}}
		list = append(list, manifest(i+1, w.build(b.Context(), engine(), w.input(v, attempt))))
		attempt++
	}
	seconds := map[string]float64{}
	for name, list := range map[string][]*segmenter.Manifest{"union": nil, "merge": list} {
		b.Run(name, func(b *testing.B) {
			var out builder.EngineOutput
			began := cpu(b)
			for b.Loop() {
				attempt++
				in := w.input(w.all(), attempt)
				in.Merged = list
				out = w.build(b.Context(), engine(), in)
			}
			seconds[name] = (cpu(b) - began) / float64(b.N)
			cells, input := int64(0), int64(0)
			for _, c := range out.Cuboids {
				cells += c.Rows
			}
			for _, m := range list {
				for _, c := range m.Cuboids {
					input += c.Rows
				}
			}
			b.ReportMetric(float64(cells), "cells")
			b.ReportMetric(float64(input), "cells-in")
			b.ReportMetric(seconds[name], "cpu-s/op")
		})
	}
	if seconds["union"] > 0 && seconds["merge"] > 0 {
		fmt.Printf("the union takes %.2f times the CPU of the merge\n", seconds["union"]/seconds["merge"])
	}
}
