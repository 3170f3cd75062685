package builder

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

func (w *world) keys(prefix string) (list []string) {
	w.t.Helper()
	for o, err := range w.store.List(w.t.Context(), prefix) {
		must(w.t, err)
		list = append(list, o.Key)
	}
	return list
}

// Two passes: what a merge has replaced and an upload that nobody committed go, one grace period after they were found;
// what is ready, what is committed and what is young stays (B7).
func TestCleanupSim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		b := w.builder(nil)
		w.pieces(b, 3)
		if _, err := b.Merge(t.Context(), MergeRequest{Request: w.request(), Choice: Choice{Segments: []int64{1, 2}}}); err != nil {
			t.Fatal(err)
		}
		w.run(b)
		orphan := strings.Replace(w.keys("staged/")[0], ".e", ".e9", 1)
		must(t, w.store.Create(t.Context(), orphan, bytes.NewReader([]byte("x"))))
		staged, folders := len(w.keys("staged/")), len(w.keys("segments/"))
		clean := func(dry bool) *Cleaned {
			res, err := b.Cleanup(t.Context(), dry)
			must(t, err)
			return res
		}
		if res := clean(false); len(res.Unneeded) != 0 || res.Young != 3 {
			t.Errorf("young: got %+v, want 3 young and nothing unneeded", res)
		}
		time.Sleep(2 * time.Hour)
		if res := clean(true); len(res.Unneeded) != 3 || res.Marked != 0 {
			t.Errorf("dry run: got %+v, want 3 unneeded and nothing marked", res)
		}
		if res := clean(false); res.Marked != 3 || res.Removed != 0 {
			t.Errorf("first pass: got %+v, want 3 marked", res)
		}
		time.Sleep(30 * time.Minute)
		if res := clean(false); res.Kept != 3 || res.Removed != 0 {
			t.Errorf("in the grace period: got %+v, want 3 kept", res)
		}
		time.Sleep(31 * time.Minute)
		if res := clean(false); res.Removed != 3 {
			t.Errorf("second pass: got %+v, want 3 removed", res)
		}
		if got := w.keys("staged/"); len(got) != staged-1 || slices.Contains(got, orphan) {
			t.Errorf("staged files: got %q", got)
		}
		if got := w.keys("segments/"); len(got) != folders-2 {
			t.Errorf("folders: got %q, want those of segments 3 and 4", got)
		}
		left, err := w.cat.RetiredSegments(t.Context(), time.Now().UnixMicro(), 10)
		if err != nil || len(left) != 0 {
			t.Errorf("retired with objects: got %v, %v, want none", left, err)
		}
		for _, err := range w.cat.Garbage(t.Context(), time.Now().UnixMicro()) {
			t.Errorf("marks are left, %v", err)
		}
	})
}

// A store whose tables and cubes the catalog does not know is another catalog's: nothing is removed.
func TestCleanupForeign(t *testing.T) {
	w := newWorld(t, 1, byHand)
	w.pieces(w.builder(nil), 1)
	b := w.builder(func(o *Options) {
		var err error
		o.Catalog, err = catalog.Open(t.Context(), t.TempDir()+"/other.db", catalog.Options{})
		must(t, err)
		t.Cleanup(func() { must(t, o.Catalog.Close()) })
	})
	res, err := b.Cleanup(t.Context(), true)
	must(t, err)
	if want := []string{"staged/" + w.table.ID + "/", "segments/" + w.cube.ID + "/"}; !slices.Equal(res.Unknown, want) || len(res.Unneeded) != 0 || res.Young != 0 {
		t.Errorf("got %+v, want %q unknown and nothing unneeded", res, want)
	}
}

