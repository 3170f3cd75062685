package dictionary_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

func TestBuild(t *testing.T) {
	ctx, st, c := t.Context(), new(blob.Mem), new(memCatalog)
	d := open(t, dictionary.Options{Store: st, Catalog: c})
	got, first, err := build(ctx, d, words("pear apple"), words("fig apple"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]uint32{"apple": 0, "fig": 1, "pear": 2}, got); diff != "" {
		t.Errorf("first build (-want +got):\n%s", diff)
	}
	got, second, err := build(ctx, d, words("banana apple"), col(""))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]uint32{"apple": 0, "": 3, "banana": 4}, got); diff != "" {
		t.Errorf("second build (-want +got):\n%s", diff)
	}
	// D6: a build again depends on what the first time did.
	for _, tt := range []struct{ values, want string }{{"pear apple", first}, {"apple banana", second}, {"", ""}} {
		_, key, err := build(ctx, d, words(tt.values))
		if err != nil || key != tt.want {
			t.Errorf("values %q: depends on %q, %v, want %q", tt.values, key, err, tt.want)
		}
	}
	checkAll(t, st, c)
	if len(c.list) != 2 || len(objects(t, st)) != 2 {
		t.Errorf("%d slices in the catalog, %v in the store, want 2", len(c.list), objects(t, st))
	}
}

// What would make a dictionary wrong is refused and named.
func TestRefused(t *testing.T) {
	ctx := t.Context()
	d := open(t, dictionary.Options{Store: new(blob.Mem), Catalog: new(memCatalog)})
	unsorted := &stage.Column{Kind: stage.Bytes}
	unsorted.AppendBytes([]byte("b"))
	unsorted.AppendBytes([]byte("a"))
	twice := &stage.Column{Kind: stage.Bytes}
	twice.AppendBytes([]byte("a"))
	twice.AppendBytes([]byte("a"))
	nulls := &stage.Column{Kind: stage.Bytes}
	nulls.AppendNull()
	for want, bad := range map[string]*stage.Column{
		`"a" comes after "b"`: unsorted, `"a" comes after "a"`: twice, "without nulls": nulls, "column of strings": {Kind: stage.Int64},
		"takes up to 16777216": col(strings.Repeat("x", 16<<20+1)),
	} {
		_, _, err := build(ctx, d, bad)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "table t1, column name") {
			t.Errorf("got %v, want it to name the column and %q", err, want)
		}
	}
	g := d.Gather("t1", "name")
	defer g.Close()
	if _, err := g.Add(ctx, words("a b")); err != nil {
		t.Fatal(err)
	}
	ids, err := g.Resolve(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ids.Of(ctx, 1); err == nil || !strings.Contains(err.Error(), "block 1: 1 were added") {
		t.Errorf("a block that was not added: got %v", err)
	}
	if _, err := g.Resolve(ctx); err == nil {
		t.Error("ids were given twice")
	}
	if _, err := g.Add(ctx, words("c")); err == nil {
		t.Error("a value was taken after ids were given")
	}
}

// Ids end at 2^32, with a name for the error.
func TestFull(t *testing.T) {
	st, c := new(blob.Mem), new(memCatalog)
	d := open(t, dictionary.Options{Store: st, Catalog: c})
	if _, _, err := build(t.Context(), d, words("a b")); err != nil {
		t.Fatal(err)
	}
	// As if a second slice had all values but one of those that are left.
	full := c.list[0]
	full.Slice, full.FirstID, full.Values = 2, 2, catalog.MaxDictionaryValues-3
	var err error
	if full.Key, full.Size, full.SHA256, err = dictionary.Forge(t.Context(), st, full, c.list[0].SHA256); err != nil {
		t.Fatal(err)
	}
	c.list = append(c.list, full)
	_, _, err = build(t.Context(), d, words("x y"))
	var e *dictionary.FullError
	if !errors.As(err, &e) || e.Has != catalog.MaxDictionaryValues-1 || e.New != 2 || !strings.Contains(err.Error(), "2^32") {
		t.Errorf("two values where one id is left: got %v, want FullError", err)
	}
	got, _, err := build(t.Context(), d, words("x"))
	if err != nil || got["x"] != 1<<32-1 {
		t.Errorf("one value where one id is left: got %v, %v, want the last id", got, err)
	}
}

// Limits of disk are named, and nothing is left behind.
func TestDiskLimit(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dictionary.Options{Store: new(blob.Mem), Catalog: new(memCatalog), Dir: dir, Disk: 2000})
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprint(i*7919))
	}
	_, _, err := build(t.Context(), d, col(many...))
	if err == nil || !strings.Contains(err.Error(), "2000 bytes: give them more (build.dictionary_disk)") {
		t.Errorf("got %v, want it to name the limit", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	gone := open(t, dictionary.Options{Store: new(blob.Mem), Catalog: new(memCatalog), Dir: filepath.Join(dir, "none")})
	if _, _, err := build(t.Context(), gone, col(many...)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: got %v", err)
	}
}

// D1, D2, D6: whatever is built in whatever blocks and memory, ids are those of a map that is filled in sorted order.
func TestAgainstMap(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		st, c := new(blob.Mem), new(memCatalog)
		d := open(t, dictionary.Options{Store: st, Catalog: c, Dir: dir})
		dictionary.SetMemory(d, rapid.SampledFrom([]int64{200, 5000, 64 << 20}).Draw(rt, "memory"))
		model := map[string]uint32{}
		value := rapid.OneOf(
			rapid.StringMatching(`[ab]{0,4}`), rapid.StringN(0, 6, -1),
			rapid.Map(rapid.IntRange(0, 4), func(i int) string { return strings.Repeat("long", i*10000) }),
		)
		for range rapid.IntRange(1, 6).Draw(rt, "builds") {
			var blocks []*stage.Column
			all := map[string]bool{}
			for range rapid.IntRange(0, 5).Draw(rt, "blocks") {
				values := rapid.SliceOf(value).Draw(rt, "values")
				blocks = append(blocks, col(values...))
				for _, v := range values {
					all[v] = true
				}
			}
			var sorted []string
			for v := range all {
				sorted = append(sorted, v)
			}
			whole := col(sorted...)
			for i := range whole.Len() {
				if v := string(whole.Bytes(i)); !has(model, v) {
					model[v] = uint32(len(model))
				}
			}
			got, _, err := build(t.Context(), d, blocks...)
			if err != nil {
				rt.Fatal(err)
			}
			for v := range all {
				if id, ok := got[v]; !ok || id != model[v] {
					rt.Fatalf("value %.20q has id %d, %t, want %d", v, id, ok, model[v])
				}
			}
		}
		checkAll(t, st, c)
	})
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func has(m map[string]uint32, v string) bool { _, ok := m[v]; return ok }

