package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/blob"
)

func TestMem(t *testing.T) {
	conform(t, func(*testing.T) blob.Store { return new(blob.Mem) })
}

func TestDir(t *testing.T) {
	conform(t, func(t *testing.T) blob.Store { return newDir(t) })
}

func newDir(t *testing.T) *blob.Dir {
	t.Helper()
	d, err := blob.NewDir(filepath.Join(t.TempDir(), "new", "store"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// conform is what every Store must do, but for what is skipped; each subtest gets an empty one.
func conform(t *testing.T, open func(t *testing.T) blob.Store, skip ...string) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, st blob.Store)
	}{
		{"create once", conformCreateOnce},
		{"ranges", conformRanges},
		{"absent", conformAbsent},
		{"list", conformList},
		{"race", conformRace},
		{"create same", conformCreateSame},
		{"create same file", conformCreateSameFile},
		{"large", conformLarge},
		{"broken body", conformBrokenBody},
		{"cancelled", conformCancelled},
		{"bad keys", conformBadKeys},
		{"check", conformCheck},
		{"claim", conformClaim},
	} {
		if !slices.Contains(skip, c.name) {
			t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
		}
	}
}

func conformCreateOnce(t *testing.T, st blob.Store) {
	create(t, st, "a/b/one", "first")
	err := st.Create(t.Context(), "a/b/one", strings.NewReader("second"))
	if !errors.Is(err, blob.ErrExists) {
		t.Errorf("second create: got %v, want ErrExists", err)
	}
	if got := read(t, st, "a/b/one", 0, -1); got != "first" {
		t.Errorf("content after the refused create: got %q, want %q", got, "first")
	}
	create(t, st, "a/b/empty", "")
	if got := read(t, st, "a/b/empty", 0, -1); got != "" {
		t.Errorf("empty object: got %q", got)
	}
	remove(t, st, "a/b/one")
	create(t, st, "a/b/one", "third")
	if got := read(t, st, "a/b/one", 0, -1); got != "third" {
		t.Errorf("content after delete and create: got %q, want %q", got, "third")
	}
}

func conformRanges(t *testing.T, st blob.Store) {
	const key, body = "ranges/x", "0123456789"
	create(t, st, key, body)
	for _, c := range []struct {
		off, n int64
		want   string
	}{
		{0, -1, body},
		{0, 10, body},
		{0, 4, "0123"},
		{3, 4, "3456"},
		{3, -1, "3456789"},
		{9, 1, "9"},
		{8, 100, "89"},
		{4, 0, ""},
		{10, -1, ""},
		{10, 5, ""},
		{100, -1, ""},
	} {
		if got := read(t, st, key, c.off, c.n); got != c.want {
			t.Errorf("open(off=%d, n=%d): got %q, want %q", c.off, c.n, got, c.want)
		}
	}
	if _, err := st.Open(t.Context(), key, -1, -1); err == nil {
		t.Error("a negative offset was accepted")
	}
}

func conformAbsent(t *testing.T, st blob.Store) {
	create(t, st, "dir/a", "x")
	for _, key := range []string{"none", "dir", "dir/b", "dir/a/under"} {
		for _, n := range []int64{-1, 0, 5} {
			if _, err := st.Open(t.Context(), key, 0, n); !errors.Is(err, blob.ErrNotFound) {
				t.Errorf("open %s, n=%d: got %v, want ErrNotFound", key, n, err)
			}
		}
		if _, err := blob.Stat(t.Context(), st, key); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("stat %s: got %v, want ErrNotFound", key, err)
		}
		remove(t, st, key)
	}
	o, err := blob.Stat(t.Context(), st, "dir/a")
	if err != nil || o.Key != "dir/a" || o.Size != 1 || o.ModTime.IsZero() {
		t.Errorf("stat dir/a: got %+v, %v", o, err)
	}
}

