package kylin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// join is a lookup table of the model that can be one of ours.
type join struct {
	at    int // place in the model
	alias string
	known *cube.Lookup
	use   cube.CubeLookup // what is derived so far
}

// joins takes the model's lookup tables in.
func (im *importer) joins() {
	for i, l := range im.model.Lookups {
		path := fmt.Sprintf("model.lookups[%d]", i)
		alias := l.Alias
		if alias == "" {
			alias = bare(l.Table)
		}
		if len(l.Join.ForeignKey) == 0 || len(l.Join.PrimaryKey) == 0 {
			im.problem(path+".join", fmt.Sprintf("it is not said by which columns lookup table %s is joined", l.Table), "name one column each: foreign_key and primary_key")
			continue
		}
		if len(l.Join.ForeignKey) != 1 || len(l.Join.PrimaryKey) != 1 {
			im.problem(path+".join", fmt.Sprintf("lookup table %s is joined by %d columns", l.Table, len(l.Join.ForeignKey)), "join by one: make one column of them, in the events and in the lookup table")
			continue
		}
		fk, ok := im.qualified(l.Join.ForeignKey[0])
		if !ok {
			im.problem(path+".join.foreign_key[0]", fmt.Sprintf("%s is no column of the fact table: lookup tables of lookup tables are not known here", l.Join.ForeignKey[0]), "put the columns of both into one lookup table")
			continue
		}
		column, grain := im.column(fk)
		if column == "" || grain != "" {
			im.problem(path+".join.foreign_key[0]", fmt.Sprintf("table %s has no column %s", im.table.Name, strings.ToLower(fk)), "add the column to the table first")
			continue
		}
		name, key := strings.ToLower(bare(l.Table)), strings.ToLower(bare(l.Join.PrimaryKey[0]))
		at := slices.IndexFunc(im.lookups, func(k *cube.Lookup) bool { return strings.EqualFold(k.Name, name) })
		if at < 0 {
			im.problem(path+".table", fmt.Sprintf("there is no lookup table %s", name), fmt.Sprintf("make it of a file first: tidemark lookup apply %s FILE --key %s", name, key))
			continue
		}
		known := im.lookups[at]
		if !strings.EqualFold(known.Key, key) {
			im.problem(path+".join.primary_key[0]", fmt.Sprintf("joins by %s, but the key of lookup table %s is %s", key, known.Name, known.Key), "apply the lookup table with that key, or join by the one it has")
			continue
		}
		if strings.EqualFold(l.Join.Type, "inner") {
			im.note(path+".join.type", fmt.Sprintf("events without a row in %s stay, with nulls: an inner join would leave them out", known.Name), "filter in queries where they must not count")
		}
		use := cube.CubeLookup{Name: strings.ToLower(plainName(alias)), Lookup: known.Name, ForeignKey: column}
		im.joined = append(im.joined, &join{at: i, alias: strings.ToUpper(alias), known: known, use: use})
	}
}

// joinOf returns the lookup table that Kylin calls by an alias or by DB.TABLE.
func (im *importer) joinOf(table string) *join {
	for _, j := range im.joined {
		if strings.EqualFold(j.alias, bare(table)) {
			return j
		}
	}
	for _, j := range im.joined {
		if strings.EqualFold(j.known.Name, bare(table)) {
			return j
		}
	}
	return nil
}

func (j *join) column(name string) string {
	for _, c := range j.known.Columns {
		if strings.EqualFold(c.Name, bare(name)) {
			return c.Name
		}
	}
	return ""
}

