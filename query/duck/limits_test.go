package duck

import (
	"fmt"
	"strings"
	"testing"
)

func nest(open, inner, end string, n int) string {
	return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
}

// each joins what f makes of 0 to n-1.
func each(n int, f func(i int) string) string {
	var sb strings.Builder
	for i := range n {
		sb.WriteString(f(i))
	}
	return sb.String()
}

// TestLimits: what DuckDB would plan for too long is refused before, with the limit; what is just below it is not.
func TestLimits(t *testing.T) {
	db := open(t)
	for _, tc := range []struct {
		name string
		sql  func(n int) string
		most int
		says string
	}{
		{"and", func(n int) string { return "SELECT true" + strings.Repeat(" AND true", n) }, maxConditions, "AND and OR, at most 4000; use IN"},
		{"or", func(n int) string { return "SELECT true" + strings.Repeat("\nor\ttrue", n) }, maxConditions, "AND and OR"},
		{"unions", func(n int) string { return "SELECT 1" + strings.Repeat(" UNION ALL SELECT 1", n) }, maxUnions, "UNION, at most"},
		{"excepts", func(n int) string { return "SELECT 1" + strings.Repeat(" EXCEPT SELECT 1", n) }, maxDifferences, "EXCEPT and INTERSECT"},
		{"comments", func(n int) string { return nest("/* ", "", " */", n) + "SELECT 1" }, maxComments, "comments, at most"},
		{"plus", func(n int) string { return "SELECT 1" + strings.Repeat("+a", n-1) + " FROM t" }, maxNesting, "expressions are nested more than 100 deep"},
		{"calls", func(n int) string { return "SELECT " + nest("lower(", "'a'", ")", n-1) }, maxNesting, "expressions are nested"},
		{"scalar subqueries", func(n int) string { return "SELECT " + nest("(SELECT ", "1", ")", n) }, maxSubqueryNesting, "subqueries and lambdas are nested"},
		{"exists", func(n int) string { return "SELECT " + nest("EXISTS (SELECT ", "1", ")", n) }, maxSubqueryNesting, "subqueries and lambdas are nested"},
		{"lambdas", func(n int) string { return "SELECT " + nest("list_transform([1], lambda x: ", "1", ")", n) }, maxSubqueryNesting, "subqueries and lambdas are nested"},
		{"many subqueries", func(n int) string { return "SELECT 1" + strings.Repeat(", (SELECT 1)", n) }, maxSubqueries, "subqueries in expressions, at most 64"},
		{"joins", func(n int) string {
			return "SELECT 1 FROM t t0" + each(n-1, func(i int) string { return fmt.Sprintf(", t t%d", i+1) })
		}, maxJoined, "more than 50 tables are joined"},
		{"joins of queries", func(n int) string {
			return "SELECT 1 FROM (SELECT * FROM t, t u) v" + each(n-2, func(i int) string { return fmt.Sprintf(", t t%d", i+1) })
		}, maxJoined, "more than 50 tables are joined"},
		{"withs", func(n int) string {
			return "WITH a AS (SELECT x.a FROM t x, t y) SELECT 1 FROM a a0" + each(n/2-1, func(i int) string { return fmt.Sprintf(", a a%d", i+1) }) + strings.Repeat(", t", n%2)
		}, maxJoined, "more than 50 tables are joined"},
		{"ctes", func(n int) string {
			return "WITH a0 AS (SELECT 1)" + each(n-1, func(i int) string { return fmt.Sprintf(", a%d AS (FROM a%d)", i+1, i) }) + " SELECT 2"
		}, maxWith, "queries in WITH, at most"},
		{"work", func(n int) string { return "SELECT 1" + strings.Repeat(", "+nest("lower(", "'a'", ")", 90), n) }, maxNestingWork / 121_836, "deeply nested"},
	} {
		if _, err := db.Parse(t.Context(), tc.sql(tc.most)); err != nil {
			t.Errorf("%s, %d: %v", tc.name, tc.most, err)
		}
		_, err := db.Parse(t.Context(), tc.sql(tc.most+1))
		if err == nil {
			t.Errorf("%s, %d: not refused", tc.name, tc.most+1)
		} else if e := asError(t, err); e.Kind != KindRefused || !strings.Contains(e.Error(), tc.says) || e.Hint == "" {
			t.Errorf("%s, %d: got %s: %v, want it refused with %q", tc.name, tc.most+1, e.Kind, err, tc.says)
		}
	}
}

