package plan

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/duck"
)

// cond returns the condition that an expression is.
func (r *Relation) cond(e duck.Expr) *Cond {
	switch e := e.(type) {
	case nil:
		return nil
	case *duck.Logic:
		c := &Cond{Kind: And}
		if e.Or {
			c.Kind = Or
		}
		for _, a := range e.Args {
			c.Of = append(c.Of, r.cond(a))
		}
		c.gather()
		if len(c.Of) == 1 {
			return c.Of[0]
		}
		return c
	case *duck.Not:
		return &Cond{Kind: Not, Of: []*Cond{r.cond(e.X)}}
	}
	if k, ok := fold(e); ok && k.kind == constBool {
		if k.n != 0 {
			return &Cond{Kind: And}
		}
		return &Cond{Kind: Or}
	}
	if c, ranges, ok := r.compared(e); ok && r.eventTime(c.col) {
		return &Cond{Timed: true, Times: ranges, Term: Term{Expr: e, Columns: []string{c.col.Name}}}
	}
	return &Cond{Term: r.term(truthOf(e)), Simple: r.simple(e)}
}

// truthOf returns an expression that is a BOOLEAN, as what is neither is made by WHERE.
func truthOf(e duck.Expr) duck.Expr {
	switch e.(type) {
	case *duck.Comparison, *duck.IsNull, *duck.Between, *duck.In:
		return e
	}
	return &duck.Cast{X: e, To: duck.Type{Name: "BOOLEAN"}}
}

// gather makes one condition of those on the event time alone.
func (c *Cond) gather() {
	var timed *Cond
	var of []*Cond
	for _, o := range c.Of {
		switch {
		case !o.Timed:
			of = append(of, o)
		case timed == nil:
			timed = o
			of = append(of, o)
		case c.Kind == Or:
			timed.Times = append(timed.Times, o.Times...)
		default:
			timed.Times = common(timed.Times, o.Times)
		}
	}
	if timed != nil && c.Kind == Or {
		timed.Times = union(timed.Times)
	}
	c.Of = of
}

// simple returns the condition on one column that e is, or nil.
func (r *Relation) simple(e duck.Expr) *Simple {
	s := &Simple{}
	var x duck.Expr
	var list []duck.Expr
	switch e := e.(type) {
	case *duck.Column:
		x, s.Op, list = e, Eq, []duck.Expr{duck.NewConstant(true)}
	case *duck.IsNull:
		x, s.Op, s.Not = e.X, IsNull, e.Not
	case *duck.Function:
		if x, list, s.Not = prefixOf(e); x == nil {
			return nil
		}
		s.Op = Prefix
	default:
		var ok bool
		if x, s.Op, s.Not, list, ok = comparison(e); !ok {
			return nil
		}
	}
	c, ok := x.(*duck.Column)
	if !ok || len(c.Names) != 1 {
		return nil
	}
	col, ok := r.column(c.Names[0])
	if !ok {
		return nil
	}
	if _, plain := e.(*duck.Column); plain && col.Type.Kind != cube.Bool || s.Op == Prefix && col.Type.Kind != cube.String {
		return nil
	}
	s.Column, s.Kind = col.Name, col.Type.Kind
	for _, v := range list {
		k, ok := fold(v)
		if !ok {
			return nil
		}
		val, ok := valueOf(k, col.Type)
		if !ok {
			return nil
		}
		s.Values = append(s.Values, val)
	}
	s.sort()
	return s
}

// prefixOf reads LIKE 'abc%' and starts_with.
func prefixOf(f *duck.Function) (x duck.Expr, list []duck.Expr, not bool) {
	if len(f.Args) != 2 {
		return nil, nil, false
	}
	text, ok := fold(f.Args[1])
	if !ok || text.kind != constText {
		return nil, nil, false
	}
	switch f.Name {
	case "starts_with", "prefix", "^@":
		return f.Args[0], f.Args[1:], false
	case "~~", "!~~":
		start, ok := strings.CutSuffix(text.s, "%")
		if !ok || strings.ContainsAny(start, `%_\`) {
			return nil, nil, false
		}
		return f.Args[0], []duck.Expr{duck.NewConstant(start)}, f.Name == "!~~"
	}
	return nil, nil, false
}

// valueOf turns a constant into a value of a column's type, if comparing that is what DuckDB does.
func valueOf(k constant, t cube.Type) (v Value, ok bool) {
	if k.kind == constNull {
		return Value{Null: true}, true
	}
	switch t.Kind {
	case cube.String:
		return Value{Text: k.s}, k.kind == constText
	case cube.Bool:
		return Value{Int: k.n}, k.kind == constBool
	case cube.Int64:
		if k.kind == constText && k.bare {
			n, err := strconv.ParseInt(k.s, 10, 64)
			return Value{Int: n}, err == nil && strconv.FormatInt(n, 10) == k.s
		}
		return Value{Int: k.n}, k.kind == constInt
	case cube.Float64:
		switch {
		case k.kind == constInt && k.n <= 1<<53 && k.n >= -1<<53:
			return Value{Float: float64(k.n)}, true
		case k.kind == constDecimal:
			f, _ := new(big.Rat).SetFrac(k.dec, pow10(k.scale)).Float64()
			return Value{Float: f}, k.dec.IsInt64() && k.dec.Int64() <= 1<<53 && k.dec.Int64() >= -1<<53 && k.scale <= 22
		}
		return Value{Float: k.f}, k.kind == constFloat && !math.IsNaN(k.f)
	case cube.Decimal:
		return decimalOf(k, t)
	case cube.Date:
		return dateOf(k)
	case cube.Timestamp:
		if k.kind == constText && k.bare {
			if k, ok = k.castTime("TIMESTAMP"); !ok {
				return v, false
			}
		}
		return Value{Int: k.n}, k.isTime()
	}
	return v, false
}

func dateOf(k constant) (v Value, ok bool) {
	if k.kind == constText && k.bare {
		if k, ok = k.castTime("DATE"); !ok {
			return v, false
		}
	}
	return Value{Int: (k.n - floorMod(k.n, usPerDay)) / usPerDay}, k.isTime() && floorMod(k.n, usPerDay) == 0
}

// decimalOf takes numbers that the column's type can hold.
func decimalOf(k constant, t cube.Type) (v Value, ok bool) {
	n, scale := k.dec, k.scale
	if k.kind == constInt {
		n, scale = big.NewInt(k.n), 0
	}
	if n == nil || scale > t.Scale || t.Precision > 18 || k.kind != constInt && k.kind != constDecimal {
		return v, false
	}
	n = new(big.Int).Mul(n, pow10(t.Scale-scale))
	return Value{Int: n.Int64()}, new(big.Int).Abs(n).Cmp(pow10(t.Precision)) < 0
}

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }
