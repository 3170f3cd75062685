package dictionary

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the package.
type metrics struct {
	values  prometheus.Counter
	appends *prometheus.CounterVec
	spilled prometheus.Counter
	packs   *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	const prefix = "tidemark_builder_dictionary_"
	m := &metrics{
		values: prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "values_total", Help: "Values that this process has added to dictionaries."}),
		appends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "appends_total", Help: "Slices of dictionaries that were appended, or not because another build was first.",
		}, []string{"state"}),
		spilled: prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "spilled_bytes_total", Help: "Bytes of temporary files of dictionaries."}),
	}
	m.packs = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: prefix + "packs_total", Help: "Packs of slices of dictionaries that this process has made, could not make, or found damaged.",
	}, []string{"state"})
	for _, state := range []string{"made", "failed", "damaged"} {
		m.packs.WithLabelValues(state)
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.values, m.appends, m.spilled, m.packs} {
		errs = append(errs, reg.Register(c))
	}
	for _, state := range []string{"appended", "lost"} {
		m.appends.WithLabelValues(state)
	}
	return m, errors.Join(errs...)
}
