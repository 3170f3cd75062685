package query

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/plan"
	"github.com/tidemarkdb/tidemark/query/run"
)

// moment says when the event time is asked (P6 of plan): at the start of a cell's span, or where fixed at lo if that is later.
type moment struct {
	lo    int64
	fixed bool
}

// translation turns what a block asks for into what run takes: terms over columns into functions of a dimension's values.
type translation struct {
	e    *Engine
	bp   *blockPlan
	need *plan.Need
	at   moment

	leaves int
}

// errNotNative says that a term cannot be had from one dimension.
var errNotNative = errors.New("no one dimension for an expression over several")

func always() *run.Cond { return &run.Cond{Kind: run.And} }
func never() *run.Cond  { return &run.Cond{Kind: run.Or} }

// cond translates a condition.
func (t *translation) cond(c *plan.Cond) (*run.Cond, error) {
	if c == nil {
		return nil, nil
	}
	if c.Kind == plan.Leaf {
		return t.leaf(c)
	}
	out := &run.Cond{Kind: map[plan.CondKind]run.CondKind{plan.And: run.And, plan.Or: run.Or, plan.Not: run.Not}[c.Kind]}
	for _, o := range c.Of {
		part, err := t.cond(o)
		if err != nil {
			return nil, err
		}
		out.Of = append(out.Of, part)
	}
	return out, nil
}

func (t *translation) leaf(c *plan.Cond) (*run.Cond, error) {
	t.leaves++
	switch {
	case c.Timed && (t.at.fixed || t.need.Time < 0): // in the second case no time changes it
		if c.At(t.at.lo) == plan.True {
			return always(), nil
		}
		return never(), nil
	case c.Timed:
		return is(t.timed(c.Times)), nil
	case c.Simple != nil:
		return t.simple(c.Simple)
	}
	dim, sources, err := t.columns(&c.Term)
	if err != nil {
		return nil, err
	}
	return is(&run.Leaf{Dim: dim, Key: t.key("leaf"), Truths: func(ctx context.Context, d *cells.Dict) ([]run.Truth, error) {
		a, err := t.eval(ctx, &c.Term, sources, dim, d)
		if err != nil {
			return nil, err
		}
		defer a.Release()
		b, ok := a.(*array.Boolean)
		if !ok {
			return nil, fmt.Errorf("condition %s gives %s", c.Term, a.DataType())
		}
		out := make([]run.Truth, b.Len())
		for i := range out {
			switch {
			case b.IsNull(i):
				out[i] = run.Null
			case b.Value(i):
				out[i] = run.True
			}
		}
		return out, nil
	}}), nil
}

func is(l *run.Leaf) *run.Cond { return &run.Cond{Kind: run.Is, Leaf: l} }

// key names what depends on this block alone.
func (t *translation) key(what string) string {
	return fmt.Sprintf("#%d %s %d %v", t.bp.id, what, t.leaves, t.at)
}

// timed is true of spans of the time dimension that start in one of ranges.
func (t *translation) timed(ranges []plan.Range) *run.Leaf {
	dim := t.need.Time
	date := t.need.Layout.Dims[dim].Type.Kind == cube.Date
	return &run.Leaf{
		Dim: dim, Key: fmt.Sprintf("starts %t %v", date, ranges),
		Truths: func(_ context.Context, d *cells.Dict) ([]run.Truth, error) {
			out := make([]run.Truth, d.Len())
			out[0] = run.Null
			for i := 1; i < len(out); i++ {
				us := micros(d.Values.Int(i-1), date)
				if slices.ContainsFunc(ranges, func(r plan.Range) bool { return r.Contains(us) }) {
					out[i] = run.True
				}
			}
			return out, nil
		},
		May: func(b *cells.Dict, _ bool) bool {
			have := plan.Range{Lo: micros(b.Values.Int(0), date), Hi: micros(b.Values.Int(b.Values.Len()-1), date)}
			return slices.ContainsFunc(ranges, have.Overlaps)
		},
	}
}

// inCells is true of the cells that count; nil: all do.
func (t *translation) inCells() *run.Cond {
	if t.at.fixed || t.need.Time < 0 {
		return nil
	}
	return is(t.timed(t.need.Cells))
}

