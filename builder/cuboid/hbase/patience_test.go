package hbase

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// Each call fails once, before or after it took effect in part: the segment is finished within the limits all the same,
// with the same cells.
func TestFaults(t *testing.T) {
	w := newWorld(t, 3, 40)
	for _, torn := range []bool{false, true} {
		for at := 0; ; at++ {
			fired := false
			synctest.Test(t, func(t *testing.T) {
				s, f := fakeStore(t, Options{ShardEvents: 20, BatchRows: 20})
				f.Torn = torn
				f.Fault = func(call int) error {
					if call != at {
						return nil
					}
					fired = true
					return ErrDown
				}
				if err := w.write(t, s, w.spec(int64(at), 40), 25); err != nil {
					t.Fatalf("call %d fails once (torn=%t): %v", at, torn, err)
				}
				if err := w.same(t, s); err != nil {
					t.Fatalf("call %d fails once (torn=%t): %v", at, torn, err)
				}
			})
			if !fired {
				if at < 20 {
					t.Errorf("only %d calls", at)
				}
				break
			}
		}
	}
}

// A server that is gone from some call on, or hangs: an error that says so, within the limit, and a table that nobody can
// take for a segment.
func TestOutage(t *testing.T) {
	w := newWorld(t, 3, 40)
	for _, fault := range []error{ErrDown, ErrHang} {
		for at := 0; at < 40; at += 3 {
			synctest.Test(t, func(t *testing.T) {
				s, f := fakeStore(t, Options{ShardEvents: 20, BatchRows: 20})
				f.Fault = func(call int) error {
					if call >= at {
						return fault
					}
					return nil
				}
				began := time.Now()
				err := w.write(t, s, w.spec(7, 40), 25)
				var gone *UnavailableError
				if !errors.As(err, &gone) || !errors.Is(err, blob.ErrUnavailable) || strings.Contains(err.Error(), "\n") {
					t.Fatalf("gone from call %d on: %v (%T), want one line of an *UnavailableError, which is a blob.ErrUnavailable", at, err, err)
				}
				if took := time.Since(began); took > s.o.RetryFor+s.o.Timeout {
					t.Errorf("gone from call %d on: it took %v, the limit is %v", at, took, s.o.RetryFor)
				}
			})
		}
	}
}

// H4: a server that was gone for long is asked once in a cool-down, by a new client, and is well again with one answer.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := fakeStore(t, Options{})
		renewed := 0
		s.renew = func() { renewed++ }
		down := true
		f.Fault = func(int) error {
			if down {
				return ErrDown
			}
			return nil
		}
		if err := s.Check(t.Context()); err == nil {
			t.Fatal("no error of a server that is gone")
		}
		time.Sleep(time.Second)
		before := f.calls
		for range 5 {
			if err := s.Check(t.Context()); err == nil {
				t.Fatal("no error of a server that is gone")
			}
		}
		if n := f.calls - before; n > 20 {
			t.Errorf("%d calls of a server that is gone", n)
		}
		if renewed == 0 {
			t.Error("the client was not renewed")
		}
		down = false
		time.Sleep(s.o.CoolDown)
		for range 2 {
			if err := s.Check(t.Context()); err != nil {
				t.Errorf("the server is back: %v", err)
			}
		}
	})
}

// A caller that is cancelled stops at once.
func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := fakeStore(t, Options{})
		f.Fault = func(int) error { return ErrHang }
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("stop")
		time.AfterFunc(time.Second, func() { cancel(stop) })
		began := time.Now()
		if err := s.Check(ctx); !errors.Is(err, stop) || time.Since(began) != time.Second {
			t.Errorf("got %v after %v, want the cause after a second", err, time.Since(began))
		}
	})
}

// What the server refuses for good is not tried again.
func TestPermanent(t *testing.T) {
	s, f := fakeStore(t, Options{})
	f.Fault = func(int) error {
		return errors.New("org.apache.hadoop.hbase.security.AccessDeniedException: no\n\tat x")
	}
	if err := s.Check(t.Context()); err == nil || f.calls != 1 || strings.Contains(err.Error(), "\n") {
		t.Errorf("%d calls, error %v; want one call and one line", f.calls, err)
	}
}

// H5: no table is made beyond the limit of regions, and there is a warning before.
func TestRegionBudget(t *testing.T) {
	w := newWorld(t, 3, 40)
	s, f := fakeStore(t, Options{ShardEvents: 10, MaxRegions: 9})
	for i, want := range []string{"", "warning", "error"} {
		_, warning, err := s.NewWriter(t.Context(), w.spec(int64(i), 40))
		var budget *BudgetError
		if got := errors.As(err, &budget); got != (want == "error") || (warning != "") != (want == "warning") || err != nil && !got {
			t.Errorf("table %d: warning %q, error %v; want %q", i, warning, err, want)
		}
		if want != "error" {
			continue
		}
		if budget.Regions != 8 || budget.Wanted != 4 || budget.Limit != 9 {
			t.Errorf("%+v, want 8 regions, 4 wanted, limit 9", budget)
		}
	}
	if len(f.named) != 2 {
		t.Errorf("%d tables, want 2", len(f.named))
	}
}

// A table goes from readable to disabled to gone; each step may be asked for again.
func TestDrop(t *testing.T) {
	w := newWorld(t, 3, 5)
	s, f := fakeStore(t, Options{})
	if err := w.write(t, s, w.spec(1, 5), 100); err != nil {
		t.Fatal(err)
	}
	name := w.stored.Table
	for _, step := range []struct {
		what string
		do   func(context.Context, string) error
		left int
		read bool
	}{
		{"disable", s.Disable, 1, false},
		{"disable again", s.Disable, 1, false},
		{"enable", s.Enable, 1, true},
		{"enable again", s.Enable, 1, true},
		{"disable", s.Disable, 1, false},
		{"drop", s.Drop, 0, false},
		{"drop again", s.Drop, 0, false},
		{"disable what is gone", s.Disable, 0, false},
	} {
		if err := step.do(t.Context(), name); err != nil {
			t.Errorf("%s: %v", step.what, err)
		}
		if len(f.named) != step.left || (w.same(t, s) == nil) != step.read {
			t.Errorf("%s: %d tables, want %d; readable must be %t", step.what, len(f.named), step.left, step.read)
		}
	}
	if err := s.Drop(t.Context(), "somebody_elses"); err == nil {
		t.Error("a table of somebody else is dropped")
	}
}

func TestOptions(t *testing.T) {
	if _, err := Open(Options{Prefix: "A_", Timeout: -1, Puts: -1}); err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("got %v, want four complaints", err)
	}
	if StoreName != cube.StoreHBase {
		t.Error("manifests and definitions name the store differently")
	}
}
