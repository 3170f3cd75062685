package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// Publication is what a job has measured and written.
type Publication struct {
	CubeID   string
	Number   int64
	JobEpoch int64
	ID       string                  // hex; the segment's folder is <ID>.<Attempt>
	Attempt  int64                   // epoch of the job that wrote the folder: its present one, or an earlier one whose manifest was complete
	Parts    []segmenter.PartMeasure // one a line of the range; its events and times are their sum
	Bytes    int64                   // of its files
	Bare     bool                    // no engine has made cuboids

	ManifestSHA string // hex SHA-256 of its manifest

	InputsChange int64 // TableChange, read before the inputs were
	Inherit      bool  // made of the segments that it replaces, not of their inputs: it is as stale as they are
}

// Publish makes a new segment ready, retires those that it replaces and finishes its job, in one transaction (I5). It is
// refused with a *StaleJobError unless the job runs under this epoch. The same publication again is a success (C3). Its cost
// does not depend on other segments.
func (c *Catalog) Publish(ctx context.Context, p Publication) error {
	if err := p.check(); err != nil {
		return fmt.Errorf("catalog: publish segment %d of cube %s: %w", p.Number, p.CubeID, err)
	}
	return c.write(ctx, fmt.Sprintf("publish segment %d of cube %s", p.Number, p.CubeID), func(t *tx) error {
		cube, err := t.lockCube(p.CubeID)
		if err != nil {
			return err
		}
		s, err := t.segment(p.CubeID, p.Number)
		if err != nil {
			return t.lateOr(p, err)
		}
		j, err := t.lockJob(s.JobID)
		if err != nil {
			return err
		}
		if s.State != segmenter.SegmentNew && s.ID == p.ID && s.Attempt == p.Attempt && j.Epoch == p.JobEpoch {
			return nil // C3
		}
		if err := j.fence(p.JobEpoch); err != nil {
			return err
		}
		if s.State != segmenter.SegmentNew {
			return fmt.Errorf("C10: segment %d is %s and its job %d runs", s.Number, s.State, j.ID)
		}
		p.fill(&s.Segment)
		if err := s.Validate(); err != nil {
			return err
		}
		if err := t.retire(cube, s.Replaces, retiring{reason: fmt.Sprintf("replaced by segment %d", s.Number)}); err != nil {
			return err
		}
		if err := t.makeReady(cube, s, p); err != nil {
			return err
		}
		if err := t.settle(cube, s.Range); err != nil {
			return err
		}
		if err := t.endJob(j.ID, JobFinished, ""); err != nil {
			return err
		}
		return t.touch(cube.id)
	})
}

// lateOr tells a job that was ended, and whose reservation is gone, why.
func (t *tx) lateOr(p Publication, err error) error {
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	j, jobErr := t.jobOfSegment(p.CubeID, p.Number)
	if jobErr != nil {
		return errors.Join(err, jobErr)
	}
	return j.fence(p.JobEpoch)
}

func (p *Publication) check() error {
	switch {
	case p.ID == "":
		return errors.New("its id is missing")
	case p.Attempt < 1 || p.Attempt > p.JobEpoch:
		return fmt.Errorf("attempt %d: want one from 1 to the job's epoch %d", p.Attempt, p.JobEpoch)
	case p.Bytes < 0:
		return fmt.Errorf("%d bytes: want no negative number", p.Bytes)
	}
	return nil
}

// fill makes s what it is once it is published.
func (p *Publication) fill(s *segmenter.Segment) {
	sum := segmenter.SumParts(p.Parts)
	s.State, s.ID, s.Attempt, s.Parts, s.Bytes = segmenter.SegmentReady, p.ID, p.Attempt, p.Parts, p.Bytes
	s.Events, s.MinTimeUs, s.MaxTimeUs = sum.Events, sum.MinTimeUs, sum.MaxTimeUs
}

// retiring says why segments are retired, and whether nothing takes their place.
type retiring struct {
	reason  string
	givenUp bool
}

