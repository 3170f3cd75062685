package cube

import (
	"fmt"
	"slices"
	"strings"
	"time"

	_ "time/tzdata" // a definition is good or bad on every machine alike
)

// Limits of a cube's definition (docs/CUBES.md).
const (
	maxMeasures     = 200
	maxGroups       = 32
	maxDescription  = 1 << 10 // bytes
	maxCrons        = 32
	maxBudget       = 16
	maxStartOffsets = 10_000
	maxGroupNames   = 4 * MaxDimensions // in all lists of a group together
	maxSearches     = 100               // for names that were meant: they compare with every column

	minCutAge, maxCutAge             = time.Second, 31 * day
	minCutRows, maxCutRows           = 1, 1_000_000_000
	minCutBytes, maxCutBytes         = 64 << 10, 1 << 40
	minRowsPerBuild, maxRowsPerBuild = 1_000, 1_000_000_000
	minMergeSpan, maxMergeSpan       = time.Minute, 3660 * day
	minMergeRows, maxMergeRows       = 1_000, 1_000_000_000_000
	minRetention, maxRetention       = time.Minute, 36_600 * day
	maxBudgetSegments                = 1_000
	maxMaxJobs                       = 10
)

// Validate checks the cube with its defaults filled in against its table and the lookup tables of its project; without a
// table (nil) nothing is said about columns and lookup tables. The error is a *DefinitionError with every complaint; its lines
// are 0.
func (c *Cube) Validate(t *Table, lookups ...*Lookup) error {
	name := ""
	if c.Name != "" {
		name = "cube " + c.Name
	}
	return definitionError(name, c.WithDefaults().problems(t, lookups, func(string) bool { return false }))
}

// cubeChecker collects complaints about a cube. unsure says that a dimension has no name, or is already complained about:
// then nothing is said about names that are not known.
type cubeChecker struct {
	checker
	cube         *Cube
	table        *Table // may be nil
	lookupTables []*Lookup
	dims         map[string]int
	again        map[string]bool // paths of dimensions and measures that are there already: their names are not looked at
	unsure       bool

	searches int // for a name that was meant
}

// problems checks a cube whose defaults are filled in. explained says which paths have their complaint.
func (c *Cube) problems(t *Table, lookups []*Lookup, explained func(path string) bool) []Problem {
	k := &cubeChecker{cube: c, table: t, lookupTables: lookups, dims: map[string]int{}, again: map[string]bool{}, unsure: explained("dimensions")}
	for i, d := range c.Dimensions {
		at := fmt.Sprintf("dimensions[%d]", i)
		k.unsure = k.unsure || d.Name == "" || explained(at+".name") || explained(at+".column") || explained(at+".grain")
		if _, ok := k.dims[d.Name]; !ok {
			k.dims[d.Name] = i
		}
	}
	k.head()
	k.dimensions()
	k.lookups()
	k.measures()
	k.names()
	k.rowKey()
	k.groups(explained)
	k.cubeStart(c.Start)
	k.cut(c.Cut)
	k.merge(c.Merge)
	k.rules()
	return k.problems
}

func (k *cubeChecker) head() {
	c := k.cube
	k.name("cube", c.Name)
	k.name("project", c.Project)
	k.name("table", c.Table)
	if t := k.table; t != nil && validName(c.Table) && (t.Name != c.Table || t.WithDefaults().Project != c.Project) {
		k.add("table", fmt.Sprintf("is %s of project %s, but the cube was compared with table %s of project %s", c.Table, c.Project, t.Name, t.WithDefaults().Project),
			"write table: "+t.Name+" and its project")
	}
	if len(c.Description) > maxDescription || !plainText(c.Description) {
		k.add("description", "is too long or more than one line of text", fmt.Sprintf("write one line of at most %d bytes", maxDescription))
	}
	k.people(&Table{Owner: c.Owner, Notify: c.Notify})
	k.timeZone("time_zone", c.TimeZone)
	if c.Version < 0 {
		k.add("version", "is below zero", "remove it: the catalog gives it")
	}
	if !plainText(c.ID) || len(c.ID) > maxText {
		k.add("id", "is no id", "remove it: the catalog gives it")
	}
}

func (k *cubeChecker) timeZone(path, s string) {
	const instead = "write a name of the time zone database, such as Europe/Berlin, America/New_York or UTC"
	if s == "Local" {
		k.add(path, "Local is another zone on every machine", instead)
	} else if _, err := time.LoadLocation(s); err != nil || s == "" {
		k.add(path, fmt.Sprintf("unknown time zone %s", clip(s)), instead)
	}
}

