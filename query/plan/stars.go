package plan

import (
	"strings"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// expandStars writes * out where the SELECT also names a hidden column: else * would have it too. It does so where all
// tables are known; a star with EXCLUDE and the like stays.
func (a *analyser) expandStars(s *duck.Select, sc *scope) {
	hidden := false
	for _, t := range sc.tables {
		if t.rel == nil || !commas(s.From) {
			return
		}
		for _, c := range a.needed(&t, s) {
			hidden = hidden || c.Hidden
		}
	}
	if !hidden {
		return
	}
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

// commas reports whether * has every column of every table: no join makes one of two.
func commas(f duck.From) bool {
	j, ok := f.(*duck.Join)
	return !ok || len(j.Using) == 0 && j.Ref != "NATURAL" && j.Type != "SEMI" && j.Type != "ANTI" && commas(j.Left) && commas(j.Right)
}
