package query_test

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// grammar makes statements at random. What it draws first is the simplest, so that rapid shrinks towards it.
type grammar struct {
	t    *rapid.T
	also string // a condition of every block, or ""
}

func (g grammar) pick(label string, values ...string) string {
	return rapid.SampledFrom(values).Draw(g.t, label)
}

func (g grammar) upTo(label string, n int) int { return rapid.IntRange(0, n).Draw(g.t, label) }

// one in n.
func (g grammar) one(label string, n int) bool { return rapid.IntRange(0, n-1).Draw(g.t, label) == n-1 }

// block is a SELECT that groups or aggregates.
type block struct {
	groups, aggs  []string // expressions
	from          string
	where, having string
	sets          string // ROLLUP, CUBE, GROUPING SETS or ""
}

func (b block) names() (out []string) {
	for i := range b.groups {
		out = append(out, fmt.Sprintf("k%d", i))
	}
	for i := range b.aggs {
		out = append(out, fmt.Sprintf("m%d", i))
	}
	return out
}

func (b block) sql() string {
	var s strings.Builder
	s.WriteString("SELECT ")
	names := b.names()
	for i, e := range append(b.groups[:len(b.groups):len(b.groups)], b.aggs...) {
		if i > 0 {
			s.WriteString(", ")
		}
		s.WriteString(e + " AS " + names[i])
	}
	s.WriteString(" FROM " + b.from)
	if b.where != "" {
		s.WriteString(" WHERE " + b.where)
	}
	switch by := strings.Join(names[:len(b.groups)], ", "); {
	case b.sets == "GROUPING SETS":
		s.WriteString(" GROUP BY GROUPING SETS ((" + by + "), (" + names[0] + "), ())")
	case b.sets != "":
		s.WriteString(" GROUP BY " + b.sets + " (" + by + ")")
	case len(b.groups) > 0:
		s.WriteString(" GROUP BY " + by)
	}
	if b.having != "" {
		s.WriteString(" HAVING " + b.having)
	}
	return s.String()
}

func (g grammar) block() block {
	b := block{from: g.pick("from", "shop", "shop", "shop", "shop", "sales", "berlin")}
	for range g.upTo("groups", 3) {
		b.groups = append(b.groups, g.group())
	}
	for range 1 + g.upTo("aggregates", 2) {
		b.aggs = append(b.aggs, g.aggregate())
	}
	if g.one("where", 2) {
		b.where = g.condition(2)
	}
	switch {
	case g.also != "" && b.where != "":
		b.where = fmt.Sprintf("%s AND (%s)", g.also, b.where)
	case g.also != "":
		b.where = g.also
	}
	if g.one("lookup", 5) && b.from == "shop" {
		g.join(&b)
	}
	if g.one("having", 5) {
		b.having = g.pick("having", "count(*) > 3", "sum(bytes) IS NOT NULL", "NOT (max(bytes) < 500)", "count(*) > 1 AND min(country) <> 'de'", "avg(latency) > 20 OR count(*) = 1")
	}
	if len(b.groups) > 0 && g.one("sets", 8) {
		b.sets = g.pick("kind of sets", "ROLLUP", "CUBE", "GROUPING SETS")
	}
	return b
}

// join makes a block over shop one over its join with a lookup table.
func (g grammar) join(b *block) {
	b.from = g.pick("join", "shop JOIN countries c ON shop.country = c.code", "shop LEFT JOIN countries c ON c.code = shop.country", "countries c RIGHT JOIN shop ON shop.country = c.code",
		"countries c LEFT JOIN shop ON shop.country = c.code", "shop JOIN countries c ON shop.country = c.code AND c.people > 5")
	if g.one("group of it", 2) {
		b.groups = append(b.groups, g.pick("group", "c.continent", "c.name", "c.since", "c.weight", "c.debt", "date_trunc('year', c.seen)", "upper(c.name)", "c.people // 50"))
	}
	if g.one("aggregate of it", 2) {
		b.aggs = append(b.aggs, g.pick("aggregate", "max(c.since)", "sum(c.people)", "count(c.weight)", "count(DISTINCT c.continent)", "min(c.debt)", "count(*) FILTER (WHERE c.area > 300000)"))
	}
	if g.one("condition of it", 2) {
		and := g.pick("condition", "c.continent = 'Europe'", "c.since IS NULL", "c.name LIKE '%a%' OR ok", "c.people IN (5, 83)", "c.seen > '2026-01-01'", "c.name <> device", "NOT (c.area > 1)")
		if b.where == "" {
			b.where = and
		} else {
			b.where = fmt.Sprintf("(%s) AND (%s)", b.where, and)
		}
	}
}

