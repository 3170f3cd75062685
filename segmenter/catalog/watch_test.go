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

// An attempt that was nobody's fault does not count.
func TestUncountedAttempt(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		id, _, _ := cubed(t, c)
		j := pending(t, c, id, 0)
		for i, uncount := range []bool{false, true, true, false} {
			j = claim1(t, c, j.ID)
			if err := c.RetryJob(ctx, JobPause{ID: j.ID, Epoch: j.Epoch, Problem: "test", Uncount: uncount}); err != nil {
				t.Fatal(err)
			}
			got, err := c.Job(ctx, j.ID)
			if want := []int{1, 1, 1, 2}[i]; err != nil || got.Attempts != want {
				t.Errorf("after give-back %d: %d attempts, %v, want %d", i, got.Attempts, err, want)
			}
		}
	})
}
