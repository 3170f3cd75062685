package catalog

import (
	"context"
	"fmt"
	"slices"
)

// WakeJob lets a job go on that waits for staging, or has failed only because it waited too long. Another one stays as it is.
func (c *Catalog) WakeJob(ctx context.Context, id int64) error {
	return c.write(ctx, fmt.Sprintf("wake job %d", id), func(t *tx) error {
		_, err := t.exec(`UPDATE jobs SET state = 'pending', until_us = 0, problem = '', owner = '', ended_us = 0, unstaged = 0 WHERE id = $1
			AND (state = 'waiting_for_staging' OR (state = 'failed' AND unstaged = 1 AND reserved = 1))`, id)
		return err
	})
}

// PauseJob keeps a job from running until ResumeJob; its reservation stays. A running one is taken from its owner.
func (c *Catalog) PauseJob(ctx context.Context, id int64, by string) error {
	return c.byHand(ctx, id, hand{
		verb: "paused by " + by, to: JobPaused, from: []JobState{JobPending, JobWaiting, JobRunning}, same: []JobState{JobPaused},
	})
}

// ResumeJob lets a paused job go on, one that has failed and still has its reservation, or one that waits between two
// attempts. Its attempts count from 0 again.
func (c *Catalog) ResumeJob(ctx context.Context, id int64, by string) error {
	return c.byHand(ctx, id, hand{
		verb: "resumed by " + by, to: JobPending, from: []JobState{JobPaused, JobFailed, JobPending, JobWaiting},
	})
}

// hand is a change of a job's state by a person.
type hand struct {
	verb string
	to   JobState
	from []JobState
	same []JobState // states in which there is nothing to do
}

func (c *Catalog) byHand(ctx context.Context, id int64, h hand) error {
	return c.write(ctx, fmt.Sprintf("change job %d", id), func(t *tx) error {
		j, err := t.lockJob(id)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("job %d", id)
		switch {
		case slices.Contains(h.same, j.State):
			return nil
		case !slices.Contains(h.from, j.State):
			return &ConflictError{What: what, Reason: fmt.Sprintf("it is %s and cannot be %s", j.State, h.verb)}
		case !j.Reserved:
			return &ConflictError{What: what, Reason: "its reservation is gone: submit it again"}
		}
		problem := ""
		if h.to == JobPaused {
			problem = validText(h.verb)
		}
		if _, err := t.exec(`UPDATE jobs SET state = $2, problem = $3, attempts = 0, stalls = 0, owner = '', until_us = 0, ended_us = 0, unstaged = 0 WHERE id = $1`,
			id, string(h.to), problem); err != nil {
			return err
		}
		return t.addLog(id, []string{h.verb})
	})
}

// CancelJob ends a job and withdraws its segment in one transaction. A running one is taken from its owner. One that was
// cancelled before stays so. What the reservation had moved of the cube's front is taken back (S17).
func (c *Catalog) CancelJob(ctx context.Context, id int64, by string) error {
	return c.endWithout(ctx, fmt.Sprintf("cancel job %d", id), id, func(j *Job) (JobState, string, error) {
		switch {
		case j.State == JobCancelled:
			return "", "", nil
		case !j.Reserved:
			return "", "", &ConflictError{What: fmt.Sprintf("job %d", id), Reason: "it has " + string(j.State) + " and cannot be cancelled"}
		}
		return JobCancelled, "cancelled by " + by, nil
	})
}

// DropJob cancels a job as CancelJob does, if it has not ended, and forgets it with its log.
func (c *Catalog) DropJob(ctx context.Context, id int64, by string) error {
	return c.write(ctx, fmt.Sprintf("drop job %d", id), func(t *tx) error {
		if _, err := t.endWithout(id, func(j *Job) (JobState, string, error) {
			if !j.Reserved {
				return "", "", nil
			}
			return JobCancelled, "dropped by " + by, nil
		}); err != nil {
			return err
		}
		return t.forgetJob(id)
	})
}

// cancelJobs ends all open jobs of a locked cube.
func (t *tx) cancelJobs(cubeID, why string) error {
	pending, err := t.jobs(`p.cube_id = $1 AND p.reserved = 1 ORDER BY p.id`+t.c.forUpdate, cubeID)
	if err != nil {
		return err
	}
	for _, j := range pending {
		if err := t.withdraw(cubeID, j.Segment); err != nil {
			return err
		}
		if err := t.endJob(j.ID, JobCancelled, validText(why)); err != nil {
			return err
		}
	}
	return nil
}

// WithdrawAbandoned removes new segments whose job does not hold them, as a damaged catalog may have. It returns how many,
// and costs what is reserved. Those of failed jobs are ended by FailJob when their time is over.
func (c *Catalog) WithdrawAbandoned(ctx context.Context) (n int, err error) {
	var orphans []SegmentEntry
	err = c.read(ctx, "list abandoned reservations", func(t *tx) error {
		orphans = nil
		return t.each(func(scan func(...any) error) error {
			s, err := scanSegment(scan)
			orphans = append(orphans, s)
			return err
		}, `SELECT `+segmentColumns+` FROM segments WHERE state = 'new'
			AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = segments.job_id AND j.reserved = 1)`)
	})
	if err != nil {
		return 0, err
	}
	for _, s := range orphans {
		if err := c.write(ctx, fmt.Sprintf("withdraw segment %d of cube %s", s.Number, s.CubeID), func(t *tx) error {
			cube, err := t.lockAnyCube(s.CubeID)
			if err != nil {
				return err
			}
			if err := t.free(cube, s.Number, false); err != nil {
				return err
			}
			return t.touch(s.CubeID)
		}); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
