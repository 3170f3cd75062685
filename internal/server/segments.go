package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

// Segment is a segment of a cube.
type Segment struct {
	Project     string           `json:"project"`
	Cube        string           `json:"cube"`
	Number      int64            `json:"number"` // what commands and jobs name
	ID          string           `json:"id"`     // hash of what it was built from; empty while it is new
	Path        string           `json:"path"`   // its folder in the store; empty while it is new
	State       string           `json:"state"`  // new, ready or retired
	Start       map[string]int64 `json:"start"`  // by partition, in the partition's first generation of the segment
	End         map[string]int64 `json:"end"`    // by partition, exclusive, in the last generation of the segment
	Range       segmenter.Vector `json:"range"`  // the same, with generations
	MinTime     *time.Time       `json:"min_time"`
	MaxTime     *time.Time       `json:"max_time"` // null: it has no events
	Events      int64            `json:"events"`
	Bytes       int64            `json:"bytes"`
	Version     int              `json:"version"` // of the cube's definition
	Reason      string           `json:"reason"`  // why it was cut
	Job         int64            `json:"job"`
	Replaces    []int64          `json:"replaces,omitempty"`
	Stale       bool             `json:"stale"` // its inputs have changed since
	CreatedAt   time.Time        `json:"created_at"`
	PublishedAt time.Time        `json:"published_at,omitzero"`
	RetiredAt   time.Time        `json:"retired_at,omitzero"`
	Retired     string           `json:"retired,omitempty"` // why
}

// Segments is a page of segments.
type Segments struct {
	Segments []Segment `json:"segments"`
	Next     string    `json:"next,omitempty"` // ask with after=next for more
}

// Hole is a range of offsets between segments, or before the first one, that nothing covers.
type Hole struct {
	Start   map[string]int64           `json:"start"`
	End     map[string]int64           `json:"end"`
	Range   segmenter.Vector           `json:"range"`
	After   int64                      `json:"after"`   // number of the segment before it; 0: the hole is at the cube's front
	Before  int64                      `json:"before"`  // number of the segment behind it
	Missing []segmenter.PartitionRange `json:"missing"` // in no staged file: to be read again, or declared lost
}

// Holes lists the holes of a cube.
type Holes struct {
	Project string `json:"project"`
	Cube    string `json:"cube"`
	Holes   []Hole `json:"holes"`
}

// at says where each partition stands. v has empty ranges, one a partition.
func at(v segmenter.Vector) map[string]int64 {
	out := make(map[string]int64, len(v))
	for _, r := range v {
		out[strconv.Itoa(int(r.Partition))] = r.Start
	}
	return out
}

func timeOf(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func segment(c catalog.CubeInfo, e catalog.SegmentEntry) Segment {
	out := Segment{
		Project: c.Cube.Project, Cube: c.Cube.Name, Number: e.Number, ID: e.ID, State: string(e.State),
		Start: at(e.Range.Starts()), End: at(e.Range.Ends()), Range: e.Range,
		Events: e.Events, Bytes: e.Bytes, Version: e.Version, Reason: e.Reason, Job: e.JobID, Replaces: e.Replaces, Stale: e.Stale,
		CreatedAt: timeOf(e.CreatedUs), PublishedAt: timeOf(e.PublishedUs), RetiredAt: timeOf(e.RetiredUs), Retired: e.RetireReason,
	}
	if e.ID != "" {
		out.Path = fmt.Sprintf("segments/%s/%s.%d", e.CubeID, e.ID, e.Attempt)
	}
	if e.Events > 0 {
		least, most := time.UnixMicro(e.MinTimeUs).UTC(), time.UnixMicro(e.MaxTimeUs).UTC()
		out.MinTime, out.MaxTime = &least, &most
	}
	return out
}

// segmentQuery reads what a list of segments is asked for.
func segmentQuery(r *http.Request) (q catalog.SegmentQuery, err error) {
	for state := range strings.SplitSeq(r.URL.Query().Get("state"), ",") {
		switch s := segmenter.SegmentState(state); s {
		case "":
		case segmenter.SegmentNew, segmenter.SegmentReady, segmenter.SegmentRetired:
			q.States = append(q.States, s)
		case "all":
			q.States = []segmenter.SegmentState{segmenter.SegmentNew, segmenter.SegmentReady, segmenter.SegmentRetired}
		default:
			return q, badRequest("state=%q: want new, ready or retired, several with commas between, or all", state)
		}
	}
	from, err := moment(r, "from")
	if err != nil {
		return q, err
	}
	to, err := moment(r, "to")
	if err != nil {
		return q, err
	}
	if w := window(from, to); !from.IsZero() || !to.IsZero() {
		q.FromUs, q.ToUs = w.MinUs, w.MaxUs
	}
	limit, err := integer(r, "limit", defaultPage, 1, maxPage)
	if err != nil {
		return q, err
	}
	q.Limit = int(limit)
	q.After, err = integer(r, "after", 0, 0, 1<<63-1)
	return q, err
}

// window is the closed form of [from, to); a zero time is no bound.
func window(from, to time.Time) plan.Window {
	w := plan.AllTime()
	if !from.IsZero() {
		w.MinUs = from.UnixMicro()
	}
	if !to.IsZero() {
		w.MaxUs = to.UnixMicro() - 1
	}
	return w
}

// moment reads a time of the query; absent is zero.
func moment(r *http.Request, name string) (time.Time, error) {
	v := r.URL.Query().Get(name)
	if v == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, v); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, badRequest("%s=%q: want a time such as 2026-01-31T06:00:00Z, or a date", name, v)
}

