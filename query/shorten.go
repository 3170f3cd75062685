package query

import (
	"slices"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/plan"
)

// longList is how many values a list may have that is described as it is.
const longList = 64

// shortened leaves one value of each long list that a column is looked for in, where the types of the statement do not depend on
// the others: DuckDB takes most of the time of planning to write and read them. nil: there is none, and nothing was changed; else
// it undoes the change.
func shortened(b *plan.Block) (undo func()) {
	type cut struct {
		in   *duck.In
		list []duck.Expr
	}
	var cuts []cut
	duck.Walk(b.Original, func(n duck.Node) bool {
		in, ok := n.(*duck.In)
		if !ok {
			return true
		}
		if len(in.List) > longList && alike(in, b.Relation) {
			cuts = append(cuts, cut{in, in.List})
			in.List = in.List[:1]
		}
		return false
	})
	if len(cuts) == 0 {
		return nil
	}
	return func() {
		for _, c := range cuts {
			c.in.List = c.list
		}
	}
}

// alike reports whether all values of a list are constants of one type, of which one tells whether they can be compared with the
// column: text could be of a column's type or not by what it says.
func alike(in *duck.In, r *plan.Relation) bool {
	name, ok := plainColumn(in.X)
	first, constant := in.List[0].(*duck.Constant)
	if !ok || !constant {
		return false
	}
	if at := slices.IndexFunc(r.Columns, func(c plan.Column) bool { return c.Name == name }); at < 0 || first.Value.Type.Name == "VARCHAR" && r.Columns[at].Type.Kind != cube.String {
		return false
	}
	for _, x := range in.List {
		c, ok := x.(*duck.Constant)
		if !ok || c.Value.Go == nil || kindOf(c.Value.Type) != kindOf(first.Value.Type) {
			return false
		}
	}
	return true
}

// kindOf is what tells types of constants apart.
func kindOf(t duck.Type) [3]any { return [3]any{t.Name, t.Precision, t.Scale} }
