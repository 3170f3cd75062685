//go:build !race

// One statement at a time: the race detector sees more in those that run at once.

package query_test

import (
	"testing"

	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
)

func TestStatements(t *testing.T) { fixed(t).statements(t) }

// Random statements over random worlds have the oracle's answer, whichever way they are answered. A failure names the seed of its world
// (TIDEMARK_TEST_WORLD asks of this one again), and rapid that of the statement, which it makes smaller.
func TestRandomStatements(t *testing.T) { randomStatements(t, nil) }

// The same of cuboids in tables of HBase.
func TestRandomStatementsOfTables(t *testing.T) {
	tables, _, err := hbase.OpenMem(hbase.Options{Quorum: "none"})
	must(t, err)
	t.Cleanup(tables.Close)
	randomStatements(t, tables)
}
