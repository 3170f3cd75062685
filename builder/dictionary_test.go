package builder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// wordEngine is an engine whose segments have one file and the words of a column, one segment after the other.
type wordEngine struct {
	w     *world
	words []string // of each segment
}

func (e *wordEngine) Build(ctx context.Context, in EngineInput) (out EngineOutput, err error) {
	words := ""
	if len(e.words) > 0 {
		words, e.words = e.words[0], e.words[1:]
	}
	text := []byte(words)
	sum := sha256.Sum256(text)
	out.Files = []segmenter.SegmentFile{{Key: in.Folder + "/cuboids-0.parquet", Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])}}
	if err := blob.CreateSame(ctx, e.w.store, out.Files[0].Key, bytes.NewReader(text)); err != nil {
		return out, err
	}
	if words != "" {
		out.Inputs = []segmenter.Input{e.w.words(e.w.cat, words)}
	}
	return out, nil
}

// words has a dictionary of a catalog know words, and returns the input that a manifest names.
func (w *world) words(cat dictionary.Catalog, words string) segmenter.Input {
	w.t.Helper()
	d, err := dictionary.New(dictionary.Options{Catalog: cat, Store: w.store, Dir: w.t.TempDir()})
	must(w.t, err)
	g := d.Gather(w.table.ID, "name")
	defer func() { must(w.t, g.Close()) }()
	col := &stage.Column{Kind: stage.Bytes}
	for _, v := range slices.Compact(slices.Sorted(strings.FieldsSeq(words))) {
		col.AppendBytes([]byte(v))
	}
	_, err = g.Add(w.t.Context(), col)
	must(w.t, err)
	ids, err := g.Resolve(w.t.Context())
	must(w.t, err)
	in, _ := ids.Input()
	return in
}

// withWords builds a segment of ten offsets for each of some words.
func (w *world) withWords(words ...string) *Builder {
	w.t.Helper()
	b := w.builder(func(o *Options) { o.Engine = &wordEngine{w: w, words: words} })
	w.pieces(b, int64(len(words)))
	return b
}

func (w *world) slices(c *catalog.Catalog) []catalog.DictionarySlice {
	w.t.Helper()
	list, err := c.TableDictionaries(w.t.Context(), w.table.ID)
	must(w.t, err)
	return list
}

// B8: a rebuilt catalog has the slices that segments name, and those before them; a build goes on with them.
func TestRebuildDictionaries(t *testing.T) {
	w := newWorld(t, 1, byHand)
	w.storeTable()
	w.withWords("a b", "b c", "a b")
	w.words(w.cat, "never published") // by a build that failed then
	want := w.slices(w.cat)
	other, res := w.rebuilt()
	if d := cmp.Diff(want[:2], w.slices(other), cmpopts.IgnoreFields(catalog.DictionarySlice{}, "CreatedUs")); d != "" {
		t.Errorf("slices, ignored %q (-want +got):\n%s", res.Ignored, d)
	}
	if res.Slices != 2 || res.Segments != 3 || len(res.Ignored) != 1 || !strings.Contains(res.Ignored[0], "no segment needs it") {
		t.Errorf("got %+v, want 2 slices, 3 segments and the third slice ignored", res)
	}
	if in := w.words(other, "published never"); in.Key != want[2].Key {
		t.Errorf("the same words gave %s, want the same slice again, %s", in.Key, want[2].Key)
	}
}

// A segment whose dictionary is not whole has ids that nobody knows: it is left out, and said to be.
func TestRebuildBrokenDictionary(t *testing.T) {
	for _, tt := range []struct {
		name string
		hurt func(w *world, key string)
	}{
		{"gone", func(w *world, key string) { must(w.t, w.store.Delete(w.t.Context(), key)) }},
		{"changed", func(w *world, key string) { w.flip(key) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 1, byHand)
			w.storeTable()
			w.withWords("a b", "c", "d", "a")
			tt.hurt(w, w.slices(w.cat)[1].Key)
			other, res := w.rebuilt()
			if got := w.slices(other); len(got) != 1 || res.Segments != 2 {
				t.Errorf("got slices %v and %d segments, want the first slice and the two segments that need no other: %q", got, res.Segments, res.Ignored)
			}
		})
	}
}

// flip changes a byte in the middle of an object.
func (w *world) flip(key string) {
	w.t.Helper()
	body, err := w.store.Open(w.t.Context(), key, 0, -1)
	must(w.t, err)
	text, err := io.ReadAll(body)
	must(w.t, err)
	text[len(text)/2] ^= 1
	must(w.t, w.store.Delete(w.t.Context(), key))
	must(w.t, w.store.Create(w.t.Context(), key, bytes.NewReader(text)))
}

