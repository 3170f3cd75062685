package plan_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/plan"
)

// speaker makes statements at random: over few columns and values, so that they often meet.
type speaker struct{ *rand.Rand }

func (r speaker) pick(options ...string) string { return options[r.IntN(len(options))] }

// some returns between least and most things.
func (r speaker) some(least, most int, one func() string) (out []string) {
	for range least + r.IntN(most-least+1) {
		out = append(out, one())
	}
	return out
}

func (r speaker) time() string {
	t := time.Date(2026, 2, 26, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.IntN(22*24*60)) * time.Minute)
	switch r.IntN(6) {
	case 0:
		return t.Format("'2006-01-02'")
	case 1:
		return t.Truncate(time.Hour).Format("'2006-01-02 15:04:05'")
	case 2:
		return t.Format("TIMESTAMP '2006-01-02 15:04:05.123'")
	case 3:
		return t.Format("DATE '2006-01-02'")
	case 4:
		return t.Format("TIMESTAMPTZ '2006-01-02 15:04:05+01'")
	}
	return fmt.Sprintf("TIMESTAMP '2026-03-15 10:30:00' - INTERVAL %d HOUR", r.IntN(400))
}

// chain returns an expression of the event time, and constants that it can be compared with.
func (r speaker) chain() (string, func() string) {
	unit := r.pick("hour", "day", "week", "month", "minute")
	switch r.IntN(6) {
	case 0:
		return "ts::date", r.time
	case 1:
		return fmt.Sprintf("date_trunc('%s', ts)", unit), r.time
	case 2:
		return "year(ts)", func() string { return r.pick("2025", "2026", "2027") }
	case 3:
		return fmt.Sprintf("time_bucket(INTERVAL '%s', ts)", r.pick("15 minutes", "6 hours", "2 days", "1 week", "1 month", "90 minutes")), r.time
	}
	return "ts", r.time
}

func (r speaker) leaf() string {
	op := r.pick("=", "<>", "<", "<=", ">", ">=")
	compare := func(x string, value func() string) string {
		switch r.IntN(5) {
		case 0:
			return fmt.Sprintf("%s %sBETWEEN %s AND %s", x, r.pick("", "NOT "), value(), value())
		case 1:
			return fmt.Sprintf("%s %sIN (%s)", x, r.pick("", "NOT "), strings.Join(r.some(1, 3, value), ", "))
		case 2:
			return fmt.Sprintf("%s %s %s", value(), op, x)
		}
		return fmt.Sprintf("%s %s %s", x, op, value())
	}
	switch r.IntN(12) {
	case 0, 1, 2:
		return compare(r.chain())
	case 3:
		return compare("country", func() string { return r.pick("'de'", "'fr'", "'DE'", "''", "'x'", "NULL") })
	case 4:
		return compare("bytes", func() string { return r.pick("1", "2", "-3", "'10'", "1.5", "NULL") })
	case 5:
		return compare("latency", func() string { return r.pick("1", "1.5", "0.5", "1e2") })
	case 6:
		return compare("price", func() string { return r.pick("1.25", "2.5", "-1", "1.255") })
	case 7:
		return compare("day", func() string { return r.pick("'2026-03-01'", "DATE '2025-12-31'", "TIMESTAMP '2026-03-01 12:00:00'") })
	case 8:
		return r.pick("country", "lang", "bounce", "day") + r.pick(" IS NULL", " IS NOT NULL")
	case 9:
		return r.pick("bounce", "bounce = true", "lang LIKE 'd%'", "lang NOT LIKE 'e%'", "country LIKE '%e'", "starts_with(country, 'D')", "country = lang", "length(country) = 2")
	case 10:
		return r.pick("hour(ts) < 12", "dayofweek(ts) = 1", "strftime(ts, '%d') > '05'", "sent >= '2026-03-01 11:00:00'", "date_trunc('hour', sent) = '2026-03-01 10:00:00'")
	}
	return compare("lang", func() string { return r.pick("'de'", "'en'") })
}

func (r speaker) cond(depth int) string {
	if depth == 0 || r.IntN(3) == 0 {
		return r.leaf()
	}
	switch r.IntN(5) {
	case 0:
		return "NOT (" + r.cond(depth-1) + ")"
	case 1, 2:
		return "(" + strings.Join(r.some(2, 3, func() string { return r.cond(depth - 1) }), " OR ") + ")"
	}
	return "(" + strings.Join(r.some(2, 3, func() string { return r.cond(depth - 1) }), " AND ") + ")"
}

func (r speaker) group() string {
	if r.IntN(3) == 0 {
		x, _ := r.chain()
		return x
	}
	return r.pick("country", "lang", "bounce", "day", "Size", "upper(country)", "coalesce(lang, '?')", "country || lang", "hour(ts)",
		"CASE WHEN bounce THEN lang END", "date_trunc('day', sent)", "CASE WHEN ts < "+r.time()+" THEN 1 ELSE 2 END", "shop_id")
}

func (r speaker) agg() string {
	a := r.pick("count(*)", "count(bytes)", "sum(bytes)", "avg(bytes)", "min(bytes)", "max(bytes)", "sum(price)", "max(latency)", "min(latency)",
		"count(DISTINCT bytes)", "count(DISTINCT lang)", "max(country)", "count(lang)", "sum(Size)", "max(ts)", "min(sent)", "count(1)",
		"sum(CASE WHEN "+r.cond(0)+" THEN 1 ELSE 0 END)", "sum(CASE WHEN bounce THEN bytes ELSE 0 END)", "count(CASE WHEN "+r.cond(0)+" THEN 1 END)")
	if r.IntN(4) == 0 {
		a += " FILTER (WHERE " + r.cond(1) + ")"
	}
	return a
}

