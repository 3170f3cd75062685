package filecache

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the package.
type metrics struct {
	blocks       *prometheus.CounterVec
	fetched      prometheus.Counter
	bytes, limit prometheus.Gauge
	dropped      *prometheus.CounterVec
	unwritten    prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	const prefix = "tidemark_query_files_"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + name, Help: help})
	}
	m := &metrics{
		blocks:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "blocks_total", Help: "Blocks of files that queries asked for, by where they were."}, []string{"state"}),
		fetched:   counter("fetched_bytes_total", "Bytes that were fetched from the store."),
		bytes:     gauge("bytes", "Blocks on local disk."),
		limit:     gauge("limit_bytes", "The limit of blocks on local disk."),
		dropped:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "dropped_total", Help: "Blocks that were dropped, by why."}, []string{"why"}),
		unwritten: counter("write_errors_total", "Blocks that could not be written to local disk."),
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.blocks, m.fetched, m.bytes, m.limit, m.dropped, m.unwritten} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}
