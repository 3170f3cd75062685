package source

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the package.
type metrics struct {
	snapshots            *prometheus.CounterVec
	again                prometheus.Counter
	cells                *prometheus.CounterVec
	cellBytes, cellLimit prometheus.Gauge
	evicted              prometheus.Counter
	events               *prometheus.CounterVec
	files                prometheus.Counter
	fileErrors           prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tidemark_query_source_" + name, Help: help}, labels)
	}
	one := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "tidemark_query_source_" + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "tidemark_query_source_" + name, Help: help})
	}
	m := &metrics{
		snapshots:  vec("snapshots_total", "Snapshots taken, by what the catalog had to say.", "state"),
		again:      one("catalog_behind_total", "Times the catalog was asked again because it was behind the tail."),
		cells:      vec("cells_total", "Files and chunks whose cells were wanted, by whether they were kept.", "state"),
		cellBytes:  gauge("cells_bytes", "Cells of events that are kept."),
		cellLimit:  gauge("cells_limit_bytes", "The limit of cells that are kept."),
		evicted:    one("cells_evicted_total", "Cells of a file or a chunk that gave way to others."),
		events:     vec("events_read_total", "Events read, by where from.", "from"),
		files:      one("files_read_total", "Staged and supplement files opened."),
		fileErrors: one("file_errors_total", "Staged and supplement files that could not be used."),
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.snapshots, m.again, m.cells, m.cellBytes, m.cellLimit, m.evicted, m.events, m.files, m.fileErrors,
	} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}
