package run

import (
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// Answer says what a block gives: it is the same for all layouts that it is answered from. Its columns are Groups, then
// Aggregates, then SetName. NewAnswer checks it.
type Answer struct {
	Groups     []GroupColumn
	States     []State // what is kept of each group
	Aggregates []Aggregate

	Sets    [][]int // grouping sets, of indexes of Groups; nil: one of all. Groups outside of a row's set are null
	SetName string  // of a last column with the index of the row's grouping set; "": none

	Having *Cond // the Dims of its leaves are columns of the answer
	Order  []Order
	Limit  *int64 // nil: all rows
	Offset int64

	schema *arrow.Schema
	aggs   []resolved
}

// GroupColumn is a column of values that are grouped by.
type GroupColumn struct {
	Name string
	Type arrow.DataType

	// Key names the values: answers of equal keys share what is known of them. "": they are nobody else's.
	Key string
}

// State is a measure of which each group keeps a state.
type State struct {
	Measure *cells.Measure
	Filter  int // rows that fold: 1 and more: those that pass Program.Filters[Filter-1]; 0: all
}

func (s State) countsAll() bool {
	return s.Filter == 0 && s.Measure.Function == cube.Count && s.Measure.Column == ""
}

// Aggregate is a column of values of states.
type Aggregate struct {
	Name   string
	Func   cube.Function
	States []int // of Answer.States: one, whose measure has the function; Avg may have a sum and the count of its column; Sum and Count may have an avg

	Quantile float64 // of Percentile, 0 to 1
	N        int     // of TopN: how many values; 0: all that are kept

	// Type is another type than the one that follows from the measure: of min, max, first and last one that is kept the same
	// way, of a percentile a number. nil: the one that follows.
	Type arrow.DataType
}

// Order sorts by a column of the answer. Rows that are equal by all orders are sorted by their groups, nulls last (N6).
type Order struct {
	Column     int
	Descending bool
	NullsFirst bool
}

// resolved is an aggregate and how it is read.
type resolved struct {
	*Aggregate
	typ   arrow.DataType
	parts []part
}

// part is a state, and what is read of it: the whole of it, or the sum or the count of an avg.
type part struct {
	state  int
	column int
}

// NewAnswer returns a with its types worked out. The error joins every complaint.
func NewAnswer(a Answer) (*Answer, error) {
	out := &a
	out.aggs = nil
	var errs []error
	var fields []arrow.Field
	for i, s := range a.States {
		if s.Measure == nil {
			return nil, fmt.Errorf("state %d has no measure", i)
		}
	}
	for _, g := range a.Groups {
		if _, err := KindOf(g.Type); err != nil {
			errs = append(errs, fmt.Errorf("group %s: %w", g.Name, err))
		}
		fields = append(fields, arrow.Field{Name: g.Name, Type: g.Type, Nullable: true})
	}
	for i := range a.Aggregates {
		r, err := a.resolve(&a.Aggregates[i])
		if err != nil {
			errs = append(errs, fmt.Errorf("aggregate %s: %w", a.Aggregates[i].Name, err))
		}
		out.aggs = append(out.aggs, r)
		fields = append(fields, arrow.Field{Name: r.Name, Type: r.typ, Nullable: true})
	}
	if a.SetName != "" {
		fields = append(fields, arrow.Field{Name: a.SetName, Type: arrow.PrimitiveTypes.Int64})
	}
	for k, set := range a.Sets {
		for _, g := range set {
			if g < 0 || g >= len(a.Groups) {
				errs = append(errs, fmt.Errorf("grouping set %d: there is no group %d", k, g))
			}
		}
	}
	for _, o := range a.Order {
		if o.Column < 0 || o.Column >= len(fields) {
			errs = append(errs, fmt.Errorf("order: there is no column %d", o.Column))
		} else if !ordered(fields[o.Column].Type) {
			errs = append(errs, fmt.Errorf("order: column %s is a list", fields[o.Column].Name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, d := range compile(a.Having, false).dims(nil) {
		if d < 0 || d >= len(fields) || !ordered(fields[d].Type) {
			return nil, fmt.Errorf("having: column %d is none, or a list", d)
		}
	}
	out.schema = arrow.NewSchema(fields, nil)
	return out, nil
}

func ordered(t arrow.DataType) bool { return t.ID() != arrow.LIST }

// Schema returns the columns of the answer.
func (a *Answer) Schema() *arrow.Schema { return a.schema }

// resolve finds out how an aggregate is read from its states, and its type.
func (a *Answer) resolve(g *Aggregate) (resolved, error) {
	r := resolved{Aggregate: g, typ: arrow.Null}
	for _, s := range g.States {
		if s < 0 || s >= len(a.States) {
			return r, fmt.Errorf("there is no state %d", s)
		}
		r.parts = append(r.parts, part{state: s})
	}
	if len(r.parts) == 0 {
		return r, fmt.Errorf("it has no state")
	}
	m := a.States[r.parts[0].state].Measure
	switch {
	case g.Func == cube.Avg && m.Function == cube.Sum:
		if len(r.parts) != 2 || a.States[r.parts[1].state].Measure.Function != cube.Count {
			return r, fmt.Errorf("an average of measure %s needs the count of its column too", m.Name)
		}
	case len(r.parts) != 1:
		return r, fmt.Errorf("it has %d states, want 1", len(r.parts))
	case g.Func == cube.Avg && m.Function == cube.Avg:
		r.parts = append(r.parts, part{r.parts[0].state, 1})
	case g.Func == cube.Count && m.Function == cube.Avg:
		r.parts[0].column = 1
	case g.Func == cube.Sum && m.Function == cube.Avg:
	case g.Func != m.Function:
		return r, fmt.Errorf("measure %s is a %s, not a %s", m.Name, m.Function, g.Func)
	}
	if g.Func == cube.Percentile && !(g.Quantile >= 0 && g.Quantile <= 1) {
		return r, fmt.Errorf("the quantile %v is not between 0 and 1", g.Quantile)
	}
	var err error
	r.typ, err = typeOf(g, m)
	return r, err
}

// typeOf returns the type that DuckDB gives the aggregate, or the one that is asked for.
func typeOf(g *Aggregate, m *cells.Measure) (arrow.DataType, error) {
	var typ arrow.DataType
	switch g.Func {
	case cube.Count, cube.CountDistinct, cube.CountDistinctExact:
		typ = arrow.PrimitiveTypes.Int64
	case cube.Avg:
		typ = arrow.PrimitiveTypes.Float64
	case cube.Percentile:
		if g.Type != nil && numeric(g.Type) {
			return g.Type, nil
		}
		typ = arrow.PrimitiveTypes.Float64
	case cube.TopN:
		typ = rankedType(m)
	default:
		typ = TypeOf(m.Columns()[0].Type)
	}
	if g.Type == nil || arrow.TypeEqual(g.Type, typ) {
		return typ, nil
	}
	if g.Type.ID() == typ.ID() && typ.ID() == arrow.TIMESTAMP {
		return g.Type, nil // of another zone; units are checked where they are laid out
	}
	return typ, fmt.Errorf("its type is %s, not %s", typ, g.Type)
}

// rankedType is a list of what is ranked: of values, or of structs where a top_n ranks several columns together.
func rankedType(m *cells.Measure) arrow.DataType {
	by := m.ByColumns()
	if len(by) == 1 {
		return arrow.ListOf(TypeOf(by[0].Type))
	}
	var fields []arrow.Field
	for _, c := range by {
		fields = append(fields, arrow.Field{Name: c.Name, Type: TypeOf(c.Type), Nullable: true})
	}
	return arrow.ListOf(arrow.StructOf(fields...))
}
