package plan_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/tidemarkdb/tidemark/query/plan"
)

// The files under testdata/plan hold statements over the table and the cube of world_test.go. "plan" prints what becomes of one;
// "plan approximate" lets sketches answer.
func TestPlans(t *testing.T) {
	w := newWorld(t)
	datadriven.Walk(t, "testdata/plan", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd != "plan" {
				d.Fatalf(t, "unknown command %q", d.Cmd)
			}
			st, err := w.analyse(t, d.Input, d.HasArg("approximate"))
			var wrong *plan.Error
			if errors.As(err, &wrong) {
				return fmt.Sprintf("error at %d: %v\n", wrong.Pos, wrong)
			}
			if err != nil {
				return fmt.Sprintf("refused: %v\n", err)
			}
			return w.describe(t, st)
		})
	})
}
