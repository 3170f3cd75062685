package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
)

func TestRetry(t *testing.T) {
	conform(t, func(t *testing.T) blob.Store { return newRetry(t, new(blob.Mem), blob.RetryOptions{}) }, "large")
}

// A Retry over a store that fails every third call does all that a store must.
func TestRetryOverFlaky(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			var flaky []*faultblob.Flaky
			conform(t, func(t *testing.T) blob.Store {
				f := &faultblob.Flaky{Store: new(blob.Mem), ErrorRate: 0.3, Seed: seed}
				flaky = append(flaky, f)
				o := blob.RetryOptions{MaxAttempts: 40, MinBackoff: time.Microsecond, MaxBackoff: time.Microsecond}
				// Streams get one attempt, so the suite hands over files.
				return seekable{newRetry(t, f, o)}
			}, "large", "broken body", "cancelled") // of seekable, not of Retry
			var calls, failed int64
			for _, f := range flaky {
				calls, failed = calls+f.Calls(), failed+f.Failed()
			}
			if failed < calls/5 {
				t.Errorf("only %d of %d calls failed", failed, calls)
			}
		})
	}
}

// seekable reads streams into memory first.
type seekable struct{ *blob.Retry }

func (s seekable) Create(ctx context.Context, key string, body io.Reader) error {
	if _, ok := body.(io.Seeker); !ok {
		all, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		body = bytes.NewReader(all)
	}
	return s.Retry.Create(ctx, key, body)
}

func newRetry(t *testing.T, st blob.Store, o blob.RetryOptions) *blob.Retry {
	t.Helper()
	r, err := blob.NewRetry(st, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// B3: whichever call fails, before or after it took effect, a retry ends well and the object is whole.
func TestRetryOfEveryCall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "finished")
	for name, run := range map[string]func(st blob.Store) error{
		"create": func(st blob.Store) error { return st.Create(t.Context(), "a", strings.NewReader("rows")) },
		"create from the middle": func(st blob.Store) error {
			body := strings.NewReader("skipped rows")
			_, err := body.Seek(8, io.SeekStart)
			return errors.Join(err, st.Create(t.Context(), "a", body))
		},
		"create same":      func(st blob.Store) error { return blob.CreateSame(t.Context(), st, "a", strings.NewReader("rows")) },
		"create same file": func(st blob.Store) error { return blob.CreateSameFile(t.Context(), st, "a", path) },
	} {
		for _, after := range []bool{false, true} {
			for i := 0; ; i++ {
				if err := os.WriteFile(path, []byte("rows"), 0o644); err != nil {
					t.Fatal(err)
				}
				mem := new(blob.Mem)
				fault := &faultblob.Store{Store: mem, At: i, After: after, Err: blob.ErrUnavailable}
				st := newRetry(t, fault, blob.RetryOptions{MinBackoff: time.Microsecond, MaxBackoff: time.Microsecond})
				if err := run(st); err != nil {
					t.Errorf("%s: fault %d (after=%t): %v", name, i, after, err)
				}
				if got := read(t, mem, "a", 0, -1); got != "rows" {
					t.Errorf("%s: fault %d (after=%t): content %q", name, i, after, got)
				}
				if !fault.Fired() {
					break
				}
				if err := os.WriteFile(path, []byte("rows"), 0o644); err != nil {
					t.Fatal(err)
				}
				// Another's object must not be taken for the work of a failed attempt.
				mem = new(blob.Mem)
				create(t, mem, "a", "other")
				fault = &faultblob.Store{Store: mem, At: i, After: after, Err: blob.ErrUnavailable}
				st = newRetry(t, fault, blob.RetryOptions{MinBackoff: time.Microsecond, MaxBackoff: time.Microsecond})
				if err := run(st); !errors.Is(err, blob.ErrExists) {
					t.Errorf("%s: fault %d (after=%t): over another object: got %v, want ErrExists", name, i, after, err)
				}
			}
		}
	}
}

