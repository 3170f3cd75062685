package catalog

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// manyRows is a table with more rows than a page, of one offset each but every tenth, which has three, over two
// generations and two partitions.
func manyRows(t *testing.T, c *Catalog, rows int) string {
	t.Helper()
	ctx := context.Background()
	table, epoch := begun(t, c, 0)
	for partition := int32(0); partition < 2; partition++ {
		if partition == 1 {
			s, err := c.Assign(ctx, Claim{TableID: table, Partition: 1})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Begin(ctx, Begin{TableID: table, Partition: 1, Epoch: s.Epoch}); err != nil {
				t.Fatal(err)
			}
			epoch = s.Epoch
		}
		at, gen := int64(0), int32(0)
		for i := range rows {
			if i == rows-3 {
				g, err := c.NewGeneration(ctx, NewGeneration{TableID: table, Partition: partition, Epoch: epoch, Start: 2})
				if err != nil {
					t.Fatal(err)
				}
				at, gen = 2, g
			}
			r := segmenter.PartitionRange{Partition: partition, Generation: gen, Start: at, End: at + 1}
			if i%10 == 9 {
				r.End += 2
			}
			mustCommit(t, c, gone(table, epoch, segmenter.Skipped, r))
			at = r.End
		}
	}
	return table
}

// The answer to every query is the whole ledger with the rows left out that were not asked for, over pages too.
func TestLedgerQuery(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		const rows = 40
		c.pageRows = 7
		table := manyRows(t, c, rows)
		all := entries(t, c, LedgerQuery{TableID: table, Partition: -1})
		if len(all) != 2*rows {
			t.Fatalf("%d rows, want %d", len(all), 2*rows)
		}
		after := all[rows+5].Range
		for _, q := range []LedgerQuery{
			{Partition: 0},
			{Partition: 1},
			{Partition: 7},
			{Partition: -1, From: 9, To: 12},
			{Partition: 1, From: 10, To: 11},
			{Partition: 0, From: 11},
			{Partition: 0, To: 3},
			{Partition: -1, Limit: 7},
			{Partition: -1, Limit: rows + 3},
			{Partition: -1, After: &after},
			{Partition: -1, After: &after, From: 20, Limit: 4},
			{Partition: 0, After: &all[rows-2].Range},
		} {
			q.TableID = table
			var want []string
			for i, e := range all {
				r := e.Range
				if (q.Partition >= 0 && r.Partition != q.Partition) || r.End <= q.From || (q.To > 0 && r.Start >= q.To) {
					continue
				}
				if q.After != nil && i <= slices.IndexFunc(all, func(e LedgerEntry) bool { return e.Range == *q.After }) {
					continue
				}
				if q.Limit == 0 || len(want) < q.Limit {
					want = append(want, r.String())
				}
			}
			wantDiff(t, "query", want, ranges(entries(t, c, q)))
		}
	})
}

// I10: rows with long lists come in small pages, and none is left out.
func TestLedgerPageBytes(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		c.pageBytes = 150 // three runs
		statements := 0
		table, epoch := begun(t, c, 0)
		var want []string
		for i := range int64(6) {
			var bad []int64
			for o := range i {
				bad = append(bad, 100*i+10*o)
			}
			m := staged(table, epoch, rng(0, 100*i, 100*i+100), bad...)
			mustCommit(t, c, m)
			want = append(want, m.Row.Range.String())
		}
		c.onStatement = func(string) error { statements++; return nil }
		wantDiff(t, "ranges", want, ranges(entries(t, c, LedgerQuery{TableID: table})))
		if pages := statements - 2; pages != 4 { // 0+1+2 runs, 3, 4, 5 fills a page each; what follows is empty
			t.Errorf("%d pages, want 4", pages)
		}
	})
}

