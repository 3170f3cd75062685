package source

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Catalog is what a Source asks of the catalog.
type Catalog interface {
	// QuerySnapshot brings an earlier snapshot of a table and a cube up to date. catalog.ErrNotFound, ErrUnavailable.
	QuerySnapshot(ctx context.Context, tableID, cubeID string, prev *catalog.QuerySnapshot) (*catalog.QuerySnapshot, error)

	// QuerySnapshotAt takes one of an earlier moment. The same, and a *catalog.AsOfError.
	QuerySnapshotAt(ctx context.Context, tableID, cubeID string, at *catalog.AsOf) (*catalog.QuerySnapshot, error)

	// Nodes lists the processes that work on the catalog.
	Nodes(ctx context.Context) ([]catalog.Node, error)

	// Staged finds ledger rows. A *catalog.ConflictError says that the snapshot it was asked with is too old.
	Staged(ctx context.Context, q catalog.StagedQuery) ([]*catalog.LedgerEntry, error)
}

// Options configure a Source. The zero value of a field means its default.
type Options struct {
	Catalog     Catalog
	Store       blob.Store
	Tail        Tail                  // default: none, of a process that reads nothing
	Node        string                // name of this process in the catalog; "": no other works on it
	Readers     int                   // files or row groups that one reader has in hand at once; default: one a core
	ScanReaders int                   // likewise of one Scan, which leaves cores to others; default: one for two cores
	ReadBytes   int64                 // of events that one reader has in hand, one row group more; default 128 MiB
	CellBytes   int64                 // of cells that are kept; default 64 MiB
	NoCells     bool                  // keeps no cells
	Snapshots   int                   // of tables and cubes that are kept; default 64
	Registry    prometheus.Registerer // default: none

	// Convert makes of cells what is wanted of them, and says what that takes of memory. Then that is what is kept and handed out,
	// once for all who want it. Default: the cells themselves.
	Convert func(*cells.Cells) (value any, bytes int64)
}

func (o Options) withDefaults() Options {
	if o.Tail == nil {
		o.Tail = noTail{}
	}
	if o.Readers == 0 {
		o.Readers = runtime.GOMAXPROCS(0)
	}
	if o.ScanReaders == 0 {
		o.ScanReaders = max(1, runtime.GOMAXPROCS(0)/2)
	}
	if o.ReadBytes == 0 {
		o.ReadBytes = 128 << 20
	}
	if o.CellBytes == 0 {
		o.CellBytes = 64 << 20
	}
	if o.Snapshots == 0 {
		o.Snapshots = 64
	}
	if o.Convert == nil {
		o.Convert = func(c *cells.Cells) (any, int64) { return c, c.MemBytes() }
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if o.Catalog == nil || o.Store == nil {
		errs = append(errs, errors.New("a catalog and a store are needed"))
	}
	for _, l := range []struct {
		name string
		n    int64
	}{{"readers", int64(o.Readers)}, {"scan readers", int64(o.ScanReaders)}, {"read bytes", o.ReadBytes}, {"cell bytes", o.CellBytes}, {"snapshots", int64(o.Snapshots)}} {
		if l.n < 1 {
			errs = append(errs, fmt.Errorf("%s %d: want at least 1", l.name, l.n))
		}
	}
	return errors.Join(errs...)
}
