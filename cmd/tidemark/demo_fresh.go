package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/tidemarkdb/tidemark/query"
)

// keptAnswers is of how many answers the demo knows how fresh they were: of an hour.
const keptAnswers = 3600

// freshness is how old the newest record was that answers to the demo's own question covered, each measured by itself.
type freshness struct {
	newestMs int64           // Kafka's highest timestamp of the records that answers have covered
	seen     []time.Duration // ages, the last one's at the end
	untold   int             // of them, those since the last line
}

// see takes an answer that was there at a time, and the timestamp of its newest record in memory. An answer that brings nothing newer
// says nothing, and the first one finds what came while nobody asked.
func (f *freshness) see(newestMs int64, now time.Time) {
	if newestMs <= f.newestMs {
		return
	}
	if f.newestMs > 0 {
		f.seen = append(f.seen, max(0, now.Sub(time.UnixMilli(newestMs))))
		f.seen = f.seen[max(0, len(f.seen)-keptAnswers):]
		f.untold = min(f.untold+1, keptAnswers)
	}
	f.newestMs = newestMs
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

// askFresh asks the table and notes how fresh the answer is.
func (d *demoRun) askFresh(ctx context.Context) (err error) {
	a, err := d.n.queries.Query(ctx, query.Request{SQL: "SELECT count(*) FROM " + demoTable, Internal: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	for {
		rec, err := a.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		rec.Release()
	}
	for _, t := range a.Tables {
		d.fresh.see(t.NewestMs, time.Now())
	}
	return nil
}
