package plan

import (
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// expandStars keeps hidden columns that the SELECT names out of its stars. A * alone is written out where all tables are
// known; the others get an EXCLUDE.
func (a *analyser) expandStars(s *duck.Select, sc *scope) {
	known, hidden := commas(s.From), false
	names := make([][]string, len(sc.tables))
	for i := range sc.tables {
		t := &sc.tables[i]
		if t.rel == nil || t.ref == nil {
			known = false
			continue
		}
		for _, c := range a.needed(t, s) {
			if c.Hidden {
				names[i], hidden = append(names[i], c.Name), true
			}
		}
	}
	if !hidden {
		return
	}
	if known {
		a.writeStars(s, sc)
	}
	for _, e := range append(slices.Clone(s.Items), s.Where) {
		each(e, func(x duck.Expr) bool {
			star, ok := x.(*duck.Star)
			if !ok {
				return true
			}
			for i := range sc.tables {
				if star.Table == "" && inStar(s.From, sc.tables[i].ref) || strings.EqualFold(star.Table, sc.tables[i].name) {
					star.Exclude(names[i]...)
				}
			}
			return true
		})
	}
}

// writeStars puts the columns of tables in the place of each * alone.
func (a *analyser) writeStars(s *duck.Select, sc *scope) {
	var items []duck.Expr
	for _, e := range s.Items {
		star, ok := e.(*duck.Star)
		if !ok || !duck.Equal(star, &duck.Star{Table: star.Table}) {
			items = append(items, e)
			continue
		}
		for _, t := range sc.tables {
			if star.Table != "" && !strings.EqualFold(star.Table, t.name) {
				continue
			}
			for _, c := range t.rel.Columns {
				if !c.Hidden {
					items = append(items, &duck.Column{Names: []string{t.name, c.Name}})
				}
			}
		}
	}
	s.Items = items
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

// commas reports whether * has every column of every table: no join makes one of two.
func commas(f duck.From) bool {
	j, ok := f.(*duck.Join)
	return !ok || len(j.Using) == 0 && j.Ref != "NATURAL" && j.Type != "SEMI" && j.Type != "ANTI" && commas(j.Left) && commas(j.Right)
}
