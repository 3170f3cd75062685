package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// What became of a refresh, in metrics.
const (
	refreshChanged   = "changed"
	refreshUnchanged = "unchanged"
	refreshFailed    = "failed"
)

// lookupsKey is that of all refreshes, which may take minutes: they are bodies, one at a time of all processes, so that neither cuts nor
// what runs alone waits for them as for decisions, and builds keep their slots.
const lookupsKey = "body/lookups"

// lookupSpec is the spec of a task that refreshes a lookup table.
type lookupSpec struct {
	Project string `json:"project"`
	Lookup  string `json:"lookup"`
}

// planLookups asks for the refresh of each lookup table that is due.
func (b *Builder) planLookups(ctx context.Context, _ scheduler.Task) (spawn []scheduler.Submission, err error) {
	list, err := b.o.Catalog.Lookups(ctx, "")
	if err != nil {
		return nil, err
	}
	now, failing := time.Now(), 0
	for _, v := range list {
		if v.Refresh.Failures > 0 {
			failing++
		}
		if !b.refreshDue(v, now) {
			continue
		}
		spec, err := json.Marshal(lookupSpec{v.Lookup.Project, v.Lookup.Name})
		if err != nil {
			return nil, err
		}
		spawn = append(spawn, scheduler.Submission{
			Kind: taskRefreshLookup, Key: lookupsKey, Dedup: taskRefreshLookup, Spec: spec, Slots: 1, SubmittedBy: "timer", MaxAttempts: 1,
		})
	}
	b.m.lookupsFailing.Set(float64(failing))
	return spawn, nil
}

// refreshDue reports whether a lookup table is to be refreshed now: so long after the last time, or after a failure as long as its
// pause. A clock that was set back delays it by no more than that once more.
func (b *Builder) refreshDue(v catalog.LookupVersion, now time.Time) bool {
	wait := v.Lookup.Query.Interval()
	if wait == 0 {
		return false
	}
	if v.Refresh.Failures > 0 {
		wait = min(wait, b.backOff(v.Refresh.Failures))
	}
	since := now.Sub(time.UnixMicro(v.Refresh.TriedUs))
	return since >= wait || since < -wait
}

// refreshLookup asks the query of a lookup table again, if that is still due: another process, or a person, may have done so since.
func (b *Builder) refreshLookup(ctx context.Context, t scheduler.Task) ([]scheduler.Submission, error) {
	var spec lookupSpec
	if err := json.Unmarshal(t.Spec, &spec); err != nil {
		return nil, &scheduler.FinalError{Err: fmt.Errorf("spec of task %d: %w", t.ID, err)}
	}
	v, err := b.o.Catalog.Lookup(ctx, spec.Project, spec.Lookup)
	if errors.Is(err, catalog.ErrNotFound) || err == nil && !b.refreshDue(v, time.Now()) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	_, changed, err := lookup.Queries{Catalog: b.o.Catalog, Store: b.o.Store, Ask: b.o.Ask}.Refresh(ctx, spec.Project, spec.Lookup)
	var conflict *catalog.ConflictError
	if errors.As(err, &conflict) {
		if err = b.wantLookup(ctx, v, err); err == nil {
			return nil, nil
		}
	}
	state := refreshUnchanged
	switch {
	case err != nil:
		state, err = refreshFailed, fmt.Errorf("lookup table %s/%s keeps version %d: %w", spec.Project, spec.Lookup, v.Lookup.Version, err)
	case changed:
		state = refreshChanged
	}
	b.m.lookups.WithLabelValues(state).Inc()
	return nil, err
}

// wantLookup returns the conflict that a refresh of v has met, or nil where somebody has applied another version meanwhile, or dropped
// the table: then the refresh is needless.
func (b *Builder) wantLookup(ctx context.Context, v catalog.LookupVersion, conflict error) error {
	newest, err := b.o.Catalog.Lookup(ctx, v.Lookup.Project, v.Lookup.Name)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		return nil
	case err != nil:
		return errors.Join(conflict, err)
	case newest.Lookup.ID != v.Lookup.ID || newest.Lookup.Version != v.Lookup.Version:
		return nil
	}
	return conflict
}
