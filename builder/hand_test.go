package builder

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// pieces stages and builds segments of ten offsets each of partition 0.
func (w *world) pieces(b *Builder, n int64) {
	w.t.Helper()
	for i := range n {
		w.stage(0, i*10, i*10+10)
		if _, err := b.Build(w.t.Context(), BuildRequest{Request: w.request()}); err != nil {
			w.t.Fatal(err)
		}
		w.run(b)
	}
}

const byHand = "cut: {manual: true}\nmerge: {manual: true}\n"

// A merge has the events of what it replaces, and reads nothing but their manifests.
func TestMerge(t *testing.T) {
	w := newWorld(t, 1, byHand)
	b := w.builder(nil)
	w.pieces(b, 4)
	for o, err := range w.store.List(t.Context(), "staged/") { // a merge has no use for them
		must(t, err)
		must(t, w.store.Delete(t.Context(), o.Key))
	}
	got, err := b.Merge(t.Context(), MergeRequest{Request: w.request(), Choice: Choice{Segments: []int64{3, 2}}})
	must(t, err)
	w.wantSegments("1 ready p0 [0,10) 10 events", "2 ready p0 [10,20) 10 events", "3 ready p0 [20,30) 10 events", "4 ready p0 [30,40) 10 events", "5 new p0 [10,30) 0 events")
	w.run(b)
	w.wantSegments("1 ready p0 [0,10) 10 events", "4 ready p0 [30,40) 10 events", "5 ready p0 [10,30) 20 events")
	s, err := w.cat.Segment(t.Context(), w.cube.ID, got.Segments[0].Number)
	must(t, err)
	m, err := b.readManifest(t.Context(), segmenter.SegmentFolder(s.CubeID, s.ID, s.Attempt))
	must(t, err)
	if len(m.Inputs) != 2 || len(m.Replaces) != 2 || m.Measure.MinTimeUs != eventUs(10) || m.Measure.MaxTimeUs != eventUs(29) {
		t.Errorf("manifest: got %d inputs, replaces %v, %+v", len(m.Inputs), m.Replaces, m.Measure)
	}
	for _, tt := range []struct {
		segments []int64
		want     string
	}{
		{[]int64{1, 4}, "not neighbours"},
		{[]int64{1}, "at least two"},
		{[]int64{1, 2}, "segment 2 of cube views is not ready"},
		{nil, "no segment is named"},
	} {
		if _, err := b.Merge(t.Context(), MergeRequest{Request: w.request(), Choice: Choice{Segments: tt.segments}}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("merge %v: got %v, want %q in it", tt.segments, err, tt.want)
		}
	}
}

// A dropped segment leaves a hole, which is found, and filled by hand or, where the cube says so, by itself.
func TestDropAndFill(t *testing.T) {
	w := newWorld(t, 1, byHand+"fill_holes: false\n")
	b := w.builder(nil)
	w.pieces(b, 3)
	if _, err := b.Drop(t.Context(), DropRequest{Request: w.request(), Choice: Choice{Segments: []int64{2}}}); err != nil {
		t.Fatal(err)
	}
	w.wantSegments("1 ready p0 [0,10) 10 events", "3 ready p0 [20,30) 10 events")
	holes, err := b.Holes(t.Context(), "default", "views")
	must(t, err)
	if len(holes) != 1 || holes[0].Range.String() != "p0 [10,20)" || !holes[0].Fillable() {
		t.Fatalf("holes: got %v, want one of p0 [10,20)", holes)
	}
	p, err := b.Plan(t.Context(), "default", "views")
	must(t, err)
	if len(p.Actions) != 0 || !strings.Contains(strings.Join(p.Notes, "\n"), "fill_holes is off") {
		t.Errorf("plan: got %+v, want nothing but a note", p)
	}
	if _, err := b.Fill(t.Context(), w.request()); err != nil {
		t.Fatal(err)
	}
	w.run(b)
	w.wantSegments("1 ready p0 [0,10) 10 events", "3 ready p0 [20,30) 10 events", "4 ready p0 [10,20) 10 events")

	w.apply(byHand) // fill_holes is on by default; nothing else changes for what is there
	must(t, w.cat.Retire(t.Context(), w.cube.ID, []int64{4}, "test"))
	if _, err := b.maintain(t.Context(), w.cube.ID); err != nil {
		t.Fatal(err)
	}
	w.run(b)
	w.wantSegments("1 ready p0 [0,10) 10 events", "3 ready p0 [20,30) 10 events", "5 ready p0 [10,20) 10 events")
}