// After an old backup was restored a dictionary may have two ends: the one that more segments need is taken.
func TestRebuildForkedDictionary(t *testing.T) {
	w := newWorld(t, 1, byHand)
	w.storeTable()
	first := w.words(w.cat, "a b")
	older := &forked{Catalog: w.cat, after: w.slices(w.cat)}
	w.withWords("c", "d", "a")
	lost := w.words(older, "x y")
	if lost.Key == first.Key || strings.Contains(lost.Key, w.slices(w.cat)[1].SHA256) {
		t.Fatalf("%s is no other end", lost.Key)
	}
	other, res := w.rebuilt()
	got := w.slices(other)
	if len(got) != 3 || got[2].Key != w.slices(w.cat)[2].Key || res.Segments != 3 {
		t.Errorf("got %v and %d segments: %q", got, res.Segments, res.Ignored)
	}
}

// forked is a catalog that has forgotten slices.
type forked struct {
	dictionary.Catalog
	after []catalog.DictionarySlice
}

func (f *forked) DictionarySlices(context.Context, string, string, int64) ([]catalog.DictionarySlice, error) {
	return f.after, nil
}

func (f *forked) AppendDictionary(context.Context, catalog.DictionarySlice) error { return nil }

// B7: a slice that no dictionary has goes after the grace period, once its number is another's: until then the build that
// stored it may be about to append it. What the catalog names stays, and so does a segment's only file that lies in a folder
// without a manifest, since the dictionary made the segment's id another one.
func TestCleanupDictionariesSim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		b := w.withWords("a b")
		rival := &forked{Catalog: w.cat, after: w.slices(w.cat)}
		lost := w.words(rival, "x y")
		clean := func() *Cleaned {
			time.Sleep(2 * time.Hour)
			res, err := b.Cleanup(t.Context(), false)
			must(t, err)
			return res
		}
		for range 3 {
			if res := clean(); len(res.Unneeded) != 0 || res.Removed != 0 {
				t.Fatalf("its number is free: got %+v", res)
			}
		}
		w.words(w.cat, "c")
		if res := clean(); len(res.Unneeded) != 1 || res.Unneeded[0].Key != lost.Key || res.Marked != 1 {
			t.Fatalf("its number is taken: got %+v, want %s marked", res, lost.Key)
		}
		if res := clean(); res.Removed != 1 {
			t.Errorf("got %+v, want it removed", res)
		}
		for _, s := range w.slices(w.cat) {
			must(t, dictionary.Check(t.Context(), w.store, s))
		}
		if got := len(w.keys("segments/")); got != 2 {
			t.Errorf("%d objects of segments, want a manifest and a file", got)
		}
		must(t, w.cat.DropCube(t.Context(), "default", "views", "ann"))
		must(t, w.cat.DropTable(t.Context(), "default", "events"))
		clean()
		clean()
		if got := w.keys(dictionary.Prefix); len(got) != 0 {
			t.Errorf("left of a dropped table: %v", got)
		}
	})
}

// B7: a pack goes once a larger one is there, or its slices are another dictionary's; a rebuilt catalog leaves packs be.
func TestCleanupPacksSim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		w.storeTable()
		b := w.builder(nil)
		for i := range 16 {
			w.words(w.cat, fmt.Sprint("w", i))
		}
		list := w.slices(w.cat)
		packs := w.packs()
		if len(packs) != 1 {
			t.Fatalf("%d packs of 16 slices, want 1", len(packs))
		}
		stray := dictionary.Pack{TableID: w.table.ID, Column: "name", First: 1, Last: 16, SHA256: list[14].SHA256}
		small := dictionary.Pack{TableID: w.table.ID, Column: "name", First: 1, Last: 2, SHA256: list[1].SHA256} // as if they had been of two
		for _, p := range []dictionary.Pack{stray, small} {
			must(t, w.store.Create(t.Context(), p.Key(), strings.NewReader("x")))
		}
		for range 2 {
			time.Sleep(2 * time.Hour)
			res, err := b.Cleanup(t.Context(), false)
			must(t, err)
			if len(res.Unneeded) != 2 && res.Removed != 2 {
				t.Errorf("got %+v, want two packs marked, then removed", res)
			}
		}
		if d := cmp.Diff(packs, w.packs()); d != "" {
			t.Errorf("packs after it (-want +got):\n%s", d)
		}
		_, res := w.rebuilt()
		if slices.ContainsFunc(res.Ignored, func(s string) bool { return strings.Contains(s, "pack-") }) {
			t.Errorf("a rebuild ignored %q, want nothing of packs", res.Ignored)
		}
	})
}

func (w *world) packs() (list []string) {
	w.t.Helper()
	for _, key := range w.keys(dictionary.Prefix) {
		if _, ok := dictionary.ParsePack(key); ok {
			list = append(list, key)
		}
	}
	return list
}

// A store whose dictionaries the catalog does not know is another catalog's.
func TestCleanupForeignDictionary(t *testing.T) {
	w := newWorld(t, 1, byHand)
	must(t, w.store.Create(t.Context(), dictionary.KeyInfo{TableID: "other", Column: "x", Slice: 1, SHA256: strings.Repeat("0", 64)}.Key(), strings.NewReader("x")))
	if _, err := w.builder(nil).Cleanup(t.Context(), false); err == nil || !strings.Contains(err.Error(), "does not know") {
		t.Errorf("got %v, want a refusal", err)
	}
}
