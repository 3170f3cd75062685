package run

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

func allAggregates() []aggregate {
	agg := func(f cube.Function, slow func([]event) any, measures ...string) aggregate {
		return aggregate{Aggregate{Name: string(f), Func: f}, measures, slow}
	}
	quantile := func(q float64, at int, unit float64, measure string) aggregate {
		a := agg(cube.Percentile, func(es []event) any { return slowQuantile(present(es, at), q, unit) }, measure)
		a.Quantile = q
		return a
	}
	top := agg(cube.TopN, func(es []event) any { return slowTop(es, 3, nameAt) }, "top")
	top.N = 3
	return []aggregate{
		agg(cube.Count, func(es []event) any { return int64(len(es)) }, "count"),
		agg(cube.Count, func(es []event) any { return int64(len(present(es, nameAt))) }, "count_name"),
		agg(cube.Count, func(es []event) any { return int64(len(present(es, numAt))) }, "avg_num"),
		agg(cube.Sum, func(es []event) any { return slowSum(present(es, numAt)) }, "sum_num"),
		agg(cube.Sum, func(es []event) any { return slowSum(present(es, numAt)) }, "avg_num"),
		agg(cube.Sum, func(es []event) any { return slowSum(present(es, floatAt)) }, "sum_float"),
		agg(cube.Sum, func(es []event) any { return slowSum(present(es, priceAt)) }, "sum_price"),
		agg(cube.Sum, func(es []event) any { return slowSum(present(es, bigAt)) }, "sum_big"),
		agg(cube.Avg, func(es []event) any { return slowAvg(present(es, numAt), 0) }, "sum_num", "count_num"),
		agg(cube.Avg, func(es []event) any { return slowAvg(present(es, floatAt), 0) }, "avg_float"),
		agg(cube.Avg, func(es []event) any { return slowAvg(present(es, priceAt), 2) }, "avg_price"),
		agg(cube.Min, func(es []event) any { return slowLeast(present(es, tsAt), false) }, "min_ts"),
		agg(cube.Max, func(es []event) any { return slowLeast(present(es, nameAt), true) }, "max_name"),
		agg(cube.Min, func(es []event) any { return slowLeast(present(es, bigAt), false) }, "min_big"),
		agg(cube.Max, func(es []event) any { return slowLeast(present(es, floatAt), true) }, "max_float"),
		agg(cube.Min, func(es []event) any { return slowLeast(present(es, flagAt), false) }, "min_flag"),
		agg(cube.Max, func(es []event) any { return slowLeast(present(es, dayAt), true) }, "max_day"),
		agg(cube.CountDistinct, func(es []event) any { return slowDistinct(present(es, nameAt)) }, "count_distinct_name"),
		agg(cube.CountDistinctExact, func(es []event) any { return slowDistinct(present(es, numAt)) }, "count_distinct_exact_num"),
		quantile(0.5, floatAt, 1, "percentile_float"),
		quantile(0.9, priceAt, 100, "percentile_price"),
		agg(cube.First, func(es []event) any { return slowFirst(es, nameAt, false) }, "first_name"),
		agg(cube.Last, func(es []event) any { return slowFirst(es, numAt, true) }, "last_num"),
		top,
		agg(cube.TopN, func(es []event) any { return slowTop(es, 100, nameAt, numAt) }, "tops"),
	}
}

// condition is a condition and what it says of an event, slowly. make gives it for a layout.
type condition struct {
	make func(dim func(column int) int) *Cond
	slow func(e event) Truth
}

func drawCondition(r *rapid.T, depth int) condition {
	if depth > 0 && rapid.IntRange(0, 2).Draw(r, "inner") > 0 {
		kind := rapid.SampledFrom([]CondKind{And, Or, Not}).Draw(r, "kind")
		n := 1
		if kind != Not {
			n = rapid.IntRange(0, 3).Draw(r, "parts")
		}
		var of []condition
		for range n {
			of = append(of, drawCondition(r, depth-1))
		}
		return condition{
			make: func(dim func(int) int) *Cond {
				c := &Cond{Kind: kind}
				for _, o := range of {
					c.Of = append(c.Of, o.make(dim))
				}
				return c
			},
			slow: func(e event) Truth {
				if kind == Not {
					return True - of[0].slow(e)
				}
				t := False
				if kind == And {
					t = True
				}
				for _, o := range of {
					if v := o.slow(e); kind == And {
						t = min(t, v)
					} else {
						t = max(t, v)
					}
				}
				return t
			},
		}
	}
	at := rapid.IntRange(0, len(columnNames())-1).Draw(r, "column")
	leaf, slow := drawLeaf(r, at)
	return condition{
		make: func(dim func(int) int) *Cond { return &Cond{Kind: Is, Leaf: leaf(dim(at))} },
		slow: func(e event) Truth { return slow(e[at]) },
	}
}

// literal returns a dictionary of values of a column, which ascend.
func literal(at int, vs ...any) *cells.Dict {
	kinds := []stage.Kind{stage.Int64, stage.Int64, stage.Bool, stage.Int64, stage.Float64, stage.Int64, stage.Decimal128, stage.Bytes}
	d := &cells.Dict{Values: stage.Column{Kind: kinds[at]}}
	for _, v := range vs {
		appendValue(&d.Values, v)
	}
	return d
}

