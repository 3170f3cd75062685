package run

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// valueRows returns the rows of a record as values.
func valueRows(t tester, rec arrow.Record) [][]any {
	t.Helper()
	out := make([][]any, rec.NumRows())
	for c := range int(rec.NumCols()) {
		if !ordered(rec.Schema().Field(c).Type) {
			for i := range out {
				out[i] = append(out[i], arrowText(t, rec.Column(c), i))
			}
			continue
		}
		col, err := FromArrow(rec.Column(c))
		if err != nil {
			t.Fatal(err)
		}
		for i := range out {
			out[i] = append(out[i], valueAt(col, i))
		}
	}
	return out
}

// compareNulls orders values of which some are null.
func compareNulls(a, b any, o Order) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil || b == nil:
		if (a == nil) == o.NullsFirst {
			return -1
		}
		return 1
	case o.Descending:
		return -compareAny(a, b)
	}
	return compareAny(a, b)
}

// ask answers a question over inputs, whose programs it sets.
func (q *question) ask(r *rapid.T, t testing.TB, run *Runner, a *Answer, inputs []Input) [][]any {
	p := q.program(t, a, testLayouts(t)[0])
	for i := range inputs {
		inputs[i].Program = p
	}
	query, err := run.Start(a)
	if err != nil {
		r.Fatal(err)
	}
	defer query.Close()
	if err := query.Fold(context.Background(), inputs); err != nil {
		r.Fatal(err)
	}
	rec, err := query.Record(context.Background())
	if err != nil {
		r.Fatal(err)
	}
	defer rec.Release()
	return valueRows(r, rec)
}

// drawEnd draws what comes behind the groups of an answer: having, order, limit and offset.
func drawEnd(r *rapid.T, plain *Answer) (a Answer, least int64, having int) {
	a, having = *plain, -1
	sortable := []int{}
	for c, f := range plain.Schema().Fields() {
		if ordered(f.Type) {
			sortable = append(sortable, c)
		}
	}
	for range rapid.IntRange(0, min(3, len(sortable))).Draw(r, "orders") {
		a.Order = append(a.Order, Order{rapid.SampledFrom(sortable).Draw(r, "column"), rapid.Bool().Draw(r, "descending"), rapid.Bool().Draw(r, "nulls first")})
	}
	if rapid.Bool().Draw(r, "limited") {
		n := rapid.Int64Range(0, 20).Draw(r, "limit")
		a.Limit = &n
	}
	if rapid.Bool().Draw(r, "skips") {
		a.Offset = rapid.Int64Range(0, 10).Draw(r, "offset")
	}
	if c := slices.IndexFunc(a.Aggregates, func(g Aggregate) bool { return g.Func == cube.Count }); c >= 0 && rapid.Bool().Draw(r, "having") {
		having, least = c+len(a.Groups), rapid.Int64Range(0, 5).Draw(r, "least")
		a.Having = &Cond{Leaf: Range(having, &Edge{Value: literal(numAt, least)}, nil)}
	}
	return a, least, having
}

// slowEnd does to rows what the answer asks for.
func slowEnd(a *Answer, rows [][]any, least int64, having int) [][]any {
	if having >= 0 {
		rows = slices.DeleteFunc(rows, func(row []any) bool { return row[having].(int64) < least })
	}
	slices.SortFunc(rows, func(x, y []any) int {
		for _, o := range a.Order {
			if c := compareNulls(x[o.Column], y[o.Column], o); c != 0 {
				return c
			}
		}
		for g := range a.Groups {
			if c := compareNulls(x[g], y[g], Order{}); c != 0 {
				return c
			}
		}
		return cmp.Compare(fmt.Sprint(x[len(x)-1]), fmt.Sprint(y[len(y)-1])) // the grouping set
	})
	rows = rows[min(int(a.Offset), len(rows)):]
	if a.Limit != nil {
		rows = rows[:min(int(*a.Limit), len(rows))]
	}
	return rows
}

// TestOrderLimitAndHaving holds them against the same rows, sorted and cut slowly (N6).
func TestOrderLimitAndHaving(t *testing.T) {
	l := testLayouts(t)[0]
	run := newRunner(t, Options{})
	rapid.Check(t, func(r *rapid.T) {
		events := drawEvents(r, 150)
		q := drawQuestion(r, t)
		plain := q.answer(t, l)
		var inputs []Input
		mask := q.program(t, plain, l).Dims()
		for from := 0; from < len(events); from += 50 {
			inputs = append(inputs, Input{Batch: CellsBatch(cellsOf(t, l, mask, events[from:min(from+50, len(events))], int64(from)))})
		}
		rows := q.ask(r, t, run, plain, inputs)
		a, least, having := drawEnd(r, plain)
		rows = slowEnd(&a, rows, least, having)
		sorted, err := NewAnswer(a)
		if err != nil {
			r.Fatal(err)
		}
		got := q.ask(r, t, run, sorted, inputs)
		if a.Order == nil && a.Limit == nil && a.Offset == 0 {
			return // in any order
		}
		if fmt.Sprint(got) != fmt.Sprint(rows) {
			r.Fatalf("got\n%v, want\n%v", got, rows)
		}
	})
}
