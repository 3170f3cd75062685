package plan

import "github.com/tidemarkdb/tidemark/query/duck"

// kids puts what f makes of each expression right below e in its place. It does not go into queries.
func kids(e duck.Expr, f func(duck.Expr) duck.Expr) {
	one := func(x *duck.Expr) {
		if *x != nil {
			*x = f(*x)
		}
	}
	all := func(xs []duck.Expr) {
		for i := range xs {
			one(&xs[i])
		}
	}
	orders := func(os []*duck.Order) {
		for _, o := range os {
			one(&o.X)
		}
	}
	switch e := e.(type) {
	case *duck.Function:
		all(e.Args)
		one(&e.Filter)
		orders(e.Order)
	case *duck.Comparison:
		one(&e.Left)
		one(&e.Right)
	case *duck.Logic:
		all(e.Args)
	case *duck.Not:
		one(&e.X)
	case *duck.IsNull:
		one(&e.X)
	case *duck.Between:
		one(&e.X)
		one(&e.Lower)
		one(&e.Upper)
	case *duck.In:
		one(&e.X)
		all(e.List)
	case *duck.Case:
		for _, w := range e.Whens {
			one(&w.If)
			one(&w.Then)
		}
		one(&e.Else)
	case *duck.Cast:
		one(&e.X)
	case *duck.Operator:
		all(e.Args)
	case *duck.Star:
		one(&e.Pattern)
		for _, n := range e.Replace {
			one(&n.X)
		}
	case *duck.SubqueryExpr:
		one(&e.X)
	case *duck.Window:
		all(e.Args)
		all(e.Partition)
		orders(e.Order)
		orders(e.ArgOrder)
		all(e.Frame[:])
		one(&e.Filter)
	case *duck.Other:
		all(e.Args)
	}
}

// each calls visit for e and the expressions below it, without those of queries in it. Where visit returns false it goes
// no deeper.
func each(e duck.Expr, visit func(duck.Expr) bool) {
	if e == nil || !visit(e) {
		return
	}
	kids(e, func(x duck.Expr) duck.Expr {
		each(x, visit)
		return x
	})
}

// has reports whether e or an expression below it is as asked.
func has(e duck.Expr, is func(duck.Expr) bool) (found bool) {
	each(e, func(x duck.Expr) bool {
		found = found || is(x)
		return !found
	})
	return found
}

// clauses lists the expressions of a SELECT, without those of its FROM.
func clauses(s *duck.Select) (out []duck.Expr) {
	out = append(out, s.Items...)
	out = append(out, s.Groups...)
	out = append(out, s.Where, s.Having, s.Qualify)
	return append(out, tail(&s.Modifiers)...)
}

func tail(m *duck.Modifiers) (out []duck.Expr) {
	if m.Distinct != nil {
		out = append(out, m.Distinct.On...)
	}
	for _, o := range m.Order {
		out = append(out, o.X)
	}
	if m.Limit != nil {
		out = append(out, m.Limit.Limit, m.Limit.Offset)
	}
	return out
}