// D3, D1: while one build is at its call 0, 1, 2 ..., another one appends. Both get all of their ids, no id is given twice,
// and what they share has one id.
func TestTwoAppenders(t *testing.T) {
	ours, theirs := words("apple fig kiwi plum"), words("banana fig lime plum zest")
	for i := 0; ; i++ {
		st, c := new(blob.Mem), new(memCatalog)
		other := open(t, dictionary.Options{Store: st, Catalog: c})
		if _, _, err := build(t.Context(), other, words("apple zest")); err != nil {
			t.Fatal(err)
		}
		n, fired := 0, false
		var second map[string]uint32
		at := steps{after: func() error { return nil }, before: func() error {
			n++
			if n-1 != i {
				return nil
			}
			fired = true
			var err error
			second, _, err = build(t.Context(), other, theirs)
			return err
		}}
		d := open(t, dictionary.Options{Store: steppedStore{st, at}, Catalog: steppedCatalog{c, at}})
		first, _, err := build(t.Context(), d, ours)
		if err != nil {
			t.Fatalf("other at call %d: %v", i, err)
		}
		if !fired {
			if i < 5 {
				t.Fatalf("only %d calls", i)
			}
			return
		}
		checkAll(t, st, c)
		all := map[string]uint32{}
		taken := map[uint32]string{}
		for _, m := range []map[string]uint32{first, second} {
			for v, id := range m {
				if old, ok := all[v]; ok && old != id {
					t.Errorf("other at call %d: value %q has ids %d and %d", i, v, old, id)
				}
				if by, ok := taken[id]; ok && by != v {
					t.Errorf("other at call %d: id %d is that of %q and of %q", i, id, by, v)
				}
				all[v], taken[id] = id, v
			}
		}
		if len(first) != ours.Len() || len(second) != theirs.Len() || len(all) != len(taken) {
			t.Errorf("other at call %d: got %v and %v", i, first, second)
		}
		// Asked again, all of it is as it was.
		again, _, err := build(t.Context(), other, ours, theirs)
		if diff := cmp.Diff(all, again); err != nil || diff != "" {
			t.Errorf("other at call %d: again, %v (-want +got):\n%s", i, err, diff)
		}
	}
}

// Who always loses gives up, and says so.
func TestLosesTooOften(t *testing.T) {
	st, c := new(blob.Mem), new(memCatalog)
	other := open(t, dictionary.Options{Store: st, Catalog: c})
	n := 0
	at := steps{before: func() error { return nil }, after: func() error { return nil }}
	d := open(t, dictionary.Options{Store: steppedStore{st, at}, Tries: 3, Catalog: rival{c, func() {
		n++
		if _, _, err := build(context.Background(), other, words(fmt.Sprint("rival", n))); err != nil {
			t.Fatal(err)
		}
	}}})
	_, _, err := build(t.Context(), d, words("a"))
	if err == nil || errors.Is(err, catalog.ErrUnavailable) || !strings.Contains(err.Error(), "3 times (build.dictionary_tries)") {
		t.Errorf("got %v, want an error after 3 tries that is no ErrUnavailable: the catalog has answered", err)
	}
	checkAll(t, st, c)
}

// rival has somebody append just before each append.
type rival struct {
	dictionary.Catalog
	first func()
}

func (r rival) AppendDictionary(ctx context.Context, s catalog.DictionarySlice) error {
	r.first()
	return r.Catalog.AppendDictionary(ctx, s)
}

// Blocks may be added, and their ids read, by several goroutines at once; ids do not depend on the order.
func TestBlocksAtOnce(t *testing.T) {
	st, c := new(blob.Mem), new(memCatalog)
	d := open(t, dictionary.Options{Store: st, Catalog: c})
	dictionary.SetMemory(d, 2000)
	g := d.Gather("t1", "name")
	defer g.Close()
	const blocks, each = 20, 50
	numbers := make([]int, blocks)
	var wg sync.WaitGroup
	value := func(i int) string { return fmt.Sprintf("%05d", i) }
	for b := range blocks {
		wg.Go(func() {
			var values []string
			for i := range each {
				values = append(values, value(b*each/2+i)) // half of each block is in the next one
			}
			var err error
			if numbers[b], err = g.Add(t.Context(), col(values...)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	ids, err := g.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for b := range blocks {
		wg.Go(func() {
			got, err := ids.Of(t.Context(), numbers[b])
			if err != nil || len(got) != each {
				t.Errorf("block %d: %d ids, %v", b, len(got), err)
				return
			}
			for i, id := range got {
				if want := uint32(b*each/2 + i); id != want {
					t.Errorf("block %d: value %s has id %d, want %d", b, value(b*each/2+i), id, want)
				}
			}
		})
	}
	wg.Wait()
}
