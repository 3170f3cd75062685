package catalog

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/segmenter"
)

func keys(t *testing.T, c *Catalog, table string) (list []string) {
	t.Helper()
	for key, err := range c.Referenced(context.Background(), table) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, strings.TrimPrefix(key, table+"/"))
	}
	slices.Sort(list)
	return list
}

// I3: what a person does takes the partition from its owner, who hears of it by the revision, is refused, and goes on
// behind it once the partition is assigned again.
func TestSkipTakesThePartition(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		table, epoch := begun(t, c, 0)
		rev := revision(t, c)
		raised, err := c.Skip(ctx, Skip{TableID: table, Row: gone(table, 0, segmenter.Skipped, rng(0, 0, 7))})
		if err != nil || raised != epoch+1 {
			t.Fatalf("skip: got epoch %d, %v, want %d", raised, err, epoch+1)
		}
		if got := revision(t, c); got <= rev {
			t.Errorf("revision %d after a skip, want above %d", got, rev)
		}
		var stale *StaleEpochError
		if err := c.Commit(ctx, staged(table, epoch, rng(0, 0, 5))); !errors.As(err, &stale) {
			t.Errorf("the owner's commit: got %v, want StaleEpochError", err)
		}
		s, err := c.Assign(ctx, Claim{TableID: table})
		if err != nil || s.End != 7 {
			t.Fatalf("assign: got %+v, %v, want end 7", s, err)
		}
		mustCommit(t, c, staged(table, s.Epoch, rng(0, 7, 9)))
		staged := Skip{TableID: table, Row: staged(table, 0, rng(0, 9, 10))}
		if _, err := c.Skip(ctx, staged); err == nil {
			t.Error("a staged row was skipped")
		}
	})
}

// A supplement over two rows stays named while one of them needs it, and its other part is forgotten with its row.
func TestReplaceTakesItsPartOfASupplement(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		table, epoch := begun(t, c, 0)
		mustCommit(t, c, staged(table, epoch, rng(0, 0, 10), 4, 8))
		mustCommit(t, c, staged(table, epoch, rng(0, 10, 20), 11, 12))
		if err := c.CommitSupplement(ctx, Supplement{
			TableID: table, Requeue: 1, Range: rng(0, 4, 13), Offsets: []int64{4, 12},
			File: &File{Key: table + "/supplement", Size: 3, Records: 2}, MinTimeUs: 5, MaxTimeUs: 6,
		}); err != nil {
			t.Fatal(err)
		}
		replace := func(r segmenter.PartitionRange, want ...string) {
			t.Helper()
			epoch++
			m := staged(table, epoch, r)
			m.File.Key = table + "/again" + r.String()
			if _, err := c.Replace(ctx, Replace{TableID: table, Old: r, Rows: []Commit{m}}); err != nil {
				t.Fatal(err)
			}
			wantDiff(t, "keys", want, keys(t, c, table))
		}
		staged2 := "staged/" + table + "/0/10-20.g0.e1"
		bad2 := "quarantine/" + table + "/0/10-20.g0.e1"
		replace(rng(0, 0, 10), "againp0 [0,10)", bad2, staged2, "supplement")
		list := entries(t, c, LedgerQuery{TableID: table})
		if n := len(list[0].Supplements); n != 0 {
			t.Errorf("the replaced row has %d supplements, want 0", n)
		}
		if s := list[1].Supplements; len(s) != 1 || len(s[0].Offsets) != 1 || s[0].Offsets[0] != 12 {
			t.Errorf("the other row has supplements %+v, want offset 12 only", s)
		}
		replace(rng(0, 10, 20), "againp0 [0,10)", "againp0 [10,20)")
		stats, err := c.Stats(ctx, table)
		if err != nil {
			t.Fatal(err)
		}
		wantDiff(t, "stats", TableStats{Rows: 2, Events: 20, Files: 2, Bytes: 220}, stats)
	})
}

// C3 is for the one who committed: another epoch with the same row is refused, also where the key names no epoch.
func TestSameRowOfAnotherEpoch(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		table, epoch := begun(t, c, 0)
		mustCommit(t, c, gone(table, epoch, segmenter.Lost, rng(0, 0, 5)))
		s, err := c.Assign(ctx, Claim{TableID: table})
		if err != nil {
			t.Fatal(err)
		}
		var gap *NotContiguousError
		if err := c.Commit(ctx, gone(table, s.Epoch, segmenter.Lost, rng(0, 0, 5))); !errors.As(err, &gap) {
			t.Errorf("under the next epoch: got %v, want NotContiguousError", err)
		}
		var stale *StaleEpochError
		if err := c.Commit(ctx, gone(table, s.Epoch+5, segmenter.Lost, rng(0, 0, 5))); !errors.As(err, &stale) {
			t.Errorf("under no epoch: got %v, want StaleEpochError", err)
		}
	})
}

