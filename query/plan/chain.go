package plan

import (
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/duck"
)

// chain is a time column to which steps are applied, one after the other: date_trunc, time_bucket, casts to DATE. Its value
// never falls while the column's rises.
type chain struct {
	col   Column
	steps []Step
	kind  constKind // of the value: constDate, constTime or constZoned; constInt of a year
	local *time.Location
}

// chainOf reads a chain. Columns in e have the names of the relation.
func (r *Relation) chainOf(e duck.Expr) (c chain, ok bool) {
	switch e := e.(type) {
	case *duck.Column:
		return r.chainStart(e)
	case *duck.Cast:
		if c, ok = r.chainOf(e.X); !ok || e.Try || c.local != nil {
			return c, false
		}
		return c.cast(e.To.Name)
	case *duck.Function:
		if e.Distinct || e.Filter != nil || len(e.Order) > 0 {
			return c, false
		}
		return r.chainCall(e)
	}
	return c, false
}

func (r *Relation) chainStart(e *duck.Column) (c chain, ok bool) {
	if len(e.Names) != 1 {
		return c, false
	}
	col, ok := r.column(e.Names[0])
	if !ok || col.Lookup != "" {
		return c, false
	}
	c = chain{col: col}
	if !col.Step.whole() {
		c.steps = []Step{col.Step}
	}
	switch col.Type.Kind {
	case cube.Timestamp:
		c.kind = constTime
	case cube.Date:
		c.kind = constDate
	default:
		return c, false
	}
	return c, true
}

func (c chain) cast(to string) (chain, bool) {
	switch to {
	case "DATE":
		if c.kind != constDate {
			c.kind = constDate
			return c.step(stepOf(cube.Day, nil)), true
		}
		return c, true
	case "TIMESTAMP":
		c.kind = constTime
		return c, true
	case "TIMESTAMP WITH TIME ZONE":
		c.kind = constZoned
		return c, true
	}
	return c, false
}

func (c chain) step(s Step) chain {
	c.steps = append(c.steps[:len(c.steps):len(c.steps)], s)
	return c
}

func (r *Relation) chainCall(e *duck.Function) (c chain, ok bool) {
	switch name, n := e.Name, len(e.Args); {
	case (name == "date_trunc" || name == "datetrunc") && n == 2:
		if c, ok = r.chainOf(e.Args[1]); !ok || c.kind == constInt {
			return c, false
		}
		unit, ok := fold(e.Args[0])
		step, known := truncUnit(unit.s)
		if !ok || !known {
			return c, false
		}
		if c.kind == constDate {
			c.kind = constTime
		}
		return c.step(step), true
	case name == "time_bucket" && (n == 2 || n == 3):
		if c, ok = r.chainOf(e.Args[1]); !ok || c.kind == constInt {
			return c, false
		}
		step, ok := bucketStep(append([]duck.Expr{e.Args[0]}, e.Args[2:]...))
		if !ok || c.kind == constDate && step.Us%usPerDay != 0 || c.kind == constZoned {
			return c, false
		}
		return c.step(step), true
	case (name == "year" && n == 1) || (name == "date_part" || name == "datepart") && n == 2:
		part := constant{s: "year"}
		if n == 2 {
			part, ok = fold(e.Args[0])
			if !ok || part.kind != constText || part.s != "year" {
				return c, false
			}
		}
		if c, ok = r.chainOf(e.Args[n-1]); !ok || c.kind == constInt {
			return c, false
		}
		c.kind = constInt
		return c.step(stepOf(cube.Year, nil)), true
	}
	return c, false
}

// within returns the times of the column for which the chain's value is at least lo and below hi, which are in
// microseconds; nil: no bound. ok is false where the calendar has no single such range.
func (c chain) within(lo, hi *int64) (out Range, ok bool) {
	out = Always()
	if lo != nil {
		if out.Lo, ok = c.least(*lo); !ok {
			return out, false
		}
	}
	if hi != nil {
		if out.Hi, ok = c.least(*hi); !ok {
			return out, false
		}
		out.Hi--
	}
	return out, true
}

// least returns the least time for which the chain's value is at least v.
func (c chain) least(v int64) (int64, bool) {
	if v > maxTimeUs || v < -maxTimeUs {
		return 0, false
	}
	for i := len(c.steps) - 1; i >= 0; i-- {
		if s := c.steps[i]; s.Start(v) != v {
			v = s.next(v)
		}
		if !c.steps[i].cuts(v) {
			return 0, false
		}
	}
	return v, true
}

// value turns a constant into what the chain's values are compared with. Whole is the length of a value: a microsecond,
// or of a date or year that is compared with another, the next one's distance.
func (c chain) value(k constant) (v int64, ok bool) {
	if c.kind == constInt {
		if k.kind != constInt || k.n < 1000 || k.n > 9999 {
			return 0, false
		}
		return time.Date(int(k.n), 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), true
	}
	if k.kind == constText && k.bare {
		to := map[constKind]string{constDate: "DATE", constTime: "TIMESTAMP", constZoned: "TIMESTAMP WITH TIME ZONE"}[c.kind]
		if k, ok = k.castTime(to); !ok {
			return 0, false
		}
	}
	return k.n, k.isTime()
}

// ranges returns the times of the column for which the chain's value compares so with constants.
func (c chain) ranges(op Op, not bool, values []constant) (out []Range, ok bool) {
	vs := make([]int64, len(values))
	for i, k := range values {
		if vs[i], ok = c.value(k); !ok {
			return nil, false
		}
	}
	add := func(lo, hi *int64) bool {
		r, ok := c.within(lo, hi)
		out = append(out, r)
		return ok
	}
	ok = true
	for i := range vs {
		v, after := vs[i], vs[i]+1
		switch op {
		case Eq, In:
			ok = ok && add(&v, &after)
		case Ne:
			ok = ok && add(nil, &v) && add(&after, nil)
		case Lt:
			ok = add(nil, &v)
		case Le:
			ok = add(nil, &after)
		case Gt:
			ok = add(&after, nil)
		case Ge:
			ok = add(&v, nil)
		case Between:
			hi := vs[1] + 1
			if i == 0 {
				ok = add(&v, &hi)
			}
		}
	}
	out = union(out)
	if not {
		out = Always().minus(out)
	}
	return out, ok
}
