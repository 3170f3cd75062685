package pgwire

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tidemarkdb/tidemark/internal/server/pgwire/pgcatalog"
	"github.com/tidemarkdb/tidemark/query/duck"
)

// Who answers.
const (
	kindQuery   = "query"
	kindCatalog = "catalog"
	kindSession = "session"
)

// perform begins to run a statement.
func (x *session) perform(ctx context.Context, st *statement, values []any) (result, error) {
	if r, ok, err := x.command(ctx, st); ok || err != nil {
		return r, err
	}
	if pgcatalog.Wanted(st.Tokens) {
		if r, err := x.askCatalog(ctx, st, values); !errors.Is(err, pgcatalog.ErrOther) {
			return r, err
		}
	}
	r, err := x.request(st.Text, values)
	if err != nil {
		return result{}, err
	}
	a, err := x.srv.opts.Query.Query(ctx, r)
	if err != nil {
		return result{}, err
	}
	return result{rows: answers{a}, tag: "SELECT", count: true, kind: kindQuery, tell: func() { x.tell(a) }}, nil
}

// question is what the catalog is asked.
func (x *session) question(st *statement) pgcatalog.Question {
	return pgcatalog.Question{
		Settings: slices.Sorted(maps.Keys(known)), SQL: st.Text, Tokens: st.Tokens, Types: st.types, User: x.names.user, Database: x.names.database, Project: x.names.project, PID: int64(x.pid),
		Setting: func(name string) (string, bool) {
			_, ok := x.set.get(name)
			return x.shown(name), ok
		},
	}
}

// askCatalog answers what is said of tables, types and settings.
func (x *session) askCatalog(ctx context.Context, st *statement, values []any) (result, error) {
	ctx, stop := context.WithTimeoutCause(ctx, x.srv.opts.CallTimeout, errTooLong)
	rows, err := x.srv.catalog.Query(ctx, x.question(st), values)
	if err != nil {
		stop()
		return result{}, err
	}
	return result{rows: freeing{rows, stop}, tag: "SELECT", count: true, kind: kindCatalog}, nil
}

// freeing gives back what rows needed.
type freeing struct {
	*duck.Rows
	free context.CancelFunc
}

// Close stops the rows.
func (f freeing) Close() error {
	defer f.free()
	return f.Rows.Close()
}

// shape says which columns a statement answers with, if any, and gives its parameters their types.
func (x *session) shape(ctx context.Context, st *statement) (columns []column, rows bool, err error) {
	if s, ok := x.commandShape(st); ok {
		if s == nil {
			return nil, false, nil
		}
		return columnsOf(s), true, nil
	}
	var schema *arrow.Schema
	types := map[string]string{}
	err = pgcatalog.ErrOther
	if pgcatalog.Wanted(st.Tokens) {
		if schema, types, err = x.srv.catalog.Describe(ctx, x.question(st)); err != nil && !errors.Is(err, pgcatalog.ErrOther) {
			return nil, false, err
		}
	}
	if err != nil {
		types = map[string]string{}
		r, err := x.request(st.Text, nil)
		if err != nil {
			return nil, false, err
		}
		d, err := x.srv.opts.Query.Describe(ctx, r, st.types)
		if err != nil {
			return nil, false, err
		}
		schema = d.Schema
		for _, p := range d.Params {
			types[p.Name] = p.Type
		}
	}
	for _, no := range st.params {
		if st.oids[no-1] == 0 {
			st.oids[no-1] = paramOID(types[itoa(no)])
		}
	}
	return columnsOf(schema), true, nil
}

// fixed are rows that are here already.
type fixed struct {
	schema *arrow.Schema
	rec    arrow.Record
}

// texts makes rows of text.
func texts(columns []string, lines ...[]string) *fixed {
	f := &fixed{schema: textSchema(columns...)}
	b := array.NewRecordBuilder(memory.DefaultAllocator, f.schema)
	defer b.Release()
	for _, line := range lines {
		for i, v := range line {
			b.Field(i).(*array.StringBuilder).Append(v)
		}
	}
	f.rec = b.NewRecord()
	return f
}

func textSchema(columns ...string) *arrow.Schema {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = arrow.Field{Name: c, Type: arrow.BinaryTypes.String, Nullable: true}
	}
	return arrow.NewSchema(fields, nil)
}

// Schema returns the columns.
func (f *fixed) Schema() *arrow.Schema { return f.schema }

// Next returns the rows, once.
func (f *fixed) Next() (arrow.Record, error) {
	if f.rec == nil {
		return nil, errEnd
	}
	rec := f.rec
	f.rec = nil
	return rec, nil
}

// Close gives back what was not taken.
func (f *fixed) Close() error {
	if f.rec != nil {
		f.rec.Release()
		f.rec = nil
	}
	return nil
}

// explain answers with the plan of a query, a row a line.
func (x *session) explain(ctx context.Context, st *statement) (result, error) {
	from := st.explained()
	inner := st.Text[st.at(from).From:]
	if strings.TrimSpace(inner) == "" {
		return result{}, &failure{code: "42601", message: "EXPLAIN of nothing", hint: "write EXPLAIN SELECT ..."}
	}
	r, err := x.request(inner, nil)
	if err != nil {
		return result{}, err
	}
	e, err := x.srv.opts.Query.Explain(ctx, r)
	if err != nil {
		return result{}, located(err, st.sent, st.From+st.at(from).From)
	}
	var text strings.Builder
	if err := e.Text(&text); err != nil {
		return result{}, err
	}
	var lines [][]string
	for line := range strings.Lines(text.String()) {
		lines = append(lines, []string{strings.TrimRight(line, "\n")})
	}
	return result{rows: texts([]string{planColumn}, lines...), tag: "EXPLAIN", kind: kindQuery}, nil
}

// planColumn is PostgreSQL's name of what EXPLAIN answers with.
const planColumn = "QUERY PLAN"

// explained is the number of the token at which the query begins.
func (st *statement) explained() int {
	i := 1
	if st.at(i).Is("(") {
		for i < len(st.Tokens) && !st.at(i).Is(")") {
			i++
		}
		return i + 1
	}
	for st.at(i).Is("analyze") || st.at(i).Is("verbose") {
		i++
	}
	return i
}
