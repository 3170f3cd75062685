package source

import (
	"context"
	"fmt"
	"iter"
	"runtime/debug"
	"sync"

	"golang.org/x/sync/semaphore"
)

// job makes a value beside others.
type job[T any] struct {
	bytes int64 // that its value takes, about
	run   func(ctx context.Context) (T, error)
}

// result is what came of a job.
type result[T any] struct {
	value    T
	err      error
	bytes    int64
	panicked string // with its stack; "": it did not
}

// pipe holds the results of jobs in their order.
type pipe[T any] struct {
	results chan chan result[T]
	room    *semaphore.Weighted
	bytes   int64 // of room
	running sync.WaitGroup
}

// ordered runs up to n jobs at once, as long as what they and their values take stays below a limit of bytes, and yields their
// values in the order of the jobs. A value counts until the next one is asked for. Values that are never yielded are given to
// drop. When the loop ends all jobs have ended (E7). A panic in a job is one of the loop's goroutine.
func ordered[T any](ctx context.Context, n int, bytes int64, jobs func(ctx context.Context) iter.Seq2[job[T], error], drop func(T)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		// One more job than results has room for is in the hand of the loop below.
		p := &pipe[T]{results: make(chan chan result[T], max(n-1, 0)), room: semaphore.NewWeighted(bytes), bytes: bytes}
		inner, cancel := context.WithCancel(ctx)
		p.running.Go(func() { p.feed(inner, jobs) })
		defer p.running.Wait()
		defer func() {
			cancel()
			for out := range p.results {
				if r := <-out; r.err == nil && r.panicked == "" {
					drop(r.value)
				}
			}
		}()
		for out := range p.results {
			r := <-out
			if r.panicked != "" {
				panic(r.panicked)
			}
			if r.err != nil && ctx.Err() != nil {
				r.err = context.Cause(ctx)
			}
			if !yield(r.value, r.err) || r.err != nil {
				return
			}
			p.room.Release(r.bytes)
		}
		if ctx.Err() != nil {
			var none T
			yield(none, context.Cause(ctx))
		}
	}
}

// feed starts the jobs, until one has an error or ctx ends.
func (p *pipe[T]) feed(ctx context.Context, jobs func(ctx context.Context) iter.Seq2[job[T], error]) {
	defer close(p.results)
	defer func() {
		if v := recover(); v != nil {
			p.start(ctx, result[T]{}, func(context.Context) (T, error) { panic(v) })
		}
	}()
	for j, err := range jobs(ctx) {
		r := result[T]{err: err, bytes: min(max(j.bytes, 1), p.bytes)}
		if err == nil {
			// In their order, so that the first one that is wanted never waits for those behind it.
			r.err = p.room.Acquire(ctx, r.bytes)
		}
		if !p.start(ctx, r, j.run) {
			return
		}
	}
}

// start runs one job; false: it was not run, or is the last one.
func (p *pipe[T]) start(ctx context.Context, r result[T], run func(ctx context.Context) (T, error)) bool {
	out := make(chan result[T], 1)
	select {
	case p.results <- out:
	case <-ctx.Done():
		return false
	}
	if r.err != nil {
		out <- r
		return false
	}
	p.running.Go(func() {
		defer func() {
			if v := recover(); v != nil {
				r.panicked = fmt.Sprintf("%v\n%s", v, debug.Stack())
			}
			out <- r
		}()
		r.value, r.err = run(ctx)
	})
	return true
}
