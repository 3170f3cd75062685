package dictionary_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
)

// openCounter counts the objects that are opened.
type openCounter struct {
	blob.Store
	keys map[string]bool
}

func (o *openCounter) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	o.keys[key] = true
	return o.Store.Open(ctx, key, off, n)
}

// packs lists those of a store with their sizes.
func packs(t testing.TB, st blob.Store) map[dictionary.Pack]int64 {
	t.Helper()
	out := map[dictionary.Pack]int64{}
	for o, err := range st.List(context.Background(), dictionary.Prefix) {
		if err != nil {
			t.Fatal(err)
		}
		if p, ok := dictionary.ParsePack(o.Key); ok {
			out[p] = o.Size
		} else if strings.Contains(o.Key, "pack-") {
			t.Errorf("pack %s is none", o.Key)
		}
	}
	return out
}

// texts are the bytes of all packs.
func texts(t testing.TB, st blob.Store) map[string]string {
	t.Helper()
	out := map[string]string{}
	for p := range packs(t, st) {
		out[p.Key()] = string(read(t, st, p.Key()))
	}
	return out
}

// many appends n slices, and returns all ids.
func many(t testing.TB, st blob.Store, c *memCatalog, n int) map[string]uint32 {
	t.Helper()
	d, all, rng := open(t, dictionary.Options{Store: st, Catalog: c}), map[string]uint32{}, rand.New(rand.NewPCG(7, uint64(n)))
	for i := range n {
		values := []string{fmt.Sprintf("new %d", i), fmt.Sprintf("new %d", rng.IntN(i+1)), fmt.Sprintf("%x", rng.Uint32())}
		got, _, err := build(t.Context(), d, col(values...))
		if err != nil {
			t.Fatalf("build %d: %v", i, err)
		}
		for v, id := range got {
			if old, ok := all[v]; ok && old != id {
				t.Fatalf("build %d: %q had id %d, has %d", i, v, old, id)
			}
			all[v] = id
		}
	}
	return all
}

// everything is all values of ids, as blocks.
func everything(ids map[string]uint32) *stage.Column {
	var list []string
	for v := range ids {
		list = append(list, v)
	}
	return col(list...)
}

// D7: however many builds there were, a look-up reads few files; packs hold what their slices hold, and without any of them, or with
// some, ids are the same. What a build depends on is a slice still (D6).
func TestPacks(t *testing.T) {
	st, c := new(blob.Mem), new(memCatalog)
	const builds = 16*16 + 16*3 + 5
	all := many(t, st, c, builds)
	checkAll(t, st, c)
	have := packs(t, st)
	if len(have) != 16+3+1 {
		t.Errorf("%d packs, want 19 of 16 slices and 1 of 256", len(have))
	}
	for p, size := range have {
		if err := dictionary.CheckPack(t.Context(), st, p, size, c.list); err != nil {
			t.Error(err)
		}
	}
	look := func(want int) {
		t.Helper()
		seen := &openCounter{st, map[string]bool{}}
		got, key, err := build(t.Context(), open(t, dictionary.Options{Store: seen, Catalog: c}), everything(all))
		if diff := cmp.Diff(all, got); err != nil || diff != "" || key != c.list[builds-1].Key {
			t.Fatalf("ids (-want +got), %v, depends on %s:\n%s", err, key, diff)
		}
		if len(seen.keys) != want {
			t.Errorf("%d files were read, want %d", len(seen.keys), want)
		}
	}
	look(1 + 3 + 5)
	first := texts(t, st)
	for p := range have { // clean-up takes them all
		if err := st.Delete(t.Context(), p.Key()); err != nil {
			t.Fatal(err)
		}
	}
	look(builds + 16) // and the packs that it makes, to make a larger one
	look(1 + 3 + 5)
	for key, text := range texts(t, st) {
		if first[key] != text {
			t.Errorf("%s has other bytes when it is made again", key)
		}
	}
	for p := range packs(t, st) {
		if p.First == 1 && p.Last == 256 {
			if err := st.Delete(t.Context(), p.Key()); err != nil {
				t.Fatal(err)
			}
		}
	}
	look(16 + 3 + 5)
}

