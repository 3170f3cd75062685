//go:build !race

// One call after another: the race detector sees nothing here.

package catalog

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// The rows of a span of time are those that a look at every row finds, page by page, however far apart the times of a row lie.
func TestStagedAgainstLedger(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			m := &model{c: c, table: applied(t, c, fmt.Sprintf("t%d", n))}
			m.start(rt)
			rt.Repeat(map[string]func(*rapid.T){
				"commit": func(rt *rapid.T) { commitApart(rt, m) }, "commit more": func(rt *rapid.T) { commitApart(rt, m) },
				"newGeneration": m.newGeneration, "supplement": m.supplement,
			})
			for range 3 {
				compareStaged(rt, m)
			}
		})
	})
}

// commitApart commits a row whose times lie up to years apart.
func commitApart(t *rapid.T, m *model) {
	l := m.open()
	r := *l
	r.Start, r.End = l.End, l.End+rapid.Int64Range(1, 5).Draw(t, "offsets")
	d := m.drawRow(t, r, false)
	d.Epoch = m.epoch
	if d.Row.Events > 0 {
		d.Row.MinTimeUs = rapid.Int64Range(0, 1<<48).Draw(t, "time")
		d.Row.MaxTimeUs = d.Row.MinTimeUs + rapid.Int64Range(0, 1<<rapid.IntRange(1, 50).Draw(t, "bits")).Draw(t, "span")
	}
	if err := m.c.Commit(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	l.End = r.End
	m.last, m.rows = d, append(m.rows, entryOf(d, m.epoch))
}

func compareStaged(t *rapid.T, m *model) {
	snap, err := m.c.QuerySnapshot(context.Background(), m.table, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	q := StagedQuery{Snapshot: snap, Limit: rapid.IntRange(1, 6).Draw(t, "limit")}
	if rapid.Bool().Draw(t, "timed") {
		q.FromUs = rapid.Int64Range(1, 1<<48).Draw(t, "from")
		q.ToUs = q.FromUs + rapid.Int64Range(0, 1<<rapid.IntRange(1, 50).Draw(t, "bits")).Draw(t, "span")
	}
	for _, l := range m.lines {
		for at := l.Start; at < l.End; {
			r := l
			r.Start = at + rapid.Int64Range(0, 5).Draw(t, "gap")
			r.End = min(r.Start+rapid.Int64Range(1, 30).Draw(t, "length"), l.End)
			if at = r.End + 1; !r.Empty() {
				q.Ranges = append(q.Ranges, r)
			}
		}
	}
	var want, got []LedgerEntry
	for _, e := range m.rows {
		if e.Events == 0 || (q.FromUs != 0 && (e.MaxTimeUs < q.FromUs || e.MinTimeUs > q.ToUs)) {
			continue
		}
		for _, r := range q.Ranges {
			if e.Range.Overlaps(r) {
				want = append(want, e)
				break
			}
		}
	}
	for {
		page, err := m.c.Staged(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			got = append(got, *e)
		}
		if len(page) < q.Limit {
			break
		}
		q.After = &page[len(page)-1].Range
	}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("%v in [%d,%d], %d at once (-want +got):\n%s", q.Ranges, q.FromUs, q.ToUs, q.Limit, d)
	}
}

func TestTimeStep(t *testing.T) {
	for _, c := range []struct {
		min, max int64
		want     int
	}{
		{0, 0, 0},
		{5, 1_000_004, 0},
		{5, 1_000_005, 1},
		{0, 8_000_000, 2},
		{0, 16_777_215_999_999, 8},
		{0, 16_777_216_000_000, 9},
		{math.MinInt64, math.MaxInt64, 9},
		{math.MinInt64, math.MinInt64 + 10, 0},
	} {
		if got := timeStep(c.min, c.max); got != c.want {
			t.Errorf("times %d to %d: step %d, want %d", c.min, c.max, got, c.want)
		}
	}
}

// Of a span of time far back no row of later times is read, nor of one before it.
func TestStagedReadsItsSpanOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		table, epoch := begun(t, c, 0)
		const minute = int64(60e6)
		var got []*LedgerEntry
		for i := range int64(50) {
			m := staged(table, epoch, rng(0, i, i+1))
			m.Row.MinTimeUs, m.Row.MaxTimeUs = i*minute+1, (i+1)*minute
			mustCommit(t, c, m)
		}
		snap, err := c.QuerySnapshot(context.Background(), table, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		q := StagedQuery{Snapshot: snap, Ranges: []segmenter.PartitionRange{rng(0, 0, 50)}, FromUs: 20 * minute, ToUs: 20*minute + 1}
		if err := c.read(context.Background(), "test", func(t *tx) error {
			q.Limit = 4 // fewer than lie before it or behind it
			var ok bool
			if got, ok, err = t.stagedByTime(q); !ok {
				err = errors.New("too many rows were found")
			}
			return err
		}); err != nil || len(got) != 2 || got[0].Range != rng(0, 19, 20) {
			t.Errorf("got %d rows, %v; want rows 19 and 20", len(got), err)
		}
		mustCommit(t, c, staged(table, epoch, rng(0, 50, 52), 50))
		requeue(t, c, table, 50)
		var conflict *ConflictError
		if _, err := c.Staged(context.Background(), q); !errors.As(err, &conflict) {
			t.Errorf("after a requeue: %v, want a conflict", err)
		}
	})
}
