package inspect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/tidemarkdb/tidemark/internal/blob"
)

// Local reports a file of the local disk.
func Local(ctx context.Context, path string, rows int) (*Report, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no file %s: name a staged file, one of cuboids, or a segment as CUBE/NUMBER", path)
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file: name a staged file or one of cuboids", path)
	}
	return File(ctx, localStore{}, filepath.ToSlash(path), info.Size(), rows)
}

// localStore opens files by their paths, and does nothing else: blob.Dir would make folders where it looks.
type localStore struct{}

var errReadOnly = errors.New("files that are inspected are only read")

func (localStore) Open(_ context.Context, key string, off, n int64) (io.ReadCloser, error) {
	f, err := os.Open(filepath.FromSlash(key))
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(off, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if n < 0 {
		return f, nil
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(f, n), f}, nil
}

func (localStore) Create(context.Context, string, io.Reader) error { return errReadOnly }

func (localStore) List(context.Context, string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) { yield(blob.Object{}, errReadOnly) }
}

func (localStore) Delete(context.Context, string) error { return errReadOnly }
