package catalog

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// JobState names where a job stands.
type JobState string

// The states of a job. The last three are its end; a failed one may keep its reservation for a while and go on.
const (
	JobPending   JobState = "pending"
	JobWaiting   JobState = "waiting_for_staging" // what it needs is not staged yet
	JobRunning   JobState = "running"
	JobPaused    JobState = "paused"
	JobFinished  JobState = "finished"
	JobFailed    JobState = "failed"
	JobCancelled JobState = "cancelled"
)

func jobStates() []JobState {
	return []JobState{JobPending, JobWaiting, JobRunning, JobPaused, JobFinished, JobFailed, JobCancelled}
}

// Job builds one reserved segment. It ends by Publish, FailJob, FinishJob or CancelJob.
type Job struct {
	ID          int64
	CubeID      string
	Segment     int64 // its number
	Kind        string
	State       JobState
	Reserved    bool            // its segment is new: the job is under way, or can go on
	Priority    int             // lower goes first
	Spec        json.RawMessage `json:",omitempty"`
	SubmittedBy string
	Attempts    int    // since it was submitted or resumed, without Stalls
	Stalls      int    // attempts in a row, up to the last, that ended because a store did not answer
	Epoch       int64  // of its last claim; 0: never claimed. No two claims of jobs of a cube have the same
	Owner       string // who runs it; of one that has ended, who ran it last
	// UntilUs is, of a running job, the end of its lease; of a pending one, when it may start; of a waiting one, when it gives
	// up; of a failed one that is reserved, how long that lasts.
	UntilUs   int64
	LeaseUs   int64 // length of its last lease
	Steps     []JobStep
	Problem   string // why it failed, waits, is paused, or ended without a segment
	Unstaged  bool   // it failed only because its offsets were not staged in time
	CreatedUs int64
	StartedUs int64 // of the last attempt
	EndedUs   int64
}

// JobStep is one part of a job's work and how far it is.
type JobStep struct {
	Name      string `json:"name"`
	Done      int64  `json:"done"`
	Total     int64  `json:"total"` // 0: unknown
	Unit      string `json:"unit,omitempty"`
	StartedUs int64  `json:"started_us,omitempty"`
	EndedUs   int64  `json:"ended_us,omitempty"`
}

// JobLine is a line of a job's log. Lines count from 1; old ones are forgotten.
type JobLine struct {
	Line int64
	AtUs int64
	Text string
}

// JobQuery chooses jobs, the newest first.
type JobQuery struct {
	CubeID string     // "": all
	States []JobState // none: all
	Before int64      // only ids below: the next page; 0: from the newest
	Limit  int        // default 100
}

// Limits of what is kept of a job.
const (
	maxJobSteps = 100
	keepLines   = 1000 // of a job's log, the newest
	maxLineText = 4096 // bytes; the rest is cut off
)

const jobColumns = `p.id, p.cube_id, p.segment, p.kind, p.state, p.reserved, p.priority, p.spec, p.submitted_by, p.attempts, p.stalls, p.epoch,
	p.owner, p.until_us, p.lease_us, p.steps, p.problem, p.unstaged, p.created_us, p.started_us, p.ended_us`

func scanJob(scan func(...any) error) (j Job, err error) {
	var state, spec, steps string
	if err := scan(&j.ID, &j.CubeID, &j.Segment, &j.Kind, &state, &j.Reserved, &j.Priority, &spec, &j.SubmittedBy, &j.Attempts,
		&j.Stalls, &j.Epoch, &j.Owner, &j.UntilUs, &j.LeaseUs, &steps, &j.Problem, &j.Unstaged, &j.CreatedUs, &j.StartedUs, &j.EndedUs); err != nil {
		return j, err
	}
	j.State = JobState(state)
	if spec != "null" {
		j.Spec = json.RawMessage(spec)
	}
	if steps != "[]" {
		if err := json.Unmarshal([]byte(steps), &j.Steps); err != nil {
			return j, fmt.Errorf("steps of job %d: %w", j.ID, err)
		}
	}
	return j, nil
}

// Job returns one job, or ErrNotFound.
func (c *Catalog) Job(ctx context.Context, id int64) (j Job, err error) {
	err = c.read(ctx, "read job", func(t *tx) error {
		j, err = t.job(id, "")
		return err
	})
	return j, err
}

