package duck

import "fmt"

// Query is what gives rows: a Select, a SetOperation or a RecursiveCTE.
type Query interface {
	Node
	// Tail is what follows it: ORDER BY, LIMIT, and DISTINCT, which comes before.
	Tail() *Modifiers
	// Withs are the queries that it names first.
	Withs() *[]*CTE
	isQuery()
}

// Kinds of Query.
type (
	// Select is SELECT, FROM and VALUES.
	Select struct {
		With      []*CTE
		Items     []Expr
		From      From
		Where     Expr
		Groups    []Expr
		Sets      [][]int // which Groups each grouping set has; one set for a plain GROUP BY
		GroupAll  bool    // GROUP BY ALL
		Having    Expr
		Qualify   Expr
		Sample    Raw
		Modifiers Modifiers
		rest
	}
	// SetOperation is UNION, UNION_BY_NAME, EXCEPT or INTERSECT.
	SetOperation struct {
		With        []*CTE
		Type        string
		All         bool
		Left, Right Query
		Modifiers   Modifiers
		rest
	}
	// RecursiveCTE is the body of a WITH RECURSIVE that speaks of itself.
	RecursiveCTE struct {
		With        []*CTE
		Name        string
		All         bool
		Left, Right Query
		Columns     []string
		Modifiers   Modifiers
		rest
	}
)

// CTE is a query with a name.
type CTE struct {
	Name    string
	Columns []string
	Query   Query
	rest
	wrap rest
}

// Modifiers are what is done to the rows of a query.
type Modifiers struct {
	Distinct *Distinct
	Order    []*Order
	Limit    *Limit
}

// Distinct is DISTINCT, ON some expressions or on all columns.
type Distinct struct {
	On []Expr
	rest
}

// Limit is LIMIT and OFFSET; either may be nil.
type Limit struct {
	Limit, Offset Expr
	Percent       bool // of all rows
	rest
}

func (*Select) isQuery()       {}
func (*SetOperation) isQuery() {}
func (*RecursiveCTE) isQuery() {}

// Tail returns what follows the query.
func (q *Select) Tail() *Modifiers { return &q.Modifiers }

// Tail returns what follows the query.
func (q *SetOperation) Tail() *Modifiers { return &q.Modifiers }

// Tail returns what follows the query.
func (q *RecursiveCTE) Tail() *Modifiers { return &q.Modifiers }

// Withs returns the queries that it names first.
func (q *Select) Withs() *[]*CTE { return &q.With }

// Withs returns the queries that it names first.
func (q *SetOperation) Withs() *[]*CTE { return &q.With }

// Withs returns the queries that it names first.
func (q *RecursiveCTE) Withs() *[]*CTE { return &q.With }

func (q *Select) parts() []part {
	return []part{
		{"cte_map", ctes{&q.With}},
		{"select_list", &q.Items},
		{"from_table", &q.From},
		{"where_clause", &q.Where},
		{"group_expressions", &q.Groups},
		{"group_sets", &q.Sets},
		{"aggregate_handling", flag{&q.GroupAll, "STANDARD_HANDLING", "FORCE_AGGREGATES"}},
		{"having", &q.Having},
		{"qualify", &q.Qualify},
		{"sample", &q.Sample},
		{"modifiers", modifiers{&q.Modifiers}},
	}
}

func (q *SetOperation) parts() []part {
	return []part{
		{"cte_map", ctes{&q.With}},
		{"setop_type", &q.Type},
		{"setop_all", &q.All},
		{"left", &q.Left},
		{"right", &q.Right},
		{"modifiers", modifiers{&q.Modifiers}},
	}
}

func (q *RecursiveCTE) parts() []part {
	return []part{
		{"cte_map", ctes{&q.With}},
		{"cte_name", &q.Name},
		{"union_all", &q.All},
		{"left", &q.Left},
		{"right", &q.Right},
		{"aliases", &q.Columns},
		{"modifiers", modifiers{&q.Modifiers}},
	}
}

func (c *CTE) parts() []part {
	return []part{{"aliases", &c.Columns}, {"query", statement{&c.Query, &c.wrap}}}
}

func (d *Distinct) parts() []part { return []part{{"distinct_on_targets", &d.On}} }

