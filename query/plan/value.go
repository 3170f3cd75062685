package plan

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// Value is a value of a column, as cells and staged files keep it: Int holds bools (0 and 1), whole numbers, decimals of up
// to 18 digits without their point, dates in days and timestamps in microseconds since 1970.
type Value struct {
	Null  bool
	Int   int64
	Float float64
	Text  string
}

// compareValues orders values of a kind that are not null as DuckDB does: texts by their bytes, NaN after all numbers.
func compareValues(k cube.Kind, a, b Value) int {
	switch k {
	case cube.String:
		return strings.Compare(a.Text, b.Text)
	case cube.Float64:
		an, bn := math.IsNaN(a.Float), math.IsNaN(b.Float)
		switch {
		case an && bn:
			return 0
		case an:
			return 1
		case bn:
			return -1
		}
		return cmp.Compare(a.Float, b.Float)
	}
	return cmp.Compare(a.Int, b.Int)
}

// Op is what a Simple condition asks.
type Op string

// The operators. Values has the one value to compare with, Between two of them, In any number in ascending order, null
// first, IsNull none.
const (
	Eq      Op = "="
	Ne      Op = "<>"
	Lt      Op = "<"
	Le      Op = "<="
	Gt      Op = ">"
	Ge      Op = ">="
	Between Op = "between"
	In      Op = "in"
	IsNull  Op = "is null"
	Prefix  Op = "prefix" // of a string
)

// Simple is a condition on one column that needs no DuckDB: its truth follows from comparing values.
type Simple struct {
	Column string
	Kind   cube.Kind // of the column and of Values
	Op     Op
	Not    bool // NOT IN, IS NOT NULL ...
	Values []Value
}

// Truth returns what the condition says of a value of its column.
func (s *Simple) Truth(v Value) Truth {
	t := s.truth(v)
	if s.Not {
		return t.Not()
	}
	return t
}

func (s *Simple) truth(v Value) Truth {
	switch s.Op {
	case IsNull:
		return truth(v.Null)
	case In:
		return s.in(v)
	case Between:
		return min(s.compare(Ge, v, s.Values[0]), s.compare(Le, v, s.Values[1]))
	}
	return s.compare(s.Op, v, s.Values[0])
}

// sort puts the values of a list in ascending order, null before them.
func (s *Simple) sort() {
	if s.Op == In {
		slices.SortFunc(s.Values, s.order)
	}
}

func (s *Simple) order(a, b Value) int {
	switch {
	case a.Null || b.Null:
		return int(truth(b.Null)) - int(truth(a.Null))
	default:
		return compareValues(s.Kind, a, b)
	}
}

// in looks up v. A list with null in it is never false.
func (s *Simple) in(v Value) Truth {
	if len(s.Values) == 0 {
		return False
	}
	if v.Null {
		return Unknown
	}
	if _, found := slices.BinarySearchFunc(s.Values, v, s.order); found {
		return True
	}
	if s.Values[0].Null {
		return Unknown
	}
	return False
}

func (s *Simple) compare(op Op, v, w Value) Truth {
	if v.Null || w.Null {
		return Unknown
	}
	if op == Prefix {
		return truth(strings.HasPrefix(v.Text, w.Text))
	}
	c := compareValues(s.Kind, v, w)
	switch op {
	case Eq:
		return truth(c == 0)
	case Ne:
		return truth(c != 0)
	case Lt:
		return truth(c < 0)
	case Le:
		return truth(c <= 0)
	case Gt:
		return truth(c > 0)
	}
	return truth(c >= 0)
}

// String writes a value of a kind as SQL does, dates and times without quotes.
func (v Value) String(k cube.Kind) string {
	switch {
	case v.Null:
		return "null"
	case k == cube.String:
		return "'" + strings.ReplaceAll(v.Text, "'", "''") + "'"
	case k == cube.Float64:
		return strconv.FormatFloat(v.Float, 'g', -1, 64)
	case k == cube.Bool:
		return strconv.FormatBool(v.Int != 0)
	case k == cube.Date:
		return time.Unix(v.Int*24*3600, 0).UTC().Format(time.DateOnly)
	case k == cube.Timestamp:
		return timeText(v.Int)
	}
	return strconv.FormatInt(v.Int, 10)
}
