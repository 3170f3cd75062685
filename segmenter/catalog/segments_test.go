package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemarkdb/tidemark/segmenter"
)

func reservation(cubeID string, v ...segmenter.PartitionRange) Reservation {
	return Reservation{CubeID: cubeID, Range: v, Reason: "test", JobKind: "build", SubmittedBy: "ann"}
}

func replacing(r Reservation, numbers ...int64) Reservation {
	r.Replaces = numbers
	return r
}

func reserve(t testing.TB, c *Catalog, r Reservation) (SegmentEntry, Job) {
	t.Helper()
	s, j, err := c.Reserve(context.Background(), r)
	if err != nil {
		t.Fatalf("reserve %v: %v", r.Range, err)
	}
	return s, j
}

// Times of leases in tests.
func clock(s int64) time.Time { return time.Unix(1_800_000_000+s, 0) }

const lease = 30 * time.Second

// claim1 claims a job that must be free.
func claim1(t testing.TB, c *Catalog, id int64) Job {
	t.Helper()
	j, ok, err := c.ClaimJob(context.Background(), JobClaim{ID: id, Owner: "test", Now: clock(0), Lease: lease})
	if err != nil || !ok {
		t.Fatalf("claim job %d: %t, %v", id, ok, err)
	}
	return j
}

// publication is a well-formed one of a running job, with event times that are its offsets.
func publication(j Job, v ...segmenter.PartitionRange) Publication {
	p := Publication{
		CubeID: j.CubeID, Number: j.Segment, JobEpoch: j.Epoch, ID: fmt.Sprintf("%064x", j.ID), Attempt: j.Epoch, Bytes: 4,
	}
	for _, r := range v {
		m := segmenter.PartMeasure{Partition: r.Partition, Generation: r.Generation}
		if m.Events = r.Len(); m.Events > 0 {
			m.MinTimeUs, m.MaxTimeUs = r.Start, r.End-1
		}
		p.Parts = append(p.Parts, m)
	}
	return p
}

// published reserves, builds and publishes a segment with event times from its first to its last offset of partition 0.
func published(t testing.TB, c *Catalog, cubeID string, r segmenter.PartitionRange, replaces ...int64) SegmentEntry {
	t.Helper()
	s, j := reserve(t, c, replacing(reservation(cubeID, r), replaces...))
	if err := c.Publish(context.Background(), publication(claim1(t, c, j.ID), r)); err != nil {
		t.Fatalf("publish %v: %v", r, err)
	}
	s, err := c.Segment(context.Background(), cubeID, s.Number)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func all(cubeID string) SegmentQuery {
	return SegmentQuery{CubeID: cubeID, States: []segmenter.SegmentState{segmenter.SegmentNew, segmenter.SegmentReady, segmenter.SegmentRetired}}
}

// segments lists what a query finds: number, state, ranges.
func segments(t testing.TB, c *Catalog, q SegmentQuery) (list []string) {
	t.Helper()
	for s, err := range c.Segments(context.Background(), q) {
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%d %s", s.Number, s.State)
		for _, r := range s.Range {
			text += " " + r.String()
		}
		list = append(list, text)
	}
	return list
}

func TestReserveAndPublish(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		id, _, _ := cubed(t, c)
		rev := cubesRevision(t, c)
		r := reservation(id, rng(0, 0, 10))
		r.Spec, r.Priority = []byte(`{"a":1}`), 5
		s, j := reserve(t, c, r)
		want := SegmentEntry{JobID: j.ID, Segment: segmenter.Segment{
			CubeID: id, Number: 1, State: segmenter.SegmentNew, Version: 1, Range: r.Range, Reason: "test", CreatedUs: s.CreatedUs,
		}}
		wantDiff(t, "reserved", want, s)
		wantDiff(t, "job", Job{
			ID: j.ID, CubeID: id, Segment: 1, Kind: "build", State: JobPending, Reserved: true, Priority: 5, Spec: r.Spec,
			SubmittedBy: "ann", CreatedUs: s.CreatedUs,
		}, j)
		if got, err := c.Segment(ctx, id, 1); err != nil || !cmp.Equal(got, s) {
			t.Errorf("read back: got %+v, %v, want %+v", got, err, s)
		}
		if got, err := c.Job(ctx, j.ID); err != nil || !cmp.Equal(got, j) {
			t.Errorf("job read back: got %+v, %v, want %+v", got, err, j)
		}
		running := claim1(t, c, j.ID)
		p := publication(running, r.Range...)
		for range 2 { // C3
			if err := c.Publish(ctx, p); err != nil {
				t.Fatal(err)
			}
		}
		want.State, want.ID, want.Attempt, want.Parts = segmenter.SegmentReady, p.ID, running.Epoch, p.Parts
		want.MinTimeUs, want.MaxTimeUs, want.Events, want.Bytes = 0, 9, 10, 4
		got, err := c.Segment(ctx, id, 1)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, cmpopts.IgnoreFields(segmenter.Segment{}, "PublishedUs")); d != "" || got.PublishedUs == 0 {
			t.Errorf("published at %d (-want +got):\n%s", got.PublishedUs, d)
		}
		if j, err := c.Job(ctx, j.ID); err != nil || j.State != JobFinished || j.Reserved || j.EndedUs == 0 || j.Owner != "test" {
			t.Errorf("job after publish: got %+v, %v, want it finished, by whom it was run", j, err)
		}
		if now := cubesRevision(t, c); now < rev+2 {
			t.Errorf("revision %d after a reservation and a publication, want at least %d", now, rev+2)
		}
	})
}

