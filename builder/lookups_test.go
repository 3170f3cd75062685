package builder

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

func (w *world) lookup(text string) catalog.LookupVersion {
	w.t.Helper()
	s, err := lookup.Read(lookup.Source{
		Project: "default", Name: "shops", Key: "id", Format: "csv", Types: []cube.LookupColumn{{Name: "id", Type: "int64"}},
	}, []byte(text))
	must(w.t, err)
	v, _, err := lookup.Apply(w.t.Context(), w.store, w.cat, s)
	must(w.t, err)
	return v
}

// B8: all versions of a lookup table come back from the store; what was dropped before and has its name does not.
func TestRebuildLookups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		w.storeTable()
		old := w.lookup("id,n\n1,a\n")
		must(t, w.cat.DropLookup(t.Context(), "default", "shops"))
		time.Sleep(time.Second)
		w.lookup("id,n\n1,a\n")
		last := w.lookup("id,n,m\n1,a,b\n2,c,d\n")
		must(t, w.store.Create(t.Context(), lookup.Key(last.Lookup.ID, 3, last.SHA256), bytes.NewReader([]byte("x"))))
		want, err := w.cat.LookupVersions(t.Context(), last.Lookup.ID)
		must(t, err)
		other, res := w.rebuilt()
		got, err := other.LookupVersions(t.Context(), last.Lookup.ID)
		must(t, err)
		if d := cmp.Diff(want, got, cmpopts.IgnoreFields(catalog.LookupVersion{}, "CreatedUs")); d != "" || len(got) != 2 {
			t.Errorf("versions, ignored %q (-want +got):\n%s", res.Ignored, d)
		}
		if res.Lookups != 2 || len(res.Ignored) != 2 {
			t.Errorf("got %d versions, ignored %q, want 2 and the dropped table and the damaged object", res.Lookups, res.Ignored)
		}
		if gone, err := other.LookupVersions(t.Context(), old.Lookup.ID); err != nil || len(gone) != 0 {
			t.Errorf("the dropped table is back: %v, %v", gone, err)
		}
	})
}

// B7: snapshots that no live lookup table has go after the grace period.
func TestCleanupLookupsSim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		b := w.builder(nil)
		w.lookup("id,n\n1,a\n")
		v := w.lookup("id,n\n2,a\n")
		must(t, w.store.Create(t.Context(), lookup.Key(v.Lookup.ID, 2, v.SHA256[:63]+"0"), bytes.NewReader([]byte("lost"))))
		clean := func(want int) {
			t.Helper()
			for range 2 {
				time.Sleep(2 * time.Hour)
				_, err := b.Cleanup(t.Context(), false)
				must(t, err)
			}
			if got := w.keys(lookup.Prefix); len(got) != want {
				t.Errorf("left: %v, want %d", got, want)
			}
		}
		clean(2)
		must(t, w.cat.DropLookup(t.Context(), "default", "shops"))
		clean(0)
	})
}
