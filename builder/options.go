package builder

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/complaints"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Log answers about topics. Offsets are by partition; a partition that it does not name is unknown to it.
type Log interface {
	// Ends returns the last stable offsets: where a reader of committed transactions can read to.
	Ends(ctx context.Context, topic string) (map[int32]int64, error)
	// At returns the first offset at or after a time, the end where there is none.
	At(ctx context.Context, topic string, t time.Time) (map[int32]int64, error)
	// Starts returns the first offsets that are still there.
	Starts(ctx context.Context, topic string) (map[int32]int64, error)
}

// Engine makes the cuboids of a segment. A Builder without one writes manifests that have none: such segments are
// answered from their staged files.
type Engine interface {
	// Build writes cuboid files below in.Folder and returns what the manifest says of them. It may be called again for the
	// same input with another folder. Its error says whether trying again may help by a *FinalError.
	Build(ctx context.Context, in EngineInput) (EngineOutput, error)
}

// EngineInput is what an Engine is given.
type EngineInput struct {
	Cube    *cube.Cube
	Table   *cube.Table // the types of columns: its newest version, unless what is read has others
	TableID string
	Folder  string // key prefix, without a slash behind
	Content string // id of what is built from; the same for every attempt
	Range   segmenter.Vector
	Events  int64                 // in the range
	Rows    []catalog.LedgerEntry // of a build or refresh: whole rows, the range may hold part of the first and the last
	Merged  []*segmenter.Manifest // of a merge, in the order of their offsets

	// Step begins a step of the job, which ends the one before, and returns what is to be called with its progress. Logf adds a
	// line to the job's log. Both may be called from any goroutine.
	Step func(name, unit string) (progress func(done, total int64))
	Logf func(format string, args ...any)
}

// EngineOutput is what an Engine has made.
type EngineOutput struct {
	Files   []segmenter.SegmentFile
	Cuboids []segmenter.CuboidEntry
	Stored  *segmenter.StoredTable
	Inputs  []segmenter.Input // lookup and dictionary versions that it read
}

// Options configure a Builder. The zero value of a field means its default.
type Options struct {
	Catalog *catalog.Catalog // required
	Store   blob.Store       // required
	Log     Log              // nil: the end of a topic is what is committed of it
	Engine  Engine           // nil: segments without cuboids
	Tables  Tables           // of cuboids in HBase, for clean-up; nil: there are none
	Ask     lookup.Ask       // queries of lookup tables; nil: this process refreshes none
	Node    string           // name of this process, the same after a restart; required
	Address string           // host:port where it is asked; may be empty
	Roles   []string         // of the process, for others to see
	Version string           // of the program

	NoPlans     bool          // other processes decide, and make what is periodic
	MaxBuilds   int           // bodies at once in this process; default 2; below 0: none, other processes build
	MaxNew      int           // segments of a cube that are reserved and not yet built; default 64
	MaxReaders  int           // objects a body looks at at once; default 8
	MaxAttempts int           // of a job; default 5
	MaxStalls   int           // attempts of a job in a row that end because a store does not answer; default 300: a day at MaxBackOff
	Lease       time.Duration // of a job; default 15s
	Interval    time.Duration // between scheduler passes; default 1s
	BackOff     time.Duration // after the first failed attempt of a job, doubled with each; default 1s
	MaxBackOff  time.Duration // default 5m
	StagingWait time.Duration // how long a job waits for what is not staged; default 15m
	FailedHold  time.Duration // how long a failed job keeps its reservation, to be resumed; default 1h
	MaxPlan     int           // actions of one plan of one cube; default 1000

	CutEvery         time.Duration // PlanCut; default 1s
	RefreshEvery     time.Duration // PlanRefresh; default 10s
	MaintenanceEvery time.Duration // PlanMaintenance; default 10s
	RecoverEvery     time.Duration // Recover; default 1s
	LookupsEvery     time.Duration // PlanLookups; default 10s
	CleanupEvery     time.Duration // Cleanup; default 15m
	BackupEvery      time.Duration // Backup; default 24h; below 0: never
	Grace            time.Duration // between marking and deletion of what nothing names; default 1h
	KeepBackups      int           // default 14
	KeepJobs         time.Duration // how long ended jobs and answers are kept; default 30 days
	ExclusiveWait    time.Duration // default 10m

	NotifyAfter int          // failures of one job or kind in a row before the webhook is told; default 3
	TempDir     string       // for backups under way; default: the system's
	HTTP        *http.Client // for webhooks; default: one with a limit of 10s

	Logger   *slog.Logger          // default: discard
	Registry prometheus.Registerer // default: one that nobody reads
}

