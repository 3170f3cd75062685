package builder

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// S17: the first segment of a cube fails for good while the one behind it is ready. Its offsets are a hole, which is filled
// when its file is back.
func TestFailedFrontIsAHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "cut: {age: 10s, rows_per_build: 1000}\nmerge: {manual: true}\n")
		w.stage(0, 0, 1000)
		w.stage(0, 1000, 2000)
		key := w.keys("staged/")[0]
		body, err := w.store.Open(t.Context(), key, 0, -1)
		must(t, err)
		text, err := io.ReadAll(body)
		must(t, errors.Join(err, body.Close()))
		must(t, w.store.Delete(t.Context(), key)) // away for a while
		b := w.builder(func(o *Options) {
			o.FailedHold, o.Interval, o.Lease = time.Minute, 5*time.Second, time.Minute
			o.CutEvery, o.RecoverEvery = 5*time.Second, 5*time.Second
		})
		stop := running(t, b)
		time.Sleep(2 * time.Minute)
		for _, s := range w.segments() {
			if strings.Contains(s, "ready p0 [0,1000)") {
				t.Fatalf("%s is ready without its file", s)
			}
		}
		must(t, w.store.Create(t.Context(), key, bytes.NewReader(text)))
		time.Sleep(15 * time.Minute)
		stop()
		w.wantHoles(b)
		whole := func(s string) bool { return strings.HasSuffix(s, "ready p0 [0,1000) 1000 events") }
		if got := w.segments(); !slices.ContainsFunc(got, whole) {
			t.Errorf("segments: got %q, want one over p0 [0,1000)", got)
		}
	})
}

// failFront reserves segments over ten offsets each, of which the first fails for good.
func (w *world) failFront(b *Builder, n int64) {
	w.t.Helper()
	var first int64
	for i := range n {
		w.stage(0, i*10, i*10+10)
		got, err := b.Build(w.t.Context(), BuildRequest{Request: w.request()})
		must(w.t, err)
		if i == 0 {
			first = got.Jobs[0].ID
		}
	}
	j, ok, err := w.cat.ClaimJob(w.t.Context(), catalog.JobClaim{ID: first, Owner: "n1", Now: time.Now(), Lease: time.Minute})
	if err != nil || !ok {
		w.t.Fatalf("claim: %t, %v", ok, err)
	}
	must(w.t, w.cat.FailJob(w.t.Context(), catalog.JobPause{ID: j.ID, Epoch: j.Epoch, Problem: "test"}))
	w.run(b)
}

func (w *world) wantHoles(b *Builder, want ...string) {
	w.t.Helper()
	list, err := b.Holes(w.t.Context(), "default", "views")
	must(w.t, err)
	var got []string
	for _, h := range list {
		got = append(got, h.String())
	}
	if d := cmp.Diff(want, got); d != "" {
		w.t.Errorf("holes (-want +got):\n%s", d)
	}
}

// S17: dropping moves the front only past what is dropped.
func TestDropMovesTheFront(t *testing.T) {
	w := newWorld(t, 1, byHand+"fill_holes: false\n")
	b := w.builder(nil)
	w.failFront(b, 4)
	w.wantHoles(b, "hole p0 [0,10) before segment 2: staged")
	drop := func(n int64) {
		t.Helper()
		_, err := b.Drop(t.Context(), DropRequest{Request: w.request(), Choice: Choice{Segments: []int64{n}}})
		must(t, err)
	}
	drop(2) // not at the front, where the hole is
	w.wantHoles(b, "hole p0 [0,20) before segment 3: staged")
	_, err := b.Fill(t.Context(), w.request())
	must(t, err)
	w.run(b)
	w.wantHoles(b)
	drop(5)
	w.wantHoles(b)
	drop(4)
	drop(3) // now nothing is left
	w.stage(0, 40, 50)
	_, err = b.Build(t.Context(), BuildRequest{Request: w.request()})
	must(t, err)
	w.run(b)
	w.wantSegments("6 ready p0 [30,50) 20 events") // it goes on at the front: 4 was not at it when it was dropped
	w.wantHoles(b)
}

// S17: a backfill that a person cancels leaves the cube where it began: nothing is planned of what is before it, and a catalog
// that is made again from files agrees, those that were written while the backfill was under way notwithstanding.
func TestCancelledBackfillIsUndone(t *testing.T) {
	w := newWorld(t, 1, byHand)
	w.storeTable()
	b := w.builder(nil)
	w.stage(0, 0, 60)
	at := func(offset int64) Position {
		return Position{At: atOffsets, Offsets: []PartitionPlace{{Generation: -1, Offset: offset}}}
	}
	build := func(start, end int64) int64 {
		t.Helper()
		got, err := b.Build(t.Context(), BuildRequest{Request: w.request(), Start: at(start), End: at(end)})
		must(t, err)
		return got.Jobs[0].ID
	}
	build(50, 60)
	w.run(b)
	job := build(0, 10)
	must(t, w.cat.PauseJob(t.Context(), job, "ann"))
	w.stage(0, 60, 70)
	build(60, 70)
	w.run(b)
	w.wantHoles(b, "hole p0 [10,50) between segments 2 and 1: staged")
	must(t, w.cat.CancelJob(t.Context(), job, "ann"))
	other, _ := w.again(b)
	for name, x := range map[string]*world{"as it was": w, "made again": other} {
		of := x.builder(nil)
		x.wantHoles(of)
		if p, err := of.Plan(t.Context(), "default", "views"); err != nil || len(p.Actions) != 0 {
			t.Errorf("%s: plan %v, %v, want nothing", name, p.Actions, err)
		}
	}
}