// A pack that cannot be made fails no build: the slices are there.
func TestPackIsNotMade(t *testing.T) {
	st, c := new(blob.Mem), new(memCatalog)
	many(t, st, c, 15)
	d := open(t, dictionary.Options{Store: noPacks{st}, Catalog: c})
	if _, _, err := build(t.Context(), d, words("apple")); err != nil || len(c.list) != 16 || len(packs(t, st)) != 0 {
		t.Errorf("got %v, %d slices and %d packs, want 16 and 0", err, len(c.list), len(packs(t, st)))
	}
	if _, _, err := build(t.Context(), open(t, dictionary.Options{Store: st, Catalog: c}), words("apple")); err != nil || len(packs(t, st)) != 1 {
		t.Errorf("next build: %v, %d packs, want 1", err, len(packs(t, st)))
	}
}

type noPacks struct{ blob.Store }

func (s noPacks) Create(ctx context.Context, key string, body io.Reader) error {
	if _, ok := dictionary.ParsePack(key); ok {
		return blob.ErrUnavailable
	}
	return s.Store.Create(ctx, key, body)
}

// D5: a changed byte of a pack is found by CheckPack, and by every build that reads it; one of other slices is no pack of these.
func TestChangedPack(t *testing.T) {
	st, c := new(blob.Mem), new(memCatalog)
	all := many(t, st, c, 16)
	for p, size := range packs(t, st) {
		text := read(t, st, p.Key())
		for i := range text {
			bad, hurt := new(blob.Mem), append([]byte{}, text...)
			hurt[i] ^= 1 << (i % 8)
			put(t, bad, p.Key(), hurt)
			for _, s := range c.list {
				put(t, bad, s.Key, read(t, st, s.Key))
			}
			if err := dictionary.CheckPack(t.Context(), bad, p, size, c.list); !dictionary.IsDamaged(err) {
				t.Errorf("byte %d: check: got %v", i, err)
			}
			if i%16 != 0 {
				continue
			}
			bd := open(t, dictionary.Options{Store: bad, Catalog: c})
			if _, _, err := build(t.Context(), bd, everything(all)); !dictionary.IsDamaged(err) {
				t.Errorf("byte %d: build: got %v", i, err)
			}
		}
		if err := dictionary.CheckPack(t.Context(), new(blob.Mem), p, size, c.list); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("no object: got %v, want ErrNotFound", err)
		}
		other, list := new(blob.Mem), new(memCatalog)
		many(t, other, list, 17)
		put(t, other, p.Key(), text)
		if err := dictionary.CheckPack(t.Context(), other, p, size, list.list); !dictionary.IsDamaged(err) {
			t.Errorf("slices of another dictionary: got %v", err)
		}
	}
}

// Bytes of a pack that are written once are read by every later version. The file is never rewritten.
func TestGoldenPack(t *testing.T) {
	st, c := new(blob.Mem), new(memCatalog)
	d := open(t, dictionary.Options{Store: st, Catalog: c})
	for i := range 16 {
		if _, _, err := build(t.Context(), d, col(fmt.Sprint("word ", (7*i)%16), fmt.Sprint("grüße ", i%3))); err != nil {
			t.Fatal(err)
		}
	}
	for p, size := range packs(t, st) {
		want, err := os.ReadFile(filepath.Join("testdata", "format", "v1", filepath.Base(p.Key())))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, read(t, st, p.Key())); diff != "" {
			t.Errorf("pack (-golden +written):\n%s", diff)
		}
		if err := dictionary.CheckPack(t.Context(), st, p, size, c.list); err != nil {
			t.Error(err)
		}
		return
	}
	t.Fatal("no pack was made")
}
