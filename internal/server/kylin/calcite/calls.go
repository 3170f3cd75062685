package calcite

import (
	"fmt"
	"strings"
)

// call writes a call of a function, or says false and writes nothing.
func (t *translator) call(name, args *node) bool {
	do, ok := map[string]func(name, args *node) bool{
		"FLOOR": t.floor, "CEIL": t.ceil, "CEILING": t.ceil,
		"TIMESTAMPADD": t.timestampAdd, "TIMESTAMPDIFF": t.timestampDiff,
		"DAYOFWEEK": t.dayOfWeek, "EXTRACT": t.extract,
		"INTERSECT_COUNT": t.intersectCount, "COUNT": t.count,
		"PERCENTILE": t.renamed, "PERCENTILE_APPROX": t.renamed, "NVL": t.renamed, "IFNULL": t.renamed, "TRUNCATE": t.renamed, "RAND": t.renamed,
	}[strings.ToUpper(name.text)]
	return ok && do(name, args)
}

// renamed is a function that has another name.
func (t *translator) renamed(name, args *node) bool {
	t.blank(name)
	t.put(map[string]string{
		"PERCENTILE": "approx_quantile", "PERCENTILE_APPROX": "approx_quantile", "NVL": "coalesce", "IFNULL": "coalesce", "TRUNCATE": "trunc", "RAND": "random",
	}[strings.ToUpper(name.text)], name.at)
	t.one(args)
	return true
}

// split cuts nodes at commas.
func split(ns []node) (out [][]node) {
	if len(ns) == 0 {
		return nil
	}
	from := 0
	for i := range ns {
		if ns[i].sign(",") {
			out = append(out, ns[from:i])
			from = i + 1
		}
	}
	return append(out, ns[from:])
}

// units are those of time, with how many of one are made.
var units = map[string]string{
	"MICROSECOND": "to_microseconds", "MILLISECOND": "to_milliseconds", "SECOND": "to_seconds", "MINUTE": "to_minutes", "HOUR": "to_hours", "DAY": "to_days",
	"WEEK": "to_weeks", "MONTH": "to_months", "QUARTER": "to_quarters", "YEAR": "to_years",
}

// unit is the unit that nodes name, in capitals; "" if they are something else.
func unit(ns []node) string {
	if len(ns) != 1 || ns[0].kind != word {
		return ""
	}
	u := strings.TrimPrefix(strings.ToUpper(ns[0].text), "SQL_TSI_")
	if units[u] == "" {
		return ""
	}
	return u
}

// toUnit reads FLOOR(x TO unit).
func toUnit(args *node) (x []node, u string) {
	n := len(args.kids)
	if n < 3 || !args.kids[n-2].is("TO") {
		return nil, ""
	}
	return args.kids[:n-2], unit(args.kids[n-1:])
}

// floor writes FLOOR(x TO unit); a week begins with Sunday.
func (t *translator) floor(name, args *node) bool {
	x, u := toUnit(args)
	if u == "" {
		return false
	}
	t.blank(name)
	t.truncated(x, u, name.at)
	return true
}

func (t *translator) truncated(x []node, u string, at int) {
	if u == "WEEK" {
		t.put("(date_trunc('week', ", at)
		t.moment(x)
		t.put(" + INTERVAL 1 DAY) - INTERVAL 1 DAY)", at)
		return
	}
	t.put("date_trunc('"+strings.ToLower(u)+"', ", at)
	t.moment(x)
	t.put(")", at)
}

// ceil writes CEIL(x TO unit).
func (t *translator) ceil(name, args *node) bool {
	x, u := toUnit(args)
	if u == "" {
		return false
	}
	t.blank(name)
	t.put("CASE WHEN ", name.at)
	t.truncated(x, u, name.at)
	t.put(" = ", name.at)
	t.moment(x)
	t.put(" THEN ", name.at)
	t.moment(x)
	t.put(" ELSE ", name.at)
	t.truncated(x, u, name.at)
	t.put(" + "+units[u]+"(1) END", name.at)
	return true
}

// moment writes an expression that is a time; a string becomes one.
func (t *translator) moment(x []node) {
	if len(x) == 0 {
		return
	}
	x[0].spaced = false
	if len(x) == 1 && x[0].kind == text {
		t.put("CAST(", x[0].at)
		t.sequence(x)
		t.put(" AS TIMESTAMP)", x[0].at)
		return
	}
	t.sequence(x)
}

