package builder

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

// metrics of the package. Labels are kinds and states from closed lists, and names of cubes.
type metrics struct {
	jobSeconds     *prometheus.HistogramVec
	jobsOpen       *prometheus.GaugeVec
	jobOldest      prometheus.Gauge
	jobsStalled    prometheus.Gauge
	jobFailures    *prometheus.GaugeVec
	plansApplied   *prometheus.CounterVec
	plansDiscarded *prometheus.CounterVec
	segments       *prometheus.GaugeVec
	holes          *prometheus.GaugeVec
	mergeBacklog   *prometheus.GaugeVec
	stale          *prometheus.GaugeVec
	garbage        *prometheus.GaugeVec
	removed        prometheus.Counter
	lastCleanup    prometheus.Gauge
	lastBackup     prometheus.Gauge
	catalogSeconds *prometheus.HistogramVec
	notices        *prometheus.CounterVec
	logFailures    prometheus.Counter
	lookups        *prometheus.CounterVec
	lookupsFailing prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	const prefix = "tidemark_builder_"
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + name, Help: help}, labels)
	}
	one := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + name, Help: help})
	}
	m := &metrics{
		jobSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: prefix + "job_duration_seconds", Help: "Time of one attempt at a job, by the state that it left the job in.", Buckets: []float64{.01, .1, 1, 10, 60, 300, 1800, 7200},
		}, []string{"kind", "state"}),
		plansApplied:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "plans_applied_total", Help: "Plans of timers that were done, by each kind of their actions."}, []string{"kind"}),
		plansDiscarded: prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "plans_discarded_total", Help: "Plans of timers whose cube had changed meanwhile, by each kind of their actions."}, []string{"kind"}),
		jobsOpen:       gauge("jobs", "Jobs that hold a reservation.", "kind", "state"),
		jobOldest:      one("job_oldest_seconds", "Age of the oldest job that holds a reservation."),
		jobsStalled:    one("stalled_jobs", "Jobs that wait because a store did not answer."),
		jobFailures:    gauge("job_failures_in_row", "Attempts at jobs of this process that failed since one succeeded.", "kind"),
		segments:       gauge("segments", "Ready segments.", "cube"),
		holes:          gauge("hole_offsets", "Offsets between the first and the last segment that nothing covers.", "cube"),
		mergeBacklog:   gauge("merge_backlog_segments", "Ready segments that the merge rules want replaced.", "cube"),
		stale:          gauge("stale_segments", "Ready segments whose inputs have changed.", "cube"),
		garbage:        gauge("garbage_objects", "Objects and folders that nothing names.", "state"),
		removed:        prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "removed_objects_total", Help: "Objects that clean-up has removed."}),
		lastCleanup:    one("last_cleanup_timestamp_seconds", "When clean-up last came to its end in this process."),
		lastBackup:     one("last_backup_timestamp_seconds", "When a backup was last written by this process."),
		catalogSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: prefix + "catalog_duration_seconds", Help: "Time of transactions with the catalog.", Buckets: []float64{.001, .005, .025, .1, .5, 1, 5, 15},
		}, []string{"kind"}),
		notices:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "notices_total", Help: "Webhooks told of failures."}, []string{"state"}),
		logFailures: prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "log_failures_total", Help: "Questions for the end of a topic that brokers did not answer."}),
		lookups:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "lookup_refreshes_total", Help: "Queries of lookup tables that were asked again when they were due."}, []string{"state"}),

		lookupsFailing: one("lookups_failing", "Lookup tables whose query failed when it was last asked."),
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.jobSeconds, m.jobsOpen, m.jobOldest, m.jobsStalled, m.jobFailures, m.plansApplied, m.plansDiscarded, m.segments, m.holes, m.mergeBacklog, m.stale, m.garbage, m.removed,
		m.lastCleanup, m.lastBackup, m.catalogSeconds, m.notices, m.logFailures, m.lookups, m.lookupsFailing,
	} {
		errs = append(errs, reg.Register(c))
	}
	for _, kind := range []string{KindBuild, KindFill, KindRefresh, KindMerge, KindRetire} { // a rise from nothing is a rise
		m.plansApplied.WithLabelValues(kind).Add(0)
		m.plansDiscarded.WithLabelValues(kind).Add(0)
	}
	for _, state := range []string{refreshChanged, refreshUnchanged, refreshFailed} {
		m.lookups.WithLabelValues(state).Add(0)
	}
	return m, errors.Join(errs...)
}

// jobEnded notes an attempt.
func (m *metrics) jobEnded(kind string, state catalog.JobState, took time.Duration) {
	m.jobSeconds.WithLabelValues(kind, string(state)).Observe(took.Seconds())
	switch state {
	case catalog.JobFinished:
		m.jobFailures.WithLabelValues(kind).Set(0)
	case catalog.JobFailed, catalog.JobPending:
		m.jobFailures.WithLabelValues(kind).Inc()
	}
}

// planned counts a plan of a timer, once for each kind of its actions.
func (m *metrics) planned(p *Plan, c *prometheus.CounterVec) {
	seen := map[string]bool{}
	for _, a := range p.Actions {
		if !seen[a.Kind] {
			c.WithLabelValues(a.Kind).Inc()
		}
		seen[a.Kind] = true
	}
}

// upkeep notes what a plan has found of a cube.
func (m *metrics) upkeep(s *state, holes []plan.Hole, backlog int) {
	name := s.Cube.Project + "/" + s.Cube.Name
	missing := int64(0)
	for _, h := range holes {
		missing += h.Range.Len()
	}
	ready, stale := 0, 0
	for _, x := range s.live {
		if x.State == segmenter.SegmentReady {
			ready++
		}
		if s.stale[x.Number] {
			stale++
		}
	}
	m.segments.WithLabelValues(name).Set(float64(ready))
	m.holes.WithLabelValues(name).Set(float64(missing))
	m.mergeBacklog.WithLabelValues(name).Set(float64(backlog))
	m.stale.WithLabelValues(name).Set(float64(stale))
}

// forget takes a cube's gauges away.
func (m *metrics) forget(name string) {
	for _, g := range []*prometheus.GaugeVec{m.segments, m.holes, m.mergeBacklog, m.stale} {
		g.DeleteLabelValues(name)
	}
}

// timed measures a transaction with the catalog.
func (m *metrics) timed(kind string) func() {
	started := time.Now()
	return func() { m.catalogSeconds.WithLabelValues(kind).Observe(time.Since(started).Seconds()) }
}
