package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// regrouper makes a block of one table of a join, or of a table of which the SELECT asks what only DuckDB can tell: its rows
// are grouped by all columns, or expressions over one, that the rest asks of them one by one, and the rest adds up the
// groups. So many rows become few before they are joined.
type regrouper struct {
	*builder
	name    string      // of the table in the rest
	grouped bool        // the SELECT groups: outside of aggregates it speaks of its groups alone
	groups  []duck.Expr // these, with the relation's names where they are over its columns
}

// regroup rewrites a SELECT so that its only table of events becomes a block; done is false where that is not possible.
func (a *analyser) regroup(s *duck.Select, sc *scope) (done bool, err error) {
	at := slices.IndexFunc(sc.tables, isEvents)
	if at < 0 || slices.ContainsFunc(sc.tables[at+1:], isEvents) || sampled(s.Sample) {
		return false, nil
	}
	t := &sc.tables[at]
	if t.view == nil && (a.lateral(s.From, t, sc) || !kept(s.From, t.ref, true) || len(t.ref.Columns) > 0 || sampled(t.ref.Sample)) {
		return false, nil
	}
	if !a.groups(s) || !a.aggregates(s) && !s.GroupAll && len(s.Groups) == 0 && !distinctRows(s) {
		return false, nil
	}
	b := &builder{a: a, s: s, sc: sc, t: t, b: a.newBlock(t)}
	r := &regrouper{builder: b, name: t.name}
	if r.name == "" {
		r.name = t.rel.Name
	}
	next, err := r.rest()
	var reason no
	if errors.As(err, &reason) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	b.b.Name = fmt.Sprintf("__tm_block_%d", len(a.st.Blocks))
	a.st.Blocks = append(a.st.Blocks, b.b)
	*s = *next
	others := &scope{outer: sc.outer, ctes: sc.ctes}
	for i := range sc.tables {
		if i != at {
			others.tables = append(others.tables, sc.tables[i])
		}
	}
	if t.view != nil {
		s.From = r.from()
	} else {
		if err := a.scanFrom(s, others, "the rest joins it"); err != nil {
			return false, err
		}
		putFrom(&s.From, t.ref, r.from())
	}
	return true, a.within(clauses(s), others)
}

// distinctRows reports whether a SELECT is one DISTINCT of rows as they are.
func distinctRows(s *duck.Select) bool {
	d := s.Modifiers.Distinct
	return d != nil && len(d.On) == 0 && !slices.ContainsFunc(clauses(s), func(e duck.Expr) bool { return has(e, isWindow) })
}

func isWindow(e duck.Expr) bool {
	_, ok := e.(*duck.Window)
	return ok
}

// isEvents reports whether a table is one of events.
func isEvents(t table) bool { return t.rel != nil && t.rel.Table != nil }

// kept reports whether the joins of a FROM keep what is true of rows of ref: none adds rows without one. With on, each is said
// with ON.
func kept(f duck.From, ref *duck.TableRef, on bool) bool {
	switch f := f.(type) {
	case *duck.TableRef:
		return f == ref
	case *duck.Join:
		if f.Ref != "REGULAR" && f.Ref != "CROSS" && f.Ref != "NATURAL" || on && (len(f.Using) > 0 || f.Ref == "NATURAL") {
			return false
		}
		left := kept(f.Left, ref, on) && (f.Type == "INNER" || f.Type == "LEFT" || f.Type == "SEMI" || f.Type == "ANTI")
		return left || kept(f.Right, ref, on) && (f.Type == "INNER" || f.Type == "RIGHT")
	}
	return false
}

// lateral reports whether a query in a FROM speaks of a table beside it.
func (a *analyser) lateral(f duck.From, t *table, sc *scope) (found bool) {
	duck.Walk(f, func(n duck.Node) bool {
		sub, ok := n.(*duck.Subquery)
		if ok {
			found = found || a.refers(sub.Query, t, &scope{outer: sc})
		}
		return !ok
	})
	return found
}

// putFrom puts another From in the place of ref.
func putFrom(f *duck.From, ref *duck.TableRef, with duck.From) {
	switch from := (*f).(type) {
	case *duck.TableRef:
		if from == ref {
			*f = with
		}
	case *duck.Join:
		putFrom(&from.Left, ref, with)
		putFrom(&from.Right, ref, with)
	}
}

