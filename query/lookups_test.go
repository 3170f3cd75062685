package query_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

const townsYAML = `
cube: towns
table: shop
dimensions: [hour(ts), country, device, page, price]
lookups:
  - {lookup: countries, foreign_key: country, derived: [continent, since, {name: country_name, column: name}, people, weight, area, debt]}
  - {lookup: devices, foreign_key: device, derived: [maker]}
  - {name: pages_seen, lookup: pages, foreign_key: page, derived: [section, {name: section_home, column: home}]}
measures: [count, sum(bytes), avg(latency), count_distinct(visitor), count_distinct_exact(visitor), count_distinct_exact(page)]
`

// lookupTable is a lookup table with its rows as CSV has them; what is empty is null, but a text.
type lookupTable struct {
	name, key string
	columns   []cube.LookupColumn
	rows      []string
}

func lookupTables() []lookupTable {
	columns := func(list ...string) (out []cube.LookupColumn) {
		for _, c := range list {
			name, typ, _ := strings.Cut(c, " ")
			out = append(out, cube.LookupColumn{Name: name, Type: typ})
		}
		return out
	}
	var pages []string
	for i := range 25 {
		pages = append(pages, fmt.Sprintf("/p/%d,s%d,%s,%d", i, i%4, []string{"true", "false", ""}[i%3], 200+i%2))
	}
	return []lookupTable{
		{"countries", "code", columns("code string", "name string", "continent string", "since date", "people int64", "weight float64", "area decimal(12,2)", "debt decimal(30,4)", "seen timestamp"), []string{
			"de,Germany,Europe,1990-10-03,83,1.5,357022.00,12345678901234567890.5000,2026-03-26T10:00:00Z",
			"fr,France,Europe,,68,-0.5,643801.25,-0.0001,",
			"DE,Deutschland,,1871-01-18,,,,,2026-03-27T23:30:00.5Z",
			",Nowhere,Europe,1969-12-31,0,0,0,0,1969-12-31T00:00:00Z",
			"n\u00f8,Norway,North,1814-05-17,5,2.25,385207.00,1,",
			"jp,Japan,Asia,,125,1,377975.00,2,",
		}},
		{"devices", "device", columns("device string", "maker string"), []string{"phone,Acme", "desktop,Bolt", "de,Acme"}},
		{"pages", "url", columns("url string", "section string", "home bool", "status int64"), pages},
		{"states", "status", columns("status int64", "text string"), []string{"200,fine", "404,not found", "-1,never"}},
		{"dates", "day", columns("day date", "label string"), []string{"2026-03-26,first", "1969-12-31,before"}},
	}
}

// applyLookup stores a lookup table.
func (w *world) applyLookup(l lookupTable) {
	w.t.Helper()
	var header []string
	for _, c := range l.columns {
		header = append(header, c.Name)
	}
	text := strings.Join(header, ",") + "\n" + strings.Join(l.rows, "\n") + "\n"
	s, err := lookup.Read(lookup.Source{Project: "default", Name: l.name, Key: l.key, Types: l.columns, Format: "csv"}, []byte(text))
	must(w.t, err)
	v, _, err := lookup.Apply(context.Background(), w.store, w.cat, s)
	must(w.t, err)
	w.looked = append(w.looked, v.Lookup)
}

// create writes the table as SQL.
func (l lookupTable) create() string {
	var columns, rows []string
	for _, c := range l.columns {
		columns = append(columns, c.Name+" "+sqlType(c.Type))
	}
	for _, r := range l.rows {
		var cells []string
		for i, cell := range strings.Split(r, ",") {
			switch text := "'" + strings.TrimSuffix(cell, "Z") + "'"; {
			case cell == "" && l.columns[i].Type != "string":
				cells = append(cells, "NULL")
			default:
				cells = append(cells, text)
			}
		}
		rows = append(rows, "("+strings.Join(cells, ", ")+")")
	}
	return fmt.Sprintf("CREATE TABLE %s (%s); INSERT INTO %s VALUES %s", l.name, strings.Join(columns, ", "), l.name, strings.Join(rows, ", "))
}
