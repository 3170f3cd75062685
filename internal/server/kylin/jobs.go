package kylin

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// jobJSON is Kylin's job instance.
type jobJSON struct {
	UUID               string     `json:"uuid"`
	LastModified       int64      `json:"last_modified"`
	Version            string     `json:"version"`
	Name               string     `json:"name"`
	Type               string     `json:"type"`
	Duration           int64      `json:"duration"` // s
	RelatedCube        string     `json:"related_cube"`
	RelatedSegment     string     `json:"related_segment"`
	ExecStartTime      int64      `json:"exec_start_time"` // ms, 0: not yet
	ExecEndTime        int64      `json:"exec_end_time"`
	MRWaiting          int64      `json:"mr_waiting"`
	Steps              []stepJSON `json:"steps"`
	Submitter          string     `json:"submitter"`
	JobStatus          string     `json:"job_status"`
	Progress           float64    `json:"progress"` // 0 to 100
	ProjectName        string     `json:"projectName"`
	DisplayCubeName    string     `json:"display_cube_name"`
	RelatedSegmentName string     `json:"related_segment_name"`
	ExecInterruptTime  int64      `json:"exec_interrupt_time"`
}

type stepJSON struct {
	ID            string            `json:"id"`
	Name          string            `json:"name"`
	SequenceID    int               `json:"sequence_id"`
	ExecCmd       *string           `json:"exec_cmd"`
	InterruptCmd  *string           `json:"interrupt_cmd"`
	ExecStartTime int64             `json:"exec_start_time"`
	ExecEndTime   int64             `json:"exec_end_time"`
	ExecWaitTime  int64             `json:"exec_wait_time"`
	StepStatus    string            `json:"step_status"`
	CmdType       string            `json:"cmd_type"`
	Info          map[string]string `json:"info"`
	RunAsync      bool              `json:"run_async"`
}

const jobPrefix = "00000000-0000-0000-0000-"

// jobID is a job's number in the form of Kylin's ids.
func jobID(id int64) string { return fmt.Sprintf("%s%012d", jobPrefix, id) }

// jobNumber reads an id, or a bare number.
func jobNumber(text string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimPrefix(text, jobPrefix), 10, 64)
	if err != nil || n < 0 {
		return 0, said("Cannot find job %s", text)
	}
	return n, nil
}

// status is Kylin's name of a job's state.
func status(s catalog.JobState) string {
	switch s {
	case catalog.JobRunning:
		return "RUNNING"
	case catalog.JobPaused:
		return "STOPPED"
	case catalog.JobFinished:
		return "FINISHED"
	case catalog.JobFailed:
		return "ERROR"
	case catalog.JobCancelled:
		return "DISCARDED"
	}
	return "PENDING"
}

// statesOf are those that a number in the query asks for.
func statesOf(code string) []catalog.JobState {
	return map[string][]catalog.JobState{
		"1": {catalog.JobPending, catalog.JobWaiting}, "2": {catalog.JobRunning}, "4": {catalog.JobFinished}, "8": {catalog.JobFailed},
		"16": {catalog.JobCancelled}, "32": {catalog.JobPaused},
	}[code]
}

// jobs adds to jobs what Kylin tells of their cubes and segments.
func (h *Handler) jobs(ctx context.Context, list []catalog.Job) ([]jobJSON, error) {
	out, worlds := []jobJSON{}, map[string]*world{}
	for _, j := range list {
		w := worlds[j.CubeID]
		if w == nil {
			var err error
			if w, err = h.world(ctx, j.CubeID); err != nil {
				return nil, err
			}
			worlds[j.CubeID] = w
		}
		out = append(out, w.job(j))
	}
	return out, nil
}

func (w *world) job(j catalog.Job) jobJSON {
	kind := "BUILD"
	switch j.Kind {
	case "merge", "refresh":
		kind = strings.ToUpper(j.Kind)
	}
	segment := strconv.FormatInt(j.Segment, 10) // one that is gone has its number only
	if at := slices.IndexFunc(w.Segments, func(s catalog.SegmentEntry) bool { return s.Number == j.Segment }); at >= 0 {
		segment = w.name(w.Segments[at].Range)
	}
	out := jobJSON{
		UUID: jobID(j.ID), Version: kylinVersion, Type: kind, Submitter: cmp.Or(j.SubmittedBy, "SYSTEM"), JobStatus: status(j.State),
		Name:        fmt.Sprintf("%s - %s - %s - UTC %s", w.Cube.Name, segment, kind, time.UnixMicro(j.CreatedUs).UTC().Format(time.DateTime)),
		RelatedCube: w.Cube.Name, DisplayCubeName: w.Cube.Name, ProjectName: w.Cube.Project,
		RelatedSegment: segmentUUID(j.CubeID, j.Segment), RelatedSegmentName: segment,
		ExecStartTime: j.StartedUs / 1000, ExecEndTime: j.EndedUs / 1000, LastModified: max(j.CreatedUs, j.StartedUs, j.EndedUs) / 1000,
	}
	if out.Submitter == "timer" {
		out.Submitter = "SYSTEM"
	}
	if j.StartedUs > 0 {
		end := j.EndedUs
		if end == 0 {
			end = time.Now().UnixMicro()
		}
		out.Duration = max(0, end-j.StartedUs) / 1e6
	}
	out.Steps = steps(j)
	done := 0
	for _, s := range out.Steps {
		done += btoi(s.StepStatus == "FINISHED")
	}
	out.Progress = 100 * float64(done) / float64(len(out.Steps))
	return out
}

