package builder

import (
	"context"
	"fmt"

	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

// BuildRequest asks for the offsets from Start to End. Zero positions: from where the last segment ends to where the log
// ends.
type BuildRequest struct {
	Request
	Start Position
	End   Position
}

// Build reserves segments over a range and queues the jobs that build them. A range larger than the cube's rows_per_build
// becomes several. What is taken already is a *plan.OverlapError, a range without offsets plan.ErrNothingNew.
func (b *Builder) Build(ctx context.Context, req BuildRequest) (Submitted, error) {
	body := map[string]Position{"start": req.Start, "end": req.End}
	return b.submit(ctx, req.Request, KindBuild, body, func(ctx context.Context) (Plan, error) { return b.planBuild(ctx, req) })
}

func (b *Builder) planBuild(ctx context.Context, req BuildRequest) (Plan, error) {
	s, err := b.snapshot(ctx, req.Project, req.Cube)
	if err != nil {
		return Plan{}, err
	}
	s.look = req.DryRun
	p := s.plan()
	if !s.Enabled {
		return p, wrong("cube %s is disabled (%s): enable it first", s.Cube.Name, s.Reason)
	}
	if err := s.begun(); err != nil {
		return p, err
	}
	b.logs.forget(s.topic)
	if err := b.reachLog(ctx, s, allPartitions); err != nil {
		p.Notes = append(p.Notes, fmt.Sprintf("the brokers do not say where topic %s ends (%v): only what is committed is built", s.topic, err))
	}
	w := where{topic: s.topic, g: s.log}
	for _, x := range s.live {
		w.known = append(w.known, x.Range.Starts(), x.Range.Ends())
	}
	r := plan.Request{By: req.By}
	if r.Start, err = b.place(ctx, req.Start, w); err != nil {
		return p, fmt.Errorf("start: %w", err)
	}
	if r.End, err = b.place(ctx, req.End, w); err != nil {
		return p, fmt.Errorf("end: %w", err)
	}
	rules, err := cutRules(s.Cube)
	if err != nil {
		return p, err
	}
	in := plan.CutInput{Rules: rules, Generations: s.log, Room: b.room(s)}
	if in.From, err = b.next(ctx, s); err != nil {
		return p, err
	}
	p.Revision = s.Revision // a start that was fixed just now is a change
	cuts, err := plan.Requested(in, r, s.live)
	if err != nil {
		return p, wrong("cube %s: %w", s.Cube.Name, err)
	}
	if len(cuts.Cuts) == 0 {
		return p, wrong("cube %s has %d segments that wait to be built, which is the limit: wait for them, or cancel some", s.Cube.Name, s.news)
	}
	p.addCuts(KindBuild, cuts, s.Cube.Version)
	return p, p.finish()
}

// begun refuses requests about offsets while none is known, as for some seconds after the first start. It is a conflict with
// how things stand: the same request is right a little later.
func (s *state) begun() error {
	if len(s.g) > 0 {
		return nil
	}
	return wrong("%w", &catalog.ConflictError{
		What: fmt.Sprintf("table %s of cube %s", s.Cube.Table, s.Cube.Name),
		Reason: fmt.Sprintf("no partition of topic %s has begun to be read: ask again in some seconds; if that lasts, tidemark doctor says what is missing",
			s.topic),
	})
}

// room is how many more segments of a cube may be new.
func (b *Builder) room(s *state) int { return max(0, min(b.o.MaxNew-s.news, b.o.MaxPlan)) }

func (p *Plan) addCuts(kind string, cuts plan.CutPlan, version int) {
	for _, c := range cuts.Cuts {
		p.Actions = append(p.Actions, Action{Kind: kind, Range: c.Range, Version: version, Reason: c.Reason})
	}
	if cuts.Left > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("%d offsets are left: %s", cuts.Left, cuts.Why))
	} else if cuts.Why != "" {
		p.Notes = append(p.Notes, cuts.Why)
	}
}

// SetStart fixes where the first segment of a cube begins. It is refused while the cube has segments.
func (b *Builder) SetStart(ctx context.Context, project, name string, at Position) (segmenter.Vector, error) {
	s, err := b.snapshot(ctx, project, name)
	if err != nil {
		return nil, err
	}
	if err := s.begun(); err != nil {
		return nil, err
	}
	b.logs.forget(s.topic)
	if err := b.reachLog(ctx, s, allPartitions); err != nil {
		return nil, fmt.Errorf("end of topic %s: %w", s.topic, err)
	}
	v, err := b.place(ctx, at, where{topic: s.topic, g: s.log})
	if err != nil {
		return nil, err
	}
	return v, b.o.Catalog.SetCubeStart(ctx, s.Cube.ID, v)
}
