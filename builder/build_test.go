package builder

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

// A build measures times and counts exactly, also where its range ends inside of staged files, and leaves a manifest that
// names all that it read.
func TestBuild(t *testing.T) {
	w := newWorld(t, 2, "cut: {manual: true}\n")
	w.stage(0, 0, 20, segmenter.Exception{Kind: segmenter.Gap, Start: 3, End: 5}, segmenter.Exception{Kind: segmenter.Quarantined, Start: 8, End: 10})
	w.lose(0, 20, 25)
	w.stage(0, 25, 40)
	w.stage(1, 0, 30)
	w.supplement(0, 9)
	b := w.builder(nil)
	at := func(text string) Position {
		p, err := ParsePosition(text)
		must(t, err)
		return p
	}
	got, err := b.Build(t.Context(), BuildRequest{Request: w.request(), End: at("0:30,1:10")})
	must(t, err)
	if len(got.Jobs) != 1 || len(got.Segments) != 1 || got.Existing || got.Plan.Hash == "" {
		t.Fatalf("submitted: got %+v, want one job", got)
	}
	w.wantSegments("1 new p0 [0,30) p1 [0,10) 0 events")
	if n := w.run(b); n != 1 {
		t.Errorf("%d attempts, want 1", n)
	}
	w.wantSegments("1 ready p0 [0,30) p1 [0,10) 32 events")
	s, err := w.cat.Segment(t.Context(), w.cube.ID, 1)
	must(t, err)
	want := []segmenter.Measure{
		{Events: 22, Gaps: 2, Quarantined: 1, Lost: 5, MinTimeUs: eventUs(0), MaxTimeUs: eventUs(29)},
		{Events: 10, MinTimeUs: eventUs(0), MaxTimeUs: eventUs(9)},
	}
	for i, p := range s.Parts {
		if p.Measure != want[i] {
			t.Errorf("part %d: got %+v, want %+v", i, p.Measure, want[i])
		}
	}
	m, err := b.readManifest(t.Context(), segmenter.SegmentFolder(s.CubeID, s.ID, s.Attempt))
	must(t, err)
	if len(m.Inputs) != 5 || len(m.Cuboids) != 0 || m.Measure.Events != 32 || m.TableID != w.table.ID {
		t.Errorf("manifest: got %d inputs, %d cuboids, %+v, table %s", len(m.Inputs), len(m.Cuboids), m.Measure, m.TableID)
	}
	if j := w.job(got.Jobs[0].ID); j.State != catalog.JobFinished || len(j.Steps) == 0 {
		t.Errorf("job: got %+v, want it finished with steps", j)
	}

	// The next one goes on where this one ends, in the middle of two files.
	got, err = b.Build(t.Context(), BuildRequest{Request: w.request()})
	must(t, err)
	w.run(b)
	w.wantSegments("1 ready p0 [0,30) p1 [0,10) 32 events", "2 ready p0 [30,40) p1 [10,30) 30 events")
	if s, err = w.cat.Segment(t.Context(), w.cube.ID, 2); err != nil || s.MinTimeUs != eventUs(10) || s.MaxTimeUs != eventUs(39) {
		t.Errorf("second: got times [%d, %d], %v, want [%d, %d]", s.MinTimeUs, s.MaxTimeUs, err, eventUs(10), eventUs(39))
	}
	if _, err = b.Build(t.Context(), BuildRequest{Request: w.request()}); !errors.Is(err, plan.ErrNothingNew) {
		t.Errorf("nothing new: got %v, want ErrNothingNew", err)
	}
}

