package catalog

import (
	"context"
	"errors"
	"testing"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// What a job asks for takes the place of what it asked for before, ends with it, names the generation, and is at most its
// share of what may be pending.
func TestJobRolls(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		id, table, _ := cubed(t, c)
		for p := range int32(20) {
			if _, err := c.Assign(ctx, Claim{TableID: table, Partition: p, Owner: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		c.opts.MaxRequests = 100
		list := func() (list []RollRequest) {
			t.Helper()
			list, err := c.RollRequests(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for i := range list {
				list[i].ID = 0
			}
			return list
		}
		line := func(p int32, start, end int64) segmenter.PartitionRange {
			return segmenter.PartitionRange{Partition: p, Start: start, End: end}
		}
		ask := func(j Job, want int, missing ...segmenter.PartitionRange) {
			t.Helper()
			if n, err := c.RequestJobRolls(ctx, j.ID, table, missing); err != nil || n != want {
				t.Errorf("asked for %d of %v, %v, want %d", n, missing, err, want)
			}
		}
		a, b := claim1(t, c, pending(t, c, id, 0).ID), claim1(t, c, pending(t, c, id, 10).ID)
		for range 3 {
			ask(a, 2, line(0, 5, 10), line(1, 0, 7))
		}
		ask(b, 1, line(0, 10, 20), segmenter.PartitionRange{Partition: 1, Generation: 9, End: 3}) // that one is not there
		wantDiff(t, "of two jobs", []RollRequest{
			{TableID: table, Partition: 0, UpTo: 10, Job: a.ID},
			{TableID: table, Partition: 1, UpTo: 7, Job: a.ID},
			{TableID: table, Partition: 0, UpTo: 20, Job: b.ID},
		}, list())
		if err := c.FinishJob(ctx, a.ID, a.Epoch, "test"); err != nil {
			t.Fatal(err)
		}
		wantDiff(t, "when one has ended", []RollRequest{{TableID: table, Partition: 0, UpTo: 20, Job: b.ID}}, list())
		var many segmenter.Vector
		for p := range int32(20) {
			many = append(many, line(p, 0, 9))
		}
		ask(b, 10, many...)
		if err := c.CancelJob(ctx, b.ID, "ann"); err != nil {
			t.Fatal(err)
		}
		wantDiff(t, "when both have", []RollRequest(nil), list())
		var stale *StaleJobError // it was cancelled while it was about to ask
		if n, err := c.RequestJobRolls(ctx, b.ID, table, many); !errors.As(err, &stale) || n != 0 {
			t.Errorf("a cancelled job asked for %d, %v, want %T", n, err, stale)
		}
		wantDiff(t, "of a cancelled job", []RollRequest(nil), list())
	})
}

func TestRollRequests(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		table, _ := begun(t, c, 0)
		if _, err := c.Assign(ctx, Claim{TableID: table, Partition: 4}); err != nil {
			t.Fatal(err)
		}
		rev := revision(t, c)
		all, err := c.RequestRoll(ctx, RollRequest{TableID: table, Partition: -1})
		if err != nil {
			t.Fatal(err)
		}
		one, err := c.RequestRoll(ctx, RollRequest{TableID: table, Partition: 4, UpTo: 70})
		if err != nil || one <= all {
			t.Fatalf("second request: got id %d, %v, want above %d", one, err, all)
		}
		if got := revision(t, c); got != rev+2 {
			t.Errorf("revision %d after two requests, want %d", got, rev+2)
		}
		list, err := c.RollRequests(ctx)
		if err != nil {
			t.Fatal(err)
		}
		wantDiff(t, "pending", []RollRequest{
			{ID: all, TableID: table, Partition: 0}, {ID: all, TableID: table, Partition: 4}, {ID: one, TableID: table, Partition: 4, UpTo: 70},
		}, list)
		for i, partition := range []int32{0, 0, 4} { // twice the same is no error
			if pending, err := c.RollPending(ctx, all); err != nil || !pending {
				t.Fatalf("before finish %d: pending %t, %v", i, pending, err)
			}
			if err := c.FinishRoll(ctx, all, partition); err != nil {
				t.Fatal(err)
			}
		}
		if pending, err := c.RollPending(ctx, all); err != nil || pending {
			t.Errorf("after all finished: pending %t, %v", pending, err)
		}
		if list, err = c.RollRequests(ctx); err != nil || len(list) != 1 || list[0].ID != one {
			t.Errorf("left: got %v, %v, want request %d", list, err, one)
		}
		for _, r := range []RollRequest{{TableID: table, Partition: 9}, {TableID: "none", Partition: -1}} {
			if _, err := c.RequestRoll(ctx, r); !errors.Is(err, ErrNotFound) {
				t.Errorf("request %+v: got %v, want ErrNotFound", r, err)
			}
		}
		if _, err := c.RequestRoll(ctx, RollRequest{TableID: table, Partition: -1, UpTo: 5}); err == nil {
			t.Error("one offset for all partitions was accepted")
		}
	})
}

func TestRereads(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		table := applied(t, c, "views")
		want := Reread{TableID: table, Range: rng(1, 5, 9), RequestedBy: "ann"}
		id, err := c.RequestReread(ctx, want)
		if err != nil {
			t.Fatal(err)
		}
		want.ID = id
		again := want
		again.RequestedBy = "bob"
		if same, err := c.RequestReread(ctx, again); err != nil || same != id {
			t.Errorf("the same asked for again: got id %d, %v, want the pending %d", same, err, id)
		}
		list, err := c.Rereads(ctx)
		if err != nil {
			t.Fatal(err)
		}
		wantDiff(t, "pending", []Reread{want}, list)
		rev := revision(t, c)
		for _, problem := range []string{"the store is away", "the store is still away"} { // of a pending one the last stands
			if err := c.NoteReread(ctx, id, problem); err != nil {
				t.Fatal(err)
			}
		}
		want.Problem = "the store is still away"
		if list, err = c.TableRereads(ctx, table); err != nil {
			t.Fatal(err)
		}
		wantDiff(t, "pending, of the table", []Reread{want}, list)
		if got := revision(t, c); got != rev {
			t.Errorf("notes moved the revision from %d to %d: every process would look again at once", rev, got)
		}
		for _, problem := range []string{"retention has taken it", "second word"} { // the first stands
			if err := c.FinishReread(ctx, id, problem); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.NoteReread(ctx, id, "a note that came late"); err != nil {
			t.Fatal(err)
		}
		want.Done, want.Problem = true, "retention has taken it"
		got, err := c.RereadByID(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		wantDiff(t, "done", want, got)
		if list, err = c.TableRereads(ctx, table); err != nil {
			t.Fatal(err)
		}
		wantDiff(t, "done, of the table", []Reread{want}, list)
		if list, err = c.TableRereads(ctx, "none"); err != nil || len(list) > 0 {
			t.Errorf("of another table: got %v, %v, want none", list, err)
		}
		if list, err := c.Rereads(ctx); err != nil || len(list) > 0 {
			t.Errorf("pending after finish: %v, %v", list, err)
		}
		if _, err := c.RereadByID(ctx, id+1); !errors.Is(err, ErrNotFound) {
			t.Errorf("unknown request: got %v, want ErrNotFound", err)
		}
		if _, err := c.RequestReread(ctx, Reread{TableID: table, Range: rng(0, 5, 5)}); err == nil {
			t.Error("an empty range was accepted")
		}
	})
}

// I10: requests that nobody answers do not pile up without limit.
func TestRequestLimit(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c, err := Open(context.Background(), dsn, Options{MaxRequests: 2})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ctx := context.Background()
		table, _ := begun(t, c, 0)
		var conflict *ConflictError
		for i := range 3 {
			_, err := c.RequestRoll(ctx, RollRequest{TableID: table})
			if errors.As(err, &conflict) != (i == 2) || (err != nil) != (i == 2) {
				t.Errorf("roll request %d: got %v", i, err)
			}
			_, err = c.RequestReread(ctx, Reread{TableID: table, Range: rng(0, 0, int64(i+1))})
			if errors.As(err, &conflict) != (i == 2) || (err != nil) != (i == 2) {
				t.Errorf("re-read request %d: got %v", i, err)
			}
		}
	})
}
