package query

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/plan"
	"github.com/tidemarkdb/tidemark/query/run"
	"github.com/tidemarkdb/tidemark/query/source"
)

// Answer is the answer to a statement, which comes while it runs. One goroutine at a time may use it; it must be closed.
type Answer struct {
	Schema *arrow.Schema
	Tables []TableReport
	Blocks []BlockReport

	Warnings []string // about all of it
	Cached   bool     // it was made before, over the same events

	rows  *duck.Rows
	only  []arrow.Record
	given int64             // rows
	keep  *result           // gathers them to be kept; nil: they are not
	err   error             // that Next has returned
	why   func(error) error // prefers why the statement ended to that it did
	begun bool              // rows were handed out
	again func() (*Answer, error)
	x     *execution
}

// TableReport says what an answer covers of a table (Q5).
type TableReport struct {
	Table        string
	Completeness source.Completeness
	NewestMs     int64 // Kafka's highest timestamp of the last records in memory that it covers; 0: none are there
}

// Next returns some rows; io.EOF after the last. The caller releases them.
func (a *Answer) Next() (rec arrow.Record, err error) {
	defer func() {
		if err = a.x.e.fault(a.x.r, recover(), err); err == nil || err == io.EOF {
			return
		}
		if rec = nil; a.err == nil {
			a.err = a.why(located(err, a.x.p.text))
		}
		err = a.err
	}()
	if a.err != nil {
		return nil, a.err
	}
	if rec, err = a.next(); err != nil && againOf(err) != nil {
		if rec, err = a.restarted(err); err != nil && againOf(err) != nil {
			err = againOf(err)
		}
	}
	if err != nil {
		if err == io.EOF {
			a.gathered(nil, true)
		}
		return nil, err
	}
	a.gathered(rec, false)
	if most := a.x.e.o.MaxRows; most > 0 && a.given+rec.NumRows() > most {
		all := rec
		defer all.Release()
		if a.given == most {
			return nil, &RowsError{most}
		}
		rec = all.NewSlice(0, most-a.given)
	}
	n := rec.NumRows()
	a.begun = true
	a.given += n
	a.x.e.history.note(a.x.id, func(r *Running) { r.Rows += n })
	return rec, nil
}

// restarted begins the statement again, if nobody has seen any of its rows.
func (a *Answer) restarted(err error) (arrow.Record, error) {
	for a.rows != nil && againOf(err) != nil {
		if a.begun {
			return nil, &AgainError{"events that were committed before were read again, requeued or lost while the answer was on its way: ask again"}
		}
		if why := againOf(err); a.x.spent(why) {
			return nil, why
		}
		if err := a.rows.Close(); err != nil {
			return nil, err
		}
		a.rows = nil
		a.drop()
		a.x.release()
		next, failed := a.again()
		if failed != nil {
			return nil, failed
		}
		next.why, next.again = a.why, a.again
		*a = *next
		var rec arrow.Record
		if rec, err = a.next(); err == nil {
			return rec, nil
		}
	}
	return nil, err
}

func (a *Answer) next() (arrow.Record, error) {
	if a.rows != nil {
		return a.rows.Next()
	}
	if len(a.only) == 0 {
		return nil, io.EOF
	}
	rec := a.only[0]
	a.only = a.only[1:]
	return rec, nil
}

// Close stops the statement if it still runs. It may be called again.
func (a *Answer) Close() (err error) {
	defer func() {
		err = a.x.e.fault(a.x.r, recover(), err)
		a.x.close(a.err)
	}()
	if a.rows != nil {
		err = a.rows.Close()
	}
	for _, r := range a.only {
		r.Release()
	}
	a.only = nil
	a.drop()
	return err
}

// answer begins the rest over the rows of blocks.
func (x *execution) answer(ctx context.Context) (*Answer, error) {
	a := &Answer{x: x, Warnings: x.warnings, Tables: x.covers()}
	cubes, events := false, len(x.scans) > 0
	for _, b := range x.blocks {
		a.Blocks = append(a.Blocks, b.report)
		cubes, events = cubes || b.way != nil, events || b.way == nil
	}
	x.from = map[[2]bool]string{{true, true}: "both", {true, false}: "cubes", {false, true}: "events", {}: "nothing"}[[2]bool{cubes, events}]
	x.e.history.note(x.id, func(r *Running) { r.From, r.Blocks = x.from, a.Blocks })
	if w := x.p.st.Whole; w != nil && x.blocks[0].way != nil && !isTop(x.blocks[0].way.needs[0]) {
		rec := named(x.blocks[0].result[0], w, len(x.blocks[0].p.b.Groups))
		a.Schema, a.only = rec.Schema(), []arrow.Record{rec}
		a.gather()
		return a, nil
	}
	var tables []duck.Table
	for _, b := range x.blocks {
		tables = append(tables, b.table())
	}
	for _, s := range x.scans {
		tables = append(tables, s.table())
	}
	for _, l := range x.looked {
		if err := l.read(ctx); err != nil {
			return nil, err
		}
		tables = append(tables, l.table())
	}
	rest, err := x.p.compiled(ctx, x.e)
	if err != nil {
		return nil, err
	}
	if a.rows, err = x.e.db.Query(ctx, rest, tables); err != nil {
		return nil, located(err, x.p.text)
	}
	a.Schema = a.rows.Schema()
	a.gather()
	return a, nil
}

// covers says what the snapshots cover, and has it noted how fresh they are.
func (x *execution) covers() (list []TableReport) {
	for _, t := range x.tables {
		list = append(list, TableReport{t.def.table.Name, t.snap.Completeness, t.snap.NewestMs})
		x.e.m.fresh.see(t.def.table.ID, t.snap.NewestMs, time.Now())
	}
	return list
}

