package cube

import (
	"fmt"
	"slices"
)

// MaxLookupColumns is how many columns a lookup table may have, the key included.
const MaxLookupColumns = 200

// Lookup is the definition of a lookup table: values by a key. ID and Version are given by the catalog; each snapshot of its
// rows is a version.
type Lookup struct {
	Project string         `json:"project"`
	Name    string         `json:"lookup"`
	ID      string         `json:"id,omitempty"`
	Version int64          `json:"version,omitempty"`
	Key     string         `json:"key"`             // name of the column whose values are unique and not null
	Columns []LookupColumn `json:"columns"`         // the key among them
	Query   *LookupQuery   `json:"query,omitempty"` // of whose answer it is a snapshot; nil: it is made of a file
}

// LookupColumn is a column of a lookup table. A type has its text form: decimal(12,2).
type LookupColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Column returns the column with a name; ok is false where there is none.
func (l *Lookup) Column(name string) (c LookupColumn, ok bool) {
	i := slices.IndexFunc(l.Columns, func(c LookupColumn) bool { return c.Name == name })
	if i < 0 {
		return c, false
	}
	return l.Columns[i], true
}

// Validate refuses names and types that no lookup table can have. The error is a *DefinitionError with every complaint.
func (l *Lookup) Validate() error {
	k := &checker{}
	k.name("lookup", l.Name)
	k.name("project", l.Project)
	if l.Query != nil {
		l.Query.validate(k)
	}
	if len(l.Columns) > MaxLookupColumns {
		k.add("columns", fmt.Sprintf("%d columns", len(l.Columns)), fmt.Sprintf("keep at most %d", MaxLookupColumns))
	}
	seen := map[string]bool{}
	for i, c := range l.Columns[:min(len(l.Columns), MaxLookupColumns)] {
		at := fmt.Sprintf("columns[%d]", i)
		if !validColumn(c.Name) {
			k.add(at+".name", fmt.Sprintf("%s is no name", clip(c.Name)), "write letters, digits and _, and begin with a letter")
		} else if seen[c.Name] {
			k.add(at+".name", fmt.Sprintf("%s is there already", c.Name), "give each column its own name")
		}
		seen[c.Name] = true
		switch t, err := ParseType(c.Type); {
		case err != nil:
			k.addErr(at+".type", err)
		case t.Kind == JSON:
			k.add(at+".type", "json is no type of a lookup table", "write string")
		case c.Name == l.Key && t.Kind == Float64:
			k.add(at+".type", "float64 is no type of a key", "write int64, string or decimal")
		}
	}
	if !seen[l.Key] {
		k.add("key", fmt.Sprintf("there is no column %s", clip(l.Key)), "name the column whose values are unique")
	}
	return definitionError("", k.problems)
}