// micros returns a value of a time or a date in microseconds.
func micros(v int64, date bool) int64 {
	if date {
		return v * usPerDay
	}
	return v
}

const usPerDay = 86_400_000_000

// columns returns the dimension from which all columns of a term follow, and how.
func (t *translation) columns(term *plan.Term) (dim int, sources []plan.ColumnSource, err error) {
	dim = -1
	for _, name := range term.Columns {
		s, err := t.source(name)
		if err != nil {
			return -1, nil, err
		}
		if dim >= 0 && s.Dim != dim {
			return -1, nil, errNotNative
		}
		dim, sources = s.Dim, append(sources, s)
	}
	if dim < 0 {
		return -1, nil, errNotNative
	}
	return dim, sources, nil
}

func (t *translation) source(column string) (s plan.ColumnSource, err error) {
	i := slices.IndexFunc(t.need.Columns, func(s plan.ColumnSource) bool { return s.Column.Name == column })
	if i < 0 {
		return s, fmt.Errorf("column %s follows from no dimension", column)
	}
	return t.need.Columns[i], nil
}

// same reports whether a column's values are the dimension's as they are.
func (t *translation) same(s plan.ColumnSource) bool {
	return s.Column.Lookup == "" && s.Column.Step == (plan.Step{}) && (!t.at.fixed || !t.isEventTime(s.Dim))
}

func (t *translation) isEventTime(dim int) bool {
	return t.need.Layout.Dims[dim].Column == t.bp.table.table.EventTime.Column
}

// when returns the time at which a cell of the event time is asked, in microseconds.
func (t *translation) when(dim int, us int64) int64 {
	if t.at.fixed && t.isEventTime(dim) {
		return max(us, t.at.lo)
	}
	return us
}

// values returns the values of a column for the codes of a dictionary, of null first.
func (t *translation) values(ctx context.Context, s plan.ColumnSource, d *cells.Dict) (*stage.Column, error) {
	out := &stage.Column{Kind: d.Values.Kind}
	if t.same(s) || s.Column.Lookup != "" {
		out.AppendNull()
		out.AppendFrom(&d.Values, 0, d.Values.Len())
		if s.Column.Lookup == "" {
			return out, nil
		}
		return t.e.lookups.follow(ctx, t.bp.names.lookups[s.Column.Lookup], s.Column.LookupColumn, out)
	}
	from := t.need.Layout.Dims[s.Dim].Type.Kind == cube.Date
	to := s.Column.Type.Kind == cube.Date
	out.AppendNull()
	for i := range d.Values.Len() {
		us := s.Column.Step.Start(t.when(s.Dim, micros(d.Values.Int(i), from)))
		if to {
			us = floorDiv(us, usPerDay)
		}
		out.AppendInt(us)
	}
	return out, nil
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// group translates a group.
func (t *translation) group(i int) (g run.Group, err error) {
	t.leaves++
	p := &t.bp.b.Groups[i]
	dim, sources, err := t.columns(&p.Term)
	if err != nil {
		return g, err
	}
	g.Dim = dim
	if p.Time != nil {
		g.Values = func(_ context.Context, d *cells.Dict) (*stage.Column, error) { return t.spans(p.Time, dim, d), nil }
		return g, nil
	}
	if _, ok := plainColumn(p.Expr); ok {
		if !t.same(sources[0]) {
			g.Values = func(ctx context.Context, d *cells.Dict) (*stage.Column, error) { return t.values(ctx, sources[0], d) }
		}
		return g, nil
	}
	g.Values = func(ctx context.Context, d *cells.Dict) (*stage.Column, error) {
		a, err := t.eval(ctx, &p.Term, sources, dim, d)
		if err != nil {
			return nil, err
		}
		defer a.Release()
		return run.FromArrow(a)
	}
	return g, nil
}

// spans returns what a term of a time is for the codes of a dictionary.
func (t *translation) spans(p *plan.TimeTerm, dim int, d *cells.Dict) *stage.Column {
	date := t.need.Layout.Dims[dim].Type.Kind == cube.Date
	out := &stage.Column{Kind: stage.Int64}
	out.AppendNull()
	for i := range d.Values.Len() {
		out.AppendInt(p.Value(t.when(dim, micros(d.Values.Int(i), date))))
	}
	return out
}
