package run

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Options configure a Runner. The zero value of a field means its default.
type Options struct {
	Threads     int   // that one query folds with, fewer while others do too; default GOMAXPROCS
	Loads       int   // row groups that one query reads at once, or has read and not folded yet; default 8
	MemoryBytes int64 // of one query (N4); default 256 MiB
	ColumnBytes int64 // of decoded columns that are kept; default 512 MiB
	NoColumns   bool  // keeps no decoded columns
	TableBytes  int64 // of tables by dictionary: what passes a condition, and ids of groups; default 64 MiB
	FoldedBytes int64 // of groups of segments and staged files that were folded before; default 64 MiB
	NoFolded    bool  // keeps none of them
	DomainBytes int64 // of values of groups that are kept for the next query; default 128 MiB

	Registry prometheus.Registerer // default: one that nobody reads
}

const (
	minMemoryBytes = 1 << 20
	minCacheBytes  = 1 << 16
)

func (o Options) withDefaults() Options {
	set := func(to *int64, v int64) {
		if *to == 0 {
			*to = v
		}
	}
	set(&o.MemoryBytes, 256<<20)
	set(&o.ColumnBytes, 512<<20)
	set(&o.TableBytes, 64<<20)
	set(&o.FoldedBytes, 64<<20)
	set(&o.DomainBytes, 128<<20)
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if o.Loads == 0 {
		o.Loads = 8
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf("run: "+format, args...))
		}
	}
	bad(o.Threads < 1 || o.Loads < 1, "%d threads and %d loads: want at least 1 of each", o.Threads, o.Loads)
	bad(o.MemoryBytes < minMemoryBytes, "memory of %d bytes: want at least %d", o.MemoryBytes, minMemoryBytes)
	bad(min(o.ColumnBytes, o.TableBytes, o.FoldedBytes, o.DomainBytes) < minCacheBytes, "a cache of fewer than %d bytes", minCacheBytes)
	return errors.Join(errs...)
}

// Runner answers blocks. It may be used by any number of queries at once.
type Runner struct {
	o        Options
	m        *metrics
	columns  *columns
	tables   *lru[tableKey, any] // *picks or []uint32
	domains  *domains
	foldings *lru[FoldedKey, *Folded] // nil: asked for once
	scratch  sync.Pool                // of *scratch
	tuning   tuning
	folding  atomic.Int64 // queries
}

// tuning is when groups are found in which way. None of it changes an answer (N1); tests set it.
type tuning struct {
	directIDs int64 // up to how many values an axis takes the ids of its domain,
	maxDirect int64 // and up to how many where the batches have twice as many codes
	denseBits uint  // up to so many bits of groups may be dense,
	fewBits   uint  // and up to so many are in any case
	keyBits   uint  // of a key of other groups
}

// tableKey names what was worked out for a dictionary: what passes a condition, or ids in a domain.
type tableKey struct {
	dict *identity
	cond string
	dom  *identity
}

// New checks the options.
func New(o Options) (*Runner, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	r := &Runner{o: o, tuning: tuning{directIDs: 1 << 12, maxDirect: 1 << 16, denseBits: 17, fewBits: 10, keyBits: 64}, domains: &domains{limit: o.DomainBytes, of: map[string]*kept{}}}
	r.tables = newLRU[tableKey, any](o.TableBytes, func(int64) { r.m.tablesDropped.Inc() })
	r.foldings = newLRU[FoldedKey, *Folded](o.FoldedBytes, func(int64) { r.m.foldedDropped.Inc() })
	r.columns = newColumns(r)
	m, err := newMetrics(r)
	if err != nil {
		return nil, err
	}
	r.m = m
	return r, nil
}

// domains are those with keys. Above the limit the ones that were not used for longest are forgotten: queries that run keep
// theirs, and later ones begin anew (N7).
type domains struct {
	limit int64

	mu  sync.Mutex
	use int64
	of  map[string]*kept
}

type kept struct {
	dom  *domain
	used int64
}

// get returns the domain of a key, fresh where there is none yet.
func (ds *domains) get(key string, fresh *domain) *domain {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	ds.use++
	k, ok := ds.of[key]
	if !ok {
		k = &kept{dom: fresh}
		ds.of[key] = k
	}
	k.used = ds.use
	return k.dom
}

// trim forgets domains until the others are within the limit, and returns how many.
func (ds *domains) trim() (forgotten int) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	total := ds.total()
	for total > ds.limit {
		oldest := ""
		for key, k := range ds.of {
			if oldest == "" || k.used < ds.of[oldest].used {
				oldest = key
			}
		}
		total -= ds.of[oldest].dom.bytes.Load()
		delete(ds.of, oldest)
		forgotten++
	}
	return forgotten
}

func (ds *domains) total() (total int64) {
	for _, k := range ds.of {
		total += k.dom.bytes.Load()
	}
	return total
}

// bytes returns what all of them hold.
func (ds *domains) bytes() int64 {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	return ds.total()
}
