package dictionary_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
)

var errKilled = errors.New("killed")

// I4, I5, D3: a build is killed at its call 0, 1, 2 ..., before and after the call took effect. What the catalog names is whole
// in the store; the next build gets the ids that the first would have got, or has got.
func TestKilled(t *testing.T) {
	ours := words("apple fig kiwi plum")
	for _, after := range []bool{false, true} {
		for i := 0; ; i++ {
			st, c := new(blob.Mem), new(memCatalog)
			whole := open(t, dictionary.Options{Store: st, Catalog: c})
			if _, _, err := build(t.Context(), whole, words("apple zest")); err != nil {
				t.Fatal(err)
			}
			n, dead := 0, false
			kill := func(is bool) error {
				if dead || is && n == i+1 {
					dead = true
					return errKilled
				}
				return nil
			}
			at := steps{
				before: func() error { n++; return kill(!after) },
				after:  func() error { return kill(after) },
			}
			dir := t.TempDir()
			d := open(t, dictionary.Options{Store: steppedStore{st, at}, Catalog: steppedCatalog{c, at}, Dir: dir})
			_, _, err := build(t.Context(), d, ours)
			if !dead {
				if err != nil || i < 5 {
					t.Fatalf("%d calls, %v", i, err)
				}
				break
			}
			if !errors.Is(err, errKilled) {
				t.Fatalf("call %d (after=%t) was swallowed: got %v", i, after, err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("call %d (after=%t): left behind: %v, %v", i, after, left, err)
			}
			checkAll(t, st, c)
			if len(c.list) > len(objects(t, st)) {
				t.Errorf("call %d (after=%t): %d slices, objects %v", i, after, len(c.list), objects(t, st))
			}
			got, _, err := build(t.Context(), whole, ours)
			want := map[string]uint32{"apple": 0, "fig": 2, "kiwi": 3, "plum": 4}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("call %d (after=%t): next build, %v (-want +got):\n%s", i, after, err, diff)
			}
			// The same values make the same object: what the killed build has stored is used, not stored again.
			if len(c.list) != 2 || len(objects(t, st)) != 2 {
				t.Errorf("call %d (after=%t): %d slices, objects %v, want 2", i, after, len(c.list), objects(t, st))
			}
		}
	}
}

// I10: a disk that is full at any write of a temporary file gives an error that says where and what to do; nothing is left there, and
// the next attempt, when there is room, gets the ids that the first would have got.
func TestDiskFull(t *testing.T) {
	var blocks []*stage.Column
	for i := range 5 {
		blocks = append(blocks, col(strings.Repeat("a", i+1), strings.Repeat("long", 60*i), fmt.Sprint("b", i)))
	}
	world := func() (*blob.Mem, *memCatalog) {
		st, c := new(blob.Mem), new(memCatalog)
		if _, _, err := build(t.Context(), open(t, dictionary.Options{Store: st, Catalog: c}), words("aa zest")); err != nil {
			t.Fatal(err)
		}
		return st, c
	}
	st, c := world()
	want, _, err := build(t.Context(), open(t, dictionary.Options{Store: st, Catalog: c}), blocks...)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; ; at++ {
		st, c := world()
		dir, left, fired := t.TempDir(), at, false
		d := open(t, dictionary.Options{Store: st, Catalog: c, Dir: dir})
		dictionary.SetMemory(d, 500)
		dictionary.SetFull(d, func(path string) error {
			if left--; left >= 0 {
				return nil
			}
			fired = true
			return &os.PathError{Op: "write", Path: path, Err: syscall.ENOSPC}
		})
		_, _, err := build(t.Context(), d, blocks...)
		if !fired {
			if err != nil || at < 10 {
				t.Fatalf("%d writes of temporary files, %v, want 10 at least", at, err)
			}
			break
		}
		var full *dictionary.DiskFullError
		if !errors.As(err, &full) || full.Dir != dir || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "free space below "+dir) || !strings.Contains(err.Error(), "build.dictionary_memory") {
			t.Fatalf("write %d: got %v, want a *DiskFullError that names %s and what to do", at, err, dir)
		}
		if rest, err := os.ReadDir(dir); err != nil || len(rest) > 0 {
			t.Errorf("write %d: left behind: %v, %v", at, rest, err)
		}
		checkAll(t, st, c)
		left = 1 << 30 // somebody made room
		got, _, err := build(t.Context(), d, blocks...)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("write %d: next build, %v (-want +got):\n%s", at, err, diff)
		}
	}
}

// D5: a byte that was changed anywhere in a slice, or one that is missing, is an error of every build that reads it and of Check.
func TestChangedByte(t *testing.T) {
	st, c := new(blob.Mem), new(memCatalog)
	d := open(t, dictionary.Options{Store: st, Catalog: c})
	if _, _, err := build(t.Context(), d, words("apple fig")); err != nil {
		t.Fatal(err)
	}
	s := c.list[0]
	text := read(t, st, s.Key)
	for i := range text {
		bad, hurt := new(blob.Mem), append([]byte{}, text...)
		hurt[i] ^= 1 << (i % 8)
		put(t, bad, s.Key, hurt)
		if err := dictionary.Check(t.Context(), bad, s); !dictionary.IsDamaged(err) {
			t.Errorf("byte %d: check: got %v", i, err)
		}
		if _, err := dictionary.Walk(t.Context(), hurt); !dictionary.IsDamaged(err) {
			t.Errorf("byte %d: walk: got %v", i, err)
		}
		bd := open(t, dictionary.Options{Store: bad, Catalog: c})
		if _, _, err := build(t.Context(), bd, words("apple fig")); !dictionary.IsDamaged(err) {
			t.Errorf("byte %d: build: got %v", i, err)
		}
	}
	short := new(blob.Mem)
	put(t, short, s.Key, text[:len(text)-1])
	if err := dictionary.Check(t.Context(), short, s); !dictionary.IsDamaged(err) {
		t.Errorf("a byte less: got %v", err)
	}
	if err := dictionary.Check(t.Context(), new(blob.Mem), s); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("no object: got %v, want ErrNotFound", err)
	}
}

// Bytes that are written once are read by every later version. The files are never rewritten.
func TestGolden(t *testing.T) {
	st, c := new(blob.Mem), new(memCatalog)
	d := open(t, dictionary.Options{Store: st, Catalog: c})
	for _, values := range []string{"apple applesauce fig grüße", "apple banana zest"} {
		if _, _, err := build(t.Context(), d, words(values), col("")); err != nil {
			t.Fatal(err)
		}
	}
	root := filepath.Join("testdata", "format", "v1")
	for _, s := range c.list {
		path := filepath.Join(root, filepath.FromSlash(s.Key))
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, read(t, st, s.Key)); diff != "" {
			t.Errorf("slice %d (-golden +written):\n%s", s.Slice, diff)
		}
		if err := dictionary.Check(t.Context(), st, s); err != nil {
			t.Error(err)
		}
	}
}
