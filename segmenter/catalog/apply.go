package catalog

import (
	"context"
	"fmt"
)

// Step is one thing that a plan does to a cube. One of the three is set.
type Step struct {
	Reserve *Reservation // its cube, revision and idempotency are those of Changes
	Retire  *Retirement
	Reread  *Reread // of the cube's table, whichever it names
}

// Changes is a whole plan of a cube.
type Changes struct {
	CubeID string
	// Revision is the cube's when this was planned: a cube that has changed since is a *ConflictError. 0: whatever it is.
	Revision int64
	Steps    []Step // in this order

	// With a key, what Answer makes of what was done is stored as the answer, in the same transaction. Asked again nothing is
	// done: the answer is read into Into.
	Idempotency Idempotency
	Answer      func(Outcome) any
	Into        any
}

// Outcome is what became of Changes.
type Outcome struct {
	Found    bool // asked before: the answer is in Into, and nothing else is here
	Segments []SegmentEntry
	Jobs     []Job // of Segments, in their order
	Retired  []int64
	Rereads  []Reread // new, or pending already
}

// Apply does all that a plan says in one transaction, or nothing (B1, C2). What a step may meet is described at Reserve and
// Retire.
func (c *Catalog) Apply(ctx context.Context, ch Changes) (done Outcome, err error) {
	for _, s := range ch.Steps {
		if s.Reserve == nil {
			continue
		}
		if err := s.Reserve.check(); err != nil {
			return Outcome{}, fmt.Errorf("catalog: reserve %s of cube %s: %w", s.Reserve.Range, ch.CubeID, err)
		}
	}
	err = c.write(ctx, fmt.Sprintf("apply %d changes to cube %s", len(ch.Steps), ch.CubeID), func(t *tx) error {
		done = Outcome{}
		cube, err := t.lockCube(ch.CubeID)
		if err != nil {
			return err
		}
		if done.Found, err = t.answer(ch.Idempotency, ch.Into); err != nil || done.Found {
			return err
		}
		if err := cube.unchangedSince(ch.Revision); err != nil {
			return err
		}
		for _, s := range ch.Steps {
			if err := t.step(cube, s, &done); err != nil {
				return err
			}
		}
		if ch.Idempotency.Key == "" {
			return nil
		}
		return t.keepAnswer(ch.Idempotency, ch.Answer(done))
	})
	if err != nil {
		return Outcome{}, err
	}
	return done, nil
}

func (t *tx) step(cube *cubeRow, s Step, done *Outcome) error {
	if s.Retire != nil {
		if err := t.giveUp(cube, *s.Retire); err != nil {
			return err
		}
		done.Retired = append(done.Retired, s.Retire.Numbers...)
		return nil
	}
	if s.Reread != nil {
		want := *s.Reread
		want.TableID = cube.tableID
		r, err := t.requestReread(want)
		done.Rereads = append(done.Rereads, r)
		return err
	}
	r := *s.Reserve
	if err := t.mayReserve(cube, &r); err != nil {
		return err
	}
	got, err := t.reserve(cube, r)
	if err != nil {
		return err
	}
	done.Segments, done.Jobs = append(done.Segments, got.Segment), append(done.Jobs, got.Job)
	return nil
}
