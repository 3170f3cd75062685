package plan

import (
	"fmt"
	"slices"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/duck"
)

// aggregate returns what stands for a call of an aggregate: a column of the block, or an expression over some.
func (b *builder) aggregate(f *duck.Function) (duck.Expr, error) {
	for _, part := range append(append([]duck.Expr{}, f.Args...), f.Filter) {
		if part == nil {
			continue
		}
		if err := b.plain(part, "aggregates"); err != nil {
			return nil, err
		}
	}
	if e, ok, err := sumOfCase(f, b.callOf); ok || err != nil {
		return e, err
	}
	call := duck.Clone(f)
	call.SetAlias("")
	whenCase(call)
	return b.addCall(call)
}

// callOf makes a call and adds it.
func (b *builder) callOf(name string, args []duck.Expr, filter duck.Expr) (duck.Expr, error) {
	return b.addCall(duck.Clone(&duck.Function{Name: name, Args: args, Filter: filter}))
}

// addCall adds the aggregate of a call to the block, and returns its column.
func (b *builder) addCall(call *duck.Function) (duck.Expr, error) {
	agg := Agg{Call: call}
	if err := b.readAgg(call, &agg); err != nil {
		return nil, err
	}
	filter := call.Filter
	switch {
	case agg.Func == CountAll && agg.Type == "HUGEINT": // count_if
		filter = conj(filter, call.Args[0])
	case agg.Column == "" || !b.t.rel.keyed(agg.Func, agg.Column, b.a.opts.Approximate):
	case agg.Func == Count: // the events where the dimension is not null
		filter = conj(filter, &duck.IsNull{X: call.Args[0], Not: true})
		agg.Func, agg.Column = CountAll, ""
	default:
		return nil, noBlock("%s is a dimension, whose values DuckDB aggregates", agg.Column)
	}
	if agg.Filter = b.t.rel.cond(filter); wide(agg.Filter) {
		return nil, noBlock("a FILTER compares columns with each other")
	}
	return b.addAgg(agg), nil
}

func (b *builder) addAgg(agg Agg) duck.Expr {
	for i := range b.b.Aggs {
		if duck.Equal(b.b.Aggs[i].Call, agg.Call) {
			return aggColumn(i)
		}
	}
	b.b.Aggs = append(b.b.Aggs, agg)
	return aggColumn(len(b.b.Aggs) - 1)
}

// wide reports whether a condition has a leaf that is not on one column.
func wide(c *Cond) bool {
	return slices.ContainsFunc(c.Leaves(), func(l *Cond) bool { return !l.Timed && len(l.Term.Columns) > 1 })
}

// whenCase turns agg(CASE WHEN c THEN x END) to agg(x) FILTER (WHERE c), of aggregates that pass over nulls.
func whenCase(f *duck.Function) {
	passOverNull := []string{"count", "sum", "avg", "mean", "min", "max", "any_value", "approx_count_distinct", "median"}
	if len(f.Args) != 1 || !slices.Contains(passOverNull, f.Name) {
		return
	}
	c, ok := f.Args[0].(*duck.Case)
	if !ok || len(c.Whens) != 1 || c.Else != nil && !isNull(c.Else) {
		return
	}
	if _, constant := fold(c.Whens[0].Then); !constant && !isColumn(c.Whens[0].Then) {
		return // it may only be computed where the condition holds
	}
	f.Args[0] = c.Whens[0].Then
	f.Filter = conj(f.Filter, c.Whens[0].If)
}

func isNull(e duck.Expr) bool {
	c, ok := fold(e)
	return ok && c.kind == constNull
}

// sumOfCase reads sum(CASE WHEN c THEN x ELSE 0 END): the sum of x where c holds, and 0 if there are other rows only. call
// makes an aggregate.
func sumOfCase(f *duck.Function, call func(string, []duck.Expr, duck.Expr) (duck.Expr, error)) (_ duck.Expr, ok bool, err error) {
	if f.Name != "sum" || f.Distinct || len(f.Args) != 1 || len(f.Order) > 0 {
		return nil, false, nil
	}
	c, ok := f.Args[0].(*duck.Case)
	if !ok || len(c.Whens) != 1 || c.Else == nil {
		return nil, false, nil
	}
	zero, ok := fold(c.Else)
	if !ok || zero.kind != constInt || zero.n != 0 {
		return nil, false, nil
	}
	when, then := c.Whens[0].If, c.Whens[0].Then
	one, constant := fold(then)
	if constant && (one.kind != constInt || one.n != 1) || !constant && !isColumn(then) {
		return nil, false, nil
	}
	only := conj(f.Filter, when)
	all, err := call("count_star", nil, f.Filter)
	if err != nil {
		return nil, false, err
	}
	hits, err := call("count_star", nil, only)
	if err != nil {
		return nil, false, err
	}
	if constant {
		some := &duck.Comparison{Op: ">", Left: all, Right: duck.NewConstant(0)}
		big := &duck.Cast{X: hits, To: duck.Type{Name: "HUGEINT"}}
		return &duck.Case{Whens: []*duck.When{{If: some, Then: big}}, Else: duck.NewConstant(nil)}, true, nil
	}
	sum, err := call("sum", []duck.Expr{then}, only)
	if err != nil {
		return nil, false, err
	}
	others := &duck.Comparison{Op: ">", Left: all, Right: hits}
	orZero := &duck.Operator{Op: "OPERATOR_COALESCE", Args: []duck.Expr{sum, duck.NewConstant(0)}}
	return &duck.Case{Whens: []*duck.When{{If: others, Then: orZero}}, Else: duck.Clone(sum)}, true, nil
}

