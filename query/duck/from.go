package duck

import "fmt"

// From is what a SELECT reads: a table, a join, a query, values, a function.
type From interface {
	Node
	// Alias is the name given with AS, or "".
	Alias() string
	SetAlias(string)
	// Pos is the byte in the statement's text where it is said, or -1.
	Pos() int
	isFrom()
}

// Kinds of From.
type (
	// TableRef is a table by its name; also a WITH's name.
	TableRef struct {
		Head
		Catalog, Schema, Name string
		Columns               []string // names given to its columns
		Sample                Raw
	}
	// Join is of two; a comma is a join with Ref CROSS.
	Join struct {
		Head
		Left, Right From
		On          Expr   // or nil
		Type        string // INNER, LEFT, RIGHT, OUTER, SEMI, ANTI
		Ref         string // REGULAR, NATURAL, CROSS, POSITIONAL, ASOF, DEPENDENT
		Using       []string
	}
	// Subquery is a query with or without a name.
	Subquery struct {
		Head
		Query   Query
		Columns []string
		Sample  Raw
		wrap    rest
	}
	// TableFunction is a function that gives rows, such as range.
	TableFunction struct {
		Head
		Call    Expr
		Columns []string
		Sample  Raw
	}
	// Values is VALUES (...), (...).
	Values struct {
		Head
		Rows   [][]Expr
		Names  []string
		Sample Raw
	}
	// Pivot is PIVOT or UNPIVOT. It also holds expressions that are not taken apart: whoever asks what columns it needs
	// must take all.
	Pivot struct {
		Head
		Source     From
		Aggregates []Expr
	}
	// Empty is no FROM at all.
	Empty struct{ Head }
)

// Raw is JSON that nobody takes apart; "" is null.
type Raw string

func (*TableRef) isFrom()      {}
func (*Join) isFrom()          {}
func (*Subquery) isFrom()      {}
func (*TableFunction) isFrom() {}
func (*Values) isFrom()        {}
func (*Pivot) isFrom()         {}
func (*Empty) isFrom()         {}

func (f *TableRef) parts() []part {
	return f.with(part{"catalog_name", &f.Catalog}, part{"schema_name", &f.Schema}, part{"table_name", &f.Name},
		part{"column_name_alias", &f.Columns}, part{"sample", &f.Sample})
}

func (f *Join) parts() []part {
	return f.with(part{"left", &f.Left}, part{"right", &f.Right}, part{"condition", &f.On}, part{"join_type", &f.Type},
		part{"ref_type", &f.Ref}, part{"using_columns", &f.Using})
}

func (f *Subquery) parts() []part {
	return f.with(part{"subquery", statement{&f.Query, &f.wrap}}, part{"column_name_alias", &f.Columns}, part{"sample", &f.Sample})
}

func (f *TableFunction) parts() []part {
	return f.with(part{"function", &f.Call}, part{"column_name_alias", &f.Columns}, part{"sample", &f.Sample})
}

func (f *Values) parts() []part {
	return f.with(part{"values", &f.Rows}, part{"expected_names", &f.Names}, part{"sample", &f.Sample})
}

func (f *Pivot) parts() []part {
	return f.with(part{"source", &f.Source}, part{"aggregates", &f.Aggregates})
}
func (f *Empty) parts() []part { return f.with() }

func (*TableRef) blank() string { return `"type":"BASE_TABLE","at_clause":null` }
func (*Join) blank() string {
	return `"type":"JOIN","sample":null,"delim_flipped":false,"duplicate_eliminated_columns":[]`
}
func (*Subquery) blank() string { return `"type":"SUBQUERY"` }
func (*TableFunction) blank() string {
	return `"type":"TABLE_FUNCTION","with_ordinality":"WITHOUT_ORDINALITY"`
}
func (*Values) blank() string { return `"type":"EXPRESSION_LIST","expected_types":[]` }
func (*Pivot) blank() string  { return `"type":"PIVOT","sample":null` }
func (*Empty) blank() string  { return `"type":"EMPTY","sample":null` }

func readFrom(v value) (From, error) {
	if v.isNull() {
		return nil, nil
	}
	var f From
	switch kind := v.get("type").text(); kind {
	case "BASE_TABLE":
		f = new(TableRef)
	case "JOIN":
		f = new(Join)
	case "SUBQUERY":
		f = new(Subquery)
	case "TABLE_FUNCTION":
		f = new(TableFunction)
	case "EXPRESSION_LIST":
		f = new(Values)
	case "PIVOT":
		f = new(Pivot)
	case "EMPTY", "EMPTY_FROM":
		f = new(Empty)
	default:
		return nil, fmt.Errorf("%w: a table of type %q", errJSON, kind)
	}
	return f, fill(f, v)
}
