package catalog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// I3, C1: two processes that each believe a partition theirs race on it. Every range is won by exactly one, no offset is
// committed twice and none is left out.
func TestTwoClaimantsRace(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		table, _ := begun(t, openAt(t, dsn), 0)
		const claimants, goal = 3, int64(60)
		var wg sync.WaitGroup
		won := make([]map[string]bool, claimants)
		for i := range claimants {
			c := openAt(t, dsn) // connections of its own, as another process has
			won[i] = make(map[string]bool)
			wg.Go(func() {
				if err := claim(c, table, goal, won[i]); err != nil {
					t.Errorf("claimant %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		c := openAt(t, dsn)
		var rows []segmenter.LedgerRow
		for _, e := range entries(t, c, LedgerQuery{TableID: table, Partition: -1}) {
			rows = append(rows, e.LedgerRow)
			winners := 0
			for i := range won {
				if won[i][e.File.Key] {
					winners++
				}
			}
			if winners != 1 {
				t.Errorf("row %s was won by %d claimants, want 1", e.Range, winners)
			}
		}
		if p := segmenter.CheckLine(rng(0, 0, rows[len(rows)-1].Range.End), rows); len(p) > 0 {
			t.Errorf("ledger does not tile: %v", p)
		}
		total := 0
		for i := range won {
			total += len(won[i])
		}
		if total != len(rows) {
			t.Errorf("%d commits were accepted and %d rows are there", total, len(rows))
		}
	})
}

// claim takes the partition over and commits small ranges until it is fenced, and does so until the goal is reached. Every
// third range it takes over on purpose though nobody asked it to.
func claim(c *Catalog, table string, goal int64, won map[string]bool) error {
	ctx := context.Background()
	for {
		s, err := c.Assign(ctx, Claim{TableID: table})
		if errors.Is(err, ErrUnavailable) {
			continue
		}
		if err != nil {
			return err
		}
		for n := int64(0); n < 3; n++ {
			if s.End >= goal {
				return nil
			}
			m := staged(table, s.Epoch, rng(0, s.End, s.End+1+n))
			err := c.Commit(ctx, m)
			for errors.Is(err, ErrUnavailable) {
				err = c.Commit(ctx, m)
			}
			var stale *StaleEpochError
			if errors.As(err, &stale) {
				break
			}
			if err != nil {
				return fmt.Errorf("under epoch %d: %w", s.Epoch, err)
			}
			won[m.File.Key] = true
			s.End = m.Row.Range.End
		}
	}
}

// Of several that start on an empty database at once all open the same catalog.
func TestOpenAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		const n = 4
		var wg sync.WaitGroup
		var ids [n]string
		var errs [n]error
		for i := range n {
			wg.Go(func() {
				c, err := Open(context.Background(), dsn, Options{})
				if err != nil {
					errs[i] = err
					return
				}
				ids[i] = c.ID()
				errs[i] = c.Close()
			})
		}
		wg.Wait()
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			if id != ids[0] || id == "" {
				t.Fatalf("ids %q: want one", ids)
			}
		}
	})
}

// Of those that apply one new table at once, all get the same id and version.
func TestApplyAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		const n = 6
		var wg sync.WaitGroup
		var got [n]Applied
		var errs [n]error
		for i := range n {
			wg.Go(func() {
				got[i], errs[i] = c.ApplyTable(context.Background(), tableDef("same"))
				for errors.Is(errs[i], ErrUnavailable) {
					got[i], errs[i] = c.ApplyTable(context.Background(), tableDef("same"))
				}
			})
		}
		wg.Wait()
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
		created := 0
		for _, a := range got {
			if a.Table.ID != got[0].Table.ID || a.Table.Version != 1 {
				t.Errorf("got table %s version %d, want %s version 1", a.Table.ID, a.Table.Version, got[0].Table.ID)
			}
			if a.Created {
				created++
			}
		}
		if created != 1 {
			t.Errorf("%d of %d created the table, want 1", created, n)
		}
	})
}