// lookupDimension takes in a dimension of a lookup table. ok is false where it has a complaint.
func (im *importer) lookupDimension(i int, d Dimension) (ok bool) {
	path := fmt.Sprintf("dimensions[%d]", i)
	j := im.joinOf(d.Table)
	if j == nil {
		failed := slices.ContainsFunc(im.problems, func(p cube.Problem) bool { return strings.HasPrefix(p.Path, "model.lookups[") })
		if !failed { // else that has been said
			im.problem(path+".table", fmt.Sprintf("%s is of table %s, which the model does not join", d.Name, d.Table), "name the fact table or the alias of a lookup table of the model")
		}
		return false
	}
	columns := d.Derived
	if len(columns) == 0 {
		if j.column(d.Column) != j.known.Key {
			im.problem(path, fmt.Sprintf("%s is a normal dimension of lookup table %s: cuboids keep its key alone", d.Name, d.Table),
				fmt.Sprintf(`make it a derived one: "derived": ["%s"], with %s in rowkey_columns and aggregation_groups`, strings.ToUpper(bare(d.Column)), strings.ToUpper(j.use.ForeignKey)))
			return false
		}
		im.host(i, j)
		return true
	}
	im.host(i, j)
	ok = true
	for n, name := range columns {
		found := j.column(name)
		switch found {
		case "":
			im.problem(fmt.Sprintf("%s.derived[%d]", path, n), fmt.Sprintf("lookup table %s has no column %s", j.known.Name, strings.ToLower(bare(name))), "apply the lookup table with that column first")
			ok = false
			continue
		case j.known.Key:
			im.note(fmt.Sprintf("%s.derived[%d]", path, n), fmt.Sprintf("%s is the key of %s", found, j.known.Name), "its values are those of dimension "+j.use.ForeignKey)
			continue
		}
		wanted := found
		if len(columns) == 1 {
			wanted = im.derivedWord(d.Name, found)
		}
		j.use.Derived = append(j.use.Derived, cube.Derived{Name: im.derivedName(path, wanted, j), Column: found})
	}
	return ok
}

// derivedWord keeps a name of the dimension's own. Kylin's wizard names dimensions DB.TABLE.COLUMN.
func (im *importer) derivedWord(name, column string) string {
	if word := plainName(bare(name)); word != "" && !strings.EqualFold(word, column) {
		return word
	}
	return column
}

// derivedName avoids names that are taken.
func (im *importer) derivedName(path, wanted string, j *join) string {
	free := func(name string) bool {
		column, _ := im.column(name)
		return column == "" && !im.taken[strings.ToLower(name)]
	}
	name := wanted
	for n := 1; !free(name); n++ {
		if name = j.use.Name + "_" + wanted; n > 1 {
			name = fmt.Sprintf("%s_%d", name, n)
		}
		name = name[:min(len(name), 63)]
	}
	if name != wanted {
		im.note(path, fmt.Sprintf("%s of %s is called %s", wanted, j.known.Name, name), "the other name is taken")
	}
	im.taken[strings.ToLower(name)] = true
	return name
}

// host makes the foreign key a dimension, where it is none: Kylin has it in the row key alone.
func (im *importer) host(i int, j *join) {
	fk := j.use.ForeignKey
	if slices.ContainsFunc(im.out.Dimensions, func(d cube.Dimension) bool { return d.Column == fk && d.Grain == "" }) {
		return
	}
	im.taken[strings.ToLower(fk)] = true
	im.dims[strings.ToUpper(fk)] = fk
	im.out.Dimensions = append(im.out.Dimensions, cube.Dimension{Name: fk, Column: fk})
	im.dimAt = append(im.dimAt, i)
}

// derivations keeps the lookup tables of which something is derived.
func (im *importer) derivations() {
	for _, j := range im.joined {
		switch {
		case len(j.use.Derived) > 0:
			im.out.Lookups = append(im.out.Lookups, j.use)
			im.lookupAt = append(im.lookupAt, j.at)
		case !im.dimsFail:
			im.note(fmt.Sprintf("model.lookups[%d]", j.at), fmt.Sprintf("nothing of lookup table %s is derived in this cube", j.known.Name), "it is left out")
		}
	}
}

// ownKey returns the column of the fact table for a lookup table's key, which row keys and groups may name.
func (im *importer) ownKey(name string) string {
	at := strings.LastIndexByte(name, '.')
	if at < 0 || im.isFact(name[:at]) {
		return name
	}
	if j := im.joinOf(name[:at]); j != nil && j.column(name) == j.known.Key {
		return j.use.ForeignKey
	}
	return name
}
