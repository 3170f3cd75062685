package duck

import (
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTreeKeepsAll (D2): what a tree is written as is what DuckDB said, but for the order of fields.
func TestTreeKeepsAll(t *testing.T) {
	db := open(t)
	c, err := db.acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.release(c, false)
	for _, sql := range statements(t) {
		want, err := c.tree(sql)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		var beside rest
		q, err := readStatement(want.elems[0], &beside)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		got, err := parseJSON(string(appendNode(nil, q)))
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		if diff := cmp.Diff(flat(want.elems[0].get("node")), flat(got)); diff != "" {
			t.Errorf("%s: (-DuckDB +ours)\n%s", sql, diff)
		}
	}
}

// flat lists the scalars of JSON with their paths.
func flat(v value) []string {
	var out []string
	var walk func(path string, v value)
	walk = func(path string, v value) {
		for _, f := range v.fields {
			walk(path+"."+f.name, f.value)
		}
		for i, e := range v.elems {
			walk(path+"["+string(rune('0'+i))+"]", e)
		}
		if v.kind() != '{' && v.kind() != '[' {
			out = append(out, path+"="+v.raw)
		}
	}
	walk("", v)
	slices.Sort(out)
	return out
}

// TestCompile (D3): the SQL of a tree is the same tree again, and its own SQL.
func TestCompile(t *testing.T) {
	db := open(t)
	for _, sql := range statements(t) {
		s := parse(t, db, sql)
		c, err := db.Compile(t.Context(), s.Query)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		again, err := db.Text(t.Context(), c.Query)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
		} else if again != c.Text && !strings.Contains(c.Text, "VALUES") { // has a SELECT more around it each time
			t.Errorf("%s:\nfirst  %s\nsecond %s", sql, c.Text, again)
		}
	}
}

// TestClone: what is done to a copy is not done to the tree.
func TestClone(t *testing.T) {
	db := open(t)
	for _, sql := range statements(t) {
		q := parse(t, db, sql).Query
		before := string(appendNode(nil, q))
		dup := Clone(q)
		if !(comparer{strict: true}).nodes(q, dup) {
			t.Errorf("%s: the copy differs", sql)
		}
		seen := map[Node]bool{}
		Walk(q, func(n Node) bool { seen[n] = true; return true })
		Walk(dup, func(n Node) bool {
			if seen[n] {
				t.Errorf("%s: the copy shares a %T", sql, n)
			}
			return true
		})
		Rewrite(dup, func(n Node) Node {
			switch n := n.(type) {
			case *Column:
				n.Names[0] = "changed"
			case *TableRef:
				n.Name = "changed"
			case *Constant:
				return NewConstant("changed")
			}
			return n
		})
		if string(appendNode(nil, q)) != before {
			t.Errorf("%s: changed by a copy's change", sql)
		}
	}
}

func TestEqual(t *testing.T) {
	db := open(t)
	item := func(sql string) Expr { return parse(t, db, "SELECT "+sql+" FROM t").Query.(*Select).Items[0] }
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"date_trunc('day', ts)", "DATE_TRUNC('day',  TS) AS d", true},
		{"a + b", "b + a", false},
		{"a", "\"A\"", true},
		{"t.a", "a", false},
		{"1", "1.0", false},
		{"1", "1", true},
		{"'a'", "'A'", false},
		{"sum(a)", "sum(DISTINCT a)", false},
		{"sum(a)", "sum(a) FILTER (WHERE b)", false},
		{"a = 1", "a <> 1", false},
		{"a AND b", "a OR b", false},
		{"a IN (1, 2)", "a IN (1, 3)", false},
		{"a IN (1, 2)", "a NOT IN (1, 2)", false},
		{"CAST(a AS INT)", "TRY_CAST(a AS INT)", false},
		{"CAST(a AS DECIMAL(4, 2))", "CAST(a AS DECIMAL(4, 3))", false},
		{"a::INT[]", "a::BIGINT[]", false},
		{"(SELECT a AS x)", "(SELECT a)", true},
		{"list(a ORDER BY b)", "list(a ORDER BY b DESC)", false},
		{"sum(a) OVER (ORDER BY b ROWS 1 PRECEDING)", "sum(a) OVER (ORDER BY b RANGE 1 PRECEDING)", false},
	} {
		if got := Equal(item(tc.a), item(tc.b)); got != tc.want {
			t.Errorf("Equal(%s, %s) = %t, want %t", tc.a, tc.b, got, tc.want)
		}
	}
}

