package builder

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// begun is what an earlier attempt at the same request has left: its process died, or its answer got lost.
type begun struct {
	plans int   // how many were made, all but the last of them in vain
	plan  *Plan // the last of them; nil: make one
	done  Submitted
}

// reservation is the answer that the catalog keeps of one.
type reservation struct {
	Segment catalog.SegmentEntry
	Job     catalog.Job
}

func numbered(idem catalog.Idempotency, i int) catalog.Idempotency {
	if idem.Key != "" {
		idem.Key = fmt.Sprintf("%s/%d", idem.Key, i)
	}
	return idem
}

// planned is under which a plan is kept before it is applied: what a request asks for twice is decided once, since a part of
// the first decision may be in force by then.
func planned(idem catalog.Idempotency, i int) catalog.Idempotency {
	if idem.Key != "" {
		idem.Key = fmt.Sprintf("%s/plan/%d", idem.Key, i)
	}
	return idem
}

// begunBefore finds what the same request had planned and reserved before.
func (b *Builder) begunBefore(ctx context.Context, idem catalog.Idempotency) (was begun, err error) {
	for idem.Key != "" {
		var p Plan
		found, err := b.o.Catalog.Answer(ctx, planned(idem, was.plans), &p)
		if err != nil {
			return was, err
		}
		if !found {
			break
		}
		was.plan = &p
		was.plans++
	}
	for was.plan != nil {
		var r reservation
		found, err := b.o.Catalog.Answer(ctx, numbered(idem, len(was.done.Jobs)), &r)
		if err != nil || !found {
			return was, err
		}
		was.done.Segments, was.done.Jobs = append(was.done.Segments, r.Segment), append(was.done.Jobs, r.Job)
	}
	return was, nil
}

// attempt makes a plan, unless there is one, and applies it. What was done before an error is in done.
func (b *Builder) attempt(ctx context.Context, req Request, idem catalog.Idempotency, was begun, decide func(ctx context.Context) (Plan, error)) (done Submitted, err error) {
	done = was.done
	if was.plan != nil {
		done.Plan = *was.plan
	} else {
		if done.Plan, err = decide(ctx); err != nil {
			return done, err
		}
		if req.Hash != "" && req.Hash != done.Plan.Hash {
			return done, &HashError{Want: req.Hash, Plan: done.Plan}
		}
		if idem.Key != "" {
			if done.Plan, err = b.keepPlan(ctx, planned(idem, was.plans), done.Plan); err != nil {
				return done, err
			}
		}
	}
	err = b.apply(ctx, done.Plan, idem, &done, req.By)
	var overlap *catalog.OverlapError
	if was.plan != nil && len(done.Jobs) > 0 && errors.As(err, &overlap) {
		done.Plan.Notes = append(done.Plan.Notes, fmt.Sprintf("the request was begun before, and not all of it is left to do: %v", err))
		err = nil
	}
	return done, err
}

// keepPlan keeps a plan before it is applied. Of two that ask at once the second goes by the first one's.
func (b *Builder) keepPlan(ctx context.Context, idem catalog.Idempotency, p Plan) (Plan, error) {
	err := b.o.Catalog.KeepAnswer(ctx, idem, p)
	if !errors.Is(err, catalog.ErrUnavailable) {
		return p, err
	}
	var first Plan
	if found, again := b.o.Catalog.Answer(ctx, idem, &first); again == nil && found {
		return first, nil
	}
	return p, err
}

// keepAnswer keeps the answer for those who ask again. Of two that asked at once the second gets the first one's.
func (b *Builder) keepAnswer(ctx context.Context, idem catalog.Idempotency, done Submitted) (Submitted, error) {
	err := b.o.Catalog.KeepAnswer(ctx, idem, done)
	if !errors.Is(err, catalog.ErrUnavailable) {
		return done, err
	}
	var first Submitted
	if found, again := b.o.Catalog.Answer(ctx, idem, &first); again == nil && found {
		first.Existing = true
		return first, nil
	}
	return done, err
}