func conformList(t *testing.T, st blob.Store) {
	keys := []string{ // in the order of their bytes
		"a-b", "a/b", "a/b-c/d", "a/b.c", "a/c/d", "a/c/e", "a0", "b", "é/ü",
	}
	for _, i := range rand.Perm(len(keys)) {
		create(t, st, keys[i], strings.Repeat("x", i))
	}
	for _, c := range []struct {
		prefix string
		want   []string
	}{
		{"", keys},
		{"a", keys[:7]},
		{"a/", keys[1:6]},
		{"a/b", keys[1:4]},
		{"a/c", keys[4:6]},
		{"a/c/", keys[4:6]},
		{"a/c/e", keys[5:6]},
		{"é", keys[8:]},
		{"a/x", nil},
		{"none/", nil},
	} {
		if diff := cmp.Diff(c.want, list(t, st, c.prefix)); diff != "" {
			t.Errorf("list %q (-want +got):\n%s", c.prefix, diff)
		}
	}
	for o, err := range st.List(t.Context(), "a/c/e") {
		if err != nil || o.Size != 5 || o.ModTime.IsZero() {
			t.Errorf("listed object: got %+v, %v, want size 5 and a time", o, err)
		}
	}
	for range st.List(t.Context(), "") {
		break // an early end must not panic or leak
	}
	for _, key := range keys {
		remove(t, st, key)
	}
	if got := list(t, st, ""); got != nil {
		t.Errorf("list after all were deleted: got %q", got)
	}
}

// B1: one of many wins, and its content is what is read.
func conformRace(t *testing.T, st blob.Store) {
	const writers = 16
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			errs[i] = st.Create(t.Context(), "race/key", strings.NewReader(strings.Repeat(fmt.Sprint(i), 100_000)))
		})
	}
	wg.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner < 0:
			winner = i
		case err == nil:
			t.Errorf("writers %d and %d both won", winner, i)
		case !errors.Is(err, blob.ErrExists):
			t.Errorf("writer %d: got %v, want ErrExists", i, err)
		}
	}
	if winner < 0 {
		t.Fatal("no writer won")
	}
	if got, want := read(t, st, "race/key", 0, -1), strings.Repeat(fmt.Sprint(winner), 100_000); got != want {
		t.Errorf("content is not the winner's: got %.20q..., want %.20q...", got, want)
	}
}

func conformCreateSame(t *testing.T, st blob.Store) {
	body := strings.NewReader("same content")
	for range 3 {
		if err := blob.CreateSame(t.Context(), st, "same/x", body); err != nil {
			t.Fatalf("same content: %v", err)
		}
	}
	for _, other := range []string{"SAME content", "same", ""} {
		err := blob.CreateSame(t.Context(), st, "same/x", strings.NewReader(other))
		var conflict *blob.ConflictError
		if !errors.As(err, &conflict) || !errors.Is(err, blob.ErrExists) {
			t.Fatalf("content %q: got %v, want a ConflictError that is ErrExists", other, err)
		}
		if conflict.StoredSize != 12 || conflict.WantSize != int64(len(other)) || conflict.StoredSHA256 == conflict.WantSHA256 {
			t.Errorf("content %q: got %+v", other, conflict)
		}
	}
	if got := read(t, st, "same/x", 0, -1); got != "same content" {
		t.Errorf("content: got %q", got)
	}
}

func conformCreateSameFile(t *testing.T, st blob.Store) {
	path := filepath.Join(t.TempDir(), "finished")
	for _, c := range []struct {
		content string
		same    bool
	}{{"rows", true}, {"rows", true}, {"other", false}} {
		if err := os.WriteFile(path, []byte(c.content), 0o644); err != nil {
			t.Fatal(err)
		}
		err := blob.CreateSameFile(t.Context(), st, "file/x", path)
		if c.same && err != nil || !c.same && !errors.Is(err, blob.ErrExists) {
			t.Errorf("content %q: got %v", c.content, err)
		}
		if _, err := os.Stat(path); os.IsNotExist(err) != c.same {
			t.Errorf("content %q: source after the call: %v", c.content, err)
		}
		if got := read(t, st, "file/x", 0, -1); got != "rows" {
			t.Errorf("content: got %q, want %q", got, "rows")
		}
	}
	if err := blob.CreateSameFile(t.Context(), st, "file/y", path+".none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("source that is not there: got %v", err)
	}
}

var largeBody = sync.OnceValue(func() []byte {
	body := make([]byte, 11<<20+123)
	rand.NewChaCha8([32]byte{}).Read(body)
	return body
})

// conformLarge writes more than any part or buffer, once with a size that is known before and once as a stream.
func conformLarge(t *testing.T, st blob.Store) {
	body := largeBody()
	for _, c := range []struct {
		key  string
		body io.Reader
	}{
		{"large/sized", bytes.NewReader(body)},
		{"large/stream", struct{ io.Reader }{bytes.NewReader(body)}},
	} {
		if err := st.Create(t.Context(), c.key, c.body); err != nil {
			t.Fatalf("%s: %v", c.key, err)
		}
		if got := read(t, st, c.key, 0, -1); got != string(body) {
			t.Errorf("%s: %d bytes read, not what was written (%d bytes)", c.key, len(got), len(body))
		}
		if got, want := read(t, st, c.key, 5<<20-2, 1<<20), string(body[5<<20-2:6<<20-2]); got != want {
			t.Errorf("%s: a range across parts differs", c.key)
		}
		if err := st.Create(t.Context(), c.key, bytes.NewReader(body)); !errors.Is(err, blob.ErrExists) {
			t.Errorf("%s: second create: got %v, want ErrExists", c.key, err)
		}
	}
}

