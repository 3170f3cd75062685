package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/doctor"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

var testTime = time.Unix(1000, 0)

const segmentsPath = "/api/v1/cubes/clicks_cube/segments"

func TestSegmentListShow(t *testing.T) {
	w := newWorld(t)
	_, id := w.cubed()
	a := w.build(id, span(0, 10, 0, 20))
	b := w.build(id, span(10, 30, 20, 20))
	if err := w.catalog.Retire(t.Context(), id, []int64{a.Number}, "dropped"); err != nil {
		t.Fatal(err)
	}
	var list Segments
	w.get(http.MethodGet, segmentsPath+"?state=all", "", &list)
	if len(list.Segments) != 2 {
		t.Fatalf("list of all: %+v", list)
	}
	s := list.Segments[0]
	if diff := cmp.Diff(map[string]int64{"0": 10, "1": 20}, s.End); diff != "" || s.Start["1"] != 0 || s.State != "retired" || s.Retired != "dropped" {
		t.Errorf("first segment %+v: %s", s, diff)
	}
	if want := "segments/" + id + "/" + b.ID + ".2"; list.Segments[1].Path != want {
		t.Errorf("path %q, want %q", list.Segments[1].Path, want)
	}
	if got := list.Segments[1]; got.MinTime == nil || !got.MinTime.Equal(time.UnixMicro(1010e6).UTC()) || !got.MaxTime.Equal(time.UnixMicro(1029e6)) || got.Events != 20 {
		t.Errorf("times %v to %v of %d events", got.MinTime, got.MaxTime, got.Events)
	}
	for query, want := range map[string]int{
		"":                                       1,
		"?state=ready":                           1,
		"?state=new":                             0,
		"?state=new,retired":                     1,
		"?from=1970-01-01T00:16:50Z":             1,
		"?to=1970-01-01T00:16:50Z":               0, // half-open: the first event lies at its end
		"?to=1970-01-01T00:16:51Z":               1,
		"?from=1970-01-02&state=all":             0,
		"?after=1":                               1,
		"?after=2":                               0,
		"?limit=1&state=all":                     1,
		"?project=default&from=1970-01-01":       1,
		"?from=1970-01-01T00:16:49.5&state=all":  2,
		"?from=1970-01-01T00:00:01Z&state=ready": 1,
	} {
		if w.get(http.MethodGet, segmentsPath+query, "", &list); len(list.Segments) != want {
			t.Errorf("%q: %d segments, want %d", query, len(list.Segments), want)
		}
	}
	if w.get(http.MethodGet, "/api/v1/segments?state=all", "", &list); len(list.Segments) != 2 {
		t.Errorf("segments of all cubes: %+v", list)
	}
	for _, name := range []string{"2", b.ID, b.ID[:12]} {
		var shown Segment
		if w.get(http.MethodGet, segmentsPath+"/"+name, "", &shown); shown.Number == 0 {
			t.Errorf("show %s: %+v", name, shown)
		}
	}
	for query, code := range map[string]string{"?state=old": "bad_request", "?from=soon": "bad_request", "?limit=0": "bad_request", "/9": "not_found", "/aaaa": "not_found"} {
		status := http.StatusBadRequest
		if code == "not_found" {
			status = http.StatusNotFound
		}
		w.refused(http.MethodGet, segmentsPath+query, "", status, code)
	}
	w.refused(http.MethodGet, "/api/v1/cubes/none/segments", "", http.StatusNotFound, "not_found")
}

