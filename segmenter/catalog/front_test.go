package catalog

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemarkdb/tidemark/segmenter"
)

func wantFront(t *testing.T, c *Catalog, cubeID string, want ...segmenter.PartitionRange) {
	t.Helper()
	info, err := c.CubeInfo(context.Background(), cubeID)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(segmenter.Vector(want), info.Start, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("front (-want +got):\n%s", d)
	}
}

// S17: the front is there from the first reservation on, whatever becomes of it, and only what is given up moves it.
func TestFrontOfCube(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		id, _, _ := cubed(t, c)
		wantFront(t, c, id)
		_, first := reserve(t, c, reservation(id, rng(0, 5, 10)))
		wantFront(t, c, id, rng(0, 5, 5))
		published(t, c, id, rng(0, 10, 20))
		if err := c.CancelJob(ctx, first.ID, "ann"); err != nil {
			t.Fatal(err)
		}
		wantFront(t, c, id, rng(0, 5, 5))
		published(t, c, id, rng(0, 20, 30))
		published(t, c, id, rng(0, 30, 40))
		if err := c.Retire(ctx, id, []int64{2}, "ann"); err != nil {
			t.Fatal(err)
		}
		wantFront(t, c, id, rng(0, 5, 5))
		_, fill := reserve(t, c, reservation(id, rng(0, 5, 20)))
		expire := Changes{CubeID: id, Steps: []Step{{Retire: &Retirement{Numbers: []int64{3}, Expired: true}}}}
		if _, err := c.Apply(ctx, expire); err != nil {
			t.Fatal(err)
		}
		wantFront(t, c, id, rng(0, 5, 5)) // a job fills the hole before it
		if err := c.CancelJob(ctx, fill.ID, "ann"); err != nil {
			t.Fatal(err)
		}
		expire.Steps[0].Retire.Numbers = []int64{4}
		if _, err := c.Apply(ctx, expire); err != nil {
			t.Fatal(err)
		}
		wantFront(t, c, id, rng(0, 40, 40))
		reserve(t, c, reservation(id, rng(0, 2, 4))) // a person asks for what is before it
		wantFront(t, c, id, rng(0, 2, 2))
	})
}

// S17: what only an open reservation has moved of the front is taken back when a person cancels it, in whatever order. What was
// published, or has failed, stays.
func TestCancelTakesTheFrontBack(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		fresh := func() string {
			id, _, _ := cubed(t, c)
			published(t, c, id, rng(0, 50, 60))
			return id
		}
		open := func(id string, start, end int64) Job {
			_, j := reserve(t, c, reservation(id, rng(0, start, end)))
			return j
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		id := fresh()
		a, b := open(id, 20, 30), open(id, 0, 10)
		must(c.CancelJob(ctx, a.ID, "ann")) // it does not begin at the front
		wantFront(t, c, id, rng(0, 0, 0))
		must(c.CancelJob(ctx, b.ID, "ann"))
		wantFront(t, c, id, rng(0, 50, 50))

		id = fresh()
		a, b = open(id, 20, 30), open(id, 0, 10)
		must(c.DropJob(ctx, b.ID, "ann"))
		wantFront(t, c, id, rng(0, 20, 20)) // the first live place
		must(c.Publish(ctx, publication(claim1(t, c, a.ID), rng(0, 20, 30))))
		b = open(id, 5, 10)
		must(c.CancelJob(ctx, b.ID, "ann"))
		wantFront(t, c, id, rng(0, 20, 20))

		id = fresh()
		a = claim1(t, c, open(id, 0, 10).ID)
		must(c.FailJob(ctx, JobPause{ID: a.ID, Epoch: a.Epoch, Problem: "test"})) // nobody said that it is not wanted
		wantFront(t, c, id, rng(0, 0, 0))
		must(c.CancelJob(ctx, open(id, 0, 10).ID, "ann")) // it fills a hole
		wantFront(t, c, id, rng(0, 0, 0))

		id = fresh()
		a = claim1(t, c, open(id, 0, 10).ID)
		must(c.FailJob(ctx, JobPause{ID: a.ID, Epoch: a.Epoch, Problem: "test", Until: clock(1 << 20)})) // it may go on
		must(c.CancelJob(ctx, a.ID, "ann"))
		wantFront(t, c, id, rng(0, 50, 50))

		id = fresh()
		published(t, c, id, rng(0, 60, 70))
		a = open(id, 0, 10)
		_, err := c.Apply(ctx, Changes{CubeID: id, Steps: []Step{{Retire: &Retirement{Numbers: []int64{1}, Expired: true}}}})
		must(err)
		wantFront(t, c, id, rng(0, 0, 0))
		must(c.CancelJob(ctx, a.ID, "ann"))
		wantFront(t, c, id, rng(0, 60, 60)) // as if it had never been: what expired meanwhile does not come back

		id, _, _ = cubed(t, c)
		must(c.CancelJob(ctx, open(id, 5, 10).ID, "ann"))
		wantFront(t, c, id) // it had made the front
	})
}

