package builder

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

// Choice names segments by number, or by a slice of event time [From, To). One of the two is given.
type Choice struct {
	Segments []int64
	From, To time.Time
}

func (c Choice) timed() bool { return !c.From.IsZero() || !c.To.IsZero() }

func (c Choice) window() plan.Window { return plan.HalfOpen(c.From.UnixMicro(), c.To.UnixMicro()) }

func (c Choice) validate() error {
	switch {
	case c.timed() && len(c.Segments) > 0:
		return wrong("both segments and a slice of time are given: give one of them")
	case !c.timed() && len(c.Segments) == 0:
		return wrong("no segment is named: give numbers, or a slice of time")
	case c.timed() && (c.From.IsZero() || c.To.IsZero() || !c.From.Before(c.To)):
		return wrong("the slice of time from %s to %s holds nothing: give a begin, and an end behind it", c.From.Format(time.RFC3339), c.To.Format(time.RFC3339))
	}
	return nil
}

// ready returns the chosen segments, which must be ready, in their order in the log.
func (c Choice) ready(s *state) (list []segmenter.Segment, err error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	for _, x := range s.live {
		held := segmenter.Measure{Events: x.Events, MinTimeUs: x.MinTimeUs, MaxTimeUs: x.MaxTimeUs}
		switch {
		case slices.Contains(c.Segments, x.Number) && x.State != segmenter.SegmentReady:
			return nil, wrong("segment %d is being built: wait for its job, or cancel it", x.Number)
		case slices.Contains(c.Segments, x.Number), c.timed() && x.State == segmenter.SegmentReady && c.window().Holds(held):
			list = append(list, x)
		}
	}
	for _, n := range c.Segments {
		if !slices.ContainsFunc(list, func(x segmenter.Segment) bool { return x.Number == n }) {
			return nil, fmt.Errorf("segment %d of cube %s is not ready: it was retired, or never was: %w", n, s.Cube.Name, catalog.ErrNotFound)
		}
	}
	if len(list) == 0 {
		return nil, wrong("no segment of cube %s has events of that time", s.Cube.Name)
	}
	slices.SortFunc(list, func(a, b segmenter.Segment) int { return a.Range.Compare(b.Range) })
	return list, nil
}

// RefreshRequest asks for segments to be built again, by numbers; or for a slice of time to be brought up to date: what no
// segment holds is built, what all is held is refreshed.
type RefreshRequest struct {
	Request
	Choice
	Span time.Duration // of event time of a segment that is built for a slice; 0: plan.DefaultSpan
}

// Refresh reserves segments over the same ranges, by the newest definition.
func (b *Builder) Refresh(ctx context.Context, req RefreshRequest) (Submitted, error) {
	return b.submit(ctx, req.Request, KindRefresh, []any{req.Choice, req.Span}, func(ctx context.Context) (Plan, error) {
		s, err := b.snapshot(ctx, req.Project, req.Cube)
		if err != nil {
			return Plan{}, err
		}
		p := s.plan()
		if req.timed() {
			err = b.slice(ctx, s, &p, req)
		} else {
			err = s.refreshThese(&p, req)
		}
		if err != nil {
			return p, err
		}
		return p, p.finish()
	})
}

func (s *state) refreshThese(p *Plan, req RefreshRequest) error {
	list, err := req.ready(s)
	for _, x := range list {
		p.Actions = append(p.Actions, Action{Kind: KindRefresh, Range: x.Range, Replaces: []int64{x.Number}, Version: s.Cube.Version, Reason: "refresh: request by " + req.By})
	}
	return err
}

// slice plans a slice of time: the ledger says which offsets may have events of it.
func (b *Builder) slice(ctx context.Context, s *state, p *Plan, req RefreshRequest) error {
	if err := req.validate(); err != nil {
		return err
	}
	in := plan.SliceInput{
		Window: req.window(), Span: req.Span, RowsPerBuild: s.Cube.Cut.RowsPerBuild, Room: b.room(s), Segments: s.live, By: req.By,
	}
	for e, err := range b.o.Catalog.Ledger(ctx, catalog.LedgerQuery{TableID: s.TableID, Partition: -1}) {
		if err != nil {
			return err
		}
		in.Rows = append(in.Rows, e.LedgerRow)
	}
	got := plan.Slice(in)
	p.Notes = append(p.Notes, got.Why)
	for _, c := range got.Build {
		p.Actions = append(p.Actions, Action{Kind: KindBuild, Range: c.Range, Version: s.Cube.Version, Reason: c.Reason})
	}
	for _, r := range got.Refresh {
		p.Actions = append(p.Actions, Action{Kind: KindRefresh, Range: r.Range, Replaces: []int64{r.Segment}, Version: s.Cube.Version, Reason: r.Reason})
	}
	for _, l := range got.Left {
		p.Notes = append(p.Notes, fmt.Sprintf("segment %d is left: %s", l.Segment, l.Why))
	}
	if len(p.Actions) == 0 {
		return wrong("cube %s: there is nothing to do: %s", s.Cube.Name, got.Why)
	}
	return nil
}

