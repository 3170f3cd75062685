package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

func lookupVersion(id string, version int64) LookupVersion {
	return LookupVersion{
		Lookup: &cube.Lookup{Project: "default", Name: "shops", ID: id, Version: version, Key: "id", Columns: []cube.LookupColumn{{Name: "id", Type: "int64"}}},
		Key:    fmt.Sprintf("lookups/%s/%d", id, version), Size: 3, SHA256: "ab", Rows: version,
	}
}

// C3: versions follow each other; the same again is a success; what comes second is a conflict.
func TestLookupVersions(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		ctx, c := context.Background(), openAt(t, dsn)
		for _, v := range []LookupVersion{lookupVersion("a", 1), lookupVersion("a", 1), lookupVersion("a", 2), lookupVersion("a", 1)} {
			if err := c.AppendLookup(ctx, v); err != nil {
				t.Fatalf("version %d: %v", v.Lookup.Version, err)
			}
		}
		rival := lookupVersion("a", 2)
		rival.Key += "x"
		for name, v := range map[string]LookupVersion{"rival": rival, "hole": lookupVersion("a", 4), "another table of that name": lookupVersion("b", 1), "and its second": lookupVersion("b", 2)} {
			var conflict *ConflictError
			if err := c.AppendLookup(ctx, v); !errors.As(err, &conflict) {
				t.Errorf("%s: got %v, want ConflictError", name, err)
			}
		}
		id, next, err := c.NextLookup(ctx, "default", "shops")
		if err != nil || id != "a" || next != 3 {
			t.Errorf("next: got %s, %d, %v, want a, 3", id, next, err)
		}
		if v, err := c.Lookup(ctx, "default", "shops"); err != nil || v.Lookup.Version != 2 || v.Rows != 2 || v.Lookup.Key != "id" {
			t.Errorf("newest: got %+v, %v", v, err)
		}
		if _, _, err := c.NextLookup(ctx, "none", "shops"); !errors.Is(err, ErrNotFound) {
			t.Errorf("no such project: got %v, want ErrNotFound", err)
		}
		if err := c.DropLookup(ctx, "default", "shops"); err != nil {
			t.Fatal(err)
		}
		if err := c.DropLookup(ctx, "default", "shops"); !errors.Is(err, ErrNotFound) {
			t.Errorf("dropped twice: got %v, want ErrNotFound", err)
		}
		if list, err := c.Lookups(ctx, ""); err != nil || len(list) != 0 {
			t.Errorf("after the drop: %v, %v", list, err)
		}
		if id, next, err := c.NextLookup(ctx, "default", "shops"); err != nil || id == "a" || next != 1 {
			t.Errorf("after the drop: next %s, %d, %v, want another table", id, next, err)
		}
		if err := c.AppendLookup(ctx, lookupVersion("b", 1)); err != nil {
			t.Errorf("the name is free: %v", err)
		}
	})
}

// What became of refreshes is kept with the newest version: a success ends a row of failures, a new version begins anew, and what is
// said of an older version is too late.
func TestNoteLookupRefresh(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		ctx, c := context.Background(), openAt(t, dsn)
		want := func(when string, failures int, problem string, refreshed bool) LookupRefresh {
			t.Helper()
			v, err := c.Lookup(ctx, "default", "shops")
			r := v.Refresh
			if err != nil || r.Failures != failures || r.Problem != problem || r.TriedUs == 0 || (r.TriedUs == r.RefreshedUs) != refreshed {
				t.Fatalf("%s: got %+v, %v, want %d failures %q, the last try a success: %t", when, r, err, failures, problem, refreshed)
			}
			return r
		}
		note := func(version int64, problem string) {
			t.Helper()
			before, err := c.Revision(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.NoteLookupRefresh(ctx, "a", version, problem); err != nil {
				t.Fatal(err)
			}
			if after, err := c.Revision(ctx); err != nil || after != before {
				t.Errorf("revision: got %d, %v, want %d: no definition has changed", after, err, before)
			}
		}
		if err := c.AppendLookup(ctx, lookupVersion("a", 1)); err != nil {
			t.Fatal(err)
		}
		want("new", 0, "", true)
		note(1, "no such table")
		note(1, "no such column")
		want("failed twice", 2, "no such column", false)
		note(1, "row \x00 \xff "+strings.Repeat("\u00fc", maxLineText))
		if got := want("quotes what is no text", 3, "row  \uFFFD "+strings.Repeat("\u00fc", (maxLineText-len("row  \uFFFD "))/2), false); !utf8.ValidString(got.Problem) || len(got.Problem) > maxLineText {
			t.Errorf("quotes what is no text: %d bytes, want at most %d of whole characters", len(got.Problem), maxLineText)
		}
		note(1, "")
		note(1, "no such table")
		note(1, "no such column")
		r := want("failed again", 2, "no such column", false)
		note(2, "of another version")
		if got := want("of another version", 2, "no such column", false); got != r {
			t.Errorf("of another version: got %+v, want %+v", got, r)
		}
		note(1, "")
		if got := want("succeeded", 0, "", true); got.RefreshedUs <= r.RefreshedUs {
			t.Errorf("succeeded: got %d, want later than %d", got.RefreshedUs, r.RefreshedUs)
		}
		note(1, "again")
		if err := c.AppendLookup(ctx, lookupVersion("a", 2)); err != nil {
			t.Fatal(err)
		}
		want("a new version", 0, "", true)
	})
}

// Of those that apply at once one gets each version.
func TestLookupsRace(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		var wg sync.WaitGroup
		won := make([]bool, 4)
		for w := range won {
			c := openAt(t, dsn)
			wg.Go(func() {
				err := c.AppendLookup(context.Background(), lookupVersion(fmt.Sprint("w", w), 1))
				var conflict *ConflictError
				if won[w] = err == nil; err != nil && !errors.As(err, &conflict) {
					t.Errorf("worker %d: %v", w, err)
				}
			})
		}
		wg.Wait()
		n := 0
		for _, ok := range won {
			if ok {
				n++
			}
		}
		if list, err := openAt(t, dsn).Lookups(context.Background(), "default"); err != nil || n != 1 || len(list) != 1 {
			t.Errorf("%d won, %d tables, %v, want 1", n, len(list), err)
		}
	})
}
