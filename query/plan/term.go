package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/duck"
)

// Term is an expression over columns of one relation, each a duck.Column of one name, as the relation writes it. It has
// no subquery, no aggregate and nothing volatile: equal columns give equal values.
type Term struct {
	Expr    duck.Expr
	Columns []string // of the relation, that Expr names
	Deps    []Dep    // what must be known of columns of the table; one each
}

// Dep says how far an expression depends on a column of the table. The value is the same for all times that no Step and
// no cut tells apart.
type Dep struct {
	Column string
	Whole  bool // on the value itself
	Steps  []Step
	Cuts   []int64 // in microseconds, ascending: it matters whether a time is below
}

// String writes what the term needs, for explain.
func (t Term) String() string {
	if c, ok := t.Expr.(*duck.Column); ok && len(t.Columns) == 1 {
		return c.Names[0]
	}
	return fmt.Sprintf("expression of %v", t.Columns)
}

// column returns the column that the term is, if it is one and nothing else.
func (t *Term) column() (string, bool) {
	if t == nil {
		return "", false
	}
	c, ok := t.Expr.(*duck.Column)
	if !ok || len(c.Names) != 1 {
		return "", false
	}
	return c.Names[0], true
}

// term returns the term of an expression whose columns have the names of the relation.
func (r *Relation) term(e duck.Expr) Term {
	t := Term{Expr: e}
	duck.Walk(e, func(n duck.Node) bool {
		if c, ok := n.(*duck.Column); ok && len(c.Names) == 1 && !slices.Contains(t.Columns, c.Names[0]) {
			t.Columns = append(t.Columns, c.Names[0])
		}
		return true
	})
	duck.Walk(e, func(n duck.Node) bool { return !r.depend(&t, n) })
	return t
}

// depend adds what n depends on, and returns false where that is up to the parts of n.
func (r *Relation) depend(t *Term, n duck.Node) bool {
	e, ok := n.(duck.Expr)
	if !ok {
		return false
	}
	if col, step, ok := r.stepped(e); ok {
		d := t.dep(col.Of)
		if step.whole() {
			d.Whole = true
		} else if !slices.Contains(d.Steps, step) {
			d.Steps = append(d.Steps, step)
		}
		return true
	}
	if c, ranges, ok := r.compared(e); ok {
		d := t.dep(c.col.Of)
		d.Cuts = sortedCuts(append(d.Cuts, cuts(ranges)...))
		return true
	}
	if c, ok := e.(*duck.Column); ok {
		if col, ok := r.column(c.Names[0]); ok {
			t.dep(col.Of).Whole = true
		}
		return true
	}
	return false
}

func (t *Term) dep(column string) *Dep {
	i := slices.IndexFunc(t.Deps, func(d Dep) bool { return d.Column == column })
	if i < 0 {
		i = len(t.Deps)
		t.Deps = append(t.Deps, Dep{Column: column})
	}
	return &t.Deps[i]
}

// stepped returns the time column that e depends on, and by which steps.
func (r *Relation) stepped(e duck.Expr) (Column, Step, bool) {
	if c, ok := r.chainOf(e); ok {
		return c.col, c.composite(Step{}), true
	}
	if col, step, ok := r.zoned(e); ok {
		return col, step, true
	}
	f, ok := e.(*duck.Function)
	if !ok || f.Distinct || f.Filter != nil || len(f.Order) > 0 {
		return Column{}, Step{}, false
	}
	arg, step, ok := partOf(f)
	if !ok {
		return Column{}, Step{}, false
	}
	c, ok := r.chainOf(arg)
	if !ok || c.kind == constInt {
		return Column{}, Step{}, false
	}
	return c.col, c.composite(step), true
}

// partOf reads a function that looks at a part of a time.
func partOf(f *duck.Function) (arg duck.Expr, step Step, ok bool) {
	switch n := len(f.Args); {
	case n == 1:
		step, ok = callStep(f.Name)
		return f.Args[0], step, ok
	case n == 2 && (f.Name == "date_part" || f.Name == "datepart"):
		part, folded := fold(f.Args[0])
		step, ok = partStep(part.s)
		return f.Args[1], step, ok && folded && part.kind == constText
	case n == 2 && f.Name == "strftime":
		format, folded := fold(f.Args[1])
		step, ok = formatStep(format.s)
		return f.Args[0], step, ok && folded && format.kind == constText
	}
	return nil, Step{}, false
}

