//go:build e2e

package query_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
)

// Random statements have the oracle's answer where cuboids are in a real HBase.
func TestE2ERandomStatementsOfHBase(t *testing.T) {
	script := os.Getenv("TIDEMARK_TEST_HBASE_SCRIPT")
	if script == "" {
		t.Skip("TIDEMARK_TEST_HBASE_SCRIPT is not set (make e2e sets it)")
	}
	if out, err := exec.Command(script, "start").CombinedOutput(); err != nil {
		t.Fatalf("%s start: %v\n%s", script, err, out)
	}
	tables, err := hbase.Open(hbase.Options{Quorum: os.Getenv("TIDEMARK_TEST_HBASE"), Prefix: fmt.Sprintf("e2equery%d", os.Getpid())})
	must(t, err)
	t.Cleanup(func() {
		ctx := context.Background()
		list, err := tables.Tables(ctx)
		if err == nil {
			for _, table := range list {
				_ = tables.Drop(ctx, table.Name) // what stays goes with the server
			}
		}
		tables.Close()
	})
	randomStatements(t, tables)
}
