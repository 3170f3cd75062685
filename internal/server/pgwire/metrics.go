package pgwire

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of sessions; what statements cost is counted by package query.
type metrics struct {
	connections prometheus.Gauge
	limit       prometheus.Gauge
	opened      *prometheus.CounterVec // by state
	statements  *prometheus.CounterVec // by kind and state
	cancels     *prometheus.CounterVec // by state
	rows        prometheus.Counter
	bytes       prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	const prefix = "tidemark_pg_"
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Name: prefix + name, Help: help}
	}
	m := &metrics{
		connections: prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "connections", Help: "Sessions of the PostgreSQL wire protocol."}),
		limit:       prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "connections_limit", Help: "How many there may be."}),
		opened:      prometheus.NewCounterVec(counter("connections_total", "Connections, by what became of them."), []string{"state"}),
		statements:  prometheus.NewCounterVec(counter("statements_total", "Statements that were run, by who answers and how they ended."), []string{"kind", "state"}),
		cancels:     prometheus.NewCounterVec(counter("cancels_total", "Requests to cancel, by whether the session was there."), []string{"state"}),
		rows:        prometheus.NewCounter(counter("rows_total", "Rows that were sent.")),
		bytes:       prometheus.NewCounter(counter("sent_bytes_total", "Bytes that were sent.")),
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.connections, m.limit, m.opened, m.statements, m.cancels, m.rows, m.bytes} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}
