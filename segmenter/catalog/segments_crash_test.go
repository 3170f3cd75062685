package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// crashWorld is a cube with segment 1 stale and retired by nobody yet, 2 ready, 3 running as their merge, and 4 failed with
// its reservation.
type crashWorld struct {
	c                *Catalog
	cube, name, tab  string
	running, resumed Job
	merge            segmenter.Vector
}

func newCrashWorld(t *testing.T, c *Catalog) crashWorld {
	t.Helper()
	w := crashWorld{c: c, merge: segmenter.Vector{rng(0, 0, 20)}}
	w.cube, w.tab = withBad(t, c)
	w.name = "cube-" + tableName(t, c, w.tab)
	fresh(t, c, w.tab, reservation(w.cube, rng(0, 0, 10)))
	fresh(t, c, w.tab, reservation(w.cube, rng(0, 10, 20)))
	requeue(t, c, w.tab, 5)
	_, j := reserve(t, c, replacing(reservation(w.cube, w.merge...), 1, 2))
	w.running = claim1(t, c, j.ID)
	w.resumed = claim1(t, c, pending(t, c, w.cube, 20).ID)
	if err := c.FailJob(context.Background(), JobPause{ID: w.resumed.ID, Epoch: w.resumed.Epoch, Problem: "why", Until: clock(10)}); err != nil {
		t.Fatal(err)
	}
	return w
}

// A full disk in a publish leaves the segment new and its job running; when there is room again it is published.
func TestDiskFullInPublish(t *testing.T) {
	c := openAt(t, sqliteDSN(t))
	w := newCrashWorld(t, c)
	_, before := dumpLines(t, c)
	limit := func(pages int) {
		t.Helper()
		if _, err := c.w.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // SQLite takes the present size then
	j := JobReport{ID: w.running.ID, Epoch: w.running.Epoch, Now: clock(1), Lease: lease}
	for range 500 {
		j.Log = append(j.Log, strings.Repeat("x", 1000))
	}
	if err := c.RenewJob(context.Background(), j); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("half a megabyte of log on a full disk: got %v, want ErrUnavailable", err)
	}
	_, after := dumpLines(t, c)
	wantDiff(t, "after a full disk", before, after)
	limit(1 << 20)
	if err := c.Publish(context.Background(), publication(w.running, w.merge...)); err != nil {
		t.Fatal(err)
	}
}

// C3: the connection is lost around the commit of a publication or reservation, so that the caller cannot know; asked again
// the answer is as if nothing had been.
func TestConnectionLostInPublish(t *testing.T) {
	for name, cut := range map[string]int32{"before": cutBefore, "after": cutAfter} {
		t.Run(name, func(t *testing.T) {
			p, dsn := newProxy(t, postgresDSN(t))
			c := openAt(t, dsn)
			w := newCrashWorld(t, c)
			for _, call := range []func() error{
				func() error { return c.Publish(context.Background(), publication(w.running, w.merge...)) },
				func() error { return c.Retire(context.Background(), w.cube, []int64{3}, "test") },
				func() error {
					r := reservation(w.cube, rng(0, 50, 60))
					r.Idempotency.Key = "key"
					_, _, err := c.Reserve(context.Background(), r)
					return err
				},
			} {
				p.cut.Store(cut)
				if err := call(); !errors.Is(err, ErrUnavailable) {
					t.Fatalf("got %v, want ErrUnavailable", err)
				}
				p.cut.Store(cutNever)
				if err := call(); err != nil {
					t.Fatalf("again: %v", err)
				}
			}
			wantDiff(t, "live", []string{"4 new p0 [20,30)", "5 new p0 [50,60)"}, segments(t, c, SegmentQuery{CubeID: w.cube}))
			checkSegments(t, c, w.cube)
		})
	}
}