func (k *cubeChecker) dimensions() {
	ds := k.cube.Dimensions
	switch {
	case len(ds) == 0:
		k.add("dimensions", "missing", "write what is grouped by: dimensions: [country, hour(ts)]")
	case len(ds) > MaxDimensions:
		k.add("dimensions", fmt.Sprintf("%d dimensions", len(ds)), fmt.Sprintf("write at most %d; columns that only filters use can stay out: such queries read staged files", MaxDimensions))
		return
	}
	first := map[string]int{}
	for i, d := range ds {
		at := fmt.Sprintf("dimensions[%d]", i)
		if d.Column == "" {
			k.add(at+".column", "missing", "write the name of a column")
			k.again[at] = true
			continue
		}
		if other, ok := first[d.short()]; ok {
			k.add(at, fmt.Sprintf("%s is already dimensions[%d]", d.short(), other), "remove one")
			k.again[at] = true
		} else {
			first[d.short()] = i
		}
		if d.Grain != "" && !slices.Contains(grains(), d.Grain) {
			k.addErr(at+".grain", unknownGrain(string(d.Grain)))
			continue
		}
		if col := k.column(at+".column", d.Column); col != nil {
			k.dimensionType(at, d, col.Type)
		}
	}
}

func (k *cubeChecker) dimensionType(at string, d Dimension, typ Type) {
	switch {
	case typ.Kind == JSON:
		k.add(at+".column", fmt.Sprintf("column %s is json, which cannot be grouped by", d.Column), "add a column to the table with the path of a value in it")
	case d.Grain == "":
	case typ.Kind != Timestamp && typ.Kind != Date:
		k.add(at+".grain", fmt.Sprintf("column %s is %s and has no %ss", d.Column, typ, d.Grain), "remove the grain, or name a timestamp or date column"+k.timesOr(""))
	case typ.Kind == Date && d.Grain == Day:
		k.add(at+".grain", fmt.Sprintf("column %s is a date, which is its own day", d.Column), "remove the grain, or write week, month, quarter or year")
	case typ.Kind == Date && slices.Index(grains(), d.Grain) < slices.Index(grains(), Day):
		k.add(at+".grain", fmt.Sprintf("column %s is a date and has no %ss", d.Column, d.Grain), "remove the grain, or write week, month, quarter or year")
	}
}

// timesOr names the time columns of the table.
func (k *cubeChecker) timesOr(none string) string {
	if k.table == nil {
		return none
	}
	times, _ := timeColumns(k.table.Columns)
	if len(times) == 0 {
		return none
	}
	return ": " + orList(times)
}

// column returns the table's column, or complains. It returns nil where there is no table.
func (k *cubeChecker) column(path, name string) *Column {
	if k.table == nil || name == "" {
		return nil
	}
	var names []string
	for i := range k.table.Columns {
		if k.table.Columns[i].Name == name {
			return &k.table.Columns[i]
		}
		names = append(names, k.table.Columns[i].Name)
	}
	instead := "write one of " + strings.Join(names[:min(len(names), 12)], ", ")
	if len(names) > 12 {
		instead += fmt.Sprintf(" ... (%d columns: tidemark table show %s)", len(names), k.table.Name)
	}
	if n := k.meant(name, names); n != "" {
		instead = "write " + n
	}
	k.add(path, fmt.Sprintf("table %s has no column %s", k.table.Name, clip(name)), instead)
	return nil
}

// meant is nearest, as long as there are few mistakes.
func (k *cubeChecker) meant(name string, known []string) string {
	if k.searches++; k.searches > maxSearches {
		return ""
	}
	return Nearest(name, known)
}

