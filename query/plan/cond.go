package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// CondKind says what a Cond is.
type CondKind uint8

// The kinds. A Leaf has a Term, And and Or have any number of Conds, Not has one.
const (
	Leaf CondKind = iota
	And
	Or
	Not
)

// Cond is a condition over the columns of one relation; in a block each leaf is on one column. nil is true of everything. A row passes if the condition is True.
type Cond struct {
	Kind CondKind
	Of   []*Cond

	// Of a leaf.
	Term   Term
	Simple *Simple // nil: DuckDB has to say
	Timed  bool    // a condition on the event time alone, which is never null: it holds in Times and nowhere else
	Times  []Range // ascending, apart
}

// Eval returns the truth of c, given those of its leaves.
func (c *Cond) Eval(leaf func(*Cond) Truth) Truth {
	if c == nil {
		return True
	}
	switch c.Kind {
	case Leaf:
		return leaf(c)
	case Not:
		return c.Of[0].Eval(leaf).Not()
	}
	t := True
	if c.Kind == Or {
		t = False
	}
	for _, o := range c.Of {
		if got := o.Eval(leaf); c.Kind == Or {
			t = max(t, got)
		} else {
			t = min(t, got)
		}
	}
	return t
}

// Leaves lists the leaves of c.
func (c *Cond) Leaves() (out []*Cond) {
	switch {
	case c == nil:
		return nil
	case c.Kind == Leaf:
		return []*Cond{c}
	}
	for _, o := range c.Of {
		out = append(out, o.Leaves()...)
	}
	return out
}

// At returns what a timed leaf says of an event at a time.
func (c *Cond) At(us int64) Truth {
	i, _ := slices.BinarySearchFunc(c.Times, us, func(r Range, us int64) int { return cmp.Compare(r.Hi, us) })
	return truth(i < len(c.Times) && c.Times[i].Contains(us))
}

// hull returns a range outside of which c is never True.
func (c *Cond) hull() Range {
	never := Range{0, -1}
	switch {
	case c == nil:
		return Always()
	case c.Kind == Leaf && !c.Timed:
		return Always()
	case c.Kind == Leaf:
		out := never
		for _, r := range c.Times {
			out = out.hull(r)
		}
		return out
	case c.Kind == Not:
		return c.Of[0].opposite()
	case c.Kind == And:
		out := Always()
		for _, o := range c.Of {
			out = out.intersect(o.hull())
		}
		return out
	}
	out := never
	for _, o := range c.Of {
		out = out.hull(o.hull())
	}
	return out
}

// opposite returns a range outside of which NOT c is never True.
func (c *Cond) opposite() Range {
	if c.Kind == Leaf && c.Timed {
		out := Range{0, -1}
		for _, r := range Always().minus(c.Times) {
			out = out.hull(r)
		}
		return out
	}
	if c.Kind == Not {
		return c.Of[0].hull()
	}
	return Always()
}

// and joins conditions; nil where there are none.
func and(conds ...*Cond) *Cond {
	var of []*Cond
	for _, c := range conds {
		switch {
		case c == nil:
		case c.Kind == And:
			of = append(of, c.Of...)
		default:
			of = append(of, c)
		}
	}
	switch len(of) {
	case 0:
		return nil
	case 1:
		return of[0]
	}
	return &Cond{Kind: And, Of: of}
}

// String writes c for explain: leaves as their terms are written.
func (c *Cond) String() string {
	if c == nil {
		return "true"
	}
	switch c.Kind {
	case Leaf:
		return c.leafText()
	case Not:
		return "not (" + c.Of[0].String() + ")"
	}
	word, none := " and ", "true"
	if c.Kind == Or {
		word, none = " or ", "false"
	}
	if len(c.Of) == 0 {
		return none
	}
	parts := make([]string, len(c.Of))
	for i, o := range c.Of {
		parts[i] = o.String()
		if (o.Kind == And || o.Kind == Or) && len(o.Of) > 1 {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, word)
}

func (c *Cond) leafText() string {
	switch {
	case c.Timed:
		parts := make([]string, len(c.Times))
		for i, r := range c.Times {
			parts[i] = r.String()
		}
		if len(parts) == 0 {
			return "never"
		}
		return "time in " + strings.Join(parts, ", ")
	case c.Simple != nil:
		return c.Simple.String()
	}
	return c.Term.String()
}

// String writes the condition as SQL would.
func (s *Simple) String() string {
	op := string(s.Op)
	if s.Not {
		op = "not " + op
	}
	values := make([]string, len(s.Values))
	for i, v := range s.Values {
		values[i] = v.String(s.Kind)
	}
	switch s.Op {
	case In:
		return fmt.Sprintf("%s %s (%s)", s.Column, op, strings.Join(values, ", "))
	case Between:
		return fmt.Sprintf("%s %s %s", s.Column, op, strings.Join(values, " and "))
	case IsNull:
		if s.Not {
			op = "is not null"
		}
		return s.Column + " " + op
	}
	return fmt.Sprintf("%s %s %s", s.Column, op, strings.Join(values, ", "))
}
