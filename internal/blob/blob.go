package blob

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Storage errors a caller branches on. Only ErrUnavailable is worth a retry.
var (
	ErrNotFound    = errors.New("object not found")
	ErrExists      = errors.New("object exists")
	ErrUnavailable = errors.New("object storage unavailable")
)

// Object describes a stored object.
type Object struct {
	Key     string
	Size    int64
	ModTime time.Time
}

// Store is the whole contract of object storage. Objects never change: Create fails with ErrExists, so a retried upload
// can tell "mine, already done" from "new". Names say who made them; on ErrExists the caller compares size and hash
// (see CreateSame). Keys are slash-separated, relative, without "." or ".." elements.
type Store interface {
	// Open reads n bytes from off; n < 0 reads to the end. ErrNotFound, ErrUnavailable.
	Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error)
	// Create writes a new object that is either whole and durable or absent. ErrExists, ErrUnavailable.
	Create(ctx context.Context, key string, body io.Reader) error
	// List yields the objects below prefix in ascending order of keys. ErrUnavailable.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
	// Delete removes an object; one that is not there is no error. ErrUnavailable.
	Delete(ctx context.Context, key string) error
}

// FileCreator is implemented by stores that can take a finished local file without copying it. The file at path may be
// gone afterwards.
type FileCreator interface {
	CreateFromFile(ctx context.Context, key, path string) error
}
