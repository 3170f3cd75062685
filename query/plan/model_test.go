package plan_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/plan"
)

// nativeSQL answers a block as a Need says, with cells and states written in SQL. The answer is empty for measures whose
// states SQL does not have.
func (o *oracle) nativeSQL(t testing.TB, b *plan.Block, c *cube.Cube, n *plan.Need, constant plan.Range) string {
	t.Helper()
	m := &model{o: o, t: t, b: b, cube: c, need: n, states: []string{"count(*) AS cnt999"}}
	for i, s := range n.Sources {
		if !m.source(b.Aggs[i], s, i) {
			return ""
		}
	}
	var parts []string
	mask := n.Mask
	if constant != plan.Always() {
		parts = append(parts, m.part(n.Fixed, rangeSQL(b.Relation, constant), fmt.Sprint(constant.Lo)))
	} else {
		where := "true"
		if n.Time >= 0 {
			var in []string
			for _, r := range n.Cells {
				in = append(in, fmt.Sprintf("epoch_us(%s) BETWEEN %d AND %d", m.dim(n.Time), r.Lo, r.Hi))
			}
			where = strings.Join(append(in, "false"), " OR ")
		}
		if n.Time >= 0 || len(n.Events) == 0 {
			parts = append(parts, m.part(mask, "("+where+")", "NULL"))
		}
		for _, r := range n.Events {
			parts = append(parts, m.part(mask, rangeSQL(b.Relation, r), fmt.Sprint(r.Lo)))
		}
	}
	if len(parts) == 0 {
		parts = []string{m.part(mask, "false", "NULL")}
	}
	return m.sql(strings.Join(parts, " UNION ALL "))
}

type model struct {
	o    *oracle
	t    testing.TB
	b    *plan.Block
	cube *cube.Cube
	need *plan.Need

	states, aggs []string
}

// dim computes a dimension of the layout.
func (m *model) dim(i int) string {
	return dimSQL(m.cube, m.need.Layout.Dims[i])
}

func dimSQL(c *cube.Cube, d cells.Dim) string {
	zone := c.WithDefaults().TimeZone
	switch {
	case d.Grain == "":
		return d.Column
	case d.Type.Kind == cube.Date:
		return fmt.Sprintf("date_trunc('%s', %s)::DATE", d.Grain, d.Column)
	case zone == "UTC":
		return fmt.Sprintf("date_trunc('%s', %s)", d.Grain, d.Column)
	}
	return fmt.Sprintf("date_trunc('%s', %s AT TIME ZONE 'UTC' AT TIME ZONE '%s') AT TIME ZONE '%[3]s' AT TIME ZONE 'UTC'", d.Grain, d.Column, zone)
}

// part groups events to cells of a mask.
func (m *model) part(mask uint64, where, lo string) string {
	var items []string
	for i := range m.need.Layout.Dims {
		e := "NULL"
		if mask>>(len(m.need.Layout.Dims)-1-i)&1 == 1 {
			e = m.dim(i)
		}
		items = append(items, fmt.Sprintf("%s AS d%d", e, i))
	}
	items = append(items, lo+"::BIGINT AS lo")
	return fmt.Sprintf("SELECT %s FROM views_all WHERE %s GROUP BY ALL", strings.Join(append(items, m.states...), ", "), where)
}

// source adds the state of an aggregate and what is made of it.
func (m *model) source(a plan.Agg, s plan.Source, i int) bool {
	column := func(at int) string { return m.need.Layout.Measures[at].Column }
	state := func(name, e string) { m.states = append(m.states, e+" AS "+name) }
	st, cnt := fmt.Sprintf("st%d", i), fmt.Sprintf("cnt%d", i)
	counted := func(at int) string {
		if column(at) == "" {
			return "count(*)"
		}
		return "count(" + column(at) + ")"
	}
	filter := ""
	if a.Filter != nil {
		filter = fmt.Sprintf(" FILTER (WHERE %s)", m.condSQL(a.Filter))
	}
	out := ""
	switch s.Kind {
	case plan.FromCount:
		state(st, counted(s.Measure))
		out = fmt.Sprintf("coalesce(sum(%s)%s, 0)", st, filter)
	case plan.FromSum:
		state(st, "sum("+column(s.Measure)+")")
		out = fmt.Sprintf("sum(%s)%s", st, filter)
	case plan.FromAvg:
		state(st, "sum("+column(s.Measure)+")::DOUBLE")
		state(cnt, "count("+column(s.Count)+")")
		out = fmt.Sprintf("sum(%s)%s / sum(%s)%s", st, filter, cnt, filter)
	case plan.FromValue:
		f := map[cube.Function]string{cube.Min: "min", cube.Max: "max"}[m.need.Layout.Measures[s.Measure].Function]
		if f == "" || a.Func == plan.Any {
			return false
		}
		state(st, f+"("+column(s.Measure)+")")
		out = fmt.Sprintf("%s(%s)%s", f, st, filter)
	case plan.FromExact:
		state(st, "list(DISTINCT "+column(s.Measure)+")")
		out = fmt.Sprintf("coalesce(len(list_filter(list_distinct(flatten(list(%s)%s)), lambda x: x IS NOT NULL)), 0)", st, filter)
	}
	m.aggs = append(m.aggs, fmt.Sprintf("(%s)::%s AS _a%d", out, a.Type, i))
	return out != ""
}

