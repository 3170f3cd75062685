package builder

import (
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// postgresEnv names the server that a part of the suite also runs against.
const postgresEnv = "TIDEMARK_TEST_POSTGRES"

const onPostgres = "TestOnPostgres"

// The tests that lean on what the two databases do differently run on PostgreSQL too: what is serial there is so by locks
// and not by a single writer, and an answer may get lost on the way. newDSN knows them by their names.
func TestOnPostgres(t *testing.T) {
	if os.Getenv(postgresEnv) == "" {
		t.Skipf("%s is not set", postgresEnv)
	}
	for _, test := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"build", TestBuild},
		{"build planned", TestBuildPlanned},
		{"build idempotent", TestBuildIdempotent},
		{"build waits for staging", TestBuildWaitsForStaging},
		{"merge", TestMerge},
		{"drop and fill", TestDropAndFill},
		{"drop replaced", TestDropReplaced},
		{"drop of its revision", TestDropIsOfItsRevision},
		{"drop moves the front", TestDropMovesTheFront},
		{"cancelled backfill", TestCancelledBackfillIsUndone},
		{"plan as a whole", TestPlanIsDoneAsAWhole},
		{"rebuild", TestRebuildEqual},
		{"rebuild of dropped segments", TestRebuildDroppedSegments},
		{"rebuild of a dropped table", TestRebuildDroppedTable},
		{"refresh of a slice", TestRefreshSlice},
		{"maintain refreshes changed", TestMaintainRefreshesChanged},
		{"maintain retires", TestMaintainRetires},
		{"clean-up", TestCleanupSim},
		{"backup and restore", TestBackupRestore},
		{"cut by age", TestRunCutsByAge},
		{"take-over", TestRunTakesOver},
		{"passes ask once", TestIdlePassesAskOnce},
		{"planners", TestSimPlanners},
	} {
		t.Run(test.name, test.run)
	}
}

// newDSN makes an empty database: a SQLite file, or below TestOnPostgres one of the server, which the end of the test drops.
// A schema would not do: migrations wait for a lock of the whole database, in virtual time for no time at all.
func newDSN(t testing.TB) string {
	t.Helper()
	if !strings.HasPrefix(t.Name(), onPostgres+"/") {
		return filepath.Join(t.TempDir(), "catalog.db")
	}
	base := os.Getenv(postgresEnv)
	db, err := sql.Open("pgx", base)
	must(t, err)
	name := "test_" + strings.ToLower(rand.Text())
	if _, err := db.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatalf("make database on %s: %v", postgresEnv, err)
	}
	t.Cleanup(func() {
		if _, err := db.Exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("drop database: %v", err)
		}
		must(t, db.Close())
	})
	u, err := url.Parse(base)
	must(t, err)
	u.Path = "/" + name
	return u.String()
}
