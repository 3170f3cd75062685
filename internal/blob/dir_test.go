package blob

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func testDir(t *testing.T) *Dir {
	t.Helper()
	d, err := NewDir(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func dirKeys(t *testing.T, d *Dir) []string {
	t.Helper()
	var keys []string
	for o, err := range d.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

func temps(t *testing.T, d *Dir) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(d.root, tempFolder))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// B2: what a process that died in the middle of a Create leaves is never seen, and Cleanup removes it.
func TestDirCrashInTheMiddle(t *testing.T) {
	d := testDir(t)
	var half string
	body := io.MultiReader(strings.NewReader(strings.Repeat("x", 100_000)), readerFunc(func([]byte) (int, error) {
		names := temps(t, d)
		if len(names) != 1 {
			t.Fatalf("temporary files while writing: %q, want one", names)
		}
		half = filepath.Join(d.root, tempFolder, names[0])
		if err := os.Link(half, half+".crashed"); err != nil { // what a kill at this moment would leave
			t.Fatal(err)
		}
		if got := dirKeys(t, d); got != nil {
			t.Errorf("half an object is listed: %q", got)
		}
		if _, err := d.Open(t.Context(), "a/b", 0, -1); !errors.Is(err, ErrNotFound) {
			t.Errorf("half an object can be opened: %v", err)
		}
		return 0, io.EOF
	}))
	if err := d.Create(t.Context(), "a/b", body); err != nil {
		t.Fatal(err)
	}
	if got := dirKeys(t, d); !slices.Equal(got, []string{"a/b"}) {
		t.Errorf("keys: got %q, want a/b alone", got)
	}
	if got := temps(t, d); len(got) != 1 {
		t.Fatalf("temporary files: got %q, want the crashed one alone", got)
	}
	fi, err := os.Stat(half + ".crashed")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		before time.Time
		want   int
	}{{fi.ModTime(), 0}, {fi.ModTime().Add(time.Nanosecond), 1}, {fi.ModTime().Add(time.Hour), 0}} {
		if n, err := d.Cleanup(t.Context(), c.before); n != c.want || err != nil {
			t.Errorf("cleanup: got %d, %v, want %d", n, err, c.want)
		}
	}
	if got := dirKeys(t, d); !slices.Equal(got, []string{"a/b"}) {
		t.Errorf("keys after clean-up: got %q", got)
	}
}

// A full disk is ErrUnavailable, says where and how much is left, and leaves nothing, whichever write finds it.
func TestDirDiskFull(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT} {
		d := testDir(t)
		d.sync = func(*os.File) error { return &fs.PathError{Op: "sync", Path: "f", Err: errno} }
		err := d.Create(t.Context(), "a/b", strings.NewReader("x"))
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, errno) {
			t.Fatalf("%v: got %v, want it as ErrUnavailable", errno, err)
		}
		for _, want := range []string{"create a/b", d.root, "MiB free", "free some space"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v: %q does not say %q", errno, err, want)
			}
		}
		if got := temps(t, d); got != nil {
			t.Errorf("%v: left %q", errno, got)
		}
		if got := dirKeys(t, d); got != nil {
			t.Errorf("%v: listed %q", errno, got)
		}
		d.sync = (*os.File).Sync
		if err := d.Create(t.Context(), "a/b", strings.NewReader("x")); err != nil {
			t.Errorf("after space was made: %v", err)
		}
	}
}

// Fails each sync in turn. Whatever a failed Create left, a second one ends in a whole object: by writing it, or by
// syncing what is there before it says ErrExists (B2).
func TestDirSyncFails(t *testing.T) {
	for i := 0; ; i++ {
		d := testDir(t)
		var n int
		var synced []string
		d.sync = func(f *os.File) error {
			n++
			if n-1 == i {
				return &fs.PathError{Op: "sync", Path: f.Name(), Err: syscall.EIO}
			}
			synced = append(synced, f.Name())
			return f.Sync()
		}
		err := d.Create(t.Context(), "a/b/c", strings.NewReader("whole"))
		if n <= i {
			if err != nil {
				t.Fatalf("no fault: %v", err)
			}
			if i < 4 {
				t.Fatalf("only %d syncs: file, two new folders and the object's folder are 4 at least", i)
			}
			return
		}
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("fault %d: got %v, want ErrUnavailable", i, err)
		}
		synced = nil
		if err := CreateSame(t.Context(), d, "a/b/c", strings.NewReader("whole")); err != nil {
			t.Errorf("fault %d: second create: %v", i, err)
		}
		if want := filepath.Join(d.root, "a", "b"); !slices.Contains(synced, want) {
			t.Errorf("fault %d: the second create synced %q, not %s", i, synced, want)
		}
		if got := temps(t, d); got != nil {
			t.Errorf("fault %d: left %q", i, got)
		}
	}
}

