package dictionary

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/complaints"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Catalog says which slices dictionaries have. *catalog.Catalog is one.
type Catalog interface {
	// DictionarySlices lists those with numbers above after, ascending.
	DictionarySlices(ctx context.Context, tableID, column string, after int64) ([]catalog.DictionarySlice, error)
	// AppendDictionary appends the next slice, or fails with catalog.ErrDictionaryMoved. The same one again is a success.
	AppendDictionary(ctx context.Context, s catalog.DictionarySlice) error
}

// Options configure Dictionaries. The zero value of a field means its default.
type Options struct {
	Catalog Catalog    // required
	Store   blob.Store // required
	Dir     string     // of temporary files, which are named dictionary-*; what a killed process has left is the caller's to remove; default: the system's
	Memory  int64      // bytes of one Gather; default 64 MiB, at least 1 MiB. Each file that is looked up needs 64 KiB, whatever this says
	Disk    int64      // bytes of temporary files of one Gather; default 64 GiB
	Tries   int        // how often one Gather may lose against others that append; default 100

	Logger   *slog.Logger          // default: discard
	Registry prometheus.Registerer // default: one that nobody reads
}

func (o Options) withDefaults() Options {
	if o.Memory == 0 {
		o.Memory = 64 << 20
	}
	if o.Disk == 0 {
		o.Disk = 64 << 30
	}
	if o.Tries == 0 {
		o.Tries = 100
	}
	if o.Dir == "" {
		o.Dir = os.TempDir()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	return o
}

func (o Options) validate() error {
	bad := complaints.List{Package: "dictionary"}
	bad.If(o.Catalog == nil, "no catalog given")
	bad.If(o.Store == nil, "no store given")
	bad.If(o.Memory < 1<<20, "memory of %d bytes: want at least 1 MiB", o.Memory)
	bad.If(o.Disk < 1 || o.Tries < 1, "a limit is below 1")
	return bad.Err()
}

// Dictionaries gives ids to values. It is safe for concurrent use.
type Dictionaries struct {
	o      Options
	m      *metrics
	create func(dir string) (temp, error) // of temporary files
}

// New checks the options.
func New(o Options) (*Dictionaries, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(o.Registry)
	if err != nil {
		return nil, err
	}
	return &Dictionaries{o: o, m: m, create: createTemp}, nil
}

// FullError refuses a value that would be the 2^32nd or later of a column.
type FullError struct {
	TableID, Column string
	Has, New        int64 // values
}

func (e *FullError) Error() string {
	return fmt.Sprintf("the dictionary of table %s, column %s has %d values and takes no further %d: ids end at 2^32; "+
		"use count_distinct, which needs no dictionary, or a column with fewer values", e.TableID, e.Column, e.Has, e.New)
}