// composite returns a step that tells apart no less than the chain and then last do.
func (c chain) composite(last Step) Step {
	all := c.steps
	if !last.whole() {
		all = append(slices.Clone(all), last)
	}
	if len(all) == 0 {
		return Step{}
	}
	out := all[len(all)-1]
	for i := len(all) - 2; i >= 0; i-- {
		if !all[i].divides(out, Always()) {
			out = all[i]
		}
	}
	for _, s := range all { // what lies between may be finer than both ends
		if !s.divides(out, Always()) && !out.divides(s, Always()) {
			return all[0]
		}
	}
	return out
}

// zoned reads date_trunc, a part or a date of a timestamp column on the clock of a zone:
// ts AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin'.
func (r *Relation) zoned(e duck.Expr) (col Column, step Step, ok bool) {
	var arg duck.Expr
	switch e := e.(type) {
	case *duck.Cast:
		if e.To.Name != "DATE" || e.Try {
			return col, step, false
		}
		arg, step = e.X, stepOf(cube.Day, nil)
	case *duck.Function:
		if e.Name == "date_trunc" && len(e.Args) == 2 {
			unit, folded := fold(e.Args[0])
			if step, ok = truncUnit(unit.s); !ok || !folded {
				return col, step, false
			}
			arg = e.Args[1]
		} else if arg, step, ok = partOf(e); !ok {
			return col, step, false
		}
	default:
		return col, step, false
	}
	outer, ok := arg.(*duck.Function)
	if !ok || outer.Name != "timezone" || len(outer.Args) != 2 {
		return col, step, false
	}
	name, ok := fold(outer.Args[0])
	c, isChain := r.chainOf(utcOf(outer.Args[1]))
	zone, err := time.LoadLocation(name.s)
	if !ok || !isChain || err != nil || name.kind != constText || name.s == "" || len(c.steps) > 0 || c.kind != constTime && c.kind != constZoned {
		return col, step, false
	}
	for _, g := range []cube.Grain{cube.Second, cube.Minute, cube.Hour, cube.Day, cube.Week, cube.Month, cube.Quarter, cube.Year} {
		if stepOf(g, nil) == step {
			return c.col, stepOf(g, zone), true
		}
	}
	return col, step, false
}

// utcOf takes ts out of ts AT TIME ZONE 'UTC', which is the same moment; other expressions must be zoned already.
func utcOf(e duck.Expr) duck.Expr {
	switch e := e.(type) {
	case *duck.Function:
		if e.Name == "timezone" && len(e.Args) == 2 {
			if zone, ok := fold(e.Args[0]); ok && zone.kind == constText && zone.s == "UTC" {
				return e.Args[1]
			}
		}
	case *duck.Cast:
		if e.To.Name == "TIMESTAMP WITH TIME ZONE" && !e.Try {
			return e.X
		}
	}
	return nil
}

// compared reads a comparison of a chain with constants: the times of its column for which it holds.
func (r *Relation) compared(e duck.Expr) (c chain, ranges []Range, ok bool) {
	x, op, not, list, ok := comparison(e)
	if !ok {
		return c, nil, false
	}
	if c, ok = r.chainOf(x); !ok {
		return c, nil, false
	}
	values := make([]constant, len(list))
	for i, v := range list {
		if values[i], ok = fold(v); !ok {
			return c, nil, false
		}
	}
	ranges, ok = c.ranges(op, not, values)
	return c, ranges, ok
}

// comparison takes apart what compares something with a list of expressions.
func comparison(e duck.Expr) (x duck.Expr, op Op, not bool, list []duck.Expr, ok bool) {
	switch e := e.(type) {
	case *duck.Comparison:
		op = Op(e.Op)
		if _, known := flipped()[op]; !known {
			return nil, "", false, nil, false
		}
		if _, constant := fold(e.Left); constant {
			return e.Right, flipped()[op], false, []duck.Expr{e.Left}, true
		}
		return e.Left, op, false, []duck.Expr{e.Right}, true
	case *duck.Between:
		return e.X, Between, false, []duck.Expr{e.Lower, e.Upper}, true
	case *duck.In:
		return e.X, In, e.Not, e.List, true
	}
	return nil, "", false, nil, false
}

// flipped is each comparison with its sides swapped.
func flipped() map[Op]Op { return map[Op]Op{Eq: Eq, Ne: Ne, Lt: Gt, Le: Ge, Gt: Lt, Ge: Le} }
