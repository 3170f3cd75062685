package cube_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

// C5: what a definition may say as a cron is what the planner reads, no more and no less. The two do not import each other,
// so they are compared here.
func TestCronsAgreeWithThePlanner(t *testing.T) {
	check := func(t interface{ Errorf(string, ...any) }, spec string) {
		c := &cube.Cube{Name: "c", Table: "t", Dimensions: []cube.Dimension{{Column: "a"}}, Cut: cube.CutRules{Crons: []cube.Cron{{Cron: spec}}}}
		mine := c.Validate(nil)
		_, theirs := plan.ParseCron(spec, time.UTC)
		if (mine == nil) != (theirs == nil) {
			t.Errorf("%q: a definition says %v, the planner %v", spec, mine, theirs)
		}
	}
	for _, spec := range []string{
		"* * * * *", "", "0 0 30 feb *", "0 0 30 feb */2", "0 0 30 feb mon", "0 0 31 4,6,9,11 *", "0 0 29 2 *", "*/59 * * * *", "*/60 * * * *", "0-59/7 0 1,2,3 JAN-dec Sun-sat",
		"+1 * * * *", "01 * * * *", "1- * * * *", "5-4 * * * *", "-1 * * * *", "1,,2 * * * *", "*/ * * * *", "/5 * * * *", "1-5-9 * * * *", "* * * * 7", "* * * * 8", "* * 0 * *", "* * * 13 *", "5/2 * * * *", "* * * * * *", "@daily",
		"\t0  0 * * *\n", "0 0 ? * *", "* * * * mon-7", "* * * * fri-mon", "１ * * * *", "*-5 * * * *", "1_0 * * * *",
	} {
		check(t, spec)
	}
	field := rapid.StringMatching(`(\*|[0-9]{1,2}|[0-9]{1,2}-[0-9]{1,2}|jan|sun-sat|feb)(/[0-9]{1,2})?(,[0-9*]{1,2})?`)
	rapid.Check(t, func(t *rapid.T) {
		fields := make([]string, 5)
		for i := range fields {
			fields[i] = rapid.OneOf(rapid.Just("*"), field).Draw(t, fmt.Sprint(i))
		}
		check(t, strings.Join(fields, " "))
	})
}

// Both sides have the default budget.
func TestBudgetAgreesWithThePlanner(t *testing.T) {
	var got []plan.AgeBudget
	for _, a := range new(cube.Cube).WithDefaults().Merge.Budget {
		got = append(got, plan.AgeBudget{YoungerThan: a.YoungerThan, Segments: a.Segments})
	}
	if d := cmp.Diff(plan.DefaultBudget(), got); d != "" {
		t.Errorf("(-planner +definition):\n%s", d)
	}
}