// A loop that ends early, panics or is cancelled gives its connection back; one that calls the catalog goes on.
func TestLedgerLoopEndsEarly(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		table := manyRows(t, c, 12)
		q := LedgerQuery{TableID: table, Partition: -1}
		for range 3 * c.opts.MaxConns {
			for range c.Ledger(context.Background(), q) {
				break
			}
			for range c.Referenced(context.Background(), table) {
				break
			}
			func() {
				defer func() { _ = recover() }()
				for range c.Ledger(context.Background(), q) {
					panic("in the loop")
				}
			}()
		}
		n := 0
		for _, err := range c.Ledger(context.Background(), q) {
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Revision(context.Background()); err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 24 {
			t.Errorf("%d rows, want 24", n)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		for _, err := range c.Ledger(ctx, q) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: got %v", err)
			}
		}
		for _, err := range c.Ledger(context.Background(), LedgerQuery{TableID: "none"}) {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("unknown table: got %v", err)
			}
		}
	})
}

// One loop sees one state, whatever is committed while it runs.
func TestLedgerIsOneState(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		table, epoch := begun(t, c, 0)
		for i := range int64(3) {
			mustCommit(t, c, staged(table, epoch, rng(0, i, i+1)))
		}
		var got []string
		for e, err := range c.Ledger(context.Background(), LedgerQuery{TableID: table, Partition: -1}) {
			if err != nil {
				t.Fatal(err)
			}
			if len(got) == 0 {
				var err error
				rows := []Commit{staged(table, epoch+1, rng(0, 0, 3))}
				if epoch, err = c.Replace(context.Background(), Replace{TableID: table, Epoch: epoch, Old: rng(0, 0, 3), Rows: rows}); err != nil {
					t.Fatal(err)
				}
				mustCommit(t, c, staged(table, epoch, rng(0, 3, 9)))
			}
			got = append(got, e.Range.String())
		}
		wantDiff(t, "while it ran", []string{"p0 [0,1)", "p0 [1,2)", "p0 [2,3)"}, got)
		wantDiff(t, "after", []string{"p0 [0,3)", "p0 [3,9)"}, ranges(entries(t, c, LedgerQuery{TableID: table})))
	})
}

// C7: no statement of any call walks a table whose length grows with history; SQLite's own plans say so.
func TestNoStatementScansHistory(t *testing.T) {
	c := openAt(t, sqliteDSN(t))
	seen := make(map[string]bool)
	c.onStatement = func(query string) error {
		seen[query] = query != "commit"
		return nil
	}
	for _, ch := range changes() {
		table, epoch := begun(t, c, 0)
		mustCommit(t, c, staged(table, epoch, rng(0, 0, 10), 3, 4))
		mustCommit(t, c, gone(table, epoch, segmenter.Lost, rng(0, 10, 20)))
		if err := ch.call(context.Background(), c, table, epoch); err != nil {
			t.Fatalf("%s: %v", ch.name, err)
		}
		stateOf(t, c, table)
	}
	c.onStatement = nil
	// These are short: what is pending, and one row a table or project.
	short := regexp.MustCompile(`^SCAN (roll_requests|reread_requests USING (COVERING )?INDEX reread_pending|projects|tables|catalog|pending|p\b.*tables|CONSTANT ROW)`)
	param := regexp.MustCompile(`\$\d+`)
	if len(seen) < 30 {
		t.Fatalf("only %d statements seen", len(seen))
	}
	for query, real := range seen {
		if !real {
			continue
		}
		n := 0
		for _, p := range param.FindAllString(query, -1) {
			i, err := strconv.Atoi(p[1:])
			if err != nil {
				t.Fatal(err)
			}
			n = max(n, i)
		}
		rows, err := c.w.Query("EXPLAIN QUERY PLAN "+query, make([]any, n)...)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		for rows.Next() {
			var id, parent, unused int
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(step, "SCAN") && !short.MatchString(step) {
				t.Errorf("%s\nwalks a whole table: %s", query, step)
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