func (g grammar) group() string {
	switch g.upTo("kind of group", 5) {
	case 0, 1:
		return g.pick("column", "country", "device", "ok", "day", "status", "price", "page")
	case 2:
		return fmt.Sprintf("date_trunc('%s', ts)", g.pick("grain", "day", "hour", "month", "week", "minute", "year"))
	case 3:
		return g.pick("time", "ts::date", "hour(ts)", "extract(dow FROM ts)", "strftime(ts, '%d %H')", "time_bucket(INTERVAL '6 hours', ts)",
			"time_bucket(INTERVAL 30 MINUTE, ts)", "date_trunc('day', ts AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin')", "date_trunc('hour', sent)", "month(day)")
	case 4:
		return g.pick("expression", "upper(country)", "coalesce(country, device)", "country IS NULL", "length(device)", "status // 100", "country = 'de' AND ok")
	}
	return fmt.Sprintf("CASE WHEN %s THEN 'a' ELSE device END", g.condition(1))
}

func (g grammar) aggregate() string {
	var a string
	switch g.upTo("kind of aggregate", 6) {
	case 0:
		a = "count(*)"
	case 1:
		a = fmt.Sprintf("count(%s)", g.pick("of", "bytes", "country", "price", "ts"))
	case 2, 3:
		a = fmt.Sprintf("%s(%s)", g.pick("function", "sum", "avg"), g.pick("of", "bytes", "price", "latency", "big", "total", "status"))
	case 4:
		a = fmt.Sprintf("%s(%s)", g.pick("function", "min", "max"), g.pick("of", "bytes", "price", "latency", "total", "ts", "country", "day", "ok", "sent", "big"))
	case 5:
		a = fmt.Sprintf("count(DISTINCT %s)", g.pick("of", "bytes", "country", "visitor", "upper(device)"))
	case 6:
		return fmt.Sprintf("sum(CASE WHEN %s THEN %s ELSE 0 END)", g.condition(1), g.pick("of", "1", "bytes"))
	}
	if g.one("filter", 4) {
		a += fmt.Sprintf(" FILTER (WHERE %s)", g.condition(1))
	}
	return a
}

func (g grammar) condition(depth int) string {
	if depth > 0 {
		switch g.upTo("condition", 5) {
		case 3:
			return fmt.Sprintf("(%s AND %s)", g.condition(depth-1), g.condition(depth-1))
		case 4:
			return fmt.Sprintf("(%s OR %s)", g.condition(depth-1), g.condition(depth-1))
		case 5:
			return fmt.Sprintf("NOT (%s)", g.condition(depth-1))
		}
	}
	switch g.upTo("leaf", 5) {
	case 0, 1:
		return g.leaf()
	case 2, 3:
		return g.timeLeaf()
	case 4:
		return g.pick("truth", "ok", "NOT ok", "ok IS NULL", "ok IS NOT TRUE")
	}
	return g.pick("other", "country = device", "upper(country) = 'DE'", "length(country) > 1", "status % 200 = 0", "bytes > 100", "latency < 20", "page = '/p/1'",
		"country || device > 'de'", "NULL", "false", "day > ts", "price > bytes")
}

func (g grammar) leaf() string {
	values := map[string][]string{
		"country": {"'de'", "''", "'fr'", "'x'", "NULL"}, "device": {"'phone'", "'desktop'", "'de'", "NULL"}, "status": {"200", "404", "0", "404.5", "'500'"},
		"day": {"'2026-03-26'", "DATE '2026-03-29'", "'1969-12-31'", "'2026-03-27'"}, "price": {"1.25", "0", "-1", "50.5", "1.255"},
	}
	c := g.pick("column", "country", "device", "status", "day", "price")
	v := func() string { return g.pick("value", values[c]...) }
	switch g.upTo("operator", 4) {
	case 0:
		return fmt.Sprintf("%s %s %s", c, g.pick("operator", "=", "<>", "<", "<=", ">", ">="), v())
	case 1:
		return fmt.Sprintf("%s %s (%s, %s)", c, g.pick("in", "IN", "NOT IN"), v(), v())
	case 2:
		return fmt.Sprintf("%s %s %s AND %s", c, g.pick("between", "BETWEEN", "NOT BETWEEN"), v(), v())
	case 3:
		return fmt.Sprintf("%s %s", c, g.pick("null", "IS NULL", "IS NOT NULL"))
	}
	return g.pick("pattern", "country LIKE 'd%'", "country NOT LIKE '%e'", "device ILIKE 'D%'", "starts_with(device, 'p')", "status IS DISTINCT FROM 200", "country IS NOT DISTINCT FROM NULL")
}