const day = 24 * time.Hour

func (o Options) withDefaults() Options {
	dur := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	num := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	num(&o.MaxBuilds, 2)
	num(&o.MaxNew, 64)
	num(&o.MaxReaders, 8)
	num(&o.MaxAttempts, 5)
	num(&o.MaxStalls, 300)
	num(&o.MaxPlan, 1000)
	num(&o.KeepBackups, 14)
	num(&o.NotifyAfter, 3)
	dur(&o.Lease, 15*time.Second)
	dur(&o.Interval, time.Second)
	dur(&o.BackOff, time.Second)
	dur(&o.MaxBackOff, 5*time.Minute)
	dur(&o.StagingWait, 15*time.Minute)
	dur(&o.FailedHold, time.Hour)
	dur(&o.CutEvery, time.Second)
	dur(&o.RefreshEvery, 10*time.Second)
	dur(&o.MaintenanceEvery, 10*time.Second)
	dur(&o.RecoverEvery, time.Second)
	dur(&o.LookupsEvery, 10*time.Second)
	dur(&o.CleanupEvery, 15*time.Minute)
	dur(&o.BackupEvery, day)
	dur(&o.Grace, time.Hour)
	dur(&o.KeepJobs, 30*day)
	dur(&o.ExclusiveWait, 10*time.Minute)
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: 10 * time.Second}
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
	bad := complaints.List{Package: "builder"}
	bad.If(o.Catalog == nil, "no catalog given")
	bad.If(o.Store == nil, "no store given")
	bad.If(o.Node == "", "no node name given")
	bad.If(o.NoPlans && o.MaxBuilds < 0, "neither plans nor builds: there is nothing to run")
	bad.If(min(o.MaxNew, o.MaxReaders, o.MaxAttempts, o.MaxStalls, o.MaxPlan, o.KeepBackups, o.NotifyAfter) < 1, "a limit is below 1")
	bad.If(o.Interval < time.Millisecond, "interval %v: want at least 1ms", o.Interval)
	bad.If(o.Lease < 8*o.Interval, "lease %v: want at least 8 intervals of %v", o.Lease, o.Interval)
	bad.If(min(o.BackOff, o.StagingWait, o.FailedHold, o.Grace, o.KeepJobs) < 0 || o.MaxBackOff < o.BackOff, "a time is below 0, or the back-off's limit below its start")
	bad.If(min(o.CutEvery, o.RefreshEvery, o.MaintenanceEvery, o.RecoverEvery, o.LookupsEvery, o.CleanupEvery) < o.Interval, "a periodic task comes more often than the interval of %v", o.Interval)
	return bad.Err()
}

// FinalError ends a job as failed at once: trying again cannot help.
type FinalError struct{ Err error }

func (e *FinalError) Error() string { return e.Err.Error() }
func (e *FinalError) Unwrap() error { return e.Err }

// RequestError says what is wrong with a request, and what to do instead: asking again cannot help. What is taken already,
// nothing new and not neighbours have their own types in its chain.
type RequestError struct{ Err error }

func (e *RequestError) Error() string { return e.Err.Error() }
func (e *RequestError) Unwrap() error { return e.Err }

func wrong(format string, args ...any) error { return &RequestError{fmt.Errorf(format, args...)} }
