package config

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// DataDir is a data folder that this process holds. Nobody else gets it before Close, or before the process ends in
// whatever way: the lock is the kernel's (C5).
type DataDir struct {
	path    string
	lock    *os.File
	address *os.File // locked as well, from Publish on: who reads it knows by that whether it is of a process that lives
}

// LockedError says who holds a data folder.
type LockedError struct {
	Dir string
	PID int // 0 when unknown
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("data folder %s is in use by another process: stop it, or take another folder with --data", e.Dir)
	}
	return fmt.Sprintf("data folder %s is in use by process %d: stop it, or take another folder with --data", e.Dir, e.PID)
}

// folderMode is that of a data folder that is made: it holds events, which the other users of a machine have not asked for.
// A folder that is there keeps the mode it has.
const folderMode = 0o750

// OpenData takes the folder, made if need be. A *LockedError says that another process holds it.
func OpenData(dir string) (*DataDir, error) {
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return nil, unusable(dir, err)
	}
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, unusable(dir, err)
	}
	if err := lock(f); err != nil {
		defer f.Close()
		if errors.Is(err, errReaders) {
			return nil, &LockedError{Dir: dir}
		}
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, &LockedError{Dir: dir, PID: readPID(f)}
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	d := &DataDir{path: dir, lock: f}
	if err := d.init(); err != nil {
		return nil, errors.Join(unusable(dir, err), d.Close())
	}
	return d, nil
}

// A command of an older version shares the lock for a moment to see whether the folder is held: taking it is tried again as often as this, a millisecond
// apart, before such a one is taken for a holder.
const lockTries = 1000

// errReaders: nobody holds the lock, yet others share it for longer than it takes to look.
var errReaders = errors.New("it is being looked at")

// lock takes the lock for this process alone. syscall.EWOULDBLOCK says that another one holds it.
func lock(f *os.File) error {
	for range lockTries {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
			return err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_UN); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return errReaders
}

// unusable says of a data folder why it cannot be one, and what to do.
func unusable(dir string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EEXIST):
		hint = "it is a file, or lies below one: name a folder with --data"
	case errors.Is(err, fs.ErrPermission):
		hint = fmt.Sprintf("user %d may not write there: give the folder to whoever runs tidemark (chown), or take another with --data", os.Getuid())
	case errors.Is(err, syscall.EROFS):
		hint = "its file system is mounted for reading only: take another folder with --data"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		hint = "the disk is full: make room, or take another folder with --data"
	default:
		return fmt.Errorf("data folder %s: %w", dir, err)
	}
	return fmt.Errorf("data folder %s: %s (%w)", dir, hint, err)
}

// init leaves our pid in the lock file and removes what a killed process left behind.
func (d *DataDir) init() error {
	if err := d.lock.Truncate(0); err != nil {
		return err
	}
	if _, err := d.lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return err
	}
	if err := errors.Join(remove(d.addressFile()), remove(d.addressFile()+".new"), remove(d.tokenFile())); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(d.path, "spool"), 0o755); err != nil {
		return err
	}
	return nil
}

// NodeID returns the name of whoever runs on this folder: made once, and the same after every restart, so that a consumer
// group takes a restarted process for the one that it knows.
func (d *DataDir) NodeID() (string, error) {
	path := filepath.Join(d.path, "node")
	b, err := os.ReadFile(path)
	if id := strings.TrimSpace(string(b)); err == nil && id != "" {
		return id, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("data folder: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "tidemark"
	}
	id := host + "-" + strings.ToLower(rand.Text()[:8])
	if err := os.WriteFile(path, []byte(id+"\n"), 0o644); err != nil {
		return "", fmt.Errorf("data folder: %w", err)
	}
	return id, nil
}

func readPID(f *os.File) int {
	b, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return n
}

func (d *DataDir) addressFile() string { return filepath.Join(d.path, "address") }

func (d *DataDir) tokenFile() string { return filepath.Join(d.path, "token") }

// Publish leaves the HTTP address of this process where commands find it, and the token that it wants of them, which only
// its own user may read; "": it wants none.
func (d *DataDir) Publish(address, token string) error {
	if token != "" {
		if err := d.leave(d.tokenFile(), token, 0o600); err != nil {
			return err
		}
	}
	if err := d.leave(d.addressFile()+".new", address, 0o644); err != nil {
		return err
	}
	f, err := os.OpenFile(d.addressFile()+".new", os.O_RDWR, 0) // on NFS only a file that may be written is locked
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	d.address = f
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	if err := os.Rename(f.Name(), d.addressFile()); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	return nil
}

func (d *DataDir) leave(path, text string, mode os.FileMode) error {
	tmp := path + ".tmp"
	if err := remove(tmp); err != nil { // it would keep its mode
		return err
	}
	if err := os.WriteFile(tmp, []byte(text+"\n"), mode); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	return nil
}

// Close gives the folder back.
func (d *DataDir) Close() error {
	err := errors.Join(remove(d.addressFile()), remove(d.tokenFile()))
	if d.address != nil {
		err = errors.Join(err, d.address.Close())
	}
	return errors.Join(err, d.lock.Close())
}

// Address returns what the process that holds dir has published, or "" when it published nothing or nobody holds dir: the port
// that a killed process has left behind may be anybody's by now, and is not to be sent a token.
func Address(dir string) (string, error) {
	f, err := os.Open(filepath.Join(dir, "address"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("data folder: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return "", fmt.Errorf("data folder: %w", err)
	}
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); {
	case err == nil: // whoever wrote it has ended, though another may hold the folder by now
		return "", nil
	case !errors.Is(err, syscall.EWOULDBLOCK):
		return "", fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return strings.TrimSpace(string(b)), nil
}

// Token returns what the process that holds dir wants of those who ask it, or "" when it wants nothing.
func Token(dir string) (string, error) { return left(dir, "token") }

func left(dir, name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("data folder: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("data folder: %w", err)
	}
	return nil
}
