package builder

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// mark has the pass write the markers that are due.
func (w *world) mark(b *Builder) {
	w.t.Helper()
	_, err := b.planMaintenance(w.t.Context(), scheduler.Task{})
	must(w.t, err)
	u, err := w.cat.Unmarked(w.t.Context(), 10)
	if err != nil || len(u.Tables)+len(u.Cubes)+len(u.Segments) != 0 {
		w.t.Fatalf("without a marker: got %+v, %v, want nothing", u, err)
	}
}

// again is the world with the catalog that its files make.
func (w *world) again(b *Builder) (*world, *Rebuilt) {
	w.t.Helper()
	w.mark(b)
	c, res := w.rebuilt()
	other := *w
	other.cat = c
	return &other, res
}

func wantIgnored(t *testing.T, res *Rebuilt, want string) {
	t.Helper()
	if !slices.ContainsFunc(res.Ignored, func(s string) bool { return strings.Contains(s, want) }) {
		t.Errorf("ignored: got %q, want %q among it", res.Ignored, want)
	}
}

// B8: a cube that was dropped stays so, and another of its name is the cube. Clean-up knows its files.
func TestRebuildDroppedCube(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		w.storeTable()
		b := w.builder(nil)
		must(t, b.StoreDefinition(t.Context(), w.cube))
		w.pieces(b, 2)
		old := w.cube.ID
		must(t, w.cat.DropCube(t.Context(), "default", "views", "ann"))
		w.apply(byHand)
		must(t, b.StoreDefinition(t.Context(), w.cube))
		_, err := b.Build(t.Context(), BuildRequest{Request: w.request()})
		must(t, err)
		w.run(b)
		other, res := w.again(b)
		other.wantSegments("1 ready p0 [0,20) 20 events")
		wantIgnored(t, res, "cubes/"+old+": cube views was dropped")
		clean := other.builder(nil)
		for range 3 {
			time.Sleep(2 * time.Hour)
			res, err := clean.Cleanup(t.Context(), false)
			if err != nil || len(res.Unknown) != 0 {
				t.Errorf("clean-up: got %+v, %v, want nothing unknown", res, err)
			}
		}
		if left := w.keys("segments/" + old + "/"); len(left) != 0 {
			t.Errorf("left of the dropped cube: %q", left)
		}
	})
}

// A drop that no file tells of: the younger cube has the name, and the other is listed and not touched.
func TestRebuildNameTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		w.storeTable()
		b := w.builder(nil)
		must(t, b.StoreDefinition(t.Context(), w.cube))
		w.pieces(b, 1)
		old := w.cube.ID
		must(t, w.cat.DropCube(t.Context(), "default", "views", "ann"))
		time.Sleep(time.Hour)
		w.apply(byHand)
		must(t, b.StoreDefinition(t.Context(), w.cube))
		c, res := w.rebuilt()
		wantIgnored(t, res, "cubes/"+old+": cubes/"+w.cube.ID+" has its name")
		list, err := c.Cubes(t.Context(), "")
		if err != nil || len(list) != 1 || list[0].Cube.ID != w.cube.ID {
			t.Errorf("cubes: got %+v, %v, want the younger one alone", list, err)
		}
	})
}

// A table that was dropped stays so, and another has its name.
func TestRebuildDroppedTable(t *testing.T) {
	w := newWorld(t, 1, byHand)
	w.storeTable()
	b := w.builder(nil)
	w.stage(0, 0, 10)
	must(t, w.cat.DropCube(t.Context(), "default", "views", "ann"))
	must(t, w.cat.DropTable(t.Context(), "default", "events"))
	other, res := w.again(b)
	tables, err := other.cat.Tables(t.Context(), "")
	must(t, err)
	gone, err := other.cat.DroppedTables(t.Context())
	must(t, err)
	if len(tables) != 0 || !slices.Equal(gone, []string{w.table.ID}) {
		t.Errorf("tables: got %v, dropped %v, want only a dropped one", tables, gone)
	}
	wantIgnored(t, res, "table events was dropped")
}

