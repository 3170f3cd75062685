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
	"github.com/tidemarkdb/tidemark/query/filecache"
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

	// Files keeps blocks of Store's objects on local disk. Without a folder it keeps none, which is right for a store that is local.
	Files filecache.Options

	Timeout    time.Duration // of a statement; default 60s
	Memory     int64         // of a statement; default 256 MiB. Where Run, Source and Duck name none: all of it, half of it, and four times as much for all statements
	MaxRows    int64         // of an answer; default: any number
	Concurrent int           // statements that run at once, but for those that read events; default 4 a core
	Abandoned  int           // statements that DuckDB does not end; with so many others are refused; default as Concurrent
	Queue      int           // that wait for their turn; default 64
	QueueWait  time.Duration // for how long; default 1s
	Slow       time.Duration // from which on a statement is logged; default 1s
	History    int           // statements that have ended and are listed; default 1000
	Plans      int           // statements whose plans are kept; default 1024
	Segments   int           // segments that are kept open; default 4096

	// EdgeRanges is how many ranges of time of a block, within which cells do not tell, are each read of the events: beyond it all its events
	// are read once, which costs less. Default 64.
	EdgeRanges int

	Raw           RawPolicy     // of statements that no cube answers, where the request names none; default AllowRaw
	RawBytes      int64         // of staged files that such a statement may read; default 16 GiB
	RawConcurrent int           // of them that run at once, beside the others; default 1, of more than two cores 2
	RawQueueWait  time.Duration // how long they wait for their turn; default 10s

	IDBytes      int64 // of distinct strings of a column in events that no segment holds, for exact distinct counts; default 256 MiB
	ProgramBytes int64 // about what is compiled for the blocks of kept plans may take; default 64 MiB

	LookupBytes int64 // of columns of lookup tables that are kept, and the most that one table takes; default 256 MiB
	ResultBytes int64 // of answers that are kept; one takes at most a sixteenth; default 64 MiB
	NoResults   bool  // keeps none

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
	if o.RawQueueWait == 0 {
		o.RawQueueWait = 10 * time.Second
	}
	if o.Raw == "" {
		o.Raw = AllowRaw
	}
	cores := runtime.GOMAXPROCS(0)
	for n, v := range map[*int]int{
		&o.Concurrent: 4 * cores, &o.Queue: 64, &o.History: 1000, &o.Plans: 1024, &o.Segments: 4096, &o.EdgeRanges: 64,
		&o.RawConcurrent: 1 + min(1, max(0, cores-2)), &o.Duck.Threads: max(1, cores-1), // a core is left to what cubes answer
	} {
		if *n == 0 {
			*n = v
		}
	}
	if o.Abandoned == 0 {
		o.Abandoned = o.Concurrent
	}
	if o.Duck.MaxConns == 0 {
		o.Duck.MaxConns = max(32, 2*o.Concurrent+o.Abandoned) // those that are abandoned keep theirs
	}
	if o.Memory == 0 {
		o.Memory = 256 << 20
	}
	for n, v := range map[*int64]int64{
		&o.ProgramBytes: 64 << 20, &o.RawBytes: 16 << 30, &o.ResultBytes: 64 << 20, &o.Run.MemoryBytes: o.Memory, &o.Source.ReadBytes: o.Memory / 2, &o.Duck.MemoryBytes: max(4*o.Memory, minDuckBytes),
	} {
		if *n == 0 {
			*n = v
		}
	}
	if o.IDBytes == 0 {
		o.IDBytes = 256 << 20
	}
	if o.LookupBytes == 0 {
		o.LookupBytes = 256 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	o.Duck.Logger = o.Logger
	o.Run.Registry, o.Source.Registry, o.Files.Registry, o.Files.Logger = o.Registry, o.Registry, o.Registry, o.Logger
	o.Source.Catalog, o.Source.Store, o.Source.Tail = o.Catalog, o.Store, o.Tail
	o.Source.Convert = func(c *cells.Cells) (any, int64) {
		b := run.CellsBatch(c)
		return b, b.MemBytes()
	}
	return o
}

// minDuckBytes is the least that DuckDB can work with.
const minDuckBytes = 64 << 20

func (o Options) validate() error {
	var errs []error
	if o.Catalog == nil || o.Store == nil {
		errs = append(errs, errors.New("a catalog and a store are needed"))
	}
	if min(o.Timeout, o.QueueWait, o.RawQueueWait) < 0 {
		errs = append(errs, errors.New("a time is below 0"))
	}
	if o.ProgramBytes < 1 {
		errs = append(errs, fmt.Errorf("%d bytes of compiled blocks: want at least 1", o.ProgramBytes))
	}
	if o.ResultBytes < 1 {
		errs = append(errs, fmt.Errorf("%d bytes of answers: want at least 1", o.ResultBytes))
	}
	if o.MaxRows < 0 || o.RawBytes < 1 || o.Memory < 1<<20 {
		errs = append(errs, fmt.Errorf("%d rows, %d bytes of events, %d bytes of memory: want at least 0, 1 and %d", o.MaxRows, o.RawBytes, o.Memory, 1<<20))
	}
	if err := o.Raw.check(); err != nil {
		errs = append(errs, err)
	}
	if min(o.LookupBytes, o.IDBytes) < 1 {
		errs = append(errs, fmt.Errorf("%d bytes of lookup tables, %d of distinct strings: want at least 1", o.LookupBytes, o.IDBytes))
	}
	for _, l := range []struct {
		name string
		n    int
	}{
		{"statements at once", o.Concurrent},
		{"waiting statements", o.Queue},
		{"abandoned statements", o.Abandoned},
		{"history", o.History},
		{"plans", o.Plans},
		{"segments", o.Segments},
		{"ranges of time", o.EdgeRanges},
		{"statements that read events", o.RawConcurrent},
	} {
		if l.n < 1 {
			errs = append(errs, fmt.Errorf("%s %d: want at least 1", l.name, l.n))
		}
	}
	return errors.Join(errs...)
}
