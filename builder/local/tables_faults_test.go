//go:build !race

// Many builds, and no goroutines that other tests do not have: the stage race runs these without the detector.

package local

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
)

// Every call of HBase that fails once is made again; when HBase is gone from some call on, the build fails, may be tried
// again, and another attempt with another table succeeds.
func TestTableFaults(t *testing.T) {
	w := newWorld(t, 32)
	w.apply("cube: sales\ntable: shop\ndimensions: [country, page, n]\nmeasures: [count, sum(n)]\ngroups: [{includes: [country, page]}, {includes: [n]}]\n")
	w.stage(0, 0, 2500)
	want := w.build(t.Context(), w.engine(nil), w.input(w.all(), 1))
	attempt := int64(2)
	for _, gone := range []bool{false, true} {
		for at := int64(0); ; at++ {
			mem, with := w.tables(hbase.Options{
				ShardEvents: 1000, GroupRows: 700, BatchRows: 900, BackOff: time.Microsecond, RetryFor: time.Millisecond, CoolDown: time.Microsecond,
			})
			var calls atomic.Int64
			mem.Torn = at%2 == 1
			mem.Fault = func(int) error {
				if n := calls.Add(1) - 1; n == at || gone && n > at {
					return hbase.ErrDown
				}
				return nil
			}
			e := w.engine(with)
			attempt++
			out, err := e.Build(t.Context(), stored(w.input(w.all(), attempt)))
			if calls.Load() <= at {
				break
			}
			if err == nil {
				w.sameCells(out, want)
				continue
			}
			var final *builder.FinalError
			var away *hbase.UnavailableError
			if !errors.As(err, &away) || errors.As(err, &final) {
				t.Fatalf("call %d (gone=%t): %v, want an *UnavailableError that may be tried again", at, gone, err)
			}
			if now, _ := e.mem.used(); now != 0 {
				t.Errorf("call %d: %d bytes of memory are left", at, now)
			}
			mem.Fault = nil
			attempt++
			again := stored(w.input(w.all(), attempt))
			w.sameCells(w.build(t.Context(), e, again), want)
		}
	}
}