// from returns what the rest reads. Without groups there is a row even of no events, which the rest must not see.
func (r *regrouper) from() duck.From {
	ref := &duck.TableRef{Name: r.b.Name}
	if len(r.b.Groups) > 0 {
		ref.As = r.name
		return ref
	}
	some := &duck.Comparison{Op: ">", Left: aggColumn(0), Right: duck.NewConstant(0)}
	sub := &duck.Subquery{Query: &duck.Select{Items: []duck.Expr{&duck.Star{}}, From: ref, Where: some}}
	sub.As = r.name
	return sub
}

// rest returns the SELECT over the block. The block's first aggregate counts its rows.
func (r *regrouper) rest() (*duck.Select, error) {
	r.addAgg(Agg{Func: CountAll, Type: "BIGINT", Call: &duck.Function{Name: "count_star"}})
	next := duck.Clone(r.s)
	next.From = r.s.From // its tables are known by their nodes
	if err := r.split(next); err != nil {
		return nil, err
	}
	for i, e := range r.s.Items {
		if e.Alias() == "" && has(e, func(x duck.Expr) bool { return r.a.isAggregate(x) || r.mine(x) }) {
			name, err := r.builder.name(e)
			if err != nil {
				return nil, err
			}
			next.Items[i].SetAlias(name)
		}
	}
	var err error
	by := func(rewrite func(duck.Expr) (duck.Expr, error)) func(duck.Expr) duck.Expr {
		return func(e duck.Expr) duck.Expr {
			if e == nil || err != nil {
				return e
			}
			alias := e.Alias()
			out, wrong := rewrite(e)
			if err = wrong; err != nil {
				return e
			}
			out.SetAlias(alias)
			return out
		}
	}
	if r.renames(r.s.Having) {
		return nil, noBlock("HAVING says a column by a name that an item has")
	}
	r.readGroups()
	over := by(r.over)
	r.rewrite(next, over, by(r.outside))
	fixJoins(duck.Clone(next.From), over) // it is changed in place below, where nothing can go wrong
	if err != nil {
		return nil, err
	}
	fixJoins(next.From, over)
	if len(r.b.Groups) > maxGroups {
		return nil, noBlock("it has %d groups, and blocks at most %d", len(r.b.Groups), maxGroups)
	}
	r.original()
	return next, nil
}

// renames reports whether HAVING says a name that a column of the table and another item have: it means the item, unless the
// SELECT groups by the column.
func (r *regrouper) renames(having duck.Expr) (found bool) {
	each(having, func(e duck.Expr) bool {
		if c, ok := e.(*duck.Column); ok && len(c.Names) == 1 && r.mine(c) {
			if item := r.alias(c.Names[0]); item >= 0 {
				is, ok := r.own(r.s.Items[item])
				column, _ := r.own(c)
				found = found || !ok || !duck.Equal(is, column)
			}
		}
		return !found && !r.a.isAggregate(e)
	})
	return found
}

// rewrite puts what over makes of them in the place of what is asked of rows, and what outside makes in the place of what is asked
// of groups, but for names of items.
func (r *regrouper) rewrite(next *duck.Select, over, outside func(duck.Expr) duck.Expr) {
	for i := range next.Groups {
		next.Groups[i] = over(next.Groups[i])
	}
	next.Where = over(next.Where)
	lists := [][]duck.Expr{next.Items}
	if d := next.Modifiers.Distinct; d != nil {
		lists = append(lists, d.On)
	}
	for _, list := range lists {
		for i := range list {
			list[i] = outside(list[i])
		}
	}
	next.Having, next.Qualify = outside(next.Having), outside(next.Qualify)
	for _, o := range next.Modifiers.Order {
		if c, ok := o.X.(*duck.Column); ok && len(c.Names) == 1 && r.alias(c.Names[0]) >= 0 {
			continue
		}
		if star, ok := o.X.(*duck.Star); ok && star.Columns && star.Pattern == nil {
			continue // ORDER BY ALL
		}
		o.X = outside(o.X)
	}
}

