package catalog

import (
	"context"
	"fmt"
	"testing"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// requeue turns quarantined offsets into events.
func requeue(t testing.TB, c *Catalog, table string, offsets ...int64) {
	t.Helper()
	n, err := c.NextRequeue(context.Background(), table)
	if err != nil {
		t.Fatal(err)
	}
	last := offsets[len(offsets)-1]
	if err := c.CommitSupplement(context.Background(), Supplement{
		TableID: table, Requeue: n, Range: rng(0, offsets[0], last+1), Offsets: offsets,
		File: &File{Key: fmt.Sprintf("%s/supplement.%d", table, n), Records: int64(len(offsets))},
	}); err != nil {
		t.Fatalf("requeue %v: %v", offsets, err)
	}
}

func stale(t testing.TB, c *Catalog, cubeID string) (numbers []int64) {
	t.Helper()
	list, err := c.StaleSegments(context.Background(), cubeID)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		numbers = append(numbers, s.Number)
	}
	return numbers
}

func tableChange(t testing.TB, c *Catalog, table string) int64 {
	t.Helper()
	n, err := c.TableChange(context.Background(), table)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// fresh publishes a segment whose inputs were read at the present change.
func fresh(t testing.TB, c *Catalog, table string, r Reservation) SegmentEntry {
	t.Helper()
	s, j := reserve(t, c, r)
	p := publication(claim1(t, c, j.ID), r.Range...)
	p.InputsChange = tableChange(t, c, table)
	if err := c.Publish(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	return s
}

// withBad is a cube over four rows of ten offsets, of which the last five of each are quarantined.
func withBad(t testing.TB, c *Catalog) (cubeID, table string) {
	t.Helper()
	cubeID, table, epoch := cubed(t, c)
	for i := int64(0); i < 40; i += 10 {
		mustCommit(t, c, staged(table, epoch, rng(0, i, i+10), i+5, i+6, i+7, i+8, i+9))
	}
	return cubeID, table
}

// C12: a change marks the ready segments that cover it and no others; a refresh that has seen it is fresh.
func TestStaleSegments(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		id, table := withBad(t, c)
		for i := int64(0); i < 40; i += 10 {
			fresh(t, c, table, reservation(id, rng(0, i, i+10)))
		}
		wantDiff(t, "nothing changed", []int64(nil), stale(t, c, id))
		requeue(t, c, table, 7, 8, 25) // rows [0,10) and [20,30): what lies between is as it was
		wantDiff(t, "after a requeue", []int64{1, 3}, stale(t, c, id))
		wantDiff(t, "again", []int64{1, 3}, stale(t, c, id))
		fresh(t, c, table, replacing(reservation(id, rng(0, 0, 10)), 1))
		wantDiff(t, "after a refresh", []int64{3}, stale(t, c, id))
		m := staged(table, 0, rng(0, 10, 20))
		m.File.Key += ".again"
		if _, err := c.Replace(context.Background(), Replace{TableID: table, Old: rng(0, 10, 20), Rows: []Commit{m}}); err != nil {
			t.Fatal(err)
		}
		wantDiff(t, "after a re-read", []int64{2, 3}, stale(t, c, id))
		requeue(t, c, table, 36)
		fresh(t, c, table, replacing(reservation(id, rng(0, 30, 40)), 4)) // it has seen the change, and nobody has looked
		wantDiff(t, "a refresh before anybody looks", []int64{2, 3}, stale(t, c, id))
		late := applyCube(t, c, cubeDef("late", tableName(t, c, table))).Cube.ID
		fresh(t, c, table, reservation(late, rng(0, 0, 40)))
		wantDiff(t, "a cube that came later", []int64(nil), stale(t, c, late))
	})
}

func tableName(t testing.TB, c *Catalog, id string) string {
	t.Helper()
	def, err := c.TableByID(context.Background(), id, 0)
	if err != nil {
		t.Fatal(err)
	}
	return def.Name
}

// C12: a change that comes while a segment is built, after its inputs were read, is not lost, whenever somebody looks.
func TestChangeWhileBuilding(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		id, table := withBad(t, c)
		ctx := context.Background()
		for i, look := range []bool{false, true} {
			at := int64(i) * 10
			_, j := reserve(t, c, reservation(id, rng(0, at, at+10)))
			p := publication(claim1(t, c, j.ID), rng(0, at, at+10))
			p.InputsChange = tableChange(t, c, table)
			requeue(t, c, table, at+5)
			if look { // before it is ready
				wantDiff(t, "seen while it is new", []int64{1}, stale(t, c, id))
			}
			if err := c.Publish(ctx, p); err != nil {
				t.Fatal(err)
			}
		}
		wantDiff(t, "both", []int64{1, 2}, stale(t, c, id))
	})
}