func (t *tx) job(id int64, lock string) (Job, error) {
	j, err := scanJob(t.row(`SELECT `+jobColumns+` FROM jobs p WHERE p.id = $1`+lock, id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return j, fmt.Errorf("job %d: %w", id, ErrNotFound)
	}
	return j, err
}

// lockJob keeps others from changing the job until the transaction ends. Whoever may withdraw its segment locks the cube
// first.
func (t *tx) lockJob(id int64) (Job, error) { return t.job(id, t.c.forUpdate) }

func (t *tx) jobOfSegment(cubeID string, number int64) (Job, error) {
	j, err := scanJob(t.row(`SELECT `+jobColumns+` FROM jobs p WHERE p.cube_id = $1 AND p.segment = $2`, cubeID, number).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return j, fmt.Errorf("job of segment %d of cube with id %s: %w", number, cubeID, ErrNotFound)
	}
	return j, err
}

// OpenJobs lists the jobs of a cube, "" for all, that hold a reservation, oldest first: all that a scheduler has to look
// at. It costs the same however many have ended (C7).
func (c *Catalog) OpenJobs(ctx context.Context, cubeID string) (list []Job, err error) {
	err = c.read(ctx, "list open jobs", func(t *tx) error {
		if cubeID == "" {
			list, err = t.jobs(`p.reserved = 1 ORDER BY p.id`)
		} else {
			list, err = t.jobs(`p.reserved = 1 AND p.cube_id = $1 ORDER BY p.id`, cubeID)
		}
		return err
	})
	return list, err
}

func (t *tx) jobs(where string, args ...any) (list []Job, err error) {
	err = t.each(func(scan func(...any) error) error {
		j, err := scanJob(scan)
		list = append(list, j)
		return err
	}, `SELECT `+jobColumns+` FROM jobs p WHERE `+where, args...)
	return list, err
}

// Jobs lists jobs, the newest first. Each state is read from its own index, so that it costs what is listed.
func (c *Catalog) Jobs(ctx context.Context, q JobQuery) (list []Job, err error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	if q.Before <= 0 {
		q.Before = 1<<63 - 1
	}
	if len(q.States) == 0 {
		q.States = jobStates()
	}
	err = c.read(ctx, "list jobs", func(t *tx) error {
		list = nil
		for _, state := range q.States {
			if !slices.Contains(jobStates(), state) {
				return fmt.Errorf("state %q: want one of %v", state, jobStates())
			}
			where, args := `p.state = '`+string(state)+`' AND -p.id > $1 ORDER BY -p.id LIMIT $2`, []any{-q.Before, q.Limit}
			if q.CubeID != "" {
				where, args = `p.cube_id = $3 AND `+where, append(args, q.CubeID)
			}
			some, err := t.jobs(where, args...)
			if err != nil {
				return err
			}
			list = append(list, some...)
		}
		return nil
	})
	slices.SortFunc(list, func(a, b Job) int { return cmp.Compare(b.ID, a.ID) })
	return list[:min(len(list), q.Limit)], err
}

// JobLog returns lines of a job's log above a number, at most limit of them.
func (c *Catalog) JobLog(ctx context.Context, id, after int64, limit int) (list []JobLine, err error) {
	err = c.read(ctx, "read log of job", func(t *tx) error {
		list = nil
		if _, err := t.job(id, ""); err != nil {
			return err
		}
		return t.each(func(scan func(...any) error) error {
			var l JobLine
			err := scan(&l.Line, &l.AtUs, &l.Text)
			list = append(list, l)
			return err
		}, `SELECT line, at_us, text FROM job_log WHERE job_id = $1 AND line > $2 ORDER BY line LIMIT $3`, id, after, limit)
	})
	return list, err
}

// endJob ends a job, whose segment was published or withdrawn. Nobody waits for its roll requests any more.
func (t *tx) endJob(id int64, state JobState, problem string) error {
	_, err := t.exec(`UPDATE jobs SET state = $2, problem = $3, reserved = 0, until_us = 0, ended_us = $4 WHERE id = $1`,
		id, string(state), problem, now())
	if err != nil {
		return err
	}
	return t.withdrawRolls(id)
}

// addLog appends lines to a job's log and forgets the oldest. The job is locked.
func (t *tx) addLog(id int64, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	var last int64
	if err := t.row(`UPDATE jobs SET log_lines = log_lines + $2 WHERE id = $1 RETURNING log_lines`, id, len(lines)).Scan(&last); err != nil {
		return err
	}
	first := last - int64(len(lines)) + 1
	if n := len(lines); n > keepLines {
		lines, first = lines[n-keepLines:], first+int64(n-keepLines)
	}
	at := now()
	for i, text := range lines {
		if _, err := t.exec(`INSERT INTO job_log (job_id, line, at_us, text) VALUES ($1, $2, $3, $4)`, id, first+int64(i), at, lineText(text)); err != nil {
			return err
		}
	}
	_, err := t.exec(`DELETE FROM job_log WHERE job_id = $1 AND line <= $2`, id, last-keepLines)
	return err
}

// ForgetJobs deletes up to limit jobs that ended before a time, with their logs, the oldest first, and returns how many.
func (c *Catalog) ForgetJobs(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = c.write(ctx, "forget old jobs", func(t *tx) error {
		var ids []int64
		if err := t.each(func(scan func(...any) error) error {
			var id int64
			err := scan(&id)
			ids = append(ids, id)
			return err
		}, `SELECT id FROM jobs WHERE ended_us > 0 AND ended_us < $1 AND reserved = 0 ORDER BY ended_us LIMIT $2`, before.UnixMicro(), limit); err != nil {
			return err
		}
		n = len(ids)
		for _, id := range ids {
			if err := t.forgetJob(id); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

func (t *tx) forgetJob(id int64) error {
	if _, err := t.exec(`DELETE FROM job_log WHERE job_id = $1`, id); err != nil {
		return err
	}
	_, err := t.exec(`DELETE FROM jobs WHERE id = $1`, id)
	return err
}
