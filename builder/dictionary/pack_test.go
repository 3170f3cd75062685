package dictionary_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
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

// D5, D7: a changed byte of a pack is found by CheckPack, and by every build that reads it, which then reads the slices; one of other
// slices is no pack of these.
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
			withoutPack(t, fmt.Sprintf("byte %d", i), damagedBuild{store: bad, catalog: c, pack: p, want: all})
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

// damagedBuild is a build that finds a damaged pack.
type damagedBuild struct {
	store   blob.Store
	catalog dictionary.Catalog
	pack    dictionary.Pack
	memory  int64 // 0: the default
	want    map[string]uint32
}

// withoutPack builds, and wants all ids, one line in the log that names the pack, nothing left on disk, and the pack as it was.
func withoutPack(t *testing.T, what string, b damagedBuild) {
	t.Helper()
	var log bytes.Buffer
	dir, before := t.TempDir(), read(t, b.store, b.pack.Key())
	d := open(t, dictionary.Options{Store: b.store, Catalog: b.catalog, Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if b.memory > 0 {
		dictionary.SetMemory(d, b.memory)
	}
	got, _, err := build(t.Context(), d, everything(b.want))
	if err != nil || !maps.Equal(b.want, got) {
		t.Errorf("%s: got %v, ids %v, want %v", what, err, got, b.want)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), b.pack.Key()) || !strings.Contains(log.String(), "remove it") {
		t.Errorf("%s: %d lines in the log, want one that names %s:\n%s", what, n, b.pack.Key(), &log)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%s: left behind: %v, %v", what, left, err)
	}
	if !bytes.Equal(before, read(t, b.store, b.pack.Key())) {
		t.Errorf("%s: the pack was changed", what)
	}
}

// D7: a frame of a pack that is damaged is met in the middle of a walk, when ids were given already, in memory and from runs on disk:
// the build begins again with the slices. Other packs are used still.
func TestDamagedInMidWalk(t *testing.T) {
	st, c := new(blob.Mem), new(memCatalog)
	d, all := open(t, dictionary.Options{Store: st, Catalog: c}), map[string]uint32{}
	for i := range 16 * 3 {
		got, _, err := build(t.Context(), d, col(fmt.Sprintf("%02x%s", i*37%256, strings.Repeat("long", 1500)), fmt.Sprint("x ", i)))
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(all, got)
	}
	for p := range packs(t, st) {
		text := read(t, st, p.Key())
		for _, at := range []int{len(text) / 10, len(text) / 2, len(text) * 9 / 10} {
			bad, hurt := new(blob.Mem), bytes.Clone(text)
			hurt[at] ^= 4
			for _, key := range objects(t, st) {
				if key != p.Key() {
					put(t, bad, key, read(t, st, key))
				}
			}
			put(t, bad, p.Key(), hurt)
			for _, memory := range []int64{0, 20000} {
				withoutPack(t, fmt.Sprintf("%s, byte %d, memory %d", p.Key(), at, memory), damagedBuild{bad, c, p, memory, all})
			}
		}
	}
}

// D7: the same where others append slices, and a damaged pack of them, while a build appends its own: what it has found before stays.
func TestDamagedAfterLost(t *testing.T) {
	st, c := new(blob.Mem), new(memCatalog)
	all, lost := many(t, st, c, 5), false
	var bad dictionary.Pack
	at := steps{after: func() error { return nil }, before: func() error {
		if lost {
			return nil
		}
		lost = true
		d := open(t, dictionary.Options{Store: st, Catalog: c})
		for i := range 16 * 2 {
			got, _, err := build(t.Context(), d, col(fmt.Sprint("theirs ", i)))
			if err != nil {
				return err
			}
			maps.Copy(all, got)
		}
		for p := range packs(t, st) {
			if bad = p; p.First == 1 {
				continue
			}
			text := read(t, st, p.Key())
			text[20] ^= 1
			if err := st.Delete(t.Context(), p.Key()); err != nil {
				return err
			}
			put(t, st, p.Key(), text)
			return nil
		}
		return errors.New("no pack of slices 17 to 32")
	}}
	values := []string{"mine", "theirs 7", "theirs 30", "new 3", "theirs 31"}
	var log bytes.Buffer
	d := open(t, dictionary.Options{Store: st, Catalog: appends{c, at}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	got, _, err := build(t.Context(), d, col(values...))
	if err != nil || !strings.Contains(log.String(), bad.Key()) {
		t.Fatalf("got %v, log %q, want it to name %s", err, &log, bad.Key())
	}
	all["mine"] = uint32(len(all))
	for _, v := range values {
		if got[v] != all[v] {
			t.Errorf("%q has id %d, want %d", v, got[v], all[v])
		}
	}
	checkAll(t, st, c)
}

// appends is a catalog with steps around what it appends.
type appends struct {
	dictionary.Catalog
	steps
}

func (c appends) AppendDictionary(ctx context.Context, s catalog.DictionarySlice) error {
	return c.around(func() error { return c.Catalog.AppendDictionary(ctx, s) })
}

// D4: a pack is held against its slices one file after the other, however many it has.
func TestCheckPackReadsInTurn(t *testing.T) {
	st, c := new(blob.Mem), new(memCatalog)
	many(t, st, c, 16)
	for p, size := range packs(t, st) {
		seen := &turns{Store: st}
		if err := dictionary.CheckPack(t.Context(), seen, p, size, c.list); err != nil {
			t.Fatal(err)
		}
		want := []string{p.Key()}
		for _, s := range c.list {
			want = append(want, s.Key)
		}
		if diff := cmp.Diff(want, seen.keys); diff != "" {
			t.Errorf("files in the order in which they were read (-want +got):\n%s", diff)
		}
	}
}

// turns notes which objects are read, each as often as another one was read before it.
type turns struct {
	blob.Store
	keys []string
}

func (o *turns) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if len(o.keys) == 0 || o.keys[len(o.keys)-1] != key {
		o.keys = append(o.keys, key)
	}
	return o.Store.Open(ctx, key, off, n)
}

// What is in a pack and not in its slices is found, though all hashes of the pack are right.
func TestPackOfOtherValues(t *testing.T) {
	st, c := new(blob.Mem), new(memCatalog)
	many(t, st, c, 16)
	for p := range packs(t, st) {
		for what, change := range map[string]func(values []string, ids []int64){
			"a value": func(values []string, _ []int64) { values[3] += "z" },
			"two ids": func(_ []string, ids []int64) { ids[0], ids[1] = ids[1], ids[0] },
		} {
			bad := new(blob.Mem)
			for _, s := range c.list {
				put(t, bad, s.Key, read(t, st, s.Key))
			}
			text, err := dictionary.Rewrite(t.Context(), read(t, st, p.Key()), change)
			if err != nil {
				t.Fatal(err)
			}
			put(t, bad, p.Key(), text)
			err = dictionary.CheckPack(t.Context(), bad, p, int64(len(text)), c.list)
			if !dictionary.IsDamaged(err) || !strings.Contains(err.Error(), p.Key()) || !strings.Contains(err.Error(), "of slice") {
				t.Errorf("%s: got %v, want it to name pack and slice", what, err)
			}
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
