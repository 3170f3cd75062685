package catalog

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// postgresEnv names the server that the suite also runs against.
const postgresEnv = "TIDEMARK_TEST_POSTGRES"

// backend makes empty databases of one kind.
type backend struct {
	name string
	dsn  func(t testing.TB) string
}

func backends() []backend {
	return []backend{{"sqlite", sqliteDSN}, {"postgres", postgresDSN}}
}

// onBoth runs one test against both databases.
func onBoth(t *testing.T, f func(t *testing.T, dsn string)) {
	for _, b := range backends() {
		t.Run(b.name, func(t *testing.T) { f(t, b.dsn(t)) })
	}
}

// migrated is the file of a SQLite catalog that has been migrated and not been opened yet: migrations take longer than most tests.
var migrated = sync.OnceValues(func() (file []byte, err error) {
	dir, err := os.MkdirTemp("", "catalog-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "catalog.db")
	c, err := openSQLite(path, Options{}.withDefaults())
	if err != nil {
		return nil, err
	}
	if err := errors.Join(c.migrate(context.Background()), c.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func sqliteDSN(t testing.TB) string {
	file, err := migrated()
	if err != nil {
		t.Fatalf("migrate: %v", err)
	}
	path := filepath.Join(t.TempDir(), "catalog.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// postgresDSN makes a schema of its own, which the end of the test drops.
func postgresDSN(t testing.TB) string {
	base := os.Getenv(postgresEnv)
	if base == "" {
		t.Skipf("%s is not set", postgresEnv)
	}
	db, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	schema := "test_" + strings.ToLower(rand.Text())
	if _, err := db.Exec("CREATE SCHEMA " + schema); err != nil {
		t.Fatalf("make schema on %s: %v", postgresEnv, err)
	}
	t.Cleanup(func() {
		if _, err := db.Exec("DROP SCHEMA " + schema + " CASCADE"); err != nil {
			t.Errorf("drop schema: %v", err)
		}
		db.Close()
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

func openAt(t testing.TB, dsn string) *Catalog {
	t.Helper()
	c, err := Open(context.Background(), dsn, Options{})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

func tableDef(name string) *cube.Table {
	return &cube.Table{
		Project: "default", Name: name, Topic: "topic-" + name,
		Columns: []cube.Column{{Name: "at", Path: "at", Type: cube.Type{Kind: cube.Timestamp, Format: "ms"}}},
	}
}

func applied(t testing.TB, c *Catalog, name string) string {
	t.Helper()
	a, err := c.ApplyTable(context.Background(), tableDef(name))
	if err != nil {
		t.Fatal(err)
	}
	return a.Table.ID
}

// begun is a partition 0 of a new table, assigned and begun at offset start.
func begun(t testing.TB, c *Catalog, start int64) (table string, epoch int64) {
	t.Helper()
	table = applied(t, c, "t"+strings.ToLower(rand.Text()))
	s, err := c.Assign(context.Background(), Claim{TableID: table, Owner: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Begin(context.Background(), Begin{TableID: table, Epoch: s.Epoch, TopicID: "topic-id", Start: start}); err != nil {
		t.Fatal(err)
	}
	return table, s.Epoch
}

func rng(gen int32, start, end int64) segmenter.PartitionRange {
	return segmenter.PartitionRange{Generation: gen, Start: start, End: end}
}

// staged is a well-formed commit; quarantined lists its bad offsets.
func staged(table string, epoch int64, r segmenter.PartitionRange, quarantined ...int64) Commit {
	ex, err := segmenter.ExceptionsOf(segmenter.Quarantined, quarantined)
	if err != nil {
		panic(err)
	}
	events := r.Len() - int64(len(quarantined))
	name := fmt.Sprintf("%s/%d/%d-%d.g%d.e%d", table, r.Partition, r.Start, r.End, r.Generation, epoch)
	m := Commit{
		TableID: table, Epoch: epoch,
		Row: segmenter.LedgerRow{Range: r, State: segmenter.Staged, Events: events, Exceptions: ex},
		File: &File{
			Key: "staged/" + name, Size: 100 + events, SHA256: "ab", Format: cube.Parquet, Schema: 1, Records: events, RowHash: "cd",
		},
	}
	if events > 0 {
		m.Row.MinTimeUs, m.Row.MaxTimeUs = r.Start*1000, r.End*1000
	}
	if len(quarantined) > 0 {
		m.Quarantine = &File{Key: "quarantine/" + name, Size: 10, Records: int64(len(quarantined))}
	}
	return m
}

// gone is a skipped or lost row.
func gone(table string, epoch int64, state segmenter.RowState, r segmenter.PartitionRange) Commit {
	return Commit{
		TableID: table, Epoch: epoch,
		Row:        segmenter.LedgerRow{Range: r, State: state, Reason: "test"},
		LedgerFile: &File{Key: fmt.Sprintf("ledger/%s/%d/%d-%d.g%d.%s", table, r.Partition, r.Start, r.End, r.Generation, state), Size: 7},
	}
}

func mustCommit(t testing.TB, c *Catalog, m Commit) {
	t.Helper()
	if err := c.Commit(context.Background(), m); err != nil {
		t.Fatalf("commit %s: %v", m.Row.Range, err)
	}
}

func entries(t testing.TB, c *Catalog, q LedgerQuery) []LedgerEntry {
	t.Helper()
	var list []LedgerEntry
	for e, err := range c.Ledger(context.Background(), q) {
		if err != nil {
			t.Fatalf("ledger: %v", err)
		}
		list = append(list, e)
	}
	return list
}

func ranges(list []LedgerEntry) (out []string) {
	for _, e := range list {
		out = append(out, e.Range.String())
	}
	return out
}

func wantDiff(t testing.TB, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

func TestCommitAndReadBack(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		table, epoch := begun(t, c, 10)
		first := staged(table, epoch, rng(0, 10, 20), 12, 13, 17)
		first.Fingerprint = &Fingerprint{Offset: 19, TimestampMs: 5, Hash: "h", LeaderEpoch: 3}
		mustCommit(t, c, first)
		lost := gone(table, epoch, segmenter.Lost, rng(0, 20, 25))
		mustCommit(t, c, lost)

		wantDiff(t, "ledger", []LedgerEntry{
			{LedgerRow: first.Row, Epoch: epoch, File: first.File, Quarantine: first.Quarantine},
			{LedgerRow: lost.Row, Epoch: epoch, LedgerFile: lost.LedgerFile},
		}, entries(t, c, LedgerQuery{TableID: table, Partition: -1}))

		s, err := c.Assign(context.Background(), Claim{TableID: table, Owner: "next", Address: "host:1"})
		if err != nil {
			t.Fatal(err)
		}
		want := PartitionState{
			Epoch: epoch + 1, Begun: true, TopicID: "topic-id", Start: 10, End: 25, LeaderEpoch: 3,
			Fingerprint: first.Fingerprint, Events: 7, HasTime: true, MaxTimeUs: 20_000,
		}
		wantDiff(t, "state", want, s)
		stats, err := c.Stats(context.Background(), table)
		if err != nil {
			t.Fatal(err)
		}
		wantDiff(t, "stats", TableStats{Rows: 2, Events: 7, Quarantined: 3, Lost: 5, Files: 1, Bytes: 107}, stats)
		wantDiff(t, "own id", openAt(t, dsn).ID(), c.ID())
	})
}

// I3: an old epoch, a wrong start and a wrong generation are refused and leave nothing.
func TestCommitRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		table, old := begun(t, c, 0)
		s, err := c.Assign(context.Background(), Claim{TableID: table})
		if err != nil {
			t.Fatal(err)
		}
		var stale *StaleEpochError
		if err := c.Commit(context.Background(), staged(table, old, rng(0, 0, 5))); !errors.As(err, &stale) || stale.Current != s.Epoch {
			t.Errorf("stale commit: got %v, want StaleEpochError with current %d", err, s.Epoch)
		}
		for _, r := range []segmenter.PartitionRange{rng(0, 1, 5), rng(1, 0, 5)} {
			var gap *NotContiguousError
			if err := c.Commit(context.Background(), staged(table, s.Epoch, r)); !errors.As(err, &gap) || gap.Want.Start != 0 {
				t.Errorf("commit %s: got %v, want NotContiguousError at 0", r, err)
			}
		}
		wrong := staged(table, s.Epoch, rng(0, 0, 5))
		wrong.Row.Events = 4
		if err := c.Commit(context.Background(), wrong); err == nil {
			t.Error("a row that breaks S4 was accepted")
		}
		if got := entries(t, c, LedgerQuery{TableID: table, Partition: -1}); len(got) != 0 {
			t.Errorf("refused commits left %v", ranges(got))
		}
		for key, err := range c.Referenced(context.Background(), table) {
			t.Errorf("refused commits left key %q, %v", key, err)
		}
	})
}

// C3: asked again, Begin, Commit and NewGeneration answer as the first time; C6: a key is named once.
func TestAskAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		table, epoch := begun(t, c, 0)
		if err := c.Begin(ctx, Begin{TableID: table, Epoch: epoch, TopicID: "topic-id"}); err != nil {
			t.Errorf("begin again: %v", err)
		}
		m := staged(table, epoch, rng(0, 0, 5))
		mustCommit(t, c, m)
		mustCommit(t, c, m)
		next := staged(table, epoch, rng(0, 5, 9))
		next.File.Key = m.File.Key
		var conflict *ConflictError
		if err := c.Commit(ctx, next); !errors.As(err, &conflict) {
			t.Errorf("a key named twice: got %v, want ConflictError", err)
		}
		for range 2 {
			g, err := c.NewGeneration(ctx, NewGeneration{TableID: table, Epoch: epoch, TopicID: "two", Start: 3, Reason: "topic id"})
			if g != 1 || err != nil {
				t.Fatalf("new generation: got %d, %v, want 1", g, err)
			}
		}
		mustCommit(t, c, m) // of the generation that is over by now
		mustCommit(t, c, staged(table, epoch, rng(1, 3, 4)))
		if _, err := c.Assign(ctx, Claim{TableID: table}); err != nil {
			t.Fatal(err)
		}
		mustCommit(t, c, m) // it was ours, though the epoch is stale by now
		wantDiff(t, "ranges", []string{"p0 [0,5)", "p0.g1 [3,4)"}, ranges(entries(t, c, LedgerQuery{TableID: table, Partition: -1})))
		if err := c.Begin(ctx, Begin{TableID: table, Epoch: epoch + 1, Start: 7}); !errors.As(err, &conflict) {
			t.Errorf("begin elsewhere: got %v, want ConflictError", err)
		}
	})
}