// A requeue changes the inputs of a segment, and of no other: it is built again and has the events that came.
func TestMaintainRefreshesChanged(t *testing.T) {
	w := newWorld(t, 1, byHand)
	b := w.builder(nil)
	w.stage(0, 0, 10, segmenter.Exception{Kind: segmenter.Quarantined, Start: 2, End: 4})
	w.stage(0, 10, 20)
	for _, end := range []string{"0:10", "0:20"} {
		at, err := ParsePosition(end)
		must(t, err)
		_, err = b.Build(t.Context(), BuildRequest{Request: w.request(), End: at})
		must(t, err)
		w.run(b)
	}
	w.wantSegments("1 ready p0 [0,10) 8 events", "2 ready p0 [10,20) 10 events")
	w.supplement(0, 3)
	spawn, err := b.maintain(t.Context(), w.cube.ID)
	must(t, err)
	if len(spawn) != 1 {
		t.Errorf("got %d bodies, want 1", len(spawn))
	}
	w.run(b)
	w.wantSegments("2 ready p0 [10,20) 10 events", "3 ready p0 [0,10) 9 events")
	if spawn, err = b.maintain(t.Context(), w.cube.ID); err != nil || len(spawn) != 0 {
		t.Errorf("once more: got %d bodies, %v, want none", len(spawn), err)
	}
}

// What cannot be rebuilt is told once and not planned; it goes on answering as it is.
func TestMaintainCannotRebuild(t *testing.T) {
	w := newWorld(t, 1, byHand)
	b := w.builder(nil)
	w.pieces(b, 2)
	w.apply(byHand + "description: another version\n")
	w.apply(byHand + "groups: [{dim_cap: 1}]\n")
	for o, err := range w.store.List(t.Context(), "staged/") {
		must(t, err)
		must(t, w.store.Delete(t.Context(), o.Key))
		break
	}
	spawn, err := b.maintain(t.Context(), w.cube.ID)
	must(t, err)
	if len(spawn) != 1 {
		t.Errorf("got %d bodies, want 1: the other segment's file is gone", len(spawn))
	}
	w.run(b)
	w.wantSegments("1 ready p0 [0,10) 10 events", "3 ready p0 [10,20) 10 events")
	if spawn, err = b.maintain(t.Context(), w.cube.ID); err != nil || len(spawn) != 0 {
		t.Errorf("once more: got %d bodies, %v, want none", len(spawn), err)
	}
}

// Retention takes from the front, and never the last segment.
func TestMaintainRetires(t *testing.T) {
	w := newWorld(t, 1, byHand+"retention: 1d\n")
	b := w.builder(nil)
	w.pieces(b, 3)
	if _, err := b.maintain(t.Context(), w.cube.ID); err != nil {
		t.Fatal(err)
	}
	w.wantSegments("3 ready p0 [20,30) 10 events")
	if _, err := b.Build(t.Context(), BuildRequest{Request: w.request()}); err == nil {
		t.Error("what was retired was planned again")
	}
}

