//go:build !race

// Many builds, and no goroutines that other tests do not have: the stage race runs these without the detector.

package local

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
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

// A store that fails at any call, before or after it took effect, gives an error, and a second build on the same folders ends
// in the same bytes.
func TestStoreFaults(t *testing.T) {
	w := newWorld(t, 7)
	w.stage(0, 0, 1000, 5)
	w.stage(0, 1000, 1400)
	w.supplement(0, 1, 5)
	want := w.build(t.Context(), w.engine(nil), w.input(w.all(), 1)).Files
	plain := w.store
	for _, after := range []bool{false, true} {
		for at := 0; ; at++ {
			bad := &faultblob.Store{Store: plain, At: at, After: after, Err: blob.ErrUnavailable}
			e := w.engine(func(o *Options, _ *sizes) { o.Store = bad })
			in := w.input(w.all(), 1)
			in.Folder = fmt.Sprintf("segments/c1/%064x.%d", 1, 100+2*at)
			if after {
				in.Folder += "1"
			}
			out, err := e.Build(t.Context(), in)
			if bad.Fired() {
				var final *builder.FinalError
				if err == nil || errors.As(err, &final) || !errors.Is(err, blob.ErrUnavailable) {
					t.Fatalf("fault %d (after=%t): got %v, want an error that may be tried again", at, after, err)
				}
				out, err = e.Build(t.Context(), in)
			}
			if err != nil || len(out.Files) != len(want) || out.Files[0].SHA256 != want[0].SHA256 {
				t.Fatalf("fault %d (after=%t): at the end: %v, %+v, want the bytes of %+v", at, after, err, out.Files, want)
			}
			w.gaveBack(e)
			if !bad.Fired() {
				break
			}
		}
	}
}
