package builder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

// maintain plans one cube: what expires, what is missing, what has changed, what is old, what is too small.
func (b *Builder) maintain(ctx context.Context, cubeID string) ([]scheduler.Submission, error) {
	var s *state
	var change int64
	spawn, err := b.applyTask(ctx, func(ctx context.Context) (*Plan, error) {
		info, err := b.o.Catalog.CubeInfo(ctx, cubeID)
		if err != nil {
			return nil, err
		}
		// Before stale segments are looked for: a change that comes after it is for the next time.
		if change, err = b.o.Catalog.TableChange(ctx, info.TableID); err != nil {
			return nil, err
		}
		if _, err := b.o.Catalog.StaleSegments(ctx, cubeID); err != nil {
			return nil, err
		}
		if s, err = b.snapshotOf(ctx, cubeID); err != nil {
			return nil, err
		}
		if err := b.storeDefinitions(ctx, cubeID, s.Cube.Version); err != nil || !s.Enabled {
			return nil, err
		}
		p := s.plan()
		return &p, b.maintenance(ctx, s, &p, time.Now())
	})
	if err == nil && s != nil && s.Enabled {
		b.upkeep.mu.Lock()
		for k := range b.upkeep.gone {
			if _, live := s.stale[k.number]; k.cubeID == cubeID && !live {
				delete(b.upkeep.gone, k)
			}
		}
		maps.DeleteFunc(b.upkeep.types, func(k goneKey, _ int) bool {
			_, live := s.stale[k.number]
			return k.cubeID == cubeID && !live
		})
		b.upkeep.mu.Unlock()
		b.upkeep.finished(cubeID, maintained{revision: s.Revision, change: change, at: time.Now()})
	}
	return spawn, err
}

// ignoreGone makes a cube that was dropped no error.
func ignoreGone(err error) error {
	if errors.Is(err, catalog.ErrNotFound) {
		return nil
	}
	return err
}

// maintenance adds to p what is to be done to a cube now, in the order of what matters most. It leaves half of the room for
// fresh segments.
func (b *Builder) maintenance(ctx context.Context, s *state, p *Plan, now time.Time) error {
	room := min(b.room(s), b.o.MaxNew/2)
	stay := s.without(s.retire(p, now))
	segments := stay.segments
	n := len(p.Actions)
	used := func() int { return len(p.Actions) - n }
	holes, err := b.holesOf(ctx, s, stay)
	if err != nil {
		return err
	}
	if s.Cube.FillHoles.On() {
		s.fill(p, holes, room)
	} else if len(holes) > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("%d holes are left: fill_holes is off", len(holes)))
	}
	if s.versions, err = b.versionsOf(ctx, s); err != nil {
		return err
	}
	if err := b.refreshes(ctx, s, p, refreshing{segments: segments, room: room - used(), now: now}); err != nil {
		return err
	}
	backlog, err := b.merges(ctx, s, p, merging{segments: segments, room: room - used(), now: now})
	if err != nil {
		return err
	}
	b.m.upkeep(s, holes, backlog)
	return nil
}

// retire adds what has expired.
func (s *state) retire(p *Plan, now time.Time) []int64 {
	if s.Cube.Retention <= 0 {
		return nil
	}
	r := plan.Retire(plan.RetireRules{Keep: s.Cube.Retention}, now, s.live)
	if len(r.Retire) > 0 {
		p.Actions = append(p.Actions, Action{Kind: KindRetire, Replaces: r.Retire, Reason: fmt.Sprintf("retention of %s", s.Cube.Retention), expired: true})
	}
	p.Notes = append(p.Notes, "retention: "+r.Why)
	return r.Retire
}

// held is what a cube has: its live segments, and where it begins.
type held struct {
	segments []segmenter.Segment
	front    segmenter.Vector
}

// without is what is left when segments have expired, as the catalog will see it.
func (s *state) without(expired []int64) held {
	if len(expired) == 0 {
		return held{s.live, s.Start}
	}
	var h held
	var gone []segmenter.Vector
	var live segmenter.Vector // the first place of each partition
	for _, x := range s.live {
		if slices.Contains(expired, x.Number) {
			gone = append(gone, x.Range)
			continue
		}
		h.segments = append(h.segments, x)
		for _, r := range x.Range {
			if !r.Empty() {
				live = segmenter.LowerFront(live, segmenter.Vector{r}, nil)
			}
		}
	}
	h.front = segmenter.PassFront(s.Start, gone, live)
	return h
}