// S1: what overlaps a new segment, or a ready one that it does not replace, is refused with the one it overlaps.
func TestReserveOverlap(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		id, _, _ := cubed(t, c)
		other, _, _ := cubed(t, c)
		for i := int64(0); i < 4; i++ {
			published(t, c, id, rng(0, i*10, i*10+10))
		}
		reserve(t, c, reservation(id, rng(0, 50, 60))) // segment 5
		refresh, _ := reserve(t, c, replacing(reservation(id, rng(0, 0, 10)), 1))
		for _, tt := range []struct {
			r    Reservation
			want int64 // number of the other one
		}{
			{reservation(id, rng(0, 5, 6)), 6}, // both the ready one and its refresh
			{reservation(id, rng(0, 39, 45)), 4},
			{reservation(id, rng(0, 45, 51)), 5},
			{reservation(id, rng(0, 59, 99)), 5},
			{reservation(id, rng(0, 40, 99)), 5},
			{replacing(reservation(id, rng(0, 0, 10)), 1), refresh.Number},
			{replacing(reservation(id, rng(0, 0, 20)), 1, 2), refresh.Number},
		} {
			_, _, err := c.Reserve(ctx, tt.r)
			var overlap *OverlapError
			if !errors.As(err, &overlap) || (overlap.Number != tt.want && overlap.Number != 1) {
				t.Errorf("reserve %v replacing %v: got %v, want OverlapError with segment %d", tt.r.Range, tt.r.Replaces, err, tt.want)
			}
		}
		for _, tt := range []struct {
			r    Reservation
			want string
		}{
			{replacing(reservation(id, rng(0, 10, 40)), 2, 3), "do not hold 10 offsets"},
			{replacing(reservation(id, rng(0, 10, 20)), 2, 3), "reaches out"},
			{replacing(reservation(id, rng(0, 40, 50)), 4), "reaches out"},
			{replacing(reservation(id, rng(0, 50, 60)), 5), "it is new"},
			{replacing(reservation(other, rng(0, 10, 20)), 2), "not found"},
			{replacing(reservation(id, rng(0, 10, 20)), 2, 2), "twice"},
			{reservation(id), "no offset"},
			{reservation(id, rng(0, 7, 7)), "no offset"},
			{reservation(id, rng(0, 9, 7)), "want 0 <= start <= end"},
			{reservation(id, rng(1, 70, 80)), "no generation 1"},
			{reservation(id, segmenter.PartitionRange{Partition: 3, End: 1}), "no partition 3"},
			{Reservation{CubeID: id, Range: segmenter.Vector{rng(0, 70, 80)}}, "kind of its job"},
			{Reservation{CubeID: id, Range: segmenter.Vector{rng(0, 70, 80)}, JobKind: "build", Version: 2}, "version 2"},
			{Reservation{CubeID: id, Range: segmenter.Vector{rng(0, 70, 80)}, JobKind: "build", Revision: 1}, "plan again"},
		} {
			if _, _, err := c.Reserve(ctx, tt.r); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("reserve %v replacing %v: got %v, want %q in it", tt.r.Range, tt.r.Replaces, err, tt.want)
			}
		}
		merge, _ := reserve(t, c, replacing(reservation(id, rng(0, 10, 40)), 2, 3, 4))
		if merge.Number != 7 {
			t.Errorf("the merge has number %d, want 7: a refused reservation took one", merge.Number)
		}
		published(t, c, other, rng(0, 0, 100)) // another cube's segments are no matter
	})
}

