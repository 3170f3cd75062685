package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Job builds one segment.
type Job struct {
	ID          int64     `json:"id"`
	Project     string    `json:"project"`
	Cube        string    `json:"cube"`
	Segment     int64     `json:"segment"` // its number
	Kind        string    `json:"kind"`    // build, fill, refresh or merge
	State       string    `json:"state"`   // pending, waiting_for_staging, running, paused, finished, failed or cancelled
	Reserved    bool      `json:"reserved"`
	SubmittedBy string    `json:"submitted_by"`
	Attempts    int       `json:"attempts"`
	Stalls      int       `json:"stalls,omitempty"` // attempts in a row, up to the last, that met a store that did not answer; not among attempts
	Epoch       int64     `json:"epoch"`
	Owner       string    `json:"owner,omitempty"` // the process that runs it
	Until       time.Time `json:"until,omitzero"`  // pending: starts then; waiting: gives up; failed: may be retried until then
	Problem     string    `json:"problem,omitempty"`
	Progress    float64   `json:"progress"` // 0 to 1
	Steps       []JobStep `json:"steps"`
	CreatedAt   time.Time `json:"created_at"`
	StartedAt   time.Time `json:"started_at,omitzero"` // of the last attempt
	EndedAt     time.Time `json:"ended_at,omitzero"`
}