// A catalog that was restored from a backup does not know the cubes that were made since: clean-up leaves them alone, and
// goes on with the others.
func TestCleanupSkipsTheUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		b := w.builder(nil)
		w.pieces(b, 2)
		_, err := b.Merge(t.Context(), MergeRequest{Request: w.request(), Choice: Choice{Segments: []int64{1, 2}}})
		must(t, err)
		w.run(b)
		_, err = b.Backup(t.Context())
		must(t, err)
		late := w.addCube("late", "start: earliest\n")
		_, err = b.Build(t.Context(), BuildRequest{Request: Request{Project: "default", Cube: "late", By: "ann"}})
		must(t, err)
		w.run(b)
		older, err := catalog.Open(t.Context(), filepath.Join(t.TempDir(), "older.db"), catalog.Options{})
		must(t, err)
		t.Cleanup(func() { must(t, older.Close()) })
		_, err = Restore(t.Context(), w.store, older, "")
		must(t, err)
		b = w.builder(func(o *Options) { o.Catalog = older })
		for range 3 {
			time.Sleep(2 * time.Hour)
			res, err := b.Cleanup(t.Context(), false)
			must(t, err)
			if want := []string{"segments/" + late.ID + "/"}; !slices.Equal(res.Unknown, want) {
				t.Errorf("unknown: got %q, want %q", res.Unknown, want)
			}
		}
		if got := w.keys("segments/" + late.ID + "/"); len(got) != 1 {
			t.Errorf("of the cube that is not known %q are left, want its manifest", got)
		}
		if got := w.keys("segments/" + w.cube.ID + "/"); len(got) != 1 {
			t.Errorf("of the cube that is known %q are left, want the merged one", got)
		}
	})
}

// A backup restored into an empty catalog says the same; numbers in names have jumped.
func TestBackupRestore(t *testing.T) {
	w := newWorld(t, 1, byHand)
	b := w.builder(nil)
	w.pieces(b, 2)
	key, err := b.Backup(t.Context())
	must(t, err)
	want := w.segments()
	other, err := catalog.Open(t.Context(), t.TempDir()+"/other.db", catalog.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, other.Close()) })
	got, err := Restore(t.Context(), w.store, other, "")
	if err != nil || got != key {
		t.Fatalf("restore: got %s, %v, want %s", got, err, key)
	}
	if other.ID() != w.cat.ID() {
		t.Errorf("id: got %s, want %s", other.ID(), w.cat.ID())
	}
	if _, err := Restore(t.Context(), w.store, w.cat, key); err == nil {
		t.Error("a full catalog was overwritten")
	}
	w.cat, other = other, w.cat // both are closed at the end
	w.wantSegments(want...)
	s, err := w.cat.Assign(t.Context(), catalog.Claim{TableID: w.table.ID})
	if err != nil || s.Epoch < restoreRaise {
		t.Errorf("epoch after a restore: got %d, %v, want at least %d", s.Epoch, err, restoreRaise)
	}
}

// A catalog that was restored from an older backup does not know what was staged since: clean-up leaves it alone.
func TestCleanupKeepsWhatOnlyANewerCatalogKnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		b := w.builder(nil)
		w.stage(0, 0, 10)
		_, err := b.Backup(t.Context())
		must(t, err)
		w.stage(0, 10, 20)
		older, err := catalog.Open(t.Context(), filepath.Join(t.TempDir(), "older.db"), catalog.Options{})
		must(t, err)
		t.Cleanup(func() { must(t, older.Close()) })
		_, err = Restore(t.Context(), w.store, older, "")
		must(t, err)
		b, err = New(Options{Catalog: older, Store: w.store, Node: "n1", BackupEvery: -1})
		must(t, err)
		for range 3 {
			time.Sleep(2 * time.Hour)
			res, err := b.Cleanup(t.Context(), false)
			must(t, err)
			if len(res.Only) != 1 || len(res.Unneeded) != 0 {
				t.Errorf("%+v, want the one file that the catalog does not know as the only copy", res)
			}
		}
		if keys := w.keys("staged/"); len(keys) != 2 {
			t.Errorf("left of two staged files: %v", keys)
		}
	})
}
