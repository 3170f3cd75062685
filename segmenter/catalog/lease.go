package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// JobClaim asks for a job to run.
type JobClaim struct {
	ID    int64 // 0: whichever is next by priority and age, one whose lease is over first
	Owner string
	Now   time.Time
	Lease time.Duration // RenewJob must come before it is over
	// Until is the Job.UntilUs that the caller has found to be over, whatever Now shows: clocks jump and differ, and only who
	// has watched a job for a while knows. A job with another one is judged by Now alone. 0: all are.
	Until int64
}

// claimAttempts bounds how often a claim meets others that took what it had chosen.
const claimAttempts = 10

// ClaimJob takes a job that may run: a pending one, or one whose owner let its lease go by. The job is given a new epoch, and
// its old one is refused everywhere from then on. ok is false when there is none, or, of a job that was named, when it may
// not run: it is paused, has ended, waits, or another owner has it.
func (c *Catalog) ClaimJob(ctx context.Context, m JobClaim) (j Job, ok bool, err error) {
	if m.Owner == "" || m.Lease <= 0 || m.Now.IsZero() {
		return Job{}, false, fmt.Errorf("catalog: claim job: owner %q, lease %v at %v: want all three", m.Owner, m.Lease, m.Now)
	}
	err = c.write(ctx, "claim job", func(t *tx) error {
		for range claimAttempts {
			id, err := t.nextJob(m)
			if errors.Is(err, sql.ErrNoRows) {
				ok = false
				return nil
			}
			if err != nil {
				return err
			}
			if j, ok, err = t.claim(id, m); err != nil || ok || m.ID != 0 {
				return err
			}
		}
		return fmt.Errorf("%w: others took %d jobs in the meantime", ErrUnavailable, claimAttempts)
	})
	if err != nil || !ok {
		return Job{}, false, err
	}
	return j, true, nil
}

func (t *tx) nextJob(m JobClaim) (id int64, err error) {
	if m.ID != 0 {
		return m.ID, nil
	}
	at := m.Now.UnixMicro()
	err = t.row(`SELECT id FROM jobs WHERE state = 'running' AND until_us <= $1 ORDER BY priority, id LIMIT 1`, at).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = t.row(`SELECT id FROM jobs WHERE state = 'pending' AND until_us <= $1 ORDER BY priority, id LIMIT 1`, at).Scan(&id)
	}
	return id, err
}

func (t *tx) claim(id int64, m JobClaim) (Job, bool, error) {
	seen, err := t.job(id, "")
	if err != nil {
		return Job{}, false, err
	}
	if _, err := t.lockCube(seen.CubeID); err != nil {
		if errors.Is(err, ErrNotFound) {
			return Job{}, false, nil // dropped just now, and its jobs with it
		}
		return Job{}, false, err
	}
	j, err := t.lockJob(id)
	if err != nil {
		return Job{}, false, err
	}
	at := m.Now.UnixMicro()
	if over := j.UntilUs <= at || j.UntilUs == m.Until; !over || (j.State != JobRunning && j.State != JobPending) {
		return Job{}, false, nil
	}
	if err := t.row(`UPDATE cubes SET next_epoch = next_epoch + 1 WHERE id = $1 RETURNING next_epoch - 1`, j.CubeID).Scan(&j.Epoch); err != nil {
		return Job{}, false, err
	}
	j.State, j.Owner, j.UntilUs, j.LeaseUs = JobRunning, m.Owner, m.Now.Add(m.Lease).UnixMicro(), m.Lease.Microseconds()
	j.StartedUs, j.Attempts, j.Unstaged = at, j.Attempts+1, false
	_, err = t.exec(`UPDATE jobs SET state = 'running', owner = $2, until_us = $3, lease_us = $4, started_us = $5, attempts = $6, epoch = $7, unstaged = 0
		WHERE id = $1`, id, j.Owner, j.UntilUs, j.LeaseUs, j.StartedUs, j.Attempts, j.Epoch)
	return j, true, err
}

// fence refuses a caller whose epoch is not that of the run under way.
func (j *Job) fence(epoch int64) error {
	if epoch == j.Epoch && j.State == JobRunning {
		return nil
	}
	return &StaleJobError{JobID: j.ID, Epoch: epoch, Current: j.Epoch, State: j.State, Problem: j.Problem}
}

// JobReport renews a lease and says how far the job is.
type JobReport struct {
	ID    int64
	Epoch int64
	Now   time.Time
	Lease time.Duration
	Steps []JobStep // nil: as they were; at most 100
	Log   []string  // lines to append; the newest 1000 of a job are kept, 4 KiB each
}

// RenewJob keeps a running job with its owner. A *StaleJobError says that it was taken over, paused or ended: the owner stops.
func (c *Catalog) RenewJob(ctx context.Context, r JobReport) error {
	if r.Lease <= 0 || r.Now.IsZero() || len(r.Steps) > maxJobSteps {
		return fmt.Errorf("catalog: renew job %d: lease %v at %v, %d steps: want a lease, a time and at most %d steps",
			r.ID, r.Lease, r.Now, len(r.Steps), maxJobSteps)
	}
	return c.write(ctx, fmt.Sprintf("renew job %d", r.ID), func(t *tx) error {
		j, err := t.lockJob(r.ID)
		if err != nil {
			return err
		}
		if err := j.fence(r.Epoch); err != nil {
			return err
		}
		if r.Steps != nil {
			j.Steps = r.Steps
		}
		steps, err := json.Marshal(append([]JobStep{}, j.Steps...))
		if err != nil {
			return err
		}
		if _, err := t.exec(`UPDATE jobs SET until_us = $2, lease_us = $3, steps = $4 WHERE id = $1`,
			r.ID, r.Now.Add(r.Lease).UnixMicro(), r.Lease.Microseconds(), validText(string(steps))); err != nil {
			return err
		}
		return t.addLog(r.ID, r.Log)
	})
}

