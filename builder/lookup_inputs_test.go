package builder

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

const withShops = byHand + "lookups: [{lookup: shops, foreign_key: n, derived: [name]}]\n"

// applyKnown is apply with the lookup tables that there are.
func (w *world) applyKnown(more string) {
	w.t.Helper()
	list, err := w.cat.Lookups(w.t.Context(), "default")
	must(w.t, err)
	var known []*cube.Lookup
	for _, v := range list {
		known = append(known, v.Lookup)
	}
	def, err := cube.ParseCube([]byte(cubeYAML+more), "views.yaml", w.table, known...)
	must(w.t, err)
	applied, err := w.cat.ApplyCube(w.t.Context(), def)
	must(w.t, err)
	w.cube = applied.Cube
}

// snapshots lists what manifests of ready segments name: "1: v2 of 3 rows".
func (w *world) snapshots(b *Builder) (list []string) {
	w.t.Helper()
	for s, err := range w.cat.Segments(w.t.Context(), catalog.SegmentQuery{CubeID: w.cube.ID, States: []segmenter.SegmentState{segmenter.SegmentReady}}) {
		must(w.t, err)
		m, err := b.readManifest(w.t.Context(), segmenter.SegmentFolder(s.CubeID, s.ID, s.Attempt))
		must(w.t, err)
		for _, in := range m.Inputs {
			if id, version, ok := snapshotOf(in); ok {
				v, err := lookup.Describe(w.t.Context(), w.store, in.Key)
				must(w.t, err)
				if v.SHA256 != in.SHA256 || v.Size != in.Size || v.Rows != in.Records || v.Lookup.ID != id {
					w.t.Errorf("segment %d: input %+v, but the snapshot is %+v", s.Number, in, v)
				}
				list = append(list, fmt.Sprintf("%d: v%d of %d rows", s.Number, version, in.Records))
			}
		}
	}
	return list
}

func (w *world) wantSnapshots(b *Builder, want ...string) {
	w.t.Helper()
	if d := cmp.Diff(want, w.snapshots(b)); d != "" {
		w.t.Errorf("snapshots in manifests (-want +got):\n%s", d)
	}
}

// A build and a refresh name the newest snapshot, a merge the newest of what it merges, and a later snapshot changes no segment.
// A rebuilt catalog has all of it.
func TestLookupsInManifests(t *testing.T) {
	w := newWorld(t, 1, byHand)
	w.storeTable()
	w.lookup("id,name\n1,a\n")
	w.applyKnown(withShops)
	b := w.builder(func(o *Options) { o.Engine = &fakeEngine{cuboids: 1} })
	for i := range int64(3) {
		w.stage(0, 10*i, 10*i+10)
		_, err := b.Build(t.Context(), BuildRequest{Request: w.request()})
		must(t, err)
		w.run(b)
		w.lookup(fmt.Sprintf("id,name\n1,a\n%d,b\n", i+2))
	}
	w.wantSnapshots(b, "1: v1 of 1 rows", "2: v2 of 2 rows", "3: v3 of 2 rows")
	if _, err := b.maintain(t.Context(), w.cube.ID); err != nil {
		t.Fatal(err)
	}
	if n := w.run(b); n != 0 {
		t.Errorf("%d jobs after a new snapshot, want none", n)
	}
	_, err := b.Merge(t.Context(), MergeRequest{Request: w.request(), Choice: Choice{Segments: []int64{1, 2}}})
	must(t, err)
	w.run(b)
	w.wantSnapshots(b, "3: v3 of 2 rows", "4: v2 of 2 rows")
	_, err = b.Refresh(t.Context(), RefreshRequest{Request: w.request(), Choice: Choice{Segments: []int64{3}}})
	must(t, err)
	w.run(b)
	want := w.snapshots(b)
	if !slices.Contains(want, "5: v4 of 2 rows") {
		t.Errorf("after a refresh: got %q, want version 4 in segment 5", want)
	}

	other, res := w.rebuilt()
	w.cat = other
	i, err := other.Cube(t.Context(), "default", "views")
	must(t, err)
	if d := cmp.Diff(w.cube.Lookups, i.Cube.Lookups); d != "" || res.Lookups != 4 {
		t.Errorf("rebuilt, with %d snapshots, ignored %q (-want +got):\n%s", res.Lookups, res.Ignored, d)
	}
	w.wantSnapshots(b, want...)
}