// readAgg says what a call computes.
func (b *builder) readAgg(f *duck.Function, agg *Agg) error {
	if len(f.Args) == 0 {
		if f.Name != "count_star" && f.Name != "count" || f.Distinct {
			return noBlock("%s is not understood", f.Name)
		}
		agg.Func, agg.Type = CountAll, "BIGINT"
		return nil
	}
	switch f.Name {
	case "count":
		return b.readCount(f, agg)
	case "count_if", "countif":
		if len(f.Args) != 1 || f.Distinct {
			return noBlock("this %s is not kept by cubes", f.Name)
		}
		agg.Func, agg.Type = CountAll, "HUGEINT"
		return nil
	case "median", "quantile", "quantile_cont", "quantile_disc", "approx_quantile":
		return b.readQuantile(f, agg)
	case "arg_min", "argmin", "min_by", "arg_max", "argmax", "max_by":
		return b.readFirst(f, agg)
	}
	if len(f.Args) != 1 {
		return noBlock("%s of %d arguments is not kept by cubes", f.Name, len(f.Args))
	}
	fn, ok := map[string]AggFunc{
		"sum": Sum, "avg": Avg, "mean": Avg, "min": Min, "max": Max, "any_value": Any, "approx_count_distinct": ApproxDistinct,
	}[f.Name]
	if !ok {
		return noBlock("%s is not kept by cubes", f.Name)
	}
	if f.Distinct && fn != Min && fn != Max && fn != ApproxDistinct {
		return noBlock("%s(DISTINCT) is not kept by cubes", f.Name)
	}
	return b.argument(agg, f.Args[0], fn)
}

// argument says which column is aggregated, and the type of the result.
func (b *builder) argument(agg *Agg, e duck.Expr, fn AggFunc) error {
	c, ok := e.(*duck.Column)
	if !ok {
		return noBlock("an aggregate of an expression is not kept by cubes")
	}
	col, _ := b.t.rel.column(c.Names[0])
	agg.Func, agg.Column = fn, col.Name
	number := col.Type.Kind == cube.Int64 || col.Type.Kind == cube.Float64 || col.Type.Kind == cube.Decimal
	switch fn {
	case Count, CountDistinct, ApproxDistinct:
		agg.Type = "BIGINT"
	case Avg:
		if agg.Type = "DOUBLE"; !number {
			return noBlock("avg of %s is left to DuckDB", col.Name)
		}
	case Sum:
		switch col.Type.Kind {
		case cube.Int64, cube.Bool:
			agg.Type = "HUGEINT"
		case cube.Float64:
			agg.Type = "DOUBLE"
		case cube.Decimal:
			agg.Type = fmt.Sprintf("DECIMAL(38,%d)", col.Type.Scale)
		default:
			return noBlock("sum of %s is left to DuckDB", col.Name)
		}
	default:
		agg.Type = SQLType(col.Type)
	}
	return nil
}

// readCount knows that a constant is counted like a row.
func (b *builder) readCount(f *duck.Function, agg *Agg) error {
	if len(f.Args) != 1 {
		return noBlock("count of %d arguments is not kept by cubes", len(f.Args))
	}
	if f.Distinct {
		return b.argument(agg, f.Args[0], CountDistinct)
	}
	if c, ok := fold(f.Args[0]); ok && c.kind != constNull {
		agg.Func, agg.Type = CountAll, "BIGINT"
		return nil
	}
	return b.argument(agg, f.Args[0], Count)
}

// readQuantile reads quantile(x, p), and quantile_cont(p) WITHIN GROUP (ORDER BY x).
func (b *builder) readQuantile(f *duck.Function, agg *Agg) error {
	x, at := f.Args[0], duck.Expr(nil)
	switch {
	case f.Name == "median" && len(f.Args) == 1 && len(f.Order) == 0:
		agg.Param = 0.5
	case len(f.Args) == 2 && len(f.Order) == 0:
		at = f.Args[1]
	case len(f.Args) == 1 && len(f.Order) == 1 && !f.Order[0].Desc && f.Name != "median":
		x, at = f.Order[0].X, f.Args[0]
	default:
		return noBlock("this %s is not kept by cubes", f.Name)
	}
	if at != nil {
		p, ok := fold(at)
		v, isFloat := valueOf(p, cube.Type{Kind: cube.Float64})
		if !ok || !isFloat || v.Null || v.Float < 0 || v.Float > 1 {
			return noBlock("this %s is not kept by cubes", f.Name)
		}
		agg.Param = v.Float
	}
	fn, ok := map[string]AggFunc{"quantile": QuantileDisc, "quantile_disc": QuantileDisc, "approx_quantile": ApproxQuantile}[f.Name]
	if !ok {
		fn = Quantile
	}
	if err := b.argument(agg, x, fn); err != nil {
		return err
	}
	if f.Distinct || agg.Type != "BIGINT" && agg.Type != "DOUBLE" {
		return noBlock("this %s is not kept by cubes", f.Name)
	}
	if fn == Quantile {
		agg.Type = "DOUBLE"
	}
	return nil
}

// readFirst reads arg_min(x, ts) and arg_max(x, ts), where ts is the event time.
func (b *builder) readFirst(f *duck.Function, agg *Agg) error {
	if len(f.Args) != 2 || f.Distinct {
		return noBlock("this %s is not kept by cubes", f.Name)
	}
	by, ok := f.Args[1].(*duck.Column)
	if !ok || by.Names[0] != b.t.rel.Table.EventTime.Column {
		return noBlock("%s is kept by cubes for the event time only", f.Name)
	}
	fn := First
	if f.Name == "arg_max" || f.Name == "argmax" || f.Name == "max_by" {
		fn = Last
	}
	return b.argument(agg, f.Args[0], fn)
}
