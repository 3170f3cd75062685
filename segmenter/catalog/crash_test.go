package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// state is everything that can be read of a table, for comparison.
type state struct {
	Entries    []LedgerEntry
	Partitions []PartitionInfo
	Stats      TableStats
	Keys       []string
	Versions   int
	Rolls      []RollRequest
	Rereads    []Reread
	Revision   int64
	Slices     []DictionarySlice
	Lookups    []LookupVersion
}

func stateOf(t *testing.T, c *Catalog, table string) (s state) {
	t.Helper()
	ctx := context.Background()
	var errs [8]error
	s.Entries = entries(t, c, LedgerQuery{TableID: table, Partition: -1})
	s.Partitions, errs[0] = c.Partitions(ctx, table)
	s.Stats, errs[1] = c.Stats(ctx, table)
	s.Rolls, errs[2] = c.RollRequests(ctx)
	s.Rereads, errs[3] = c.Rereads(ctx)
	s.Revision, errs[4] = c.Revision(ctx)
	s.Lookups, errs[7] = c.LookupVersions(ctx, "l1")
	s.Slices, errs[6] = c.TableDictionaries(ctx, table)
	versions, err := c.TableVersions(ctx, table)
	s.Versions, errs[5] = len(versions), err
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	for key, err := range c.Referenced(ctx, table) {
		if err != nil {
			t.Fatal(err)
		}
		s.Keys = append(s.Keys, key)
	}
	slices.Sort(s.Keys)
	return s
}

// change is one call that changes the catalog, asked of a table with rows [0,10) staged, 3 and 4 quarantined, and [10,20)
// lost.
type change struct {
	name string
	call func(ctx context.Context, c *Catalog, table string, epoch int64) error
}

func changes() []change {
	return []change{
		{"assign", func(ctx context.Context, c *Catalog, table string, _ int64) error {
			_, err := c.Assign(ctx, Claim{TableID: table})
			return err
		}},
		{"assign new partition", func(ctx context.Context, c *Catalog, table string, _ int64) error {
			_, err := c.Assign(ctx, Claim{TableID: table, Partition: 7})
			return err
		}},
		{"commit", func(ctx context.Context, c *Catalog, table string, epoch int64) error {
			return c.Commit(ctx, staged(table, epoch, rng(0, 20, 30), 25))
		}},
		{"generation", func(ctx context.Context, c *Catalog, table string, epoch int64) error {
			_, err := c.NewGeneration(ctx, NewGeneration{TableID: table, Epoch: epoch, Start: 4})
			return err
		}},
		{"replace", func(ctx context.Context, c *Catalog, table string, epoch int64) error {
			rows := []Commit{staged(table, epoch+1, rng(0, 0, 5)), staged(table, epoch+1, rng(0, 5, 20))}
			_, err := c.Replace(ctx, Replace{TableID: table, Epoch: epoch, Old: rng(0, 0, 20), Rows: rows})
			return err
		}},
		{"skip", func(ctx context.Context, c *Catalog, table string, epoch int64) error {
			_, err := c.Skip(ctx, Skip{TableID: table, Epoch: epoch, Row: gone(table, epoch, segmenter.Skipped, rng(0, 20, 22))})
			return err
		}},
		{"supplement", func(ctx context.Context, c *Catalog, table string, _ int64) error {
			return c.CommitSupplement(ctx, Supplement{
				TableID: table, Requeue: 1, Range: rng(0, 3, 5), Offsets: []int64{3, 4},
				File: &File{Key: table + "/supplement", Records: 2},
			})
		}},
		{"apply", func(ctx context.Context, c *Catalog, table string, _ int64) error {
			def, err := c.TableByID(ctx, table, 0)
			if err != nil {
				return err
			}
			def.Owner = "changed"
			_, err = c.ApplyTable(ctx, def)
			return err
		}},
		{"roll", func(ctx context.Context, c *Catalog, table string, _ int64) error {
			_, err := c.RequestRoll(ctx, RollRequest{TableID: table, Partition: -1})
			return err
		}},
		{"dictionary", func(ctx context.Context, c *Catalog, table string, _ int64) error {
			return c.AppendDictionary(ctx, slice(table, "x", 1, 0, 3))
		}},
		{"lookup", func(ctx context.Context, c *Catalog, _ string, _ int64) error {
			return c.AppendLookup(ctx, lookupVersion("l1", 1))
		}},
		{"re-read", func(ctx context.Context, c *Catalog, table string, _ int64) error {
			_, err := c.RequestReread(ctx, Reread{TableID: table, Range: rng(0, 10, 20)})
			return err
		}},
		{"drop", func(ctx context.Context, c *Catalog, table string, _ int64) error {
			def, err := c.TableByID(ctx, table, 0)
			if err != nil {
				return err
			}
			return c.DropTable(ctx, def.Project, def.Name)
		}},
	}
}

