package blob

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// RetryOptions configure a Retry. The zero value of a field means its default.
type RetryOptions struct {
	MaxAttempts int           // of one call, the first included; default 6
	MinBackoff  time.Duration // before the second attempt, doubled before each further one; default 200ms
	MaxBackoff  time.Duration // default 10s
	MaxElapsed  time.Duration // no attempt begins later than this after the first; default 2m
}

func (o RetryOptions) withDefaults() RetryOptions {
	if o.MaxAttempts == 0 {
		o.MaxAttempts = 6
	}
	if o.MinBackoff == 0 {
		o.MinBackoff = 200 * time.Millisecond
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = max(10*time.Second, o.MinBackoff)
	}
	if o.MaxElapsed == 0 {
		o.MaxElapsed = 2 * time.Minute
	}
	return o
}

func (o RetryOptions) validate() error {
	var errs []error
	if o.MaxAttempts < 1 {
		errs = append(errs, fmt.Errorf("MaxAttempts is %d, must be at least 1", o.MaxAttempts))
	}
	if o.MinBackoff < 0 || o.MaxBackoff < o.MinBackoff {
		errs = append(errs, fmt.Errorf("MinBackoff is %v and MaxBackoff %v, must be 0 <= MinBackoff <= MaxBackoff", o.MinBackoff, o.MaxBackoff))
	}
	if o.MaxElapsed < 0 {
		errs = append(errs, fmt.Errorf("MaxElapsed is %v, must not be negative", o.MaxElapsed))
	}
	return errors.Join(errs...)
}

// retrier repeats calls that end in ErrUnavailable.
type retrier struct{ opts RetryOptions }

func newRetrier(o RetryOptions) (retrier, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return retrier{}, fmt.Errorf("retry options: %w", err)
	}
	return retrier{opts: o}, nil
}

// do makes a call until it ends well, in another error, or at a limit; attempt counts from 1.
func (r retrier) do(ctx context.Context, call func(attempt int) error) error {
	began := time.Now()
	for attempt := 1; ; attempt++ {
		err := call(attempt)
		if err == nil {
			return nil
		}
		if err := r.wait(ctx, attempt, began, err); err != nil {
			return err
		}
	}
}

// wait returns nil when the call that ended in err shall be made again, after the back-off; else the final error.
func (r retrier) wait(ctx context.Context, attempt int, began time.Time, err error) error {
	if !errors.Is(err, ErrUnavailable) {
		return err
	}
	pause, elapsed := r.backoff(attempt), time.Since(began)
	if attempt >= r.opts.MaxAttempts || elapsed+pause > r.opts.MaxElapsed {
		return fmt.Errorf("%w (attempt %d of at most %d, after %v of at most %v)", err,
			attempt, r.opts.MaxAttempts, elapsed.Round(time.Millisecond), r.opts.MaxElapsed)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w while waiting for another attempt; the last one: %v", ctx.Err(), err)
	}
}

// backoff doubles per attempt; its second half is random, so that many callers do not come back at once.
func (r retrier) backoff(attempt int) time.Duration {
	d := r.opts.MaxBackoff
	if shift := attempt - 1; shift < 32 && r.opts.MinBackoff < d>>shift {
		d = r.opts.MinBackoff << shift
	}
	return d/2 + rand.N(d/2+1)
}
