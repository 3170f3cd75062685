package builder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// KindRetire is the kind of an action that takes segments out of force. The others are kinds of jobs.
const KindRetire = "retire"

// Action is one thing that a plan does.
type Action struct {
	Kind     string           `json:"kind"`
	Range    segmenter.Vector `json:"range,omitempty"`    // of the segment to be built, or what is to be read again
	Replaces []int64          `json:"replaces,omitempty"` // ready segments that it takes the place of, or that are retired
	Version  int              `json:"version,omitempty"`  // of the cube's definition
	Reason   string           `json:"reason"`

	expired bool // of a retirement: by age, not by a person
}

// String says it in one line.
func (a Action) String() string {
	if a.Kind == KindRetire {
		return fmt.Sprintf("retire %v: %s", a.Replaces, a.Reason)
	}
	if len(a.Replaces) > 0 {
		return fmt.Sprintf("%s %v as %s: %s", a.Kind, a.Replaces, a.Range, a.Reason)
	}
	return fmt.Sprintf("%s %s: %s", a.Kind, a.Range, a.Reason)
}

// Plan is what would be done to a cube, and what would not and why.
type Plan struct {
	Project  string   `json:"project"`
	Cube     string   `json:"cube"`
	CubeID   string   `json:"cube_id"`
	Revision int64    `json:"revision"` // of the cube when it was planned
	Actions  []Action `json:"actions"`
	Notes    []string `json:"notes"` // what is left, and why
	Hash     string   `json:"hash"`  // of the actions (B6)

	maxJobs int
}

// finish fills in the hash. Reasons may hold times that pass, so that they are no part of it.
func (p *Plan) finish() error {
	if p.Actions == nil {
		p.Actions = []Action{}
	}
	if p.Notes == nil {
		p.Notes = []string{}
	}
	bare := append([]Action{p.head()}, p.Actions...)
	for i := range bare {
		bare[i].Reason = ""
	}
	text, err := json.Marshal(bare)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	p.Hash = hex.EncodeToString(sum[:8])
	return nil
}

func (p *Plan) head() Action { return Action{Kind: p.CubeID} }

// HashError refuses to run another plan than the one that was shown (B6).
type HashError struct {
	Want string
	Plan Plan // as it would be now
}

func (e *HashError) Error() string {
	return fmt.Sprintf("the plan has changed: its hash is %s, not %s: look at it again", e.Plan.Hash, e.Want)
}

// Submitted is what became of a request.
type Submitted struct {
	Plan     Plan                   `json:"plan"`
	Jobs     []catalog.Job          `json:"jobs"`
	Segments []catalog.SegmentEntry `json:"segments"` // reserved, one for each job
	Retired  []int64                `json:"retired,omitempty"`
	Rereads  []catalog.Reread       `json:"rereads,omitempty"` // requests to read offsets again, new or pending
	Existing bool                   `json:"existing"`          // the request was made before, and this was its answer
}

// Request is what all requests by hand have in common.
type Request struct {
	Project string `json:"project"`
	Cube    string `json:"cube"`
	By      string `json:"by"` // who asks
	Key     string `json:"-"`  // idempotency key, made unique by whoever takes it; empty: none
	DryRun  bool   `json:"-"`  // only the plan
	Hash    string `json:"-"`  // of the plan that was shown; empty: whichever it is now
}

// maxReplan bounds how often a request, or a task of a timer, is planned because the cube has changed meanwhile (B1).
const maxReplan = 5

// submit plans, and applies the plan unless it is a dry run.
func (b *Builder) submit(ctx context.Context, req Request, kind string, body any, decide func(ctx context.Context) (Plan, error)) (Submitted, error) {
	text, err := json.Marshal(map[string]any{"kind": kind, "request": req, "body": body})
	if err != nil {
		return Submitted{}, err
	}
	idem := catalog.Idempotency{Key: req.Key, Request: string(text)}
	if req.DryRun {
		p, err := decide(ctx)
		return Submitted{Plan: p}, err
	}
	var done Submitted
	if found, err := b.o.Catalog.Answer(ctx, idem, &done); err != nil || found {
		done.Existing = found
		return done, err
	}
	for i := 1; ; i++ {
		done, err := b.attempt(ctx, req, idem, decide)
		var conflict *catalog.ConflictError
		switch {
		case err == nil && !done.Existing:
			b.start(ctx, done)
			return done, nil
		case err == nil:
			return done, nil
		}
		// The same request may have been made at the same time: then its plan is in force, and ours makes no sense any more.
		if found, again := b.o.Catalog.Answer(ctx, idem, &done); again == nil && found {
			done.Existing = true
			return done, nil
		}
		if !errors.As(err, &conflict) || i == maxReplan {
			return Submitted{}, err
		}
	}
}

