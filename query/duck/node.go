package duck

import (
	"fmt"
	"slices"
)

// Node is a part of a statement's tree: an Expr, a From or a Query, or what they are made of. Each node names the parts
// that planning looks into; the rest of its JSON stays as DuckDB wrote it and goes back that way (D2). A node made by
// hand has no JSON of its own and gets what DuckDB would have written of such a node.
type Node interface {
	// parts lists what the node names, in a fixed order.
	parts() []part
	// kept is where the rest of its JSON lies.
	kept() *rest
	// blank is the JSON that a node made by hand has besides its parts, without the braces.
	blank() string
}

// part is a named piece of a node: to points into the node, and says by its type what the piece is.
type part struct {
	name string
	to   any
}

// rest holds the fields of a node that are none of its parts.
type rest struct{ fields []field }

func (r *rest) kept() *rest { return r }

// Kinds of parts that are more than a pointer to a field.
type (
	// one is an array of exactly one expression, many of one and then the others.
	one  struct{ expr *Expr }
	many struct {
		first *Expr
		more  *[]Expr
	}
	// word is a string of which DuckDB and we have different words.
	word struct {
		to    *string
		words map[string]string // DuckDB's to ours
	}
	// flag is a string with two values.
	flag struct {
		to      *bool
		no, yes string
	}
	// offset is a position in the text; unknown ones are -1 here and 2^64-1 there.
	offset struct{ to *int }
	// descending is the direction of an ORDER BY.
	descending struct{ to *bool }
	// statement is a query inside another node, within an object of its own.
	statement struct {
		query *Query
		rest  *rest
	}
	// orders is an ORDER BY as a modifier of its own.
	orders struct{ to *[]*Order }
	// modifiers are DISTINCT, ORDER BY and LIMIT of a query.
	modifiers struct{ to *Modifiers }
	// ctes is the map of a WITH.
	ctes struct{ to *[]*CTE }
)

// fill reads a node's parts out of an object and keeps the rest.
func fill(n Node, v value) error {
	if v.kind() != '{' {
		return fmt.Errorf("%w: %T is no object", errJSON, n)
	}
	parts := n.parts()
	left := make([]field, 0, len(v.fields))
	for _, f := range v.fields {
		i := slices.IndexFunc(parts, func(p part) bool { return p.name == f.name })
		if i < 0 {
			left = append(left, f)
			continue
		}
		if err := parts[i].read(f.value); err != nil {
			return err
		}
		parts[i].name = ""
	}
	for _, p := range parts {
		if o, ok := p.to.(offset); ok && p.name != "" {
			*o.to = -1
		}
	}
	n.kept().fields = left
	return nil
}

// read sets the part to what DuckDB wrote.
func (p part) read(v value) (err error) {
	switch to := p.to.(type) {
	case *string:
		*to = v.text()
	case *bool:
		*to = v.isTrue()
	case *[]string:
		*to = make([]string, len(v.elems))
		for i, e := range v.elems {
			(*to)[i] = e.text()
		}
	case *[][]int:
		*to, err = readSets(v)
	case *Type:
		*to = readType(v)
	case *Literal:
		*to, err = readLiteral(v)
	case *Raw:
		if *to = ""; !v.isNull() {
			*to = Raw(v.raw)
		}
	case descending:
		*to.to = v.text() == "DESCENDING"
	case offset:
		*to.to = -1
		if n, ok := v.integer(); ok {
			*to.to = int(n)
		}
	case word:
		*to.to = v.text()
		if s, ok := to.words[v.text()]; ok {
			*to.to = s
		}
	case flag:
		if *to.to = v.text() == to.yes; !*to.to && v.text() != to.no {
			return fmt.Errorf("%w: %s is %s", errJSON, p.name, v.raw)
		}
	default:
		err = p.readNodes(v)
	}
	return err
}

func (p part) readNodes(v value) (err error) {
	switch to := p.to.(type) {
	case *Expr:
		*to, err = readExpr(v)
	case *[]Expr:
		*to, err = readAll(v, readExpr)
	case *[][]Expr:
		*to, err = readAll(v, func(v value) ([]Expr, error) { return readAll(v, readExpr) })
	case *From:
		*to, err = readFrom(v)
	case *Query:
		*to, err = readQuery(v)
	case *[]*Order:
		*to, err = readAll(v, readNode[Order])
	case *[]*When:
		*to, err = readAll(v, readNode[When])
	case *[]*Named:
		*to, err = readAll(v, readNode[Named])
	case one:
		var all []Expr
		if all, err = readAll(v, readExpr); err == nil && len(all) != 1 {
			return fmt.Errorf("%w: %s holds %d", errJSON, p.name, len(all))
		} else if err == nil {
			*to.expr = all[0]
		}
	case many:
		var all []Expr
		if all, err = readAll(v, readExpr); err == nil && len(all) == 0 {
			return fmt.Errorf("%w: %s is empty", errJSON, p.name)
		} else if err == nil {
			*to.first, *to.more = all[0], all[1:]
		}
	case statement:
		*to.query, err = readStatement(v, to.rest)
	case orders:
		*to.to, err = readAll(v.get("orders"), readNode[Order])
	case modifiers:
		err = to.read(v)
	case ctes:
		*to.to, err = readAll(v.get("map"), readCTE)
	default:
		panic(fmt.Sprintf("D2: no way to read a %T", p.to))
	}
	return err
}