// steps are those that have begun; a job has one at least.
func steps(j catalog.Job) (out []stepJSON) {
	begun := j.Steps
	if len(begun) == 0 {
		begun = []catalog.JobStep{{Name: "wait for its turn"}}
	}
	for i, s := range begun {
		x := stepJSON{
			ID: fmt.Sprintf("%s-%02d", jobID(j.ID), i), Name: s.Name, SequenceID: i, CmdType: "SHELL_CMD_HADOOP", Info: map[string]string{},
			ExecStartTime: s.StartedUs / 1000, ExecEndTime: s.EndedUs / 1000, StepStatus: status(j.State),
		}
		if s.EndedUs > 0 {
			x.StepStatus = "FINISHED"
		}
		if s.Total > 0 {
			x.Info["progress"] = fmt.Sprintf("%d of %d %s", s.Done, s.Total, s.Unit)
		}
		out = append(out, x)
	}
	return out
}

const (
	defaultJobs = 30
	maxJobs     = 10_000
)

// since is how far timeFilter looks back. Versions of Kylin number the spans in two ways: the longer one is taken. 0: for
// ever.
func since(filter string) time.Duration {
	const day = 24 * time.Hour
	return map[string]time.Duration{"0": day, "1": 7 * day, "2": 31 * day, "3": 366 * day}[filter]
}

func (h *Handler) listJobs(_ http.ResponseWriter, r *http.Request) (any, error) {
	q := r.URL.Query()
	var states []catalog.JobState
	for _, code := range q["status"] {
		states = append(states, statesOf(code)...)
	}
	list, err := h.o.Catalog.Jobs(r.Context(), catalog.JobQuery{States: states, Limit: maxJobs})
	if err != nil {
		return nil, err
	}
	all, err := h.o.Catalog.Cubes(r.Context(), "")
	if err != nil {
		return nil, err
	}
	cubes := map[string]catalog.CubeInfo{}
	for _, i := range all {
		cubes[i.Cube.ID] = i
	}
	oldest := int64(0)
	if span := since(q.Get("timeFilter")); span > 0 {
		oldest = time.Now().Add(-span).UnixMicro()
	}
	name, project := strings.ToLower(q.Get("cubeName")), q.Get("projectName")
	list = slices.DeleteFunc(list, func(j catalog.Job) bool {
		i, ok := cubes[j.CubeID]
		return !ok || !strings.Contains(strings.ToLower(i.Cube.Name), name) || project != "" && !strings.EqualFold(project, i.Cube.Project) ||
			max(j.CreatedUs, j.EndedUs) < oldest
	})
	slices.SortStableFunc(list, func(a, b catalog.Job) int {
		return cmp.Compare(max(b.CreatedUs, b.StartedUs, b.EndedUs), max(a.CreatedUs, a.StartedUs, a.EndedUs))
	})
	return h.jobs(r.Context(), page(list, q.Get("offset"), q.Get("limit"), defaultJobs))
}

func (h *Handler) jobOf(r *http.Request) (catalog.Job, error) {
	id, err := jobNumber(r.PathValue("job"))
	if err != nil {
		return catalog.Job{}, err
	}
	return h.o.Catalog.Job(r.Context(), id)
}

// one answers with a job as it is now.
func (h *Handler) one(r *http.Request) (any, error) {
	j, err := h.jobOf(r)
	if err != nil {
		return nil, err
	}
	list, err := h.jobs(r.Context(), []catalog.Job{j})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

func (h *Handler) showJob(_ http.ResponseWriter, r *http.Request) (any, error) { return h.one(r) }

// stepOutput is the job's log: lines do not say of which step they are.
func (h *Handler) stepOutput(_ http.ResponseWriter, r *http.Request) (any, error) {
	j, err := h.jobOf(r)
	if err != nil {
		return nil, err
	}
	lines, err := h.o.Catalog.JobLog(r.Context(), j.ID, 0, maxJobs)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "%s %s\n", time.UnixMicro(l.AtUs).UTC().Format(time.RFC3339), l.Text)
	}
	if j.Problem != "" {
		fmt.Fprintln(&b, j.Problem)
	}
	return map[string]string{"jobId": jobID(j.ID), "stepId": r.PathValue("step"), "cmd_output": b.String()}, nil
}

func (h *Handler) change(r *http.Request, do func(ctx context.Context, id int64, by string) error) (any, error) {
	j, err := h.jobOf(r)
	if err != nil {
		return nil, err
	}
	if err := do(r.Context(), j.ID, by(r)); err != nil {
		return nil, err
	}
	return h.one(r)
}

// resumeJob is for a job that has failed or was stopped.
func (h *Handler) resumeJob(_ http.ResponseWriter, r *http.Request) (any, error) {
	j, err := h.jobOf(r)
	if err != nil {
		return nil, err
	}
	if j.State != catalog.JobFailed && j.State != catalog.JobPaused {
		return nil, said("The job %s is %s: only one in ERROR or STOPPED can be resumed", jobID(j.ID), status(j.State))
	}
	return h.change(r, h.o.Catalog.ResumeJob)
}

func (h *Handler) pauseJob(_ http.ResponseWriter, r *http.Request) (any, error) {
	return h.change(r, h.o.Catalog.PauseJob)
}

func (h *Handler) cancelJob(_ http.ResponseWriter, r *http.Request) (any, error) {
	return h.change(r, h.o.Catalog.CancelJob)
}

// dropJob forgets a job that has ended.
func (h *Handler) dropJob(_ http.ResponseWriter, r *http.Request) (any, error) {
	j, err := h.jobOf(r)
	if err != nil {
		return nil, err
	}
	if j.State != catalog.JobFinished && j.State != catalog.JobCancelled {
		return nil, said("The job %s is %s: only one in FINISHED or DISCARDED can be dropped", jobID(j.ID), status(j.State))
	}
	before, err := h.one(r)
	if err != nil {
		return nil, err
	}
	return before, h.o.Catalog.DropJob(r.Context(), j.ID, by(r))
}
