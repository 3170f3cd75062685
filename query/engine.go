package query

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/filecache"
	"github.com/tidemarkdb/tidemark/query/run"
	"github.com/tidemarkdb/tidemark/query/source"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Engine answers statements. It may be used by any number of goroutines at once. Close it.
type Engine struct {
	o        Options
	db       *duck.DB
	runner   *run.Runner
	source   *source.Source
	known    *definitions
	plans    *lru[planKey, *prepared]
	programs *programs
	segments *lru[segmentKey, *opened]
	lookups  *lookups
	ids      *stringIDs
	damaged  *damages
	results  *results // nil: none are kept
	turns    *turns
	rawTurns *turns // of statements that read events
	history  *history
	m        *metrics

	incidents atomic.Int64
}

// ErrNotRunning is in the chain of errors that name a statement which does not run.
var ErrNotRunning = errors.New("it does not run")

// New starts an engine.
func New(o Options) (*Engine, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("query options: %w", err)
	}
	if o.Files.Dir != "" {
		files, err := filecache.New(o.Store, o.Files)
		if err != nil {
			return nil, err
		}
		o.Store, o.Source.Store = files, files
	}
	e := &Engine{
		o: o, known: newDefinitions(o.Catalog), plans: newLRU[planKey, *prepared](o.Plans), segments: newLRU[segmentKey, *opened](o.Segments), damaged: newDamages(o.Segments),
		turns: newTurns("query.concurrent", o.Concurrent, o.Queue, o.QueueWait), rawTurns: newTurns("query.raw_concurrent", o.RawConcurrent, o.Queue, o.RawQueueWait),
		history: newHistory(o.History),
	}
	var err error
	if e.m, err = newMetrics(o.Registry); err != nil {
		return nil, fmt.Errorf("query metrics: %w", err)
	}
	e.programs = newPrograms(o.ProgramBytes, e.m)
	e.m.programLimit.Set(float64(o.ProgramBytes))
	e.plans.gone = e.programs.drop
	if e.ids, err = newStringIDs(o); err != nil {
		return nil, err
	}
	e.lookups = newLookups(o.Store, o.LookupBytes, e.m)
	if !o.NoResults {
		e.results = newResults(o.ResultBytes, e.m)
		e.m.resultLimit.Set(float64(o.ResultBytes))
	}
	if e.runner, err = run.New(o.Run); err != nil {
		return nil, err
	}
	if e.source, err = source.New(o.Source); err != nil {
		return nil, err
	}
	if e.db, err = duck.Open(o.Duck); err != nil {
		return nil, err
	}
	if err = e.m.watch(o.Registry, e.db); err != nil {
		return nil, fmt.Errorf("query metrics: %w", err)
	}
	return e, nil
}

// Close waits for the statements that run. Calls that come later fail.
func (e *Engine) Close() error { return e.db.Close() }

// Request is a statement and how it is to be answered.
type Request struct {
	SQL         string
	Project     string    // whose tables are meant; default "default"
	Params      []any     // of the statement's parameters, as duck.DB.Query takes them
	Approximate bool      // exact functions may be answered by sketches
	Raw         RawPolicy // default: Options.Raw
	Internal    bool      // it is the process's own, which Statements does not list

	// AsOf asks for what was committed at an earlier moment; nil: for all there is. What it cannot be is a *catalog.AsOfError.
	AsOf *catalog.AsOf
}

// Query begins to answer a statement. What is wrong with it is a *duck.Error; a *BusyError says that too many run, an *AgainError
// that events moved away under it, an *IncidentError that it met a fault. The answer must be closed.
func (e *Engine) Query(ctx context.Context, r Request) (a *Answer, err error) {
	if err := e.take(ctx, e.turns); err != nil {
		return nil, err
	}
	e.m.running.Inc()
	ctx, late := context.WithTimeoutCause(ctx, e.o.Timeout, &TimeoutError{e.o.Timeout})
	ctx, kill := context.WithCancelCause(ctx)
	x := &execution{e: e, r: r, id: e.history.begin(r, kill), from: "nothing", give: e.turns.give}
	x.end = func() {
		kill(nil)
		late()
		x.give()
		e.m.running.Dec()
	}
	defer func() {
		if err = e.fault(r, recover(), err); err != nil {
			a, err = nil, x.said(causeOf(ctx, err))
			x.close(err)
		}
	}()
	if x.p, err = e.prepare(ctx, r); err != nil {
		return nil, err
	}
	if a, err = x.start(ctx); err == nil {
		a.why = func(err error) error { return causeOf(ctx, err) }
		a.again = func() (*Answer, error) { return x.start(ctx) }
	}
	return a, err
}

// take waits for a turn. A statement that DuckDB does not end after its time-out has given its turn back, but counts here.
func (e *Engine) take(ctx context.Context, t *turns) error {
	var err error
	if n, _ := e.db.Abandoned(); n >= int64(e.o.Abandoned) {
		err = &BusyError{Setting: "query.abandoned", Abandoned: n}
	} else {
		err = t.take(ctx)
	}
	var busy *BusyError
	if errors.As(err, &busy) {
		e.m.refused.WithLabelValues(busy.Setting).Inc()
	}
	return err
}

// causeOf prefers why a context ended to that it did.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return cause
	}
	return err
}
