package source

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
)

func testMetrics(t *testing.T) *metrics {
	t.Helper()
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// cellsOf takes about n bytes.
func cellsOf(n int) kept {
	return kept{events: int64(n), size: int64(n)}
}

// E3: cells are made once for all who ask at once; a failure is told to all of them and not kept; one who is cancelled while the
// cells are made does not fail the others.
func TestCellsMadeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cellCache{limit: 1 << 20, m: testMetrics(t)}
		var made atomic.Int64
		broken := errors.New("broken")
		ask := func(ctx context.Context, file string, wait chan struct{}, err error) error {
			k, _, got := c.get(ctx, cellKey{file: file}, func(ctx context.Context) (kept, error) {
				made.Add(1)
				select {
				case <-wait:
					return cellsOf(100), err
				case <-ctx.Done():
					return kept{}, ctx.Err()
				}
			})
			if got == nil && k.events != 100 {
				return fmt.Errorf("%d events", k.events)
			}
			return got
		}
		for _, want := range []error{broken, nil} {
			wait := make(chan struct{})
			var wg sync.WaitGroup
			before := made.Load()
			for range 10 {
				wg.Go(func() {
					if got := ask(t.Context(), "a", wait, want); !errors.Is(got, want) {
						t.Errorf("got %v, want %v", got, want)
					}
				})
			}
			synctest.Wait()
			close(wait)
			wg.Wait()
			if n := made.Load() - before; n != 1 {
				t.Errorf("made %d times, want once", n)
			}
		}

		first, cancel := context.WithCancel(t.Context())
		wait := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := ask(first, "b", wait, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("the first one: %v, want that it was cancelled", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if err := ask(t.Context(), "b", wait, nil); err != nil {
				t.Errorf("the second one: %v", err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(wait)
		wg.Wait()
	})
}

// A panic while cells are made fails nobody but the one who makes them.
func TestCellsPanic(t *testing.T) {
	c := &cellCache{limit: 1 << 20, m: testMetrics(t)}
	func() {
		defer func() { _ = recover() }()
		_, _, _ = c.get(t.Context(), cellKey{file: "a"}, func(context.Context) (kept, error) { panic("broken") })
	}()
	if k, found, err := c.get(t.Context(), cellKey{file: "a"}, func(context.Context) (kept, error) { return cellsOf(8), nil }); err != nil || found || k.events != 8 {
		t.Errorf("after a panic: %+v, kept: %t, %v", k, found, err)
	}
}

// E5: what is kept stays below the limit, what was used last stays, and what is too large for most others is not kept.
func TestCellsLimit(t *testing.T) {
	c := &cellCache{limit: 40_000, m: testMetrics(t)}
	get := func(file string, n int) bool {
		_, found, err := c.get(t.Context(), cellKey{file: file}, func(context.Context) (kept, error) { return cellsOf(n), nil })
		if err != nil {
			t.Fatal(err)
		}
		if c.bytes > c.limit {
			t.Fatalf("%d bytes are kept, want at most %d", c.bytes, c.limit)
		}
		return found
	}
	for i := range 50 {
		get(fmt.Sprint(i), 4000)
		get("0", 4000) // used all the time
	}
	if !get("0", 4000) || !get("49", 4000) || get("1", 4000) {
		t.Error("want the file that is used all the time and the last one kept, and the second one gone")
	}
	if again := get("large", 20_000); again || get("large", 20_000) {
		t.Error("cells of half the limit are kept")
	}
	n, sum := 0, int64(0)
	for e := c.used.Front(); e != nil; e = e.Next() {
		n, sum = n+1, sum+e.Value.(*cellEntry).kept.bytes()
	}
	if n != len(c.entries) || sum != c.bytes {
		t.Errorf("%d entries of %d bytes, the list has %d of %d", len(c.entries), c.bytes, n, sum)
	}
}