func (g grammar) timeLeaf() string {
	at := func() string {
		day := 25 + g.upTo("day", 7)
		if g.one("whole day", 2) {
			return fmt.Sprintf("'2026-03-%02d'", day-(day-31)*btoi(day > 31))
		}
		day -= (day - 31) * btoi(day > 31)
		return fmt.Sprintf("'2026-03-%02d %02d:%s'", day, g.upTo("hour", 23), g.pick("minute", "00:00", "30:00", "10:10", "59:59.999999", "00:00.000001"))
	}
	switch g.upTo("kind of time", 5) {
	case 0, 1:
		return fmt.Sprintf("ts %s %s", g.pick("operator", ">=", "<", ">", "<=", "=", "<>"), at())
	case 2:
		return fmt.Sprintf("ts BETWEEN %s AND %s", at(), at())
	case 3:
		return fmt.Sprintf("ts >= %s AND ts < %s", at(), at())
	case 4:
		return fmt.Sprintf("%s %s '2026-03-%02d'", g.pick("day of", "ts::date", "date_trunc('day', ts)", "sent::date"), g.pick("operator", "=", "<", ">=", "<>"), 26+g.upTo("day", 5))
	}
	return g.pick("part", "hour(ts) < 12", "extract(dow FROM ts) IN (0, 6)", "strftime(ts, '%H') > '10'", "minute(ts) = 30", "date_trunc('hour', ts) = '2026-03-28 10:00:00'", "ts < now()")
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// statement makes a statement, and says whether its rows have an order.
func (g grammar) statement() (text string, ordered bool) {
	b := g.block()
	around := g.upTo("around", 9+shapes)
	if around > 9 {
		return g.shape(around-10, b)
	}
	switch around {
	case 5:
		return fmt.Sprintf("WITH t AS (%s) SELECT count(*), max(m0), min(m0) FROM t", b.sql()), false
	case 6:
		b.aggs[0] = "count(*)" // the text of others may depend on the order in which they were added
		return fmt.Sprintf("SELECT m0::VARCHAR AS x FROM (%s) UNION ALL SELECT m0::VARCHAR FROM (%s)", b.sql(), g.exact().sql()), false
	case 7:
		o := g.block()
		o.groups = b.groups
		if strings.Contains(b.from, "JOIN") { // its groups may be columns of the lookup table
			o.from = b.from
		}
		if len(b.groups) == 0 || b.sets != "" || o.sets != "" {
			return b.sql(), false
		}
		var on []string
		for i := range b.groups {
			on = append(on, fmt.Sprintf("a.k%d IS NOT DISTINCT FROM b.k%d", i, i))
		}
		return fmt.Sprintf("SELECT a.*, b.m0 AS n0 FROM (%s) a LEFT JOIN (%s) b ON %s", b.sql(), o.sql(), strings.Join(on, " AND ")), false
	case 8:
		return fmt.Sprintf("SELECT *, count(*) OVER () AS n FROM (%s)", b.sql()), false
	case 9:
		return fmt.Sprintf("SELECT * FROM (%s) WHERE m0 IS NOT NULL", b.sql()), false
	}
	if len(b.groups) == 0 || b.sets != "" {
		return b.sql(), false
	}
	// Groups differ in their values: an order by all of them is a total one.
	var keys []string
	for i := range b.groups {
		keys = append(keys, fmt.Sprintf("k%d%s", i, g.pick("direction", "", " DESC", " NULLS FIRST", " DESC NULLS FIRST")))
	}
	text = b.sql() + " ORDER BY " + strings.Join(keys, ", ")
	if g.one("limit", 2) {
		text += fmt.Sprintf(" LIMIT %d OFFSET %d", g.upTo("limit", 10), g.upTo("offset", 3))
	}
	return text, true
}
