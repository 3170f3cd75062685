package plan

import (
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// star is a join of one table of events with lookup tables, each by its key: an event has one row of a lookup table or none, so
// that the lookup tables' columns are columns of the events, which follow from the foreign keys.
type star struct {
	a      *analyser
	sc     *scope
	events *table
	joined []ray
	moved  []duck.Expr // conditions of inner joins
	using  []string    // columns of which a join makes one of two
}

// ray is a lookup table in a star.
type ray struct {
	t     *table
	on    Column // of the events: the foreign key
	inner bool   // events without a row are left out
}

// star returns a SELECT over a star as one over its table of events, and the scope of it; nil: it is none.
func (a *analyser) star(s *duck.Select, sc *scope) (*duck.Select, *scope, error) {
	x := &star{a: a, sc: sc}
	if !a.groups(s) || sampled(s.Sample) || !x.tables() {
		return nil, nil, nil
	}
	where := conjuncts(s.Where)
	if !x.join(s.From, &where) || x.hides(s) {
		return nil, nil, nil
	}
	out := duck.Clone(s)
	out.From = x.events.ref // the scope knows it by its node
	if err := x.nameItems(s, out); err != nil {
		return nil, nil, err
	}
	out.Where = nil
	for _, e := range append(where, x.moved...) {
		out.Where = conj(out.Where, duck.Clone(e))
	}
	for _, e := range clauses(out) {
		x.rewrite(e)
	}
	for _, r := range x.joined {
		if r.inner {
			out.Where = conj(out.Where, &duck.IsNull{X: &duck.Column{Names: []string{r.name(r.t.rel.Lookup.Key)}}, Not: true})
		}
	}
	return out, &scope{outer: sc.outer, ctes: sc.ctes, tables: []table{{name: x.events.name, rel: x.relation(), ref: x.events.ref}}}, nil
}

// tables finds the tables, and reports whether they may be a star.
func (x *star) tables() bool {
	seen := map[string]bool{}
	for i := range x.sc.tables {
		t := &x.sc.tables[i]
		if t.rel == nil || t.ref == nil || t.view != nil || len(t.ref.Columns) > 0 || sampled(t.ref.Sample) || seen[strings.ToLower(t.name)] {
			return false
		}
		seen[strings.ToLower(t.name)] = true
		if isEvents(*t) {
			if x.events != nil {
				return false
			}
			x.events = t
		}
	}
	return x.events != nil && len(x.sc.tables) > 1
}

// join reads a FROM. What it takes of where, the conditions of WHERE, is gone from there.
func (x *star) join(f duck.From, where *[]duck.Expr) bool {
	if ref, ok := f.(*duck.TableRef); ok {
		return ref == x.events.ref
	}
	j, ok := f.(*duck.Join)
	if !ok || j.Ref != "REGULAR" && j.Ref != "CROSS" {
		return false
	}
	rest, of := j.Left, j.Right
	if x.of(j.Left) != nil {
		rest, of = j.Right, j.Left
	}
	r := ray{t: x.of(of), inner: j.Type == "INNER"}
	outer := j.Type == "LEFT" && of == j.Right || j.Type == "RIGHT" && of == j.Left
	if r.t == nil || !r.inner && !outer || !x.join(rest, where) {
		return false
	}
	on := conjuncts(j.On)
	switch {
	case len(j.Using) > 0:
		return x.joinUsing(r, j.Using)
	case !r.inner:
		return len(on) == 1 && x.take(r, &on)
	}
	ok = x.take(r, &on)
	x.moved = append(x.moved, on...)
	return ok || x.take(r, where)
}

// of returns the lookup table that a FROM is.
func (x *star) of(f duck.From) *table {
	ref, ok := f.(*duck.TableRef)
	if !ok || ref == x.events.ref {
		return nil
	}
	i := slices.IndexFunc(x.sc.tables, func(t table) bool { return t.ref == ref })
	if i < 0 {
		return nil
	}
	return &x.sc.tables[i]
}

func (x *star) joinUsing(r ray, names []string) bool {
	if len(names) != 1 {
		return false
	}
	key, _ := r.t.rel.column(names[0])
	on, ok := x.events.rel.column(names[0])
	if !ok || !r.joins(on, key) {
		return false
	}
	r.on = on
	x.joined, x.using = append(x.joined, r), append(x.using, names[0])
	return true
}

// take takes the condition that joins a lookup table by its key out of a list.
func (x *star) take(r ray, list *[]duck.Expr) bool {
	for i, e := range *list {
		c, ok := e.(*duck.Comparison)
		if !ok || c.Op != "=" {
			continue
		}
		left, lok := c.Left.(*duck.Column)
		right, rok := c.Right.(*duck.Column)
		if !lok || !rok {
			continue
		}
		at, on, _ := x.sc.find(left.Names)
		to, key, _ := x.sc.find(right.Names)
		if at == r.t {
			at, to, on, key = to, at, key, on
		}
		if at != x.events || to != r.t || !r.joins(on, key) {
			continue
		}
		r.on = on
		x.joined = append(x.joined, r)
		*list = slices.Delete(slices.Clone(*list), i, i+1)
		return true
	}
	return false
}

// joins reports whether a column of the events holds keys: what is equal for DuckDB is equal as it is kept.
func (r ray) joins(on, key Column) bool {
	return key.Of == r.t.rel.Lookup.Key && on.Of == on.Name && on.Step.whole() && on.Lookup == "" && on.Type.Kind == key.Type.Kind && on.Type.Scale == key.Type.Scale
}

// name returns the name that a column of the lookup table has among those of the events: one that no column has by itself.
func (r ray) name(column string) string { return r.t.name + "." + column }

// relation returns the table of events with the columns of the lookup tables.
func (x *star) relation() *Relation {
	out := *x.events.rel
	out.Columns = slices.Clone(out.Columns)
	for _, r := range x.joined {
		for _, c := range r.t.rel.Columns {
			out.Columns = append(out.Columns, Column{Name: r.name(c.Name), Type: c.Type, Hidden: true, Of: r.on.Name, Lookup: r.t.rel.Lookup.Name, LookupColumn: c.Of})
		}
	}
	return &out
}

// hides reports whether a SELECT says what is understood only where its tables are apart: *, rows, queries that speak of a lookup
// table, or a name that an item has been given and a lookup table has too.
func (x *star) hides(s *duck.Select) (found bool) {
	for _, e := range append(clauses(s), x.moved...) {
		each(e, func(e duck.Expr) bool {
			switch e := e.(type) {
			case *duck.Star, *duck.Other:
				found = true
			case *duck.SubqueryExpr:
				for _, r := range x.joined {
					found = found || x.a.refers(e.Query, r.t, &scope{outer: x.sc})
				}
			case *duck.Column:
				at, _, maybe := x.sc.find(e.Names)
				found = found || maybe || at == nil && x.sc.isTable(e.Names[0]) || at != nil && at != x.events && len(e.Names) == 1 && x.renamed(s, e)
			}
			return !found
		})
	}
	return found
}

// renamed reports whether an item that is something else has the name of a column.
func (x *star) renamed(s *duck.Select, c *duck.Column) bool {
	return slices.ContainsFunc(s.Items, func(e duck.Expr) bool {
		if !strings.EqualFold(e.Alias(), c.Names[0]) {
			return false
		}
		item, ok := e.(*duck.Column)
		return !ok || !strings.EqualFold(item.Names[len(item.Names)-1], c.Names[0])
	})
}

// nameItems gives items over lookup tables the names that they have before they are rewritten.
func (x *star) nameItems(s, out *duck.Select) error {
	for i, e := range s.Items {
		if e.Alias() != "" || !has(e, x.mine) {
			continue
		}
		name := ""
		if c, ok := e.(*duck.Column); ok {
			_, col, _ := x.sc.find(c.Names)
			name = col.Name
		} else {
			var err error
			if name, err = x.a.nameOf(e); err != nil {
				return err
			}
		}
		out.Items[i].SetAlias(name)
	}
	return nil
}

// mine reports whether e is a column of a lookup table.
func (x *star) mine(e duck.Expr) bool {
	c, ok := e.(*duck.Column)
	if !ok {
		return false
	}
	at, _, _ := x.sc.find(c.Names)
	return at != nil && at != x.events
}

// rewrite gives the columns of lookup tables their names among those of the events. What an inner join has made equal to the
// foreign key, and what a join has made one of two, is the foreign key.
func (x *star) rewrite(e duck.Expr) {
	each(e, func(e duck.Expr) bool {
		c, ok := e.(*duck.Column)
		if !ok {
			return true
		}
		at, col, _ := x.sc.find(c.Names)
		i := slices.IndexFunc(x.joined, func(r ray) bool { return r.t == at })
		if i < 0 {
			return true
		}
		r := x.joined[i]
		one := len(c.Names) == 1 && slices.ContainsFunc(x.using, func(n string) bool { return strings.EqualFold(n, c.Names[0]) })
		if c.Names = []string{r.name(col.Name)}; one || r.inner && col.Of == r.t.rel.Lookup.Key {
			c.Names = []string{r.on.Name}
		}
		return true
	})
}