// retire takes ready segments of a locked cube out of force.
func (t *tx) retire(cube *cubeRow, numbers []int64, r retiring) error {
	for _, number := range numbers {
		n, err := t.exec(`UPDATE segments SET state = 'retired', retired_us = $3, retire_reason = $4, given_up = $5, revision = 0
			WHERE cube_id = $1 AND number = $2 AND state = 'ready'`, cube.id, number, now(), r.reason, flag(r.givenUp))
		if err != nil {
			return err
		}
		if n == 0 {
			return &ConflictError{What: fmt.Sprintf("%s, segment %d", cube, number), Reason: "it is not ready"}
		}
		if _, err := t.exec(`DELETE FROM segment_ranges WHERE cube_id = $1 AND number = $2`, cube.id, number); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) makeReady(cube *cubeRow, s SegmentEntry, p Publication) error {
	parts, err := json.Marshal(s.Parts)
	if err != nil {
		return err
	}
	stale, latest, err := t.staleAtBirth(cube, s, &p)
	if err != nil {
		return err
	}
	if _, err := t.exec(`UPDATE segment_ranges SET kind = 'ready' WHERE cube_id = $1 AND number = $2 AND kind = 'new'`,
		cube.id, s.Number); err != nil {
		return err
	}
	_, err = t.exec(`UPDATE segments SET state = 'ready', id = $3, attempt = $4, parts = $5, min_time_us = $6, max_time_us = $7,
		events = $8, bytes = $9, inputs_change = $10, stale = $11, published_us = $12, bare = $13,
		manifest_sha256 = $14, latest_change = $15, revision = 0 WHERE cube_id = $1 AND number = $2`,
		cube.id, s.Number, s.ID, s.Attempt, string(parts), s.MinTimeUs, s.MaxTimeUs,
		s.Events, s.Bytes, p.InputsChange, flag(stale), now(), flag(p.Bare), p.ManifestSHA, latest)
	return err
}

// staleAtBirth reports whether inputs have changed since they were read, and the last change that they may hold. Changes that StaleSegments has yet to look at it will
// find itself, so that of a merge nothing is read but what it replaces.
func (t *tx) staleAtBirth(cube *cubeRow, s SegmentEntry, p *Publication) (stale bool, latest int64, err error) {
	if !p.Inherit || len(s.Replaces) == 0 {
		if latest, err = t.tableChange(cube.tableID); err != nil {
			return false, 0, err
		}
		stale, err = t.changedSince(cube.tableID, p.InputsChange, s.Range)
		return stale, latest, err
	}
	for i, number := range s.Replaces {
		old, err := t.segment(cube.id, number)
		if err != nil {
			return false, 0, err
		}
		if i == 0 || old.InputsChange < p.InputsChange {
			p.InputsChange = old.InputsChange
		}
		stale, latest = stale || old.Stale, max(latest, old.LatestChange)
	}
	return stale, latest, nil
}

// Retirement gives up ready segments; nothing takes their place.
type Retirement struct {
	Numbers []int64
	Reason  string
	Expired bool // by age: the front passes over holes before them too
}

// Retire takes ready segments out of force, by hand; those that are retired already stay as they are. A segment that a new
// one is to replace is a *ConflictError that names the job to cancel first (I7). Those at the front move it (S17).
func (c *Catalog) Retire(ctx context.Context, cubeID string, numbers []int64, reason string) error {
	_, err := c.Apply(ctx, Changes{CubeID: cubeID, Steps: []Step{{Retire: &Retirement{Numbers: numbers, Reason: reason}}}})
	return err
}

// giveUp retires segments of a locked cube for good.
func (t *tx) giveUp(cube *cubeRow, r Retirement) error {
	pending, err := t.liveSegments(SegmentQuery{CubeID: cube.id, States: []segmenter.SegmentState{segmenter.SegmentNew}})
	if err != nil {
		return err
	}
	var ready []int64
	var held []segmenter.Vector
	for _, number := range r.Numbers {
		s, err := t.segment(cube.id, number)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("%s, segment %d", cube, number)
		switch s.State {
		case segmenter.SegmentRetired:
			continue
		case segmenter.SegmentNew:
			return &ConflictError{What: what, Reason: fmt.Sprintf("it is being built: cancel job %d instead", s.JobID)}
		}
		for _, n := range pending {
			if slices.Contains(n.Replaces, number) {
				return &ConflictError{What: what, Reason: fmt.Sprintf("job %d is about to replace it: cancel that job first, or wait for it", n.JobID)}
			}
		}
		ready, held = append(ready, number), append(held, s.Range)
	}
	if len(ready) == 0 {
		return nil
	}
	if err := t.retire(cube, ready, retiring{r.Reason, true}); err != nil {
		return err
	}
	if err := t.raiseFront(cube, held, r.Expired); err != nil {
		return err
	}
	return t.touch(cube.id)
}

// withdraw removes the new segment of a job that ends without it. The cube is locked.
func (t *tx) withdraw(cubeID string, number int64) error {
	if _, err := t.exec(`DELETE FROM segment_ranges WHERE cube_id = $1 AND number = $2
		AND EXISTS (SELECT 1 FROM segments s WHERE s.cube_id = $1 AND s.number = $2 AND s.state = 'new')`, cubeID, number); err != nil {
		return err
	}
	_, err := t.exec(`DELETE FROM segments WHERE cube_id = $1 AND number = $2 AND state = 'new'`, cubeID, number)
	return err
}

// free withdraws the new segment of a job that ends without it, and does to the front what follows from it (S17).
func (t *tx) free(cube *cubeRow, number int64, byHand bool) error {
	s, err := t.segment(cube.id, number)
	if errors.Is(err, ErrNotFound) || (err == nil && s.State != segmenter.SegmentNew) {
		return nil // of a damaged catalog
	}
	if err != nil {
		return err
	}
	if err := t.withdraw(cube.id, number); err != nil {
		return err
	}
	if byHand {
		return t.takeBack(cube)
	}
	return t.settle(cube, s.Range)
}