var errBody = errors.New("body broke off")

// conformBrokenBody: an object whose body broke off, at any size, never appears (B2).
func conformBrokenBody(t *testing.T, st blob.Store) {
	for _, n := range []int64{0, 1, 100_000, 6 << 20, 11 << 20} {
		body := io.MultiReader(io.LimitReader(zeros{}, n), broken{})
		if err := st.Create(t.Context(), "broken/x", body); !errors.Is(err, errBody) || errors.Is(err, blob.ErrUnavailable) {
			t.Errorf("after %d bytes: got %v, want the body's error", n, err)
		}
		if got := list(t, st, ""); got != nil {
			t.Errorf("after %d bytes: left %q", n, got)
		}
	}
	create(t, st, "broken/x", "whole")
}

// conformCancelled: a Create that is cancelled while it reads its body ends with the context's error and leaves nothing.
func conformCancelled(t *testing.T, st blob.Store) {
	for _, n := range []int64{0, 11 << 20} {
		ctx, cancel := context.WithCancel(t.Context())
		body := io.MultiReader(io.LimitReader(zeros{}, n), readFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }))
		if err := st.Create(ctx, "cancelled/x", body); !errors.Is(err, context.Canceled) || errors.Is(err, blob.ErrUnavailable) {
			t.Errorf("after %d bytes: got %v, want context.Canceled", n, err)
		}
		if got := list(t, st, ""); got != nil {
			t.Errorf("after %d bytes: left %q", n, got)
		}
		if err := st.Delete(ctx, "cancelled/x"); !errors.Is(err, context.Canceled) {
			t.Errorf("delete: got %v, want context.Canceled", err)
		}
		if _, err := st.Open(ctx, "cancelled/x", 0, -1); !errors.Is(err, context.Canceled) {
			t.Errorf("open: got %v, want context.Canceled", err)
		}
	}
}

func conformBadKeys(t *testing.T, st blob.Store) {
	for _, key := range []string{
		"", "/abs", "a/", "a//b", ".", "..", "../x", "a/../b", "a/./b", ".tmp/x", "a/.hidden", `a\b`, "a\x00b", "a\nb", "a\xff",
		strings.Repeat("x", 256), strings.Repeat("x/", 500) + "x",
	} {
		if err := st.Create(t.Context(), key, strings.NewReader("x")); err == nil {
			t.Errorf("create %.40q was accepted", key)
		}
		if _, err := st.Open(t.Context(), key, 0, -1); err == nil || errors.Is(err, blob.ErrNotFound) {
			t.Errorf("open %.40q: got %v, want a refusal of the key", key, err)
		}
		if err := st.Delete(t.Context(), key); err == nil {
			t.Errorf("delete %.40q was accepted", key)
		}
	}
	for _, prefix := range []string{"/", "../", "a//", "."} {
		for _, err := range st.List(t.Context(), prefix) {
			if err == nil {
				t.Errorf("list %q was accepted", prefix)
			}
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBody }

type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func create(t *testing.T, st blob.Store, key, body string) {
	t.Helper()
	if err := st.Create(t.Context(), key, strings.NewReader(body)); err != nil {
		t.Fatalf("create %s: %v", key, err)
	}
}

func remove(t *testing.T, st blob.Store, key string) {
	t.Helper()
	if err := st.Delete(t.Context(), key); err != nil {
		t.Errorf("delete %s: %v", key, err)
	}
}

func read(t *testing.T, st blob.Store, key string, off, n int64) string {
	t.Helper()
	r, err := st.Open(t.Context(), key, off, n)
	if err != nil {
		t.Errorf("open %s: %v", key, err)
		return ""
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Errorf("read %s: %v", key, err)
	}
	return string(got)
}

func list(t *testing.T, st blob.Store, prefix string) []string {
	t.Helper()
	var keys []string
	for o, err := range st.List(t.Context(), prefix) {
		if err != nil {
			t.Errorf("list %q: %v", prefix, err)
			break
		}
		keys = append(keys, o.Key)
	}
	return keys
}
