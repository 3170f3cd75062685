package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// Ingester reads tables' topics and stages their events. Make one with New, then call Run once.
type Ingester struct {
	o      Options
	met    *metrics
	feed   *feed
	admin  *admin
	budget *budget

	decodeSlots chan struct{} // one per core, shared by all partitions
	encodeSlots chan struct{}
	buffers     *stage.Buffers // of encoders, as many as encode at once
	uploadSlots chan struct{}

	wakeup   chan struct{} // capacity 1: look at tables, rolls and ends now
	commands chan func()   // run by the poll loop between two polls, so that no fetch is in the air
	breakMu  sync.Mutex    // guards breakPoll
	breakOff func()        // ends the poll that is waiting
	tasks    chan func(context.Context)
	stopping chan struct{} // closed when no more tasks are taken

	background sync.WaitGroup // partitions' publishers
	lastFetch  atomic.Int64   // when records came last, in nanoseconds since 1970
	probeSlot  chan struct{}  // capacity 1: one probe runs

	mu        sync.Mutex // guards all below
	sources   map[topicPartition]*source
	opening   map[topicPartition]bool
	reopening map[topicPartition]bool
	unread    map[topicPartition]unread // why a partition that is ours is not read
	tables    map[string]*table         // by table id, those that are read
	topics    map[string]*topicState
	stopped   map[string]Source // by table id: tables that are not read, and why
	pins      map[*Pin]bool
	spoolUse  int64
	spoolCh   chan struct{} // closed and replaced when spooled bytes fall
	started   time.Time
	closing   bool
	loaded    bool // tables were read at least once
	fatal     error

	rereads     map[int64]*rereadTry // requests that were tried, by id
	rereading   bool                 // one is served: each may take memory
	rereadsMine int                  // requests that wait for partitions of this process

	rereadsOpen bool // the reconcile loop's own, as what follows: requests that are not done
	rollsOpen   bool
	rollUpTo    map[rollKey]int64
	courtesyAt  time.Time
}

// source is a partition of a topic with the tables that are read from it.
type source struct {
	tp      topicPartition
	topicID string
	pos     int64 // the next offset expected of the feed; the poll loop's own once reading
	parts   []*partition
	reading bool // the client was told to read at pos
}

// unread says what a partition is doing that is ours and is not read.
type unread struct {
	state  State
	reason string
}

// topicState is what was last seen of a topic.
type topicState struct {
	info    *topicInfo
	err     error
	checked time.Time
}

// New checks the options and makes an Ingester. It does not connect yet.
func New(o Options) (*Ingester, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	in := &Ingester{
		o: o, budget: newBudget(o.MemoryBudget),
		decodeSlots: make(chan struct{}, runtime.GOMAXPROCS(0)),
		encodeSlots: make(chan struct{}, o.MaxEncoders),
		buffers:     new(stage.Buffers),
		probeSlot:   make(chan struct{}, 1),
		uploadSlots: make(chan struct{}, o.MaxUploads),
		wakeup:      make(chan struct{}, 1), commands: make(chan func(), 64),
		tasks: make(chan func(context.Context), 1024), stopping: make(chan struct{}),
		sources: map[topicPartition]*source{}, opening: map[topicPartition]bool{}, reopening: map[topicPartition]bool{}, unread: map[topicPartition]unread{}, tables: map[string]*table{}, topics: map[string]*topicState{},
		stopped: map[string]Source{}, pins: map[*Pin]bool{}, rereads: map[int64]*rereadTry{}, spoolCh: make(chan struct{}), started: time.Now(),
	}
	var err error
	if in.met, err = newMetrics(o.Registry, in); err != nil {
		return nil, fmt.Errorf("ingest metrics: %w", err)
	}
	return in, nil
}

