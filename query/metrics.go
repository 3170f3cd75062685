package query

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// metrics are those of statements; what they read is counted by the packages below.
type metrics struct {
	seconds  *prometheus.HistogramVec // by state and by what answered
	running  prometheus.Gauge
	refused  *prometheus.CounterVec // by the setting that bounds them
	raw      *prometheus.CounterVec
	plans    *prometheus.CounterVec
	segments prometheus.Counter
	opened   prometheus.Gauge
	edges    prometheus.Counter
	restarts *prometheus.CounterVec // by why

	programBytes, programLimit prometheus.Gauge
	programsDropped            prometheus.Counter

	incidents prometheus.Counter
	fresh     *freshness

	lookups                  prometheus.Counter
	lookupBytes              prometheus.Gauge
	results                  *prometheus.CounterVec
	resultBytes, resultLimit prometheus.Gauge
	resultsDropped           prometheus.Counter
}

// watch registers what DuckDB counts by itself.
func (m *metrics) watch(reg prometheus.Registerer, db *duck.DB) error {
	return errors.Join(
		reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tidemark_query_statements_abandoned", Help: "Statements that have ended for whoever asked them, and on which DuckDB still works.",
		}, func() float64 {
			now, _ := db.Abandoned()
			return float64(now)
		})),
		reg.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "tidemark_query_statements_abandoned_total", Help: "Statements that DuckDB did not end when it was told to.",
		}, func() float64 {
			_, ever := db.Abandoned()
			return float64(ever)
		})),
	)
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	const prefix = "tidemark_query_"
	m := &metrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: prefix + "statement_duration_seconds", Help: "Time of statements, from their turn to the last row.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60},
		}, []string{"state", "from"}),
		running:  prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "statements", Help: "Statements that run."}),
		refused:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "statements_refused_total", Help: "Statements that were refused because too many ran and waited."}, []string{"limit"}),
		raw:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "raw_statements_total", Help: "Statements that no cube answers."}, []string{"policy"}),
		plans:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "plans_total", Help: "Statements whose plan was made, or kept from before."}, []string{"plan"}),
		segments: prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "segments_from_files_total", Help: "Segments that were answered from their staged files, because no cuboid could be read or has what was asked for."}),
		opened:   prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "segments_open", Help: "Segments whose manifests, and metadata of files, are kept."}),

		restarts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "restarts_total", Help: "Starts of statements that were in vain, so that they began again."}, []string{"why"}),

		edges: prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "edge_ranges_exceeded_total", Help: "Cubes that do not answer a block because it asks for too many ranges of time that begin or end within a cell's."}),

		incidents: prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "incidents_total", Help: "Statements that met a fault, which ended them."}),

		programBytes:    prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "program_bytes", Help: "About what is compiled for the blocks of kept plans."}),
		programLimit:    prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "program_limit_bytes", Help: "The limit of what is compiled for the blocks of kept plans."}),
		programsDropped: prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "programs_dropped_total", Help: "Blocks whose compiled programs gave way to those of others."}),

		results:        prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "results_total", Help: "Statements by whether their answer was kept from before, made, or is never kept."}, []string{"state"}),
		resultBytes:    prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "result_bytes", Help: "Answers that are kept."}),
		resultLimit:    prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "result_limit_bytes", Help: "The limit of answers that are kept."}),
		resultsDropped: prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "results_dropped_total", Help: "Answers that gave way to others."}),
	}
	m.lookups = prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "lookup_reads_total", Help: "Snapshots of lookup tables that were read for columns which were not kept."})
	m.lookupBytes = prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "lookup_bytes", Help: "Bytes of columns of lookup tables that are kept."})
	m.fresh = newFreshness()
	var errs []error
	for _, c := range []prometheus.Collector{m.fresh.seconds, m.seconds, m.running, m.refused, m.raw, m.plans, m.segments, m.opened, m.edges, m.restarts, m.programBytes, m.programLimit, m.programsDropped, m.incidents, m.lookups, m.lookupBytes, m.results, m.resultBytes, m.resultLimit, m.resultsDropped} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}
