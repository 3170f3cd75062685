package faultblob

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/tidemarkdb/tidemark/internal/blob"
)

// Flaky is a store over a bad line: each call takes Latency, a share of them fails with blob.ErrUnavailable, and after Cut
// all do until Heal. It is safe for concurrent use.
type Flaky struct {
	blob.Store
	Latency   time.Duration // of each call, and of each Read of an opened object
	ErrorRate float64       // 0..1 of the calls; every second failure of a write takes effect first
	Seed      uint64

	calls, failed atomic.Int64
	cut           atomic.Bool
}

// Cut makes every call and every Read fail, until Heal.
func (f *Flaky) Cut() { f.cut.Store(true) }

// Heal ends Cut.
func (f *Flaky) Heal() { f.cut.Store(false) }

// Calls and Failed count the calls so far and those of them that failed by Flaky's doing.
func (f *Flaky) Calls() int64 { return f.calls.Load() }

// Failed is the number of calls that failed by Flaky's doing.
func (f *Flaky) Failed() int64 { return f.failed.Load() }

// Open implements blob.Store.
func (f *Flaky) Open(ctx context.Context, key string, off, n int64) (r io.ReadCloser, err error) {
	err = f.call(ctx, "open", key, func() error {
		r, err = f.Store.Open(ctx, key, off, n)
		return err
	})
	if err != nil {
		if r != nil {
			r.Close()
		}
		return nil, err
	}
	return &flakyReader{ReadCloser: r, ctx: ctx, f: f, key: key}, nil
}

// Create implements blob.Store.
func (f *Flaky) Create(ctx context.Context, key string, body io.Reader) error {
	return f.call(ctx, "create", key, func() error { return f.Store.Create(ctx, key, body) })
}

// CreateFromFile implements blob.FileCreator.
func (f *Flaky) CreateFromFile(ctx context.Context, key, path string) error {
	return f.call(ctx, "create", key, func() error { return blob.CreateFile(ctx, f.Store, key, path) })
}

// Delete implements blob.Store.
func (f *Flaky) Delete(ctx context.Context, key string) error {
	return f.call(ctx, "delete", key, func() error { return f.Store.Delete(ctx, key) })
}

// Stat implements blob.Stater.
func (f *Flaky) Stat(ctx context.Context, key string) (o blob.Object, err error) {
	err = f.call(ctx, "stat", key, func() error {
		o, err = blob.Stat(ctx, f.Store, key)
		return err
	})
	return o, err
}

// List implements blob.Store. It fails before its first object or behind its last.
func (f *Flaky) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		before, after := f.next("list", prefix)
		if err := f.pause(ctx, "list", prefix); err != nil {
			before = err
		}
		if before != nil {
			yield(blob.Object{}, before)
			return
		}
		for o, err := range f.Store.List(ctx, prefix) {
			if !yield(o, err) || err != nil {
				return
			}
		}
		if after != nil {
			yield(blob.Object{}, after)
		}
	}
}

func (f *Flaky) call(ctx context.Context, op, key string, call func() error) error {
	before, after := f.next(op, key)
	if err := f.pause(ctx, op, key); err != nil {
		return err
	}
	if before != nil {
		return before
	}
	if err := call(); err != nil {
		return err
	}
	return after
}

// next decides on a call by its number and the seed (F1).
func (f *Flaky) next(op, key string) (before, after error) {
	n := f.calls.Add(1) - 1
	r := rand.New(rand.NewPCG(f.Seed, uint64(n)))
	fails, late := r.Float64() < f.ErrorRate, r.IntN(2) == 1
	if f.cut.Load() {
		fails, late = true, false
	}
	if !fails {
		return nil, nil
	}
	f.failed.Add(1)
	err := fmt.Errorf("%s %s: %w: injected (call %d)", op, key, blob.ErrUnavailable, n)
	if late {
		return nil, err
	}
	return err, nil
}

func (f *Flaky) pause(ctx context.Context, op, key string) error {
	if f.Latency <= 0 {
		return nil
	}
	timer := time.NewTimer(f.Latency)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s %s: %w", op, key, ctx.Err())
	}
}

type flakyReader struct {
	io.ReadCloser
	ctx context.Context // the one Open was given: it ends the reading too
	f   *Flaky
	key string
}

func (r *flakyReader) Read(p []byte) (int, error) {
	if err := r.f.pause(r.ctx, "read", r.key); err != nil {
		return 0, err
	}
	if r.f.cut.Load() {
		return 0, fmt.Errorf("read %s: %w: injected", r.key, blob.ErrUnavailable)
	}
	return r.ReadCloser.Read(p)
}