// readAll reads the elements of an array; null is an empty one.
func readAll[T any](v value, read func(value) (T, error)) ([]T, error) {
	if len(v.elems) == 0 {
		return nil, nil
	}
	out := make([]T, 0, len(v.elems))
	for _, e := range v.elems {
		n, err := read(e)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// readNode reads a node whose kind is known.
func readNode[T any, P interface {
	*T
	Node
}](v value) (P, error) {
	n := P(new(T))
	return n, fill(n, v)
}

// appendNode writes a node as JSON, null for none.
func appendNode(b []byte, n Node) []byte {
	if n == nil {
		return append(b, "null"...)
	}
	b = append(b, '{')
	if fields := n.kept().fields; fields != nil {
		for _, f := range fields {
			b = append(appendName(b, f.name), f.raw...)
		}
	} else {
		b = append(b, n.blank()...)
	}
	for _, p := range n.parts() {
		b = p.write(appendName(b, p.name))
	}
	return append(b, '}')
}

// appendName writes the name of a field, with the comma that belongs before it.
func appendName(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(appendQuoted(b, name), ':')
}

func appendAll[T any](b []byte, all []T, write func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, e := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = write(b, e)
	}
	return append(b, ']')
}

func appendExpr(b []byte, e Expr) []byte {
	if e == nil {
		return append(b, "null"...)
	}
	return appendNode(b, e)
}

func (p part) write(b []byte) []byte {
	switch to := p.to.(type) {
	case *string:
		return appendQuoted(b, *to)
	case *bool:
		return fmt.Appendf(b, "%t", *to)
	case *[]string:
		return appendAll(b, *to, appendQuoted)
	case *[][]int:
		return appendSets(b, *to)
	case *Type:
		return to.write(b)
	case *Literal:
		return to.write(b)
	case *Raw:
		if *to == "" {
			return append(b, "null"...)
		}
		return append(b, *to...)
	case descending:
		if *to.to {
			return appendQuoted(b, "DESCENDING")
		}
		return appendQuoted(b, "ORDER_DEFAULT")
	case offset:
		if *to.to < 0 {
			return append(b, "18446744073709551615"...)
		}
		return fmt.Appendf(b, "%d", *to.to)
	case word:
		return appendQuoted(b, to.theirs())
	case flag:
		if *to.to {
			return appendQuoted(b, to.yes)
		}
		return appendQuoted(b, to.no)
	default:
		return p.writeNodes(b)
	}
}

func (p part) writeNodes(b []byte) []byte {
	switch to := p.to.(type) {
	case *Expr:
		return appendExpr(b, *to)
	case *[]Expr:
		return appendAll(b, *to, appendExpr)
	case *[][]Expr:
		return appendAll(b, *to, func(b []byte, row []Expr) []byte { return appendAll(b, row, appendExpr) })
	case *From:
		if *to == nil {
			return appendNode(b, new(Empty))
		}
		return appendNode(b, *to)
	case *Query:
		return appendNode(b, *to)
	case *[]*Order:
		return appendAll(b, *to, func(b []byte, o *Order) []byte { return appendNode(b, o) })
	case *[]*When:
		return appendAll(b, *to, func(b []byte, w *When) []byte { return appendNode(b, w) })
	case *[]*Named:
		return appendAll(b, *to, func(b []byte, n *Named) []byte { return appendNode(b, n) })
	case one:
		return appendAll(b, []Expr{*to.expr}, appendExpr)
	case many:
		return appendAll(b, append([]Expr{*to.first}, *to.more...), appendExpr)
	case statement:
		return appendStatement(b, *to.query, to.rest)
	case orders:
		return appendOrders(b, *to.to)
	case modifiers:
		return to.write(b)
	case ctes:
		return appendCTEs(b, *to.to)
	default:
		panic(fmt.Sprintf("D2: no way to write a %T", p.to))
	}
}

// theirs is DuckDB's word for ours.
func (w word) theirs() string {
	for theirs, ours := range w.words {
		if ours == *w.to {
			return theirs
		}
	}
	return *w.to
}

func readSets(v value) ([][]int, error) {
	out := make([][]int, 0, len(v.elems))
	for _, e := range v.elems {
		set := make([]int, 0, len(e.elems))
		for _, i := range e.elems {
			n, ok := i.integer()
			if !ok {
				return nil, fmt.Errorf("%w: grouping set %s", errJSON, e.raw)
			}
			set = append(set, int(n))
		}
		out = append(out, set)
	}
	return out, nil
}

func appendSets(b []byte, sets [][]int) []byte {
	return appendAll(b, sets, func(b []byte, set []int) []byte {
		return appendAll(b, set, func(b []byte, i int) []byte { return fmt.Appendf(b, "%d", i) })
	})
}