// timestampAdd writes TIMESTAMPADD(unit, n, x).
func (t *translator) timestampAdd(name, args *node) bool {
	a := split(args.kids)
	if len(a) != 3 || unit(a[0]) == "" || len(a[1]) == 0 || len(a[2]) == 0 {
		return false
	}
	u, typ := unit(a[0]), "INTEGER"
	switch u {
	case "MICROSECOND", "MILLISECOND", "SECOND", "MINUTE", "HOUR":
		typ = "BIGINT"
	}
	t.blank(name)
	t.put("(", name.at)
	t.moment(a[2])
	t.put(" + "+units[u]+"(CAST(", name.at)
	a[1][0].spaced = false
	t.sequence(a[1])
	t.put(" AS "+typ+")))", name.at)
	return true
}

// timestampDiff writes TIMESTAMPDIFF(unit, from, to), which counts whole units.
func (t *translator) timestampDiff(name, args *node) bool {
	a := split(args.kids)
	if len(a) != 3 || unit(a[0]) == "" || len(a[1]) == 0 || len(a[2]) == 0 {
		return false
	}
	t.blank(name)
	t.put("date_sub('"+strings.ToLower(unit(a[0]))+"', ", name.at)
	t.moment(a[1])
	t.put(", ", name.at)
	t.moment(a[2])
	t.put(")", name.at)
	return true
}

// dayOfWeek counts from 1, which is Sunday.
func (t *translator) dayOfWeek(name, args *node) bool {
	t.blank(name)
	name.spaced = false
	t.put("(", name.at)
	t.one(name)
	t.one(args)
	t.put(" + 1)", name.at)
	return true
}

func (t *translator) extract(name, args *node) bool {
	if len(args.kids) < 3 || !args.kids[0].is("DOW") {
		return false
	}
	return t.dayOfWeek(name, args)
}

// count writes COUNT(DISTINCT a, b), which leaves out what has a null.
func (t *translator) count(name, args *node) bool {
	if len(args.kids) < 4 || !args.kids[0].is("DISTINCT") {
		return false
	}
	a := split(args.kids[1:])
	if len(a) < 2 {
		return false
	}
	t.one(name)
	t.put("(DISTINCT CASE WHEN ", args.at)
	for i, x := range a {
		t.separated(" AND ", i, args.at)
		t.moment(x)
		t.put(" IS NOT NULL", args.at)
	}
	t.put(" THEN row(", args.at)
	for i, x := range a {
		t.separated(", ", i, args.at)
		t.moment(x)
	}
	t.put(") END)", args.endAt)
	return true
}

func (t *translator) separated(by string, i, at int) {
	if i > 0 {
		t.put(by, at)
	}
}

// intersectCount writes INTERSECT_COUNT(x, by, ARRAY['a', 'b|c']): how many values of x are there with each of the values of by,
// where | is an or.
func (t *translator) intersectCount(name, args *node) bool {
	a := split(args.kids)
	if len(a) != 3 || len(a[0]) == 0 || len(a[1]) == 0 || len(a[2]) != 2 || !a[2][0].is("ARRAY") || a[2][1].text != "[" || len(a[2][1].kids) == 0 {
		t.fail(name.at, "INTERSECT_COUNT takes a column, the column that it is split by, and ARRAY['value', ...]")
		return true
	}
	wanted := split(a[2][1].kids)
	t.blank(name)
	t.put("coalesce(len("+strings.Repeat("list_intersect(", len(wanted)-1), name.at)
	for i, v := range wanted {
		t.separated(", ", i, name.at)
		t.put("list(DISTINCT ", name.at)
		t.moment(a[0])
		t.put(") FILTER (WHERE ", name.at)
		t.moment(a[1])
		t.put(" IN ("+alternatives(v), name.at)
		if alternatives(v) == "" {
			t.sequence(v)
		}
		t.put(") AND ", name.at)
		t.moment(a[0])
		t.put(" IS NOT NULL)", name.at)
		if i > 0 {
			t.put(")", name.at)
		}
	}
	t.put("), 0)", args.endAt)
	return true
}

// alternatives are those of 'a|b', as a list; "" if there is but one.
func alternatives(v []node) string {
	if len(v) != 1 || v[0].kind != text || !strings.Contains(v[0].text, "|") {
		return ""
	}
	return strings.ReplaceAll(v[0].text, "|", "', '")
}

func (t *translator) fail(at int, format string, args ...any) {
	if t.err == nil {
		t.err = &Error{At: at, Message: fmt.Sprintf(format, args...)}
	}
}
