package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// fakeEngine says that its cuboids are in another store.
type fakeEngine struct {
	cuboids int
	built   []string // ranges, in order
}

func (e *fakeEngine) Build(_ context.Context, in EngineInput) (EngineOutput, error) {
	e.built = append(e.built, fmt.Sprintf("%s of %d", in.Range, len(in.Merged)))
	out := EngineOutput{Stored: &segmenter.StoredTable{Store: "fake", Table: in.Folder}}
	for i := range e.cuboids {
		out.Cuboids = append(out.Cuboids, segmenter.CuboidEntry{Cuboid: int64(i) + 1, Rows: 1, Bytes: 1, SHA256: strings.Repeat("0", 64)})
	}
	return out, nil
}

func (w *world) bare() (list []int64) {
	w.t.Helper()
	for s, err := range w.cat.Segments(w.t.Context(), catalog.SegmentQuery{CubeID: w.cube.ID}) {
		must(w.t, err)
		if s.Bare {
			list = append(list, s.Number)
		}
	}
	return list
}

// What was built before there was an engine is built again once there is one, the newest data first, never more at a time than
// there is room for, and once: an engine that makes no cuboids of a definition is not asked for ever.
func TestSegmentsWithoutCuboidsAreRefreshed(t *testing.T) {
	for _, cuboids := range []int{3, 0} {
		t.Run(fmt.Sprint(cuboids, " cuboids"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, "max_jobs: 1\ncut: {manual: true}\nmerge: {manual: true}\n")
				w.storeTable()
				w.pieces(w.builder(nil), 6)
				if d := cmp.Diff([]int64{1, 2, 3, 4, 5, 6}, w.bare()); d != "" {
					t.Errorf("built without an engine (-want +got):\n%s", d)
				}
				engine := &fakeEngine{cuboids: cuboids}
				b := w.builder(func(o *Options) { o.Engine, o.MaxNew = engine, 4 })
				p, err := b.Plan(t.Context(), "default", "views")
				must(t, err)
				if len(p.Actions) != 2 || p.Actions[0].Kind != KindRefresh || p.Actions[0].Reason != "refresh: build its cuboids" || !slices.Equal(p.Actions[0].Replaces, []int64{6}) {
					t.Errorf("first plan: %v, want the two newest refreshed", p.Actions)
				}
				stop := running(t, b)
				time.Sleep(2 * time.Minute)
				stop()
				if d := cmp.Diff([]int64(nil), w.bare()); d != "" {
					t.Errorf("without cuboids after it (-want +got):\n%s", d)
				}
				want := []string{"p0 [50,60) of 0", "p0 [40,50) of 0", "p0 [30,40) of 0", "p0 [20,30) of 0", "p0 [10,20) of 0", "p0 [0,10) of 0"}
				if d := cmp.Diff(want, engine.built); d != "" {
					t.Errorf("the engine was asked for (-want +got):\n%s", d)
				}
				c, _ := w.rebuilt()
				if d := cmp.Diff([]int64(nil), (&world{t: t, cat: c, cube: w.cube}).bare()); d != "" {
					t.Errorf("without cuboids in the rebuilt catalog (-want +got):\n%s", d)
				}
			})
		})
	}
}

// A rebuilt catalog knows which segments have no cuboids.
func TestRebuildKnowsBareSegments(t *testing.T) {
	w := newWorld(t, 1, byHand)
	w.storeTable()
	w.pieces(w.builder(nil), 2)
	engine := w.builder(func(o *Options) { o.Engine = &fakeEngine{cuboids: 1} })
	_, err := engine.Refresh(t.Context(), RefreshRequest{Request: w.request(), Choice: Choice{Segments: []int64{1}}})
	must(t, err)
	w.run(engine)
	c, _ := w.rebuilt()
	if d := cmp.Diff(w.bare(), (&world{t: t, cat: c, cube: w.cube}).bare()); d != "" || len(w.bare()) != 1 {
		t.Errorf("without cuboids (-catalog +rebuilt):\n%s", d)
	}
}

// Segments without cuboids are merged with their like only, by hand: what the others have would be lost.
func TestMergeWithoutCuboids(t *testing.T) {
	w := newWorld(t, 1, "cut: {manual: true}\nmerge: {time_ranges: [1h]}\n")
	bare := w.builder(nil)
	w.pieces(bare, 4)
	engine := &fakeEngine{cuboids: 1}
	b := w.builder(func(o *Options) { o.Engine = engine })
	merge := func(numbers ...int64) catalog.Job {
		t.Helper()
		got, err := b.Merge(t.Context(), MergeRequest{Request: w.request(), Choice: Choice{Segments: numbers}})
		must(t, err)
		w.run(b)
		return w.job(got.Jobs[0].ID)
	}
	if j := merge(1, 2); j.State != catalog.JobFinished || len(engine.built) != 0 {
		t.Errorf("merge of two without: %+v, the engine was asked for %q", j, engine.built)
	}
	_, err := b.Refresh(t.Context(), RefreshRequest{Request: w.request(), Choice: Choice{Segments: []int64{3}}})
	must(t, err)
	w.run(b)
	before := w.segments()
	_, err = b.Merge(t.Context(), MergeRequest{Request: w.request(), Choice: Choice{Segments: []int64{5, 6}}})
	var request *RequestError
	if want := "segments [5] have no cuboids and cannot be merged with segments that have: refresh them first"; !errors.As(err, &request) || !strings.Contains(err.Error(), want) {
		t.Errorf("merge of one with and one without: got %v, want a RequestError %q", err, want)
	}
	w.wantSegments(before...) // nothing was reserved
}
