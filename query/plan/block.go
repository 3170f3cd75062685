package plan

import (
	"fmt"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/duck"
)

// Statement is what becomes of a SELECT.
type Statement struct {
	Root   duck.Query // the rest: it reads blocks and scans as tables of their names; never changed
	Blocks []*Block
	Scans  []*Scan // events and lookup tables that the rest reads itself
	Whole  *Whole  // the statement is its only block and what is done with its rows; nil: Root says
	Timely bool    // it asks what time it is: at another time it has to be analysed again
}

// Block is a SELECT over one table of ours that groups or aggregates. Its rows are the groups: columns GroupColumn(i) of
// Groups, AggColumn(i) of Aggs, and with Sets also SetColumn, which is what GROUPING of all groups returns: the first one
// weighs most. A group that is not in a row's set is null. Without groups there is one row, even of no events; so there is
// for each empty set.
type Block struct {
	Name     string // of the table in Statement.Root
	Relation *Relation
	Groups   []Group
	Aggs     []Agg
	Where    *Cond
	Sets     [][]int // grouping sets, as indexes of Groups; nil: one of all groups
	Time     Range   // no event outside of it passes Where
	Top      *Top    // nil: all groups are wanted

	approximate bool // Options.Approximate

	Original *duck.Select // the same rows and columns, computed by DuckDB over Raw
	Raw      *Scan        // what Original reads; not in Statement.Scans
}

// Group is an expression over one column that is grouped by.
type Group struct {
	Term
	Type string    // DuckDB's; empty: what duck.Eval gives
	Time *TimeTerm // the expression is that of a time column; nil: of anything else
}

// TimeTerm is a time column cut down to spans.
type TimeTerm struct {
	Column string // of the relation
	Steps  []Step // of the table's column, applied one after the other
	Date   bool   // the value is a date, in days
}

// Value returns the expression's value for a value of the table's column in microseconds: microseconds, or days.
func (t *TimeTerm) Value(us int64) int64 {
	for _, s := range t.Steps {
		us = s.Start(us)
	}
	if t.Date {
		return (us - floorMod(us, usPerDay)) / usPerDay
	}
	return us
}

// AggFunc is what an aggregate computes, whatever it is called.
type AggFunc string

// The aggregates. First and Last are of the event time, and pass over nulls; Any is of no order at all.
const (
	CountAll       AggFunc = "count(*)"
	Count          AggFunc = "count"
	Sum            AggFunc = "sum"
	Avg            AggFunc = "avg"
	Min            AggFunc = "min"
	Max            AggFunc = "max"
	Any            AggFunc = "any_value"
	First          AggFunc = "first"
	Last           AggFunc = "last"
	CountDistinct  AggFunc = "count(distinct)"
	ApproxDistinct AggFunc = "approx_count_distinct"
	Quantile       AggFunc = "quantile_cont"
	QuantileDisc   AggFunc = "quantile_disc"
	ApproxQuantile AggFunc = "approx_quantile"
)

// Agg is an aggregate.
type Agg struct {
	Func   AggFunc
	Column string  // of the relation; empty: CountAll
	Param  float64 // of a quantile, 0 to 1
	Filter *Cond   // nil: all rows that pass Where
	Type   string  // DuckDB's
	Call   duck.Expr
}

// Top says that only the first groups in descending order of an aggregate are wanted; among equals any.
type Top struct {
	Agg int
	N   int64 // groups, those that OFFSET passes over included
}

// Scan is a read of rows.
type Scan struct {
	Name     string // of the table in Statement.Root, or in Block.Original
	Relation *Relation
	Columns  []Column // what is read
	Time     Range    // no event outside of it matters
	Where    *Cond    // rows that do not pass do not matter; nil: all may
	Reason   string   // why no block reads it; empty in Block.Raw
}

// SQLType returns DuckDB's name of a column's type.
func SQLType(t cube.Type) string {
	switch t.Kind {
	case cube.Bool:
		return "BOOLEAN"
	case cube.Int64:
		return "BIGINT"
	case cube.Float64:
		return "DOUBLE"
	case cube.Decimal:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale)
	case cube.String, cube.JSON:
		return "VARCHAR"
	case cube.Date:
		return "DATE"
	case cube.Timestamp:
		return "TIMESTAMP"
	}
	return "BLOB"
}

// String writes the aggregate for explain.
func (a *Agg) String() string {
	if a.Func == CountAll {
		return string(a.Func)
	}
	return strings.TrimSuffix(string(a.Func), "(distinct)") + "(" + map[bool]string{true: "distinct "}[a.Func == CountDistinct] + a.Column + ")"
}
