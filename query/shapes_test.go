package query_test

import (
	"fmt"
	"strings"
)

// shapes is how many there are.
const shapes = 16

// shape puts something around a block that only DuckDB can do, or that a planner may mistake for something simpler. ordered: by all
// that tells its rows apart.
func (g grammar) shape(n int, b block) (text string, ordered bool) {
	plain := b
	plain.sets = ""
	exact := b // in whose text no order of adding shows
	exact.aggs = append([]string{g.pick("exact", "count(*)", "sum(bytes)", "max(ts)", "min(country)", "count(DISTINCT bytes)", "sum(total)")}, b.aggs...)
	switch n {
	case 0: // a name that is read twice
		return fmt.Sprintf("WITH t AS (%s) SELECT a.m0, count(*) AS n FROM t a JOIN t b ON a.m0 IS NOT DISTINCT FROM b.m0 GROUP BY a.m0", exact.sql()), false
	case 1: // a block within a condition of the rows of another
		return fmt.Sprintf("WITH t AS (%s) SELECT * FROM t WHERE m0::VARCHAR IN (SELECT m0::VARCHAR FROM (%s)) OR m0 IS NULL", exact.sql(), g.exact().sql()), false
	case 2:
		o := g.exact()
		o.groups, o.aggs = nil, o.aggs[:1]
		return fmt.Sprintf("SELECT *, (%s)::VARCHAR AS other FROM (%s)", single(o), b.sql()), false
	case 3:
		op := g.pick("operation", "INTERSECT", "EXCEPT", "UNION", "UNION ALL BY NAME")
		return fmt.Sprintf("SELECT m0::VARCHAR AS x FROM (%s) %s SELECT m0::VARCHAR AS x FROM (%s)", exact.sql(), op, g.exact().sql()), false
	case 4:
		return g.window(plain), false
	case 5:
		return "SELECT DISTINCT m0, m0 IS NULL AS missing FROM (" + exact.sql() + ")", false
	case 6: // aggregates of aggregates, with filters
		return fmt.Sprintf("SELECT m0 IS NULL AS k, count(*) AS n, count(m0) FILTER (WHERE m0 IS NOT NULL) AS f, max(m0) AS most FROM (%s) GROUP BY ALL", b.sql()), false
	case 7: // arithmetic over aggregates
		plain.aggs = []string{g.pick("ratio", "count(bytes) / count(*)", "sum(bytes) + count(*)", "max(bytes) - min(bytes)", "sum(price) * 2", "coalesce(sum(bytes), 0) // 7",
			"round(avg(latency), 6)", "CASE WHEN count(*) > 5 THEN 'many' WHEN sum(bytes) IS NULL THEN NULL ELSE 'few' END", "nullif(count(*), count(bytes))", "count(*)::DOUBLE / nullif(count(price), 0)",
			"sum(bytes) FILTER (WHERE ok) - sum(bytes) FILTER (WHERE NOT ok)", "concat(min(country), '-', max(country))", "max(ts) - min(ts)", "date_diff('hour', min(ts), max(ts))",
			"least(min(bytes), 5)", "avg(bytes) > avg(latency)")}
		return plain.sql(), false
	case 8: // what follows from the time by arithmetic
		plain.groups = append(plain.groups, g.pick("arithmetic", "date_trunc('day', ts + INTERVAL 1 DAY)", "date_diff('day', TIMESTAMP '2026-03-25 00:00:00', ts)", "ts::date - DATE '2026-03-20'",
			"date_trunc('hour', ts - INTERVAL '90 minutes')", "last_day(ts)", "dayname(ts)", "epoch(date_trunc('hour', ts))", "make_date(year(ts), month(ts), 1)", "hour(ts) // 6", "week(ts)",
			"time_bucket(INTERVAL '1 day', ts, TIMESTAMP '2026-03-25 06:00:00')", "ts >= TIMESTAMP '2026-03-28 00:00:00'", "date_part('isodow', ts)", "day + 1", "extract(epoch FROM sent) % 2"))
		return plain.sql(), false
	case 9: // what is constant
		plain.where = join(plain.where, g.pick("constant", "ts >= DATE '2026-03-27' - 1", "1 + 1 = 2", "ts < TIMESTAMP '2026-03-28' + INTERVAL 12 HOUR", "country = lower('D' || 'E')", "status IN (100 + 100, 4 * 101)",
			"ts BETWEEN date_trunc('day', TIMESTAMP '2026-03-27 12:00') AND '2026-03-29'", "ok = (1 < 2)", "coalesce(NULL, 'de') = country", "length('abc') > 2", "ts > now() - INTERVAL 100 YEAR", "bytes >= least(1, 2)",
			"CASE WHEN true THEN country = 'de' ELSE false END", "NOT (1 = 2) AND device <> 'x'", "day >= ('2026-03-' || '26')::DATE"))
		return plain.sql(), false
	case 10: // the first by a measure: those with the same are told apart by the groups
		return g.top(plain)
	case 11:
		return fmt.Sprintf("SELECT s.country AS k0, s.device, count(*) AS m0 FROM shop AS s WHERE %s GROUP BY s.country, 2", g.whole()), false
	case 12:
		return fmt.Sprintf("FROM (%s) SELECT count(*) AS n, count(DISTINCT m0) AS d, any_value(m0) IS NULL AS x WHERE %s", exact.sql(), g.pick("of rows", "m0 IS NOT NULL", "true", "false")), false
	case 13: // a block in a join with raw events
		return fmt.Sprintf("SELECT e.country, count(*) AS n, max(t.m0) AS m FROM shop e JOIN (SELECT country AS k, count(*) AS m0 FROM shop WHERE %s GROUP BY country) t ON e.country = t.k WHERE e.bytes > %d AND %s GROUP BY e.country",
			g.whole(), g.upTo("bytes", 20), g.qualified("e")), false
	case 14: // groups that are named in other ways
		return fmt.Sprintf("SELECT %s AS a, upper(a) AS b, count(*) AS m0 FROM shop WHERE %s GROUP BY ALL", g.pick("text", "country", "device", "country || '/' || device"), g.whole()), false
	}
	return g.correlated(), false
}

