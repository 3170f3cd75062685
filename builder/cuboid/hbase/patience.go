package hbase

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidemarkdb/tidemark/internal/blob"
)

// UnavailableError says that HBase did not do what it was asked in the time that Options.RetryFor gives it. It is a
// blob.ErrUnavailable: who waits for a store to come back need not know which.
type UnavailableError struct {
	What string // was asked
	For  time.Duration
	Err  error // of the last try
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("hbase does not answer for %s: %s: %v: check its region servers, then try again", e.For.Round(time.Second), e.What, e.Err)
}

func (e *UnavailableError) Unwrap() error { return e.Err }

// Is makes it a blob.ErrUnavailable.
func (e *UnavailableError) Is(target error) bool { return target == blob.ErrUnavailable }

var errTimeout = errors.New("no answer within the time-out")

// breaker keeps callers from asking a server in a loop that has been gone for long (H4).
type breaker struct {
	mu      sync.Mutex
	since   time.Time // of the first failure after the last success; zero: it answers
	next    time.Time // when one caller may try again
	last    error
	tripped int
}

// allow returns an error while the server is held to be gone. One caller in each cool-down passes.
func (b *breaker) allow(now time.Time, after, coolDown time.Duration) (trial bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.since.IsZero() || now.Sub(b.since) < after {
		return false, nil
	}
	if now.Before(b.next) {
		return false, b.last
	}
	b.next = now.Add(coolDown)
	b.tripped++
	return true, nil
}

func (b *breaker) note(now time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err == nil:
		b.since, b.last = time.Time{}, nil
	default:
		if b.since.IsZero() {
			b.since = now
		}
		b.last = err
	}
}

// open reports whether the server is held to be gone.
func (b *breaker) open(now time.Time, after time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.since.IsZero() && now.Sub(b.since) >= after
}

// patiently calls until it is done, fails for good, or RetryFor is over (H4). call has the time-out of one try; one that
// makes headway says so with alive, which begins both times again.
func (s *Store) patiently(ctx context.Context, what string, call func(ctx context.Context, alive func()) error) error {
	began, wait := time.Now(), s.o.BackOff
	for {
		trial, err := s.breaker.allow(time.Now(), s.o.RetryFor, s.o.CoolDown)
		if err != nil {
			return &UnavailableError{What: what, For: s.o.RetryFor, Err: err}
		}
		if trial {
			s.renew()
		}
		try, cancel := context.WithCancelCause(ctx)
		timer := time.AfterFunc(s.o.Timeout, func() { cancel(errTimeout) })
		err = call(try, func() {
			began, wait = time.Now(), s.o.BackOff
			timer.Reset(s.o.Timeout)
		})
		timer.Stop()
		cause := context.Cause(try)
		cancel(nil)
		switch {
		case err == nil:
			s.breaker.note(time.Now(), nil)
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case permanent(err):
			s.breaker.note(time.Now(), nil) // it answers
			return fmt.Errorf("hbase: %s: %w", what, short(err))
		case cause != nil:
			err = cause
		}
		s.breaker.note(time.Now(), short(err))
		s.m.retries.Inc()
		if passed := time.Since(began); passed+wait > s.o.RetryFor {
			return &UnavailableError{What: what, For: passed, Err: short(err)}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
		wait = min(2*wait, 16*s.o.BackOff)
	}
}
