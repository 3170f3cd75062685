//go:build !race

// One call after another: the race detector sees nothing here.

package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// I2, C7: whatever is committed, read again, requeued, built, merged and retired, a snapshot that is brought up to date says what
// the ledger and the segments say offset by offset, and holds each of them once: in a segment or as uncovered.
func TestSnapshotAgainstModel(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		c.pageRows = 3
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			table := applied(t, c, fmt.Sprintf("t%d", n))
			w := &snapshotWorld{model: &model{c: c, table: table}, prev: map[snapshotKind]*QuerySnapshot{}}
			w.cube = applyCube(t, c, cubeDef(fmt.Sprint("c", n), tableName(t, c, table))).Cube.ID
			w.start(rt)
			rt.Repeat(map[string]func(*rapid.T){
				"":              w.check,
				"commit":        w.commit,
				"commit more":   w.commit,
				"newGeneration": w.newGeneration,
				"replace":       w.replace,
				"prepend":       w.prepend,
				"skip":          w.skip,
				"supplement":    w.supplement,
				"build":         w.build,
				"build more":    w.build,
				"merge":         w.merge,
				"retire":        w.retire,
				"purge":         w.purge,
			})
			w.compare(rt)
		})
	})
}

// snapshotKind is a cube, or none, and how many rows are kept.
type snapshotKind struct {
	cube string
	rows int
}

type snapshotWorld struct {
	*model
	cube string
	prev map[snapshotKind]*QuerySnapshot
}

// start begins the partition.
func (m *model) start(t *rapid.T) {
	m.assign(t)
	for !m.begun {
		m.begin(t)
	}
}

// ready lists the ready segments by start.
func (w *snapshotWorld) ready(t *rapid.T) (list []SegmentEntry) {
	for s, err := range w.c.Segments(context.Background(), SegmentQuery{CubeID: w.cube, States: []segmenter.SegmentState{segmenter.SegmentReady}}) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b SegmentEntry) int { return a.Range.Compare(b.Range) })
	return list
}

// publish builds a segment whose parts are those of the ledger.
func (w *snapshotWorld) publish(t *rapid.T, r Reservation, bare bool) {
	ctx := context.Background()
	_, j, err := w.c.Reserve(ctx, r)
	var overlap *OverlapError
	if errors.As(err, &overlap) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	j, ok, err := w.c.ClaimJob(ctx, JobClaim{ID: j.ID, Owner: "test", Now: clock(0), Lease: lease})
	if err != nil || !ok {
		t.Fatalf("claim: %t, %v", ok, err)
	}
	p := Publication{CubeID: w.cube, Number: j.Segment, JobEpoch: j.Epoch, ID: fmt.Sprintf("%064x", j.ID), Attempt: j.Epoch, Bare: bare}
	for _, line := range r.Range {
		m := segmenter.PartMeasure{Partition: line.Partition, Generation: line.Generation}
		for _, e := range w.rows {
			m.Measure = m.Add(segmenter.MeasureRow(e.LedgerRow, line))
		}
		p.Parts = append(p.Parts, m)
	}
	if err := w.c.Publish(ctx, p); err != nil {
		t.Fatal(err)
	}
}

func (w *snapshotWorld) build(t *rapid.T) {
	l := rapid.SampledFrom(w.lines).Draw(t, "line")
	if l.Empty() {
		t.Skip("nothing is committed")
	}
	l.Start = rapid.Int64Range(l.Start, l.End-1).Draw(t, "start")
	l.End = rapid.Int64Range(l.Start+1, l.End).Draw(t, "end")
	w.publish(t, reservation(w.cube, l), rapid.IntRange(0, 4).Draw(t, "bare") == 0)
}

func (w *snapshotWorld) merge(t *rapid.T) {
	list := w.ready(t)
	if len(list) < 2 {
		t.Skip("nothing to merge")
	}
	i := rapid.IntRange(0, len(list)-2).Draw(t, "first")
	v, err := list[i].Range.Join(list[i+1].Range)
	if err != nil {
		t.Skip("they do not touch")
	}
	w.publish(t, replacing(reservation(w.cube, v...), list[i].Number, list[i+1].Number), false)
}

func (w *snapshotWorld) retire(t *rapid.T) {
	list := w.ready(t)
	if len(list) == 0 {
		t.Skip("nothing to retire")
	}
	if err := w.c.Retire(context.Background(), w.cube, []int64{rapid.SampledFrom(list).Draw(t, "segment").Number}, "test"); err != nil {
		t.Fatal(err)
	}
}

func (w *snapshotWorld) purge(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "purge") > 0 {
		return
	}
	info, err := w.c.CubeInfo(context.Background(), w.cube)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.c.PurgeCube(context.Background(), "default", info.Cube.Name, "ann"); err != nil {
		t.Fatal(err)
	}
}

func (w *snapshotWorld) check(t *rapid.T) {
	if rapid.IntRange(0, 2).Draw(t, "look") == 0 {
		w.compare(t)
	}
}

func (w *snapshotWorld) compare(t *rapid.T) {
	ready := w.ready(t)
	for _, of := range []snapshotKind{{w.cube, 100}, {"", 100}, {w.cube, 4}} {
		w.c.opts.SnapshotRows = of.rows
		s, err := w.c.QuerySnapshot(context.Background(), w.table, of.cube, w.prev[of])
		if err != nil {
			t.Fatal(err)
		}
		w.prev[of] = s
		segments := ready
		if of.cube == "" {
			segments = nil
		}
		w.compareOne(t, s, segments)
	}
}