// Without hard links objects are named by rename, which must not replace either.
func TestDirWithoutHardLinks(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EPERM, syscall.ENOTSUP, syscall.EXDEV} {
		d := testDir(t)
		d.link = func(from, to string) error { return &os.LinkError{Op: "link", Old: from, New: to, Err: errno} }
		if err := d.Create(t.Context(), "a/b", strings.NewReader("first")); err != nil {
			t.Fatalf("%v: %v", errno, err)
		}
		if err := d.Create(t.Context(), "a/b", strings.NewReader("second")); !errors.Is(err, ErrExists) {
			t.Errorf("%v: second create: got %v, want ErrExists", errno, err)
		}
		if err := renameNoReplace(filepath.Join(d.root, "a", "b"), filepath.Join(d.root, "a", "b")); err == nil {
			t.Errorf("%v: rename replaced a file", errno)
		}
		path := filepath.Join(t.TempDir(), "finished")
		if err := os.WriteFile(path, []byte("rows"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := CreateSameFile(t.Context(), d, "a/c", path); err != nil {
			t.Errorf("%v: create from a file: %v", errno, err)
		}
		if got, err := os.ReadFile(filepath.Join(d.root, "a", "c")); string(got) != "rows" || err != nil {
			t.Errorf("%v: content %q, %v", errno, got, err)
		}
		if got := temps(t, d); got != nil {
			t.Errorf("%v: left %q", errno, got)
		}
	}
}

func TestDirTakesFileWithoutCopy(t *testing.T) {
	d := testDir(t)
	path := filepath.Join(filepath.Dir(d.root), "finished")
	if err := os.WriteFile(path, []byte("rows"), 0o644); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.CreateFromFile(t.Context(), "a/b", path); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(filepath.Join(d.root, "a", "b"))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the object is a copy of the file (%v)", err)
	}
	if err := d.CreateFromFile(t.Context(), "a/b", path); !errors.Is(err, ErrExists) {
		t.Errorf("second time: got %v, want ErrExists", err)
	}
}

// Keys that differ in being a file or a folder, files that are not ours, and folders that come and go.
func TestDirForeignFiles(t *testing.T) {
	d := testDir(t)
	for _, key := range []string{"a/b", "c"} {
		if err := d.Create(t.Context(), key, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"a", "a/b/c"} {
		if err := d.Create(t.Context(), key, strings.NewReader("x")); err == nil || errors.Is(err, ErrExists) || errors.Is(err, ErrUnavailable) {
			t.Errorf("create %s beside a/b: got %v, want a refusal", key, err)
		}
	}
	if err := d.Delete(t.Context(), "a"); err != nil {
		t.Errorf("delete of a folder: %v", err)
	}
	for _, name := range []string{".nfs0001", "a/.DS_Store", ".hidden/x"} {
		path := filepath.Join(d.root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("b", filepath.Join(d.root, "a", "symlink")); err != nil {
		t.Fatal(err)
	}
	if got, want := dirKeys(t, d), []string{"a/b", "c"}; !slices.Equal(got, want) {
		t.Errorf("keys: got %q, want %q", got, want)
	}
	if _, err := NewDir(filepath.Join(d.root, "c")); err == nil {
		t.Error("a file was accepted as a store")
	}
}

// Deletes remove empty folders under the feet of Creates in the same folder.
func TestDirDeleteRacesCreate(t *testing.T) {
	d := testDir(t)
	done := make(chan error)
	for _, name := range []string{"x/y/1", "x/y/2", "x/z/3"} {
		go func() {
			for range 100 {
				if err := d.Create(context.Background(), name, strings.NewReader(name)); err != nil {
					done <- err
					return
				}
				if err := d.Delete(context.Background(), name); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(d.root, "x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the empty folder is left: %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
