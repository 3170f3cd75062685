package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// hide keeps hidden columns that the SELECT names out of its stars, rows and what else says columns without their names. Where
// only WHERE names them, it is decided below, where no star sees them; stars of other SELECTs leave them out. What cannot leave
// them out is refused.
func (a *analyser) hide(s *duck.Select, sc *scope) error {
	hidden := map[*table][]string{}
	for i := range sc.tables {
		t := &sc.tables[i]
		if t.rel == nil || t.ref == nil || !a.unnamed(t, s) {
			continue
		}
		a.below(t, s, sc)
		for _, c := range a.needed(t, s) {
			if c.Hidden {
				hidden[t] = append(hidden[t], c.Name)
			}
		}
		if hidden[t] != nil && pivoted(s.From, t.ref) {
			return hiddenError(-1, "PIVOT", hidden)
		}
	}
	if len(hidden) == 0 {
		return nil
	}
	if natural(s.From) {
		return hiddenError(-1, "NATURAL JOIN", hidden)
	}
	var wrong *Error
	for _, e := range clauses(s) {
		if orderByAll(e, &s.Modifiers) {
			continue // of the items, whatever these are
		}
		each(e, func(x duck.Expr) bool {
			if why := leaks(x, sc, hidden); why != "" && wrong == nil {
				wrong = hiddenError(x.Pos(), why, hidden)
			}
			if star, ok := x.(*duck.Star); ok && star.Pattern == nil {
				for i := range sc.tables {
					t := &sc.tables[i]
					if star.Table == "" && inStar(s.From, t.ref) || strings.EqualFold(star.Table, t.name) {
						star.Exclude(t.name, hidden[t]...)
					}
				}
			}
			return true
		})
	}
	duck.Walk(s, func(n duck.Node) bool { // rows are named in queries within this one too, and in ON
		if row, ok := n.(*duck.Column); ok && wrong == nil {
			if why := leaks(row, sc, hidden); why != "" {
				wrong = hiddenError(row.Pos(), why, hidden)
			}
		}
		return wrong == nil
	})
	if wrong != nil {
		return wrong
	}
	return nil
}

// orderByAll reports whether e is what ORDER BY ALL orders by.
func orderByAll(e duck.Expr, m *duck.Modifiers) bool {
	star, ok := e.(*duck.Star)
	return ok && star.Columns && star.Pattern == nil && slices.ContainsFunc(m.Order, func(o *duck.Order) bool { return o.X == e })
}

// leaks returns what an expression is that has hidden columns, and cannot be told not to; "": it has none.
func leaks(e duck.Expr, sc *scope, hidden map[*table][]string) string {
	switch e := e.(type) {
	case *duck.Star:
		if e.Pattern != nil {
			return "COLUMNS that picks columns"
		}
	case *duck.Other:
		if e.Class == "POSITIONAL_REFERENCE" {
			return "a column by its number"
		}
	case *duck.Column:
		at, _, _ := sc.find(e.Names)
		for t := range hidden {
			if at == nil && len(e.Names) == 1 && strings.EqualFold(e.Names[0], t.name) {
				return "the row " + t.name
			}
		}
	}
	return ""
}

func hiddenError(pos int, what string, hidden map[*table][]string) *Error {
	var names []string
	for _, list := range hidden {
		names = append(names, list...)
	}
	slices.Sort(names)
	return &Error{
		Pos: pos, Message: fmt.Sprintf("%s cannot be asked beside the hidden column %s outside of WHERE", what, names[0]), Hint: "name the columns",
	}
}

// below takes what WHERE says of hidden columns of a table out of it, where it says the same below the joins.
func (a *analyser) below(t *table, s *duck.Select, sc *scope) {
	if sampled(s.Sample) || !kept(s.From, t.ref, false) {
		return
	}
	var left duck.Expr
	for _, e := range conjuncts(s.Where) {
		b := &builder{a: a, sc: sc, t: t}
		if b.own(e) && has(b.e, t.hides) {
			t.below = conj(t.below, e)
		} else {
			left = conj(left, e)
		}
	}
	s.Where = left
}

// hides reports whether e is a hidden column of the table, by the relation's name.
func (t *table) hides(e duck.Expr) bool {
	c, ok := e.(*duck.Column)
	if !ok {
		return false
	}
	col, _ := t.rel.column(c.Names[0])
	return col.Hidden
}

// cover returns what a FROM reads of a table of which conditions are decided below.
func (t *table) cover(ref *duck.TableRef) duck.From {
	q := &duck.Select{From: ref, Where: t.below}
	for _, c := range t.seen {
		q.Items = append(q.Items, &duck.Column{Names: []string{t.name, c.Name}})
	}
	sub := &duck.Subquery{Query: q}
	sub.As = t.name
	return sub
}

// inStar reports whether * has the columns of a table.
func inStar(f duck.From, ref *duck.TableRef) bool {
	switch f := f.(type) {
	case *duck.TableRef:
		return f == ref
	case *duck.Join:
		return inStar(f.Left, ref) || f.Type != "SEMI" && f.Type != "ANTI" && inStar(f.Right, ref)
	}
	return false
}

// natural reports whether there is a NATURAL JOIN in a FROM.
func natural(f duck.From) bool {
	j, ok := f.(*duck.Join)
	return ok && (j.Ref == "NATURAL" || natural(j.Left) || natural(j.Right))
}

// pivoted reports whether a FROM turns columns of a table to rows, or rows to columns.
func pivoted(f duck.From, ref *duck.TableRef) bool {
	switch f := f.(type) {
	case *duck.Pivot:
		return inStar(f.Source, ref) || pivoted(f.Source, ref)
	case *duck.Join:
		return pivoted(f.Left, ref) || pivoted(f.Right, ref)
	}
	return false
}