// S17: what was given up while a reservation began there that holds nothing of it stays so, whatever becomes of that one.
func TestGivenUpBesideAReservation(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		two := func(start, end int64) segmenter.PartitionRange {
			return segmenter.PartitionRange{Partition: 1, Start: start, End: end}
		}
		for _, published := range []bool{true, false} {
			id, table, _ := cubed(t, c)
			second, err := c.Assign(ctx, Claim{TableID: table, Partition: 1})
			must(err)
			must(c.Begin(ctx, Begin{TableID: table, Partition: 1, Epoch: second.Epoch}))
			_, first := reserve(t, c, reservation(id, rng(0, 10, 20), two(3, 6)))
			must(c.Publish(ctx, publication(claim1(t, c, first.ID), rng(0, 10, 20), two(3, 6))))
			_, beside := reserve(t, c, reservation(id, rng(0, 20, 30), two(3, 3)))
			_, before := reserve(t, c, reservation(id, rng(0, 0, 5), two(3, 3)))
			must(c.Retire(ctx, id, []int64{1}, "ann"))
			wantFront(t, c, id, rng(0, 0, 0), two(6, 6))
			if published {
				must(c.Publish(ctx, publication(claim1(t, c, beside.ID), rng(0, 20, 30), two(3, 3))))
			}
			must(c.CancelJob(ctx, before.ID, "ann"))
			wantFront(t, c, id, rng(0, 20, 20), two(6, 6))
		}
	})
}

// upOf is the part of a migration that goes up.
func upOf(text string) string {
	_, text, _ = strings.Cut(text, "-- +goose Up")
	text, _, _ = strings.Cut(text, "-- +goose Down")
	return text
}

// A catalog of the schema before takes what its first ready segments say.
func TestFrontIsTakenOver(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		id, _, _ := cubed(t, c)
		empty, _, _ := cubed(t, c)
		published(t, c, id, rng(0, 7, 20))
		published(t, c, id, rng(0, 20, 30))
		reserve(t, c, reservation(id, rng(0, 2, 4)))
		text, err := migrations.ReadFile("migrations/00005_front.sql")
		if err != nil {
			t.Fatal(err)
		}
		for _, query := range []string{`UPDATE cubes SET start_ranges = '[]'`, upOf(string(text))} {
			if _, err := c.w.Exec(query); err != nil {
				t.Fatalf("%s: %v", query, err)
			}
		}
		wantFront(t, c, id, rng(0, 7, 7))
		wantFront(t, c, empty)
	})
}

// A plan is applied as a whole: what cannot be done last undoes what was done first.
func TestApplyIsWhole(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		id, _, _ := cubed(t, c)
		published(t, c, id, rng(0, 0, 10))
		reserved := func(r segmenter.PartitionRange) Step {
			v := reservation("", r)
			return Step{Reserve: &v}
		}
		ch := Changes{
			CubeID: id, Idempotency: Idempotency{Key: id, Request: "r"}, Answer: func(o Outcome) any { return len(o.Jobs) },
			Steps: []Step{{Retire: &Retirement{Numbers: []int64{1}, Reason: "test"}}, reserved(rng(0, 10, 20)), reserved(rng(0, 19, 30))},
		}
		_, before := dumpLines(t, c)
		if _, err := c.Apply(ctx, ch); err == nil {
			t.Fatal("a plan that overlaps itself was applied")
		}
		if _, after := dumpLines(t, c); !cmp.Equal(before, after) {
			t.Fatalf("a refused plan left something:\n%s", cmp.Diff(before, after))
		}
		ch.Steps[2] = reserved(rng(0, 20, 30))
		got, err := c.Apply(ctx, ch)
		if err != nil || len(got.Jobs) != 2 || len(got.Retired) != 1 || got.Found {
			t.Fatalf("got %+v, %v, want 2 jobs and 1 retired", got, err)
		}
		var jobs int
		ch.Into, ch.Revision = &jobs, 1 // an answer is given whatever the cube is by now
		if again, err := c.Apply(ctx, ch); err != nil || !again.Found || jobs != 2 {
			t.Errorf("again: got %+v, answer %d, %v, want the answer 2", again, jobs, err)
		}
		wantDiff(t, "segments", []string{"1 retired p0 [0,10)", "2 new p0 [10,20)", "3 new p0 [20,30)"}, segments(t, c, all(id)))
	})
}