func (r speaker) statement() string {
	groups := r.some(0, 3, r.group)
	aggs := r.some(1, 3, r.agg)
	from := r.pick("views", "views", "views", "views AS views", "(SELECT * FROM views) AS views", "(SELECT * FROM views WHERE "+r.cond(1)+") AS views",
		"views JOIN shops ON views.shop_id = shops.id", "views LEFT JOIN shops ON views.shop_id = id AND city <> lang")
	if strings.Contains(from, "shops") && r.IntN(2) == 0 {
		groups = append(groups, "city")
	}
	var items []string
	for i, g := range groups {
		items = append(items, fmt.Sprintf("%s AS k%d", g, i))
	}
	for i, a := range aggs {
		items = append(items, fmt.Sprintf("%s AS v%d", a, i))
	}
	text := "SELECT " + strings.Join(items, ", ") + " FROM " + from
	if r.IntN(4) > 0 {
		text += " WHERE " + r.cond(2)
	}
	if len(groups) > 0 {
		text += " GROUP BY " + r.pick("ALL", "ALL", "ROLLUP ("+strings.Join(groups, ", ")+")", strings.Join(groups, ", "))
	}
	if r.IntN(4) == 0 {
		text += " HAVING v0 IS NOT NULL AND count(*) > 2"
	}
	return text
}

// Statements at random are answered by DuckDB and by their parts; each Need of their blocks gives the blocks' rows.
func TestRandomStatements(t *testing.T) {
	o := newOracle(t, 3, 250)
	answered, needs := 0, 0
	for seed := range uint64(150) {
		r := speaker{rand.New(rand.NewPCG(seed, 7))}
		text := r.statement()
		if !o.check(t, text) {
			continue
		}
		answered++
		st, err := o.analyse(t, text, false)
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, text, err)
		}
		o.install(t, st)
		for _, b := range st.Blocks {
			needs += o.checkNeeds(t, fmt.Sprintf("seed %d: %s", seed, text), b)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if answered < 100 || needs < 100 {
		t.Errorf("%d statements were answered and %d needs checked, want at least 100 of each", answered, needs)
	}
}

// What a Cond says of a row is what DuckDB says of WHERE, null included.
func TestCondTruth(t *testing.T) {
	o := newOracle(t, 4, 200)
	checked := 0
	for seed := range uint64(300) {
		r := speaker{rand.New(rand.NewPCG(seed, 8))}
		where := r.cond(2)
		st, err := o.analyse(t, "SELECT count(*) FROM views WHERE "+where, false)
		if err != nil || len(st.Blocks) == 0 || st.Blocks[0].Raw.Where == nil || len(st.Blocks[0].Groups) > 0 {
			continue // with groups a part of WHERE is left to the rest
		}
		checked += o.checkTruth(t, where, st.Blocks[0].Where)
	}
	if checked < 5000 {
		t.Errorf("checked %d rows, want at least 5000", checked)
	}
}

func (o *oracle) checkTruth(t *testing.T, where string, c *plan.Cond) (rows int) {
	t.Helper()
	columns := o.relations["views"].Columns[:13]
	var items []string
	for _, col := range columns {
		items = append(items, storedSQL(col))
	}
	found, err := o.duck.QueryContext(t.Context(), fmt.Sprintf("SELECT (%s)::VARCHAR, epoch_us(ts), %s FROM views", where, strings.Join(items, ", ")))
	if err != nil {
		return 0 // a value that does not convert
	}
	defer found.Close()
	for ; found.Next(); rows++ {
		var want *string
		var us int64
		row := make([]*string, len(columns))
		into := []any{&want, &us}
		for i := range row {
			into = append(into, &row[i])
		}
		if err := found.Scan(into...); err != nil {
			t.Fatal(err)
		}
		got := c.Eval(func(l *plan.Cond) plan.Truth {
			if l.Timed {
				return l.At(us)
			}
			for i, col := range columns {
				if col.Name == l.Simple.Column {
					return l.Simple.Truth(valueOf(t, col, row[i]))
				}
			}
			t.Fatalf("%s: no column %s", where, l.Simple.Column)
			return plan.False
		})
		if orNull(want) != got.String() {
			t.Errorf("%s: got %s, want %s of %v", where, got, orNull(want), row)
		}
	}
	return rows
}

func orNull(s *string) string {
	if s == nil {
		return "null"
	}
	return *s
}

// storedSQL writes a column's values as cells keep them.
func storedSQL(c plan.Column) string {
	switch c.Type.Kind {
	case cube.Timestamp:
		return fmt.Sprintf("epoch_us(%s)::VARCHAR", c.Name)
	case cube.Date:
		return fmt.Sprintf("(%s - DATE '1970-01-01')::VARCHAR", c.Name)
	case cube.Decimal:
		return fmt.Sprintf("(%s * 100)::BIGINT::VARCHAR", c.Name)
	case cube.Bool:
		return fmt.Sprintf("%s::INT::VARCHAR", c.Name)
	}
	return c.Name + "::VARCHAR"
}

func valueOf(t *testing.T, c plan.Column, text *string) (v plan.Value) {
	t.Helper()
	if text == nil {
		return plan.Value{Null: true}
	}
	target := any(&v.Int)
	switch c.Type.Kind {
	case cube.String:
		v.Text = *text
		return v
	case cube.Float64:
		target = &v.Float
	}
	if _, err := fmt.Sscan(*text, target); err != nil {
		t.Fatalf("%s %q: %v", c.Name, *text, err)
	}
	return v
}