// The fields that the first reader of segment list relies on, by their names.
func TestSegmentJSONHasThePromisedFields(t *testing.T) {
	w := newWorld(t)
	_, id := w.cubed()
	w.build(id, span(0, 10, 0, 20))
	_, text := w.call(http.MethodGet, segmentsPath, "")
	var got struct {
		Segments []struct {
			Cube, ID, Path, State string
			Start, End            map[string]int64
			MinTime               string `json:"min_time"`
			MaxTime               string `json:"max_time"`
			Events                int64
		}
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	s := got.Segments[0]
	if s.Cube != "clicks_cube" || s.ID == "" || !strings.HasPrefix(s.Path, "segments/") || s.State != "ready" || s.Events != 30 ||
		s.MinTime != "1970-01-01T00:16:40Z" || s.MaxTime != "1970-01-01T00:33:39Z" {
		t.Errorf("got %+v of %s", s, text)
	}
	if diff := cmp.Diff(map[string]int64{"0": 10, "1": 20}, s.End); diff != "" {
		t.Error(diff)
	}
}

func TestBuildDryRunAndForReal(t *testing.T) {
	w := newWorld(t)
	b, _ := w.cubed()
	b.rng = span(0, 10, 0, 20)
	var out Submitted
	w.get(http.MethodPost, segmentsPath+"?dry_run", `{"start": "0:0,1:0", "end": "latest"}`, &out)
	if !out.DryRun || out.Plan.Hash != "abc" || len(out.Jobs) != 0 || !b.asked.DryRun || b.asked.Start != "0:0,1:0" || b.asked.End != "latest" {
		t.Errorf("dry run: %+v, asked %+v", out, b.asked)
	}
	w.refused(http.MethodPost, segmentsPath, `{"plan": "other"}`, http.StatusConflict, "conflict")
	w.get(http.MethodPost, segmentsPath, `{"plan": "abc"}`, &out)
	if len(out.Jobs) != 1 || len(out.Segments) != 1 || out.Segments[0].State != "new" || out.Segments[0].Path != "" || out.Jobs[0].State != "pending" {
		t.Errorf("build: %+v", out)
	}
	e := w.refused(http.MethodPost, segmentsPath, "", http.StatusConflict, "conflict")
	if !strings.Contains(e.Message, "overlaps") || !strings.Contains(e.Message, "wait for its job, or cancel it") {
		t.Errorf("an overlap: %q", e.Message)
	}
}

// R2: two identical requests under one key are one; another request under it is refused.
func TestIdempotencyKeyOfABuild(t *testing.T) {
	w := newWorld(t)
	b, id := w.cubed()
	b.rng = span(0, 10, 0, 20)
	code, first := w.keyed(http.MethodPost, segmentsPath, `{}`, "k")
	if code != http.StatusOK {
		t.Fatalf("first: %d %s", code, first)
	}
	if code, again := w.keyed(http.MethodPost, segmentsPath, `{}`, "k"); code != http.StatusOK || again != first {
		t.Errorf("again: %d %s\nwant %s", code, again, first)
	}
	if code, other := w.keyed(http.MethodPost, segmentsPath, `{"end": "earliest"}`, "k"); code != http.StatusConflict {
		t.Errorf("another request: %d %s", code, other)
	}
	jobs, err := w.catalog.OpenJobs(t.Context(), id)
	if err != nil || len(jobs) != 1 {
		t.Errorf("%d jobs, %v", len(jobs), err)
	}
}

func TestSegmentRequestsThatMakeNoSense(t *testing.T) {
	w := newWorld(t)
	b, _ := w.cubed()
	for _, c := range []struct{ path, body, want string }{
		{"", `{"segments": [1]}`, "takes no segments"},
		{"", `{"stat": "earliest"}`, "unknown field"},
		{"", `[`, "the body is not what"},
		{"/refresh", `{}`, "which segments is missing"},
		{"/refresh", `{"start": "earliest"}`, "start and end are of a build"},
		{"/merge", `{"segments": [1,2], "from": "2026-01-01T00:00:00Z"}`, "use one"},
		{"/drop", `{"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}`, "is not before"},
		{"?dry_run=perhaps", `{}`, "want true or false"},
	} {
		e := w.refused(http.MethodPost, segmentsPath+c.path, c.body, http.StatusBadRequest, "bad_request")
		if !strings.Contains(e.Message, c.want) {
			t.Errorf("%s %s: %q, want %q", c.path, c.body, e.Message, c.want)
		}
	}
	w.refused(http.MethodPost, "/api/v1/cubes/none/segments", `{}`, http.StatusNotFound, "not_found")
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{plan.ErrNothingNew, http.StatusConflict, "nothing_new"},
		{&plan.OverlapError{Segment: 3, State: segmenter.SegmentReady}, http.StatusConflict, "conflict"},
		{&segmenter.NotAdjacentError{Why: "there is a hole"}, http.StatusConflict, "conflict"},
		{&RequestError{errors.New("offset 9 is beyond the log")}, http.StatusBadRequest, "bad_request"},
		{catalog.ErrUnavailable, http.StatusServiceUnavailable, "unavailable"},
		{catalog.ErrQueueFull, http.StatusServiceUnavailable, "unavailable"},
	} {
		b.err = c.err
		w.refused(http.MethodPost, segmentsPath, `{}`, c.status, c.code)
	}
}