// holesOf lists the holes of a cube. Of the ledger it reads the rows over them.
func (b *Builder) holesOf(ctx context.Context, s *state, h held) ([]plan.Hole, error) {
	c := plan.Holder{Front: h.front, Segments: h.segments, Generations: s.g}
	gaps := c.Gaps()
	if len(gaps) == 0 {
		return nil, nil
	}
	var rows []segmenter.LedgerRow
	for _, gap := range gaps {
		for e, err := range b.o.Catalog.Inputs(ctx, s.TableID, segmenter.Vector{gap}) {
			if err != nil {
				return nil, err
			}
			rows = append(rows, e.LedgerRow)
		}
	}
	return c.Holes(rows), nil
}

// fill adds builds of what staged files hold of the holes.
func (s *state) fill(p *Plan, holes []plan.Hole, room int) {
	for _, h := range holes {
		if !h.Fillable() {
			p.Notes = append(p.Notes, h.String()+": ask for it with segment holes --fill, or declare it lost")
			continue
		}
		pieces := plan.Split(h.Range, s.Cube.Cut.RowsPerBuild, room)
		for _, v := range pieces {
			p.Actions = append(p.Actions, Action{Kind: KindFill, Range: v, Version: s.Cube.Version, Reason: "hole " + h.Place()})
			room--
		}
		if len(pieces) == 0 {
			p.Notes = append(p.Notes, h.String()+": later, as many segments wait to be built as may")
		}
	}
}

// refreshing and merging are what is planned over: the segments that stay, and how many more may be reserved.
type (
	refreshing struct {
		segments []segmenter.Segment
		room     int
		now      time.Time
	}
	merging refreshing
)

// refreshes adds segments whose inputs have changed or whose definition is old. What cannot be rebuilt is reported once.
func (b *Builder) refreshes(ctx context.Context, s *state, p *Plan, r refreshing) error {
	in := plan.RefreshInput{Segments: r.segments, Changed: map[int64]string{}, Gone: map[int64]string{}, Reported: map[int64]bool{}, Room: max(r.room, 0)}
	if s.Cube.RefreshOldVersions.On() {
		in.Version, in.Same = s.Cube.Version, s.versions.same
	}
	for number, stale := range s.stale {
		if stale {
			in.Changed[number] = "inputs have changed"
		} else if s.bare[number] {
			in.Changed[number] = "build its cuboids"
		}
	}
	for { // until what is planned can be done
		refresh := plan.Refreshes(in)
		again := false
		for _, x := range refresh.Refresh {
			why, err := b.unbuildable(ctx, s, x, r.now)
			if err != nil {
				return err
			}
			if why != "" {
				in.Gone[x.Segment], again = why, true
			}
		}
		if again {
			continue
		}
		for _, x := range refresh.Refresh {
			p.Actions = append(p.Actions, Action{Kind: KindRefresh, Range: x.Range, Replaces: []int64{x.Segment}, Version: s.Cube.Version, Reason: x.Reason})
		}
		for _, l := range append(refresh.Left, refresh.Report...) {
			p.Notes = append(p.Notes, fmt.Sprintf("segment %d is not refreshed: %s", l.Segment, l.Why))
		}
		for _, l := range refresh.Report {
			if !s.look {
				b.report(ctx, s, l)
			}
		}
		return nil
	}
}

// unbuildable says why a segment cannot be built again. It looks its files up, and remembers an answer for a while.
func (b *Builder) unbuildable(ctx context.Context, s *state, x plan.Refresh, now time.Time) (string, error) {
	key := goneKey{s.Cube.ID, x.Segment}
	b.upkeep.mu.Lock()
	g, ok := b.upkeep.gone[key]
	b.upkeep.mu.Unlock()
	if ok && now.Sub(g.at) < recheck && !now.Before(g.at) {
		return g.why, nil
	}
	_, err := b.readRows(ctx, s.TableID, x.Range, func(int64, int64) {})
	var final *FinalError
	b.upkeep.mu.Lock()
	defer b.upkeep.mu.Unlock()
	switch {
	case errors.As(err, &final):
		g.why, g.at = final.Error(), now
		b.upkeep.gone[key] = g
		return g.why, nil
	case err == nil:
		delete(b.upkeep.gone, key)
	}
	return "", err
}

// report tells once of a segment that cannot be rebuilt.
func (b *Builder) report(ctx context.Context, s *state, l plan.Left) {
	key := goneKey{s.Cube.ID, l.Segment}
	b.upkeep.mu.Lock()
	g := b.upkeep.gone[key]
	told := g.reported
	g.reported = true
	b.upkeep.gone[key] = g
	b.upkeep.mu.Unlock()
	if told {
		return
	}
	b.o.Logger.LogAttrs(ctx, slog.LevelError, "segment cannot be rebuilt", slog.String("cube", s.Cube.Name), slog.Int64("segment", l.Segment), slog.String("err", l.Why))
	b.notify(ctx, failure{def: s.Cube, Kind: KindRefresh, Segment: l.Segment, Problem: l.Why}.forGood())
}
