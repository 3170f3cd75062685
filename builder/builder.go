package builder

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
)

// Kinds of tasks. The timer makes those of the first block, which spawn the others.
const (
	taskPlanCut         = "plan_cut"
	taskPlanRefresh     = "plan_refresh"
	taskPlanMaintenance = "plan_maintenance"
	taskRecover         = "recover"
	taskCleanup         = "cleanup"
	taskBackup          = "backup"
	taskPlanLookups     = "plan_lookups"

	taskCut      = "cut"      // of one cube
	taskMaintain = "maintain" // of one cube
	taskBody     = "body"     // of one job

	taskRefreshLookup = "refresh_lookup" // of one lookup table
)

// Builder plans and builds the segments of all cubes of a catalog. Several processes may run one on the same catalog.
type Builder struct {
	o        Options
	m        *metrics
	sched    *scheduler.Scheduler
	logs     *logCache
	cuts     *cutter
	upkeep   *maintainer
	patience *patience
	swept    atomic.Value  // time.Time: when abandoned reservations were last looked for
	stopping chan struct{} // closed by stop
	stop     func()        // what waits for the catalog need wait no more; may be called again

	told    told
	notices chan struct{}  // a slot for each webhook under way
	wg      sync.WaitGroup // of webhooks
}

// New checks the options. Nothing runs before Run; requests may be made without it, and wait.
func New(o Options) (*Builder, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(o.Registry)
	if err != nil {
		return nil, fmt.Errorf("builder: %w", err)
	}
	b := &Builder{o: o, m: m, logs: newLogCache(o.Log, m), cuts: newCutter(), upkeep: newMaintainer(), patience: newPatience(o.Node), notices: make(chan struct{}, maxNotices)}
	b.swept.Store(time.Time{})
	b.stopping = make(chan struct{})
	b.stop = sync.OnceFunc(func() { close(b.stopping) })
	decisions, periodic := 0, b.periodic()
	if o.NoPlans {
		decisions, periodic = -1, nil
	}
	b.sched, err = scheduler.New(TaskStore(o.Catalog), b.kinds(), scheduler.Options{
		Node:     scheduler.Node{Name: o.Node, Address: o.Address, Roles: o.Roles, Version: o.Version},
		Interval: o.Interval, Lease: o.Lease, ExclusiveWait: o.ExclusiveWait, BackOff: o.BackOff, MaxBackOff: o.MaxBackOff,
		Decisions: decisions, Bodies: o.MaxBuilds, Periodic: periodic, OnFailed: b.taskFailed, Registry: o.Registry, Logger: o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("builder: %w", err)
	}
	return b, nil
}

// Scheduler is the queue of tasks, to list and to control by hand.
func (b *Builder) Scheduler() *scheduler.Scheduler { return b.sched }

// Run plans and builds until ctx is done, then finishes what it may and gives the rest back. It returns an error only if
// another process has taken the node's name.
func (b *Builder) Run(ctx context.Context) error {
	defer b.wg.Wait()
	defer context.AfterFunc(ctx, b.stop)()
	return b.sched.Run(ctx)
}

func (b *Builder) kinds() map[string]scheduler.Kind {
	short := func(run func(ctx context.Context, t scheduler.Task) ([]scheduler.Submission, error)) scheduler.Kind {
		return scheduler.Kind{Run: run, Timeout: 5 * time.Minute}
	}
	kinds := map[string]scheduler.Kind{
		taskPlanCut:         short(b.planCut),
		taskPlanRefresh:     short(b.planRefresh),
		taskPlanMaintenance: short(b.planMaintenance),
		taskMaintain:        short(b.perCube(b.maintain)),
		taskRecover:         short(b.recover),
		taskCleanup:         {Run: b.cleanup, Timeout: time.Hour},
		taskBackup:          {Run: b.backup, Timeout: time.Hour},
		taskCut:             short(b.perCube(b.cut)),
		taskBody:            {Run: b.runBody, MaxAttempts: 1 << 20}, // the job counts its own attempts
	}
	if b.o.Ask != nil {
		kinds[taskPlanLookups] = short(b.planLookups)
		kinds[taskRefreshLookup] = scheduler.Kind{Run: b.refreshLookup, Timeout: 10 * time.Minute} // far below Options.Grace, which keeps what is stored
	}
	return kinds
}

func (b *Builder) periodic() []scheduler.Periodic {
	every := func(d time.Duration, kind string) scheduler.Periodic {
		return scheduler.Periodic{Every: d, Submission: scheduler.Submission{Kind: kind, Key: kind, SubmittedBy: "timer", MaxAttempts: 1}}
	}
	alone := func(d time.Duration, kind string) scheduler.Periodic { // without a key: exclusive
		return scheduler.Periodic{Every: d, Submission: scheduler.Submission{Kind: kind, SubmittedBy: "timer", MaxAttempts: 3}}
	}
	list := []scheduler.Periodic{
		every(b.o.CutEvery, taskPlanCut),
		every(b.o.RefreshEvery, taskPlanRefresh),
		every(b.o.MaintenanceEvery, taskPlanMaintenance),
		every(b.o.RecoverEvery, taskRecover),
		alone(b.o.CleanupEvery, taskCleanup),
	}
	if b.o.Ask != nil {
		list = append(list, every(b.o.LookupsEvery, taskPlanLookups))
	}
	if b.o.BackupEvery > 0 {
		list = append(list, alone(b.o.BackupEvery, taskBackup))
	}
	return list
}

// cubeSpec is the spec of a task that decides about one cube.
type cubeSpec struct {
	Cube string `json:"cube"` // its id
}

// cubeTask asks for a decision about a cube. Decisions of one cube run one after another, in order of submission (I7).
func cubeTask(kind, cubeID string) scheduler.Submission {
	return scheduler.Submission{Kind: kind, Key: "cube/" + cubeID, Dedup: kind, Spec: fmt.Appendf(nil, `{"cube":%q}`, cubeID), SubmittedBy: "timer", MaxAttempts: 3}
}

func (b *Builder) perCube(run func(ctx context.Context, cubeID string) ([]scheduler.Submission, error)) func(context.Context, scheduler.Task) ([]scheduler.Submission, error) {
	return func(ctx context.Context, t scheduler.Task) ([]scheduler.Submission, error) {
		var spec cubeSpec
		if err := json.Unmarshal(t.Spec, &spec); err != nil {
			return nil, &scheduler.FinalError{Err: fmt.Errorf("spec of task %d: %w", t.ID, err)}
		}
		return run(ctx, spec.Cube)
	}
}

// taskFailed tells of a task that has come to its end without success.
func (b *Builder) taskFailed(ctx context.Context, t scheduler.Task) {
	var spec cubeSpec
	if json.Unmarshal(t.Spec, &spec) != nil || spec.Cube == "" {
		return // of no cube: the log and the metrics tell
	}
	info, err := b.o.Catalog.CubeInfo(ctx, spec.Cube)
	if err != nil {
		b.o.Logger.LogAttrs(ctx, slog.LevelWarn, "owner of a failed task is not known", slog.Int64("task", t.ID), slog.Any("err", err))
		return
	}
	b.notify(ctx, failure{def: info.Cube, Kind: t.Kind, Task: t.ID, Attempts: t.Attempts, Problem: t.Error})
}
