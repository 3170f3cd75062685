package source

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// E5, E7: values come in the order of the jobs; no more jobs run and no more bytes are out than the limits say, but for one job
// that is larger than all; whoever stops early leaves nothing that runs and no value that was not dropped.
func TestOrdered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.Int64Range(0, 12), 0, 30).Draw(t, "sizes")
		n, limit := rapid.IntRange(1, 4).Draw(t, "jobs"), rapid.Int64Range(1, 10).Draw(t, "bytes")
		stop, fail := rapid.IntRange(-1, 30).Draw(t, "stop"), rapid.IntRange(-1, 60).Draw(t, "fail")
		var running, out, most, mostOut, made, gone atomic.Int64
		jobs := func(context.Context) iter.Seq2[job[int], error] {
			return func(yield func(job[int], error) bool) {
				for i, size := range sizes {
					if i+30 == fail {
						yield(job[int]{}, errors.New("no more"))
						return
					}
					size = min(max(size, 1), limit)
					if !yield(job[int]{size, func(context.Context) (int, error) {
						raise(&most, running.Add(1))
						raise(&mostOut, out.Add(size))
						defer running.Add(-1)
						if i == fail {
							out.Add(-size)
							return 0, errors.New("broken")
						}
						made.Add(1)
						return i, nil
					}}, nil) {
						return
					}
				}
			}
		}
		size := func(i int) int64 { return min(max(sizes[i], 1), limit) }
		var got []int
		var last error
		for v, err := range ordered(context.Background(), n, limit, jobs, func(i int) { gone.Add(1); out.Add(-size(i)) }) {
			if last = err; err != nil {
				break
			}
			if len(got) > 0 {
				out.Add(-size(got[len(got)-1]))
			}
			if got = append(got, v); v == stop {
				break
			}
		}
		if running.Load() != 0 || made.Load() != int64(len(got))+gone.Load() {
			t.Fatalf("%d jobs run, %d values were made, %d yielded, %d dropped", running.Load(), made.Load(), len(got), gone.Load())
		}
		// The loop above lets go of a value when it sees the next one: one more may be out.
		if most.Load() > int64(n)+1 || mostOut.Load() > limit+12 {
			t.Fatalf("%d jobs and %d bytes at once, want at most %d and %d", most.Load(), mostOut.Load(), n+1, limit)
		}
		want := make([]int, 0, len(sizes))
		for i := range sizes {
			if i == fail || i+30 == fail || (stop >= 0 && i > stop) {
				break
			}
			want = append(want, i)
		}
		broken := fail >= 0 && (fail == len(want) || fail-30 == len(want)) && len(want) < len(sizes) && !(stop >= 0 && stop < len(want))
		if !slices.Equal(want, got) || broken != (last != nil) {
			t.Fatalf("got %v and %v, want %v and an error: %t", got, last, want, broken)
		}
	})
}

func raise(most *atomic.Int64, n int64) {
	for {
		m := most.Load()
		if n <= m || most.CompareAndSwap(m, n) {
			return
		}
	}
}

// A loop whose context ends gets the reason, also while nothing comes.
func TestOrderedCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("why")
	jobs := func(ctx context.Context) iter.Seq2[job[int], error] {
		return func(yield func(job[int], error) bool) {
			for yield(job[int]{1, func(ctx context.Context) (int, error) {
				cancel(why)
				<-ctx.Done()
				return 0, ctx.Err()
			}}, nil) {
			}
		}
	}
	n := 0
	for _, err := range ordered(ctx, 2, 10, jobs, func(int) {}) {
		if n++; !errors.Is(err, why) {
			t.Errorf("got %v, want %v", err, why)
		}
	}
	if n != 1 {
		t.Errorf("yielded %d times, want once", n)
	}
}

// A panic in a job, or where jobs come from, is one of whoever loops, and leaves nothing that runs.
func TestOrderedPanics(t *testing.T) {
	for _, where := range []string{"job", "jobs"} {
		var running atomic.Int64
		jobs := func(context.Context) iter.Seq2[job[int], error] {
			return func(yield func(job[int], error) bool) {
				for i := range 10 {
					if where == "jobs" && i == 3 {
						panic("broken")
					}
					if !yield(job[int]{1, func(context.Context) (int, error) {
						running.Add(1)
						defer running.Add(-1)
						if i == 3 {
							panic("broken")
						}
						return i, nil
					}}, nil) {
						return
					}
				}
			}
		}
		func() {
			defer func() {
				if p := recover(); !strings.HasPrefix(fmt.Sprint(p), "broken\n") || running.Load() != 0 {
					t.Errorf("%s: recovered %v with %d jobs running, want the panic and none", where, p, running.Load())
				}
			}()
			for range ordered(context.Background(), 2, 10, jobs, func(int) {}) {
			}
		}()
	}
}
