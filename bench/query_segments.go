package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// segmentFlags are those of the scenario segments.
type segmentFlags struct {
	queryFlags
	many int
}

// segmentsDay is asked for: a whole day in the middle of the month that the events lie in.
const segmentsDay = "ts >= TIMESTAMP '2026-01-20 00:00:00' AND ts < TIMESTAMP '2026-01-21 00:00:00'"

// segmentsRun is how long the statements took over one cube, in ms.
type segmentsRun struct {
	Asked    string    `json:"asked"` // a day or all, warm or cold
	Segments int       `json:"segments"`
	Read     int       `json:"segments_read"` // by the statement that read the most
	P50      float64   `json:"p50_ms"`
	P99      float64   `json:"p99_ms"`
	Each     []float64 `json:"p50_ms_by_query"`
	TimesFew float64   `json:"times_few,omitempty"` // of the cube of many segments: geometric mean of the ratios of Each
}

type segmentsReport struct {
	header
	Events int64         `json:"events"`
	Runs   []segmentsRun `json:"runs"`
}

func (f *segmentFlags) register(fs *flag.FlagSet) {
	f.runFlags.register(fs, 1)
	f.late, fs.Lookup("late").DefValue = 0, "0" // an event that is late widens the times of its segment: more hold the asked day
	fs.Int64Var(&f.events, "events", 8_640_000, "page views, of 30 days")
	fs.IntVar(&f.segments, "few", 10, "segments of the one cube")
	fs.IntVar(&f.many, "many", 1440, "segments of the other")
	fs.IntVar(&f.seconds, "seconds", 10, "how long each cube is asked")
	fs.StringVar(&f.memory, "build-memory", "512MiB", "of tidemark's builds")
}

func (f *segmentFlags) validate() error {
	if f.segments < 1 || f.many <= f.segments {
		return wrongUse("few %d, many %d: give 1 or more, and more of the many", f.segments, f.many)
	}
	return f.runFlags.validate()
}

func (f *segmentFlags) measure(ctx context.Context, h header, stdout io.Writer) (report, error) {
	rep := &segmentsReport{header: h, Events: f.events}
	return rep, f.run(ctx, func(r segmentsRun) {
		rep.add(r)
		fmt.Fprintf(stdout, "%-16s %5d segments  p50 %8.2f ms  p99 %8.2f ms\n", r.Asked, r.Segments, r.P50, r.P99)
	})
}

// run builds both cubes, then asks each of them: at once after a start, and warm.
func (f *segmentFlags) run(ctx context.Context, add func(segmentsRun)) error {
	const month = 30 * 24 * 3600
	st, err := f.stage(ctx, f.events, float64(f.events)/month)
	if err != nil {
		return err
	}
	counts := []int{f.segments, f.many}
	f.merges.events = math.MaxInt64 // partitions whole: a cut is then at about the same time in all of them
	if _, err = f.served(ctx, st.data, func(_ context.Context, ask asker) error {
		for _, n := range counts {
			name := fmt.Sprintf("dashboard_%d", n)
			path := filepath.Join(f.work, name+".yaml")
			if err := os.WriteFile(path, []byte(strings.Replace(queryYAML, "cube: dashboard", "cube: "+name, 1)), 0o644); err != nil {
				return err
			}
			if err := ask(nil, "cube", "apply", "-f", path); err != nil {
				return err
			}
			f.merges.segments = n
			if _, err := f.parts(ask, name); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	for _, what := range []struct {
		name   string
		within []string
	}{{"a day", []string{segmentsDay}}, {"all 30 days", nil}} {
		for _, n := range counts {
			list := askedOf(mix, fmt.Sprintf("dashboard_%d", n), what.within...)
			var cold, warm [][]float64
			read := 0
			if _, err := f.with(noResults).served(ctx, st.data, func(ctx context.Context, _ asker) (err error) {
				cold, warm, read, err = f.coldAndWarm(ctx, st, list)
				return err
			}); err != nil {
				return err
			}
			add(summedSegments(what.name+", cold", n, read, cold))
			add(summedSegments(what.name+", warm", n, read, warm))
		}
	}
	return nil
}

// coldAndWarm asks each statement once of a server that has just begun, then all of them over and over.
func (f *segmentFlags) coldAndWarm(ctx context.Context, st staged, list []string) (cold, warm [][]float64, read int, err error) {
	url, err := urlOf(st)
	if err != nil {
		return nil, nil, 0, err
	}
	c := &http.Client{}
	defer c.CloseIdleConnections()
	for _, q := range list {
		d, text, err := askHTTP(ctx, c, url, q)
		if err != nil {
			return nil, nil, 0, err
		}
		var answer struct{ Blocks []struct{ Segments []any } }
		if err := json.Unmarshal(text, &answer); err != nil {
			return nil, nil, 0, err
		}
		for _, b := range answer.Blocks {
			read = max(read, len(b.Segments))
		}
		cold = append(cold, []float64{d.Seconds() * 1000})
	}
	warm, _, err = askMix(ctx, url, list, 1, f.seconds)
	return cold, warm, read, err
}

func summedSegments(asked string, segments, read int, took [][]float64) segmentsRun {
	r := segmentsRun{Asked: asked, Segments: segments, Read: read}
	var all []float64
	for _, t := range took {
		slices.Sort(t)
		all, r.Each = append(all, t...), append(r.Each, quantile(t, .5))
	}
	slices.Sort(all)
	r.P50, r.P99 = quantile(all, .5), quantile(all, .99)
	return r
}

// add compares a run over many segments with the one over few that was asked the same before.
func (r *segmentsReport) add(run segmentsRun) {
	for _, few := range r.Runs {
		if few.Asked == run.Asked {
			run.TimesFew = meanRatio(run.Each, few.Each)
		}
	}
	r.Runs = append(r.Runs, run)
}

func (r *segmentsReport) markdown() string {
	var b strings.Builder
	b.WriteString(r.title("Few segments and many"))
	fmt.Fprintf(&b, "%d page views of 30 days, in two cubes of the same definition. The mix of ten statements of the scenario query, one client, over HTTP, without the result cache; cold: each once, of a server that has just begun. The ratio is of the medians of each statement, in their geometric mean.\n\n", r.Events)
	b.WriteString("| asked | segments | read of them | p50 ms | p99 ms | times the few |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, run := range r.Runs {
		ratio := "1"
		if run.TimesFew > 0 {
			ratio = fmt.Sprintf("%.2f", run.TimesFew)
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %.2f | %.2f | %s |\n", run.Asked, run.Segments, run.Read, run.P50, run.P99, ratio)
	}
	return b.String()
}

// meanRatio returns the geometric mean of the ratios of two lists.
func meanRatio(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += math.Log(a[i] / b[i])
	}
	return math.Exp(sum / float64(len(a)))
}