// S17: retention passes over a hole before what expires, and does not build it again.
func TestRetentionPassesTheFront(t *testing.T) {
	w := newWorld(t, 1, byHand+"retention: 1d\n")
	b := w.builder(nil)
	w.failFront(b, 4)
	_, err := b.maintain(t.Context(), w.cube.ID)
	must(t, err)
	w.wantSegments("4 ready p0 [30,40) 10 events")
	w.wantHoles(b)
}

// B1: a segment that was merged after the drop of it was planned is not dropped, and neither is what took its place.
func TestDropIsOfItsRevision(t *testing.T) {
	w := newWorld(t, 1, byHand+"fill_holes: false\n")
	b := w.builder(nil)
	w.pieces(b, 3)
	planned := 0
	_, err := b.submit(t.Context(), w.request(), KindRetire, nil, func(ctx context.Context) (Plan, error) {
		planned++
		s, err := b.snapshot(ctx, "default", "views")
		must(t, err)
		list, err := (Choice{Segments: []int64{1, 3}}).ready(s)
		if err != nil {
			return Plan{}, err
		}
		p := s.plan()
		for _, x := range list {
			p.Actions = append(p.Actions, Action{Kind: KindRetire, Replaces: []int64{x.Number}, Reason: "test"})
		}
		if planned == 1 { // meanwhile
			_, err := b.Merge(ctx, MergeRequest{Request: w.request(), Choice: Choice{Segments: []int64{1, 2}}})
			must(t, err)
			w.run(b)
		}
		return p, p.finish()
	})
	if !errors.Is(err, catalog.ErrNotFound) || planned != 2 {
		t.Errorf("got %v after %d plans, want segment 1 not found by the second", err, planned)
	}
	w.wantSegments("3 ready p0 [20,30) 10 events", "4 ready p0 [0,20) 20 events")
}

// A plan is done as a whole together with the answer to its request: one that met another in its midst leaves nothing, is
// planned again, and asked once more says the same.
func TestPlanIsDoneAsAWhole(t *testing.T) {
	w := newWorld(t, 1, "cut: {manual: true, rows_per_build: 1000}\nmerge: {manual: true}\n")
	b := w.builder(nil)
	w.stage(0, 0, 3000)
	req := BuildRequest{Request: w.request(), Start: Position{At: "earliest"}, End: Position{At: "latest"}}
	req.Key = "k"
	p, err := b.planBuild(t.Context(), req)
	must(t, err)
	bad := p
	bad.Actions = append(append([]Action{}, p.Actions[:2]...), p.Actions[1]) // the third overlaps the second
	var overlap *catalog.OverlapError
	if _, err := b.apply(t.Context(), bad, catalog.Idempotency{Key: "k", Request: "r"}, "ann"); !errors.As(err, &overlap) {
		t.Errorf("a plan that overlaps itself: got %v, want OverlapError", err)
	}
	w.wantSegments()
	got, err := b.Build(t.Context(), req)
	must(t, err)
	again, err := b.Build(t.Context(), req)
	must(t, err)
	if len(got.Jobs) != 3 || got.Existing || len(again.Jobs) != 3 || !again.Existing {
		t.Errorf("got %d jobs, existing %t, then %d, %t; want 3 new ones, then the same", len(got.Jobs), got.Existing, len(again.Jobs), again.Existing)
	}
	w.run(b)
	w.wantSegments("1 ready p0 [0,1000) 1000 events", "2 ready p0 [1000,2000) 1000 events", "3 ready p0 [2000,3000) 1000 events")
}

// A dry run, and a look at the plan, change nothing in the catalog: not even where a cube begins that is to begin at the end
// of the log.
func TestDryRunChangesNothing(t *testing.T) {
	w := newWorld(t, 1, byHand+"fill_holes: false\n")
	b := w.builder(nil)
	w.pieces(b, 4)
	must(t, w.cat.Retire(t.Context(), w.cube.ID, []int64{2}, "test"))
	w.stage(0, 40, 50)
	w.addCube("late", "start: latest\n")
	dry := w.request()
	dry.DryRun = true
	late := dry
	late.Cube = "late"
	pick := func(n ...int64) Choice { return Choice{Segments: n} }
	for name, ask := range map[string]func() error{
		"build": func() error { _, err := b.Build(t.Context(), BuildRequest{Request: dry}); return err },
		"drop":  func() error { _, err := b.Drop(t.Context(), DropRequest{Request: dry, Choice: pick(1)}); return err },
		"merge": func() error {
			_, err := b.Merge(t.Context(), MergeRequest{Request: dry, Choice: pick(3, 4)})
			return err
		},
		"refresh": func() error {
			_, err := b.Refresh(t.Context(), RefreshRequest{Request: dry, Choice: pick(1)})
			return err
		},
		"fill": func() error { _, err := b.Fill(t.Context(), dry); return err },
		"plan": func() error { _, err := b.Plan(t.Context(), "default", "views"); return err },
		"build of a cube that begins at the end": func() error {
			_, err := b.Build(t.Context(), BuildRequest{Request: late})
			if err == nil {
				return errors.New("there is nothing to build")
			}
			return nil
		},
		"plan of a cube that begins at the end": func() error { _, err := b.Plan(t.Context(), "default", "late"); return err },
	} {
		before := w.dump()
		must(t, ask())
		if d := cmp.Diff(before, w.dump()); d != "" {
			t.Errorf("%s, dry, changed the catalog (-before +after):\n%s", name, d)
		}
	}
}

// dump is the catalog as text, without its time.
func (w *world) dump() []string {
	w.t.Helper()
	var text bytes.Buffer
	must(w.t, w.cat.Dump(w.t.Context(), &text))
	return strings.Split(text.String(), "\n")[1:]
}
