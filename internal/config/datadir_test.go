package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestSecondHolderIsRefusedWithThePid(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	d, err := OpenData(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = OpenData(dir)
	var locked *LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Fatalf("C5: second open returned %v, want a LockedError with pid %d", err, os.Getpid())
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenData(dir)
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAddressLivesAsLongAsItsProcess(t *testing.T) {
	dir := t.TempDir()
	if a, err := Address(dir); a != "" || err != nil {
		t.Fatalf("empty folder: got %q, %v", a, err)
	}
	// What a killed process left is removed by the next holder.
	if err := os.WriteFile(filepath.Join(dir, "address"), []byte("127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if a, err := Address(dir); a != "" || err != nil {
		t.Fatalf("nobody holds the folder: got %q, %v", a, err)
	}
	d, err := OpenData(dir)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := Address(dir); a != "" || err != nil {
		t.Fatalf("stale address %q, %v", a, err)
	}
	if err := d.Publish("127.0.0.1:7070", ""); err != nil {
		t.Fatal(err)
	}
	if a, err := Address(dir); a != "127.0.0.1:7070" || err != nil {
		t.Fatalf("got %q, %v", a, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if a, err := Address(dir); a != "" || err != nil {
		t.Fatalf("after Close: got %q, %v", a, err)
	}
}

// The lock file of a killed process stays, and so does its address, which somebody else may listen on by now.
func TestAddressOfAKilledProcessIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	d, err := OpenData(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Publish("127.0.0.1:7070", "secret"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.lock.Close(), d.address.Close()); err != nil { // as the kernel does
		t.Fatal(err)
	}
	if a, err := Address(dir); a != "" || err != nil {
		t.Errorf("got %q, %v", a, err)
	}
	f, err := os.Open(filepath.Join(dir, "lock")) // the next holder, which has not removed it yet
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if a, err := Address(dir); a != "" || err != nil {
		t.Errorf("while the next holder starts: got %q, %v", a, err)
	}
}

// Whoever only reads the lock keeps the folder from being taken, but is not the process that held it last.
func TestReaderOfTheLockHasNoName(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "lock"), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	_, err = OpenData(dir)
	var locked *LockedError
	if !errors.As(err, &locked) || locked.PID != 0 {
		t.Errorf("got %v, want a LockedError without a pid", err)
	}
}

// What is staged there is for the owner and the group of the folder.
func TestFolderIsNotForEverybody(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "data")
	d, err := OpenData(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Mode().Perm()&0o027 != 0 {
		t.Errorf("mode %v, want nothing for others and no writing for the group", s.Mode())
	}
}

func TestOpenDataNamesTheFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenData(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want an error that names %s", err, file)
	}
}

// A restarted process has the name it had before; another folder has another.
func TestNodeIDStays(t *testing.T) {
	dir := t.TempDir()
	id := func(dir string) string {
		d, err := OpenData(dir)
		if err != nil {
			t.Fatal(err)
		}
		id, err := d.NodeID()
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := id(dir)
	if again := id(dir); again != first || first == "" {
		t.Errorf("got %q after %q", again, first)
	}
	if other := id(t.TempDir()); other == first {
		t.Errorf("two folders are both %q", other)
	}
}
