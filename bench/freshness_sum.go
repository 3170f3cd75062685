package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
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
	for _, limit := range freshLimits {
		n, _ := slices.BinarySearch(ms, limit)
		r.Below[fmt.Sprintf("%g", limit)] = float64(n) / float64(max(1, len(ms)))
	}
}

// freshLimits are the steps of the histogram, in ms.
var freshLimits = []float64{20, 50, 100, 200, 300, 500, 700, 1000, 1500, 2000, 5000}

func (r *freshReport) markdown() string {
	var b strings.Builder
	b.WriteString(r.title("Freshness"))
	fmt.Fprintf(&b, `%d page views at %.0f a second, while a cube is built of them (a cut every 10 s) and merged: %v jobs. %d answers over HTTP, one after the other. Of each
record the time from the call that produces it to the end of the first answer whose offsets hold it; producer, broker and tidemark share the machine.
tidemark took %.1f s of CPU and %.0f MiB.

| | p50 | p90 | p99 | p99.9 | p100 |
| --- | --- | --- | --- | --- | --- |
`, r.Events, r.Rate, r.Jobs, r.Answers, r.Process.CPUSeconds, float64(r.Process.PeakRSSBytes)/(1<<20))
	for _, row := range []struct {
		name string
		of   map[string]float64
	}{{"produce to visible, ms", r.Quantile}, {"answer, ms", r.AnswerMs}} {
		fmt.Fprintf(&b, "| %s | %.0f | %.0f | %.0f | %.0f | %.0f |\n", row.name, row.of["p50"], row.of["p90"], row.of["p99"], row.of["p99.9"], row.of["p100"])
	}
	b.WriteString("\n| visible within ms | share of records |\n| --- | --- |\n")
	for _, limit := range freshLimits {
		fmt.Fprintf(&b, "| %g | %.4f |\n", limit, r.Below[fmt.Sprintf("%g", limit)])
	}
	return b.String()
}
