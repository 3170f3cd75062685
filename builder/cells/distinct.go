package cells

import (
	"slices"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// StringSets returns the columns of strings whose exact distinct counts the layout has: those that Block.IDs is asked for.
func (l *Layout) StringSets() (columns []string) {
	for _, m := range l.Measures {
		if m.Function == cube.CountDistinctExact && m.of.kind == stage.Bytes && !slices.Contains(columns, m.Column) {
			columns = append(columns, m.Column)
		}
	}
	return columns
}

// Distinct gathers the strings of a column of events, so that their ids can be made before a Block of the same events asks
// for them: Values are then what IDs is given.
type Distinct struct{ values *dimBuilder }

// NewDistinct returns an empty Distinct.
func NewDistinct() *Distinct {
	return &Distinct{newDimBuilder(&Dim{Kind: stage.Bytes}, nil)}
}

// Add takes in rows [from, to) of a column.
func (d *Distinct) Add(c *stage.Column, from, to int) {
	d.values.add(c, from, to)
	d.values.codes = d.values.codes[:0]
}

// Values returns the strings, ascending; null is none of them.
func (d *Distinct) Values() *stage.Column {
	dict, _ := d.values.done()
	return &dict.Values
}

// MemBytes returns what is held of memory.
func (d *Distinct) MemBytes() int64 { return d.values.memBytes() }
