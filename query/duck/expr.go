package duck

import "fmt"

// Expr is an expression.
type Expr interface {
	Node
	// Alias is the name given with AS, or "".
	Alias() string
	SetAlias(string)
	// Pos is the byte in the statement's text where the expression is said, or -1.
	Pos() int
	isExpr()
}

// Head is what all expressions and tables have.
type Head struct {
	As     string // name given with AS
	Offset int    // byte in the text; -1 if the parser did not say
	rest
}

// Alias returns the name given with AS, or "".
func (h *Head) Alias() string { return h.As }

// SetAlias gives or takes the name.
func (h *Head) SetAlias(name string) { h.As = name }

// Pos returns the byte in the statement's text where the node is said; -1 for nodes made by hand.
func (h *Head) Pos() int {
	if h.fields == nil && h.Offset == 0 {
		return -1
	}
	return h.Offset
}

// with returns the parts of an expression or table, those that all have first.
func (h *Head) with(parts ...part) []part {
	return append([]part{{"alias", &h.As}, {"query_location", offset{&h.Offset}}}, parts...)
}

// Kinds of expressions.
type (
	// Column is a name, qualified or not. What DuckDB finds to be a struct's field, or a table, is a Column here.
	Column struct {
		Head
		Names []string
	}
	// Constant is a value. It is never changed in place: make a new one.
	Constant struct {
		Head
		Value Literal
	}
	// Function is a call, also of an aggregate, or of an operator such as + with IsOperator.
	Function struct {
		Head
		Catalog, Schema, Name string // Name is in lower case
		Args                  []Expr
		Distinct              bool
		Filter                Expr // of an aggregate, or nil
		Order                 []*Order
		IsOperator            bool
	}
	// Comparison says = <> < <= > >= or IS [NOT] DISTINCT FROM.
	Comparison struct {
		Head
		Op          string
		Left, Right Expr
	}
	// Logic is AND of its arguments, or OR.
	Logic struct {
		Head
		Or   bool
		Args []Expr
	}
	// Not turns truth around.
	Not struct {
		Head
		X Expr
	}
	// IsNull asks for null, or for anything else with Not.
	IsNull struct {
		Head
		X   Expr
		Not bool
	}
	// Between includes both ends.
	Between struct {
		Head
		X, Lower, Upper Expr
	}
	// In is a list of values; IN (SELECT ...) is a SubqueryExpr.
	In struct {
		Head
		X    Expr
		List []Expr
		Not  bool
	}
	// Case takes the first When that is true, else Else. CASE x WHEN y is the comparison x = y.
	Case struct {
		Head
		Whens []*When
		Else  Expr
	}
	// Cast converts; with Try what does not convert is null.
	Cast struct {
		Head
		X   Expr
		To  Type
		Try bool
	}
	// Operator is any other that DuckDB names itself: COALESCE, TRY, an element, a field, and so on.
	Operator struct {
		Head
		Op   string // DuckDB's word, as OPERATOR_COALESCE
		Args []Expr
	}
	// Star is * with what belongs to it; with Columns it is COLUMNS(...) over Pattern.
	Star struct {
		Head
		Table   string
		Columns bool
		Pattern Expr
		Replace []*Named
	}
	// SubqueryExpr is a query inside an expression: SCALAR, EXISTS, NOT_EXISTS or ANY, the last with X compared by Op.
	SubqueryExpr struct {
		Head
		Kind  string
		X     Expr
		Op    string
		Query Query
		wrap  rest
	}
	// Window is a function with OVER.
	Window struct {
		Head
		Catalog, Schema, Name string
		Args                  []Expr
		Partition             []Expr
		Order, ArgOrder       []*Order
		Frame                 [4]Expr // start, end, offset and default; nil if not said
		Filter                Expr
	}
	// Param is a parameter: ? and $1 have the names 1, 2, ...
	Param struct {
		Head
		Name string
	}
	// Other is what no plan looks into, but walks: COLLATE, LAMBDA, a column by number.
	Other struct {
		Head
		Class string // DuckDB's word
		Args  []Expr
	}
)

func (*Column) isExpr()       {}
func (*Constant) isExpr()     {}
func (*Function) isExpr()     {}
func (*Comparison) isExpr()   {}
func (*Logic) isExpr()        {}
func (*Not) isExpr()          {}
func (*IsNull) isExpr()       {}
func (*Between) isExpr()      {}
func (*In) isExpr()           {}
func (*Case) isExpr()         {}
func (*Cast) isExpr()         {}
func (*Operator) isExpr()     {}
func (*Star) isExpr()         {}
func (*SubqueryExpr) isExpr() {}
func (*Window) isExpr()       {}
func (*Param) isExpr()        {}
func (*Other) isExpr()        {}

