package server

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

// Building decides what becomes of cubes' segments. It may be asked in a process that runs no jobs: they wait then.
type Building interface {
	// Submit plans what a request asks for, and does it unless it is a dry run: segments are reserved with their jobs, or
	// retired. It fails with plan.ErrNothingNew where there is nothing to build, *PlanError where the plan that was shown is
	// not the plan any more, and *RequestError where the request makes no sense.
	Submit(ctx context.Context, action string, q SegmentRequest) (*Done, error)
	// Plan says what the planners would do to a cube at this moment.
	Plan(ctx context.Context, project, cube string) (*Plan, error)
	// Holes lists the offsets between a cube's segments that nothing covers.
	Holes(ctx context.Context, project, cube string) ([]plan.Hole, error)
	// FixStart has the first segment of a cube begin where its topic ends at this moment. It is for a cube without segments.
	FixStart(ctx context.Context, project, cube string) (segmenter.Vector, error)
	// SubmitTask queues a task of a kind that people may ask for.
	SubmitTask(ctx context.Context, q TaskRequest) (catalog.Task, error)
}

// The actions of Building.
const (
	actionBuild   = "build"
	actionRefresh = "refresh"
	actionMerge   = "merge"
	actionDrop    = "drop"
	actionFill    = "fill"
)

// RequestError says what is wrong with a request, and what to do instead.
type RequestError struct{ Err error }

func (e *RequestError) Error() string { return e.Err.Error() }
func (e *RequestError) Unwrap() error { return e.Err }

// PlanError refuses to do another plan than the one that was shown.
type PlanError struct{ Err error }

func (e *PlanError) Error() string { return e.Err.Error() }
func (e *PlanError) Unwrap() error { return e.Err }

// SegmentRequest asks for a build, refresh, merge, drop or fill.
type SegmentRequest struct {
	Project string              `json:"-"`
	Cube    string              `json:"-"`
	By      string              `json:"-"` // who asks
	Key     catalog.Idempotency `json:"-"`
	DryRun  bool                `json:"-"` // only the plan

	Start    string    `json:"start,omitempty"`    // of a build: earliest, latest, a time, or 0:1200,1:900; default: where the last segment ends
	End      string    `json:"end,omitempty"`      // of a build; default: latest, the end of the topic at this moment
	Segments []int64   `json:"segments,omitempty"` // of a refresh, merge or drop: their numbers
	From     time.Time `json:"from,omitzero"`      // of a refresh, merge or drop: those with events in [from, to)
	To       time.Time `json:"to,omitzero"`
	Plan     string    `json:"plan,omitempty"` // hash of the plan that was shown: another one is refused
}

// TaskRequest asks for a task.
type TaskRequest struct {
	Project string              `json:"project,omitempty"`
	Kind    string              `json:"kind"`
	Cube    string              `json:"cube,omitempty"` // of kinds that are about one cube
	Spec    json.RawMessage     `json:"spec,omitempty"`
	By      string              `json:"-"`
	Key     catalog.Idempotency `json:"-"`
}

// Done is what became of a request.
type Done struct {
	Plan     Plan
	Jobs     []catalog.Job
	Segments []catalog.SegmentEntry // reserved, one for each job
	Retired  []int64
	Rereads  []catalog.Reread // requests to read offsets again from Kafka
	Existing bool             // the request was made before, and this was its answer
}

// Plan is what would be done to a cube, what would not, and why.
type Plan struct {
	Project string   `json:"project"`
	Cube    string   `json:"cube"`
	Hash    string   `json:"hash"`
	Actions []Action `json:"actions"`
	Notes   []string `json:"notes"` // what is left, and why
}

// Action is one thing that a plan does.
type Action struct {
	Kind     string           `json:"kind"`               // build, fill, reread, refresh, merge or retire
	Range    segmenter.Vector `json:"range,omitempty"`    // of the segment that is built
	Segments []int64          `json:"segments,omitempty"` // that it takes the place of, or that are retired
	Reason   string           `json:"reason"`
}

// Submitted answers a request about segments.
type Submitted struct {
	Project  string    `json:"project"`
	Cube     string    `json:"cube"`
	Action   string    `json:"action"`
	DryRun   bool      `json:"dry_run"`
	Existing bool      `json:"existing"` // the request was made before, and this is its answer
	Plan     Plan      `json:"plan"`
	Jobs     []Job     `json:"jobs"`
	Segments []Segment `json:"segments"` // reserved, one for each job
	Retired  []int64   `json:"retired"`
	Rereads  []Reread  `json:"rereads"`
}
