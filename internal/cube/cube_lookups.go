package cube

import (
	"fmt"
	"slices"
	"strings"
)

// maxCubeLookups is how many lookup tables a cube may name; one that is named twice counts twice.
const maxCubeLookups = 32

// CubeLookup joins a lookup table to the events of a cube: each event has the row whose key is the value of a column, or
// none. Cuboids keep that column, the foreign key, and nothing of the lookup table: what is derived from the key is looked
// up when a query asks for it.
type CubeLookup struct {
	Name       string    `json:"name,omitempty"` // unique among those of the cube; default: the lookup table's
	Lookup     string    `json:"lookup"`         // name of a lookup table of the same project
	ForeignKey string    `json:"foreign_key"`    // column of the table, which is a dimension without a grain
	Derived    []Derived `json:"derived"`
}

// Derived is a dimension whose values stand in a lookup table.
type Derived struct {
	Name   string `json:"name,omitempty"` // unique among dimensions and measures, and no column of the table; default: the column
	Column string `json:"column"`         // of the lookup table, not its key
}

// LookupNames lists the lookup tables that the cube names, each once.
func (c *Cube) LookupNames() []string {
	var names []string
	for _, l := range c.Lookups {
		if l.Lookup != "" && !slices.Contains(names, l.Lookup) {
			names = append(names, l.Lookup)
		}
	}
	return names
}

// Host returns the dimension that keeps the foreign key of a lookup table.
func (c *Cube) Host(l CubeLookup) (Dimension, bool) {
	i := slices.IndexFunc(c.Dimensions, func(d Dimension) bool { return d.Column == l.ForeignKey && d.Grain == "" })
	if i < 0 || l.ForeignKey == "" {
		return Dimension{}, false
	}
	return c.Dimensions[i], true
}

func (l CubeLookup) withDefaults() CubeLookup {
	l.Derived = clone(l.Derived)
	for i := range l.Derived {
		fill(&l.Derived[i].Name, l.Derived[i].Column)
	}
	fill(&l.Name, l.Lookup)
	return l
}

func (l CubeLookup) flow() string {
	var f flow
	f.add("name", scalar(l.Name), scalar(l.Lookup))
	f.add("lookup", scalar(l.Lookup), "")
	f.add("foreign_key", scalar(l.ForeignKey), "")
	f.add("derived", "["+strings.Join(l.derivedTexts(), ", ")+"]", "[]")
	return f.String()
}

func (l CubeLookup) derivedTexts() []string {
	texts := make([]string, len(l.Derived))
	for i, d := range l.Derived {
		texts[i] = d.text()
	}
	return texts
}

// text returns the short form, the column, where the name is the default.
func (d Derived) text() string {
	if d.Name == d.Column {
		return scalar(d.Column)
	}
	return fmt.Sprintf("{name: %s, column: %s}", scalar(d.Name), scalar(d.Column))
}

const lookupExample = "{lookup: shops, foreign_key: shop_id, derived: [city]}"

// lookup reads {name, lookup, foreign_key, derived}.
func (r *reader) lookup(n *node, path string) (l CubeLookup) {
	if !r.mapping(n, path, lookupExample) {
		return l
	}
	r.object(n, path, []key{
		{"name", r.text(&l.Name, "a name")},
		{"lookup", r.text(&l.Lookup, "the name of a lookup table")},
		{"foreign_key", r.text(&l.ForeignKey, "the name of one column of the table")},
		{"derived", func(n *node, path string) {
			r.list(n, path, "[city, country]", func(n *node, path string) { l.Derived = append(l.Derived, r.derived(n, path)) })
		}},
	}, map[string]string{
		"table": "write lookup", "alias": "write name", "on": "write foreign_key", "fk": "write foreign_key", "column": "write foreign_key", "join": "write foreign_key",
		"key": "the key is the lookup table's own: remove it", "primary_key": "the key is the lookup table's own: remove it",
		"dimensions": "write derived", "columns": "write derived",
		"type": "an event without a row in the lookup table stays, with nulls: remove it, and filter in queries", "version": "a build takes the newest one: remove it",
	})
	return l
}

// derived reads city, or {name, column}.
func (r *reader) derived(n *node, path string) (d Derived) {
	switch n.kind {
	case scalarNode:
		d.Column = n.text
	case objectNode:
		r.object(n, path, []key{
			{"name", r.text(&d.Name, "a name")},
			{"column", r.text(&d.Column, "the name of a column of the lookup table")},
		}, map[string]string{"dimension": "write name", "alias": "write name", "field": "write column", "grain": "a derived dimension is the value itself: remove it"})
	default:
		r.complain(n.line, path, "is a list, but one dimension is wanted", "write - city, or - {name: shop_city, column: city}")
	}
	return d
}