// JobPause gives a running job back before its end.
type JobPause struct {
	ID      int64
	Epoch   int64
	Problem string    // why
	Until   time.Time // WaitJob: when it gives up; RetryJob: when it may start again; FailJob: how long its reservation is kept
	Uncount bool      // the attempt was nobody's fault and does not count
	Stalled bool      // a store did not answer: the attempt counts as one of Job.Stalls instead
	// Unstaged says, of FailJob, that nothing but offsets to be staged is missing: WakeJob lets the job go on while its
	// reservation is kept.
	Unstaged bool
}

// WaitJob gives a job back until what it needs is staged: WakeJob lets it go on. The lease ends, so that no slot is taken.
func (c *Catalog) WaitJob(ctx context.Context, p JobPause) error {
	return c.giveBack(ctx, p, JobWaiting, JobRunning)
}

// RetryJob gives a job that has failed back for another attempt.
func (c *Catalog) RetryJob(ctx context.Context, p JobPause) error {
	return c.giveBack(ctx, p, JobPending, JobRunning)
}

// FailJob ends a job after its last attempt, or one that has waited too long. Its reservation is kept until p.Until, so that
// ResumeJob can let it go on; with a zero Until it is withdrawn at once, that of a job that failed before too.
func (c *Catalog) FailJob(ctx context.Context, p JobPause) error {
	if p.Until.IsZero() {
		return c.endWithout(ctx, fmt.Sprintf("fail job %d", p.ID), p.ID, func(j *Job) (JobState, string, error) {
			if (j.State == JobWaiting || (j.State == JobFailed && j.Reserved)) && j.Epoch == p.Epoch {
				return JobFailed, p.Problem, nil
			}
			return JobFailed, p.Problem, j.fence(p.Epoch)
		})
	}
	return c.giveBack(ctx, p, JobFailed, JobRunning, JobWaiting)
}

func (c *Catalog) giveBack(ctx context.Context, p JobPause, to JobState, from ...JobState) error {
	return c.write(ctx, fmt.Sprintf("give job %d back as %s", p.ID, to), func(t *tx) error {
		j, err := t.lockJob(p.ID)
		if err != nil {
			return err
		}
		ok := false
		for _, s := range from {
			ok = ok || (j.State == s && j.Epoch == p.Epoch)
		}
		if !ok {
			return &StaleJobError{JobID: j.ID, Epoch: p.Epoch, Current: j.Epoch, State: j.State, Problem: j.Problem}
		}
		ended, owner := int64(0), ""
		if to == JobFailed {
			ended, owner = now(), j.Owner
		}
		until := int64(0)
		if !p.Until.IsZero() {
			until = p.Until.UnixMicro()
		}
		stalls := j.Stalls
		switch {
		case p.Stalled:
			stalls++
		case !p.Uncount:
			stalls = 0
		}
		if _, err := t.exec(`UPDATE jobs SET state = $2, problem = $3, until_us = $4, ended_us = $5, owner = $6, attempts = attempts - $7,
			unstaged = $8, stalls = $9 WHERE id = $1`, p.ID, string(to), validText(p.Problem), until, ended, owner, flag(p.Uncount || p.Stalled),
			flag(p.Unstaged), stalls); err != nil {
			return err
		}
		return t.addLog(p.ID, []string{string(to) + ": " + p.Problem})
	})
}

// FinishJob ends a running job that has nothing to publish: its reservation is withdrawn.
func (c *Catalog) FinishJob(ctx context.Context, id, epoch int64, why string) error {
	return c.endWithout(ctx, fmt.Sprintf("finish job %d", id), id, func(j *Job) (JobState, string, error) {
		return JobFinished, why, j.fence(epoch)
	})
}

// endWithout ends a job and withdraws its segment in one transaction (I7). decide sees the locked job; an empty state leaves
// it as it is.
func (c *Catalog) endWithout(ctx context.Context, what string, id int64, decide func(j *Job) (JobState, string, error)) error {
	return c.write(ctx, what, func(t *tx) error {
		_, err := t.endWithout(id, decide)
		return err
	})
}

func (t *tx) endWithout(id int64, decide func(j *Job) (JobState, string, error)) (Job, error) {
	j, err := t.job(id, "")
	if err != nil {
		return j, err
	}
	cube, err := t.lockAnyCube(j.CubeID)
	if err != nil {
		return j, err
	}
	if j, err = t.lockJob(id); err != nil {
		return j, err
	}
	state, problem, err := decide(&j)
	if err != nil || state == "" {
		return j, err
	}
	if err := t.free(cube, j.Segment, state == JobCancelled); err != nil {
		return j, err
	}
	if err := t.endJob(id, state, validText(problem)); err != nil {
		return j, err
	}
	if err := t.addLog(id, []string{string(state) + ": " + problem}); err != nil {
		return j, err
	}
	return j, t.touch(j.CubeID)
}

// validText is text as both databases take it: PostgreSQL wants no NUL and whole characters.
func validText(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}

// lineText is text as it is kept of one message: valid and no longer than maxLineText.
func lineText(s string) string {
	if s = validText(s); len(s) > maxLineText {
		s = strings.ToValidUTF8(s[:maxLineText], "") // without the half of a character
	}
	return s
}