// What a person asked wrongly is refused with what is wrong, and nothing is reserved.
func TestBuildRefused(t *testing.T) {
	w := newWorld(t, 2, "")
	w.stage(0, 0, 20)
	w.stage(1, 0, 20)
	w.log.setEnds(map[int32]int64{0: 25, 1: 20})
	b := w.builder(nil)
	for _, tt := range []struct{ start, end, want string }{
		{"0:10", "0:5", "before the start"},
		{"7:1", "", "partition 7"},
		{"", "0:26", "outside of what can be read"},
		{"0:30", "", "outside of what can be read"},
		{"0.g3:1", "", "no generation 3"},
		{"0:5,1:5", "0:5,1:5", "no new offsets"},
		{"17", "", "sum of no known place"},
		{"0:x", "", "no offset"},
		{"0:1,0:2", "", "named twice"},
		{"yesterday", "", "want earliest"},
		{"-3", "", "negative"},
	} {
		start, err := ParsePosition(tt.start)
		end, endErr := ParsePosition(tt.end)
		if err == nil && endErr == nil {
			_, err = b.Build(t.Context(), BuildRequest{Request: w.request(), Start: start, End: end})
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("build from %q to %q: got %v, want %q in it", tt.start, tt.end, err, tt.want)
		}
	}
	bad := w.request()
	bad.Cube = "nobody"
	if _, err := b.Build(t.Context(), BuildRequest{Request: bad}); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("unknown cube: got %v, want ErrNotFound", err)
	}
	must(t, w.cat.SetCubeState(t.Context(), w.cube.ID, catalog.CubeState{Reason: "by hand"}))
	if _, err := b.Build(t.Context(), BuildRequest{Request: w.request()}); err == nil || !strings.Contains(err.Error(), "disabled") {
		t.Errorf("disabled cube: got %v", err)
	}
	w.wantSegments()
}

