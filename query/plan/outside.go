package plan

import (
	"slices"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// readGroups lists what the SELECT groups by.
func (r *regrouper) readGroups() {
	s := r.s
	list := slices.Clone(s.Groups)
	for i, g := range list {
		switch g := g.(type) {
		case *duck.Constant:
			if n, ok := g.Value.Go.(int64); ok && n >= 1 && n <= int64(len(s.Items)) {
				list[i] = s.Items[n-1]
			}
		case *duck.Column:
			if item := r.alias(g.Names[0]); len(g.Names) == 1 && !r.mine(g) && item >= 0 {
				list[i] = s.Items[item]
			}
		}
	}
	if s.GroupAll {
		for _, e := range s.Items {
			if !has(e, r.a.isAggregate) {
				list = append(list, e)
			}
		}
	}
	r.grouped = s.GroupAll || len(s.Groups) > 0 || len(s.Sets) > 0 || r.a.aggregates(s)
	for _, g := range list {
		if own, ok := r.own(g); ok {
			g = own
		}
		r.groups = append(r.groups, g)
	}
}

// outside returns what is asked of groups as over does: only the parts that the SELECT groups by. DuckDB complains of other columns.
func (r *regrouper) outside(e duck.Expr) (duck.Expr, error) {
	is, mine := r.own(e)
	if !mine {
		is = e
	}
	group := slices.ContainsFunc(r.groups, func(g duck.Expr) bool { return duck.Equal(g, is) })
	if !r.grouped || group || r.a.isAggregate(e) || isColumn(e) {
		return r.over(e)
	}
	return r.parts(e, r.outside)
}
