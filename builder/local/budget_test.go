package local

import (
	"context"
	"errors"
	"sync"
	"testing"
)

// L3: tasks and what is kept stay within the limit together, whatever the order they come in; a task that is larger than all of
// its half runs alone; one that waits ends with its context.
func TestBudget(t *testing.T) {
	b := newBudget(100)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			n := int64(10 + i%30)
			if err := b.work(t.Context(), n); err != nil {
				t.Error(err)
				return
			}
			if b.keep(5) {
				defer b.drop(5)
			}
			b.worked(n)
		})
	}
	wg.Wait()
	if now, peak := b.used(); now != 0 || peak > 100 || peak < 39 {
		t.Errorf("after tasks of up to 39: %d used, peak %d, want 0 and 39 to 100", now, peak)
	}
	if !b.keep(50) || b.keep(1) {
		t.Error("want half of the limit to be kept, and no more")
	}
	must(t, b.work(t.Context(), 500)) // alone
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	if err := b.work(ctx, 1); !errors.Is(err, cause) {
		t.Errorf("beside a large task: got %v, want the cause", err)
	}
	b.worked(500)
	must(t, b.work(t.Context(), 1))
	b.worked(1)
	b.drop(50)
	if now, _ := b.used(); now != 0 {
		t.Errorf("%d bytes are left", now)
	}
}
