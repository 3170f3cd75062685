package blob

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// renameNoReplace is for file systems without hard links (FAT, some network ones).
func renameNoReplace(from, to string) error {
	if err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE); err != nil {
		return &os.LinkError{Op: "rename without replacing", Old: from, New: to, Err: err}
	}
	return nil
}

// freeSpace is what a user who is not root may still write below path.
func freeSpace(path string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return "unknown space"
	}
	return fmt.Sprintf("%d MiB", st.Bavail*uint64(st.Bsize)>>20)
}
