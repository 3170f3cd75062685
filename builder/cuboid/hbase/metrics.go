package hbase

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of a Store.
type metrics struct {
	retries prometheus.Counter
	written prometheus.Counter
	read    prometheus.Counter
	regions prometheus.Gauge
}

func newMetrics(s *Store) (*metrics, error) {
	const prefix = "tidemark_builder_hbase_"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	}
	m := &metrics{
		retries: counter("retries_total", "Calls of HBase that failed and may be tried again."),
		written: counter("rows_written_total", "Rows that were put into HBase."),
		read:    counter("rows_read_total", "Rows that were read from HBase."),
		regions: prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "regions", Help: "Regions of all tables with the prefix, when last counted."}),
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.retries, m.written, m.read, m.regions,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + "regions_limit", Help: "The limit of regions."}, func() float64 { return float64(s.o.MaxRegions) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + "unavailable", Help: "1 while HBase has not answered for longer than calls are tried again."}, func() float64 {
			if s.breaker.open(time.Now(), s.o.RetryFor) {
				return 1
			}
			return 0
		}),
	} {
		errs = append(errs, s.o.Registry.Register(c))
	}
	return m, errors.Join(errs...)
}