// exact is a block whose first aggregate does not depend on the order in which numbers are added.
func (g grammar) exact() block {
	b := g.block()
	b.aggs[0] = g.pick("exact", "count(*)", "sum(bytes)", "max(ts)", "min(country)")
	return b
}

func single(b block) string {
	b.having, b.sets = "", ""
	return "SELECT m0 FROM (" + b.sql() + ")"
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return "(" + a + ") AND " + b
}

// whole is a condition over all columns of the table.
func (g grammar) whole() string {
	c := g.condition(1)
	if g.also != "" {
		c = g.also + " AND (" + c + ")"
	}
	return c
}

// qualified is the condition of every block, over a table with another name.
func (g grammar) qualified(table string) string {
	if g.also == "" {
		return "true"
	}
	return table + "." + g.also
}

// window puts window functions over the rows of a block, whose order is a total one.
func (g grammar) window(b block) string {
	var keys []string
	for i := range b.groups {
		keys = append(keys, fmt.Sprintf("k%d", i))
	}
	if len(keys) == 0 {
		return "SELECT *, row_number() OVER () AS n FROM (" + b.sql() + ")"
	}
	by := strings.Join(keys, ", ")
	f := g.pick("window", "row_number() OVER (ORDER BY "+by+")", "lag(m0) OVER (ORDER BY "+by+")", "count(*) OVER (PARTITION BY k0)", "first_value(m0) OVER (PARTITION BY k0 ORDER BY "+by+")",
		"rank() OVER (ORDER BY k0)", "count(m0) OVER (ORDER BY "+by+" ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)", "max(count(*)) OVER ()", "sum(count(*)) OVER (PARTITION BY "+keys[0]+")", "ntile(3) OVER (ORDER BY "+by+")")
	if strings.Contains(f, "count(*))") { // over groups, within the block
		b.aggs = append(b.aggs, strings.ReplaceAll(f, "k0", "("+b.groups[0]+")"))
		return b.sql()
	}
	text := "SELECT *, " + f + " AS w FROM (" + b.sql() + ")"
	if g.one("qualify", 3) {
		text += " QUALIFY row_number() OVER (PARTITION BY k0 ORDER BY " + by + ") <= 2"
	}
	return text
}

// top orders by an exact aggregate.
func (g grammar) top(b block) (string, bool) {
	if len(b.groups) == 0 {
		return b.sql(), false
	}
	b.aggs = append([]string{g.pick("by", "count(*)", "sum(bytes)", "max(price)", "count(DISTINCT bytes)", "min(ts)", "sum(total)")}, b.aggs...)
	order := "m0 " + g.pick("direction of the first", "DESC", "ASC", "DESC NULLS LAST", "NULLS FIRST")
	for i := range b.groups {
		order += fmt.Sprintf(", k%d", i)
	}
	return fmt.Sprintf("%s ORDER BY %s LIMIT %d", b.sql(), order, 1+g.upTo("limit", 12)), true
}

// correlated has a subquery that reads the row around it.
func (g grammar) correlated() string {
	return fmt.Sprintf("SELECT t.k, t.n, (SELECT count(*) FROM shop u WHERE u.country = t.k AND %s) AS same, EXISTS (SELECT 1 FROM shop v WHERE v.device = t.k AND %s) AS found FROM (SELECT country AS k, count(*) AS n FROM shop WHERE %s GROUP BY country) t",
		g.qualified("u"), g.qualified("v"), g.whole())
}