// known is f of values, and null of null.
func known(f func(v any) bool) func(v any) Truth {
	return func(v any) Truth {
		if v == nil {
			return Null
		}
		return Truth(2 * boolInt(f(v)))
	}
}

func drawLiteral(r *rapid.T, at int) any {
	for {
		if v := drawEvents(r, 3); len(v) > 0 && v[0][at] != nil {
			return v[0][at]
		}
	}
}

func drawLeaf(r *rapid.T, at int) (leaf func(dim int) *Leaf, slow func(v any) Truth) {
	switch rapid.IntRange(0, 4).Draw(r, "leaf") {
	case 0:
		return drawRange(r, at)
	case 1:
		return drawIn(r, at)
	case 2:
		return IsNull, func(v any) Truth { return Truth(2 * boolInt(v == nil)) }
	case 3:
		if at == nameAt {
			prefix := rapid.SampledFrom([]string{"", "a", "ab", "\xff", "z"}).Draw(r, "prefix")
			return func(dim int) *Leaf { return HasPrefix(dim, []byte(prefix)) },
				known(func(v any) bool { return strings.HasPrefix(v.(string), prefix) })
		}
	}
	seed := rapid.StringN(0, 3, 3).Draw(r, "seed")
	slow = func(v any) Truth {
		h := fnv.New32()
		h.Write([]byte(seed + text2(v)))
		return Truth(h.Sum32() % 3)
	}
	return func(dim int) *Leaf {
		return &Leaf{Dim: dim, Key: "hash " + seed, Truths: func(_ context.Context, d *cells.Dict) ([]Truth, error) {
			out := []Truth{slow(nil)}
			for i := range d.Values.Len() {
				out = append(out, slow(valueAt(&d.Values, i)))
			}
			return out, nil
		}}
	}, slow
}

func drawRange(r *rapid.T, at int) (leaf func(dim int) *Leaf, slow func(v any) Truth) {
	low, high := drawLiteral(r, at), drawLiteral(r, at)
	openLow, openHigh := rapid.Bool().Draw(r, "open"), rapid.Bool().Draw(r, "open")
	a, b := &Edge{literal(at, low), openLow}, &Edge{literal(at, high), openHigh}
	switch rapid.IntRange(0, 2).Draw(r, "ends") {
	case 1:
		a = nil
	case 2:
		b = nil
	}
	return func(dim int) *Leaf { return Range(dim, a, b) }, known(func(v any) bool {
		above := a == nil || compareAny(v, low) > 0 || !openLow && compareAny(v, low) == 0
		return above && (b == nil || compareAny(v, high) < 0 || !openHigh && compareAny(v, high) == 0)
	})
}

func drawIn(r *rapid.T, at int) (leaf func(dim int) *Leaf, slow func(v any) Truth) {
	vs := []any{drawLiteral(r, at), drawLiteral(r, at)}
	slices.SortFunc(vs, compareAny)
	if compareAny(vs[0], vs[1]) == 0 {
		vs = vs[:1]
	}
	null, key := rapid.Bool().Draw(r, "null in list"), ""
	if rapid.Bool().Draw(r, "keyed") {
		key = fmt.Sprint("in ", at, text2(vs[0]), text2(vs[len(vs)-1]), null)
	}
	return func(dim int) *Leaf { return In(dim, key, literal(at, vs...), null) }, func(v any) Truth {
		switch {
		case v == nil:
			return Null
		case slices.ContainsFunc(vs, func(x any) bool { return compareAny(x, v) == 0 }):
			return True
		case null:
			return Null
		}
		return False
	}
}

// grouping is a group column and its value of an event, slowly.
type grouping struct {
	column int
	typ    arrow.DataType
	values func(ctx context.Context, d *cells.Dict) (*stage.Column, error)
	slow   func(e event) any
	key    string
}

func drawGrouping(r *rapid.T, t testing.TB) grouping {
	at := rapid.IntRange(0, len(columnNames())-1).Draw(r, "group")
	g := grouping{column: at, typ: TypeOf(testTable(t).Columns[at].Type), slow: func(e event) any { return e[at] }}
	if rapid.Bool().Draw(r, "keyed") {
		g.key = fmt.Sprint("column ", at)
	}
	if rapid.Bool().Draw(r, "expression") {
		most := rapid.SampledFrom([]uint32{2, 3, 1 << 20}).Draw(r, "values")
		f := func(v any) any {
			h := fnv.New32()
			h.Write([]byte(text2(v)))
			if v := int64(h.Sum32() % most); v > 0 {
				return v
			}
			return nil
		}
		g.typ, g.slow = arrow.PrimitiveTypes.Int32, func(e event) any { return f(e[at]) }
		if g.key != "" {
			g.key = fmt.Sprint("hash ", at, most)
		}
		g.values = func(_ context.Context, d *cells.Dict) (*stage.Column, error) {
			out := &stage.Column{Kind: stage.Int64}
			appendValue(out, f(nil))
			for i := range d.Values.Len() {
				appendValue(out, f(valueAt(&d.Values, i)))
			}
			return out, nil
		}
	}
	return g
}

