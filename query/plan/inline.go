package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// view is a query in FROM, or named by WITH, that only picks columns and rows of one table of ours: what reads it can as well
// read the table.
type view struct {
	names []string
	exprs []duck.Expr // over the relation
	where duck.Expr   // over the relation; nil: all rows
}

// maxViews is how many views are looked through, one within the other.
const maxViews = 16

// inline returns the table of ours that a FROM picks from, nil if it does more than that.
func (a *analyser) inline(f duck.From, sc *scope) (*table, error) {
	var q duck.Query
	var names []string
	in := sc
	switch f := f.(type) {
	case *duck.Subquery:
		q, names = f.Query, f.Columns
		if sampled(f.Sample) {
			return nil, nil
		}
	case *duck.TableRef:
		c := sc.cte(f.Name)
		if c == nil || c.def == nil || f.Schema != "" || f.Catalog != "" || sampled(f.Sample) {
			return nil, nil
		}
		q, names, in = c.def.Query, c.def.Columns, c.in
		if len(f.Columns) > 0 {
			names = append(slices.Clone(f.Columns), names[min(len(f.Columns), len(names)):]...)
		}
	}
	s, ok := q.(*duck.Select)
	if !ok || !picks(s) || a.depth >= maxViews {
		return nil, nil
	}
	a.depth++
	defer func() { a.depth-- }()
	t, err := a.pickFrom(duck.Clone(s), in, names)
	var reason no
	if t == nil || errors.As(err, &reason) {
		return nil, nil
	}
	t.name = f.Alias()
	if ref, ok := f.(*duck.TableRef); ok && t.name == "" {
		t.name = ref.Name
	}
	return t, err
}

// picks reports whether a SELECT does no more than WHERE and a list of items.
func picks(s *duck.Select) bool {
	m := s.Modifiers
	return len(s.Groups) == 0 && len(s.Sets) == 0 && !s.GroupAll && s.Having == nil && s.Qualify == nil && !sampled(s.Sample) &&
		m.Distinct == nil && m.Limit == nil
}

// pickFrom reads a SELECT that picks, and gives its columns these names.
func (a *analyser) pickFrom(s *duck.Select, outer *scope, names []string) (*table, error) {
	sc := &scope{outer: outer}
	for _, c := range s.With {
		sc.add(c)
	}
	if err := a.tables(s.From, sc); err != nil || len(sc.tables) != 1 {
		return nil, err
	}
	if sc.tables[0].rel == nil {
		t, err := a.inline(s.From, sc)
		if t == nil || err != nil {
			return nil, err
		}
		sc.tables[0] = *t
	}
	t := &sc.tables[0]
	if t.rel.Table == nil || t.ref != nil && (sampled(t.ref.Sample) || len(t.ref.Columns) > 0) {
		return nil, nil
	}
	if err := a.fixNow(s, sc); err != nil {
		return nil, err
	}
	b := &builder{a: a, s: s, sc: sc, t: t, b: a.newBlock(t)}
	if err := b.where(); err != nil {
		return nil, err
	}
	v := &view{where: b.e}
	for i := range s.Items {
		if err := b.pick(v, i); err != nil {
			return nil, err
		}
	}
	for i, n := range names[:min(len(names), len(v.names))] {
		v.names[i] = n
	}
	v.number()
	return &table{rel: t.rel, view: v}, nil
}

// pick adds an item to a view; * is all columns.
func (b *builder) pick(v *view, i int) error {
	e := b.s.Items[i]
	if star, ok := e.(*duck.Star); ok && duck.Equal(star, &duck.Star{Table: star.Table}) && (star.Table == "" || strings.EqualFold(star.Table, b.t.name)) {
		for _, c := range b.t.visible() {
			x, err := b.column(&duck.Column{Names: []string{c}}, columnNames)
			if err != nil {
				return err
			}
			v.names, v.exprs = append(v.names, c), append(v.exprs, x)
		}
		return nil
	}
	name := e.Alias()
	if name == "" {
		var err error
		if name, err = b.name(e); err != nil {
			return err
		}
	}
	x, err := b.itemExpr(i)
	if err != nil {
		return err
	}
	if err := b.plain(x, "FROM"); err != nil {
		return err
	}
	x.SetAlias("")
	v.names, v.exprs = append(v.names, name), append(v.exprs, x)
	return nil
}

// number gives names that come again the numbers that DuckDB gives them.
func (v *view) number() {
	seen := map[string]int{}
	for i, n := range v.names {
		if again := seen[strings.ToLower(n)]; again > 0 {
			v.names[i] = fmt.Sprintf("%s_%d", n, again)
		}
		seen[strings.ToLower(n)]++
	}
}

// visible lists the columns that * has.
func (t *table) visible() (out []string) {
	if t.view != nil {
		return t.view.names
	}
	for _, c := range t.rel.Columns {
		if !c.Hidden {
			out = append(out, c.Name)
		}
	}
	return out
}

// expr returns what a column of the table is over the relation.
func (t *table) expr(c Column, pos int) duck.Expr {
	if t.view != nil {
		return duck.Clone(t.view.exprs[slices.Index(t.view.names, c.Name)])
	}
	out := &duck.Column{Names: []string{c.Name}}
	out.Offset = pos
	return out
}

// conj joins two conditions, either of which may be missing.
func conj(a, b duck.Expr) duck.Expr {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	var args []duck.Expr
	for _, e := range []duck.Expr{a, b} {
		if l, ok := e.(*duck.Logic); ok && !l.Or {
			args = append(args, l.Args...)
		} else {
			args = append(args, e)
		}
	}
	return &duck.Logic{Args: args}
}