func (e *Column) parts() []part   { return e.with(part{"column_names", &e.Names}) }
func (e *Constant) parts() []part { return e.with(part{"value", &e.Value}) }

func (e *Function) parts() []part {
	return e.with(part{"catalog", &e.Catalog}, part{"schema", &e.Schema}, part{"function_name", &e.Name},
		part{"children", &e.Args}, part{"distinct", &e.Distinct}, part{"filter", &e.Filter},
		part{"order_bys", orders{&e.Order}}, part{"is_operator", &e.IsOperator})
}

func (e *Comparison) parts() []part {
	return e.with(part{"type", word{&e.Op, comparisons()}}, part{"left", &e.Left}, part{"right", &e.Right})
}

func (e *Logic) parts() []part {
	return e.with(part{"type", flag{&e.Or, "CONJUNCTION_AND", "CONJUNCTION_OR"}}, part{"children", &e.Args})
}
func (e *Not) parts() []part { return e.with(part{"children", one{&e.X}}) }

func (e *IsNull) parts() []part {
	return e.with(part{"type", flag{&e.Not, "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"}}, part{"children", one{&e.X}})
}

func (e *Between) parts() []part {
	return e.with(part{"input", &e.X}, part{"lower", &e.Lower}, part{"upper", &e.Upper})
}

func (e *In) parts() []part {
	return e.with(part{"type", flag{&e.Not, "COMPARE_IN", "COMPARE_NOT_IN"}}, part{"children", many{&e.X, &e.List}})
}

func (e *Case) parts() []part {
	return e.with(part{"case_checks", &e.Whens}, part{"else_expr", &e.Else})
}

func (e *Cast) parts() []part {
	return e.with(part{"child", &e.X}, part{"cast_type", &e.To}, part{"try_cast", &e.Try})
}

func (e *Operator) parts() []part {
	return e.with(part{"type", &e.Op}, part{"children", &e.Args})
}

func (e *Star) parts() []part {
	return e.with(part{"relation_name", &e.Table}, part{"columns", &e.Columns}, part{"expr", &e.Pattern},
		part{"replace_list", &e.Replace})
}

func (e *SubqueryExpr) parts() []part {
	return e.with(part{"subquery_type", &e.Kind}, part{"child", &e.X}, part{"comparison_type", word{&e.Op, comparisons()}},
		part{"subquery", statement{&e.Query, &e.wrap}})
}

func (e *Window) parts() []part {
	return e.with(part{"catalog", &e.Catalog}, part{"schema", &e.Schema}, part{"function_name", &e.Name},
		part{"children", &e.Args}, part{"partitions", &e.Partition}, part{"orders", &e.Order},
		part{"arg_orders", &e.ArgOrder}, part{"start_expr", &e.Frame[0]}, part{"end_expr", &e.Frame[1]},
		part{"offset_expr", &e.Frame[2]}, part{"default_expr", &e.Frame[3]}, part{"filter_expr", &e.Filter})
}
func (e *Param) parts() []part { return e.with(part{"identifier", &e.Name}) }

func (e *Other) parts() []part {
	parts := e.with(part{"class", &e.Class})
	for i, name := range others()[e.Class] {
		parts = append(parts, part{name, &e.Args[i]})
	}
	return parts
}

// others names the children of the expressions that are an Other.
func others() map[string][]string {
	return map[string][]string{"COLLATE": {"child"}, "LAMBDA": {"lhs", "expr"}, "POSITIONAL_REFERENCE": nil, "DEFAULT": nil}
}

// comparisons are DuckDB's words for the signs of SQL.
func comparisons() map[string]string {
	return map[string]string{
		"COMPARE_EQUAL": "=", "COMPARE_NOTEQUAL": "<>", "COMPARE_LESSTHAN": "<", "COMPARE_GREATERTHAN": ">",
		"COMPARE_LESSTHANOREQUALTO": "<=", "COMPARE_GREATERTHANOREQUALTO": ">=",
		"INVALID": "", "COMPARE_DISTINCT_FROM": "IS DISTINCT FROM", "COMPARE_NOT_DISTINCT_FROM": "IS NOT DISTINCT FROM",
	}
}

