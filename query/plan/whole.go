package plan

import (
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/duck"
)

// Whole is a statement that is one block, and what is done with its rows: Having, then Order, then Offset and Limit.
type Whole struct {
	Items  []Item
	Having *Cond // over the columns of the block by their names; every leaf is Simple
	Order  []OrderKey
	Limit  *int64 // nil: all
	Offset int64
}

// Item is a column of the answer.
type Item struct {
	Name   string
	Output Output
}

// Output is a column of a block: Groups[Index], or Aggs[Index] if Agg is set.
type Output struct {
	Agg   bool
	Index int
}

// OrderKey is what rows are sorted by. Texts are compared by their bytes, NaN is above all numbers.
type OrderKey struct {
	Output     Output
	Descending bool
	NullsFirst bool
}

// whole returns what s does with the rows of the only block, nil where that needs DuckDB.
func whole(st *Statement, s *duck.Select) *Whole {
	if len(st.Blocks) != 1 || len(st.Scans) > 0 || len(s.With) > 0 || s.Qualify != nil || s.Modifiers.Distinct != nil ||
		s.Groups != nil || s.GroupAll || s.Having != nil {
		return nil
	}
	b := st.Blocks[0]
	if ref, ok := s.From.(*duck.TableRef); !ok || ref.Name != b.Name || ref.As != "" {
		return nil
	}
	w := &Whole{}
	for _, e := range s.Items {
		out, ok := output(e)
		if !ok {
			return nil
		}
		w.Items = append(w.Items, Item{e.Alias(), out})
	}
	for _, o := range s.Modifiers.Order {
		if !w.order(s, o) {
			return nil
		}
	}
	if l := s.Modifiers.Limit; l != nil && !w.limit(l) {
		return nil
	}
	if s.Where != nil {
		w.Having = b.having(s.Where)
		if w.Having == nil || !pushable(w.Having) {
			return nil
		}
	}
	return w
}

func output(e duck.Expr) (Output, bool) {
	i, isAgg := outputOf(e)
	return Output{isAgg, i}, i >= 0
}

func (w *Whole) order(s *duck.Select, o *duck.Order) bool {
	key := OrderKey{Descending: o.Desc, NullsFirst: o.Nulls == "FIRST"}
	if star, ok := o.X.(*duck.Star); ok && star.Columns && star.Pattern == nil {
		for _, it := range w.Items {
			key.Output = it.Output
			w.Order = append(w.Order, key)
		}
		return true
	}
	ok := false
	if i := keyItem(s, o.X); i >= 0 {
		key.Output, ok = w.Items[i].Output, true
	} else {
		key.Output, ok = output(o.X)
	}
	w.Order = append(w.Order, key)
	return ok
}

func (w *Whole) limit(l *duck.Limit) bool {
	count := func(e duck.Expr) (int64, bool) {
		c, ok := fold(e)
		return c.n, ok && c.kind == constInt && c.n >= 0
	}
	ok := !l.Percent
	if ok && l.Limit != nil {
		n, isCount := count(l.Limit)
		w.Limit, ok = &n, isCount
	}
	if ok && l.Offset != nil {
		w.Offset, ok = count(l.Offset)
	}
	return ok
}

// having returns a condition over the columns of the block, or nil.
func (b *Block) having(e duck.Expr) *Cond {
	r := &Relation{}
	for i, g := range b.Groups {
		r.Columns = append(r.Columns, Column{Name: groupColumn(i).Names[0], Type: kindOf(g.Type)})
	}
	for i, a := range b.Aggs {
		r.Columns = append(r.Columns, Column{Name: aggColumn(i).Names[0], Type: kindOf(a.Type)})
	}
	return r.cond(e)
}

// kindOf returns the type of a column that DuckDB calls so, as far as conditions on it are simple.
func kindOf(duckType string) cube.Type {
	switch duckType {
	case "BIGINT":
		return cube.Type{Kind: cube.Int64}
	case "DOUBLE":
		return cube.Type{Kind: cube.Float64}
	case "VARCHAR":
		return cube.Type{Kind: cube.String}
	case "BOOLEAN":
		return cube.Type{Kind: cube.Bool}
	case "DATE":
		return cube.Type{Kind: cube.Date}
	case "TIMESTAMP":
		return cube.Type{Kind: cube.Timestamp}
	}
	return cube.Type{}
}
