package server

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Task is a short decision in the queue, or the run of a job.
type Task struct {
	ID          int64           `json:"id"`
	Kind        string          `json:"kind"`
	Key         string          `json:"key"` // tasks of one key run one after another; empty: it runs alone
	Spec        json.RawMessage `json:"spec,omitempty"`
	SubmittedBy string          `json:"submitted_by"`
	State       string          `json:"state"` // init, running, finished, failed or cancelled
	Paused      bool            `json:"paused"`
	Ask         string          `json:"ask,omitempty"` // cancel or pause, while a running task has yet to obey
	Attempts    int             `json:"attempts"`
	MaxAttempts int             `json:"max_attempts"`
	Epoch       int64           `json:"epoch"`
	Error       string          `json:"error,omitempty"` // of the last attempt, or why it waits
	GaveWay     int             `json:"gave_way"`        // how often an exclusive task did
	Node        string          `json:"node,omitempty"`
	WaitedMs    int64           `json:"waited_ms"`
	DueInMs     int64           `json:"due_in_ms"`
	CreatedAt   time.Time       `json:"created_at"`
	StartedAt   time.Time       `json:"started_at,omitzero"`
	EndedAt     time.Time       `json:"ended_at,omitzero"`
}

// Tasks is a list of tasks: those that have not ended in the order of the queue, else the newest first.
type Tasks struct {
	Tasks []Task `json:"tasks"`
}

func task(t catalog.Task) Task {
	out := Task{
		ID: t.ID, Kind: t.Kind, Key: t.Key, Spec: t.Spec, SubmittedBy: t.SubmittedBy, State: t.State, Paused: t.Paused, Ask: t.Ask,
		Attempts: t.Attempts, MaxAttempts: t.MaxAttempts, Epoch: t.Epoch, Error: t.Error, GaveWay: t.GaveWay, Node: t.Node,
		WaitedMs: t.WaitedUs / 1000, DueInMs: t.DueInUs / 1000,
		CreatedAt: timeOf(t.CreatedUs), StartedAt: timeOf(t.StartedUs), EndedAt: timeOf(t.EndedUs),
	}
	if string(out.Spec) == "null" {
		out.Spec = nil
	}
	return out
}

func (s *Server) listTasks(r *http.Request) (any, error) {
	limit, err := integer(r, "limit", defaultPage, 1, maxPage)
	if err != nil {
		return nil, err
	}
	all, err := boolean(r, "all")
	if err != nil {
		return nil, err
	}
	q := catalog.TaskQuery{Kind: r.URL.Query().Get("kind"), State: r.URL.Query().Get("state")}
	switch q.State {
	case "":
		q.Live = !all
	case "init", "running", "finished", "failed", "cancelled":
	default:
		return nil, badRequest("state=%q: want init, running, finished, failed or cancelled", q.State)
	}
	out := Tasks{Tasks: []Task{}}
	for t, err := range s.opts.Catalog.Tasks(r.Context(), q) {
		if err != nil {
			return nil, err
		}
		out.Tasks = append(out.Tasks, task(t))
		if len(out.Tasks) == int(limit) {
			break
		}
	}
	return out, nil
}

func (s *Server) showTask(r *http.Request) (any, error) {
	id, err := pathNumber(r, "task")
	if err != nil {
		return nil, err
	}
	t, err := s.opts.Catalog.Task(r.Context(), id)
	return task(t), err
}

func (s *Server) submitTask(r *http.Request) (any, error) {
	var q TaskRequest
	if err := readBody(r, &q); err != nil {
		return nil, err
	}
	if q.Kind == "" {
		return nil, badRequest(`the kind of the task is missing: {"kind": "cleanup"}`)
	}
	var err error
	if q.Key, err = idempotency(r, q); err != nil {
		return nil, err
	}
	if q.Project == "" {
		q.Project = project(r)
	}
	q.By = by(r)
	b, err := s.building()
	if err != nil {
		return nil, err
	}
	t, err := b.SubmitTask(r.Context(), q)
	if err != nil {
		return nil, err
	}
	return task(t), nil
}

// controlTask makes the handler of what can be done to a task by hand.
func (s *Server) controlTask(action string) handler {
	return func(r *http.Request) (any, error) {
		id, err := pathNumber(r, "task")
		if err != nil {
			return nil, err
		}
		t, err := s.opts.Catalog.ControlTask(r.Context(), id, action)
		if err != nil {
			return nil, err
		}
		return task(t), nil
	}
}
