package duck

import (
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
)

func TestEval(t *testing.T) {
	db := open(t)
	rec := record(t, fields("a", arrow.PrimitiveTypes.Int64, "s", arrow.BinaryTypes.String),
		`[{"a": 1, "s": "x"}, {"a": null, "s": "yy"}, {"a": 3, "s": null}]`)
	items := parse(t, db, "SELECT a * 2 AS x, upper(s), a > 1 OR s = 'x', CASE WHEN a IS NULL THEN 0 ELSE 1 END").Query.(*Select).Items
	out, err := db.Eval(t.Context(), items, rec)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range int(out.NumRows()) {
		var row []string
		for _, c := range out.Columns() {
			row = append(row, c.ValueStr(i))
		}
		got = append(got, strings.Join(row, "|"))
	}
	if want := "2|X|true|1 (null)|YY|(null)|0 6|(null)|true|1"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", strings.Join(got, " "), want)
	}
	if name := out.Schema().Field(0).Name; name != "x" {
		t.Errorf("the first column is %s, want x", name)
	}
}

// TestEvalManyRows: rows come out in the order in which they went in, across chunks and records.
func TestEvalManyRows(t *testing.T) {
	db := open(t)
	var sb strings.Builder
	const n = 10_000
	for i := range n {
		sb.WriteString(`{"a": ` + strings.Repeat("1", i%18+1) + "},")
	}
	rec := record(t, fields("a", arrow.PrimitiveTypes.Int64), "["+strings.TrimSuffix(sb.String(), ",")+"]")
	out, err := db.Eval(t.Context(), parse(t, db, "SELECT length(a::VARCHAR)").Query.(*Select).Items, rec)
	if err != nil {
		t.Fatal(err)
	}
	if out.NumRows() != n {
		t.Fatalf("%d rows, want %d", out.NumRows(), n)
	}
	for i := range n {
		if got, want := out.Column(0).ValueStr(i), len(rec.Column(0).ValueStr(i)); got != strings.TrimSpace(itoa(want)) {
			t.Fatalf("row %d: got %s, want %d", i, got, want)
		}
	}
	none, err := db.Eval(t.Context(), parse(t, db, "SELECT a + 1").Query.(*Select).Items, rec.NewSlice(0, 0))
	if err != nil || none.NumRows() != 0 || none.NumCols() != 1 {
		t.Errorf("of no rows: %v, %v", none, err)
	}
}

func itoa(n int) string { return bigInt("0").SetInt64(int64(n)).String() }

func TestEvalRefuses(t *testing.T) {
	db := open(t)
	rec := record(t, fields("a", arrow.PrimitiveTypes.Int64), `[{"a": 1}, {"a": 2}]`)
	for _, tc := range []struct{ expr, names string }{
		{"sum(a)", "sum"},
		{"random()", "random"},
		{"unnest([a])", "unnest"},
		{"(SELECT 1)", "a subquery"},
		{"a IN (SELECT 1)", "a subquery"},
		{"row_number() OVER ()", "a window"},
		{"*", "a star"},
		{"COLUMNS('a')", "a star"},
		{"?", "a parameter"},
		{"1 + uuid()::VARCHAR::INT", "uuid"},
		{"generate_subscripts([1, 2], 1)", "generate_subscripts"},
		{"list_transform([1], lambda x: x + random())", "random"},
	} {
		items := parse(t, db, "SELECT "+tc.expr).Query.(*Select).Items
		_, err := db.Eval(t.Context(), items, rec)
		if err == nil {
			t.Errorf("%s: computed", tc.expr)
			continue
		}
		if e := asError(t, err); e.Kind != KindRefused || !strings.Contains(e.Message, tc.names) {
			t.Errorf("%s: got %s: %v, want it refused with %q", tc.expr, e.Kind, err, tc.names)
		}
	}
	_, err := db.Eval(t.Context(), parse(t, db, "SELECT b + 1").Query.(*Select).Items, rec)
	if e := asError(t, err); e.Kind != "binder" || e.Offset != len("SELECT ") {
		t.Errorf("an unknown column: got %s at %d: %v", e.Kind, e.Offset, err)
	}
}