func TestRefreshMergeDropFill(t *testing.T) {
	w := newWorld(t)
	b, id := w.cubed()
	first, second := w.build(id, span(0, 10, 0, 20)), w.build(id, span(10, 30, 20, 20))
	var out Submitted
	b.rng = first.Range
	w.get(http.MethodPost, segmentsPath+"/refresh", `{"segments": [1]}`, &out)
	if b.action != "refresh" || out.Jobs[0].Kind != "refresh" || out.Segments[0].Replaces[0] != first.Number {
		t.Errorf("refresh: %+v", out)
	}
	w.refused(http.MethodPost, segmentsPath+"/drop", `{"segments": [1]}`, http.StatusConflict, "conflict") // its job comes first
	w.get(http.MethodPost, segmentsPath+"/drop", `{"segments": [2]}`, &out)
	if len(out.Retired) != 1 || out.Retired[0] != second.Number {
		t.Errorf("drop: %+v", out)
	}
	w.get(http.MethodPost, segmentsPath+"/merge?dry_run", `{"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}`, &out)
	if b.action != "merge" || b.asked.From.IsZero() || !out.DryRun {
		t.Errorf("merge: %+v", b.asked)
	}
	w.get(http.MethodPost, "/api/v1/cubes/clicks_cube/holes?dry_run", "", &out)
	if b.action != "fill" {
		t.Errorf("fill: %s", b.action)
	}
	b.holes = []plan.Hole{{Range: span(10, 30, 20, 20), After: 1, Before: 3, Missing: []segmenter.PartitionRange{{Start: 12, End: 13}}}}
	var holes Holes
	w.get(http.MethodGet, "/api/v1/cubes/clicks_cube/holes", "", &holes)
	if len(holes.Holes) != 1 || holes.Holes[0].Start["0"] != 10 || holes.Holes[0].End["0"] != 30 || len(holes.Holes[0].Missing) != 1 {
		t.Errorf("holes: %+v", holes)
	}
	var p Plan
	if w.get(http.MethodGet, "/api/v1/cubes/clicks_cube/plan", "", &p); p.Hash != "abc" {
		t.Errorf("plan: %+v", p)
	}
}

func TestWithoutBuildingNothingIsPlanned(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Building = nil })
	w.applyCube()
	w.refused(http.MethodPost, segmentsPath, `{}`, http.StatusServiceUnavailable, "unavailable")
	w.refused(http.MethodGet, "/api/v1/cubes/clicks_cube/plan", "", http.StatusServiceUnavailable, "unavailable")
	w.refused(http.MethodGet, "/api/v1/cubes/clicks_cube/holes", "", http.StatusServiceUnavailable, "unavailable")
	w.refused(http.MethodPost, "/api/v1/tasks", `{"kind": "cleanup"}`, http.StatusServiceUnavailable, "unavailable")
}

