package local

import "github.com/prometheus/client_golang/prometheus"

// metrics are those of an Engine.
type metrics struct {
	eventsRead   prometheus.Counter
	cellsWritten prometheus.Counter
	spilledBytes prometheus.Counter
}

func newMetrics(e *Engine) *metrics {
	const prefix = "tidemark_builder_engine_"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	}
	gauge := func(name, help string, value func() int64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + name, Help: help}, func() float64 { return float64(value()) })
	}
	m := &metrics{
		eventsRead:   counter("events_total", "Events that builds have grouped."),
		cellsWritten: counter("cells_total", "Cells that builds and merges have written."),
		spilledBytes: counter("spilled_bytes_total", "Bytes that builds have written to temporary files."),
	}
	e.o.Registry.MustRegister(
		m.eventsRead, m.cellsWritten, m.spilledBytes,
		gauge("memory_bytes", "Accounted memory of builds.", func() int64 { now, _ := e.mem.used(); return now }),
		gauge("memory_limit_bytes", "The limit of the memory of builds.", func() int64 { return e.o.Memory }),
		gauge("disk_bytes", "Temporary files of builds.", e.disk.now),
		gauge("disk_limit_bytes", "The limit of temporary files of builds.", func() int64 { return e.o.Disk }),
	)
	return m
}
