package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxVanished bounds how often CreateSame starts again because the object that stood in its way was deleted meanwhile.
const maxVanished = 3

// ConflictError reports that a key is taken by an object with other content.
type ConflictError struct {
	Key                      string
	StoredSize, WantSize     int64 // bytes
	StoredSHA256, WantSHA256 string
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("create %s: the key holds another object: %d bytes, sha256 %s, instead of %d bytes, sha256 %s",
		e.Key, e.StoredSize, e.StoredSHA256, e.WantSize, e.WantSHA256)
}

// Is makes a conflict an ErrExists.
func (e *ConflictError) Is(target error) bool { return target == ErrExists }

// CreateSame creates key with the whole body. If the key is taken it compares size and SHA-256: equal is success, so a
// retry of an upload that had been done is one too; different is a *ConflictError. It reads body from its start, as often
// as it must.
func CreateSame(ctx context.Context, st Store, key string, body io.ReadSeeker) error {
	return createSame(ctx, st, key, body, func() error {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("create %s: rewind the body: %w", key, err)
		}
		return st.Create(ctx, key, body)
	})
}

// CreateSameFile is CreateSame with a finished local file as the body. The store takes the file without a copy if it can.
// On success the file at path is removed; on an error it is still there and may be used again.
func CreateSameFile(ctx context.Context, st Store, key, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("create %s: %w", key, err)
	}
	defer f.Close()
	if err := createSame(ctx, st, key, f, func() error { return CreateFile(ctx, st, key, path) }); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("create %s: done, but its source is left: %w", key, err)
	}
	return nil
}

// CreateFile creates key from a finished local file, by CreateFromFile where the store has it.
func CreateFile(ctx context.Context, st Store, key, path string) error {
	if fc, ok := st.(FileCreator); ok {
		return fc.CreateFromFile(ctx, key, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("create %s: %w", key, err)
	}
	defer f.Close()
	return st.Create(ctx, key, f)
}

func createSame(ctx context.Context, st Store, key string, body io.ReadSeeker, create func() error) error {
	for attempt := 1; ; attempt++ {
		err := create()
		if !errors.Is(err, ErrExists) {
			return err
		}
		err = compare(ctx, st, key, body)
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		if attempt == maxVanished {
			return fmt.Errorf("create %s: %w: another process creates and deletes it", key, ErrUnavailable)
		}
	}
}

// compare returns nil if key holds what body holds, and a *ConflictError if it does not.
func compare(ctx context.Context, st Store, key string, body io.ReadSeeker) error {
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("create %s: rewind the body: %w", key, err)
	}
	want, wantSize, err := digest(&bodyReader{ctx: ctx, r: body})
	if err != nil {
		return fmt.Errorf("create %s: %w", key, err)
	}
	r, err := st.Open(ctx, key, 0, -1)
	if err != nil {
		return fmt.Errorf("compare with the object that exists: %w", err)
	}
	defer r.Close()
	stored, storedSize, err := digest(r)
	if err != nil {
		return fmt.Errorf("compare with the object %s that exists: %w", key, err)
	}
	if stored != want || storedSize != wantSize {
		return &ConflictError{Key: key, StoredSize: storedSize, WantSize: wantSize, StoredSHA256: stored, WantSHA256: want}
	}
	return nil
}

func digest(r io.Reader) (sum string, size int64, err error) {
	h := sha256.New()
	size, err = io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), size, err
}

// Stater is implemented by stores that find one object faster than by List.
type Stater interface {
	// Stat describes one object. ErrNotFound, ErrUnavailable.
	Stat(ctx context.Context, key string) (Object, error)
}

// Stat describes one object, by the store's own Stat or by List.
func Stat(ctx context.Context, st Store, key string) (Object, error) {
	if s, ok := st.(Stater); ok {
		return s.Stat(ctx, key)
	}
	for o, err := range st.List(ctx, key) {
		if err != nil {
			return Object{}, err
		}
		if o.Key == key {
			return o, nil
		}
		break // ascending order: the key itself comes first of all that begin with it
	}
	return Object{}, fmt.Errorf("stat %s: %w", key, ErrNotFound)
}