// B4: what is not ErrUnavailable is final, and a body that cannot be read again gets one attempt.
func TestRetryNotOfOthers(t *testing.T) {
	fault := &faultblob.Store{Store: new(blob.Mem)}
	st := newRetry(t, fault, blob.RetryOptions{})
	if err := st.Create(t.Context(), "a", strings.NewReader("x")); !errors.Is(err, faultblob.ErrInjected) || fault.Calls() != 1 {
		t.Errorf("got %v after %d calls, want the injected fault after one", err, fault.Calls())
	}
	fault = &faultblob.Store{Store: new(blob.Mem), Err: blob.ErrUnavailable}
	st = newRetry(t, fault, blob.RetryOptions{})
	err := st.Create(t.Context(), "a", struct{ io.Reader }{strings.NewReader("x")})
	if !errors.Is(err, blob.ErrUnavailable) || fault.Calls() != 1 {
		t.Errorf("stream: got %v after %d calls, want ErrUnavailable after one", err, fault.Calls())
	}
}

func TestRetryWaits(t *testing.T) {
	for _, c := range []struct {
		o        blob.RetryOptions
		calls    int64
		min, max time.Duration
	}{
		{blob.RetryOptions{MaxAttempts: 1}, 1, 0, 0},
		{blob.RetryOptions{MaxAttempts: 4, MinBackoff: time.Second, MaxBackoff: 2 * time.Second}, 4, 2500 * time.Millisecond, 5 * time.Second},
		{blob.RetryOptions{MaxAttempts: 1000, MinBackoff: time.Second, MaxBackoff: time.Second, MaxElapsed: time.Minute}, 0, 58 * time.Second, time.Minute},
		{blob.RetryOptions{}, 6, 3100 * time.Millisecond, 6200 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			flaky := &faultblob.Flaky{Store: new(blob.Mem)}
			flaky.Cut()
			st := newRetry(t, flaky, c.o)
			began := time.Now()
			_, err := st.Open(t.Context(), "a", 0, -1)
			if took := time.Since(began); took < c.min || took > c.max {
				t.Errorf("%+v: gave up after %v, want %v to %v", c.o, took, c.min, c.max)
			}
			if !errors.Is(err, blob.ErrUnavailable) || c.calls > 0 && flaky.Calls() != c.calls {
				t.Errorf("%+v: got %v after %d calls, want ErrUnavailable after %d", c.o, err, flaky.Calls(), c.calls)
			}
		})
	}
}

func TestRetryOutlivesOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flaky := &faultblob.Flaky{Store: new(blob.Mem), Latency: 50 * time.Millisecond}
		st := newRetry(t, flaky, blob.RetryOptions{MaxAttempts: 1000, MaxElapsed: time.Hour})
		flaky.Cut()
		time.AfterFunc(10*time.Minute, flaky.Heal)
		create(t, st, "a", "x")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		flaky.Cut()
		if err := st.Delete(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, blob.ErrUnavailable) {
			t.Errorf("got %v, want the context's error alone", err)
		}
	})
}

// A list that breaks goes on behind the last object it gave.
func TestRetryList(t *testing.T) {
	mem := new(blob.Mem)
	want := []string{"a", "b", "c", "d"}
	for _, key := range want {
		create(t, mem, key, "x")
	}
	st := newRetry(t, &breaksList{Store: mem}, blob.RetryOptions{MaxAttempts: 2, MinBackoff: time.Microsecond})
	if diff := cmp.Diff(want, list(t, st, "")); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}

// breaksList gives one more object with each call, then breaks.
type breaksList struct {
	blob.Store
	n int
}

func (b *breaksList) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	b.n++
	n := b.n
	return func(yield func(blob.Object, error) bool) {
		for o, err := range b.Store.List(ctx, prefix) {
			if n == 0 {
				yield(blob.Object{}, blob.ErrUnavailable)
				return
			}
			n--
			if !yield(o, err) {
				return
			}
		}
	}
}

func TestRetryOptions(t *testing.T) {
	for _, o := range []blob.RetryOptions{
		{MaxAttempts: -1}, {MinBackoff: -1}, {MinBackoff: 2, MaxBackoff: 1}, {MaxElapsed: -1},
	} {
		if _, err := blob.NewRetry(new(blob.Mem), o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}
