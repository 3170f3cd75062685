package config

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// unusableDisk names the folder on which the child of TestDiskThatCannotBeWritten mounts file systems.
const unusableDisk = "TIDEMARK_TEST_UNUSABLE_DISK"

// A disk that is mounted for reading only, and one that is full, bind root too. The test runs itself again in its own mount namespace, which
// needs no root where user namespaces are allowed.
func TestDiskThatCannotBeWritten(t *testing.T) {
	if root := os.Getenv(unusableDisk); root != "" {
		refuseReadOnly(t, root)
		refuseFull(t, root)
		return
	}
	attr := &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	again := func() ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDiskThatCannotBeWritten$", "-test.v")
		cmd.Env, cmd.SysProcAttr = append(os.Environ(), unusableDisk+"="+t.TempDir()), attr
		return cmd.CombinedOutput()
	}
	out, err := again()
	if os.Getuid() == 0 && errors.Is(err, fs.ErrPermission) { // no user namespaces here, which root does without
		attr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
		out, err = again()
	}
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit), bytes.Contains(out, []byte("--- SKIP")):
		t.Skipf("no user namespace or no mount here: %v: %s", err, out)
	case err != nil || !bytes.Contains(out, []byte("--- PASS: TestDiskThatCannotBeWritten")):
		t.Fatalf("%v: %s", err, out)
	}
}

func mounted(t *testing.T, root, options string) {
	t.Helper()
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Skipf("mount: %v", err)
	}
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, options); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(root, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func refused(t *testing.T, dir, want string) {
	t.Helper()
	d, err := OpenData(dir)
	if err == nil {
		t.Errorf("%s was opened", dir)
		err = d.Close()
	}
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v, want an error that names %s and says %q", err, dir, want)
	}
}

func refuseReadOnly(t *testing.T, root string) {
	mounted(t, root, "size=1m")
	data := filepath.Join(root, "data")
	d, err := OpenData(data) // one that was in use before
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", root, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Skipf("mount for reading only: %v", err)
	}
	const want = "its file system is mounted for reading only: take another folder with --data"
	refused(t, data, want)
	refused(t, filepath.Join(root, "new"), want)
}

func refuseFull(t *testing.T, root string) {
	mounted(t, root, "size=64k")
	data := filepath.Join(root, "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(root, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	const want = "the disk is full: make room, or take another folder with --data"
	refused(t, data, want)
	if err := os.Remove(f.Name()); err != nil {
		t.Fatal(err)
	}
	d, err := OpenData(data)
	if err != nil {
		t.Fatalf("when there is room: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