func TestJobsByHand(t *testing.T) {
	w := newWorld(t)
	b, _ := w.cubed()
	b.rng = span(0, 10, 0, 20)
	var out Submitted
	w.get(http.MethodPost, segmentsPath, `{}`, &out)
	path := func(action string) string {
		return "/api/v1/jobs/" + string(must(json.Marshal(out.Jobs[0].ID))) + action
	}
	var j Job
	for _, c := range []struct{ action, state string }{{"/pause", "paused"}, {"/pause", "paused"}, {"/resume", "pending"}, {"/retry", "pending"}} {
		if w.get(http.MethodPost, path(c.action), "", &j); j.State != c.state {
			t.Errorf("%s: %+v", c.action, j)
		}
	}
	w.get(http.MethodPost, path("/pause"), "", &j)
	w.refused(http.MethodPost, path("/retry"), "", http.StatusConflict, "conflict")
	var log JobLog
	if w.get(http.MethodGet, path("/log"), "", &log); len(log.Lines) == 0 || log.Lines[0].Text != "paused by anonymous" {
		t.Errorf("log: %+v", log)
	}
	if w.get(http.MethodPost, path("/cancel"), "", &j); j.State != "cancelled" || j.Reserved {
		t.Errorf("cancel: %+v", j)
	}
	w.refused(http.MethodPost, path("/resume"), "", http.StatusConflict, "conflict")
	var list Jobs
	if w.get(http.MethodGet, "/api/v1/jobs?state=cancelled&cube=clicks_cube", "", &list); len(list.Jobs) != 1 || list.Jobs[0].Cube != "clicks_cube" {
		t.Errorf("list: %+v", list)
	}
	if w.get(http.MethodGet, "/api/v1/jobs?project=other", "", &list); len(list.Jobs) != 0 {
		t.Errorf("jobs of another project: %+v", list)
	}
	w.get(http.MethodDelete, path(""), "", &j)
	w.refused(http.MethodGet, path(""), "", http.StatusNotFound, "not_found")
	w.refused(http.MethodGet, "/api/v1/jobs?state=old", "", http.StatusBadRequest, "bad_request")
	w.refused(http.MethodGet, "/api/v1/jobs/one", "", http.StatusBadRequest, "bad_request")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestProgressOfAJob(t *testing.T) {
	for name, c := range map[string]struct {
		job  catalog.Job
		want float64
	}{
		"new":                    {catalog.Job{}, 0},
		"finished":               {catalog.Job{State: catalog.JobFinished}, 1},
		"half of the first step": {catalog.Job{Steps: []catalog.JobStep{{Done: 5, Total: 10}}}, 0.25},
		"one step ended":         {catalog.Job{Steps: []catalog.JobStep{{EndedUs: 1}, {}}}, 1.0 / 3},
	} {
		if got := progress(c.job); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestTasksByHand(t *testing.T) {
	w := newWorld(t)
	b, _ := w.cubed()
	code, first := w.keyed(http.MethodPost, "/api/v1/tasks", `{"kind": "cleanup", "spec": {"a": 1}}`, "k")
	if _, again := w.keyed(http.MethodPost, "/api/v1/tasks", `{"kind": "cleanup", "spec": {"a": 1}}`, "k"); code != http.StatusOK || taskID(t, first) != taskID(t, again) {
		t.Errorf("submit: %d %s, again %s", code, first, again)
	}
	if b.task.Kind != "cleanup" || b.task.Project != "default" || b.task.By != "anonymous" {
		t.Errorf("asked %+v", b.task)
	}
	w.refused(http.MethodPost, "/api/v1/tasks", `{}`, http.StatusBadRequest, "bad_request")
	var list Tasks
	if w.get(http.MethodGet, "/api/v1/tasks", "", &list); len(list.Tasks) != 1 || list.Tasks[0].State != "init" {
		t.Fatalf("list: %+v", list)
	}
	path := "/api/v1/tasks/" + string(must(json.Marshal(list.Tasks[0].ID)))
	var task Task
	if w.get(http.MethodPost, path+"/pause", "", &task); !task.Paused {
		t.Errorf("pause: %+v", task)
	}
	if w.get(http.MethodPost, path+"/resume", "", &task); task.Paused {
		t.Errorf("resume: %+v", task)
	}
	if w.get(http.MethodPost, path+"/cancel", "", &task); task.State != "cancelled" {
		t.Errorf("cancel: %+v", task)
	}
	if w.get(http.MethodGet, "/api/v1/tasks", "", &list); len(list.Tasks) != 0 {
		t.Errorf("live: %+v", list)
	}
	if w.get(http.MethodGet, "/api/v1/tasks?all", "", &list); len(list.Tasks) != 1 {
		t.Errorf("all: %+v", list)
	}
	if w.get(http.MethodPost, path+"/retry", "", &task); task.State != "init" {
		t.Errorf("retry: %+v", task)
	}
	w.get(http.MethodGet, path, "", &task)
	w.refused(http.MethodGet, "/api/v1/tasks?state=old", "", http.StatusBadRequest, "bad_request")
	w.refused(http.MethodGet, "/api/v1/tasks/99", "", http.StatusNotFound, "not_found")
}

func taskID(t *testing.T, text string) int64 {
	t.Helper()
	var task Task
	if err := json.Unmarshal([]byte(text), &task); err != nil {
		t.Fatal(err)
	}
	return task.ID
}

func TestDoctorAnswers(t *testing.T) {
	w := newWorld(t)
	w.cubed()
	var r doctor.Report
	w.get(http.MethodGet, "/api/v1/doctor", "", &r)
	if len(r.Findings) != 2 || r.Findings[0].Blocked || !r.Findings[1].Blocked || r.Findings[1].Command != "tidemark serve" {
		t.Errorf("got %+v", r)
	}
	w.refused(http.MethodGet, "/api/v1/doctor?name=none", "", http.StatusNotFound, "not_found")
}
