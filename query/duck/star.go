package duck

import (
	"slices"
)

const (
	excludeList   = "exclude_list"
	excludeOfList = "qualified_exclude_list"
)

// Exclude leaves columns of a table out of a star. One made by hand, or that picks columns by a pattern, stays as it is.
func (e *Star) Exclude(table string, names ...string) {
	i := slices.IndexFunc(e.fields, func(f field) bool { return f.name == excludeOfList })
	if i < 0 || e.Pattern != nil || len(names) == 0 {
		return
	}
	e.fields = slices.Clone(e.fields) // copies of the node share them
	list := e.fields[i].value
	list.elems = slices.Clone(list.elems)
	for _, name := range names {
		b := append([]byte(nil), `{"catalog":"","schema":"","table":`...)
		b = append(appendQuoted(b, table), `,"column":`...)
		v, err := parseJSON(string(append(appendQuoted(b, name), '}')))
		if err != nil {
			panic("D2: a column to exclude: " + err.Error())
		}
		list.elems = append(list.elems, v)
	}
	raw := []byte{'['}
	for k, v := range list.elems {
		if k > 0 {
			raw = append(raw, ',')
		}
		raw = append(raw, v.raw...)
	}
	list.raw = string(append(raw, ']'))
	e.fields[i].value = list
}
