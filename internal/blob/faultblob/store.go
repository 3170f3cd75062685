package faultblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"

	"github.com/tidemarkdb/tidemark/internal/blob"
)

// ErrInjected is the error of an injected fault, unless Store.Err says otherwise. It is not retried.
var ErrInjected = errors.New("injected fault")

// Store fails call number At (from 0) of the store it wraps, and passes on all others. It is safe for concurrent use.
type Store struct {
	blob.Store
	At    int   // negative: no call
	After bool  // the call takes effect, then fails; else it fails and does nothing
	Dead  bool  // every later call fails too and does nothing, as in a process that was killed
	Err   error // default ErrInjected; blob.ErrUnavailable to see retries

	mu    sync.Mutex
	calls int
	fired bool
}

// Fired reports whether the fault has happened.
func (s *Store) Fired() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fired
}

// Calls is the number of calls so far.
func (s *Store) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// next counts a call and returns the errors for before and after it, at most one of them set.
func (s *Store) next(op, key string) (before, after error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.calls
	s.calls++
	err := s.Err
	if err == nil {
		err = ErrInjected
	}
	err = fmt.Errorf("%s %s: %w (call %d)", op, key, err, n)
	switch {
	case n == s.At:
		s.fired = true
		if s.After {
			return nil, err
		}
		return err, nil
	case s.fired && s.Dead:
		return err, nil
	}
	return nil, nil
}

// Open implements blob.Store.
func (s *Store) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	before, after := s.next("open", key)
	if before != nil {
		return nil, before
	}
	r, err := s.Store.Open(ctx, key, off, n)
	if err == nil && after != nil {
		return nil, errors.Join(after, r.Close())
	}
	return r, err
}

// Create implements blob.Store.
func (s *Store) Create(ctx context.Context, key string, body io.Reader) error {
	return s.write("create", key, func() error { return s.Store.Create(ctx, key, body) })
}

// CreateFromFile implements blob.FileCreator.
func (s *Store) CreateFromFile(ctx context.Context, key, path string) error {
	return s.write("create", key, func() error { return blob.CreateFile(ctx, s.Store, key, path) })
}

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	return s.write("delete", key, func() error { return s.Store.Delete(ctx, key) })
}

// Stat implements blob.Stater.
func (s *Store) Stat(ctx context.Context, key string) (o blob.Object, err error) {
	err = s.write("stat", key, func() error {
		o, err = blob.Stat(ctx, s.Store, key)
		return err
	})
	return o, err
}

// List implements blob.Store. A fault after it took effect comes behind the last object.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		before, after := s.next("list", prefix)
		if before != nil {
			yield(blob.Object{}, before)
			return
		}
		for o, err := range s.Store.List(ctx, prefix) {
			if !yield(o, err) || err != nil {
				return
			}
		}
		if after != nil {
			yield(blob.Object{}, after)
		}
	}
}

func (s *Store) write(op, key string, call func() error) error {
	before, after := s.next(op, key)
	if before != nil {
		return before
	}
	if err := call(); err != nil {
		return err
	}
	return after
}
