//go:build !race

// What the race detector sees here it sees of the same tests on SQLite.

package builder

import (
	"os"
	"testing"
)

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
