package query

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/plan"
	"github.com/tidemarkdb/tidemark/query/run"
)

// simple translates a condition that needs no DuckDB: as ranges of values where the column is a dimension, else value by value.
func (t *translation) simple(s *plan.Simple) (*run.Cond, error) {
	src, err := t.source(s.Column)
	if err != nil {
		return nil, err
	}
	if !t.same(src) {
		return is(&run.Leaf{Dim: src.Dim, Key: t.key("simple"), Truths: func(ctx context.Context, d *cells.Dict) ([]run.Truth, error) {
			values, err := t.values(ctx, src, d)
			if err != nil {
				return nil, err
			}
			out := make([]run.Truth, values.Len())
			for i := range out {
				out[i] = run.Truth(s.Truth(valueAt(values, i)))
			}
			return out, nil
		}}), nil
	}
	c := ranged(s, src.Dim, t.need.Layout.Dims[src.Dim].Kind)
	if s.Not {
		c = &run.Cond{Kind: run.Not, Of: []*run.Cond{c}}
	}
	return c, nil
}

// ranged is s without its Not.
func ranged(s *plan.Simple, dim int, k stage.Kind) *run.Cond {
	edge := func(i int, open bool) *run.Edge {
		return &run.Edge{Value: dictOf(s.Kind, k, s.Values[i:i+1]), Open: open}
	}
	null := slices.ContainsFunc(s.Values, func(v plan.Value) bool { return v.Null })
	var l *run.Leaf
	switch {
	case s.Op == plan.IsNull:
		l = run.IsNull(dim)
	case s.Op == plan.In:
		l = run.In(dim, s.String(), dictOf(s.Kind, k, s.Values), null)
	case null && s.Op == plan.Between: // false of what lies outside of the other bound, else null
		return &run.Cond{Kind: run.And, Of: []*run.Cond{
			ranged(&plan.Simple{Column: s.Column, Kind: s.Kind, Op: plan.Ge, Values: s.Values[:1]}, dim, k),
			ranged(&plan.Simple{Column: s.Column, Kind: s.Kind, Op: plan.Le, Values: s.Values[1:]}, dim, k),
		}}
	case null: // a comparison with null is null: true of nothing, and neither is its opposite
		return is(&run.Leaf{Dim: dim, Key: "null", Truths: func(_ context.Context, d *cells.Dict) ([]run.Truth, error) {
			return slices.Repeat([]run.Truth{run.Null}, d.Len()), nil
		}})
	case s.Op == plan.Prefix:
		l = run.HasPrefix(dim, []byte(s.Values[0].Text))
	case s.Op == plan.Eq:
		l = run.Range(dim, edge(0, false), edge(0, false))
	case s.Op == plan.Ne:
		return &run.Cond{Kind: run.Not, Of: []*run.Cond{is(run.Range(dim, edge(0, false), edge(0, false)))}}
	case s.Op == plan.Lt:
		l = run.Range(dim, nil, edge(0, true))
	case s.Op == plan.Le:
		l = run.Range(dim, nil, edge(0, false))
	case s.Op == plan.Gt:
		l = run.Range(dim, edge(0, true), nil)
	case s.Op == plan.Ge:
		l = run.Range(dim, edge(0, false), nil)
	default:
		l = run.Range(dim, edge(0, false), edge(1, false))
	}
	return is(l)
}

// dictOf returns values as a dictionary: those that are not null, once each, ascending as cells order them.
func dictOf(kind cube.Kind, k stage.Kind, values []plan.Value) *cells.Dict {
	list := slices.DeleteFunc(slices.Clone(values), func(v plan.Value) bool { return v.Null })
	order := func(a, b plan.Value) int {
		switch k {
		case stage.Bytes:
			return cmp.Compare(a.Text, b.Text)
		case stage.Float64:
			if an, bn := math.IsNaN(a.Float), math.IsNaN(b.Float); an || bn {
				return btoi(an) - btoi(bn)
			}
			return cmp.Compare(a.Float, b.Float)
		}
		return cmp.Compare(a.Int, b.Int)
	}
	slices.SortFunc(list, order)
	list = slices.CompactFunc(list, func(a, b plan.Value) bool { return order(a, b) == 0 })
	d := &cells.Dict{Values: stage.Column{Kind: k}}
	for _, v := range list {
		switch k {
		case stage.Bytes:
			d.Values.AppendBytes([]byte(v.Text))
		case stage.Float64:
			d.Values.AppendFloat(v.Float + 0) // -0 is 0
		default:
			d.Values.AppendInt(v.Int)
		}
	}
	return d
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// valueAt returns value i of a column without a dictionary.
func valueAt(c *stage.Column, i int) plan.Value {
	if c.IsNull(i) {
		return plan.Value{Null: true}
	}
	switch c.Kind {
	case stage.Bytes:
		return plan.Value{Text: string(c.Bytes(i))}
	case stage.Float64:
		return plan.Value{Float: c.Float(i)}
	}
	return plan.Value{Int: c.Int(i)}
}

// evalError says that DuckDB cannot compute a term of a block for some value. That may be one which the block leaves out:
// only the events tell.
type evalError struct {
	block *blockPlan
	err   error
}

func (e *evalError) Error() string { return e.err.Error() }
func (e *evalError) Unwrap() error { return e.err }

// eval computes a term for the codes of a dictionary, of null first.
func (t *translation) eval(ctx context.Context, term *plan.Term, sources []plan.ColumnSource, dim int, d *cells.Dict) (arrow.Array, error) {
	var fields []arrow.Field
	var arrays []arrow.Array
	defer func() {
		for _, a := range arrays {
			a.Release()
		}
	}()
	for _, s := range sources {
		typ := run.TypeOf(s.Column.Type)
		values, err := t.values(ctx, s, d)
		if err != nil {
			return nil, err
		}
		a, err := run.ToArrow(typ, values)
		if err != nil {
			return nil, err
		}
		fields, arrays = append(fields, arrow.Field{Name: s.Column.Name, Type: typ, Nullable: true}), append(arrays, a)
	}
	in := array.NewRecord(arrow.NewSchema(fields, nil), arrays, int64(d.Len()))
	defer in.Release()
	out, err := t.e.db.Eval(ctx, []duck.Expr{term.Expr}, in)
	if wrong := new(duck.Error); errors.As(err, &wrong) && ctx.Err() == nil {
		return nil, &evalError{t.bp, err}
	}
	if err != nil {
		return nil, err
	}
	defer out.Release()
	a := out.Column(0)
	a.Retain()
	return a, nil
}
