package query

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/run"
	"github.com/tidemarkdb/tidemark/query/source"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Tables opens cuboids that are in tables of HBase.
type Tables interface {
	// Reader returns a reader of a segment's cuboids.
	Reader(l *cells.Layout, stored *segmenter.StoredTable, cuboids []segmenter.CuboidEntry) (run.Reader, error)
}

// Options configure an Engine. The zero value of a field means its default.
type Options struct {
	Catalog *catalog.Catalog // required
	Store   blob.Store       // required
	Tables  Tables           // default: none, segments in HBase are answered from staged files
	Tail    source.Tail      // default: none, of a process that reads nothing

	Duck   duck.Options   // of the rest of statements
	Run    run.Options    // of folding cells
	Source source.Options // of events; Catalog, Store and Tail are those above

	Timeout    time.Duration // of a statement; default 60s
	Concurrent int           // statements that run at once; default 4 a core
	Queue      int           // that wait for their turn; default 64
	QueueWait  time.Duration // for how long; default 1s
	Slow       time.Duration // from which on a statement is logged; default 1s
	History    int           // statements that have ended and are listed; default 1000
	Plans      int           // statements whose plans are kept; default 1024
	Segments   int           // segments that are kept open; default 4096

	Logger   *slog.Logger          // default: discard
	Registry prometheus.Registerer // default: one that nobody reads
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.QueueWait == 0 {
		o.QueueWait = time.Second
	}
	if o.Slow == 0 {
		o.Slow = time.Second
	}
	for n, v := range map[*int]int{&o.Concurrent: 4 * runtime.GOMAXPROCS(0), &o.Queue: 64, &o.History: 1000, &o.Plans: 1024, &o.Segments: 4096} {
		if *n == 0 {
			*n = v
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	o.Duck.Logger = o.Logger
	o.Run.Registry, o.Source.Registry = o.Registry, o.Registry
	o.Source.Catalog, o.Source.Store, o.Source.Tail = o.Catalog, o.Store, o.Tail
	o.Source.Convert = func(c *cells.Cells) (any, int64) {
		b := run.CellsBatch(c)
		return b, b.MemBytes()
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if o.Catalog == nil || o.Store == nil {
		errs = append(errs, errors.New("a catalog and a store are needed"))
	}
	if o.Timeout < 0 || o.QueueWait < 0 {
		errs = append(errs, errors.New("a time is below 0"))
	}
	for _, l := range []struct {
		name string
		n    int
	}{{"statements at once", o.Concurrent}, {"waiting statements", o.Queue}, {"history", o.History}, {"plans", o.Plans}, {"segments", o.Segments}} {
		if l.n < 1 {
			errs = append(errs, fmt.Errorf("%s %d: want at least 1", l.name, l.n))
		}
	}
	return errors.Join(errs...)
}