// lookups checks how lookup tables are joined. Names of derived dimensions are checked with all names.
func (k *cubeChecker) lookups() {
	list := k.cube.Lookups
	if len(list) > maxCubeLookups {
		k.add("lookups", fmt.Sprintf("%d lookup tables", len(list)), fmt.Sprintf("write at most %d", maxCubeLookups))
		return
	}
	first := map[string]string{}
	for i, l := range list {
		at := fmt.Sprintf("lookups[%d]", i)
		if l.Lookup == "" {
			k.add(at+".lookup", "missing", "write the name of a lookup table: tidemark lookup list shows them")
		} else if other, ok := first[l.Name]; ok {
			k.add(at+".name", fmt.Sprintf("%s is already the name of %s", clip(l.Name), other), "write another one: name: "+orElse(toName(l.Name), "lookup")+"_2")
		} else {
			first[l.Name] = at
			k.name(at+".name", l.Name)
		}
		known := k.known(at+".lookup", l)
		k.foreignKey(at+".foreign_key", l, known)
		k.derivedColumns(at, l, known)
	}
}

// known returns the lookup table, or complains that there is none. It is nil where nothing is known.
func (k *cubeChecker) known(path string, l CubeLookup) *Lookup {
	if k.table == nil || l.Lookup == "" {
		return nil
	}
	var names []string
	for _, t := range k.lookupTables {
		if t.Name == l.Lookup {
			return t
		}
		names = append(names, t.Name)
	}
	instead := "make it first: tidemark lookup apply " + orElse(toName(l.Lookup), "LOOKUP") + " FILE --key COLUMN"
	if n := k.meant(l.Lookup, names); n != "" {
		instead = "write " + n
	}
	k.add(path, fmt.Sprintf("there is no lookup table %s in project %s", clip(l.Lookup), k.cube.Project), instead)
	return nil
}

func (k *cubeChecker) foreignKey(path string, l CubeLookup, known *Lookup) {
	if l.ForeignKey == "" {
		k.add(path, "missing", "write the column of the table that holds keys of "+orElse(toName(l.Lookup), "the lookup table"))
		return
	}
	col := k.column(path, l.ForeignKey)
	if k.table != nil && col == nil {
		return
	}
	if col != nil && known != nil {
		key, _ := known.Column(known.Key)
		if typ, err := ParseType(key.Type); err == nil && !sameValues(col.Type, typ) {
			k.add(path, fmt.Sprintf("column %s is %s, but key %s of lookup table %s is %s", col.Name, bareType(col.Type), key.Name, known.Name, bareType(typ)),
				fmt.Sprintf("apply the lookup table again with a key of the same type: --type %s:%s", key.Name, bareType(col.Type)))
		}
	}
	if _, ok := k.cube.Host(l); !ok && !k.unsure {
		k.add(path, fmt.Sprintf("%s is no dimension, and cuboids keep nothing else of lookup table %s", clip(l.ForeignKey), clip(l.Lookup)), "add "+l.ForeignKey+" to dimensions")
	}
}

// sameValues reports whether values of both types can be equal as they are kept: how they were written does not matter.
func sameValues(a, b Type) bool {
	return a.Kind == b.Kind && a.Scale == b.Scale
}

// bareType is a type without the form of its text.
func bareType(t Type) string {
	if t.Kind == Decimal {
		return t.String()
	}
	return string(t.Kind)
}

func (k *cubeChecker) derivedColumns(at string, l CubeLookup, known *Lookup) {
	var names []string // that may be derived
	if known != nil {
		for _, c := range known.Columns {
			if c.Name != known.Key {
				names = append(names, c.Name)
			}
		}
	}
	some := "write some of " + strings.Join(names[:min(len(names), 12)], ", ")
	if len(names) == 0 {
		some = "write columns of the lookup table: derived: [city, country]"
	}
	switch n := len(l.Derived); {
	case n == 0:
		k.add(at+".derived", "missing", some)
	case n > MaxLookupColumns:
		k.add(at+".derived", fmt.Sprintf("%d dimensions", n), fmt.Sprintf("write at most %d", MaxLookupColumns))
		return
	}
	for j, d := range l.Derived {
		path := fmt.Sprintf("%s.derived[%d]", at, j)
		switch {
		case d.Column == "":
			k.add(path+".column", "missing", some)
			k.again[path] = true
		case known == nil:
		case d.Column == known.Key:
			k.add(path+".column", fmt.Sprintf("%s is the key of lookup table %s: its values are those of %s", d.Column, known.Name, l.ForeignKey), "remove it")
			k.again[path] = true
		case !slices.Contains(names, d.Column):
			instead := some
			if n := k.meant(d.Column, names); n != "" {
				instead = "write " + n
			}
			k.add(path+".column", fmt.Sprintf("lookup table %s has no column %s", known.Name, clip(d.Column)), instead)
			k.again[path] = true
		}
	}
}

// derivedFrom returns the foreign key of a derived dimension.
func (k *cubeChecker) derivedFrom(name string) (host Dimension, ok bool) {
	for _, l := range k.cube.Lookups {
		if slices.ContainsFunc(l.Derived, func(d Derived) bool { return d.Name == name }) {
			return k.cube.Host(l)
		}
	}
	return host, false
}
