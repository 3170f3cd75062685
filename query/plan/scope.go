package plan

import (
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// scope is what names mean in a SELECT: the tables of its FROM and the queries named before it, then those of the
// SELECTs around it.
type scope struct {
	outer  *scope
	ctes   []cte
	tables []table
}

// cte is a query with a name. It sees those that were named before it.
type cte struct {
	name string
	def  *duck.CTE // nil: of one that speaks of itself
	in   *scope
}

// table is something in a FROM. rel is nil where its columns are not known.
type table struct {
	name string // by which columns say it
	rel  *Relation
	ref  *duck.TableRef // nil: of a view
	view *view          // nil: the columns are the relation's

	below duck.Expr // what of WHERE is decided where no star sees the table; nil: nothing
	read  []Column  // what a scan reads
	seen  []Column  // of it, what the SELECT sees
}

// add names a query.
func (s *scope) add(c *duck.CTE) {
	in := &scope{outer: s.outer, ctes: slices.Clone(s.ctes)}
	s.ctes = append(s.ctes, cte{c.Name, c, in})
}

// cte returns the query of a name, nil if there is none.
func (s *scope) cte(name string) *cte {
	for ; s != nil; s = s.outer {
		for i := len(s.ctes) - 1; i >= 0; i-- {
			if strings.EqualFold(s.ctes[i].name, name) {
				return &s.ctes[i]
			}
		}
	}
	return nil
}

// find says which table of this SELECT, not of those around it, has a column: one that * has, else a hidden one. maybe: a table
// whose columns are not known, or a field of a column, may be meant.
func (s *scope) find(names []string) (at *table, col Column, maybe bool) {
	for i := range s.tables {
		t := &s.tables[i]
		last, ok := t.said(names)
		switch {
		case !ok:
			if t.field(names) || t.rel == nil && len(names) > 1 && t.name == "" {
				maybe = true
			}
		case t.rel == nil:
			maybe = true
		default:
			if c, ok := t.column(last); ok && !c.Hidden {
				return t, c, false
			} else if ok && at == nil {
				at, col = t, c
			}
		}
	}
	return at, col, maybe && at == nil
}

// field reports whether names may say a field of a column.
func (t *table) field(names []string) bool {
	_, ok := t.column(names[0])
	if !ok && len(names) > 2 && strings.EqualFold(names[0], t.name) {
		_, ok = t.column(names[1])
	}
	return ok
}

func (t *table) column(name string) (Column, bool) {
	if t.view != nil {
		i := slices.IndexFunc(t.view.names, func(n string) bool { return strings.EqualFold(n, name) })
		if i < 0 {
			return Column{}, false
		}
		return Column{Name: t.view.names[i]}, true
	}
	if t.rel == nil {
		return Column{}, false
	}
	return t.rel.column(name)
}

// said returns the last of the names if those before it, if there are any, say this table.
func (t *table) said(names []string) (string, bool) {
	last := names[len(names)-1]
	if len(names) == 1 {
		return last, true
	}
	if len(names) > 4 || !strings.EqualFold(names[len(names)-2], t.name) {
		return "", false
	}
	return last, true
}

// known reports whether some SELECT from s outwards has, or may have, the column.
func (s *scope) known(names []string) bool {
	for ; s != nil; s = s.outer {
		if at, _, maybe := s.find(names); at != nil || maybe {
			return true
		}
	}
	return false
}
