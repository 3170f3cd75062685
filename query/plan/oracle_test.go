package plan_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit/ducktest"
	"github.com/tidemarkdb/tidemark/query/plan"
)

// oracle is a DuckDB with the events in a table.
type oracle struct {
	*world
	duck *sql.DB
}

func newOracle(t testing.TB, seed uint64, rows int) *oracle {
	t.Helper()
	o := &oracle{newWorld(t), ducktest.Open(t)}
	o.exec(t, "SET TimeZone = 'UTC'")
	o.exec(t, "CREATE TABLE views_all (_offset BIGINT, _timestamp TIMESTAMP, ts TIMESTAMP, country VARCHAR, lang VARCHAR, page_url VARCHAR, visitor VARCHAR, "+
		"bytes BIGINT, latency DOUBLE, price DECIMAL(12,2), bounce BOOLEAN, day DATE, sent TIMESTAMP, Size BIGINT, shop_id BIGINT)")
	o.exec(t, "CREATE TABLE shops (id BIGINT, city VARCHAR)")
	o.exec(t, "INSERT INTO shops VALUES (1, 'Kiel'), (2, 'Oslo'), (3, NULL)")
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range rows {
		o.exec(t, fmt.Sprintf("INSERT INTO views_all VALUES (%d, TIMESTAMP '2026-03-01' + INTERVAL (%d) SECOND, %s)", i, i, eventSQL(r)))
	}
	for name, r := range o.relations {
		if name == "shops" {
			continue
		}
		var cols []string
		for _, c := range r.Columns {
			if !c.Hidden || name != "views" {
				cols = append(cols, columnSQL(c))
			}
		}
		o.exec(t, fmt.Sprintf("CREATE VIEW %s AS SELECT %s FROM views_all", name, strings.Join(cols, ", ")))
	}
	o.exec(t, `CREATE SCHEMA "default"`)
	o.exec(t, `CREATE VIEW "default".views AS FROM main.views`)
	return o
}

// eventSQL returns a random event, nulls and equal values often among them.
func eventSQL(r *rand.Rand) string {
	pick := func(values ...string) string { return values[r.IntN(len(values))] }
	ts := fmt.Sprintf("TIMESTAMP '2026-02-26' + INTERVAL (%d) MINUTE + INTERVAL (%d) SECOND", r.IntN(20*24*60), r.IntN(2)*r.IntN(60))
	return strings.Join([]string{
		ts, pick("NULL", "'de'", "'fr'", "'DE'", "''"), pick("NULL", "'de'", "'en'"), pick("'/a'", "'/b'", "NULL"), pick("'u1'", "'u2'", "'u3'", "NULL"),
		pick("NULL", "1", "2", "10", "-3"), pick("NULL", "0.5", "1.5", "100"), pick("NULL", "1.25", "2.50", "-1.00"), pick("NULL", "true", "false"),
		pick("NULL", "DATE '2026-03-01'", "DATE '2026-03-02'", "DATE '2025-12-31'"), pick("NULL", "TIMESTAMP '2026-03-01 10:20:00'", "TIMESTAMP '2026-03-01 11:00:00'"),
		pick("NULL", "7", "8"), pick("NULL", "1", "2", "3", "4"),
	}, ", ")
}

// columnSQL computes a column of a relation.
func columnSQL(c plan.Column) string {
	e := c.Of
	switch {
	case c.Lookup != "":
		e = fmt.Sprintf("(SELECT any_value(%s) FROM %s WHERE id = views_all.%s)", c.LookupColumn, c.Lookup, c.Of)
	case c.Step.Zone != nil:
		zoned := fmt.Sprintf("%s AT TIME ZONE 'UTC' AT TIME ZONE '%s'", c.Of, c.Step.Zone)
		e = fmt.Sprintf("(date_trunc('%s', %s) AT TIME ZONE '%s' AT TIME ZONE 'UTC')", c.Step.Grain, zoned, c.Step.Zone)
	case c.Step != plan.Step{}:
		e = fmt.Sprintf("date_trunc('%s', %s)::%s", c.Step, c.Of, plan.SQLType(c.Type))
	}
	return fmt.Sprintf("%s AS %q", e, c.Name)
}

