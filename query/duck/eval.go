package duck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

const evalTable = "__tidemark_values"

// Eval computes expressions over the columns of a record, which they name: of each row one. What is not the same of the
// same values is refused: aggregates, windows, subqueries, random(); also stars and parameters. now() is DuckDB's: fold
// it before. The caller releases the result.
func (db *DB) Eval(ctx context.Context, exprs []Expr, columns arrow.Record) (arrow.Record, error) {
	if len(exprs) == 0 {
		return nil, errors.New("eval: no expressions")
	}
	for _, e := range exprs {
		if err := db.functions.pure(e); err != nil {
			return nil, err
		}
	}
	s, err := db.Compile(ctx, &Select{Items: exprs, From: &TableRef{Name: evalTable}})
	if err != nil {
		return nil, err
	}
	rows, err := db.Query(ctx, s, []Table{Fixed(evalTable, columns)})
	if err != nil {
		return nil, err
	}
	rec, err := rows.all()
	if err = errors.Join(err, rows.Close()); err != nil {
		return nil, err
	}
	if rec.NumRows() != columns.NumRows() {
		rec.Release()
		return nil, &Error{
			Kind: KindRefused, Message: fmt.Sprintf("expressions over %d rows give %d", columns.NumRows(), rec.NumRows()), Offset: -1,
		}
	}
	return rec, nil
}

// Fixed is a table of records that are there. They are read by one thread, in their order.
func Fixed(name string, records ...arrow.Record) Table {
	t := Table{Name: name, Schema: records[0].Schema()}
	for _, r := range records {
		t.Rows += r.NumRows()
	}
	t.Rows = min(t.Rows, parallelRows-1)
	t.Scan = func(_ context.Context, columns []int) iter.Seq2[arrow.Record, error] {
		return func(yield func(arrow.Record, error) bool) {
			for _, r := range records {
				part := project(r, columns)
				ok := yield(part, nil)
				part.Release()
				if !ok {
					return
				}
			}
		}
	}
	return t
}

// project takes some columns of a record.
func project(r arrow.Record, columns []int) arrow.Record {
	fields, arrays := make([]arrow.Field, len(columns)), make([]arrow.Array, len(columns))
	for i, c := range columns {
		fields[i], arrays[i] = r.Schema().Field(c), r.Column(c)
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), arrays, r.NumRows())
}

// pure says why an expression is not the same of the same values.
func (f *Functions) pure(e Expr) (err error) {
	refuse := func(n Node, what string) bool {
		if err == nil {
			at := -1
			if p, ok := n.(interface{ Pos() int }); ok {
				at = p.Pos()
			}
			err = &Error{Kind: KindRefused, Message: what + " cannot be computed value by value", Offset: at}
		}
		return false
	}
	Walk(e, func(n Node) bool {
		switch n := n.(type) {
		case *SubqueryExpr:
			return refuse(n, "a subquery")
		case *Window:
			return refuse(n, "a window")
		case *Star:
			return refuse(n, "a star")
		case *Param:
			return refuse(n, "a parameter")
		case *Function:
			switch k := f.Kind(n.Name); k {
			case Scalar, PerStatement:
			case "":
				return refuse(n, "the unknown function "+n.Name)
			default:
				return refuse(n, fmt.Sprintf("%s, a function of the kind %s,", n.Name, k))
			}
		}
		return err == nil
	})
	return err
}

// all reads the rows that are left into one record.
func (r *Rows) all() (arrow.Record, error) {
	var parts []arrow.Record
	defer func() {
		for _, p := range parts {
			p.Release()
		}
	}()
	total := int64(0)
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		parts = append(parts, rec)
		total += rec.NumRows()
	}
	columns := make([]arrow.Array, r.schema.NumFields())
	for i, f := range r.schema.Fields() {
		arrays := make([]arrow.Array, len(parts))
		for j, p := range parts {
			arrays[j] = p.Column(i)
		}
		if len(arrays) == 0 {
			b := array.NewBuilder(memory.DefaultAllocator, f.Type)
			columns[i] = b.NewArray()
			b.Release()
			continue
		}
		c, err := array.Concatenate(arrays, memory.DefaultAllocator)
		if err != nil {
			return nil, err
		}
		columns[i] = c
	}
	rec := array.NewRecord(r.schema, columns, total)
	for _, c := range columns {
		c.Release()
	}
	return rec, nil
}