func (l *Limit) parts() []part {
	return []part{
		{"type", flag{&l.Percent, "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER"}},
		{"limit", &l.Limit},
		{"offset", &l.Offset},
	}
}

func (*Select) blank() string       { return `"type":"SELECT_NODE"` }
func (*SetOperation) blank() string { return `"type":"SET_OPERATION_NODE"` }
func (*RecursiveCTE) blank() string { return `"type":"RECURSIVE_CTE_NODE","key_targets":[]` }
func (*CTE) blank() string          { return `"materialized":"CTE_MATERIALIZE_DEFAULT","key_targets":[]` }
func (*Distinct) blank() string     { return `"type":"DISTINCT_MODIFIER"` }
func (*Limit) blank() string        { return "" }

func readQuery(v value) (Query, error) {
	if v.isNull() {
		return nil, nil
	}
	var q Query
	switch kind := v.get("type").text(); kind {
	case "SELECT_NODE":
		q = new(Select)
	case "SET_OPERATION_NODE":
		q = new(SetOperation)
	case "RECURSIVE_CTE_NODE":
		q = new(RecursiveCTE)
	default:
		return nil, fmt.Errorf("%w: a query of type %q", errJSON, kind)
	}
	return q, fill(q, v)
}

// readStatement reads a query and what lies beside it in its object.
func readStatement(v value, beside *rest) (Query, error) {
	if v.isNull() {
		return nil, nil
	}
	beside.fields = []field{}
	for _, f := range v.fields {
		if f.name != "node" {
			beside.fields = append(beside.fields, f)
		}
	}
	return readQuery(v.get("node"))
}

func appendStatement(b []byte, q Query, beside *rest) []byte {
	if q == nil {
		return append(b, "null"...)
	}
	b = appendNode(append(b, `{"node":`...), q)
	for _, f := range beside.fields {
		b = append(appendName(b, f.name), f.raw...)
	}
	return append(b, '}')
}

func readCTE(v value) (*CTE, error) {
	c := &CTE{Name: v.get("key").text()}
	return c, fill(c, v.get("value"))
}

func appendCTEs(b []byte, all []*CTE) []byte {
	b = append(b, `{"map":`...)
	b = appendAll(b, all, func(b []byte, c *CTE) []byte {
		b = append(appendQuoted(append(b, `{"key":`...), c.Name), `,"value":`...)
		return append(appendNode(b, c), '}')
	})
	return append(b, '}')
}

// read takes modifiers in the only order that the parser gives them: DISTINCT, ORDER BY, LIMIT.
func (m modifiers) read(v value) (err error) {
	last := 0
	for _, e := range v.elems {
		rank := 0
		switch kind := e.get("type").text(); kind {
		case "DISTINCT_MODIFIER":
			rank = 1
			m.to.Distinct, err = readNode[Distinct](e)
		case "ORDER_MODIFIER":
			rank = 2
			m.to.Order, err = readAll(e.get("orders"), readNode[Order])
		case "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER":
			rank = 3
			m.to.Limit, err = readNode[Limit](e)
		}
		if err != nil {
			return err
		}
		if rank <= last {
			return fmt.Errorf("%w: a modifier %s out of order", errJSON, e.get("type").raw)
		}
		last = rank
	}
	return nil
}

func (m modifiers) write(b []byte) []byte {
	b = append(b, '[')
	add := func(write func([]byte) []byte) {
		if b[len(b)-1] != '[' {
			b = append(b, ',')
		}
		b = write(b)
	}
	if m.to.Distinct != nil {
		add(func(b []byte) []byte { return appendNode(b, m.to.Distinct) })
	}
	if len(m.to.Order) > 0 {
		add(func(b []byte) []byte { return appendOrders(b, m.to.Order) })
	}
	if m.to.Limit != nil {
		add(func(b []byte) []byte { return appendNode(b, m.to.Limit) })
	}
	return append(b, ']')
}

func appendOrders(b []byte, all []*Order) []byte {
	b = append(b, `{"type":"ORDER_MODIFIER","orders":`...)
	b = appendAll(b, all, func(b []byte, o *Order) []byte { return appendNode(b, o) })
	return append(b, '}')
}
