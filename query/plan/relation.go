package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// Relation is what a statement may read of ours: a table, a cube by its name, or a lookup table.
type Relation struct {
	Name    string
	Table   *cube.Table  // nil of a lookup table
	Cube    *cube.Cube   // the one that was named; nil: any cube of the table
	Cubes   []*cube.Cube // that may answer: those of the table, or the one
	Lookup  *cube.Lookup // nil of all others; a lookup table is only ever scanned
	Columns []Column
}

// Column is a column of a relation. Hidden ones are there when they are named, not in *.
type Column struct {
	Name   string
	Type   cube.Type
	Hidden bool

	// Of is the column of the table from whose value this one follows: it is that value itself, or the start of its span of
	// Step, or what LookupColumn has in the row of Lookup whose key it is.
	Of           string
	Step         Step
	Lookup       string
	LookupColumn string
}

// Catalog knows what can be read. Names come without regard to case; an empty schema is the session's.
type Catalog interface {
	// Table returns a relation. Of what DuckDB has by itself, such as pg_catalog, the relation is nil and ok true.
	Table(schema, name string) (r *Relation, ok bool)

	// Names lists all relations, for messages.
	Names() []string
}

// TableRelation returns the relation of a valid table and its cubes: its columns, and hidden the system columns and Kylin's columns of
// the event time, minute_start to year_start, unless the table has columns of these names.
func TableRelation(t *cube.Table, cubes ...*cube.Cube) *Relation {
	r := &Relation{Name: t.Name, Table: t}
	for _, c := range cubes {
		r.Cubes = append(r.Cubes, c.WithDefaults())
	}
	for _, c := range t.Columns {
		r.Columns = append(r.Columns, Column{Name: c.Name, Type: c.Type, Of: c.Name})
	}
	r.hide(Column{Name: "_offset", Type: cube.Type{Kind: cube.Int64}})
	r.hide(Column{Name: "_timestamp", Type: cube.Type{Kind: cube.Timestamp}})
	for _, x := range []struct {
		include bool
		name    string
		kind    cube.Kind
	}{{t.Include.Extra, "_extra", cube.JSON}, {t.Include.Raw, "_raw", ""}, {t.Include.Key, "_key", ""}, {t.Include.Headers, "_headers", cube.JSON}} {
		if x.include {
			r.hide(Column{Name: x.name, Type: cube.Type{Kind: x.kind}})
		}
	}
	for _, g := range []cube.Grain{cube.Minute, cube.Hour, cube.Day, cube.Week, cube.Month, cube.Quarter, cube.Year} {
		kind := cube.Date
		if g == cube.Minute || g == cube.Hour {
			kind = cube.Timestamp
		}
		r.hide(Column{Name: string(g) + "_start", Type: cube.Type{Kind: kind}, Of: t.EventTime.Column, Step: stepOf(g, nil)})
	}
	return r
}

// CubeRelation returns the relation of a cube that is named itself: the table's columns, and hidden its dimensions with a
// grain and those that are derived from lookup tables. lookups are the definitions of those that the cube names.
func CubeRelation(c *cube.Cube, t *cube.Table, lookups []*cube.Lookup) (*Relation, error) {
	c = c.WithDefaults()
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil {
		return nil, err
	}
	r := TableRelation(t, c)
	r.Name, r.Cube = c.Name, c
	for _, d := range c.Dimensions {
		col, ok := r.column(d.Column)
		if !ok || d.Grain == "" && d.Name == d.Column {
			continue
		}
		at := zone
		if col.Type.Kind == cube.Date {
			at = time.UTC
		}
		r.hide(Column{Name: d.Name, Type: col.Type, Of: d.Column, Step: stepOf(d.Grain, at)})
	}
	for _, l := range c.Lookups {
		i := slices.IndexFunc(lookups, func(k *cube.Lookup) bool { return k.Name == l.Lookup })
		if i < 0 {
			continue
		}
		for _, d := range l.Derived {
			col, ok := lookups[i].Column(d.Column)
			typ, err := cube.ParseType(col.Type)
			if ok && err == nil {
				r.hide(Column{Name: d.Name, Type: typ, Of: l.ForeignKey, Lookup: l.Lookup, LookupColumn: d.Column})
			}
		}
	}
	return r, nil
}

// LookupRelation returns the relation of a valid lookup table.
func LookupRelation(l *cube.Lookup) (*Relation, error) {
	r := &Relation{Name: l.Name, Lookup: l}
	for _, c := range l.Columns {
		typ, err := cube.ParseType(c.Type)
		if err != nil {
			return nil, err
		}
		r.Columns = append(r.Columns, Column{Name: c.Name, Type: typ, Of: c.Name})
	}
	return r, nil
}

// hide adds a hidden column, if its name is not taken.
func (r *Relation) hide(c Column) {
	if _, ok := r.column(c.Name); ok {
		return
	}
	c.Hidden = true
	if c.Of == "" {
		c.Of = c.Name
	}
	r.Columns = append(r.Columns, c)
}

// column returns a column by its name, without regard to case.
func (r *Relation) column(name string) (Column, bool) {
	for _, c := range r.Columns {
		if strings.EqualFold(c.Name, name) {
			return c, true
		}
	}
	return Column{}, false
}

// eventTime reports whether the column's value follows from the event time alone.
func (r *Relation) eventTime(c Column) bool {
	return r.Table != nil && c.Of == r.Table.EventTime.Column && c.Lookup == ""
}

// span returns which values a time column may have: the event time's are bounded by the table.
func (r *Relation) span(of string) Range {
	if r.Table == nil || of != r.Table.EventTime.Column {
		return Always()
	}
	t := r.Table.WithDefaults()
	return Range{t.EventTime.Earliest.UnixMicro(), t.EventTime.Latest.UnixMicro() - 1}
}

// names lists the columns that * has, then the hidden ones.
func (r *Relation) names() (out []string) {
	for _, c := range r.Columns {
		out = append(out, c.Name)
	}
	return out
}
