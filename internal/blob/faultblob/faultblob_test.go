package faultblob_test

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// script makes one call of each kind and returns their errors.
func script(t *testing.T, st blob.Store) []error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "finished")
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	var errs []error
	errs = append(errs, st.Create(t.Context(), "a", strings.NewReader("x")))
	errs = append(errs, st.(blob.FileCreator).CreateFromFile(t.Context(), "b", path))
	r, err := st.Open(t.Context(), "a", 0, -1)
	if err == nil {
		err = r.Close()
	}
	errs = append(errs, err)
	var listed error
	for _, err := range st.List(t.Context(), "") {
		listed = err
	}
	errs = append(errs, listed)
	_, err = blob.Stat(t.Context(), st, "b")
	errs = append(errs, err)
	return append(errs, st.Delete(t.Context(), "b"))
}

// F2: exactly the chosen call fails, and it took effect or not as chosen.
func TestStore(t *testing.T) {
	const calls = 6
	for i := range calls + 1 {
		for _, after := range []bool{false, true} {
			mem := new(blob.Mem)
			st := &faultblob.Store{Store: mem, At: i, After: after}
			errs := script(t, st)
			for call, err := range errs {
				fails := call == i || !after && (i == 0 && call == 2 || i == 1 && call == 4) // no object to read
				if fails != (err != nil) || call == i && !errors.Is(err, faultblob.ErrInjected) {
					t.Errorf("fault %d (after=%t): call %d: %v", i, after, call, err)
				}
			}
			if st.Fired() != (i < calls) || st.Calls() != calls {
				t.Errorf("fault %d (after=%t): fired=%t, %d calls", i, after, st.Fired(), st.Calls())
			}
			has := func(key string) bool { _, err := blob.Stat(t.Context(), mem, key); return err == nil }
			if want := i != 0 || after; has("a") != want {
				t.Errorf("fault %d (after=%t): a exists: %t", i, after, has("a"))
			}
			if want := i == 5 && !after; has("b") != want {
				t.Errorf("fault %d (after=%t): b exists: %t", i, after, has("b"))
			}
		}
	}
}

func TestStoreDead(t *testing.T) {
	st := &faultblob.Store{Store: new(blob.Mem), At: 1, After: true, Dead: true}
	for call, err := range script(t, st) {
		if (err != nil) != (call >= 1) {
			t.Errorf("call %d: %v", call, err)
		}
	}
}

// F1: the same seed gives the same failures, another one others.
func TestFlakyRepeats(t *testing.T) {
	run := func(seed uint64) string {
		f := &faultblob.Flaky{Store: new(blob.Mem), ErrorRate: 0.3, Seed: seed}
		var got strings.Builder
		for range 30 {
			for _, err := range script(t, f) {
				if err != nil && !errors.Is(err, blob.ErrUnavailable) && !errors.Is(err, blob.ErrNotFound) && !errors.Is(err, blob.ErrExists) {
					t.Fatalf("seed %d: %v", seed, err)
				}
				fmt.Fprintln(&got, err)
			}
		}
		if share := float64(f.Failed()) / float64(f.Calls()); share < 0.2 || share > 0.4 {
			t.Errorf("seed %d: %.2f of the calls failed, want about 0.3", seed, share)
		}
		return got.String()
	}
	first := run(1)
	if diff := cmp.Diff(first, run(1)); diff != "" {
		t.Errorf("seed 1 twice (-first +second):\n%s", diff)
	}
	if run(2) == first {
		t.Error("seeds 1 and 2 give the same failures")
	}
}

func TestFlakyCut(t *testing.T) {
	f := &faultblob.Flaky{Store: new(blob.Mem)}
	if err := f.Create(t.Context(), "a", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	r, err := f.Open(t.Context(), "a", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	f.Cut()
	if _, err := io.ReadAll(r); !errors.Is(err, blob.ErrUnavailable) {
		t.Errorf("read after the cut: got %v, want ErrUnavailable", err)
	}
	for call, err := range script(t, f) {
		if !errors.Is(err, blob.ErrUnavailable) {
			t.Errorf("call %d: got %v, want ErrUnavailable", call, err)
		}
	}
	f.Heal()
	if got, err := io.ReadAll(r); string(got) != "x" || err != nil {
		t.Errorf("read after healing: got %q, %v", got, err)
	}
}

func TestFlakyLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &faultblob.Flaky{Store: new(blob.Mem), Latency: time.Second}
		began := time.Now()
		script(t, f)
		if took := time.Since(began); took != 6*time.Second {
			t.Errorf("6 calls took %v, want 6s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := f.Delete(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
}
