package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// tempFolder lies in the root of a Dir, so in its file system; no key can name it (B5).
const tempFolder = ".tmp"

// maxFolderRaces bounds how often Create makes a folder again that a Delete removed meanwhile.
const maxFolderRaces = 100

// Dir is a Store in a directory: the file of key "a/b" is root/a/b. An object is written to a temporary file, synced, and
// given its name by link(2), which never replaces anything; then its folder is synced. It is safe for concurrent use, and
// several processes may share the directory.
type Dir struct {
	root string

	// folders is held shared while a name is given and exclusively while folders are made or removed. So a folder that a
	// Create of this process finds has been synced into its parents.
	folders sync.RWMutex

	// Replaced in tests, to see the calls fail.
	link func(from, to string) error // default os.Link
	sync func(f *os.File) error      // default (*os.File).Sync
}

// NewDir opens the directory at path, and makes it if it is not there.
func NewDir(path string) (*Dir, error) {
	root, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	d := &Dir{root: root, link: os.Link, sync: (*os.File).Sync}
	if err := d.makeFolder(filepath.Join(root, tempFolder)); err != nil {
		return nil, fmt.Errorf("open store %s: %w", root, d.explain(err))
	}
	return d, nil
}

// Root is the absolute path of the directory.
func (d *Dir) Root() string { return d.root }

func (d *Dir) path(key string) string { return filepath.Join(d.root, filepath.FromSlash(key)) }

// Open implements Store. An offset at or past the end reads as empty.
func (d *Dir) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if err := validateOpen(key, off); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open %s: %w", key, err)
	}
	f, err := os.Open(d.path(key))
	if err != nil {
		return nil, d.failed("open", key, notFound(err))
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%w: it is a folder of other keys", ErrNotFound)
	}
	if err == nil {
		_, err = f.Seek(off, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, d.failed("open", key, err)
	}
	r := &dirReader{Reader: f, f: f}
	if n >= 0 {
		r.Reader = io.LimitReader(f, n)
	}
	return r, nil
}

type dirReader struct {
	io.Reader
	f *os.File
}

func (r *dirReader) Close() error { return r.f.Close() }

// Create implements Store.
func (d *Dir) Create(ctx context.Context, key string, body io.Reader) error {
	if err := ValidateKey(key); err != nil {
		return err
	}
	if err := d.refuseExisting(key); err != nil {
		return d.failed("create", key, err)
	}
	return d.createNamed(ctx, key, body)
}

// creators has Check write a file though there is one of its name: a folder that may not be written must not pass for one that may.
func (d *Dir) creators() []creator { return []creator{{"link", d.createNamed}} }

func (d *Dir) createNamed(ctx context.Context, key string, body io.Reader) error {
	temp, err := d.writeTemp(ctx, body)
	if err != nil {
		return d.failed("create", key, err)
	}
	defer os.Remove(temp) // left after a crash: Cleanup
	if err := d.publish(temp, key); err != nil {
		return d.failed("create", key, err)
	}
	return nil
}

// CreateFromFile implements FileCreator: it gives the file at path a second name, without a copy, where both lie in one
// file system. The file stays at path; it must not be written again. It keeps its permissions.
func (d *Dir) CreateFromFile(ctx context.Context, key, path string) error {
	if err := ValidateKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("create %s: %w", key, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return d.failed("create", key, err)
	}
	defer f.Close()
	if err := d.sync(f); err != nil {
		return d.failed("create", key, err)
	}
	err = d.publish(path, key)
	if noLink(err) {
		return d.Create(ctx, key, f)
	}
	if err != nil {
		return d.failed("create", key, err)
	}
	return nil
}

// Delete implements Store. It also removes the folders that it leaves empty. It does not sync: an object that comes back
// after a power cut is found by the next clean-up.
func (d *Dir) Delete(ctx context.Context, key string) error {
	if err := ValidateKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	path := d.path(key)
	if fi, err := os.Lstat(path); absent(err) || err == nil && fi.IsDir() {
		return nil
	}
	if err := os.Remove(path); err != nil && !absent(err) {
		return d.failed("delete", key, err)
	}
	d.folders.Lock()
	defer d.folders.Unlock()
	for folder := filepath.Dir(path); folder != d.root; folder = filepath.Dir(folder) {
		if os.Remove(folder) != nil {
			break // not empty: the usual case
		}
	}
	return nil
}

// Stat implements Stater.
func (d *Dir) Stat(_ context.Context, key string) (Object, error) {
	if err := ValidateKey(key); err != nil {
		return Object{}, err
	}
	fi, err := os.Lstat(d.path(key))
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%w: it is a folder of other keys", ErrNotFound)
	}
	if err != nil {
		return Object{}, d.failed("stat", key, notFound(err))
	}
	return Object{Key: key, Size: fi.Size(), ModTime: fi.ModTime()}, nil
}

