package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/internal/server/statements"
)

// keptAnswers is of how many answers the demo knows how fresh they were: of an hour.
const keptAnswers = 3600

// freshness is how old the newest record was that answers of this process covered, from the engine's own metric.
type freshness struct {
	seconds float64 // the metric's sum and count when last looked at
	answers uint64
	seen    []time.Duration // one for each look that found answers, the newest last
	untold  int             // of them, those since the last line
}

// see takes the metric's sum and count.
func (f *freshness) see(seconds float64, answers uint64) {
	if answers > f.answers {
		mean := (seconds - f.seconds) / float64(answers-f.answers)
		f.seen = append(f.seen, time.Duration(mean*float64(time.Second)))
		f.seen = f.seen[max(0, len(f.seen)-keptAnswers):]
		f.untold = min(f.untold+1, keptAnswers)
	}
	f.seconds, f.answers = seconds, answers
}

// line tells of the answers since the last line; "": there were none.
func (f *freshness) line() string {
	if f.untold == 0 {
		return ""
	}
	last := f.seen[len(f.seen)-f.untold:]
	f.untold = 0
	return fmt.Sprintf("fresh    an event is in answers %s after it was sent (median of %d; slowest %s)", shortTime(quantile(last, .5)), len(last), shortTime(slices.Max(last)))
}

// quantile is the smallest of the values that a share of them does not exceed; 0 of none.
func quantile(list []time.Duration, share float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	return list[max(0, int(math.Ceil(share*float64(len(list))))-1)]
}

// shortTime is a duration for people: 48 ms, 1.2 s.
func shortTime(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// askFresh asks the table, so that there is an answer also when nobody else asks, and looks at the metric.
func (d *demoRun) askFresh(ctx context.Context) error {
	q := request{method: http.MethodPost, path: "/query"}
	if err := q.json(statements.Query{SQL: "SELECT count(*) FROM " + demoTable + " -- the demo, to see how fresh answers are"}); err != nil {
		return err
	}
	if err := d.n.client().do(ctx, q, new(server.QueryAnswer)); err != nil {
		return err
	}
	families, err := d.n.registry.Gather()
	if err != nil {
		return err
	}
	for _, f := range families {
		if f.GetName() == "tidemark_query_freshness_seconds" && len(f.GetMetric()) == 1 {
			h := f.GetMetric()[0].GetHistogram()
			d.fresh.see(h.GetSampleSum(), h.GetSampleCount())
		}
	}
	return nil
}
