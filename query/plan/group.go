package plan

import (
	"slices"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// grouping reads GROUP BY, or DISTINCT where nothing is aggregated; distinct is true of that.
func (b *builder) grouping() (distinct bool, err error) {
	s := b.s
	m := &s.Modifiers
	switch {
	case s.GroupAll:
		return false, b.groupAll()
	case len(s.Groups) > 0 || len(s.Sets) > 0:
		return false, b.groupBy()
	case b.a.aggregates(b.s):
		return false, nil
	case m.Distinct == nil:
		return false, noBlock("it neither groups nor aggregates")
	case len(m.Distinct.On) > 0 || s.Having != nil || s.Qualify != nil:
		return false, noBlock("it neither groups nor aggregates")
	}
	for i := range s.Items {
		e, err := b.itemExpr(i)
		if err != nil {
			return false, err
		}
		if _, err := b.addGroup(e, "DISTINCT"); err != nil {
			return false, err
		}
	}
	return true, nil
}

// groupAll groups by every item that has columns and no aggregate.
func (b *builder) groupAll() error {
	for i := range b.s.Items {
		e, err := b.itemExpr(i)
		if err != nil {
			return err
		}
		if has(e, b.a.isAggregate) || !has(e, isColumn) {
			continue
		}
		if _, err := b.addGroup(e, "GROUP BY"); err != nil {
			return err
		}
	}
	if len(b.b.Groups) == 0 && !b.a.aggregates(b.s) {
		return noBlock("it neither groups nor aggregates")
	}
	return nil
}

func isColumn(e duck.Expr) bool {
	_, ok := e.(*duck.Column)
	return ok
}

// groupBy groups by expressions, numbers and names of items.
func (b *builder) groupBy() error {
	at := make([]int, len(b.s.Groups)) // of each expression, its group
	for i, g := range b.s.Groups {
		e, err := b.groupExpr(g)
		if err != nil {
			return err
		}
		if at[i], err = b.addGroup(e, "GROUP BY"); err != nil {
			return err
		}
		if len(b.s.Sets) > 1 && slices.Contains(at[:i], at[i]) {
			return noBlock("grouping sets tell apart two groups that are the same")
		}
	}
	for _, set := range b.s.Sets {
		var groups []int
		for _, i := range set {
			if i < 0 || i >= len(at) {
				return noBlock("its grouping sets are not understood")
			}
			if !slices.Contains(groups, at[i]) {
				groups = append(groups, at[i])
			}
		}
		slices.Sort(groups)
		b.b.Sets = append(b.b.Sets, groups)
	}
	if len(b.b.Sets) < 2 && (len(b.b.Sets) == 0 || len(b.b.Sets[0]) == len(b.b.Groups)) {
		b.b.Sets = nil
	}
	return nil
}

func (b *builder) groupExpr(g duck.Expr) (duck.Expr, error) {
	switch g := g.(type) {
	case *duck.Constant:
		n, ok := g.Value.Go.(int64)
		if !ok || n < 1 || n > int64(len(b.s.Items)) {
			return nil, noBlock("it groups by a constant")
		}
		return b.itemExpr(int(n) - 1)
	case *duck.Column:
		return b.column(g, otherNames)
	}
	return b.canon(duck.Clone(g), otherNames)
}

// addGroup returns the group of an expression.
func (b *builder) addGroup(e duck.Expr, where string) (int, error) {
	if err := b.plain(e, where); err != nil {
		return 0, err
	}
	if !has(e, isColumn) {
		return 0, noBlock("it groups by a constant")
	}
	for i := range b.b.Groups {
		if duck.Equal(b.b.Groups[i].Expr, e) {
			return i, nil
		}
	}
	e.SetAlias("")
	r := b.t.rel
	g := Group{Term: r.term(e)}
	if len(g.Columns) > 1 {
		return 0, noBlock("it groups by several columns in one")
	}
	if c, ok := r.chainOf(e); ok {
		g.Type = map[constKind]string{constDate: "DATE", constTime: "TIMESTAMP", constZoned: "TIMESTAMP WITH TIME ZONE", constInt: "BIGINT"}[c.kind]
		if c.kind != constInt {
			g.Time = &TimeTerm{Column: c.col.Name, Steps: c.steps, Date: c.kind == constDate}
		}
	} else if name, ok := g.column(); ok {
		col, _ := r.column(name)
		g.Type = SQLType(col.Type)
	}
	b.b.Groups = append(b.b.Groups, g)
	return len(b.b.Groups) - 1, nil
}