// Cleanup removes temporary files last written before the given time: a crash leaves them. It must not reach files that a
// process still writes, so "before" should be hours ago.
func (d *Dir) Cleanup(ctx context.Context, before time.Time) (removed int, err error) {
	entries, err := os.ReadDir(filepath.Join(d.root, tempFolder))
	if err != nil {
		return 0, fmt.Errorf("clean up temporary files: %w", d.explain(err))
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return removed, fmt.Errorf("clean up temporary files: %w", err)
		}
		fi, err := e.Info()
		if absent(err) || err == nil && !fi.ModTime().Before(before) {
			continue
		}
		if err == nil {
			err = os.Remove(filepath.Join(d.root, tempFolder, e.Name()))
		}
		if err != nil && !absent(err) {
			return removed, fmt.Errorf("clean up temporary files: %w", d.explain(err))
		}
		removed++
	}
	return removed, nil
}

// writeTemp writes a synced temporary file.
func (d *Dir) writeTemp(ctx context.Context, body io.Reader) (path string, err error) {
	path = filepath.Join(d.root, tempFolder, rand.Text())
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if absent(err) { // somebody tidied up the folder
		if err := d.makeFolder(filepath.Dir(path)); err != nil {
			return "", err
		}
		f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	}
	if err != nil {
		return "", err
	}
	src := &bodyReader{ctx: ctx, r: body}
	_, err = io.Copy(f, src)
	if err == nil {
		err = d.sync(f)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		return path, nil
	}
	rerr := os.Remove(path)
	if src.err != nil {
		return "", &bodyError{src.err} // nothing of the store's
	}
	return "", errors.Join(err, rerr)
}

// publish gives the file at from the name of key and makes that durable.
func (d *Dir) publish(from, key string) error {
	to := d.path(key)
	folder := filepath.Dir(to)
	for range maxFolderRaces {
		d.folders.RLock()
		err := d.link(from, to)
		if noLink(err) && filepath.Dir(from) == filepath.Join(d.root, tempFolder) {
			err = renameNoReplace(from, to)
		}
		d.folders.RUnlock()
		switch {
		case err == nil:
			return d.syncFolder(folder)
		case errors.Is(err, fs.ErrExist):
			return d.refuseExisting(key)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
		if _, serr := os.Lstat(from); serr != nil {
			return fmt.Errorf("%w: the finished file was removed: %w", ErrUnavailable, serr)
		}
		if err := d.makeFolder(folder); err != nil {
			return err
		}
	}
	return fmt.Errorf("folder %s: %w: it is removed as often as it is made", folder, ErrUnavailable)
}

// refuseExisting returns ErrExists if key is taken. What exists may have been named a moment before a crash, or its Create
// may have failed after naming it, so its folders are synced before anybody builds on it (B2).
func (d *Dir) refuseExisting(key string) error {
	path := d.path(key)
	fi, err := os.Lstat(path)
	switch {
	case absent(err):
		return nil
	case err != nil:
		return err
	case fi.IsDir():
		return errors.New("the key is a folder of other keys")
	}
	for folder := filepath.Dir(path); ; folder = filepath.Dir(folder) {
		if err := d.syncFolder(folder); err != nil {
			return err
		}
		if folder == d.root {
			return ErrExists
		}
	}
}

// makeFolder makes folder and its missing parents and syncs each into its parent.
func (d *Dir) makeFolder(folder string) error {
	d.folders.Lock()
	defer d.folders.Unlock()
	return d.makeFolders(folder)
}

func (d *Dir) makeFolders(folder string) error {
	err := os.Mkdir(folder, 0o755)
	if absent(err) && !errors.Is(err, syscall.ENOTDIR) {
		if err := d.makeFolders(filepath.Dir(folder)); err != nil {
			return err
		}
		err = os.Mkdir(folder, 0o755)
	}
	if errors.Is(err, fs.ErrExist) {
		fi, serr := os.Stat(folder)
		if serr == nil && !fi.IsDir() {
			return fmt.Errorf("%s is a file and cannot hold other keys", folder)
		}
		return serr
	}
	if err != nil {
		return err
	}
	return d.syncFolder(filepath.Dir(folder))
}

func (d *Dir) syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	err = d.sync(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// notFound maps the error of a file that is not there.
func notFound(err error) error {
	if absent(err) {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return err
}

// absent also takes the error of a path that leads through a file.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// noLink reports that hard links are not possible here: another file system, one without links, or a file of another
// user.
func noLink(err error) bool {
	for _, no := range []error{syscall.EXDEV, syscall.EPERM, syscall.ENOTSUP, syscall.ENOSYS, syscall.EMLINK, syscall.EACCES} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// bodyError keeps an error of the body from being taken for one of the store.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

func (d *Dir) failed(op, key string, err error) error {
	return fmt.Errorf("%s %s: %w", op, key, d.explain(err))
}

// explain maps errors of the file system to those of Store, and says what to do about a full one.
func (d *Dir) explain(err error) error {
	var body *bodyError
	switch {
	case errors.As(err, &body), errors.Is(err, ErrExists), errors.Is(err, ErrUnavailable):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %w: the file system of %s has %s free; free some space, enlarge it, or move the store",
			ErrUnavailable, err, d.root, freeSpace(d.root))
	case errors.Is(err, syscall.EXDEV):
		return fmt.Errorf("%w: the folders of %s must lie in one file system", err, d.root)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: let this process read and write all of %s", err, d.root)
	}
	for _, passing := range []error{
		syscall.EIO, syscall.ESTALE, syscall.EAGAIN, syscall.ETIMEDOUT, syscall.EBUSY, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM,
	} {
		if errors.Is(err, passing) {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return err
}