// B8: what a person dropped or retention retired does not come back, and neither does what it was merged from. The front is
// where it was moved to.
func TestRebuildDroppedSegments(t *testing.T) {
	w := newWorld(t, 1, byHand+"fill_holes: false\n")
	w.storeTable()
	b := w.builder(nil)
	w.pieces(b, 4)
	_, err := b.Merge(t.Context(), MergeRequest{Request: w.request(), Choice: Choice{Segments: []int64{1, 2}}})
	must(t, err)
	w.run(b)
	_, err = b.Drop(t.Context(), DropRequest{Request: w.request(), Choice: Choice{Segments: []int64{5}}})
	must(t, err)
	other, res := w.again(b)
	other.wantSegments("3 ready p0 [20,30) 10 events", "4 ready p0 [30,40) 10 events")
	other.wantHoles(other.builder(nil))
	wantIgnored(t, res, "dropped by ann")

	must(t, w.cat.PurgeCube(t.Context(), "default", "views", "ann"))
	other, _ = w.again(b)
	other.wantSegments()
	_, err = other.builder(nil).Build(t.Context(), BuildRequest{Request: w.request()})
	must(t, err)
	other.run(other.builder(nil))
	if got := other.segments(); len(got) != 1 || !strings.HasSuffix(got[0], "ready p0 [0,40) 40 events") {
		t.Errorf("after a purge: got %q, want one over all", got)
	}
}

// S17: the front of a cube whose first segment failed is in the manifests of the others.
func TestRebuildKeepsTheFront(t *testing.T) {
	w := newWorld(t, 1, byHand+"fill_holes: false\n")
	w.storeTable()
	b := w.builder(nil)
	w.failFront(b, 3)
	other, _ := w.again(b)
	other.wantHoles(other.builder(nil), "hole p0 [0,10) before segment 2: staged")
}

// A catalog from before a drop says that the segment is ready, and its folder has a marker: nothing is wrong with that, and
// clean-up takes nothing of it.
func TestMarkedAndReady(t *testing.T) {
	w := newWorld(t, 1, byHand+"fill_holes: false\n")
	b := w.builder(nil)
	w.pieces(b, 1)
	_, err := b.Backup(t.Context())
	must(t, err)
	must(t, w.cat.Retire(t.Context(), w.cube.ID, []int64{1}, "test"))
	w.mark(b)
	older, err := catalog.Open(t.Context(), t.TempDir()+"/older.db", catalog.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, older.Close()) })
	_, err = Restore(t.Context(), w.store, older, "")
	must(t, err)
	res, err := w.builder(func(o *Options) { o.Catalog = older }).Cleanup(t.Context(), true)
	if err != nil || len(res.Unneeded) != 0 || res.Young != 0 {
		t.Errorf("clean-up: got %+v, %v, want nothing unneeded", res, err)
	}
}

// A backup of before the drops brings all of it back, and so it stays: a later rebuild, and clean-up after it, must not take
// markers at their word that the restored catalog contradicts.
func TestRestoreTakesBackDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		w.storeTable()
		b := w.builder(nil)
		must(t, b.StoreDefinition(t.Context(), w.cube))
		w.pieces(b, 3)
		must(t, w.cat.Retire(t.Context(), w.cube.ID, []int64{1}, "dropped by ann"))
		w.mark(b)
		_, err := b.Backup(t.Context())
		must(t, err)
		want := w.segments()
		must(t, w.cat.Retire(t.Context(), w.cube.ID, []int64{3}, "dropped by ann"))
		w.mark(b)
		must(t, w.cat.DropCube(t.Context(), "default", "views", "ann"))
		must(t, w.cat.DropTable(t.Context(), "default", "events"))
		w.mark(b)
		staged := w.keys("staged/")

		restored, err := catalog.Open(t.Context(), newDSN(t), catalog.Options{})
		must(t, err)
		t.Cleanup(func() { must(t, restored.Close()) })
		_, err = Restore(t.Context(), w.store, restored, "")
		must(t, err)
		(&world{t: t, cat: restored, cube: w.cube}).wantSegments(want...)
		c, res := w.rebuilt()
		again := &world{t: t, cat: c, cube: w.cube, store: w.store}
		again.wantSegments(want...)
		wantIgnored(t, res, "dropped by ann")
		clean := again.builder(nil)
		for range 3 {
			time.Sleep(2 * time.Hour)
			_, err := clean.Cleanup(t.Context(), false)
			must(t, err)
		}
		if left := w.keys("staged/"); !slices.Equal(left, staged) {
			t.Errorf("staged files after clean-up: got %q, want %q", left, staged)
		}
	})
}