// question is a block, and its answer slowly.
type question struct {
	groups  []grouping
	aggs    []aggregate
	filters []condition // of aggs, by index; the zero value: none
	where   *condition
	sets    [][]int
}

func drawQuestion(r *rapid.T, t testing.TB) *question {
	q := &question{}
	for range rapid.IntRange(0, 4).Draw(r, "groups") {
		q.groups = append(q.groups, drawGrouping(r, t))
	}
	all := allAggregates()
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(all)-1), 1, 6, rapid.ID).Draw(r, "aggregates") {
		q.aggs = append(q.aggs, all[i])
		c := condition{}
		if rapid.IntRange(0, 3).Draw(r, "filtered") == 0 {
			c = drawCondition(r, 2)
		}
		q.filters = append(q.filters, c)
	}
	if rapid.Bool().Draw(r, "where") {
		c := drawCondition(r, 3)
		q.where = &c
	}
	if len(q.groups) > 0 && rapid.IntRange(0, 3).Draw(r, "sets") == 0 {
		q.sets = rapid.SliceOfN(rapid.SliceOfNDistinct(rapid.IntRange(0, len(q.groups)-1), 0, len(q.groups), rapid.ID), 1, 3).Draw(r, "grouping sets")
	}
	return q
}

// answer returns the block's Answer, whose states are those of l.
func (q *question) answer(t testing.TB, l *cells.Layout) *Answer {
	t.Helper()
	a := Answer{Sets: q.sets}
	if q.sets != nil {
		a.SetName = "set"
	}
	for i, g := range q.groups {
		a.Groups = append(a.Groups, GroupColumn{fmt.Sprintf("g%d", i), g.typ, g.key})
	}
	filters := 0
	for i, g := range q.aggs {
		filter := 0
		if q.filters[i].make != nil {
			filters++
			filter = filters
		}
		for _, m := range g.measures {
			g.States = append(g.States, len(a.States))
			a.States = append(a.States, State{&l.Measures[measureOf(t, l, m)], filter})
		}
		g.Name = fmt.Sprintf("a%d", i)
		a.Aggregates = append(a.Aggregates, g.Aggregate)
	}
	out, err := NewAnswer(a)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func measureOf(t testing.TB, l *cells.Layout, name string) int {
	t.Helper()
	at := slices.IndexFunc(l.Measures, func(m cells.Measure) bool { return m.Name == name })
	if at < 0 {
		t.Fatalf("there is no measure %s", name)
	}
	return at
}

func dimOf(l *cells.Layout) func(column int) int {
	return func(column int) int {
		return slices.IndexFunc(l.Dims, func(d cells.Dim) bool { return d.Name == columnNames()[column] })
	}
}

func (q *question) program(t testing.TB, a *Answer, l *cells.Layout) *Program {
	t.Helper()
	p := Program{Answer: a, Layout: l}
	dim := dimOf(l)
	if q.where != nil {
		p.Where = q.where.make(dim)
	}
	for i, g := range q.aggs {
		if q.filters[i].make != nil {
			p.Filters = append(p.Filters, q.filters[i].make(dim))
		}
		for _, m := range g.measures {
			p.Measures = append(p.Measures, measureOf(t, l, m))
		}
	}
	for _, g := range q.groups {
		p.Groups = append(p.Groups, Group{dim(g.column), g.values})
	}
	out, err := NewProgram(p)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// slow answers the question over events, rows as recordRows writes them, sorted.
func (q *question) slow(events []event) []string {
	sets := q.sets
	if sets == nil {
		all := []int{}
		for i := range q.groups {
			all = append(all, i)
		}
		sets = [][]int{all}
	}
	var out []string
	for k, set := range sets {
		groups := map[string][]event{}
		if len(set) == 0 {
			groups[strings.Repeat("null|", len(q.groups))] = nil
		}
		for _, e := range events {
			if q.where != nil && q.where.slow(e) != True {
				continue
			}
			key := ""
			for i, g := range q.groups {
				if slices.Contains(set, i) {
					key += text2(g.slow(e)) + "|"
				} else {
					key += "null|"
				}
			}
			groups[key] = append(groups[key], e)
		}
		for key, members := range groups {
			for i, g := range q.aggs {
				own := members
				if f := q.filters[i]; f.make != nil {
					own = slices.DeleteFunc(slices.Clone(members), func(e event) bool { return f.slow(e) != True })
				}
				key += text2(g.slow(own)) + "|"
			}
			if q.sets != nil {
				key += fmt.Sprint(k) + "|"
			}
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

// rowsOfCells is c as a reader gives it.
func rowsOfCells(c *cells.Cells) *cuboid.Rows {
	out := &cuboid.Rows{N: c.Len(), Dicts: c.Dicts, Codes: make([][]uint32, len(c.Dicts)), States: c.States}
	for i, d := range c.Dicts {
		if d != nil {
			out.Codes[i] = c.Keys.AppendCodes(nil, i, 0, c.Len())
		}
	}
	return out
}