// TestNodesMadeByHand: every kind that a plan makes is written as SQL that reads as the same.
func TestNodesMadeByHand(t *testing.T) {
	db := open(t)
	col := func(name string) *Column { return &Column{Names: []string{name}} }
	q := &Select{
		With: []*CTE{{Name: "w", Columns: []string{"x"}, Query: &Select{Items: []Expr{NewConstant(1)}}}},
		Items: []Expr{
			&Function{Head: Head{As: "s"}, Name: "sum", Args: []Expr{col("a")}, Filter: &IsNull{X: col("b"), Not: true}},
			&Function{Name: "+", Args: []Expr{col("a"), NewConstant(1)}, IsOperator: true},
			&Cast{X: NewConstant("2026-01-01"), To: Type{Name: "TIMESTAMP"}},
			&Cast{X: col("a"), To: Type{Name: "DECIMAL", Precision: 10, Scale: 2}, Try: true},
			&Case{Whens: []*When{{If: col("a"), Then: NewConstant(1.5)}}, Else: NewConstant(nil)},
			&Operator{Op: "OPERATOR_COALESCE", Args: []Expr{col("a"), NewConstant("it's")}},
			&SubqueryExpr{Kind: "SCALAR", Query: &Select{Items: []Expr{NewConstant(2)}}},
			&SubqueryExpr{Kind: "ANY", X: col("a"), Op: "=", Query: &Select{Items: []Expr{NewConstant(3)}}},
			&Window{Name: "sum", Args: []Expr{col("a")}, Partition: []Expr{col("b")}, Order: []*Order{{X: col("c"), Desc: true}}},
			NewConstant(int64(1) << 60), NewConstant(new(big.Int).Lsh(big.NewInt(-1), 100)), NewConstant(true),
			&Param{Name: "1"}, &Star{},
		},
		From: &Join{
			Left: &Join{
				Left: &TableRef{Head: Head{As: "t"}, Name: "__tm_block_0"}, Right: &TableRef{Schema: "s", Name: "u"},
				On: &Comparison{Op: "<=", Left: col("a"), Right: col("b")}, Type: "LEFT", Ref: "REGULAR",
			},
			Right: &Subquery{Head: Head{As: "q"}, Query: &SetOperation{
				Type: "UNION", All: true, Left: &Select{Items: []Expr{NewConstant(1)}}, Right: &Select{Items: []Expr{NewConstant(2)}},
			}, Columns: []string{"k"}},
			Type: "INNER", Ref: "CROSS",
		},
		Where: &Logic{Args: []Expr{
			&Not{X: &In{X: col("a"), List: []Expr{NewConstant(1), NewConstant(2)}}},
			&Between{X: col("a"), Lower: NewConstant(1), Upper: NewConstant(2)},
			&Logic{Or: true, Args: []Expr{col("x y"), &IsNull{X: col("select")}}},
		}},
		Groups: []Expr{col("b")}, Sets: [][]int{{0}, {}}, Having: col("h"), Qualify: col("q"),
		Modifiers: Modifiers{
			Distinct: &Distinct{}, Order: []*Order{{X: NewConstant(1), Desc: true, Nulls: "FIRST"}},
			Limit: &Limit{Limit: NewConstant(10), Offset: NewConstant(2)},
		},
	}
	s, err := db.Compile(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`sum(a) FILTER (WHERE (b IS NOT NULL)) AS s`, `(a + 1)`, `TRY_CAST(a AS DECIMAL(10,2))`, `'it''s'`, `"x y"`, `"select"`,
		`__tm_block_0 AS t LEFT JOIN s.u`, `LIMIT 10 OFFSET 2`, `SELECT DISTINCT`,
	} {
		if !strings.Contains(s.Text, want) {
			t.Errorf("%q is missing in %s", want, s.Text)
		}
	}
}

// TestTextOfExpressions: an expression by itself is SQL too.
func TestTextOfExpressions(t *testing.T) {
	db := open(t)
	for sql, want := range map[string]string{
		"a + 1 AS x": "(a + 1) AS x", "sum(DISTINCT b)": "sum(DISTINCT b)", "'it''s'": "'it''s'", "1.5e0": "CAST('1.5' AS DOUBLE)",
	} {
		e := parse(t, db, "SELECT "+sql).Query.(*Select).Items[0]
		if got, err := db.Text(t.Context(), e); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", sql, got, err, want)
		}
	}
	if _, err := db.Text(t.Context(), &TableRef{Name: "t"}); err == nil {
		t.Error("a table is no SQL by itself")
	}
}

// TestConstants (D2): no number loses digits on its way through JSON.
func TestConstants(t *testing.T) {
	db := open(t)
	q := parse(t, db, "SELECT 9007199254740993, 9223372036854775807, 9223372036854775808, -12345678901234567890123, 1.50, 1e10, 'x', NULL, 99999999999999999999999999999999.999999, 0.001")
	want := []string{
		"9007199254740993", "9223372036854775807", "9223372036854775808", "-12345678901234567890123", "1.50", "1e+10", "x", "<nil>",
		"99999999999999999999999999999999.999999", "0.001",
	}
	var got []string
	for _, e := range q.Query.(*Select).Items {
		c, ok := e.(*Constant)
		if !ok {
			t.Fatalf("%T is no constant", e)
		}
		got = append(got, c.Value.plain())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
