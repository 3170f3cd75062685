package plan_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/plan"
)

const viewsTable = `
table: views
topic: t
event_time: {column: ts}
columns:
  - {name: ts, type: timestamp(us), null: reject}
  - {name: country, type: string}
  - {name: lang, type: string}
  - {name: page_url, type: string}
  - {name: visitor, type: string}
  - {name: bytes, type: int64}
  - {name: latency, type: float64}
  - {name: price, type: "decimal(12,2)"}
  - {name: bounce, type: bool}
  - {name: day, type: date}
  - {name: sent, type: timestamp(us)}
  - {name: Size, type: int64}
  - {name: shop_id, type: int64}
`

const viewsCube = `
cube: views_cube
table: views
dimensions: [month(ts), day(ts), hour(ts), country, lang, bounce, day, hour(sent), Size, shop_id]
lookups: [{lookup: shops, foreign_key: shop_id, derived: [city]}]
measures:
  - count
  - sum(bytes)
  - avg(latency)
  - count(bytes)
  - min(latency)
  - max(ts)
  - {function: count_distinct, column: visitor}
  - count_distinct_exact(bytes)
  - {function: percentile, column: latency}
  - {function: top_n, by: [page_url], n: 50}
  - first(page_url)
  - sum(price)
`

const berlinCube = `
cube: views_berlin
table: views
time_zone: Europe/Berlin
dimensions: [month(ts), week(ts), day(ts), hour(ts), minute(ts), country, lang, page_url, hour(sent), day]
measures:
  - sum(bytes)
  - avg(bytes)
  - min(bytes)
  - max(bytes)
  - sum(latency)
  - count(latency)
  - max(latency)
  - avg(price)
  - sum(price)
  - min(sent)
  - count_distinct_exact(bytes)
groups:
  - dim_cap: 4
`

// world is a catalog and a DuckDB that parses.
type world struct {
	db        *duck.DB
	tables    map[string]*cube.Table
	cubes     map[string]*cube.Cube
	lookups   map[string]*cube.Lookup
	relations map[string]*plan.Relation
}