// A dry run changes nothing; its hash holds while nothing changes, and is refused afterwards (B6).
func TestBuildPlanned(t *testing.T) {
	w := newWorld(t, 1, "")
	w.stage(0, 0, 20)
	b := w.builder(nil)
	req := BuildRequest{Request: w.request()}
	req.DryRun = true
	shown, err := b.Build(t.Context(), req)
	must(t, err)
	w.wantSegments()
	if len(shown.Plan.Actions) != 1 || len(shown.Jobs) != 0 {
		t.Fatalf("dry run: got %+v", shown)
	}
	w.stage(0, 20, 30)
	req.DryRun, req.Hash = false, shown.Plan.Hash
	var changed *HashError
	if _, err := b.Build(t.Context(), req); !errors.As(err, &changed) {
		t.Fatalf("changed plan: got %v, want HashError", err)
	}
	req.Hash = changed.Plan.Hash
	if _, err := b.Build(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	w.wantSegments("1 new p0 [0,30) 0 events")
}

// The same request twice is one segment, also while offsets come in between; another request under its key is refused.
func TestBuildIdempotent(t *testing.T) {
	w := newWorld(t, 1, "cut: {rows_per_build: 1000, manual: true}\n")
	w.stage(0, 0, 3500)
	b := w.builder(nil)
	req := BuildRequest{Request: w.request()}
	req.Key = "ann/1"
	first, err := b.Build(t.Context(), req)
	must(t, err)
	if len(first.Jobs) != 4 {
		t.Fatalf("got %d jobs, want 4 of at most 1000 offsets", len(first.Jobs))
	}
	w.stage(0, 3500, 5000)
	again, err := b.Build(t.Context(), req)
	must(t, err)
	if !again.Existing || len(again.Jobs) != 4 || again.Jobs[3].ID != first.Jobs[3].ID {
		t.Errorf("again: got %+v, want the first answer", again)
	}
	req.Cube = "other"
	var conflict *catalog.ConflictError
	if _, err := b.Build(t.Context(), req); !errors.As(err, &conflict) {
		t.Errorf("another request under the key: got %v, want ConflictError", err)
	}
	w.wantSegments("1 new p0 [0,875) 0 events", "2 new p0 [875,1750) 0 events", "3 new p0 [1750,2625) 0 events", "4 new p0 [2625,3500) 0 events")
}

// What is not staged is asked for, and the job waits without a slot until it is (B5).
func TestBuildWaitsForStaging(t *testing.T) {
	w := newWorld(t, 2, "")
	w.stage(0, 0, 10)
	w.log.setEnds(map[int32]int64{0: 15, 1: 5})
	b := w.builder(nil)
	got, err := b.Build(t.Context(), BuildRequest{Request: w.request()})
	must(t, err)
	w.run(b)
	j := w.job(got.Jobs[0].ID)
	if j.State != catalog.JobWaiting || j.Owner != "" || !strings.Contains(j.Problem, "10 offsets to be staged: p0 [10,15) p1 [0,5)") {
		t.Fatalf("job: got %+v, want it to wait without an owner", j)
	}
	rolls, err := w.cat.RollRequests(t.Context())
	must(t, err)
	if len(rolls) != 2 || rolls[0].UpTo != 15 || rolls[1].UpTo != 5 {
		t.Errorf("roll requests: got %+v, want one up to 15 and one up to 5", rolls)
	}
	w.stage(0, 10, 15)
	if n := w.run(b); n != 0 {
		t.Errorf("%d attempts while partition 1 is not staged, want 0", n)
	}
	w.stage(1, 0, 5)
	if n := w.run(b); n != 1 {
		t.Errorf("%d attempts when all is staged, want 1", n)
	}
	w.wantSegments("1 ready p0 [0,15) p1 [0,5) 20 events")
}

// What was sent right behind one request is for the next: a request never takes an older answer of the brokers.
func TestBuildAsksForTheEndAnew(t *testing.T) {
	w := newWorld(t, 1, "")
	w.stage(0, 0, 10)
	b := w.builder(nil)
	for _, end := range []int64{10, 15, 16} {
		w.log.setEnds(map[int32]int64{0: end})
		_, err := b.Build(t.Context(), BuildRequest{Request: w.request()})
		must(t, err)
	}
	w.wantSegments("1 new p0 [0,10) 0 events", "2 new p0 [10,15) 0 events", "3 new p0 [15,16) 0 events")
}

// A build whose staged file is gone fails at once with what to do, and keeps its reservation to be resumed.
func TestBuildFileGone(t *testing.T) {
	w := newWorld(t, 1, "")
	w.stage(0, 0, 10)
	b := w.builder(nil)
	got, err := b.Build(t.Context(), BuildRequest{Request: w.request()})
	must(t, err)
	for o, err := range w.store.List(t.Context(), "staged/") {
		must(t, err)
		must(t, w.store.Delete(t.Context(), o.Key))
	}
	if n := w.run(b); n != 1 {
		t.Errorf("%d attempts, want 1: trying again cannot help", n)
	}
	j := w.job(got.Jobs[0].ID)
	if j.State != catalog.JobFailed || !j.Reserved || !strings.Contains(j.Problem, "gone from the store") {
		t.Errorf("job: got %+v", j)
	}
	w.wantSegments("1 new p0 [0,10) 0 events")
}

// Before any partition has begun a request is refused as too early, not as wrong, and a start is not taken for fixed.
func TestBuildBeforeAnythingIsRead(t *testing.T) {
	w := newWorld(t, 0, byHand)
	b := w.builder(nil)
	var conflict *catalog.ConflictError
	const want = "no partition of topic events has begun to be read: ask again in some seconds"
	if _, err := b.Build(t.Context(), BuildRequest{Request: w.request()}); !errors.As(err, &conflict) || !strings.Contains(err.Error(), want) {
		t.Errorf("build: got %v, want ConflictError with what to do", err)
	}
	if _, err := b.SetStart(t.Context(), "default", "views", Position{At: atLatest}); !errors.As(err, &conflict) {
		t.Errorf("start: got %v, want ConflictError", err)
	}
}

// A cube that is dropped between its plan and what is done by it is nothing to be done, and no failure.
func TestTaskOfADroppedCube(t *testing.T) {
	w := newWorld(t, 1, byHand)
	w.stage(0, 0, 10)
	b := w.builder(nil)
	p, err := b.planBuild(t.Context(), BuildRequest{Request: w.request()})
	must(t, err)
	must(t, w.cat.DropCube(t.Context(), "default", "views", "ann"))
	if spawn, err := b.applyTask(t.Context(), func(context.Context) (*Plan, error) { return &p, nil }); err != nil || len(spawn) != 0 {
		t.Errorf("apply: got %d tasks, %v, want none", len(spawn), err)
	}
	for name, run := range map[string]func(context.Context, string) ([]scheduler.Submission, error){"cut": b.cut, "maintain": b.maintain} {
		if spawn, err := run(t.Context(), w.cube.ID); err != nil || len(spawn) != 0 {
			t.Errorf("%s: got %d tasks, %v, want none", name, len(spawn), err)
		}
	}
}
