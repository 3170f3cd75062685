package plan_test

import (
	"fmt"
	"strings"
	"testing"
)

// What is long takes time by its length, and what would double with every name is left to DuckDB.
func TestLongStatements(t *testing.T) {
	w := newWorld(t)
	var days, names, conds []string
	for i := range 10_000 {
		days = append(days, fmt.Sprintf("DATE '2000-01-01' + %d", 2*i))
		names = append(names, fmt.Sprintf("'c%d'", i))
		if i < 4000 { // what query/duck takes
			conds = append(conds, fmt.Sprintf("ts::date = DATE '2000-01-01' + %d", 2*i))
		}
	}
	doubled := []string{"bytes AS c0"}
	for i := range 40 {
		doubled = append(doubled, fmt.Sprintf("c%d + c%d AS c%d", i, i, i+1))
	}
	nested := "SELECT bytes + bytes + bytes + bytes + bytes + bytes AS x, country FROM views"
	for range 12 {
		nested = "SELECT x + x + x + x + x + x + x + x AS x, country FROM (" + nested + ")"
	}
	for name, c := range map[string]struct {
		sql   string
		block bool
	}{
		"days in a list":    {"SELECT count(*) FROM views WHERE ts::date IN (" + strings.Join(days, ", ") + ")", true},
		"names in a list":   {"SELECT count(*) FROM views WHERE country IN (" + strings.Join(names, ", ") + ")", true},
		"days one by one":   {"SELECT count(*) FROM views WHERE " + strings.Join(conds, " OR "), true},
		"names that double": {"SELECT " + strings.Join(doubled, ", ") + ", count(*) FROM views GROUP BY ALL", false},
		"views that double": {"SELECT x, count(*) FROM (" + nested + ") GROUP BY x", false},
	} {
		t.Run(name, func(t *testing.T) {
			st, err := w.analyse(t, c.sql, false)
			if err != nil {
				t.Fatal(err)
			}
			if got := len(st.Blocks) == 1; got != c.block {
				t.Fatalf("a block: got %t, want %t", got, c.block)
			}
			for _, b := range st.Blocks {
				if needs, lacks := b.Need(w.layout(t, "views_cube"), w.cubes["views_cube"]); lacks != nil || len(needs) == 0 {
					t.Errorf("%d needs, lacks %v", len(needs), lacks)
				}
			}
		})
	}
}
