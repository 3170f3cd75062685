package run

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the package.
type metrics struct {
	kept, read, waited prometheus.Counter // columns
	columnsDropped     prometheus.Counter
	tablesDropped      prometheus.Counter
	domainsDropped     prometheus.Counter
	cells              prometheus.Counter
	folded, pruned     prometheus.Counter // row groups

	foldedOnce, foldedAgain, foldedKept, foldedLarge prometheus.Counter // groups of segments and staged files
	foldedDropped                                    prometheus.Counter
}

func newMetrics(r *Runner) (*metrics, error) {
	const prefix = "tidemark_query_run_"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	}
	columns := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: prefix + "columns_total", Help: "Columns of row groups that queries asked for: kept from earlier ones, read, or being read by another query.",
	}, []string{"state"})
	groups := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: prefix + "row_groups_total", Help: "Row groups of the cuboids that queries chose: folded, or pruned by their bounds.",
	}, []string{"state"})
	foldings := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: prefix + "folded_total", Help: "Segments, or staged files, of a block: folded for the first time, folded again to be kept, taken as they were kept, or too many groups to be kept.",
	}, []string{"state"})
	m := &metrics{
		foldedOnce: foldings.WithLabelValues("first"), foldedAgain: foldings.WithLabelValues("again"), foldedKept: foldings.WithLabelValues("kept"), foldedLarge: foldings.WithLabelValues("large"),
		foldedDropped: counter("folded_dropped_total", "Folded groups that gave way to others."),
		kept:          columns.WithLabelValues("kept"), read: columns.WithLabelValues("read"), waited: columns.WithLabelValues("waited"),
		folded: groups.WithLabelValues("folded"), pruned: groups.WithLabelValues("pruned"),
		columnsDropped: counter("columns_dropped_total", "Decoded columns that gave way to others."),
		tablesDropped:  counter("tables_dropped_total", "Tables by dictionary that gave way to others."),
		domainsDropped: counter("domains_dropped_total", "Sets of group values that were forgotten for lack of room."),
		cells:          counter("cells_total", "Cells that queries looked at."),
	}
	gauge := func(name, help string, f func() int64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + name, Help: help}, func() float64 { return float64(f()) })
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		columns, groups, foldings, m.foldedDropped, m.columnsDropped, m.tablesDropped, m.domainsDropped, m.cells,
		gauge("column_bytes", "Decoded columns that are kept.", func() int64 { return r.columns.size() }),
		gauge("column_limit_bytes", "The limit of decoded columns.", func() int64 { return r.o.ColumnBytes }),
		gauge("folded_bytes", "Folded groups that are kept.", func() int64 { return r.foldings.size() }),
		gauge("folded_limit_bytes", "The limit of folded groups.", func() int64 { return r.o.FoldedBytes }),
		gauge("table_bytes", "Tables by dictionary that are kept.", r.tables.size),
		gauge("domain_bytes", "Values of groups that are kept.", r.domains.bytes),
	} {
		errs = append(errs, r.o.Registry.Register(c))
	}
	return m, errors.Join(errs...)
}