// When is a branch of a Case.
type When struct {
	If, Then Expr
	rest
}

func (w *When) parts() []part { return []part{{"when_expr", &w.If}, {"then_expr", &w.Then}} }

// Order is a key to sort by.
type Order struct {
	X     Expr
	Desc  bool
	Nulls string // FIRST, LAST, or "" for the default, which is last
	rest
}

func (o *Order) parts() []part {
	nulls := map[string]string{"ORDER_DEFAULT": "", "NULLS FIRST": "FIRST", "NULLS LAST": "LAST"}
	return []part{{"type", descending{&o.Desc}}, {"null_order", word{&o.Nulls, nulls}}, {"expression", &o.X}}
}

// Named is an expression under a name, in the REPLACE of a Star.
type Named struct {
	Name string
	X    Expr
	rest
}

func (n *Named) parts() []part { return []part{{"key", &n.Name}, {"value", &n.X}} }

func (*Column) blank() string     { return `"class":"COLUMN_REF","type":"COLUMN_REF"` }
func (*Constant) blank() string   { return `"class":"CONSTANT","type":"VALUE_CONSTANT"` }
func (*Function) blank() string   { return `"class":"FUNCTION","type":"FUNCTION","export_state":false` }
func (*Comparison) blank() string { return `"class":"COMPARISON"` }
func (*Logic) blank() string      { return `"class":"CONJUNCTION"` }
func (*Not) blank() string        { return `"class":"OPERATOR","type":"OPERATOR_NOT"` }
func (*IsNull) blank() string     { return `"class":"OPERATOR"` }
func (*Between) blank() string    { return `"class":"BETWEEN","type":"COMPARE_BETWEEN"` }
func (*In) blank() string         { return `"class":"OPERATOR"` }
func (*Case) blank() string       { return `"class":"CASE","type":"CASE_EXPR"` }
func (*Cast) blank() string       { return `"class":"CAST","type":"OPERATOR_CAST"` }
func (*Operator) blank() string   { return `"class":"OPERATOR"` }
func (*Star) blank() string {
	return `"class":"STAR","type":"STAR","exclude_list":[],"qualified_exclude_list":[],"rename_list":[]`
}
func (*SubqueryExpr) blank() string { return `"class":"SUBQUERY","type":"SUBQUERY"` }
func (*Window) blank() string {
	return `"class":"WINDOW","type":"WINDOW_AGGREGATE","start":"UNBOUNDED_PRECEDING","end":"CURRENT_ROW_RANGE",` +
		`"ignore_nulls":false,"exclude_clause":"NO_OTHER","distinct":false`
}
func (*Param) blank() string   { return `"class":"PARAMETER","type":"VALUE_PARAMETER"` }
func (e *Other) blank() string { return `"type":` + string(appendQuoted(nil, e.Class)) }
func (*When) blank() string    { return "" }
func (*Order) blank() string   { return "" }
func (*Named) blank() string   { return "" }

// newExpr returns an empty node of the kind that an object says it is.
func newExpr(class, kind string) (Expr, error) {
	switch class {
	case "COLUMN_REF":
		return new(Column), nil
	case "CONSTANT":
		return new(Constant), nil
	case "FUNCTION":
		return new(Function), nil
	case "COMPARISON":
		return new(Comparison), nil
	case "CONJUNCTION":
		return new(Logic), nil
	case "BETWEEN":
		return new(Between), nil
	case "CASE":
		return new(Case), nil
	case "CAST":
		return new(Cast), nil
	case "STAR":
		return new(Star), nil
	case "SUBQUERY":
		return new(SubqueryExpr), nil
	case "WINDOW":
		return new(Window), nil
	case "PARAMETER":
		return new(Param), nil
	case "OPERATOR":
		return newOperator(kind), nil
	}
	if names, ok := others()[class]; ok {
		return &Other{Class: class, Args: make([]Expr, len(names))}, nil
	}
	return nil, fmt.Errorf("%w: an expression of class %q", errJSON, class)
}

func newOperator(kind string) Expr {
	switch kind {
	case "OPERATOR_NOT":
		return new(Not)
	case "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL":
		return new(IsNull)
	case "COMPARE_IN", "COMPARE_NOT_IN":
		return new(In)
	}
	return new(Operator)
}

func readExpr(v value) (Expr, error) {
	if v.isNull() {
		return nil, nil
	}
	e, err := newExpr(v.get("class").text(), v.get("type").text())
	if err != nil {
		return nil, err
	}
	return e, fill(e, v)
}
