package catalog

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// C7: nothing that a scheduler pass, a cut, a publication or the planning of a query asks walks through a table that only
// grows. SQLite says how it would read each statement; both databases have the same indexes.
func TestNoScanOfHistory(t *testing.T) {
	c := openAt(t, sqliteDSN(t))
	w := newCrashWorld(t, c)
	var statements []string
	c.onStatement = func(query string) error {
		if query != "commit" && !slices.Contains(statements, query) {
			statements = append(statements, query)
		}
		return nil
	}
	calls := frequentCalls(t, w)
	order := []string{"publish", "retire", "cancel"} // what needs the world as it was goes first
	for name := range calls {
		if !slices.Contains(order, name) {
			order = append(order, name)
		}
	}
	for _, name := range order {
		if err := calls[name](); err != nil && name != "renew" { // its job was published
			t.Fatalf("%s: %v", name, err)
		}
	}
	c.onStatement = nil
	if len(statements) < 40 {
		t.Fatalf("%d statements seen, want at least 40", len(statements))
	}
	// An index that holds live rows alone may be walked through.
	grows := regexp.MustCompile(`^SCAN (segments|segment_ranges|jobs|job_log|ledger|ledger_changes|files|supplements|answers|garbage|dictionary_slices|dictionaries|[spjlq])\b`)
	live := regexp.MustCompile(`USING (COVERING )?INDEX (segments_new|segments_stale|jobs_reserved|jobs_reserved_cube|jobs_pending|jobs_running)\b`)
	for _, query := range statements {
		for _, step := range explain(t, c, query) {
			walks := grows.MatchString(step) && !live.MatchString(step)
			// Ended jobs have no reservation: whoever wants one must not come across them.
			if strings.Contains(query, "p.reserved = 1") && !strings.Contains(step, "jobs_reserved") && strings.Contains(step, " p ") {
				walks = true
			}
			if walks {
				t.Errorf("%q in\n%s", step, query)
			}
		}
	}
}

// frequentCalls are those of C7.
func frequentCalls(t *testing.T, w crashWorld) map[string]func() error {
	ctx, c := context.Background(), w.c
	claimed := pending(t, c, w.cube, 50)
	return map[string]func() error{
		"ends":     func() error { _, err := c.CubeEnds(ctx, w.cube); return err },
		"snapshot": func() error { _, err := c.CubeSnapshot(ctx, w.cube); return err },
		"query": func() error {
			prev, err := c.QuerySnapshot(ctx, w.tab, w.cube, nil)
			if err == nil {
				prev.mark.cube, prev.moved, prev.Change, prev.Long = 1, 1, -1, true
				_, err = c.QuerySnapshot(ctx, w.tab, w.cube, prev)
			}
			return err
		},
		"staged": func() error {
			snap, err := c.QuerySnapshot(ctx, w.tab, w.cube, nil)
			if err == nil {
				_, err = c.Staged(ctx, StagedQuery{Snapshot: snap, Ranges: w.merge, FromUs: 1, ToUs: 2})
			}
			if err == nil {
				_, err = c.Staged(ctx, StagedQuery{Snapshot: snap, Ranges: w.merge})
			}
			return err
		},
		"slices":    func() error { _, err := c.DictionarySlices(ctx, w.tab, "x", 5); return err },
		"append":    func() error { return c.AppendDictionary(ctx, slice(w.tab, "x", 1, 0, 1)) },
		"since":     func() error { _, err := c.CubeChanges(ctx, 3); return err },
		"marks":     func() error { _, err := c.TableMarks(ctx); return err },
		"open jobs": func() error { _, err := c.OpenJobs(ctx, ""); return err },
		"of a cube": func() error { _, err := c.OpenJobs(ctx, w.cube); return err },
		"jobs":      func() error { _, err := c.Jobs(ctx, JobQuery{}); return err },
		"its jobs":  func() error { _, err := c.Jobs(ctx, JobQuery{CubeID: w.cube}); return err },
		"claim": func() error {
			_, _, err := c.ClaimJob(ctx, JobClaim{Owner: "a", Now: clock(0), Lease: lease})
			return err
		},
		"renew": func() error {
			return c.RenewJob(ctx, JobReport{ID: w.running.ID, Epoch: w.running.Epoch, Now: clock(1), Lease: lease, Log: []string{"a"}})
		},
		"by time": func() error {
			segments(t, c, SegmentQuery{CubeID: w.cube, FromUs: 1, ToUs: 2})
			return nil
		},
		"publish":  func() error { return c.Publish(ctx, publication(w.running, w.merge...)) },
		"retire":   func() error { return c.Retire(ctx, w.cube, []int64{3}, "test") },
		"stale":    func() error { _, err := c.StaleSegments(ctx, w.cube); return err },
		"unstaged": func() error { _, err := c.Unstaged(ctx, w.tab, w.merge); return err },
		"inputs": func() error {
			for _, err := range c.Inputs(ctx, w.tab, w.merge) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"retired":  func() error { _, err := c.RetiredSegments(ctx, now(), 9); return err },
		"withdraw": func() error { _, err := c.WithdrawAbandoned(ctx); return err },
		"cancel":   func() error { return c.CancelJob(ctx, claimed.ID, "ann") },
		"purge":    func() error { return c.PurgeCube(ctx, "default", w.name, "ann") },
		"forget":   func() error { _, err := c.ForgetJobs(ctx, clock(0), 9); return err },
	}
}

func explain(t *testing.T, c *Catalog, query string) (steps []string) {
	t.Helper()
	args := make([]any, strings.Count(query, "$"))
	n := 0
	for i := range args { // a number that is used twice is one value
		if strings.Contains(query, "$"+string(rune('1'+i))) || i >= 9 {
			n = i + 1
		}
	}
	rows, err := c.w.Query("EXPLAIN QUERY PLAN "+query, args[:n]...)
	if err != nil {
		t.Fatalf("explain %s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var text string
		if err := rows.Scan(&id, &parent, &unused, &text); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}