func newWorld(t testing.TB) *world {
	t.Helper()
	db, err := duck.Open(duck.Options{MaxConns: 2, MemoryBytes: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{db: db, tables: map[string]*cube.Table{}, cubes: map[string]*cube.Cube{}, lookups: map[string]*cube.Lookup{}, relations: map[string]*plan.Relation{}}
	shops := &cube.Lookup{Project: "default", Name: "shops", Key: "id", Columns: []cube.LookupColumn{{Name: "id", Type: "int64"}, {Name: "city", Type: "string"}}}
	w.lookups["shops"] = shops
	if w.relations["shops"], err = plan.LookupRelation(shops); err != nil {
		t.Fatal(err)
	}
	w.addTable(t, viewsTable)
	w.addCube(t, viewsCube)
	w.addCube(t, berlinCube)
	return w
}

func (w *world) addTable(t testing.TB, text string) {
	t.Helper()
	table, err := cube.ParseTable([]byte(text), "")
	if err != nil {
		t.Fatal(err)
	}
	w.tables[table.Name] = table
	w.relations[table.Name] = plan.TableRelation(table)
}

func (w *world) addCube(t testing.TB, text string) {
	t.Helper()
	var lookups []*cube.Lookup
	for _, l := range w.lookups {
		lookups = append(lookups, l)
	}
	c, err := cube.ParseCube([]byte(text), "", w.tables["views"], lookups...)
	if err != nil {
		t.Fatal(err)
	}
	w.cubes[c.Name] = c
	w.relations["views"] = plan.TableRelation(w.tables["views"], slices.Collect(maps.Values(w.cubes))...)
	if w.relations[c.Name], err = plan.CubeRelation(c, w.tables[c.Table], lookups); err != nil {
		t.Fatal(err)
	}
}

func (w *world) Table(schema, name string) (*plan.Relation, bool) {
	if schema == "information_schema" {
		return nil, true
	}
	r, ok := w.relations[strings.ToLower(name)]
	return r, ok && (schema == "" || strings.EqualFold(schema, "default"))
}

func (w *world) Names() []string { return []string{"views", "views_cube", "shops"} }

func (w *world) layout(t testing.TB, name string) *cells.Layout {
	t.Helper()
	l, err := cells.NewLayout(w.cubes[name], w.tables[w.cubes[name].Table])
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func now() time.Time { return time.Date(2026, 3, 15, 10, 30, 0, 0, time.UTC) }

func (w *world) text(t testing.TB, q duck.Query) string {
	t.Helper()
	text, err := w.db.Text(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (w *world) analyse(t testing.TB, sql string, approximate bool) (*plan.Statement, error) {
	t.Helper()
	s, err := w.db.Parse(t.Context(), sql)
	if err != nil {
		return nil, err
	}
	return plan.Analyse(s.Query, w, plan.Options{
		Now: now(), Functions: w.db.Functions(), Approximate: approximate,
		Text: func(q duck.Query) (string, error) { return w.db.Text(t.Context(), q) },
	})
}

// describe writes all that planning found out.
func (w *world) describe(t testing.TB, st *plan.Statement) string {
	t.Helper()
	var out strings.Builder
	for _, b := range st.Blocks {
		fmt.Fprintf(&out, "%s of %s\n", b.Name, b.Relation.Name)
		for i, g := range b.Groups {
			fmt.Fprintf(&out, "  g%d %s: %s\n", i, g.Type, w.exprText(t, g.Expr))
		}
		for i, a := range b.Aggs {
			fmt.Fprintf(&out, "  a%d %s: %s", i, a.Type, a.String())
			if a.Filter != nil {
				fmt.Fprintf(&out, " where %s", a.Filter)
			}
			out.WriteByte('\n')
		}
		if b.Where != nil {
			fmt.Fprintf(&out, "  where %s\n", b.Where)
		}
		if b.Sets != nil {
			fmt.Fprintf(&out, "  sets %v\n", b.Sets)
		}
		if b.Time != plan.Always() {
			fmt.Fprintf(&out, "  time %s\n", b.Time)
		}
		if b.Top != nil {
			fmt.Fprintf(&out, "  top %d by a%d\n", b.Top.N, b.Top.Agg)
		}
		w.describeNeeds(t, &out, b)
	}
	for _, s := range st.Scans {
		fmt.Fprintf(&out, "%s of %s: %s\n  because %s\n", s.Name, s.Relation.Name, columnNames(s.Columns), s.Reason)
		if s.Where != nil {
			fmt.Fprintf(&out, "  where %s\n", s.Where)
		}
		if s.Time != plan.Always() {
			fmt.Fprintf(&out, "  time %s\n", s.Time)
		}
	}
	if st.Whole != nil {
		fmt.Fprintf(&out, "whole %s\n", wholeText(st.Whole))
	} else {
		fmt.Fprintf(&out, "rest %s\n", w.text(t, st.Root))
	}
	return out.String()
}

func (w *world) describeNeeds(t testing.TB, out *strings.Builder, b *plan.Block) {
	layout := w.layout(t, "views_cube")
	needs, lacks := b.Need(layout, w.cubes["views_cube"])
	if lacks != nil {
		fmt.Fprintf(out, "  lacks %s\n", lacks)
		return
	}
	for _, n := range needs {
		fmt.Fprintf(out, "  need %s", n)
		if n.Fixed != n.Mask {
			fmt.Fprintf(out, " fixed (%s)", strings.Join(n.Names(n.Fixed), ", "))
		}
		for i, s := range n.Sources {
			fmt.Fprintf(out, "; a%d %s", i, s.Kind)
			if s.Measure >= 0 {
				fmt.Fprintf(out, " %s", layout.Measures[s.Measure].Name)
			}
			if s.Count >= 0 && s.Count != s.Measure {
				fmt.Fprintf(out, " by %s", layout.Measures[s.Count].Name)
			}
		}
		if n.Time >= 0 {
			fmt.Fprintf(out, "; cells %v", n.Cells)
		}
		if len(n.Events) > 0 {
			fmt.Fprintf(out, "; events %v", n.Events)
		}
		if len(n.Approximate) > 0 {
			fmt.Fprintf(out, "; approximate %s", strings.Join(n.Approximate, ", "))
		}
		out.WriteByte('\n')
	}
}

func (w *world) exprText(t testing.TB, e duck.Expr) string {
	t.Helper()
	return strings.TrimPrefix(w.text(t, &duck.Select{Items: []duck.Expr{duck.Clone(e)}, From: new(duck.Empty)}), "SELECT ")
}

func columnNames(cols []plan.Column) string {
	var out []string
	for _, c := range cols {
		out = append(out, c.Name)
	}
	return strings.Join(out, ", ")
}

func wholeText(w *plan.Whole) string {
	var out strings.Builder
	col := func(o plan.Output) string {
		if o.Agg {
			return fmt.Sprintf("a%d", o.Index)
		}
		return fmt.Sprintf("g%d", o.Index)
	}
	for i, it := range w.Items {
		if i > 0 {
			out.WriteString(", ")
		}
		fmt.Fprintf(&out, "%s as %q", col(it.Output), it.Name)
	}
	if w.Having != nil {
		fmt.Fprintf(&out, " having %s", w.Having)
	}
	for i, o := range w.Order {
		out.WriteString(map[bool]string{true: " order by ", false: ", "}[i == 0] + col(o.Output))
		if o.Descending {
			out.WriteString(" desc")
		}
		if o.NullsFirst {
			out.WriteString(" nulls first")
		}
	}
	if w.Limit != nil {
		fmt.Fprintf(&out, " limit %d", *w.Limit)
	}
	if w.Offset > 0 {
		fmt.Fprintf(&out, " offset %d", w.Offset)
	}
	return out.String()
}
