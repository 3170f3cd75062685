package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// finish says that nothing more is produced.
func (x *fresh) finish() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.done = true
}

// allSeen reports whether the last answer covers all that was produced, and nothing more is.
func (x *fresh) allSeen() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for p, list := range x.produced {
		n := len(x.seen[p])
		if len(list) > 0 && (n == 0 || x.seen[p][n-1].end < int64(len(list))) {
			return false
		}
	}
	return x.done
}

// ask asks one statement and notes which offsets the answer covers.
func (x *fresh) ask(ctx context.Context, c *http.Client, url string) error {
	body, err := json.Marshal(map[string]any{"sql": freshSQL})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/api/v1/query", bytes.NewReader(body))
	if err != nil {
		return err
	}
	began := time.Now()
	resp, err := c.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		Tables []struct {
			Offsets []struct {
				Partition int32
				End       int64
			}
		}
		Error *struct{ Message string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || answer.Error != nil || len(answer.Tables) != 1 {
		return fmt.Errorf("%s: status %d, %+v", freshSQL, resp.StatusCode, answer)
	}
	at := time.Now() // the answer has been read
	x.mu.Lock()
	defer x.mu.Unlock()
	x.answers = append(x.answers, at.Sub(began).Seconds()*1000)
	for _, o := range answer.Tables[0].Offsets {
		if n := len(x.seen[o.Partition]); n == 0 || x.seen[o.Partition][n-1].end < o.End {
			x.seen[o.Partition] = append(x.seen[o.Partition], seenUpTo{o.End, at})
		}
	}
	return nil
}

// behind returns how long each record took to be seen, in ms, ascending.
func (x *fresh) behind() (ms []float64) {
	for p, list := range x.produced {
		i := 0
		for offset, at := range list {
			for i < len(x.seen[p]) && x.seen[p][i].end <= int64(offset) {
				i++
			}
			if i < len(x.seen[p]) {
				ms = append(ms, x.seen[p][i].at.Sub(at).Seconds()*1000)
			}
		}
	}
	slices.Sort(ms)
	return ms
}

func (r *freshReport) sum(x *fresh) {
	ms := x.behind()
	slices.Sort(x.answers)
	r.Answers, r.Quantile, r.AnswerMs, r.Below = len(x.answers), map[string]float64{}, map[string]float64{}, map[string]float64{}
	for _, q := range []float64{.5, .9, .99, .999, 1} {
		name := fmt.Sprintf("p%g", 100*q)
		r.Quantile[name], r.AnswerMs[name] = quantile(ms, q), quantile(x.answers, q)
	}
	before := 0
	for _, limit := range freshLimits {
		n := sort.Search(len(ms), func(i int) bool { return ms[i] > limit })
		r.Below[fmt.Sprintf("%g", limit)] = float64(n) / float64(max(1, len(ms)))
		r.Counts = append(r.Counts, freshBucket{UpTo: limit, Records: n - before})
		before = n
	}
	r.Counts = append(r.Counts, freshBucket{Records: len(ms) - before})
}

// count counts the jobs that ended. Without a merge the scenario would show a cube at rest.
func (r *freshReport) count(ask asker) error {
	var list struct {
		Jobs []struct{ Kind, State, Problem string } `json:"jobs"`
	}
	if err := ask(&list, "job", "list", "--cube", "live", "--limit", "10000"); err != nil {
		return err
	}
	for _, j := range list.Jobs {
		switch j.State {
		case "finished":
			r.Jobs[j.Kind]++
		case "failed":
			return fmt.Errorf("a %s of cube live failed: %s", j.Kind, j.Problem)
		}
	}
	if r.Jobs["merge"] == 0 {
		return fmt.Errorf("no merge ended (builds: %d), so that this is not freshness while merging: give more --seconds, or a smaller --cut-age", r.Jobs["build"])
	}
	return nil
}

// serverFreshness returns the p99 of the server's own metric, in ms.
func serverFreshness(ctx context.Context, url string) (float64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	seconds, err := histogramQuantile(string(text), "tidemark_query_freshness_seconds", .99)
	return 1000 * seconds, err
}

// histogramQuantile works out a quantile of a histogram without labels as Prometheus does: linear within its bucket, and the
// last bound for what is above it.
func histogramQuantile(text, name string, p float64) (float64, error) {
	var bounds, counts []float64 // counts: of all up to the bound
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name+`_bucket{le="`)
		if !ok {
			continue
		}
		le, n, _ := strings.Cut(strings.TrimSpace(rest), `"} `)
		bound, err := strconv.ParseFloat(le, 64)
		count, err2 := strconv.ParseFloat(n, 64)
		if err := errors.Join(err, err2); err != nil {
			return 0, fmt.Errorf("metric %q: %w", strings.TrimSpace(line), err)
		}
		bounds, counts = append(bounds, bound), append(counts, count)
	}
	last := len(counts) - 1
	if last < 1 || counts[last] == 0 {
		return 0, fmt.Errorf("metric %s has %d buckets and nothing in them", name, len(counts))
	}
	rank := p * counts[last]
	i := slices.IndexFunc(counts, func(n float64) bool { return n >= rank })
	switch {
	case i == last:
		return bounds[last-1], nil
	case i == 0:
		return bounds[0] * rank / counts[0], nil
	}
	return bounds[i-1] + (bounds[i]-bounds[i-1])*(rank-counts[i-1])/(counts[i]-counts[i-1]), nil
}

// freshLimits are the steps of the histogram, in ms.
var freshLimits = []float64{20, 50, 100, 200, 300, 500, 700, 1000, 1500, 2000, 5000}

func (r *freshReport) markdown() string {
	var b strings.Builder
	b.WriteString(r.title("Freshness"))
	fmt.Fprintf(&b, `%d page views at %.0f a second, while a cube is built of them, with a cut every %d s: %d builds ended meanwhile, and merges: %d. %d answers over HTTP,
one after the other. Of each record the time from the call that produces it to the end of the first answer whose offsets hold it; producer, broker and
tidemark share the machine. By tidemark's own metric, which sees the newest record of each answer, p99 is %.0f ms. It took %.1f s of CPU and %.0f MiB.

| | p50 | p90 | p99 | p99.9 | p100 |
| --- | --- | --- | --- | --- | --- |
`, r.Events, r.Rate, r.CutAge, r.Jobs["build"], r.Jobs["merge"], r.Answers, r.Server, r.Process.CPUSeconds, float64(r.Process.PeakRSSBytes)/(1<<20))
	for _, row := range []struct {
		name string
		of   map[string]float64
	}{{"produce to visible, ms", r.Quantile}, {"answer, ms", r.AnswerMs}} {
		fmt.Fprintf(&b, "| %s | %.0f | %.0f | %.0f | %.0f | %.0f |\n", row.name, row.of["p50"], row.of["p90"], row.of["p99"], row.of["p99.9"], row.of["p100"])
	}
	b.WriteString("\n| visible within ms | records | share so far |\n| --- | --- | --- |\n")
	for _, c := range r.Counts {
		within, share := "more", 1.0
		if c.UpTo > 0 {
			within, share = fmt.Sprintf("%g", c.UpTo), r.Below[fmt.Sprintf("%g", c.UpTo)]
		}
		fmt.Fprintf(&b, "| %s | %d | %.4f |\n", within, c.Records, share)
	}
	return b.String()
}
