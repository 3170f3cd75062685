package blob

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// tinyDisk names the folder on which the child of TestDirTinyDisk mounts a file system of 1 MiB.
const tinyDisk = "TIDEMARK_TEST_TINY_DISK"

// TestDirTinyDisk fills a real file system. It runs itself again in its own mount namespace, which needs no root where
// user namespaces are allowed.
func TestDirTinyDisk(t *testing.T) {
	if root := os.Getenv(tinyDisk); root != "" {
		fillTinyDisk(t, root)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDirTinyDisk$", "-test.v")
	cmd.Env = append(os.Environ(), tinyDisk+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit), bytes.Contains(out, []byte("--- SKIP")):
		t.Skipf("no user namespace or no mount here: %v: %s", err, out)
	case err != nil || !bytes.Contains(out, []byte("--- PASS: TestDirTinyDisk")):
		t.Fatalf("%v: %s", err, out)
	}
}

func fillTinyDisk(t *testing.T, root string) {
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mount: %v", err)
	}
	d, err := NewDir(filepath.Join(root, "store"))
	if err != nil {
		t.Fatal(err)
	}
	half := strings.Repeat("x", 600_000)
	if err := d.Create(t.Context(), "a/1", strings.NewReader(half)); err != nil {
		t.Fatal(err)
	}
	for _, body := range []io.Reader{strings.NewReader(half), io.LimitReader(endless{}, 1<<30)} {
		err = d.Create(t.Context(), "a/2", body)
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "MiB free") {
			t.Fatalf("on a full disk: got %v, want ErrUnavailable, ENOSPC and the space left", err)
		}
	}
	if got := temps(t, d); got != nil {
		t.Errorf("left %q", got)
	}
	if err := d.Delete(t.Context(), "a/1"); err != nil {
		t.Fatal(err)
	}
	if err := d.Create(t.Context(), "a/2", strings.NewReader(half)); err != nil {
		t.Errorf("after space was made: %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
