package main

import (
	"fmt"
	"slices"
	"strings"
)

// run is one contender's round.
type run struct {
	Variant    string  `json:"variant"`
	Contender  string  `json:"contender"`
	Round      int     `json:"round"`
	Events     int64   `json:"events"`
	OwnSeconds float64 `json:"own_seconds"` // by the contender's own clock; 0 unknown
	processUsage
	BrokerCPUSeconds float64 `json:"broker_cpu_seconds"` // 0 without --broker-pid
	OtherCPUSeconds  float64 `json:"other_cpu_seconds"`  // of everything else on the machine, about
	StolenSeconds    float64 `json:"stolen_seconds"`     // by the hypervisor
	OutputFiles      int     `json:"output_files"`
	OutputBytes      int64   `json:"output_bytes"`
}

// perSecond goes by the whole process, its start included.
func (r run) perSecond() float64 { return float64(r.Events) / r.Seconds }

func (r run) cpuPerEvent() float64 { return r.CPUSeconds / float64(r.Events) }

// summary is a contender's rounds in one variant. Ratios are medians of the ratios within a round, since only what ran
// one after the other compares.
type summary struct {
	Variant            string  `json:"variant"`
	Contender          string  `json:"contender"`
	EventsPerSecond    float64 `json:"events_per_second"` // median
	CPUMicrosPerEvent  float64 `json:"cpu_us_per_event"`  // median
	CPUMicrosLowest    float64 `json:"cpu_us_per_event_lowest"`
	PeakRSSBytes       int64   `json:"peak_rss_bytes"` // highest
	BrokerMicros       float64 `json:"broker_cpu_us_per_event"`
	OtherCores         float64 `json:"other_cores"` // busy with something else, median
	OutputBytes        int64   `json:"output_bytes"`
	OutputFiles        int     `json:"output_files"`
	SpeedToConsumer    float64 `json:"events_per_second_to_consumer"`
	TidemarkCPUBetter  float64 `json:"tidemark_events_per_cpu_second_to_this"`
	CPUToBaseOfVariant float64 `json:"cpu_per_event_to_base,omitempty"` // of the same contender, in another variant
}

// ingestReport is what the scenario leaves.
type ingestReport struct {
	header
	Events  int64     `json:"events"`
	Rounds  int       `json:"rounds"`
	Skipped []string  `json:"skipped,omitempty"`
	Summary []summary `json:"summary"`
	Runs    []run     `json:"runs"`
}

func (r *ingestReport) summarize() {
	type key struct{ variant, contender string }
	byKey := map[key][]run{}
	var order []key
	for _, x := range r.Runs {
		k := key{x.Variant, x.Contender}
		if byKey[k] == nil {
			order = append(order, k)
		}
		byKey[k] = append(byKey[k], x)
	}
	base := map[string]float64{}
	for _, k := range order {
		runs := byKey[k]
		s := summary{
			Variant: k.variant, Contender: k.contender,
			EventsPerSecond:   median(runs, run.perSecond),
			CPUMicrosPerEvent: 1e6 * median(runs, run.cpuPerEvent),
			BrokerMicros:      1e6 * median(runs, func(x run) float64 { return x.BrokerCPUSeconds / float64(x.Events) }),
			OtherCores:        median(runs, func(x run) float64 { return x.OtherCPUSeconds / x.Seconds }),
			OutputBytes:       int64(median(runs, func(x run) float64 { return float64(x.OutputBytes) })),
			OutputFiles:       int(median(runs, func(x run) float64 { return float64(x.OutputFiles) })),
			SpeedToConsumer:   ratio(runs, byKey[key{k.variant, "consumer"}], run.perSecond),
			TidemarkCPUBetter: ratio(runs, byKey[key{k.variant, "tidemark"}], run.cpuPerEvent),
		}
		s.CPUMicrosLowest = s.CPUMicrosPerEvent
		for _, x := range runs {
			s.CPUMicrosLowest = min(s.CPUMicrosLowest, 1e6*x.cpuPerEvent())
			s.PeakRSSBytes = max(s.PeakRSSBytes, x.PeakRSSBytes)
		}
		if k.variant == "base" {
			base[k.contender] = s.CPUMicrosPerEvent
		} else if b := base[k.contender]; b > 0 {
			s.CPUToBaseOfVariant = s.CPUMicrosPerEvent / b
		}
		r.Summary = append(r.Summary, s)
	}
}