// condSQL writes a condition; what is asked of the event time is said by its ranges.
func (m *model) condSQL(c *plan.Cond) string {
	if c == nil {
		return "true"
	}
	var parts []string
	for _, o := range c.Of {
		parts = append(parts, "("+m.condSQL(o)+")")
	}
	switch {
	case c.Kind == plan.And:
		return strings.Join(append(parts, "true"), " AND ")
	case c.Kind == plan.Or:
		return strings.Join(append(parts, "false"), " OR ")
	case c.Kind == plan.Not:
		return "NOT " + parts[0]
	case c.Timed:
		return condSQL(m.t, m.b.Relation, c)
	}
	return m.o.exprText(m.t, c.Term.Expr)
}

// sql groups the cells.
func (m *model) sql(parts string) string {
	var cols, groups, out []string
	for _, s := range m.need.Columns {
		cols = append(cols, fmt.Sprintf("%s AS %q", m.column(s), s.Column.Name))
	}
	if rel := m.b.Relation; m.need.Time < 0 || !strings.Contains(strings.Join(cols, ""), " AS \""+rel.Table.EventTime.Column+"\"") {
		at := "coalesce(make_timestamp(lo), TIMESTAMP '2000-01-01')" // without cuts any time does
		if m.need.Time >= 0 {
			at = fmt.Sprintf("greatest(d%d, make_timestamp(lo))", m.need.Time)
		}
		cols = append(cols, at+" AS ts")
	}
	for i, g := range m.b.Groups {
		out = append(out, fmt.Sprintf("%s AS _g%d", m.o.exprText(m.t, g.Expr), i))
		groups = append(groups, m.o.exprText(m.t, g.Expr))
	}
	out = append(out, m.aggs...)
	by := ""
	if m.b.Sets != nil {
		var sets []string
		for _, set := range m.b.Sets {
			var names []string
			for _, i := range set {
				names = append(names, groups[i])
			}
			sets = append(sets, "("+strings.Join(names, ", ")+")")
		}
		by = " GROUP BY GROUPING SETS (" + strings.Join(sets, ", ") + ")"
		out = append(out, "grouping("+strings.Join(groups, ", ")+") AS _s")
	} else if len(groups) > 0 {
		by = " GROUP BY " + strings.Join(groups, ", ")
	}
	where := " WHERE " + m.condSQL(m.b.Where)
	return fmt.Sprintf("SELECT %s FROM (SELECT %s FROM (%s))%s%s", strings.Join(out, ", "), strings.Join(append(cols, "COLUMNS('^(st|cnt)[0-9]+$')"), ", "), parts, where, by)
}

// column computes a column out of a dimension.
func (m *model) column(s plan.ColumnSource) string {
	e := fmt.Sprintf("d%d", s.Dim)
	if s.Column.Of == m.b.Relation.Table.EventTime.Column {
		e = fmt.Sprintf("greatest(%s, make_timestamp(lo))", e)
	}
	c := s.Column
	c.Of = e
	text := columnSQL(c)
	text = strings.ReplaceAll(text, "views_all.", "")
	return strings.TrimSuffix(text, fmt.Sprintf(" AS %q", s.Column.Name))
}

// Every Need of every block of the statements gives the rows that DuckDB makes of the events, also of those in a range in
// which nothing changes alone.
func TestNeeds(t *testing.T) {
	o := newOracle(t, 2, 300)
	lines, err := os.ReadFile("testdata/statements.sql")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for line := range strings.Lines(string(lines)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "--") {
			continue
		}
		st, err := o.analyse(t, line, false)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		o.install(t, st)
		for _, b := range st.Blocks {
			checked += o.checkNeeds(t, line, b)
		}
	}
	if checked < 100 {
		t.Errorf("checked %d needs, want at least 100", checked)
	}
}

func (o *oracle) checkNeeds(t testing.TB, line string, b *plan.Block) (checked int) {
	t.Helper()
	for name, c := range o.cubes {
		if !slices.ContainsFunc(b.Relation.Cubes, func(k *cube.Cube) bool { return k.Name == name }) {
			continue
		}
		needs, _ := b.Need(o.layout(t, name), c)
		for _, n := range needs {
			for _, in := range spans() {
				if in != plan.Always() && (n.Time < 0 || !n.Constant(in)) {
					continue
				}
				text := o.nativeSQL(t, b, c, n, in)
				if text == "" {
					continue
				}
				checked++
				events := strings.ReplaceAll(o.text(t, b.Original), b.Raw.Name, fmt.Sprintf("(FROM %s WHERE %s)", b.Raw.Name, rangeSQL(b.Relation, in)))
				want, err := o.answer(t, events, false)
				if err != nil {
					t.Fatalf("%s: %v", events, err)
				}
				got, err := o.answer(t, text, false)
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("%s\n%s of %s in %s: %v (-want +got):\n%s\n%s", line, n, name, in, err, diff, text)
				}
			}
		}
	}
	return checked
}

// spans are all times, and some that a segment may hold.
func spans() []plan.Range {
	at := func(text string) int64 {
		us, err := time.Parse("2006-01-02 15:04", text)
		if err != nil {
			panic(err)
		}
		return us.UnixMicro()
	}
	return []plan.Range{
		plan.Always(),
		{Lo: at("2026-03-01 10:20"), Hi: at("2026-03-01 18:40")},
		{Lo: at("2026-03-05 10:12"), Hi: at("2026-03-07 23:59")},
		{Lo: at("2026-03-09 00:01"), Hi: at("2026-03-14 09:00")},
		{Lo: at("2026-02-20 00:00"), Hi: at("2026-02-28 12:00")},
	}
}
