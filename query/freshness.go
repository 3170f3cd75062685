package query

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// freshness measures how old the newest record is that an answer covers, each time an answer covers a newer one than all before it.
// An answer that brings nothing new says nothing: there may be nothing new.
type freshness struct {
	seconds prometheus.Histogram

	mu     sync.Mutex
	newest map[string]int64 // Kafka's timestamp in ms, by table
}

func newFreshness() *freshness {
	return &freshness{
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tidemark_query_freshness_seconds", Help: "Age of the newest record that an answer covers, by Kafka's timestamp, of answers that cover a newer one than all before.",
			Buckets: []float64{.01, .02, .05, .1, .2, .3, .5, .7, 1, 1.5, 2, 5, 10, 30, 60, 300, 3600},
		}),
		newest: map[string]int64{},
	}
}

// see notes an answer whose newest record in the tail has a timestamp; 0: the tail was empty.
func (f *freshness) see(table string, newestMs int64, now time.Time) {
	f.mu.Lock()
	last, known := f.newest[table]
	newer := newestMs > last
	if newer {
		f.newest[table] = newestMs
	}
	f.mu.Unlock()
	if newer && known { // the first answer finds what came while nobody asked
		f.seconds.Observe(max(0, now.Sub(time.UnixMilli(newestMs)).Seconds()))
	}
}
