package local

import (
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/complaints"
)

// Options configure an Engine. The zero value of a field means its default.
type Options struct {
	Store   blob.Store // required
	Dir     string     // of temporary files; required. Nothing else may use it
	Memory  int64      // bytes of events and cells in memory, of all builds together; default 512 MiB, at least 16 MiB
	Disk    int64      // bytes of temporary files, of all builds together; default 64 GiB
	Threads int        // of one build; default: as many as may run at once

	Dictionaries *dictionary.Dictionaries // nil: exact distinct counts of strings are refused

	HBase *hbase.Store // nil: cubes with store: hbase are refused

	// Keep is how long the temporary files of a build that was killed, or that failed and may be tried again, wait for another
	// attempt; default 24h.
	Keep time.Duration

	Logger   *slog.Logger          // default: discard
	Registry prometheus.Registerer // default: one that nobody reads
}

const (
	defaultMemory = 512 << 20
	leastMemory   = 16 << 20
	defaultDisk   = 64 << 30
)

func (o Options) withDefaults() Options {
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	if o.Disk == 0 {
		o.Disk = defaultDisk
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if o.Keep == 0 {
		o.Keep = 24 * time.Hour
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
	bad := complaints.List{Package: "builder/local"}
	bad.If(o.Store == nil, "no store given")
	bad.If(o.Dir == "", "no folder for temporary files given")
	bad.If(o.Memory < leastMemory, "memory %d: want at least %d bytes", o.Memory, leastMemory)
	bad.If(o.Disk < 0, "disk %d: want 0 for the default, or a number of bytes", o.Disk)
	bad.If(o.Keep < 0, "keep %v: it is below 0", o.Keep)
	bad.If(o.Threads < 1, "threads %d: want at least 1", o.Threads)
	return bad.Err()
}
