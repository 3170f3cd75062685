package duck

import "slices"

const excludeList = "exclude_list"

// Exclude leaves columns out of a star. One made by hand, or that picks columns by a pattern, stays as it is.
func (e *Star) Exclude(names ...string) {
	i := slices.IndexFunc(e.fields, func(f field) bool { return f.name == excludeList })
	if i < 0 || e.Pattern != nil || len(names) == 0 {
		return
	}
	e.fields = slices.Clone(e.fields) // copies of the node share them
	list := e.fields[i].value
	list.elems = slices.Clone(list.elems)
	for _, name := range names {
		text := string(appendQuoted(nil, name))
		if !slices.ContainsFunc(list.elems, func(v value) bool { return v.raw == text }) {
			list.elems = append(list.elems, value{raw: text})
		}
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
