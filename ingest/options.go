package ingest

import (
	"errors"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Options configure an Ingester. The zero value of a field means its default.
type Options struct {
	Kafka    []kgo.Opt        // brokers and credentials; required
	Catalog  *catalog.Catalog // required
	Store    blob.Store       // where files go; required
	SpoolDir string           // local folder for files on their way to the store; required

	Owner   string // who claims partitions; also the static member id of the consumer group
	Address string // where the owner's tail can be asked, for the catalog

	Project    string  // only this project's tables; default: all
	Table      string  // only this table; default: all
	Partitions []int32 // only these partitions, assigned directly; default: all

	Group              string // consumer group that shares partitions out; empty: all partitions, assigned directly
	UntilEnd           bool   // read to the last stable offsets as of the start, commit, and return
	FailOnMissingTopic bool   // a topic that does not exist ends Run; default: wait for it

	MemoryBudget         int64         // bytes of events in memory, tail included; default 192 MiB
	MaxUncommittedRanges int           // sealed ranges of a partition not yet committed, then it pauses; default 2
	MaxUploads           int           // files uploaded at once; default 4
	MaxEncoders          int           // files encoded at once; default half the cores, at least 1
	RereadOffsets        int64         // offsets read again that one transaction replaces, but for a row that has more; default 1 Mi
	SpoolBytes           int64         // most bytes of spooled files; over it encoding waits; default 2 GiB
	FetchBytes           int32         // most compressed bytes of one fetch; default 4 MiB
	Interval             time.Duration // how often tables, roll requests and log ends are looked at; default 1s
	PinTimeout           time.Duration // how long a reader may hold the tail; default 60s
	StopTimeout          time.Duration // how long a stop or a revoke may take to commit what is in hand; default 20s

	Logger   *slog.Logger          // default: discard
	Registry prometheus.Registerer // default: a registry of its own
}

func (o Options) withDefaults() Options {
	if o.Owner == "" {
		o.Owner = "tidemark"
	}
	if o.MemoryBudget == 0 {
		o.MemoryBudget = 192 << 20
	}
	if o.MaxUncommittedRanges == 0 {
		o.MaxUncommittedRanges = 2
	}
	if o.MaxUploads == 0 {
		o.MaxUploads = 4
	}
	if o.MaxEncoders == 0 {
		o.MaxEncoders = max(1, runtime.GOMAXPROCS(0)/2)
	}
	if o.SpoolBytes == 0 {
		o.SpoolBytes = 2 << 30
	}
	if o.RereadOffsets == 0 {
		o.RereadOffsets = 1 << 20
	}
	if o.FetchBytes == 0 {
		o.FetchBytes = 4 << 20
	}
	if o.Interval == 0 {
		o.Interval = time.Second
	}
	if o.PinTimeout == 0 {
		o.PinTimeout = time.Minute
	}
	if o.StopTimeout == 0 {
		o.StopTimeout = 20 * time.Second
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
	var errs []error
	need := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New(what))
		}
	}
	need(len(o.Kafka) > 0, "ingest: no brokers given")
	need(o.Catalog != nil, "ingest: no catalog given")
	need(o.Store != nil, "ingest: no store given")
	need(o.SpoolDir != "", "ingest: no spool folder given")
	need(o.MemoryBudget >= 8<<20, "ingest: memory budget is below 8 MiB")
	need(o.MaxUncommittedRanges > 0 && o.MaxUploads > 0 && o.MaxEncoders > 0, "ingest: a limit is below 1")
	need(o.PinTimeout > 0 && o.StopTimeout > 0 && o.Interval > 0, "ingest: a limit of time is below 1 ns")
	need(o.SpoolBytes > 0 && o.FetchBytes > 0, "ingest: a limit of bytes is below 1")
	need(o.RereadOffsets > 0, "ingest: a limit of offsets is below 1")
	need(o.Group == "" || len(o.Partitions) == 0, "ingest: pinned partitions and a consumer group exclude each other")
	return errors.Join(errs...)
}