// A fingerprint is of the present generation: the next one starts without.
func TestNewGenerationForgetsFingerprint(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		table, epoch := begun(t, c, 0)
		m := staged(table, epoch, rng(0, 0, 5))
		m.Fingerprint = &Fingerprint{Offset: 4, Hash: "h", LeaderEpoch: 2}
		mustCommit(t, c, m)
		mustCommit(t, c, gone(table, epoch, segmenter.Lost, rng(0, 5, 6))) // has none and leaves it
		s, err := c.Assign(ctx, Claim{TableID: table})
		if err != nil {
			t.Fatal(err)
		}
		wantDiff(t, "fingerprint", m.Fingerprint, s.Fingerprint)
		if _, err := c.NewGeneration(ctx, NewGeneration{TableID: table, Epoch: s.Epoch, TopicID: "two", Start: 3, Reason: "why"}); err != nil {
			t.Fatal(err)
		}
		if s, err = c.Assign(ctx, Claim{TableID: table}); err != nil {
			t.Fatal(err)
		}
		want := PartitionState{
			Epoch: s.Epoch, Begun: true, Generation: 1, TopicID: "two", Start: 3, End: 3, LeaderEpoch: -1,
			Events: 5, HasTime: true, MaxTimeUs: 5000,
		}
		wantDiff(t, "state", want, s)
		parts, err := c.Partitions(ctx, table)
		if err != nil || len(parts) != 1 {
			t.Fatalf("partitions: %v, %v", parts, err)
		}
		for i := range parts[0].Generations {
			if g := &parts[0].Generations[i]; g.Closed == (g.ClosedUs == 0) {
				t.Errorf("generation %d: closed %t at %d us", g.Generation, g.Closed, g.ClosedUs)
			}
			parts[0].Generations[i].ClosedUs = 0
		}
		wantDiff(t, "generations", []GenerationInfo{
			{PartitionRange: rng(0, 0, 6), TopicID: "topic-id", Closed: true, ClosedReason: "why"},
			{PartitionRange: rng(1, 3, 3), TopicID: "two"},
		}, parts[0].Generations)
	})
}

func TestReleaseAndOwner(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		table, old := begun(t, c, 0)
		s, err := c.Assign(ctx, Claim{TableID: table, Owner: "b", Address: "host:2"})
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			epoch int64
			want  string
		}{{old, "host:2"}, {s.Epoch, ""}} {
			if err := c.Release(ctx, table, 0, tt.epoch); err != nil {
				t.Fatal(err)
			}
			parts, err := c.Partitions(ctx, table)
			if err != nil || parts[0].Address != tt.want {
				t.Errorf("released under epoch %d: got %+v, %v, want address %q", tt.epoch, parts, err, tt.want)
			}
		}
	})
}

func TestFixPartitions(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		table := applied(t, c, "views")
		for _, n := range []int{4, 6, 2} { // the first stands
			if got, err := c.FixPartitions(context.Background(), table, n); got != 4 || err != nil {
				t.Errorf("%d partitions: got %d, %v, want 4", n, got, err)
			}
		}
		if _, err := c.FixPartitions(context.Background(), "none", 1); !errors.Is(err, ErrNotFound) {
			t.Errorf("unknown table: got %v, want ErrNotFound", err)
		}
	})
}

// What no commit can be is refused before the database is asked, and says what is wrong.
func TestCommitCheck(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(m *Commit)
		want   string
	}{
		{"no file", func(m *Commit) { m.File = nil }, "staged file is missing"},
		{"no quarantine", func(m *Commit) { m.Quarantine = nil }, "quarantine file is missing"},
		{"ledger file", func(m *Commit) { m.LedgerFile = m.File }, "no use for the ledger file"},
		{"no key", func(m *Commit) { m.File.Key = "" }, "want a key"},
		{"records", func(m *Commit) { m.File.Records++ }, "has 10 records, the row p0 [0,10) counts 9"},
		{"quarantined", func(m *Commit) { m.Quarantine.Records = 0 }, "has 0 records, the row p0 [0,10) counts 1"},
		{"events", func(m *Commit) { m.Row.Events = 10 }, "bad_count"},
		{"empty", func(m *Commit) { m.Row.Range.End = 0 }, "holds no offset"},
		{"exceptions", func(m *Commit) { m.Row.Exceptions[0].End = 99 }, "reach out"},
		{"lost", func(m *Commit) { m.Row.State = segmenter.Lost }, "lost row has"},
		{"fingerprint", func(m *Commit) { m.Fingerprint = &Fingerprint{Offset: 10} }, "fingerprint of offset 10"},
		{"table", func(m *Commit) { m.TableID = "b" }, `table "b", want "a"`},
	} {
		m := staged("a", 1, rng(0, 0, 10), 3)
		if err := m.check("a"); err != nil {
			t.Fatal(err)
		}
		tt.change(&m)
		if err := m.check("a"); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", tt.name, err, tt.want)
		}
	}
}
