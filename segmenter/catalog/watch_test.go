package catalog

import (
	"context"
	"testing"
)

// Whatever happens to a table gives it a mark that it never had, and nothing else does.
func TestTableMarks(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		other, _ := begun(t, c, 7)
		table, epoch := begun(t, c, 0)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		marks := func() map[string]TableMark {
			t.Helper()
			m, err := c.TableMarks(ctx)
			must(err)
			return m
		}
		first := marks()
		seen := map[TableMark]string{first[table]: "the beginning"}
		assign := func(partition int32) int64 {
			s, err := c.Assign(ctx, Claim{TableID: table, Partition: partition, Owner: "test"})
			must(err)
			return s.Epoch
		}
		var epoch1 int64
		for _, step := range []struct {
			name string
			do   func()
		}{
			{"commit", func() { mustCommit(t, c, staged(table, epoch, rng(0, 0, 10), 5, 6)) }},
			{"release", func() { must(c.Release(ctx, table, 0, epoch)) }},
			{"assign", func() { epoch = assign(0) }},
			{"new partition", func() { epoch1 = assign(1) }},
			{"begin", func() { must(c.Begin(ctx, Begin{TableID: table, Partition: 1, Epoch: epoch1})) }},
			{"requeue", func() { requeue(t, c, table, 5, 6) }},
			{"new generation", func() {
				_, err := c.NewGeneration(ctx, NewGeneration{TableID: table, Epoch: epoch, TopicID: "b", Start: 0, Reason: "test"})
				must(err)
			}},
			{"one released, one assigned", func() {
				must(c.Release(ctx, table, 0, epoch))
				epoch1 = assign(1)
			}},
		} {
			step.do()
			now := marks()
			if before, ok := seen[now[table]]; ok {
				t.Errorf("%s: the mark %+v is that of %s", step.name, now[table], before)
			}
			seen[now[table]] = step.name
			if now[other] != first[other] {
				t.Errorf("%s: another table's mark: got %+v, want %+v", step.name, now[other], first[other])
			}
			if again := marks(); again[table] != now[table] {
				t.Errorf("%s: nothing happened: got %+v, want %+v", step.name, again[table], now[table])
			}
		}
	})
}

// An attempt that was nobody's fault does not count. Those that met a store that did not answer count for themselves, until one
// ends otherwise or a person has the job go on.
func TestUncountedAttempt(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		id, _, _ := cubed(t, c)
		j := pending(t, c, id, 0)
		for i, step := range []struct {
			pause            JobPause
			attempts, stalls int
		}{
			{JobPause{}, 1, 0},
			{JobPause{Uncount: true}, 1, 0},
			{JobPause{Stalled: true}, 1, 1},
			{JobPause{Stalled: true}, 1, 2},
			{JobPause{Uncount: true}, 1, 2}, // a process that stopped says nothing of the store
			{JobPause{Stalled: true}, 1, 3},
			{JobPause{}, 2, 0},
			{JobPause{Stalled: true}, 2, 1},
		} {
			j = claim1(t, c, j.ID)
			step.pause.ID, step.pause.Epoch, step.pause.Problem = j.ID, j.Epoch, "test"
			if err := c.RetryJob(ctx, step.pause); err != nil {
				t.Fatal(err)
			}
			got, err := c.Job(ctx, j.ID)
			if err != nil || got.Attempts != step.attempts || got.Stalls != step.stalls {
				t.Errorf("give-back %d, %+v: %d attempts, %d stalls, %v, want %d and %d", i, step.pause, got.Attempts, got.Stalls, err, step.attempts, step.stalls)
			}
		}
		if err := c.ResumeJob(ctx, j.ID, "ann"); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Job(ctx, j.ID); err != nil || got.Attempts != 0 || got.Stalls != 0 {
			t.Errorf("resumed: %d attempts, %d stalls, %v, want none", got.Attempts, got.Stalls, err)
		}
	})
}
