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
	Range    segmenter.Vector `json:"range,omitempty"`    // of the segment to be built
	Replaces []int64          `json:"replaces,omitempty"` // ready segments that it takes the place of, or that are retired
	Version  int              `json:"version,omitempty"`  // of the cube's definition
	Reason   string           `json:"reason"`
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
	Existing bool                   `json:"existing"` // the request was made before, and this was its answer
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

// maxReplan bounds how often a request is planned again because the cube has changed meanwhile (B1).
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
	was, err := b.begunBefore(ctx, idem)
	if err != nil {
		return Submitted{}, err
	}
	for i := was.plans; ; i++ {
		if done, err = b.attempt(ctx, req, idem, was, decide); err == nil {
			break
		}
		var conflict *catalog.ConflictError
		if !errors.As(err, &conflict) || len(done.Jobs) > 0 || i >= maxReplan {
			return Submitted{}, err
		}
		if was.plan == nil {
			was.plans++ // the one that was made just now
		}
		was = begun{plans: was.plans}
	}
	if done.Plan.maxJobs > 0 { // else Recover does it
		b.start(ctx, done)
	}
	return b.keepAnswer(ctx, idem, done)
}

// apply does what a plan says, in its order. The first action wants the cube unchanged (B1); those behind it are checked
// against overlap by the catalog. What was done before an error is in done.
func (b *Builder) apply(ctx context.Context, p Plan, idem catalog.Idempotency, done *Submitted, by string) error {
	revision := p.Revision
	if len(done.Jobs) > 0 {
		revision = 0
	}
	before := len(done.Jobs)
	for _, a := range p.Actions {
		if a.Kind != KindRetire && before > 0 {
			before-- // reserved by an earlier attempt at the same request
			continue
		}
		if a.Kind == KindRetire {
			stop := b.m.timed("retire")
			err := b.o.Catalog.Retire(ctx, p.CubeID, a.Replaces, a.Reason)
			stop()
			if err != nil {
				return err
			}
			done.Retired = append(done.Retired, a.Replaces...)
			revision = 0
			continue
		}
		priority := 0
		if a.Kind != KindBuild {
			priority = 10
		}
		stop := b.m.timed("reserve")
		s, j, err := b.o.Catalog.Reserve(ctx, catalog.Reservation{
			CubeID: p.CubeID, Version: a.Version, Range: a.Range, Reason: a.Reason, Replaces: a.Replaces, Revision: revision,
			JobKind: a.Kind, Priority: priority, SubmittedBy: by, Idempotency: numbered(idem, len(done.Jobs)),
		})
		stop()
		if err != nil {
			return err
		}
		done.Segments, done.Jobs = append(done.Segments, s), append(done.Jobs, j)
		revision = 0
		b.o.Logger.LogAttrs(ctx, slog.LevelInfo, "segment cut", slog.String("cube", p.Cube), slog.Int64("segment", s.Number),
			slog.Int64("job", j.ID), slog.String("kind", j.Kind))
	}
	return nil
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

// applyTask applies a plan as a task: what was reserved is spawned by its end.
func (b *Builder) applyTask(ctx context.Context, p Plan) ([]scheduler.Submission, error) {
	var done Submitted
	err := b.apply(ctx, p, catalog.Idempotency{}, &done, "timer")
	var conflict *catalog.ConflictError
	var overlap *catalog.OverlapError
	if errors.As(err, &conflict) || errors.As(err, &overlap) {
		b.o.Logger.LogAttrs(ctx, slog.LevelDebug, "cube changed while it was planned", slog.String("cube", p.Cube), slog.Any("err", err))
		err = nil // planned again at the next round
	}
	if err != nil && len(done.Jobs) > 0 {
		b.start(ctx, done)
		return nil, err
	}
	return bodyTasks(done.Jobs, p.maxJobs), err
}
