package builder

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

// planCut asks for a cut of each cube that is due. It decides from what it remembers; the cut itself looks again.
func (b *Builder) planCut(ctx context.Context, _ scheduler.Task) ([]scheduler.Submission, error) {
	c := b.cuts
	topics, err := b.cutTopics(ctx, c)
	if err != nil {
		return nil, err
	}
	ends := b.logs.all(ctx, topics) // without the lock: brokers may hang
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := b.changedTables(ctx, c, ends); err != nil {
		return nil, err
	}
	now := time.Now()
	if c.due.setBack(now) {
		c.all()
	}
	for _, id := range c.due.take(now) {
		c.again[id] = true
	}
	var spawn []scheduler.Submission
	for _, id := range slices.Sorted(maps.Keys(c.again)) {
		s := c.cubes[id]
		t := c.tables[s.TableID]
		s.g = t.g
		p, err := b.cutPlan(ctx, s, t.parts, t.ends)
		switch {
		case ctx.Err() != nil && len(spawn) > 0:
			return spawn, nil // the others stay for the next pass
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, catalog.ErrNotFound): // dropped: the next pass is told
		case err != nil: // one cube's trouble must not stop the others
			b.o.Logger.LogAttrs(ctx, slog.LevelWarn, "cube could not be planned", slog.String("cube", s.Cube.Name), slog.Any("err", err))
		case len(p.Cuts) > 0:
			spawn = append(spawn, cubeTask(taskCut, id))
		default: // with a cut it stays: the task may fail
			delete(c.again, id)
			c.due.set(id, s.due)
		}
	}
	return spawn, nil
}

// cutPlan plans the cuts of a cube. Offsets that are not staged yet are taken along where an ingest process has the
// partition and is about to catch up; the job asks for them. While a segment waits for offsets of a partition no other one
// joins it there: what is not staged for the one is not for the other.
func (b *Builder) cutPlan(ctx context.Context, s *state, parts []catalog.PartitionInfo, ends map[int32]int64) (plan.CutPlan, error) {
	s.due = time.Time{}
	rules, err := cutRules(s.Cube)
	if err != nil {
		return plan.CutPlan{}, err
	}
	owned := map[int32]bool{}
	for _, p := range parts {
		owned[p.Partition] = p.Owner != ""
	}
	s.log = reach(s.g, ends, s.tops, func(r segmenter.PartitionRange) bool {
		return owned[r.Partition] && (rules.RowsPerBuild == 0 || r.Len() <= rules.RowsPerBuild) && !s.awaits(r)
	})
	in := plan.CutInput{Rules: rules, Now: time.Now(), Generations: s.log, Room: b.room(s)}
	if in.From, err = b.next(ctx, s); err != nil {
		return plan.CutPlan{}, err
	}
	pending, err := plan.Pending(in.From, s.log)
	if err != nil || pending.Empty() {
		delete(b.cuts.since, s.Cube.ID)
		return plan.CutPlan{Why: "nothing new was read"}, err
	}
	if in.Since, in.Bytes, err = b.pendingSince(ctx, s, pending, in); err != nil {
		return plan.CutPlan{}, err
	}
	s.due = in.NextDue()
	return plan.Cuts(in)
}

// pendingSince returns since when offsets wait: when the first of them was committed, else when this process first saw
// them in the log.
func (b *Builder) pendingSince(ctx context.Context, s *state, pending segmenter.Vector, in plan.CutInput) (time.Time, int64, error) {
	p, err := b.pending(ctx, s, pending, in.Rules.Bytes > 0)
	if err != nil {
		return time.Time{}, 0, err
	}
	at, ok := b.cuts.since[s.Cube.ID]
	if !ok {
		at = in.Now
		b.cuts.since[s.Cube.ID] = at
	}
	if p.SinceUs != 0 && time.UnixMicro(p.SinceUs).Before(at) {
		at = time.UnixMicro(p.SinceUs)
	}
	return at, p.Bytes, nil
}

// pending reads what is committed behind a cube's segments, unless what was read before still says all: the oldest row stays
// the oldest, and nothing changes while nothing is committed.
func (b *Builder) pending(ctx context.Context, s *state, v segmenter.Vector, bytes bool) (catalog.Pending, error) {
	var committed int64
	for _, g := range s.g {
		committed += g.End
	}
	if s.pending != nil && (s.committed == committed || (s.pending.SinceUs != 0 && !bytes)) {
		return *s.pending, nil
	}
	p, err := b.o.Catalog.Pending(ctx, s.TableID, v)
	if err == nil {
		s.pending, s.committed = &p, committed
	}
	return p, err
}

// cutNow plans the cuts of a cube as of this moment.
func (b *Builder) cutNow(ctx context.Context, s *state) (plan.CutPlan, error) {
	parts, err := b.o.Catalog.Partitions(ctx, s.TableID)
	if err != nil {
		return plan.CutPlan{}, err
	}
	ends, err := b.logs.of(ctx, s.topic)
	if err != nil {
		b.o.Logger.LogAttrs(ctx, slog.LevelDebug, "end of the log is not known", slog.String("topic", s.topic), slog.Any("err", err))
	}
	b.cuts.mu.Lock()
	defer b.cuts.mu.Unlock()
	return b.cutPlan(ctx, s, parts, ends)
}

// cut reserves the segments of one cube that are due.
func (b *Builder) cut(ctx context.Context, cubeID string) ([]scheduler.Submission, error) {
	var tried *state
	spawn, err := b.applyTask(ctx, func(ctx context.Context) (*Plan, error) {
		s, err := b.endsOf(ctx, cubeID)
		if err != nil || !s.Enabled {
			return nil, err
		}
		if tried != nil && !slices.Equal(tried.ends, s.ends) {
			b.cuts.fresh(cubeID) // another has cut what was waited for
		}
		tried = s
		cuts, err := b.cutNow(ctx, s)
		if err != nil || len(cuts.Cuts) == 0 {
			return nil, err
		}
		p := s.plan()
		p.addCuts(KindBuild, cuts, s.Cube.Version)
		return &p, nil
	})
	if len(spawn) > 0 {
		b.cuts.fresh(cubeID)
	}
	return spawn, err
}
