package scheduler

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the package. Labels are kinds and states, from closed lists. The gauges tell of the whole queue, whichever
// process is asked.
type metrics struct {
	queue, running, oldest, failures   *prometheus.GaugeVec
	duration                           *prometheus.HistogramVec
	passSeconds                        prometheus.Histogram
	passErrors, leaseLosses, takeovers prometheus.Counter
	gaveWay                            prometheus.Counter
	exclusiveWait                      prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	const prefix = "tidemark_builder_task_"
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + name, Help: help}, []string{"kind"})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	}
	m := &metrics{
		queue:    gauge("queue_length", "Tasks that wait, on all processes."),
		running:  gauge("running", "Tasks that run, on all processes."),
		oldest:   gauge("oldest_seconds", "How long the oldest waiting task has been waiting."),
		failures: gauge("failures_in_row", "Tasks that failed since one finished."),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: prefix + "duration_seconds", Help: "Time of one attempt.", Buckets: []float64{.001, .01, .1, 1, 10, 60, 300, 1800, 7200},
		}, []string{"kind", "state"}),
		passSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: prefix + "pass_duration_seconds", Help: "Time of one scheduler pass.", Buckets: []float64{.001, .005, .025, .1, .5, 1, 5, 15},
		}),
		passErrors:  counter("store_errors_total", "Calls to the catalog's queue that failed and are made again."),
		leaseLosses: counter("lease_losses_total", "Tasks of this process that were lost to another one."),
		takeovers:   counter("takeovers_total", "Leases found to have run out, whoever held them."),
		gaveWay:     counter("exclusive_gave_way_total", "Exclusive tasks that waited for the longest time allowed and gave way."),
		exclusiveWait: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: prefix + "exclusive_wait_seconds", Help: "How long an exclusive task has been holding up others; 0: none.",
		}),
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.queue, m.running, m.oldest, m.failures, m.duration, m.passSeconds, m.passErrors, m.leaseLosses, m.takeovers, m.gaveWay, m.exclusiveWait,
	} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

func (m *metrics) ran(kind, state string, took time.Duration) {
	m.duration.WithLabelValues(kind, state).Observe(took.Seconds())
}

// passedBy takes what a pass has told. A kind that is in no answer any more has nothing live: its gauges go.
func (m *metrics) passedBy(p Pass, got Passed) {
	m.takeovers.Add(float64(got.TakenOver))
	m.gaveWay.Add(float64(got.GaveWay))
	m.exclusiveWait.Set(float64(got.ExclusiveWaitUs) / 1e6)
	if !p.Stats {
		return
	}
	for _, g := range []*prometheus.GaugeVec{m.queue, m.running, m.oldest, m.failures} {
		g.Reset()
	}
	for _, k := range got.Stats {
		m.queue.WithLabelValues(k.Kind).Set(float64(k.Waiting))
		m.running.WithLabelValues(k.Kind).Set(float64(k.Running))
		m.oldest.WithLabelValues(k.Kind).Set(float64(k.OldestUs) / 1e6)
		m.failures.WithLabelValues(k.Kind).Set(float64(k.Failures))
	}
}