func (s *Server) listSegments(r *http.Request) (any, error) {
	q, err := segmentQuery(r)
	if err != nil {
		return nil, err
	}
	i, err := s.namedCube(r)
	if err != nil {
		return nil, err
	}
	out := Segments{Segments: []Segment{}}
	if err := s.addSegments(r.Context(), &out, i, q); err != nil {
		return nil, err
	}
	if len(out.Segments) == q.Limit {
		out.Next = strconv.FormatInt(out.Segments[q.Limit-1].Number, 10)
	}
	return out, nil
}

// allSegments lists the first page of every cube.
func (s *Server) allSegments(r *http.Request) (any, error) {
	q, err := segmentQuery(r)
	if err != nil {
		return nil, err
	}
	cubes, err := s.opts.Catalog.Cubes(r.Context(), r.URL.Query().Get("project")) // empty: all projects
	if err != nil {
		return nil, err
	}
	out := Segments{Segments: []Segment{}}
	for _, i := range cubes {
		if err := s.addSegments(r.Context(), &out, i, q); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Server) addSegments(ctx context.Context, out *Segments, i catalog.CubeInfo, q catalog.SegmentQuery) error {
	q.CubeID = i.Cube.ID
	for e, err := range s.opts.Catalog.Segments(ctx, q) {
		if err != nil {
			return err
		}
		out.Segments = append(out.Segments, segment(i, e))
	}
	return nil
}

// showSegment finds a segment by its number, or by its id or the beginning of one.
func (s *Server) showSegment(r *http.Request) (any, error) {
	i, err := s.namedCube(r)
	if err != nil {
		return nil, err
	}
	name := r.PathValue("segment")
	if number, err := strconv.ParseInt(name, 10, 64); err == nil && len(name) < minIDText {
		e, err := s.opts.Catalog.Segment(r.Context(), i.Cube.ID, number)
		if errors.Is(err, catalog.ErrNotFound) {
			return nil, noSegment(i, name)
		}
		return segment(i, e), err
	}
	all := catalog.SegmentQuery{CubeID: i.Cube.ID, States: []segmenter.SegmentState{segmenter.SegmentReady, segmenter.SegmentRetired}}
	for e, err := range s.opts.Catalog.Segments(r.Context(), all) {
		if err != nil {
			return nil, err
		}
		if len(name) >= minIDText && strings.HasPrefix(e.ID, name) {
			return segment(i, e), nil
		}
	}
	return nil, noSegment(i, name)
}

func noSegment(i catalog.CubeInfo, name string) error {
	return fmt.Errorf("segment %s of cube %s/%s: %w: tidemark segment list %s --state all shows which there are", name, i.Cube.Project, i.Cube.Name, catalog.ErrNotFound, i.Cube.Name)
}

// minIDText is how much of an id names a segment: numbers do not get that long.
const minIDText = 8

func (s *Server) building() (Building, error) {
	if s.opts.Building == nil {
		return nil, &Error{
			Status: http.StatusServiceUnavailable, Code: "unavailable",
			Message: "this process plans no segments: ask one that runs tidemark serve",
		}
	}
	return s.opts.Building, nil
}

// submit makes the handler of an action.
func (s *Server) submit(action string) handler {
	return func(r *http.Request) (any, error) {
		dry, err := boolean(r, "dry_run")
		if err != nil {
			return nil, err
		}
		var q SegmentRequest
		if err := readBody(r, &q); err != nil {
			return nil, err
		}
		if err := q.check(action); err != nil {
			return nil, err
		}
		if q.Key, err = idempotency(r, q); err != nil {
			return nil, err
		}
		i, err := s.namedCube(r)
		if err != nil {
			return nil, err
		}
		b, err := s.building()
		if err != nil {
			return nil, err
		}
		q.Project, q.Cube, q.By, q.DryRun = i.Cube.Project, i.Cube.Name, by(r), dry
		done, err := b.Submit(r.Context(), action, q)
		if err != nil {
			return nil, err
		}
		return submitted(i, action, dry, done), nil
	}
}

// check refuses what an action has no use for: it was meant to do something.
func (q *SegmentRequest) check(action string) error {
	build := action == actionBuild
	chosen := len(q.Segments) > 0 || !q.From.IsZero() || !q.To.IsZero()
	switch {
	case !build && (q.Start != "" || q.End != ""):
		return badRequest("start and end are of a build: a %s is of segments, by their numbers or by from and to", action)
	case (build || action == actionFill) && chosen:
		return badRequest("a %s takes no segments, from or to: segments are named to refresh, merge or drop them", action)
	case len(q.Segments) > 0 && (!q.From.IsZero() || !q.To.IsZero()):
		return badRequest("segments are named and a slice of time too: use one")
	case !build && action != actionFill && !chosen:
		return badRequest("which segments is missing: name their numbers, or a slice of time by from and to")
	case q.From.IsZero() != q.To.IsZero():
		return badRequest("a slice of time has two ends: give from and to")
	case !q.From.IsZero() && !q.From.Before(q.To):
		return badRequest("from %s is not before to %s", q.From.Format(time.RFC3339), q.To.Format(time.RFC3339))
	}
	return nil
}

func submitted(c catalog.CubeInfo, action string, dry bool, d *Done) Submitted {
	out := Submitted{
		Project: c.Cube.Project, Cube: c.Cube.Name, Action: action, DryRun: dry, Existing: d.Existing, Plan: d.Plan,
		Jobs: []Job{}, Segments: []Segment{}, Retired: append([]int64{}, d.Retired...), Rereads: []Reread{},
	}
	for _, j := range d.Jobs {
		out.Jobs = append(out.Jobs, job(c, j, time.Now()))
	}
	for _, e := range d.Segments {
		out.Segments = append(out.Segments, segment(c, e))
	}
	for _, r := range d.Rereads {
		out.Rereads = append(out.Rereads, reread(r))
	}
	return out
}

func (s *Server) holes(r *http.Request) (any, error) {
	i, err := s.namedCube(r)
	if err != nil {
		return nil, err
	}
	b, err := s.building()
	if err != nil {
		return nil, err
	}
	list, err := b.Holes(r.Context(), i.Cube.Project, i.Cube.Name)
	if err != nil {
		return nil, err
	}
	out := Holes{Project: i.Cube.Project, Cube: i.Cube.Name, Holes: []Hole{}}
	for _, h := range list {
		out.Holes = append(out.Holes, Hole{
			Start: at(h.Range.Starts()), End: at(h.Range.Ends()), Range: h.Range, After: h.After, Before: h.Before,
			Missing: slices.Concat([]segmenter.PartitionRange{}, h.Missing),
		})
	}
	return out, nil
}

func (s *Server) plan(r *http.Request) (any, error) {
	i, err := s.namedCube(r)
	if err != nil {
		return nil, err
	}
	b, err := s.building()
	if err != nil {
		return nil, err
	}
	return b.Plan(r.Context(), i.Cube.Project, i.Cube.Name)
}
