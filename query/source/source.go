package source

import (
	"fmt"
	"math"
	"slices"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// Source hands out the events of tables. It is safe for concurrent use.
type Source struct {
	o     Options
	m     *metrics
	known *snapshots
	reads *owners
	cells *cellCache
}

// New checks the options and makes a Source.
func New(o Options) (*Source, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("query source options: %w", err)
	}
	m, err := newMetrics(o.Registry)
	if err != nil {
		return nil, fmt.Errorf("query source metrics: %w", err)
	}
	m.cellLimit.Set(float64(o.CellBytes))
	return &Source{
		o: o, m: m, known: newSnapshots(o.Catalog, o.Snapshots, m), reads: newOwners(o.Catalog, o.Node), cells: &cellCache{limit: o.CellBytes, m: m},
	}, nil
}

// Span is a closed span of event times [Lo, Hi], in microseconds since 1970.
type Span struct{ Lo, Hi int64 }

// Always is all times.
func Always() Span { return Span{math.MinInt64, math.MaxInt64} }

func (s Span) overlaps(lo, hi int64) bool { return s.Lo <= hi && lo <= s.Hi }

// spans are times that are asked for; none: all.
type spans []Span

func (s spans) overlap(lo, hi int64) bool {
	return len(s) == 0 || slices.ContainsFunc(s, func(x Span) bool { return x.overlaps(lo, hi) })
}

func (s spans) contain(us int64) bool { return s.overlap(us, us) }

// within reports whether all times from lo to hi are asked for by one span.
func (s spans) within(lo, hi int64) bool {
	return len(s) == 0 || slices.ContainsFunc(s, func(x Span) bool { return x.Lo <= lo && hi <= x.Hi })
}

// FileError says that a file of the store cannot be used (E6).
type FileError struct {
	Key   string
	Range segmenter.PartitionRange // of offsets that are asked of it
	Err   error                    // blob.ErrNotFound, a *stage.FormatError, or what the store said
}

func (e *FileError) Error() string {
	return fmt.Sprintf("read staged file %s for offsets %s: %v: run tidemark verify", e.Key, e.Range, e.Err)
}

func (e *FileError) Unwrap() error { return e.Err }

// TypesError says that events were staged with other types than those that are asked for: the table's version has changed.
type TypesError struct {
	Where string // the file, or the tail
	Err   error
}

func (e *TypesError) Error() string { return fmt.Sprintf("%s: %v", e.Where, e.Err) }

func (e *TypesError) Unwrap() error { return e.Err }