func median(runs []run, of func(run) float64) float64 {
	v := make([]float64, len(runs))
	for i, r := range runs {
		v[i] = of(r)
	}
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// ratio is the median over rounds of a's value by b's.
func ratio(a, b []run, of func(run) float64) float64 {
	if len(b) == 0 {
		return 0
	}
	byRound := map[int]run{}
	for _, r := range b {
		byRound[r.Round] = r
	}
	return median(a, func(r run) float64 { return of(r) / of(byRound[r.Round]) })
}

func (r *ingestReport) markdown() string {
	var b strings.Builder
	b.WriteString(r.title("Ingest"))
	fmt.Fprintf(&b, "%d events a variant, %d rounds in turn; whole processes, medians, highest memory. \"cores of others\" counts what else ran on "+
		"the machine: above about 0.1 only the ratios mean something.\n", r.Events, r.Rounds)
	for _, s := range r.Skipped {
		fmt.Fprintf(&b, "\n%s.\n", s)
	}
	variant, notes := "", ""
	if slices.ContainsFunc(r.Runs, func(x run) bool { return strings.HasPrefix(x.Contender, "connect") }) {
		notes = "\nRedpanda Connect never ends by itself: its time runs to the commit of the last offset, which waits for the last batch " +
			"(10 s or 5 s). Compare it by CPU, or with many events.\n"
	}
	for _, s := range r.Summary {
		if s.Variant != variant {
			variant = s.Variant
			fmt.Fprintf(&b, "\n## %s\n\n| contender | events/s | to consumer | CPU us/event (lowest) | tidemark's events per CPU s to this | "+
				"broker CPU us/event | peak RSS MiB | files | MB | cores of others |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n", variant)
		}
		fmt.Fprintf(&b, "| %s | %.0f | %.2f | %.2f (%.2f) | %.2f | %.2f | %.0f | %d | %.1f | %.2f |\n", s.Contender, s.EventsPerSecond,
			s.SpeedToConsumer, s.CPUMicrosPerEvent, s.CPUMicrosLowest, s.TidemarkCPUBetter, s.BrokerMicros, float64(s.PeakRSSBytes)/(1<<20),
			s.OutputFiles, float64(s.OutputBytes)/1e6, s.OtherCores)
		if s.CPUToBaseOfVariant > 0 && s.Contender == "tidemark" {
			notes += fmt.Sprintf("\n%s: tidemark takes %.2f times the CPU of base per event.\n", s.Variant, s.CPUToBaseOfVariant)
		}
	}
	return b.String() + notes
}

// benchstat is the form that golang.org/x/perf/cmd/benchstat reads: a line for each run.
func (r *ingestReport) benchstat() string {
	var b strings.Builder
	fmt.Fprintf(&b, "commit: %s\ncpu: %s\n", r.Commit, r.Machine.CPU)
	for _, x := range r.Runs {
		fmt.Fprintf(&b, "BenchmarkIngest/variant=%s/contender=%s-%d %d %.1f ns/op %.1f cpu-ns/op %.1f broker-cpu-ns/op %.0f events/s %d peak-RSS-B\n",
			x.Variant, x.Contender, r.Machine.Cores, x.Events, x.Seconds*1e9/float64(x.Events), x.cpuPerEvent()*1e9,
			x.BrokerCPUSeconds*1e9/float64(x.Events), x.perSecond(), x.PeakRSSBytes)
	}
	return b.String()
}