func (o *oracle) exec(t testing.TB, text string) {
	t.Helper()
	if _, err := o.duck.ExecContext(t.Context(), text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// answer returns column names and rows, rows sorted unless ordered.
func (o *oracle) answer(t testing.TB, text string, ordered bool) ([]string, error) {
	t.Helper()
	rows, err := o.duck.QueryContext(t.Context(), text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	for i := range names {
		names[i] += " " + types[i].DatabaseTypeName()
	}
	var out []string
	for rows.Next() {
		row, into := make([]any, len(names)), make([]any, len(names))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		out = append(out, fmt.Sprint(row))
	}
	if !ordered {
		slices.Sort(out)
	}
	return append([]string{strings.Join(names, " | ")}, out...), rows.Err()
}

// install makes a view for each block and scan of a statement.
func (o *oracle) install(t testing.TB, st *plan.Statement) {
	t.Helper()
	scan := func(s *plan.Scan) {
		cols := []string{}
		for _, c := range s.Columns {
			cols = append(cols, columnSQL(c))
		}
		if !slices.ContainsFunc(s.Columns, func(c plan.Column) bool { return c.Name == "ts" }) {
			cols = append(cols, "ts") // for conditions that tests add
		}
		from := "views_all"
		if s.Relation.Lookup != nil {
			from, cols = s.Relation.Name, []string{"*"}
		}
		text := fmt.Sprintf("CREATE OR REPLACE TEMP VIEW %s AS SELECT %s FROM %s", s.Name, strings.Join(cols, ", "), from)
		if s.Relation.Table != nil {
			text += " WHERE " + rangeSQL(s.Relation, s.Time) + " AND " + condSQL(t, s.Relation, s.Where)
		}
		o.exec(t, text)
	}
	for _, s := range st.Scans {
		scan(s)
	}
	for _, b := range st.Blocks {
		scan(b.Raw)
		o.exec(t, fmt.Sprintf("CREATE OR REPLACE TEMP VIEW %s AS %s", b.Name, o.text(t, b.Original)))
	}
}

func rangeSQL(r *plan.Relation, in plan.Range) string {
	return fmt.Sprintf("epoch_us(%s) BETWEEN %d AND %d", r.Table.EventTime.Column, in.Lo, in.Hi)
}

// condSQL writes a condition whose leaves are timed or simple.
func condSQL(t testing.TB, r *plan.Relation, c *plan.Cond) string {
	t.Helper()
	if c == nil {
		return "true"
	}
	var parts []string
	for _, o := range c.Of {
		parts = append(parts, "("+condSQL(t, r, o)+")")
	}
	switch {
	case c.Kind == plan.And:
		return strings.Join(append(parts, "true"), " AND ")
	case c.Kind == plan.Or:
		return strings.Join(append(parts, "false"), " OR ")
	case c.Kind == plan.Not:
		return "NOT " + parts[0]
	case c.Timed:
		parts = []string{"false"}
		for _, in := range c.Times {
			parts = append(parts, rangeSQL(r, in))
		}
		return strings.Join(parts, " OR ")
	case c.Simple == nil:
		t.Fatalf("a condition that is not simple: %s", c)
	}
	return simpleSQL(r, c.Simple)
}

func simpleSQL(r *plan.Relation, s *plan.Simple) string {
	var values []string
	for _, v := range s.Values {
		text := v.String(s.Kind)
		if !v.Null && (s.Kind == cube.Date || s.Kind == cube.Timestamp) {
			text = fmt.Sprintf("%s '%s'", strings.ToUpper(string(s.Kind)), text)
		}
		if s.Kind == cube.Decimal {
			text += "::DECIMAL(18,0) / 100"
		}
		values = append(values, text)
	}
	i := slices.IndexFunc(r.Columns, func(c plan.Column) bool { return c.Name == s.Column })
	column := strings.TrimSuffix(columnSQL(r.Columns[i]), fmt.Sprintf(" AS %q", s.Column))
	not := map[bool]string{true: "NOT "}[s.Not]
	switch s.Op {
	case plan.IsNull:
		return not + "(" + column + " IS NULL)"
	case plan.In:
		return fmt.Sprintf("%s(%s IN (%s))", not, column, strings.Join(values, ", "))
	case plan.Between:
		return fmt.Sprintf("%s(%s BETWEEN %s AND %s)", not, column, values[0], values[1])
	case plan.Prefix:
		return fmt.Sprintf("%s starts_with(%s, %s)", not, column, values[0])
	}
	return fmt.Sprintf("%s(%s %s %s)", not, column, s.Op, values[0])
}

// wholeSQL does what a Whole says.
func wholeSQL(t testing.TB, st *plan.Statement) string {
	w := st.Whole
	name := func(o plan.Output) string {
		if o.Agg {
			return plan.AggColumn(o.Index)
		}
		return plan.GroupColumn(o.Index)
	}
	var items, keys []string
	for _, it := range w.Items {
		items = append(items, fmt.Sprintf("%s AS \"%s\"", name(it.Output), strings.ReplaceAll(it.Name, `"`, `""`)))
	}
	text := fmt.Sprintf("SELECT %s FROM (SELECT * FROM %s", strings.Join(items, ", "), st.Blocks[0].Name)
	if w.Having != nil {
		r := &plan.Relation{}
		for _, l := range w.Having.Leaves() {
			r.Columns = append(r.Columns, plan.Column{Name: l.Simple.Column, Of: l.Simple.Column})
		}
		text += " WHERE " + condSQL(t, r, w.Having)
	}
	for _, o := range w.Order {
		key := "b." + name(o.Output) + map[bool]string{true: " DESC"}[o.Descending] + map[bool]string{true: " NULLS FIRST", false: " NULLS LAST"}[o.NullsFirst]
		keys = append(keys, key)
	}
	text += ") b"
	if len(keys) > 0 {
		text += " ORDER BY " + strings.Join(keys, ", ")
	}
	if w.Limit != nil {
		text += fmt.Sprintf(" LIMIT %d", *w.Limit)
	}
	return text + fmt.Sprintf(" OFFSET %d", w.Offset)
}

// check compares what a statement answers with what its parts answer when they are put together again. It returns false
// where DuckDB refuses the statement.
func (o *oracle) check(t testing.TB, text string) bool {
	t.Helper()
	ordered := strings.Contains(text, "/*ordered*/")
	direct := strings.NewReplacer("now()", "TIMESTAMPTZ '2026-03-15 10:30:00+00'", "current_date", "DATE '2026-03-15'").Replace(text)
	if strings.Contains(text, "_offset") {
		direct = strings.ReplaceAll(direct, " views", " views_all")
	}
	want, wantErr := o.answer(t, direct, ordered)
	st, err := o.analyse(t, text, false)
	if err != nil {
		if wantErr == nil {
			t.Errorf("%s: refused: %v", text, err)
		}
		return false
	}
	o.install(t, st)
	got, gotErr := o.answer(t, o.text(t, st.Root), ordered)
	if (gotErr == nil) != (wantErr == nil) {
		t.Errorf("%s:\ngot error %v\nwant %v\nrest %s", text, gotErr, wantErr, o.text(t, st.Root))
		return false
	}
	if diff := cmp.Diff(want, got); wantErr == nil && diff != "" {
		t.Errorf("%s (-want +got):\n%s\n%s", text, diff, o.describe(t, st))
	}
	if st.Whole != nil && wantErr == nil {
		got, err := o.answer(t, wholeSQL(t, st), ordered)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: as a whole: %v (-want +got):\n%s\n%s", text, err, diff, wholeSQL(t, st))
		}
	}
	return wantErr == nil
}

// Each line of testdata/statements.sql is answered by DuckDB, and by the parts that planning makes of it.
func TestStatements(t *testing.T) {
	o := newOracle(t, 1, 300)
	lines, err := os.ReadFile("testdata/statements.sql")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(lines)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "--") {
			continue
		}
		t.Run("", func(t *testing.T) {
			if !o.check(t, line) {
				t.Errorf("DuckDB refuses %s", line)
			}
		})
	}
}