// C12: a merge reads no inputs, so that it is as stale as what it replaces.
func TestMergeInheritsStale(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		id, table := withBad(t, c)
		for i := int64(0); i < 40; i += 10 {
			fresh(t, c, table, reservation(id, rng(0, i, i+10)))
		}
		merge := func(from, to int64, numbers ...int64) {
			t.Helper()
			_, j := reserve(t, c, replacing(reservation(id, rng(0, from, to)), numbers...))
			p := publication(claim1(t, c, j.ID), rng(0, from, to))
			p.Inherit = true
			if err := c.Publish(ctx, p); err != nil {
				t.Fatal(err)
			}
		}
		requeue(t, c, table, 5)
		wantDiff(t, "before", []int64{1}, stale(t, c, id))
		merge(0, 20, 1, 2)
		merge(20, 40, 3, 4)
		wantDiff(t, "merged with a stale one", []int64{5}, stale(t, c, id))
		requeue(t, c, table, 35) // nobody has looked when the next merge begins
		merge(0, 40, 5, 6)
		wantDiff(t, "merged again", []int64{7}, stale(t, c, id))
		fresh(t, c, table, replacing(reservation(id, rng(0, 0, 40)), 7))
		wantDiff(t, "refreshed", []int64(nil), stale(t, c, id))
	})
}

func TestInputsAndUnstaged(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		_, table := withBad(t, c)
		requeue(t, c, table, 17)
		inputs := func(v ...segmenter.PartitionRange) (list []string, supplements int) {
			t.Helper()
			for e, err := range c.Inputs(ctx, table, v) {
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, e.Range.String())
				supplements += len(e.Supplements)
			}
			return list, supplements
		}
		got, supplements := inputs(rng(0, 9, 21))
		wantDiff(t, "rows that have offsets in the range", []string{"p0 [0,10)", "p0 [10,20)", "p0 [20,30)"}, got)
		if supplements != 1 {
			t.Errorf("%d supplements, want 1", supplements)
		}
		got, _ = inputs(rng(0, 10, 10), rng(0, 20, 30))
		wantDiff(t, "an empty range has none", []string{"p0 [20,30)"}, got)
		for range c.Inputs(ctx, table, segmenter.Vector{rng(0, 0, 40)}) {
			break // must not hang or fail what comes
		}
		unstaged := func(v segmenter.Vector, want Unstaged) {
			t.Helper()
			got, err := c.Unstaged(ctx, table, v)
			if err != nil {
				t.Fatal(err)
			}
			wantDiff(t, "unstaged of "+v.String(), want, got)
			if got.Empty() != (len(want.Coming)+len(want.Never) == 0) {
				t.Errorf("unstaged of %s: empty is %t of %+v", v, got.Empty(), got)
			}
		}
		for _, tt := range []struct{ v, want segmenter.Vector }{
			{segmenter.Vector{rng(0, 0, 40)}, nil},
			{segmenter.Vector{rng(0, 50, 50)}, nil},
			{segmenter.Vector{rng(0, 30, 55)}, segmenter.Vector{rng(0, 40, 55)}},
			{segmenter.Vector{rng(0, 50, 55)}, segmenter.Vector{rng(0, 50, 55)}},
			{segmenter.Vector{rng(1, 0, 5)}, segmenter.Vector{rng(1, 0, 5)}},
		} {
			unstaged(tt.v, Unstaged{Coming: tt.want})
		}
		owner, err := c.Assign(ctx, Claim{TableID: table, Owner: "test"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.NewGeneration(ctx, NewGeneration{TableID: table, Partition: 0, Epoch: owner.Epoch, Reason: "test"}); err != nil {
			t.Fatal(err)
		}
		unstaged(segmenter.Vector{rng(0, 30, 55), rng(1, 0, 5)}, Unstaged{Coming: segmenter.Vector{rng(1, 0, 5)}, Never: segmenter.Vector{rng(0, 40, 55)}})
	})
}

func TestGarbage(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		list := func(before int64) (out []Garbage) {
			t.Helper()
			for g, err := range c.Garbage(ctx, before) {
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, g)
			}
			return out
		}
		if err := c.MarkGarbage(ctx, []Garbage{{Key: "b/", Reason: "an attempt without a manifest"}, {Key: "a"}}); err != nil {
			t.Fatal(err)
		}
		first := list(now())
		if len(first) != 2 || first[0].Key != "a" || first[1].Reason == "" || first[1].MarkedUs == 0 {
			t.Fatalf("marked: got %+v", first)
		}
		if err := c.MarkGarbage(ctx, first); err != nil {
			t.Fatal(err)
		}
		wantDiff(t, "marked again", first, list(now()))
		wantDiff(t, "in the grace period", []Garbage(nil), list(first[0].MarkedUs-1))
		if err := c.UnmarkGarbage(ctx, []string{"a", "none"}); err != nil {
			t.Fatal(err)
		}
		wantDiff(t, "unmarked", first[1:], list(now()))
	})
}