// names checks those of dimensions, derived ones too, and measures together: all are columns of what a query sees.
func (k *cubeChecker) names() {
	if len(k.cube.Dimensions) > MaxDimensions || len(k.cube.Measures) > maxMeasures {
		return
	}
	first := map[string]string{}
	check := func(at, name, example string) bool {
		if name == "" || k.again[at] {
			return false
		}
		if !validColumn(name) {
			k.add(at+".name", fmt.Sprintf("bad name %s (letters, digits and _, beginning with a letter, at most 63)", clip(name)), "write "+strings.Replace(example, "NAME", orElse(toName(name), "another_name"), 1))
			return false
		}
		low := strings.ToLower(name)
		if other, ok := first[low]; ok {
			k.add(at+".name", fmt.Sprintf("%s is already the name of %s", name, other), "write another one: "+strings.Replace(example, "NAME", name+"_2", 1))
			return false
		}
		first[low] = at
		return true
	}
	for i, d := range k.cube.Dimensions {
		at := fmt.Sprintf("dimensions[%d]", i)
		long := d
		long.Name = "NAME"
		if check(at, d.Name, long.text()) && k.table != nil {
			k.shadow(at, d)
		}
	}
	for i, l := range k.cube.Lookups[:min(len(k.cube.Lookups), maxCubeLookups)] {
		for j, d := range l.Derived[:min(len(l.Derived), MaxLookupColumns)] {
			at := fmt.Sprintf("lookups[%d].derived[%d]", i, j)
			if check(at, d.Name, Derived{Name: "NAME", Column: d.Column}.text()) {
				k.shadowDerived(at, l, d)
			}
		}
	}
	for i, m := range k.cube.Measures {
		m.Name = "NAME"
		check(fmt.Sprintf("measures[%d]", i), k.cube.Measures[i].Name, m.text())
	}
}

// shadow refuses a dimension that is called like a column of the table which it is not: the name would mean two things in
// one query.
func (k *cubeChecker) shadow(at string, d Dimension) {
	for _, col := range k.table.Columns {
		if strings.EqualFold(col.Name, d.Name) && (col.Name != d.Column || d.Grain != "") {
			long := d
			long.Name += "_2"
			k.add(at+".name", fmt.Sprintf("%s is a column of the table, and this dimension is %s", d.Name, d.short()), "write another name: "+long.text())
		}
	}
}

// shadowDerived is shadow for a derived dimension, which is never a column of the table.
func (k *cubeChecker) shadowDerived(at string, l CubeLookup, d Derived) {
	if k.table == nil {
		return
	}
	for _, col := range k.table.Columns {
		if strings.EqualFold(col.Name, d.Name) {
			other := Derived{Name: orElse(toName(l.Name), "lookup") + "_" + d.Name, Column: d.Column}
			k.add(at+".name", fmt.Sprintf("%s is a column of the table, and this dimension is %s of lookup table %s", d.Name, d.Column, l.Lookup), "write another name: "+other.text())
		}
	}
}

// dimension returns the place of a dimension, or complains.
func (k *cubeChecker) dimension(path, name string) (int, bool) {
	if i, ok := k.dims[name]; ok && name != "" {
		return i, true
	}
	if k.unsure || name == "" {
		return 0, false
	}
	instead := "write one of " + strings.Join(k.cube.names(), ", ")
	if n := k.meant(name, k.cube.names()); n != "" {
		instead = "write " + n
	}
	for _, d := range k.cube.Dimensions {
		if d.short() == name || d.Column == name {
			instead = "write the dimension's name, " + d.Name
		}
	}
	if host, ok := k.derivedFrom(name); ok {
		k.add(path, fmt.Sprintf("%s is derived from %s and in no cuboid", name, host.Name), "write "+host.Name+" once, or nothing")
		return 0, false
	}
	k.add(path, fmt.Sprintf("there is no dimension %s", clip(name)), instead)
	return 0, false
}

func (k *cubeChecker) rowKey() {
	if k.cube.ShardBy != "" {
		k.dimension("shard_by", k.cube.ShardBy)
	}
	if slices.Equal(k.cube.RowKey, k.cube.names()) {
		return // the default; what is wrong in it is said of the dimensions
	}
	if n := len(k.cube.RowKey); n > MaxDimensions {
		k.add("row_key", fmt.Sprintf("names %d dimensions", n), "write every dimension once")
		return
	}
	seen := map[string]bool{}
	sure := !k.unsure
	for i, name := range k.cube.RowKey {
		at := fmt.Sprintf("row_key[%d]", i)
		if seen[name] && name != "" {
			k.add(at, name+" is there already", "remove one")
			sure = false
		}
		seen[name] = true
		if _, ok := k.dimension(at, name); !ok {
			sure = false
		}
	}
	var missing []string
	for _, name := range k.cube.names() {
		if !seen[name] {
			missing = append(missing, name)
		}
	}
	if sure && len(missing) > 0 {
		k.add("row_key", "lacks "+strings.Join(missing, ", "), "write every dimension once, those that most queries filter by first; or remove the key to take the order of dimensions")
	}
}