// TestHugeStatements: text that is long or nested deep is answered or refused, and never ends the process.
func TestHugeStatements(t *testing.T) {
	db := open(t)
	const n = 20_000
	for name, sql := range map[string]string{
		"not":         "SELECT " + strings.Repeat("NOT ", n) + "true",
		"minus":       "SELECT " + strings.Repeat("- ", n) + "1",
		"concat":      "SELECT 'a'" + strings.Repeat("||'a'", n),
		"casts":       "SELECT 1" + strings.Repeat("::INT", n),
		"elements":    "SELECT x" + strings.Repeat("[1]", n),
		"names":       "SELECT a" + strings.Repeat(".a", n),
		"methods":     "SELECT a" + strings.Repeat(".lower()", n),
		"brackets":    "SELECT " + nest("(", "1", ")", n),
		"open only":   "SELECT " + strings.Repeat("(", n),
		"lists":       "SELECT " + nest("[", "1", "]", n),
		"structs":     "SELECT " + nest("{'a':", "1", "}", n),
		"cases":       "SELECT " + nest("CASE WHEN true THEN ", "1", " END", n),
		"from":        "SELECT * FROM " + nest("(SELECT * FROM ", "t", ")", n),
		"from only":   nest("FROM (", "FROM t", ")", n),
		"with":        nest("WITH a AS (", "SELECT 1", ") SELECT 1", n),
		"joins":       "SELECT * FROM t" + strings.Repeat(" CROSS JOIN t", n),
		"commas":      "SELECT * FROM t" + strings.Repeat(", t", n),
		"join nests":  "SELECT * FROM " + nest("(", "t", " CROSS JOIN t)", n),
		"types":       "SELECT NULL::" + nest("STRUCT(a ", "INT", ")", n),
		"list types":  "SELECT NULL::INT" + strings.Repeat("[]", n),
		"pivots":      "FROM t" + strings.Repeat(" PIVOT (sum(a) FOR b IN (1))", n/10),
		"sets":        "SELECT 1 FROM t GROUP BY " + nest("GROUPING SETS (", "a", ")", n),
		"cube":        "SELECT 1 FROM t GROUP BY CUBE (a" + strings.Repeat(",a", 40) + ")",
		"set product": "SELECT 1 FROM t GROUP BY ROLLUP (a)" + strings.Repeat(", ROLLUP (a)", 40),
		"order":       "SELECT 1 ORDER BY 1" + strings.Repeat(",1", n),
		"too long":    "SELECT '" + strings.Repeat("x", db.opts.MaxTextBytes) + "'",
	} {
		s, err := db.Parse(t.Context(), sql)
		if err != nil {
			if e := asError(t, err); e.Kind == KindInternal || len(e.Error()) > 300 {
				t.Errorf("%s: %s: %.400s", name, e.Kind, err)
			}
			continue
		}
		if _, err := db.Describe(t.Context(), s, []Table{small(t)}); err != nil {
			asError(t, err)
		}
	}
}

// TestLongLists: a text of a megabyte and 10,000 values are ordinary.
func TestLongLists(t *testing.T) {
	db := open(t)
	values := each(10_000, func(i int) string { return fmt.Sprintf("%d, ", i) }) + "10000"
	got, err := answer(t, db, "SELECT count(*) FROM t WHERE a IN ("+values+")", []Table{small(t)})
	if want := "int64\n2"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	s := parse(t, db, "SELECT count(*) FROM t WHERE a IN ("+values+")")
	if _, err := db.Compile(t.Context(), s.Query); err != nil {
		t.Error(err)
	}
	long := strings.Repeat("x", 1<<20)
	got, err = answer(t, db, "SELECT length('"+long+"')", nil)
	if want := "int64\n1048576"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}