// I5, C7: the replaced ones go when the new one comes, and readers see either.
func TestPublishReplaces(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		id, _, _ := cubed(t, c)
		published(t, c, id, rng(0, 0, 10))
		published(t, c, id, rng(0, 10, 20))
		published(t, c, id, rng(0, 20, 30))
		_, j := reserve(t, c, replacing(reservation(id, rng(0, 0, 20)), 1, 2))
		wantDiff(t, "reserved", []string{"1 ready p0 [0,10)", "2 ready p0 [10,20)", "3 ready p0 [20,30)", "4 new p0 [0,20)"},
			segments(t, c, SegmentQuery{CubeID: id}))
		var conflict *ConflictError
		if err := c.Retire(ctx, id, []int64{3, 2}, "by hand"); !errors.As(err, &conflict) || !strings.Contains(err.Error(), fmt.Sprintf("job %d", j.ID)) {
			t.Errorf("retire a segment that a job replaces: got %v, want a ConflictError that names the job", err)
		}
		if err := c.Retire(ctx, id, []int64{4}, "by hand"); !errors.As(err, &conflict) {
			t.Errorf("retire a new segment: got %v, want ConflictError", err)
		}
		if err := c.Publish(ctx, publication(claim1(t, c, j.ID), rng(0, 0, 20))); err != nil {
			t.Fatal(err)
		}
		wantDiff(t, "published", []string{"3 ready p0 [20,30)", "4 ready p0 [0,20)"}, segments(t, c, SegmentQuery{CubeID: id}))
		for range 2 {
			if err := c.Retire(ctx, id, []int64{3}, "by hand"); err != nil {
				t.Fatal(err)
			}
		}
		s, err := c.Segment(ctx, id, 3)
		if err != nil || s.State != segmenter.SegmentRetired || s.RetireReason != "by hand" || s.RetiredUs == 0 {
			t.Errorf("retired: got %+v, %v", s, err)
		}
		list, err := c.RetiredSegments(ctx, now(), 2)
		if err != nil || len(list) != 2 {
			t.Fatalf("retired: got %d, %v, want 2 of 3", len(list), err)
		}
		if err := c.MarkRemoved(ctx, id, []int64{1, 2}); err != nil {
			t.Fatal(err)
		}
		if list, err = c.RetiredSegments(ctx, now(), 10); err != nil || len(list) != 1 || list[0].Number != 3 {
			t.Errorf("left to remove: got %+v, %v, want segment 3", list, err)
		}
		if err := c.MarkRemoved(ctx, id, []int64{4}); !errors.As(err, &conflict) {
			t.Errorf("remove a ready segment: got %v, want ConflictError", err)
		}
		published(t, c, id, rng(0, 20, 25)) // the place is free
	})
}

func TestSegmentsByTime(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		id, _, _ := cubed(t, c)
		for i := int64(0); i < 3; i++ {
			published(t, c, id, rng(0, i*10, i*10+10))
		}
		_, j := reserve(t, c, reservation(id, rng(0, 30, 40)))
		p := publication(claim1(t, c, j.ID), rng(0, 30, 40))
		p.Parts[0].Measure = segmenter.Measure{Lost: 10}
		if err := c.Publish(context.Background(), p); err != nil {
			t.Fatal(err)
		}
		reserve(t, c, reservation(id, rng(0, 40, 50)))
		if err := c.Retire(context.Background(), id, []int64{1}, "test"); err != nil {
			t.Fatal(err)
		}
		const two, three, four, five = "2 ready p0 [10,20)", "3 ready p0 [20,30)", "4 ready p0 [30,40)", "5 new p0 [40,50)"
		for _, tt := range []struct {
			name string
			q    SegmentQuery
			want []string
		}{
			{"live", SegmentQuery{}, []string{two, three, four, five}},
			{"after", SegmentQuery{After: 3}, []string{four, five}},
			{"limit", SegmentQuery{Limit: 2}, []string{two, three}},
			{"time", SegmentQuery{FromUs: 5, ToUs: 10}, []string{two}},
			{"times are closed", SegmentQuery{FromUs: 19, ToUs: 20}, []string{two, three}},
			{"retired in time", SegmentQuery{FromUs: 9, ToUs: 10, States: all("").States}, []string{"1 retired p0 [0,10)", two}},
			{"retired", SegmentQuery{States: []segmenter.SegmentState{segmenter.SegmentRetired}}, []string{"1 retired p0 [0,10)"}},
			{"all limited", SegmentQuery{States: all("").States, After: 1, Limit: 1}, []string{two}},
		} {
			tt.q.CubeID = id
			wantDiff(t, tt.name, tt.want, segments(t, c, tt.q))
		}
	})
}

