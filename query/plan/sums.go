package plan

import (
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/duck"
)

// sum returns an aggregate over rows as one over groups of them.
func (r *regrouper) sum(f *duck.Function) (duck.Expr, error) {
	if len(f.Order) > 0 {
		return nil, noBlock("%s with ORDER BY needs the rows", f.Name)
	}
	if e, ok, err := sumOfCase(f, r.callOf); ok || err != nil {
		return e, err
	}
	f = duck.Clone(f)
	whenCase(f)
	fn := f.Name
	switch {
	case fn == "count_star" || fn == "count" && len(f.Args) == 0:
		return r.counted(f, nil)
	case len(f.Args) != 1:
	case f.Distinct || fn == "approx_count_distinct" || fn == "bool_and" || fn == "bool_or":
		return r.same(f)
	case fn == "min" || fn == "max" || fn == "any_value":
		if part, left, ok := r.measure(f); ok {
			return r.call(fn, part, left)
		}
		return r.same(f)
	case fn == "count":
		return r.countOf(f)
	case fn == "sum" || fn == "avg" || fn == "mean":
		return r.sumOf(f)
	}
	return nil, noBlock("%s needs the rows", f.Name)
}

// callOf makes a count of rows or a sum, as sumOfCase asks for.
func (r *regrouper) callOf(name string, args []duck.Expr, filter duck.Expr) (duck.Expr, error) {
	f := duck.Clone(&duck.Function{Name: name, Args: args, Filter: filter})
	if name == "sum" {
		return r.sumOf(f)
	}
	return r.counted(f, nil)
}

// same keeps an aggregate to which it makes no difference how often a value comes.
func (r *regrouper) same(f *duck.Function) (_ duck.Expr, err error) {
	out := duck.Clone(f)
	kids(out, func(x duck.Expr) duck.Expr {
		if err != nil {
			return x
		}
		var y duck.Expr
		if y, err = r.over(x); err != nil {
			return x
		}
		return y
	})
	return out, err
}

// measure returns the column of the block for an aggregate of a column that cubes keep as a measure, and the FILTER that is
// left to the rest; ok is false of others, which the block groups by.
func (r *regrouper) measure(f *duck.Function) (part, left duck.Expr, ok bool) {
	if !r.mine(f.Args[0]) {
		return nil, nil, false
	}
	arg, err := r.canon(duck.Clone(f.Args[0]), columnNames)
	if err != nil {
		return nil, nil, false
	}
	call := &duck.Function{Name: f.Name, Args: []duck.Expr{arg}}
	agg := Agg{Call: call}
	if err := r.readAgg(call, &agg); err != nil || r.t.rel.keyed(agg.Func, agg.Column, r.a.opts.Approximate) {
		return nil, nil, false
	}
	if own, ok := r.ownFilter(f.Filter); ok {
		call.Filter, agg.Filter = own, r.t.rel.cond(own)
	} else {
		left = f.Filter
	}
	return r.addAgg(agg), left, true
}

// call returns an aggregate over a column of the block.
func (r *regrouper) call(name string, part, filter duck.Expr) (duck.Expr, error) {
	return r.overGroups(name, r.column(part.(*duck.Column)), filter)
}

// overGroups returns an aggregate over the groups.
func (r *regrouper) overGroups(name string, arg, filter duck.Expr) (duck.Expr, error) {
	out := &duck.Function{Name: name, Args: []duck.Expr{arg}}
	if filter != nil {
		over, err := r.over(duck.Clone(filter))
		if err != nil {
			return nil, err
		}
		out.Filter = over
	}
	return out, nil
}

// counted adds up counts of rows, where also holds, which are 0 of nothing. A FILTER that the block can decide is its own.
func (r *regrouper) counted(f *duck.Function, also duck.Expr) (duck.Expr, error) {
	filter := conj(f.Filter, also)
	part := duck.Expr(aggColumn(0))
	if own, ok := r.ownFilter(filter); ok {
		filter = nil
		part = r.addAgg(Agg{Func: CountAll, Type: "BIGINT", Call: &duck.Function{Name: "count_star", Filter: own}, Filter: r.t.rel.cond(own)})
	}
	return r.orZero("sum", part, filter)
}

func (r *regrouper) ownFilter(filter duck.Expr) (duck.Expr, bool) {
	if filter == nil {
		return nil, false
	}
	own, ok := r.own(filter)
	return own, ok && !wide(r.t.rel.cond(own))
}

// orZero adds up counts to a BIGINT.
func (r *regrouper) orZero(name string, part, filter duck.Expr) (duck.Expr, error) {
	sum, err := r.call(name, part, filter)
	if err != nil {
		return nil, err
	}
	some := &duck.Operator{Op: "OPERATOR_COALESCE", Args: []duck.Expr{sum, duck.NewConstant(0)}}
	return &duck.Cast{X: some, To: duck.Type{Name: "BIGINT"}}, nil
}

// countOf counts the values of a measure's column, or the rows where something else is not null.
func (r *regrouper) countOf(f *duck.Function) (duck.Expr, error) {
	if c, ok := fold(f.Args[0]); ok && c.kind != constNull {
		return r.counted(f, nil)
	}
	if part, left, ok := r.measure(f); ok {
		return r.orZero("sum", part, left)
	}
	return r.counted(f, &duck.IsNull{X: duck.Clone(f.Args[0]), Not: true})
}

// sumOf adds up sums, or values as often as they come; an average is the sum divided by the count.
func (r *regrouper) sumOf(f *duck.Function) (duck.Expr, error) {
	sumCall := &duck.Function{Name: "sum", Args: f.Args, Filter: f.Filter}
	var total duck.Expr
	if sum, left, ok := r.measure(sumCall); ok {
		var err error
		if total, err = r.call("sum", sum, left); err != nil {
			return nil, err
		}
	} else {
		weighed, err := r.weighed(f.Args[0])
		if err != nil {
			return nil, err
		}
		if total, err = r.overGroups("sum", weighed, f.Filter); err != nil {
			return nil, err
		}
	}
	if f.Name == "sum" {
		return total, nil
	}
	count, err := r.countOf(&duck.Function{Name: "count", Args: f.Args, Filter: f.Filter})
	if err != nil {
		return nil, err
	}
	some := &duck.Function{Name: "nullif", Args: []duck.Expr{count, duck.NewConstant(0)}}
	return &duck.Function{Name: "/", IsOperator: true, Args: []duck.Expr{&duck.Cast{X: total, To: duck.Type{Name: "DOUBLE"}}, some}}, nil
}

// weighed returns a number column that is grouped by, times the rows of the group.
func (r *regrouper) weighed(e duck.Expr) (duck.Expr, error) {
	arg, ok := r.own(e)
	if !ok || !isColumn(arg) {
		return nil, noBlock("a sum of an expression needs the rows")
	}
	col, _ := r.t.rel.column(arg.(*duck.Column).Names[0])
	value, err := r.over(duck.Clone(e))
	if err != nil {
		return nil, err
	}
	switch {
	case col.Type.Kind == cube.Int64 || col.Type.Kind == cube.Bool:
		value = &duck.Cast{X: value, To: duck.Type{Name: "HUGEINT"}}
	case col.Type.Kind == cube.Float64, col.Type.Kind == cube.Decimal && col.Type.Precision <= 18:
	default:
		return nil, noBlock("a sum of %s needs the rows", col.Name)
	}
	return &duck.Function{Name: "*", IsOperator: true, Args: []duck.Expr{value, r.column(aggColumn(0))}}, nil
}
