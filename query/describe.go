package query

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/plan"
)

// Description says what a statement takes and what it answers with.
type Description struct {
	Params []Param // in the order in which Request.Params gives their values
	Schema *arrow.Schema
}

// Param is a parameter of a statement.
type Param struct {
	Name string // "1" of ? and of $1
	Type string // SQL's name, "" where the statement does not tell
}

// Typed is the value of a parameter that is of just this type.
type Typed struct {
	Text string
	Type string // SQL's name, as BIGINT or DATE
	Null bool
}

// expr is the value as an expression.
func (t Typed) expr() duck.Expr {
	c := duck.NewConstant(t.Text)
	if t.Null {
		c = duck.NewConstant(nil)
	}
	return &duck.Cast{X: c, To: duck.NewType(t.Type)}
}

// Describe says what a statement takes and answers with, without values and without reading anything. types are those of its
// parameters by their names, as far as they are known.
func (e *Engine) Describe(ctx context.Context, r Request, types map[string]string) (*Description, error) {
	s, err := e.db.Parse(ctx, r.SQL)
	if err != nil {
		return nil, err
	}
	if len(s.Params) == 0 {
		schema, err := e.schemaOf(ctx, r)
		return &Description{Schema: schema}, err
	}
	n, err := e.known.of(ctx, projectOf(r))
	if err != nil {
		return nil, err
	}
	d, err := e.describeParams(ctx, n, s, types)
	var open *duck.Error
	if err != nil && (d == nil || !errors.As(err, &open) || open.Kind != duck.KindParameter) {
		return nil, located(err, r.SQL)
	}
	if err == nil && !anyStar(s.Query) {
		return d, nil
	}
	// A star means the columns that are not hidden, which planning knows; and with nulls no type depends on a parameter.
	r.Params = nil
	for _, p := range d.Params {
		if p.Type == "" {
			p.Type = "VARCHAR"
		}
		r.Params = append(r.Params, Typed{Type: p.Type, Null: true})
	}
	d.Schema, err = e.schemaOf(ctx, r)
	return d, err
}

func anyStar(q duck.Query) (found bool) {
	duck.Walk(q, func(n duck.Node) bool {
		_, is := n.(*duck.Star)
		found = found || is
		return !found
	})
	return found
}

// describeParams asks DuckDB, which infers types of parameters from what they are compared with, over all columns of the tables.
func (e *Engine) describeParams(ctx context.Context, n *names, s *duck.Statement, types map[string]string) (*Description, error) {
	var tables []duck.Table
	q := duck.Rewrite(duck.Clone(s.Query), func(node duck.Node) duck.Node {
		switch x := node.(type) {
		case *duck.TableRef:
			rel, ok := n.Table(x.Schema, x.Name)
			if !ok || rel == nil {
				return x
			}
			t := duck.Table{Name: fmt.Sprintf("__tm_described_%d", len(tables)), Schema: relationSchema(rel)}
			tables = append(tables, t)
			if x.As == "" {
				x.As = x.Name
			}
			x.Catalog, x.Schema, x.Name = "", "", t.Name
		case *duck.Param:
			if t := types[x.Name]; t != "" {
				return &duck.Cast{Head: duck.Head{As: x.As}, X: &duck.Param{Name: x.Name}, To: duck.NewType(t)}
			}
		}
		return node
	})
	compiled, err := e.db.Compile(ctx, q)
	if err != nil {
		return nil, err
	}
	schema, params, err := e.db.Signature(ctx, compiled, tables)
	if len(params) != len(s.Params) {
		return nil, err
	}
	d := &Description{Schema: schema}
	for i, name := range s.Params {
		p := Param{Name: name, Type: types[name]}
		if p.Type == "" {
			p.Type = params[i]
		}
		d.Params = append(d.Params, p)
	}
	return d, err
}

// relationSchema returns all columns of a relation, hidden ones too.
func relationSchema(r *plan.Relation) *arrow.Schema {
	var fields []arrow.Field
	for _, c := range r.Columns {
		fields = append(fields, arrow.Field{Name: c.Name, Type: ArrowType(c.Type), Nullable: true})
	}
	return arrow.NewSchema(fields, nil)
}

// ArrowType returns the type that the values of a column have in answers.
func ArrowType(t cube.Type) arrow.DataType {
	switch t.Kind {
	case cube.Bool:
		return arrow.FixedWidthTypes.Boolean
	case cube.Int64:
		return arrow.PrimitiveTypes.Int64
	case cube.Float64:
		return arrow.PrimitiveTypes.Float64
	case cube.Decimal:
		return &arrow.Decimal128Type{Precision: int32(t.Precision), Scale: int32(t.Scale)}
	case cube.Date:
		return arrow.FixedWidthTypes.Date32
	case cube.Timestamp:
		return &arrow.TimestampType{Unit: arrow.Microsecond}
	case cube.String, cube.JSON:
		return arrow.BinaryTypes.String
	}
	return arrow.BinaryTypes.Binary
}

// schemaOf plans a statement and returns the columns of its answer.
func (e *Engine) schemaOf(ctx context.Context, r Request) (*arrow.Schema, error) {
	p, err := e.prepare(ctx, r)
	if err != nil {
		return nil, err
	}
	if w := p.st.Whole; w != nil {
		var fields []arrow.Field
		for _, it := range w.Items {
			at := columnOf(it.Output, len(p.blocks[0].b.Groups))
			fields = append(fields, arrow.Field{Name: it.Name, Type: p.blocks[0].types[at], Nullable: true})
		}
		return arrow.NewSchema(fields, nil), nil
	}
	var tables []duck.Table
	for _, b := range p.blocks {
		tables = append(tables, duck.Table{Name: b.b.Name, Schema: b.schema})
	}
	for _, s := range p.st.Scans {
		rel := *s.Relation
		if rel.Columns = s.Columns; len(rel.Columns) == 0 {
			rel.Columns = columnsOf(s)
			rel.Columns[0].Type.Kind = cube.Int64
		}
		tables = append(tables, duck.Table{Name: s.Name, Schema: relationSchema(&rel)})
	}
	schema, err := e.db.Describe(ctx, p.rest, tables)
	return schema, located(err, p.text)
}

// Relations lists what a statement of a project may name, by name: tables, lookup tables, and cubes. They must not be changed.
func (e *Engine) Relations(ctx context.Context, project string) ([]*plan.Relation, error) {
	n, err := e.known.of(ctx, project)
	if err != nil {
		return nil, err
	}
	var out []*plan.Relation
	for _, name := range n.Names() {
		for _, r := range n.relations {
			if r.Name == name && !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

func projectOf(r Request) string {
	if r.Project == "" {
		return "default"
	}
	return r.Project
}