// split leaves in WHERE what the block cannot decide.
func (r *regrouper) split(next *duck.Select) error {
	var mine duck.Expr
	if r.t.view != nil && r.t.view.where != nil {
		mine = duck.Clone(r.t.view.where)
	}
	next.Where = nil
	for _, e := range conjuncts(r.s.Where) {
		if own, ok := r.own(e); ok && !wide(r.t.rel.cond(own)) {
			mine = conj(mine, own)
		} else {
			next.Where = conj(next.Where, duck.Clone(e))
		}
	}
	r.e = mine
	r.b.Where = r.t.rel.cond(mine)
	r.b.Time = r.b.Where.hull()
	if wide(r.b.Where) {
		return noBlock("WHERE compares columns with each other") // within a view
	}
	return nil
}

// own returns an expression over columns of the table alone with the relation's names.
func (r *regrouper) own(e duck.Expr) (duck.Expr, bool) {
	b := &builder{a: r.a, sc: r.sc, t: r.t}
	if has(e, r.a.isAggregate) || !has(e, isColumn) || !b.own(e) {
		return nil, false
	}
	return b.e, true
}

// mine reports whether e is a column of the table.
func (r *regrouper) mine(e duck.Expr) bool {
	c, ok := e.(*duck.Column)
	if !ok {
		return false
	}
	at, _, _ := r.sc.find(c.Names)
	return at == r.t
}

// row reports whether a name is the table's, and stands for its rows.
func (r *regrouper) row(c *duck.Column) bool {
	at, _, _ := r.sc.find(c.Names)
	return at == nil && len(c.Names) == 1 && strings.EqualFold(c.Names[0], r.t.name)
}

// over returns an expression over the block's rows: what asks for one column of the table is grouped by.
func (r *regrouper) over(e duck.Expr) (_ duck.Expr, err error) {
	if r.a.isAggregate(e) {
		return r.sum(e.(*duck.Function))
	}
	if own, ok := r.own(e); ok {
		return r.keys(own)
	}
	return r.parts(e, r.over)
}

// parts puts what f makes of the expressions right below e in their place, if the block's rows tell them.
func (r *regrouper) parts(e duck.Expr, f func(duck.Expr) (duck.Expr, error)) (_ duck.Expr, err error) {
	switch x := e.(type) {
	case *duck.Column:
		if r.row(x) {
			return nil, noBlock("%s is a row", x.Names[0])
		}
		if !r.mine(x) {
			return e, nil
		}
		return nil, noBlock("%s is not understood", x.Names[0])
	case *duck.Star:
		return nil, noBlock("it asks for *")
	case *duck.SubqueryExpr:
		if r.a.refers(x.Query, r.t, &scope{outer: r.sc}) {
			return nil, noBlock("a query within it speaks of %s", r.t.name)
		}
	case *duck.Other:
		return nil, noBlock("it is not understood")
	case *duck.Function:
		if kind := r.a.opts.Functions.Kind(x.Name); kind != duck.Scalar && kind != duck.WindowOnly {
			return nil, noBlock("%s is no function of columns alone", x.Name)
		}
	}
	kids(e, func(x duck.Expr) duck.Expr {
		if err != nil {
			return x
		}
		alias := x.Alias()
		y, wrong := f(x)
		if err = wrong; err != nil {
			return x
		}
		y.SetAlias(alias)
		return y
	})
	return e, err
}

// keys groups by the parts of an expression that are on one column, and returns it over them.
func (r *regrouper) keys(own duck.Expr) (_ duck.Expr, err error) {
	switch term := r.t.rel.term(own); len(term.Columns) {
	case 0:
		return own, nil
	case 1:
		i, err := r.addGroup(own, "GROUP BY")
		return r.column(groupColumn(i)), err
	}
	kids(own, func(x duck.Expr) duck.Expr {
		y, wrong := r.keys(x)
		if wrong != nil {
			err = wrong
			return x
		}
		return y
	})
	return own, err
}

func (r *regrouper) column(c *duck.Column) duck.Expr {
	return &duck.Column{Names: []string{r.name, c.Names[0]}}
}

// conjuncts takes a condition apart that is an AND.
func conjuncts(e duck.Expr) []duck.Expr {
	if l, ok := e.(*duck.Logic); ok && !l.Or {
		return l.Args
	}
	if e == nil {
		return nil
	}
	return []duck.Expr{e}
}
