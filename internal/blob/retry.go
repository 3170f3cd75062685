package blob

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"time"
)

// Retry is a Store that repeats calls of another one that end in ErrUnavailable, and only those (B4).
type Retry struct {
	store Store
	retry retrier
}

// NewRetry wraps st.
func NewRetry(st Store, o RetryOptions) (*Retry, error) {
	retry, err := newRetrier(o)
	if err != nil {
		return nil, err
	}
	return &Retry{store: st, retry: retry}, nil
}

// Unwrap returns the store below.
func (r *Retry) Unwrap() Store { return r.store }

// Open implements Store. Only the opening is repeated, not the reading.
func (r *Retry) Open(ctx context.Context, key string, off, n int64) (rc io.ReadCloser, err error) {
	err = r.retry.do(ctx, func(int) error {
		rc, err = r.store.Open(ctx, key, off, n)
		return err
	})
	return rc, err
}

// Create implements Store. A body that is not an io.ReadSeeker can be read only once, so it gets one attempt. After an
// attempt that failed, an object that exists may be its work: equal content is then success (B3).
func (r *Retry) Create(ctx context.Context, key string, body io.Reader) error {
	seeker, ok := body.(io.ReadSeeker)
	if !ok {
		return r.store.Create(ctx, key, body)
	}
	start, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil {
		return r.store.Create(ctx, key, body) // a pipe: a file that cannot seek
	}
	rest := seeker
	if start != 0 {
		rest = &restOf{ReadSeeker: seeker, start: start}
	}
	return r.retry.do(ctx, func(attempt int) error {
		if attempt > 1 {
			return CreateSame(ctx, r.store, key, rest)
		}
		return r.store.Create(ctx, key, body)
	})
}

// CreateFromFile implements FileCreator.
func (r *Retry) CreateFromFile(ctx context.Context, key, path string) error {
	return r.retry.do(ctx, func(attempt int) error {
		create := func() error { return CreateFile(ctx, r.store, key, path) }
		if attempt == 1 {
			return create()
		}
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("create %s: %w", key, err)
		}
		defer f.Close()
		return createSame(ctx, r.store, key, f, create)
	})
}

// List implements Store. After an error it goes on behind the last object that was yielded; attempts count anew with each
// object.
func (r *Retry) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		var last string
		began := time.Now()
		for attempt := 1; ; attempt++ {
			var failed error
			for o, err := range r.store.List(ctx, prefix) {
				if err != nil {
					failed = err
					break
				}
				if o.Key <= last {
					continue
				}
				if !yield(o, nil) {
					return
				}
				last, attempt, began = o.Key, 1, time.Now()
			}
			if failed == nil {
				return
			}
			if err := r.retry.wait(ctx, attempt, began, failed); err != nil {
				yield(Object{}, err)
				return
			}
		}
	}
}

// Delete implements Store.
func (r *Retry) Delete(ctx context.Context, key string) error {
	return r.retry.do(ctx, func(int) error { return r.store.Delete(ctx, key) })
}

// Stat implements Stater.
func (r *Retry) Stat(ctx context.Context, key string) (o Object, err error) {
	err = r.retry.do(ctx, func(int) error {
		o, err = Stat(ctx, r.store, key)
		return err
	})
	return o, err
}

// restOf is the part of a body from where it stood when it was handed over.
type restOf struct {
	io.ReadSeeker
	start int64
}

func (b *restOf) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekStart {
		offset += b.start
	}
	pos, err := b.ReadSeeker.Seek(offset, whence)
	return pos - b.start, err
}