// JobStep is one part of a job's work.
type JobStep struct {
	Name      string    `json:"name"`
	Done      int64     `json:"done"`
	Total     int64     `json:"total"` // 0: unknown
	Unit      string    `json:"unit,omitempty"`
	StartedAt time.Time `json:"started_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	LeftMs    int64     `json:"left_ms,omitempty"` // estimated, at the pace so far; 0: unknown, or it has ended
}

// Jobs is a page of jobs, the newest first.
type Jobs struct {
	Jobs []Job  `json:"jobs"`
	Next string `json:"next,omitempty"` // ask with after=next for older ones
}

// JobLog is a page of a job's log.
type JobLog struct {
	Job   int64     `json:"job"`
	Lines []JobLine `json:"lines"`
	Next  string    `json:"next,omitempty"` // ask with after=next for more
}

// JobLine is a line of a job's log.
type JobLine struct {
	Line int64     `json:"line"`
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

func job(c catalog.CubeInfo, j catalog.Job, now time.Time) Job {
	out := Job{
		ID: j.ID, Segment: j.Segment, Kind: j.Kind, State: string(j.State), Reserved: j.Reserved, SubmittedBy: j.SubmittedBy,
		Attempts: j.Attempts, Stalls: j.Stalls, Epoch: j.Epoch, Owner: j.Owner, Until: timeOf(j.UntilUs), Problem: j.Problem, Steps: []JobStep{},
		CreatedAt: timeOf(j.CreatedUs), StartedAt: timeOf(j.StartedUs), EndedAt: timeOf(j.EndedUs), Progress: progress(j),
	}
	if c.Cube != nil {
		out.Project, out.Cube = c.Cube.Project, c.Cube.Name
	}
	for _, s := range j.Steps {
		out.Steps = append(out.Steps, JobStep{
			Name: s.Name, Done: s.Done, Total: s.Total, Unit: s.Unit, StartedAt: timeOf(s.StartedUs), EndedAt: timeOf(s.EndedUs),
			LeftMs: leftMs(j, s, now),
		})
	}
	return out
}

// leftMs estimates how long a step in hand will take from now on, if it goes on at its pace.
func leftMs(j catalog.Job, s catalog.JobStep, now time.Time) int64 {
	took := now.UnixMicro() - s.StartedUs
	if j.State != catalog.JobRunning || s.EndedUs > 0 || s.Done <= 0 || s.Done >= s.Total || took <= 0 {
		return 0
	}
	return int64(float64(took) / 1000 * float64(s.Total-s.Done) / float64(s.Done))
}

// progress is the share of a job's steps that have ended, between 0 and 1. A job has an unknown number of steps before it;
// the one in hand counts by its parts.
func progress(j catalog.Job) float64 {
	if j.State == catalog.JobFinished {
		return 1
	}
	var sum float64
	for _, s := range j.Steps {
		switch {
		case s.EndedUs > 0:
			sum++
		case s.Total > 0:
			sum += min(1, float64(s.Done)/float64(s.Total))
		}
	}
	return sum / float64(len(j.Steps)+1)
}

// cubesByID reads each cube once, dropped ones too.
type cubesByID struct {
	catalog *catalog.Catalog
	known   map[string]catalog.CubeInfo
}

func (s *Server) cubesByID() *cubesByID {
	return &cubesByID{s.opts.Catalog, map[string]catalog.CubeInfo{}}
}

func (m *cubesByID) get(ctx context.Context, id string) (catalog.CubeInfo, error) {
	if i, ok := m.known[id]; ok {
		return i, nil
	}
	i, err := m.catalog.CubeInfo(ctx, id)
	if err == nil {
		m.known[id] = i
	}
	return i, err
}

func (s *Server) listJobs(r *http.Request) (any, error) {
	limit, err := integer(r, "limit", defaultPage, 1, maxPage)
	if err != nil {
		return nil, err
	}
	before, err := integer(r, "after", 0, 1, 1<<63-1)
	if err != nil {
		return nil, err
	}
	q := catalog.JobQuery{Before: before, Limit: int(limit)}
	for state := range strings.SplitSeq(r.URL.Query().Get("state"), ",") {
		if state == "" {
			continue
		}
		if !slices.Contains(jobStates(), state) {
			return nil, badRequest("state=%q: want %s, several with commas between", state, strings.Join(jobStates(), ", "))
		}
		q.States = append(q.States, catalog.JobState(state))
	}
	if name := r.URL.Query().Get("cube"); name != "" {
		i, err := s.opts.Catalog.Cube(r.Context(), project(r), name)
		if err != nil {
			return nil, err
		}
		q.CubeID = i.Cube.ID
	}
	list, err := s.opts.Catalog.Jobs(r.Context(), q)
	if err != nil {
		return nil, err
	}
	out, cubes := Jobs{Jobs: []Job{}}, s.cubesByID()
	for _, j := range list {
		i, err := cubes.get(r.Context(), j.CubeID)
		if err != nil {
			return nil, err
		}
		if p := r.URL.Query().Get("project"); p == "" || p == i.Cube.Project {
			out.Jobs = append(out.Jobs, job(i, j, time.Now()))
		}
	}
	if len(list) == int(limit) {
		out.Next = strconv.FormatInt(list[limit-1].ID, 10)
	}
	return out, nil
}

func jobStates() []string {
	var out []string
	for _, s := range []catalog.JobState{
		catalog.JobPending, catalog.JobWaiting, catalog.JobRunning, catalog.JobPaused, catalog.JobFinished, catalog.JobFailed, catalog.JobCancelled,
	} {
		out = append(out, string(s))
	}
	return out
}

// pathNumber reads a number of the path.
func pathNumber(r *http.Request, name string) (int64, error) {
	n, err := strconv.ParseInt(r.PathValue(name), 10, 64)
	if err != nil || n < 0 {
		return 0, badRequest("%s %q: want its number", name, r.PathValue(name))
	}
	return n, nil
}

func (s *Server) showJob(r *http.Request) (any, error) {
	id, err := pathNumber(r, "job")
	if err != nil {
		return nil, err
	}
	return s.jobByID(r.Context(), id)
}

func (s *Server) jobByID(ctx context.Context, id int64) (*Job, error) {
	j, err := s.opts.Catalog.Job(ctx, id)
	if err != nil {
		return nil, err
	}
	i, err := s.opts.Catalog.CubeInfo(ctx, j.CubeID)
	if err != nil {
		return nil, err
	}
	out := job(i, j, time.Now())
	return &out, nil
}

func (s *Server) jobLog(r *http.Request) (any, error) {
	id, err := pathNumber(r, "job")
	if err != nil {
		return nil, err
	}
	limit, err := integer(r, "limit", defaultPage, 1, maxPage)
	if err != nil {
		return nil, err
	}
	after, err := integer(r, "after", 0, 0, 1<<63-1)
	if err != nil {
		return nil, err
	}
	lines, err := s.opts.Catalog.JobLog(r.Context(), id, after, int(limit))
	if err != nil {
		return nil, err
	}
	out := JobLog{Job: id, Lines: []JobLine{}}
	for _, l := range lines {
		out.Lines = append(out.Lines, JobLine{Line: l.Line, At: timeOf(l.AtUs), Text: l.Text})
	}
	if len(lines) == int(limit) {
		out.Next = strconv.FormatInt(lines[limit-1].Line, 10)
	}
	return out, nil
}

// byHand makes the handler of a change of a job by a person.
func (s *Server) byHand(change func(c *catalog.Catalog, ctx context.Context, id int64, by string) error) handler {
	return func(r *http.Request) (any, error) {
		id, err := pathNumber(r, "job")
		if err != nil {
			return nil, err
		}
		if err := change(s.opts.Catalog, r.Context(), id, by(r)); err != nil {
			return nil, err
		}
		return s.jobByID(r.Context(), id)
	}
}

// retryJob lets a job that has failed, or waits for its next attempt, go on at once.
func (s *Server) retryJob(r *http.Request) (any, error) {
	id, err := pathNumber(r, "job")
	if err != nil {
		return nil, err
	}
	j, err := s.opts.Catalog.Job(r.Context(), id)
	if err != nil {
		return nil, err
	}
	if j.State == catalog.JobPaused {
		return nil, &catalog.ConflictError{What: fmt.Sprintf("job %d", id), Reason: "it is paused: resume it"}
	}
	return s.byHand((*catalog.Catalog).ResumeJob)(r)
}

func (s *Server) dropJob(r *http.Request) (any, error) {
	id, err := pathNumber(r, "job")
	if err != nil {
		return nil, err
	}
	before, err := s.jobByID(r.Context(), id)
	if err != nil {
		return nil, err
	}
	if before.Reserved {
		before.State, before.Reserved = string(catalog.JobCancelled), false
	}
	return before, s.opts.Catalog.DropJob(r.Context(), id, by(r))
}
