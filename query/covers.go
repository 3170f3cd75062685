package query

import (
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Random names what of the statement gives another answer each time that it is asked, such as random(); "": nothing does.
func (a *Answer) Random() string { return a.x.p.random }

// Lookups returns the snapshots of lookup tables that the statement reads, by name.
func (a *Answer) Lookups() (list []catalog.LookupVersion) {
	p := a.x.p
	scans := slices.Clone(p.st.Scans)
	for _, b := range p.st.Blocks {
		scans = append(scans, b.Raw) // it has all columns that the block needs
	}
	seen := map[string]bool{}
	add := func(name string) {
		if name != "" && !seen[name] {
			seen[name] = true
			list = append(list, p.names.lookups[name])
		}
	}
	for _, s := range scans {
		if s.Relation.Lookup != nil {
			add(s.Relation.Lookup.Name)
		}
		for _, c := range s.Columns {
			add(c.Lookup)
		}
	}
	slices.SortFunc(list, func(a, b catalog.LookupVersion) int { return strings.Compare(a.Lookup.Name, b.Lookup.Name) })
	return list
}
