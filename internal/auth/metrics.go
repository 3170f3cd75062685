package auth

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Kinds of proof.
const (
	kindPassword = "password"
	kindScram    = "scram"
	kindToken    = "token"
)

type metrics struct {
	attempts *prometheus.CounterVec // by kind and state
	reloads  *prometheus.CounterVec // by state
	users    prometheus.Gauge
}

func newMetrics(g *Gate) (*metrics, error) {
	const prefix = "tidemark_auth_"
	m := &metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "attempts_total", Help: "Proofs that were looked at, by how they ended."}, []string{"kind", "state"}),
		reloads:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "reloads_total", Help: "Readings of the file of users."}, []string{"state"}),
		users:    prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "users", Help: "Users in force."}),
	}
	gauge := func(name, help string, of func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + name, Help: help}, func() float64 { return float64(of()) })
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.attempts, m.reloads, m.users,
		gauge("verifications", "Hashes of passwords that are being computed.", func() int { return len(g.turns) }),
		gauge("verifications_limit", "How many may be at once.", func() int { return g.opts.Verifications }),
		gauge("tracked_names", "Names whose failed attempts are counted.", g.names.size),
		gauge("tracked_addresses", "Addresses whose failed attempts are counted.", g.addresses.size),
		gauge("tracked_limit", "How many of each are told apart.", func() int { return g.opts.Tracked }),
	} {
		errs = append(errs, g.opts.Registry.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("auth metrics: %w", err)
	}
	return m, nil
}

// count counts a proof by how it ended.
func (g *Gate) count(kind string, err error) {
	state := "broken"
	var limited *LimitedError
	switch {
	case err == nil:
		state = "accepted"
	case errors.Is(err, ErrRefused):
		state = "refused"
	case errors.As(err, &limited):
		state = "limited"
	case errors.Is(err, ErrBusy):
		state = "busy"
	}
	g.m.attempts.WithLabelValues(kind, state).Inc()
}
