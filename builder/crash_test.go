package builder

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// B2: a process that is killed at any call of the storage leaves nothing that another one cannot go on from. The job is
// taken over when its lease is over, and ends in what it would have been; what the dead one left goes with clean-up.
func TestCrash(t *testing.T) {
	jobs := map[string]func(w *world, b *Builder) (Submitted, error){
		KindBuild: func(w *world, b *Builder) (Submitted, error) {
			return b.Build(w.t.Context(), BuildRequest{Request: w.request()})
		},
		KindRefresh: func(w *world, b *Builder) (Submitted, error) {
			return b.Refresh(w.t.Context(), RefreshRequest{Request: w.request(), Choice: Choice{Segments: []int64{2}}})
		},
		KindMerge: func(w *world, b *Builder) (Submitted, error) {
			return b.Merge(w.t.Context(), MergeRequest{Request: w.request(), Choice: Choice{Segments: []int64{1, 2}}})
		},
	}
	for kind, ask := range jobs {
		for _, after := range []bool{false, true} {
			for at := 0; ; at++ {
				fired := false
				t.Run(fmt.Sprintf("%s/call %d/after %t", kind, at, after), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { fired = crash(t, ask, &faultblob.Store{At: at, After: after, Dead: true}) })
				})
				if !fired || t.Failed() {
					break
				}
			}
		}
	}
}

// wantWhole wants ready segments alone, without holes, one of them over v.
func (w *world) wantWhole(v segmenter.Vector) {
	w.t.Helper()
	events, found := int64(0), false
	for s, err := range w.cat.Segments(w.t.Context(), catalog.SegmentQuery{CubeID: w.cube.ID}) {
		must(w.t, err)
		if s.State != segmenter.SegmentReady {
			w.t.Errorf("segment %d is %s", s.Number, s.State)
		}
		events += s.Events
		found = found || s.Range.String() == v.String()
	}
	b := w.builder(nil)
	holes, err := b.Holes(w.t.Context(), "default", "views")
	must(w.t, err)
	if end := int64(20); !found || len(holes) != 0 || events < end {
		w.t.Errorf("got %d events, holes %v, segments %q, want one over %s and no hole", events, holes, w.segments(), v)
	}
}

// wantFolders wants one folder for each ready segment, and no other.
func (w *world) wantFolders() {
	w.t.Helper()
	want := map[string]bool{}
	for s, err := range w.cat.Segments(w.t.Context(), catalog.SegmentQuery{CubeID: w.cube.ID}) {
		must(w.t, err)
		want[segmenter.SegmentFolder(s.CubeID, s.ID, s.Attempt)+"/"+segmenter.ManifestName] = true
	}
	got := w.keys("segments/")
	for _, key := range got {
		if !want[key] {
			w.t.Errorf("%s is left", key)
		}
	}
	if len(got) != len(want) {
		w.t.Errorf("got %s, want %d folders", strings.Join(got, " "), len(want))
	}
}