// A cut starts where the last live segment of each line ended, be it ready, new or empty there.
func TestCubeEnds(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		id, table, epoch := cubed(t, c)
		for p := int32(1); p < 3; p++ {
			s, err := c.Assign(ctx, Claim{TableID: table, Partition: p})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Begin(ctx, Begin{TableID: table, Partition: p, Epoch: s.Epoch, Start: 5}); err != nil {
				t.Fatal(err)
			}
		}
		line := func(p int32, start, end int64) segmenter.PartitionRange {
			return segmenter.PartitionRange{Partition: p, Start: start, End: end}
		}
		ends := func() (list []string) {
			t.Helper()
			e, err := c.CubeEnds(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			if len(e.Partitions) != 3 {
				t.Errorf("%d partitions, want 3", len(e.Partitions))
			}
			for _, r := range e.Ends {
				list = append(list, r.String())
			}
			return list
		}
		wantDiff(t, "no segment", []string(nil), ends())
		publishAll := func(v ...segmenter.PartitionRange) {
			t.Helper()
			_, j := reserve(t, c, reservation(id, v...))
			if err := c.Publish(ctx, publication(claim1(t, c, j.ID), v...)); err != nil {
				t.Fatal(err)
			}
		}
		publishAll(line(0, 0, 10), line(1, 7, 7))
		wantDiff(t, "an empty range stands for its partition", []string{"p0 [10,10)", "p1 [7,7)"}, ends())
		reserve(t, c, reservation(id, line(0, 10, 30), line(1, 7, 9)))
		mustCommit(t, c, staged(table, epoch, rng(0, 0, 40)))
		if _, err := c.NewGeneration(ctx, NewGeneration{TableID: table, Epoch: epoch, Start: 2}); err != nil {
			t.Fatal(err)
		}
		wantDiff(t, "a new one counts", []string{"p0 [30,30)", "p1 [9,9)"}, ends())
		publishAll(rng(0, 30, 40), rng(1, 2, 3))
		wantDiff(t, "generations", []string{"p0 [40,40)", "p0.g1 [3,3)", "p1 [9,9)"}, ends())
		_, _, err := c.Reserve(ctx, reservation(id, rng(0, 40, 41)))
		var conflict *ConflictError
		if !errors.As(err, &conflict) || !strings.Contains(err.Error(), "[0,40)") {
			t.Errorf("behind the end of a closed generation: got %v, want ConflictError", err)
		}
		if _, _, err := c.Reserve(ctx, reservation(id, line(2, 4, 6))); !errors.As(err, &conflict) {
			t.Errorf("before the first offset: got %v, want ConflictError", err)
		}
	})
}

func TestCubeSnapshot(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		id, table, _ := cubed(t, c)
		published(t, c, id, rng(0, 0, 10))
		def, err := c.CubeByID(ctx, id, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, owner := range []string{"bob", "eve"} {
			def.Owner = owner
			applyCube(t, c, def)
		}
		reserve(t, c, reservation(id, rng(0, 10, 20)))
		s, err := c.CubeSnapshot(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Segments) != 2 || s.Segments[0].Version != 1 || s.Segments[1].Version != 3 || s.TableID != table || len(s.Partitions) != 1 {
			t.Errorf("snapshot: got %+v", s)
		}
		if len(s.Versions) != 2 || s.Versions[1].Owner != "ann" || s.Versions[3].Owner != "eve" {
			t.Errorf("versions: got %v, want 1 and 3", s.Versions)
		}
		stale := reservation(id, rng(0, 30, 40))
		stale.Revision = s.Revision
		reserve(t, c, stale)
		stale.Range[0].Start, stale.Range[0].End = 40, 50
		var conflict *ConflictError
		if _, _, err := c.Reserve(ctx, stale); !errors.As(err, &conflict) {
			t.Errorf("reserve by an old plan: got %v, want ConflictError", err)
		}
	})
}
