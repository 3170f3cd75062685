package duck

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/google/go-cmp/cmp"
)

// TestErrors: each mistake is told with its kind, its place, and where there is one a hint.
func TestErrors(t *testing.T) {
	db := open(t)
	for _, tc := range []struct {
		sql, kind string
		at        string // what the error points at
		message   string
		hint      string
	}{
		{"SELECT AND", "parser", "AND", `syntax error at or near "AND"`, ""},
		{"SELECT 1 FROM", "parser", "", "syntax error at end of input", ""},
		{"SELECT\n  'a\nFROM t", "parser", "'a", "unterminated quoted string", ""},
		{"", "parser", "", "no statement", "write a SELECT"},
		{"SELECT a, b FROM t", "binder", "b FROM", `Referenced column "b" not found`, `candidate bindings: "a"`},
		{"SELECT a FROM t\nWHERE  bogus = 1", "binder", "bogus", `Referenced column "bogus" not found`, "candidate"},
		{"SELECT x.a FROM t", "binder", "x.a", `Referenced table "x" not found`, `candidate tables: "t"`},
		{"SELECT a FROM tt", "catalog", "tt", `table "tt" does not exist`, `did you mean "t"?`},
		{"SELECT summ(a) FROM t", "catalog", "summ", "function summ does not exist", "did you mean sum?"},
		{"SELECT a FROM rang(1)", "catalog", "rang", "table function rang does not exist", "did you mean range?"},
		{"SELECT a + s FROM t", "binder", "+ s", "No function matches the given name and argument types '+(BIGINT, VARCHAR)'", "candidates: +(TINYINT) -> TINYINT"},
		{"SELECT a, count(*) FROM t", "binder", "a,", `column "a" must appear in the GROUP BY clause`, ""},
		{"SELECT CAST('x' AS INT)", "conversion", "CAST", "Could not convert string 'x' to INT32", ""},
		{"SELECT a::UUID FROM t", "conversion", "", "Unimplemented type for cast", ""},
		{"SELECT a AS x FROM t WHERE sum(a) > 1", "binder", "sum", "WHERE clause cannot contain aggregates", ""},
		{"SELECT 9223372036854775807 + a FROM t", "out of range", "", "Overflow in addition of INT64", ""},
		{"SELECT 'ä', bogus", "binder", "bogus", `Referenced column "bogus" was not found because the FROM clause is missing`, ""},
		{"SELECT 'x' COLLATE bogus", "catalog", "", "Collation with name bogus does not exist", ""},
		{"SELECT error('mine')", "invalid input", "", "mine", ""},
		{"SELECT 1\x00", "parser", "\x00", "a zero byte", ""},
		{"SELECT '\xff'", "parser", "\xff", "bytes that are not UTF-8", ""},
		{"SELECT $a, $1", "unsupported", "", "Mixing named and positional parameters", ""},
		{"SELECT " + strings.Repeat("lower(", 3000) + "1" + strings.Repeat(")", 3000), "parser", "", "Max expression depth limit of 1000 exceeded", ""},
	} {
		_, err := answer(t, db, tc.sql, []Table{small(t)})
		if err == nil {
			t.Errorf("%.60q: no error", tc.sql)
			continue
		}
		e := asError(t, err)
		if e.Kind != tc.kind || !strings.Contains(e.Message, tc.message) || !strings.HasPrefix(e.Hint, tc.hint) {
			t.Errorf("%.60q:\ngot  %s: %s; %s\nwant %s: %s; %s", tc.sql, e.Kind, e.Message, e.Hint, tc.kind, tc.message, tc.hint)
		}
		if tc.at != "" && (e.Offset < 0 || !strings.HasPrefix(tc.sql[e.Offset:], tc.at)) {
			t.Errorf("%.60q: points at byte %d, want %q", tc.sql, e.Offset, tc.at)
		}
		if strings.Contains(e.Error(), "LINE ") || strings.Contains(e.Error(), "{\"exception") {
			t.Errorf("%.60q: the message is not taken apart: %s", tc.sql, e)
		}
	}
}

func TestLineAndColumn(t *testing.T) {
	db := open(t)
	_, err := db.Parse(t.Context(), "SELECT 'äöü',\n\t'ä' AND AND")
	e := asError(t, err)
	if diff := cmp.Diff([]int{2, 10, 27}, []int{e.Line, e.Column, e.Offset}); diff != "" {
		t.Errorf("%s: %s", e, diff)
	}
	if want := `line 2, column 10: syntax error at or near "AND"`; e.Error() != want {
		t.Errorf("got %s, want %s", e, want)
	}
}

// TestErrorsOfTrees: an error of a statement that was written from a tree points into the text that the tree came from.
func TestErrorsOfTrees(t *testing.T) {
	db := open(t)
	const sql = "SELECT    a,    s +    1    FROM   t   WHERE    bogus"
	s, err := db.Compile(t.Context(), parse(t, db, sql).Query)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Query(t.Context(), s, []Table{small(t)})
	e := asError(t, err).In(sql)
	if e.Offset < 0 || !strings.HasPrefix(sql[e.Offset:], "bogus") || e.Column != strings.Index(sql, "bogus")+1 {
		t.Errorf("%v at byte %d, column %d, of %s", e, e.Offset, e.Column, s.Text)
	}
}

// TestScanError: what a Scan returns is what the statement's reader gets.
func TestScanError(t *testing.T) {
	db := open(t)
	want := errors.New("disk on fire")
	for _, after := range []int{0, 1} {
		in := small(t)
		scan := in.Scan
		in.Scan = func(ctx context.Context, columns []int) iter.Seq2[arrow.Record, error] {
			return func(yield func(arrow.Record, error) bool) {
				for range after {
					for rec, err := range scan(ctx, columns) {
						yield(rec, err)
					}
				}
				yield(nil, want)
			}
		}
		_, err := answer(t, db, "SELECT sum(a) FROM t", []Table{in})
		if !errors.Is(err, want) || !strings.Contains(err.Error(), `table "t"`) {
			t.Errorf("after %d records: got %v, want %v", after, err, want)
		}
		if got, err := answer(t, db, "SELECT 1", nil); err != nil {
			t.Errorf("the next statement: %s, %v", got, err)
		}
	}
}

// TestWrongTables: what cannot be read is refused, and leaves the connection as it was.
func TestWrongTables(t *testing.T) {
	db := open(t)
	s := parse(t, db, "SELECT 1")
	ok := small(t)
	for name, tables := range map[string][]Table{
		"twice":    {ok, ok},
		"no name":  {{Schema: ok.Schema}},
		"a view's": {{Name: "PG_class", Schema: ok.Schema}},
		"a file's": {{Name: "x.csv", Schema: ok.Schema}},
		"no type":  {{Name: "x", Schema: fields("d", arrow.FixedWidthTypes.Duration_s)}},
	} {
		if _, err := db.Query(t.Context(), s, tables); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for range db.opts.MaxConns + 1 {
		if _, err := answer(t, db, "SELECT * FROM t", []Table{ok}); err != nil {
			t.Error(err)
		}
	}
}