// compiled returns the rest of a statement.
func (p *prepared) compiled(ctx context.Context, e *Engine) (*duck.Statement, error) {
	if p.rest != nil {
		return p.rest, nil
	}
	rest, err := e.db.Compile(ctx, p.st.Root)
	if err != nil {
		return nil, inText(err, p.text)
	}
	return rest, nil
}

// named makes the columns of a statement of those of its block.
func named(rec arrow.Record, w *plan.Whole, groups int) arrow.Record {
	var fields []arrow.Field
	var arrays []arrow.Array
	for _, it := range w.Items {
		at := columnOf(it.Output, groups)
		f := rec.Schema().Field(at)
		fields, arrays = append(fields, arrow.Field{Name: it.Name, Type: f.Type, Nullable: true, Metadata: f.Metadata}), append(arrays, rec.Column(at))
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), arrays, rec.NumRows())
}

// columnOf returns the column of a block's answer.
func columnOf(o plan.Output, groups int) int {
	if o.Agg {
		return groups + o.Index
	}
	return o.Index
}

// wholeAnswer adds what a statement does with the rows of its block.
func wholeAnswer(of *run.Answer, w *plan.Whole) (*run.Answer, error) {
	a := run.Answer{Groups: of.Groups, States: of.States, Aggregates: of.Aggregates, Sets: of.Sets, SetName: of.SetName, Limit: w.Limit, Offset: w.Offset}
	for _, k := range w.Order {
		a.Order = append(a.Order, run.Order{Column: columnOf(k.Output, len(a.Groups)), Descending: k.Descending, NullsFirst: k.NullsFirst})
	}
	var err error
	if a.Having, err = having(w.Having, of); err != nil {
		return nil, err
	}
	return run.NewAnswer(a)
}

// having translates a condition over the columns of a block.
func having(c *plan.Cond, of *run.Answer) (*run.Cond, error) {
	if c == nil {
		return nil, nil
	}
	if c.Kind == plan.Leaf {
		at := of.Schema().FieldIndices(c.Simple.Column)
		if len(at) != 1 {
			return nil, fmt.Errorf("having: there is no column %s", c.Simple.Column)
		}
		k, err := run.KindOf(of.Schema().Field(at[0]).Type)
		if err != nil {
			return nil, err
		}
		r := ranged(c.Simple, at[0], k)
		if c.Simple.Not {
			r = &run.Cond{Kind: run.Not, Of: []*run.Cond{r}}
		}
		return r, nil
	}
	out := &run.Cond{Kind: map[plan.CondKind]run.CondKind{plan.And: run.And, plan.Or: run.Or, plan.Not: run.Not}[c.Kind]}
	for _, o := range c.Of {
		part, err := having(o, of)
		if err != nil {
			return nil, err
		}
		out.Of = append(out.Of, part)
	}
	return out, nil
}

// withMasks turns the last column of a block with grouping sets, which numbers them, to what plan has there: the groups that a row lacks.
func withMasks(rec arrow.Record, b *plan.Block) arrow.Record {
	if b.Sets == nil {
		rec.Retain()
		return rec
	}
	last := int(rec.NumCols()) - 1
	masks := array.NewInt64Builder(memory.DefaultAllocator)
	defer masks.Release()
	for _, set := range rec.Column(last).(*array.Int64).Int64Values() {
		masks.Append(b.SetMask(int(set)))
	}
	a := masks.NewArray()
	defer a.Release()
	return array.NewRecord(rec.Schema(), append(slices.Clone(rec.Columns()[:last]), a), rec.NumRows())
}

// withTypes gives columns the types that DuckDB gives them.
func withTypes(rec arrow.Record, want *arrow.Schema) (arrow.Record, error) {
	if want.NumFields() != int(rec.NumCols()) {
		return nil, fmt.Errorf("Q3: a block of %d columns has %d", want.NumFields(), rec.NumCols())
	}
	fields, arrays := rec.Schema().Fields(), rec.Columns()
	out := make([]arrow.Array, len(arrays))
	var errs []error
	for i, a := range arrays {
		var err error
		typ := want.Field(i).Type
		if out[i], err = withType(a, typ); err != nil {
			errs = append(errs, fmt.Errorf("column %s: %w", fields[i].Name, err))
			continue
		}
		defer out[i].Release()
		fields[i].Type, fields[i].Metadata = typ, want.Field(i).Metadata // which tells a HUGEINT from a decimal
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), out, rec.NumRows()), nil
}

func withType(a arrow.Array, want arrow.DataType) (arrow.Array, error) {
	if arrow.TypeEqual(a.DataType(), want) {
		a.Retain()
		return a, nil
	}
	d, ok := want.(*arrow.Decimal128Type)
	if !ok {
		return nil, fmt.Errorf("Q3: %s is not %s", a.DataType(), want)
	}
	b := array.NewDecimal128Builder(memory.DefaultAllocator, d)
	defer b.Release()
	for i := range a.Len() {
		switch a := a.(type) {
		case *array.Int64:
			if a.IsNull(i) {
				b.AppendNull()
			} else {
				b.Append(decimal128.FromI64(a.Value(i)))
			}
		case *array.Decimal128:
			if a.DataType().(*arrow.Decimal128Type).Scale != d.Scale {
				return nil, fmt.Errorf("Q3: %s is not %s", a.DataType(), want)
			}
			if a.IsNull(i) {
				b.AppendNull()
			} else {
				b.Append(a.Value(i))
			}
		default:
			return nil, fmt.Errorf("Q3: %s is not %s", a.DataType(), want)
		}
	}
	return b.NewArray(), nil
}
