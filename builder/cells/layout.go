package cells

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// Layout is what the cells of a definition are made of. It never changes once made.
type Layout struct {
	Dims     []Dim     // in the order of the row key
	Measures []Measure // in the order of the cube
	zone     *time.Location
}

// Dim is a dimension. Type is that of its values, after the grain: a grain of a timestamp is the timestamp of its start in
// the cube's zone, a grain of a date the date of its first day.
type Dim struct {
	Name   string
	Column string // of the table
	Grain  cube.Grain
	Kind   stage.Kind
	Type   cube.Type
}

// Measure is a measure and the types of the columns it reads.
type Measure struct {
	cube.Measure
	of column   // of Measure.Column; its name is empty where there is none
	by []column // of Measure.By
}

// column is a column of the table that a measure reads.
type column struct {
	name string
	kind stage.Kind
	typ  cube.Type
}

// NewLayout returns the layout of a valid cube over the version of the table it was checked against.
func NewLayout(c *cube.Cube, t *cube.Table) (*Layout, error) {
	c = c.WithDefaults()
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("cube %s: time zone %s: %w", c.Name, c.TimeZone, err)
	}
	l := &Layout{zone: zone}
	s := stage.NewSchema(t)
	find := func(name string) (column, error) {
		at := s.Field(name)
		if at < 0 {
			return column{}, fmt.Errorf("cube %s: table %s has no column %s: change the cube, or add the column", c.Name, t.Name, name)
		}
		return column{name, s.Fields[at].Kind, s.Fields[at].Type}, nil
	}
	for _, name := range c.RowKey {
		at := slices.IndexFunc(c.Dimensions, func(d cube.Dimension) bool { return d.Name == name })
		if at < 0 {
			return nil, fmt.Errorf("cube %s: row_key names %s, which is no dimension", c.Name, name)
		}
		d := c.Dimensions[at]
		col, err := find(d.Column)
		if err != nil {
			return nil, err
		}
		l.Dims = append(l.Dims, Dim{Name: name, Column: d.Column, Grain: d.Grain, Kind: col.kind, Type: col.typ})
	}
	for _, m := range c.Measures {
		out := Measure{Measure: m}
		if m.Column != "" {
			if out.of, err = find(m.Column); err != nil {
				return nil, err
			}
		}
		for _, name := range m.By {
			col, err := find(name)
			if err != nil {
				return nil, err
			}
			out.by = append(out.by, col)
		}
		if out.plan() == nil {
			return nil, fmt.Errorf("cube %s: measure %s: there is no %s of %s", c.Name, m.Name, m.Function, out.of.typ)
		}
		l.Measures = append(l.Measures, out)
	}
	return l, nil
}

// Base returns the mask of all dimensions.
func (l *Layout) Base() uint64 { return 1<<len(l.Dims) - 1 }

// bit returns the bit of dimension i in a mask.
func (l *Layout) bit(i int) uint64 { return 1 << (len(l.Dims) - 1 - i) }

// Fields returns the indexes of the columns of s that the layout reads, ascending, the event time included.
func (l *Layout) Fields(s *stage.Schema) []int {
	seen := map[int]bool{s.EventTime: true}
	add := func(name string) {
		if at := s.Field(name); name != "" && at >= 0 {
			seen[at] = true
		}
	}
	for _, d := range l.Dims {
		add(d.Column)
	}
	for _, m := range l.Measures {
		add(m.Column)
		for _, name := range m.By {
			add(name)
		}
	}
	var out []int
	for i := range s.Fields {
		if seen[i] {
			out = append(out, i)
		}
	}
	return out
}