// Run reads until ctx is done (or, with UntilEnd, until the ends are reached), then commits what is in hand within
// StopTimeout and returns nil on a clean stop.
func (in *Ingester) Run(ctx context.Context) error {
	if err := in.prepareSpool(); err != nil {
		return err
	}
	var err error
	if in.admin, err = newAdmin(in.o.Kafka); err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	defer in.admin.close()
	if in.feed, err = newFeed(in.o, in); err != nil {
		return err
	}
	in.mu.Lock()
	in.started = time.Now()
	in.mu.Unlock()

	g, gctx := errgroup.WithContext(ctx)
	loopCtx, stop := context.WithCancel(gctx)
	defer stop()
	var tasks sync.WaitGroup // may be finishing a partition as long as shutdown does, beside it
	tasks.Go(func() { in.runTasks(loopCtx) })
	g.Go(func() error { return in.poll(loopCtx) })
	g.Go(func() error { defer stop(); return in.reconcileLoop(loopCtx) })
	err = g.Wait()
	stop()

	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), in.o.StopTimeout)
	defer cancel()
	in.shutdown(stopCtx)
	tasks.Wait()
	leaveCtx, left := context.WithTimeout(context.WithoutCancel(ctx), signOffTimeout)
	defer left()
	if leaveErr := in.feed.close(leaveCtx, in.admin.adm); leaveErr != nil {
		in.o.Logger.LogAttrs(ctx, slog.LevelDebug, "group not left", slog.Any("err", leaveErr))
	}
	in.background.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return errors.Join(err, in.fatal)
}

// prepareSpool makes the folder and removes what an earlier process left there: it was never committed.
func (in *Ingester) prepareSpool() error {
	if err := os.MkdirAll(in.o.SpoolDir, 0o755); err != nil {
		return fmt.Errorf("spool folder: %w", err)
	}
	old, err := filepath.Glob(filepath.Join(in.o.SpoolDir, "range-*.spool"))
	if err != nil {
		return fmt.Errorf("spool folder: %w", err)
	}
	for _, f := range old {
		if err := os.Remove(f); err != nil {
			return fmt.Errorf("spool folder: %w", err)
		}
	}
	return nil
}

// shutdown commits what is in hand within ctx; what does not make it is read again at the next start.
func (in *Ingester) shutdown(ctx context.Context) {
	in.mu.Lock()
	in.closing = true
	all := make([]topicPartition, 0, len(in.sources))
	for tp := range in.sources {
		all = append(all, tp)
	}
	in.mu.Unlock()
	in.release(ctx, all)
}

// release gives partitions up: their workers stop, what they hold is sealed and committed until ctx ends.
func (in *Ingester) release(ctx context.Context, tps []topicPartition) {
	var parts []*partition
	in.mu.Lock()
	for _, tp := range tps {
		if s := in.sources[tp]; s != nil {
			parts = append(parts, s.parts...)
			delete(in.sources, tp)
		}
	}
	in.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range parts {
		wg.Go(func() { p.finish(ctx) })
	}
	wg.Wait()
}

// finish ends the partition's goroutines after committing what is in hand, or when ctx ends.
func (p *partition) finish(ctx context.Context) {
	p.stopWork()
	p.in.budget.queue(-p.inbox.close())
	p.mu.Lock()
	p.forceSealLocked("release")
	p.mu.Unlock()
wait:
	for !p.settled() {
		select {
		case <-ctx.Done():
			break wait
		case <-p.gone: // another process owns the partition now
			break wait
		case <-p.progress:
		}
	}
	p.cancel()
	<-p.gone
	p.discard()
	p.signOff()
}

// signOffTimeout is how long a partition that was given up tries to say so: nothing depends on it.
const signOffTimeout = 2 * time.Second

// signOff takes our name off the partition, so that nobody asks us for its tail.
func (p *partition) signOff() {
	ctx, cancel := context.WithTimeout(context.Background(), signOffTimeout)
	defer cancel()
	err := acquire(ctx, p.claim) // a re-read in its last step has raised the epoch, or will not any more
	if err == nil {
		p.mu.Lock()
		table, epoch := p.table.def.ID, p.epoch
		p.mu.Unlock()
		err = p.in.o.Catalog.Release(ctx, table, p.tp.partition, epoch)
		<-p.claim
	}
	if err != nil {
		p.in.o.Logger.LogAttrs(ctx, slog.LevelDebug, "partition not released", slog.String("topic", p.tp.topic),
			slog.Int("partition", int(p.tp.partition)), slog.Any("err", err))
	}
}

// discard forgets what was not committed; it is read again by whoever comes next.
func (p *partition) discard() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open != nil {
		p.in.budget.add(-p.open.bytes)
	}
	for _, t := range p.sealed {
		p.in.budget.add(-t.bytes)
	}
	p.open, p.sealed = nil, nil
	p.next = p.committed
}

// poke makes the reconcile loop look now.
func (in *Ingester) poke() { wake(in.wakeup) }