// C2: a change whose caller dies before statement 0, 1, 2 ... or before the commit leaves nothing visible; asked again it
// does all of its work.
func TestInterruptedChange(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		for _, ch := range changes() {
			t.Run(ch.name, func(t *testing.T) {
				table, epoch := begun(t, c, 0)
				mustCommit(t, c, staged(table, epoch, rng(0, 0, 10), 3, 4))
				mustCommit(t, c, gone(table, epoch, segmenter.Lost, rng(0, 10, 20)))
				before := stateOf(t, c, table)
				points := 0
				for ; ; points++ {
					ctx, cancel := context.WithCancel(context.Background())
					n, fired := 0, false
					c.onStatement = func(string) error {
						if n == points {
							fired = true
							cancel() // the database sees the caller go; the statement itself still runs or not
						}
						n++
						return nil
					}
					err := ch.call(ctx, c, table, epoch)
					cancel()
					c.onStatement = nil
					if !fired {
						if err != nil {
							t.Fatalf("after %d interruptions: %v", points, err)
						}
						break
					}
					if !errors.Is(err, context.Canceled) {
						t.Fatalf("interrupted before statement %d: got %v, want context.Canceled", points, err)
					}
					if d := cmp.Diff(before, stateOf(t, c, table)); d != "" {
						t.Fatalf("interrupted before statement %d, visible (-before +after):\n%s", points, d)
					}
				}
				if points < 3 {
					t.Errorf("%d statements seen, want at least 3: is the hook called?", points)
				}
				if d := cmp.Diff(before, stateOf(t, c, table)); d == "" {
					t.Error("the change that was not interrupted changed nothing")
				}
			})
		}
	})
}

// Statements that fail in the middle of a change leave nothing either, and say whether to ask again.
func TestFailedStatement(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		table, epoch := begun(t, c, 0)
		before := stateOf(t, c, table)
		m := staged(table, epoch, rng(0, 0, 10), 3)
		for i := 0; ; i++ {
			n := 0
			c.onStatement = func(query string) error {
				n++
				if n == i+1 {
					return fmt.Errorf("statement %d: %w", i, ErrUnavailable)
				}
				return nil
			}
			err := c.Commit(context.Background(), m)
			c.onStatement = nil
			if n <= i {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
			if !errors.Is(err, ErrUnavailable) {
				t.Fatalf("statement %d failed: got %v, want ErrUnavailable", i, err)
			}
			if d := cmp.Diff(before, stateOf(t, c, table)); d != "" {
				t.Fatalf("statement %d failed, visible (-before +after):\n%s", i, d)
			}
		}
		wantDiff(t, "ranges", []string{"p0 [0,10)"}, ranges(entries(t, c, LedgerQuery{TableID: table})))
	})
}

// A full disk leaves nothing of a commit, is ErrUnavailable, and is over when there is room again.
func TestDiskFull(t *testing.T) {
	c := openAt(t, sqliteDSN(t))
	table, epoch := begun(t, c, 0)
	before := stateOf(t, c, table)
	limit := func(pages int) {
		t.Helper()
		if _, err := c.w.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // SQLite takes the present size then
	var bad []int64
	for o := int64(0); o < 2000; o += 2 {
		bad = append(bad, o)
	}
	m := staged(table, epoch, rng(0, 0, 2000), bad...)
	if err := c.Commit(context.Background(), m); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("commit on a full disk: got %v, want ErrUnavailable", err)
	}
	wantDiff(t, "after a full disk", before, stateOf(t, c, table))
	limit(1 << 20)
	mustCommit(t, c, m)
}
