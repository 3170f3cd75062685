package plan

import (
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// nameRule says what a name means that both a column and an item may have.
type nameRule uint8

const (
	otherNames  nameRule = iota // columns first, then items
	havingNames                 // columns that are grouped by, then items, then columns
	columnNames                 // columns alone: in aggregates
)

// canon returns e with the relation's names for its columns, and items in the place of their names. e is changed.
func (b *builder) canon(e duck.Expr, rule nameRule) (_ duck.Expr, err error) {
	if c, ok := e.(*duck.Column); ok {
		return b.column(c, rule)
	}
	if b.a.isAggregate(e) {
		rule = columnNames
	}
	switch e := e.(type) {
	case *duck.Star:
		return nil, noBlock("it asks for *")
	case *duck.Other:
		return nil, noBlock("it says %s", strings.ToLower(e.Class))
	case *duck.SubqueryExpr:
		if b.a.refers(e.Query, b.t, &scope{outer: b.sc}) {
			return nil, noBlock("a query within it speaks of %s", b.t.name)
		}
	}
	kids(e, func(x duck.Expr) duck.Expr {
		if err != nil {
			return x
		}
		alias := x.Alias()
		y, kidErr := b.canon(x, rule)
		if err = kidErr; err != nil {
			return x
		}
		y.SetAlias(alias)
		return y
	})
	return e, err
}

// column resolves a name.
func (b *builder) column(c *duck.Column, rule nameRule) (duck.Expr, error) {
	at, col, maybe := b.sc.find(c.Names)
	if maybe {
		return nil, noBlock("%s is a field of a value", strings.Join(c.Names, "."))
	}
	item := -1
	if len(c.Names) == 1 && rule != columnNames {
		item = b.alias(c.Names[0])
	}
	if at != nil {
		named := at.expr(col, c.Offset)
		if err := b.a.spend(named); err != nil {
			return nil, err
		}
		if rule != havingNames || item < 0 || slices.ContainsFunc(b.b.Groups, func(g Group) bool { return duck.Equal(g.Expr, named) }) {
			return named, nil
		}
	}
	if item >= 0 {
		return b.itemExpr(item)
	}
	if len(c.Names) == 1 && valueWord(c.Names[0]) {
		return nil, noBlock("it asks for %s", c.Names[0])
	}
	if b.sc.outer.known(c.Names) || len(c.Names) == 1 && b.sc.isTable(c.Names[0]) {
		return nil, noBlock("%s is a column of a query around it", strings.Join(c.Names, "."))
	}
	return nil, b.a.unknownColumn(c, b.sc)
}

// itemExpr returns a copy of an item, with the relation's names.
func (b *builder) itemExpr(i int) (duck.Expr, error) {
	if slices.Contains(b.at, i) {
		return nil, noBlock("a column of the answer speaks of itself")
	}
	b.at = append(b.at, i)
	defer func() { b.at = b.at[:len(b.at)-1] }()
	e, err := b.canon(duck.Clone(b.s.Items[i]), otherNames)
	if err != nil {
		return nil, err
	}
	return e, b.a.spend(e)
}

// plain refuses what no cube can filter or group by.
func (b *builder) plain(e duck.Expr, where string) (err error) {
	each(e, func(x duck.Expr) bool {
		if err != nil {
			return false
		}
		switch x := x.(type) {
		case *duck.SubqueryExpr:
			err = noBlock("a query stands in its %s", where)
		case *duck.Window:
			err = noBlock("a window function stands in its %s", where)
		case *duck.Param:
			err = noBlock("a parameter stands in its %s", where)
		case *duck.Star, *duck.Other:
			err = noBlock("its %s is not understood", where)
		case *duck.Operator:
			if x.Op == "GROUPING_FUNCTION" || x.Op == "OPERATOR_TRY" {
				err = noBlock("its %s is not understood", where)
			}
		case *duck.Function:
			switch kind := b.a.opts.Functions.Kind(x.Name); kind {
			case duck.Scalar:
			case duck.Aggregate:
				err = noBlock("an aggregate stands in its %s", where)
			default:
				err = noBlock("%s stands in its %s: it is no function of columns alone", x.Name, where)
			}
		}
		return err == nil
	})
	return err
}

// refers reports whether a query speaks of the table t, which is outside of it. sc is where the query stands.
func (a *analyser) refers(q duck.Query, t *table, sc *scope) (found bool) {
	in := &scope{outer: sc}
	for _, c := range *q.Withs() {
		found = found || a.refers(c.Query, t, in)
		in.add(c)
	}
	es := tail(q.Tail())
	switch q := q.(type) {
	case *duck.SetOperation:
		for _, side := range []duck.Query{q.Left, q.Right} {
			found = found || a.refers(side, t, in)
		}
	case *duck.RecursiveCTE:
		in.ctes = append(in.ctes, cte{name: q.Name})
		found = found || a.refers(q.Left, t, in) || a.refers(q.Right, t, in)
	case *duck.Select:
		if a.tables(q.From, in) != nil {
			return true // it is refused later
		}
		es = append(clauses(q), joined(q.From)...)
		duck.Walk(q.From, func(n duck.Node) bool {
			sub, ok := n.(*duck.Subquery)
			if ok {
				found = found || a.refers(sub.Query, t, in)
			}
			return !ok
		})
	}
	for _, e := range es {
		each(e, func(x duck.Expr) bool {
			switch x := x.(type) {
			case *duck.Column:
				found = found || t.means(x.Names, in)
			case *duck.SubqueryExpr:
				found = found || a.refers(x.Query, t, in)
			}
			return !found
		})
	}
	return found
}

// means reports whether names may say a column of t, seen from a query within.
func (t *table) means(names []string, in *scope) bool {
	for sc := in; sc != nil; sc = sc.outer {
		for i := range sc.tables {
			if &sc.tables[i] == t {
				last, said := t.said(names)
				_, ok := t.column(last)
				return said && ok || t.field(names) || strings.EqualFold(names[0], t.name)
			}
		}
		if at, _, _ := sc.find(names); at != nil {
			return false
		}
	}
	return false
}