// A slice of time: nothing there -> built; all there -> refreshed; a part there -> the rest is built.
func TestRefreshSlice(t *testing.T) {
	w := newWorld(t, 1, byHand)
	b := w.builder(nil)
	w.stage(0, 0, 10)
	w.stage(0, 10, 20)
	at := func(offset int64) time.Time { return time.UnixMicro(eventUs(offset)) }
	ask := func(from, to int64) (Submitted, error) {
		return b.Refresh(t.Context(), RefreshRequest{Request: w.request(), Choice: Choice{From: at(from), To: at(to)}, Span: 5 * time.Second})
	}
	if _, err := ask(12, 14); err != nil {
		t.Fatal(err)
	}
	w.run(b)
	w.wantSegments("1 ready p0 [10,20) 10 events")
	if _, err := ask(12, 14); err != nil {
		t.Fatal(err)
	}
	w.run(b)
	w.wantSegments("2 ready p0 [10,20) 10 events")
	if _, err := ask(5, 14); err != nil {
		t.Fatal(err)
	}
	w.run(b)
	w.wantSegments("2 ready p0 [10,20) 10 events", "3 ready p0 [0,10) 10 events")
	if _, err := ask(100, 200); err == nil || !strings.Contains(err.Error(), "nothing to do") {
		t.Errorf("a time without events: got %v", err)
	}
	if _, err := ask(14, 5); err == nil || !strings.Contains(err.Error(), "holds nothing") {
		t.Errorf("a slice that runs backwards: got %v", err)
	}
}

// A segment that a job is about to replace is not dropped; the refusal names the job.
func TestDropReplaced(t *testing.T) {
	w := newWorld(t, 1, byHand)
	b := w.builder(nil)
	w.pieces(b, 2)
	if _, err := b.Refresh(t.Context(), RefreshRequest{Request: w.request(), Choice: Choice{Segments: []int64{1}}}); err != nil {
		t.Fatal(err)
	}
	_, err := b.Drop(t.Context(), DropRequest{Request: w.request(), Choice: Choice{Segments: []int64{1}}})
	var conflict *catalog.ConflictError
	if !errors.As(err, &conflict) || !strings.Contains(err.Error(), "cancel that job first") {
		t.Errorf("got %v, want a ConflictError that names the job", err)
	}
}

// What a request gets wrong has a type of its own, so that nobody has to guess it from the words.
func TestRequestErrors(t *testing.T) {
	w := newWorld(t, 1, byHand)
	w.stage(0, 0, 10)
	b := w.builder(nil)
	ctx := t.Context()
	for name, ask := range map[string]func() error{
		"position": func() error { _, err := ParsePosition("tomorrow"); return err },
		"offset": func() error {
			_, err := b.Build(ctx, BuildRequest{Request: w.request(), End: Position{At: atOffsets, Offsets: []PartitionPlace{{Partition: 0, Generation: -1, Offset: 99}}}})
			return err
		},
		"backward": func() error {
			at := func(off int64) Position {
				return Position{At: atOffsets, Offsets: []PartitionPlace{{Partition: 0, Generation: -1, Offset: off}}}
			}
			_, err := b.Build(ctx, BuildRequest{Request: w.request(), Start: at(8), End: at(3)})
			return err
		},
		"no segment": func() error { _, err := b.Drop(ctx, DropRequest{Request: w.request()}); return err },
	} {
		var wrong *RequestError
		if err := ask(); !errors.As(err, &wrong) {
			t.Errorf("%s: got %v, want RequestError", name, err)
		}
	}
	must(t, w.cat.SetCubeState(ctx, w.cube.ID, catalog.CubeState{Reason: "test"}))
	var wrong *RequestError
	if _, err := b.Build(ctx, BuildRequest{Request: w.request()}); !errors.As(err, &wrong) {
		t.Errorf("disabled: got %v, want RequestError", err)
	}
	missing := w.request()
	missing.Cube = "none"
	if _, err := b.Build(ctx, BuildRequest{Request: missing}); errors.As(err, &wrong) || !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("no such cube: got %v, want ErrNotFound", err)
	}
}
