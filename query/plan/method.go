package plan

import (
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// methods writes country.upper(), which the tree has as a function of a schema, as upper(country).
func (a *analyser) methods(root duck.Query) (err error) {
	duck.Walk(root, func(n duck.Node) bool {
		s, ok := n.(*duck.Select)
		if !ok {
			return err == nil
		}
		for _, e := range s.Items { // which keep their names
			if e.Alias() != "" || err != nil || !says(e, isMethod) {
				continue
			}
			var name string
			if name, err = a.nameOf(e); err == nil {
				e.SetAlias(name)
			}
		}
		return err == nil
	})
	if err != nil || !says(root, isMethod) {
		return err
	}
	duck.Rewrite(root, func(n duck.Node) duck.Node {
		if f, ok := n.(*duck.Function); ok && isMethod(f) {
			c := &duck.Column{Names: []string{f.Schema}}
			if c.Offset = f.Offset; f.Catalog != "" {
				c.Names = []string{f.Catalog, f.Schema}
			}
			f.Catalog, f.Schema, f.Args = "", "", append([]duck.Expr{c}, f.Args...)
		}
		return n
	})
	return nil
}

// isMethod reports whether a call is said of a column. Schemas of functions are DuckDB's own.
func isMethod(n duck.Node) bool {
	f, ok := n.(*duck.Function)
	return ok && f.Schema != "" && !slices.Contains([]string{"main", "pg_catalog", "system", "temp", "information_schema"}, strings.ToLower(f.Schema))
}

// says reports whether there is such a node in a tree.
func says(n duck.Node, is func(duck.Node) bool) (found bool) {
	duck.Walk(n, func(n duck.Node) bool {
		found = found || is(n)
		return !found
	})
	return found
}
