package query

import (
	"context"
	"slices"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// nameItems gives unnamed items of a statement the names that DuckDB gives them. Its tree has lost what some are made of, such as how a
// type was written, so it is asked for the columns of the text. Where it does not tell, the names are those of the tree.
func (e *Engine) nameItems(ctx context.Context, n *names, s *duck.Statement, root duck.Query) duck.Query {
	first, written := firstSelect(root), firstSelect(s.Query) // whose parameters have no values yet
	if first == nil || written == nil || len(first.Items) != len(written.Items) || !slices.ContainsFunc(written.Items, unsure) {
		return root
	}
	var tables []duck.Table
	duck.Walk(s.Query, func(node duck.Node) bool {
		if ref, ok := node.(*duck.TableRef); ok && !slices.ContainsFunc(tables, func(t duck.Table) bool { return t.Name == ref.Name }) {
			if rel, ok := n.Table("", ref.Name); ok && rel != nil {
				tables = append(tables, duck.Table{Name: ref.Name, Schema: relationSchema(rel)})
			}
		}
		return true
	})
	schema, err := e.db.Describe(ctx, s, tables)
	if err != nil {
		return root // planning says what is wrong
	}
	root = duck.Clone(root)
	items, fields := firstSelect(root).Items, schema.Fields()
	star, last := slices.IndexFunc(items, several), len(items)
	if star < 0 {
		star, last = len(items), 0
	}
	for ; last > star && !several(items[last-1]); last-- {
	}
	for i, item := range items {
		at := i
		if i >= star {
			at = len(fields) - len(items) + i
		}
		if (i < star || i >= last) && at >= 0 && at < len(fields) && unsure(written.Items[i]) {
			item.SetAlias(fields[at].Name)
		}
	}
	return root
}

// firstSelect is the one whose items name the columns of a query; nil: there is none.
func firstSelect(q duck.Query) *duck.Select {
	for {
		switch x := q.(type) {
		case *duck.Select:
			return x
		case *duck.SetOperation:
			if x.Type == "UNION_BY_NAME" {
				return nil // its columns are those of both
			}
			q = x.Left
		default:
			return nil
		}
	}
}

// several reports whether an item may be any number of columns.
func several(e duck.Expr) (is bool) {
	duck.Walk(e, func(n duck.Node) bool {
		switch n := n.(type) {
		case *duck.Star:
			is = true
		case *duck.Function:
			is = is || n.Name == "unnest"
		}
		return !is
	})
	return is
}

// unsure reports whether an item has a name of which the tree does not tell all.
func unsure(e duck.Expr) (is bool) {
	if e.Alias() != "" || several(e) {
		return false
	}
	duck.Walk(e, func(n duck.Node) bool {
		switch n := n.(type) {
		case *duck.Cast, *duck.Param:
			is = true
		case *duck.Constant:
			is = is || n.Value.Type.Name == "DOUBLE"
		case *duck.Comparison:
			is = is || n.Op == "IS DISTINCT FROM" || n.Op == "IS NOT DISTINCT FROM"
		case *duck.Other:
			is = is || n.Class == "LAMBDA"
		}
		return !is
	})
	return is
}