// B7: a snapshot stays as long as a ready segment's manifest names it, though its table was dropped.
func TestCleanupKeepsNamedSnapshotsSim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		w.storeTable()
		w.lookup("id,name\n1,a\n")
		w.applyKnown(withShops)
		b := w.builder(nil)
		w.stage(0, 0, 10)
		_, err := b.Build(t.Context(), BuildRequest{Request: w.request()})
		must(t, err)
		w.run(b)
		w.lookup("id,name\n1,a\n2,b\n")
		w.applyKnown(byHand + "refresh_old_versions: false\n")
		must(t, w.cat.DropLookup(t.Context(), "default", "shops"))
		clean := func(want ...string) {
			t.Helper()
			for range 3 {
				time.Sleep(2 * time.Hour)
				_, err := b.Cleanup(t.Context(), false)
				must(t, err)
			}
			var got []string
			for _, key := range w.keys(lookup.Prefix) {
				_, version, _, err := lookup.ParseKey(key)
				must(t, err)
				got = append(got, fmt.Sprint("v", version))
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("left (-want +got):\n%s", d)
			}
		}
		clean("v1")
		w.wantSnapshots(b, "1: v1 of 1 rows")
		_, err = b.Refresh(t.Context(), RefreshRequest{Request: w.request(), Choice: Choice{Segments: []int64{1}}})
		must(t, err)
		w.run(b)
		clean()
	})
}

// A build of a version that names what was dropped since fails at once, before the engine has done anything, and says why.
func TestBuildOfDroppedLookup(t *testing.T) {
	w := newWorld(t, 1, byHand)
	w.lookup("id,name\n1,a\n")
	w.applyKnown(withShops)
	engine := &fakeEngine{cuboids: 1}
	b := w.builder(func(o *Options) { o.Engine = engine })
	w.stage(0, 0, 10)
	got, err := b.Build(t.Context(), BuildRequest{Request: w.request()})
	must(t, err)
	w.applyKnown(byHand)
	must(t, w.cat.DropLookup(t.Context(), "default", "shops"))
	if n := w.run(b); n != 1 {
		t.Errorf("%d attempts, want 1", n)
	}
	if j := w.job(got.Jobs[0].ID); j.State != catalog.JobFailed || !strings.Contains(j.Problem, "lookup table shops, which version 2 of the definition names, is not there") {
		t.Errorf("job: got %s, %q, want it failed with what is missing", j.State, j.Problem)
	}
	if len(engine.built) > 0 {
		t.Errorf("the engine built %q before that was noticed", engine.built)
	}
}

// newestLookups is as good as the obvious way, and leaves other inputs alone.
func TestNewestLookups(t *testing.T) {
	in := func(kind segmenter.InputKind, key string) segmenter.Input {
		return segmenter.Input{Kind: kind, Key: key}
	}
	snap := func(id string, version int64) segmenter.Input {
		return in(segmenter.InputLookup, lookup.Key(id, version, strings.Repeat("a", 64)))
	}
	got := newestLookups([]segmenter.Input{
		snap("a", 1), snap("a", 11), snap("a", 9), snap("b", 2), in(segmenter.InputStaged, "staged/x"), in(segmenter.InputLookup, "damaged"),
	})
	want := []segmenter.Input{snap("a", 11), snap("b", 2), in(segmenter.InputStaged, "staged/x"), in(segmenter.InputLookup, "damaged")}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