// MergeRequest asks for segments to become one.
type MergeRequest struct {
	Request
	Choice
}

// mixesPlain says which segments are to get cuboids before they can be merged with those that have them.
func (s *state) mixesPlain(list []segmenter.Segment) error {
	var plain []int64
	for _, x := range list {
		if s.plain[x.Number] {
			plain = append(plain, x.Number)
		}
	}
	return wrong("segments %v have no cuboids and cannot be merged with segments that have: refresh them first", plain)
}

// Merge reserves one segment over several neighbours. Segments that are not neighbours, of definition versions that hold different things, or
// with and without cuboids, are refused with what is between them.
func (b *Builder) Merge(ctx context.Context, req MergeRequest) (Submitted, error) {
	return b.submit(ctx, req.Request, KindMerge, req.Choice, func(ctx context.Context) (Plan, error) {
		s, err := b.snapshot(ctx, req.Project, req.Cube)
		if err != nil {
			return Plan{}, err
		}
		list, err := req.ready(s)
		if err != nil {
			return Plan{}, err
		}
		if len(list) < 2 {
			return Plan{}, wrong("segment %d alone is nothing to merge: give at least two neighbours", list[0].Number)
		}
		versions, err := b.versionsOf(ctx, s)
		if err != nil {
			return Plan{}, err
		}
		a := Action{Kind: KindMerge, Range: list[0].Range, Replaces: []int64{list[0].Number}, Version: list[0].Version, Reason: "merge: request by " + req.By}
		for i, x := range list[1:] {
			before := list[i]
			if !versions.together(before.Version, x.Version) {
				return Plan{}, wrong("segments %d and %d are of definition versions %d and %d, which do not hold the same: refresh the older one first", before.Number, x.Number, before.Version, x.Version)
			}
			if s.plain[x.Number] != s.plain[before.Number] {
				return Plan{}, s.mixesPlain(list)
			}
			if err := a.Range.Adjacent(x.Range, s.g); err != nil {
				return Plan{}, wrong("segments %d and %d are not neighbours: %w", before.Number, x.Number, err)
			}
			if a.Range, err = a.Range.Join(x.Range); err != nil {
				return Plan{}, wrong("segments %d and %d are not neighbours: %w", before.Number, x.Number, err)
			}
			a.Replaces, a.Version = append(a.Replaces, x.Number), max(a.Version, x.Version)
		}
		p := s.plan()
		p.Actions = []Action{a}
		return p, p.finish()
	})
}

// DropRequest asks for segments to be taken out of force.
type DropRequest struct {
	Request
	Choice
}

// Drop retires ready segments. What lies between others is a hole then, and is filled again where the cube's fill_holes is
// on. A segment that a job is about to replace is refused with the job's number.
func (b *Builder) Drop(ctx context.Context, req DropRequest) (Submitted, error) {
	return b.submit(ctx, req.Request, KindRetire, req.Choice, func(ctx context.Context) (Plan, error) {
		s, err := b.snapshot(ctx, req.Project, req.Cube)
		if err != nil {
			return Plan{}, err
		}
		list, err := req.ready(s)
		if err != nil {
			return Plan{}, err
		}
		p := s.plan()
		a := Action{Kind: KindRetire, Reason: "dropped by " + req.By}
		for _, x := range list {
			a.Replaces = append(a.Replaces, x.Number)
		}
		p.Actions = []Action{a}
		if s.Cube.FillHoles.On() {
			p.Notes = append(p.Notes, "fill_holes is on: what lies between other segments is built again")
		}
		return p, p.finish()
	})
}

// Holes lists the offsets between a cube's front and its last ready segment that nothing covers.
func (b *Builder) Holes(ctx context.Context, project, name string) ([]plan.Hole, error) {
	s, err := b.snapshot(ctx, project, name)
	if err != nil {
		return nil, err
	}
	return b.holesOf(ctx, s, held{s.live, s.Start})
}

// Plan returns what the planners would do to a cube now, each with its reason.
func (b *Builder) Plan(ctx context.Context, project, name string) (Plan, error) {
	s, err := b.snapshot(ctx, project, name)
	if err != nil {
		return Plan{}, err
	}
	s.look = true
	p := s.plan()
	if !s.Enabled {
		p.Notes = append(p.Notes, "the cube is disabled and not planned: "+s.Reason)
		return p, p.finish()
	}
	cuts, err := b.cutNow(ctx, s)
	if err != nil {
		return p, err
	}
	p.addCuts(KindBuild, cuts, s.Cube.Version)
	p.Revision = s.Revision
	if err := b.maintenance(ctx, s, &p, time.Now()); err != nil {
		return p, err
	}
	return p, p.finish()
}