// compareOne holds a snapshot against what the model and the segments say of every offset.
func (w *snapshotWorld) compareOne(t *rapid.T, s *QuerySnapshot, segments []SegmentEntry) {
	var want []QueryLine
	rows := 0
	for _, l := range w.lines {
		q := QueryLine{Generation: segmenter.Generation{
			Partition: l.Partition, Generation: l.Generation, Start: l.Start, End: l.End, Closed: l.Generation < w.open().Generation,
		}}
		covered := map[int64]bool{}
		for _, e := range segments {
			for i, r := range e.Range {
				if e.Bare || !r.SameLine(l) {
					continue
				}
				q.Built = addCounts(q.Built, e.Parts[i].Measure)
				for o := r.Start; o < r.End; o++ {
					covered[o] = true
				}
			}
		}
		for o := l.Start; o < l.End; o++ {
			if r := (segmenter.PartitionRange{Partition: l.Partition, Generation: l.Generation, Start: o, End: o + 1}); !covered[o] {
				q.Uncovered = joined(append(q.Uncovered, r))
			}
		}
		for _, e := range w.rows {
			some := false
			for _, r := range q.Uncovered {
				if some = some || e.Range.Overlaps(r); e.Range.Overlaps(r) {
					q.Staged = addCounts(q.Staged, segmenter.MeasureRow(e.LedgerRow, r))
				}
			}
			if some {
				q.Rows, rows = append(q.Rows, &e), rows+1
			}
		}
		want = append(want, q)
	}
	if most := w.c.opts.SnapshotRows; !s.Long && rows > most { // once there are too many, some may go before that is seen
		t.Fatalf("cube %q: %d rows are kept, want at most %d", s.CubeID, rows, most)
	}
	if s.Long {
		for i := range want {
			want[i].Rows, want[i].Staged = nil, segmenter.Measure{}
		}
	}
	if d := cmp.Diff(want, s.Lines, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(QueryLine{})); d != "" {
		t.Fatalf("cube %q, lines (-want +got):\n%s", s.CubeID, d)
	}
	var numbers, got []int64
	for _, e := range segments {
		if !e.Bare {
			numbers = append(numbers, e.Number)
		}
	}
	for _, e := range s.Segments {
		got = append(got, e.Number)
	}
	slices.Sort(numbers)
	slices.Sort(got)
	if !slices.Equal(numbers, got) {
		t.Fatalf("cube %q: segments %v, want %v", s.CubeID, got, numbers)
	}
	w.compareTimes(t, s)
}

func (w *snapshotWorld) compareTimes(t *rapid.T, s *QuerySnapshot) {
	from := rapid.Int64Range(0, 60_000).Draw(t, "from")
	to := from + rapid.Int64Range(0, 20_000).Draw(t, "span")
	var want, got []int64
	for _, e := range s.Segments {
		if e.Events > 0 && e.MaxTimeUs >= from && e.MinTimeUs <= to {
			want = append(want, e.Number)
		}
	}
	for _, e := range s.SegmentsIn(from, to) {
		got = append(got, e.Number)
	}
	if !slices.Equal(want, got) {
		t.Fatalf("segments in [%d,%d]: got %v, want %v", from, to, got, want)
	}
}

// A snapshot of a catalog that has not changed is the same one, for one question.
func TestSnapshotUnchanged(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		cubeID, table, epoch := cubed(t, c)
		mustCommit(t, c, staged(table, epoch, rng(0, 0, 10)))
		published(t, c, cubeID, rng(0, 0, 5))
		first, err := c.QuerySnapshot(context.Background(), table, cubeID, nil)
		if err != nil {
			t.Fatal(err)
		}
		asked := 0
		c.onStatement = func(string) error { asked++; return nil }
		again, err := c.QuerySnapshot(context.Background(), table, cubeID, first)
		c.onStatement = nil
		if err != nil || again != first || asked != 1 {
			t.Errorf("again: the same one: %t, %d questions, %v; want the same one for 1 question", again == first, asked, err)
		}
		mustCommit(t, c, staged(table, epoch, rng(0, 10, 20)))
		next, err := c.QuerySnapshot(context.Background(), table, cubeID, first)
		if err != nil || next == first || next.Lines[0].End != 20 || first.Lines[0].End != 10 {
			t.Errorf("after a commit: %+v, before %+v, %v", next.Lines, first.Lines, err)
		}
	})
}

// What is not there, or was dropped, is not found.
func TestSnapshotNotFound(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		cubeID, table, _ := cubed(t, c)
		other := applied(t, c, "other")
		prev, err := c.QuerySnapshot(context.Background(), table, cubeID, nil)
		if err != nil {
			t.Fatal(err)
		}
		info, err := c.CubeInfo(context.Background(), cubeID)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.DropCube(context.Background(), "default", info.Cube.Name, "ann"); err != nil {
			t.Fatal(err)
		}
		for name, of := range map[string][2]string{
			"no such table":   {"none", ""},
			"no such cube":    {table, "none"},
			"of another one":  {other, cubeID},
			"a cube, dropped": {table, cubeID},
		} {
			if _, err := c.QuerySnapshot(context.Background(), of[0], of[1], prev); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: %v, want ErrNotFound", name, err)
			}
		}
	})
}