func (b *Builder) attempt(ctx context.Context, req Request, idem catalog.Idempotency, decide func(ctx context.Context) (Plan, error)) (Submitted, error) {
	p, err := decide(ctx)
	if err != nil {
		return Submitted{}, err
	}
	if req.Hash != "" && req.Hash != p.Hash {
		return Submitted{}, &HashError{Want: req.Hash, Plan: p}
	}
	return b.apply(ctx, p, idem, req.By)
}

// apply does all that a plan says, or nothing if the cube is not what it was made from (B1). The answer to the request is
// kept in the same transaction.
func (b *Builder) apply(ctx context.Context, p Plan, idem catalog.Idempotency, by string) (done Submitted, err error) {
	ch := catalog.Changes{CubeID: p.CubeID, Revision: p.Revision, Idempotency: idem, Into: &done}
	answer := func(o catalog.Outcome) Submitted {
		return Submitted{Plan: p, Jobs: o.Jobs, Segments: o.Segments, Retired: o.Retired, Rereads: o.Rereads}
	}
	ch.Answer = func(o catalog.Outcome) any { return answer(o) }
	for _, a := range p.Actions {
		ch.Steps = append(ch.Steps, a.step(by))
	}
	if len(ch.Steps) == 0 && idem.Key == "" {
		return answer(catalog.Outcome{}), nil
	}
	stop := b.m.timed("reserve")
	o, err := b.o.Catalog.Apply(ctx, ch)
	stop()
	if err != nil {
		return Submitted{}, err
	}
	if o.Found {
		done.Existing = true
		return done, nil
	}
	for i, s := range o.Segments {
		b.o.Logger.LogAttrs(ctx, slog.LevelInfo, "segment cut", slog.String("cube", p.Cube), slog.Int64("segment", s.Number),
			slog.Int64("job", o.Jobs[i].ID), slog.String("kind", o.Jobs[i].Kind))
	}
	return answer(o), nil
}

// step is the action as the catalog takes it.
func (a Action) step(by string) catalog.Step {
	if a.Kind == KindRetire {
		return catalog.Step{Retire: &catalog.Retirement{Numbers: a.Replaces, Reason: a.Reason, Expired: a.expired}}
	}
	if a.Kind == KindReread {
		return catalog.Step{Reread: &catalog.Reread{Range: a.Range[0], RequestedBy: by}}
	}
	priority := 0
	if a.Kind != KindBuild {
		priority = 10
	}
	return catalog.Step{Reserve: &catalog.Reservation{
		Version: a.Version, Range: a.Range, Reason: a.Reason, Replaces: a.Replaces, JobKind: a.Kind, Priority: priority, SubmittedBy: by,
	}}
}

// start queues the bodies of jobs. If that fails Recover does it: the jobs are in the catalog.
func (b *Builder) start(ctx context.Context, done Submitted) {
	if len(done.Jobs) == 0 {
		return
	}
	if _, err := b.sched.Submit(ctx, bodyTasks(done.Jobs, done.Plan.maxJobs)...); err != nil {
		b.o.Logger.LogAttrs(ctx, slog.LevelWarn, "jobs wait to be queued", slog.String("cube", done.Plan.Cube), slog.Any("err", err))
	}
}

func bodyTasks(jobs []catalog.Job, maxJobs int) (list []scheduler.Submission) {
	for _, j := range jobs {
		list = append(list, bodyTask(j, maxJobs))
	}
	return list
}

// applyTask plans and applies as a task: what was reserved is spawned by its end. A plan whose cube has changed meanwhile is
// made again at once, since a busy cube has changed at the next round too; decide returns none where there is nothing to do.
// After maxReplan of them the next round goes on.
func (b *Builder) applyTask(ctx context.Context, decide func(context.Context) (*Plan, error)) ([]scheduler.Submission, error) {
	for range maxReplan {
		p, err := decide(ctx)
		if err != nil || p == nil {
			return nil, ignoreGone(err)
		}
		done, err := b.apply(ctx, *p, catalog.Idempotency{}, "timer")
		var conflict *catalog.ConflictError
		var overlap *catalog.OverlapError
		switch {
		case errors.Is(err, catalog.ErrNotFound): // the cube was dropped
			return nil, nil
		case errors.As(err, &conflict) || errors.As(err, &overlap):
			b.m.planned(p, b.m.plansDiscarded)
			b.o.Logger.LogAttrs(ctx, slog.LevelDebug, "cube changed while it was planned", slog.String("cube", p.Cube), slog.Any("err", err))
			continue
		case err != nil:
			return nil, err
		}
		b.m.planned(p, b.m.plansApplied)
		return bodyTasks(done.Jobs, p.maxJobs), nil
	}
	return nil, nil
}
