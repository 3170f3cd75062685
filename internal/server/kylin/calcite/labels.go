package calcite

import (
	"fmt"
	"slices"
	"strings"
)

// label is how a column of the answer is called.
type label struct {
	name string
	star bool // not one column but those of a *
}

// Labels names the columns of the answer as Kylin does. names are those that DuckDB gives them.
func (s *Statement) Labels(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		if out[i] = n; !s.quoted[n] {
			out[i] = strings.ToUpper(n)
		}
	}
	stars := 0
	for _, l := range s.labels {
		if l.star {
			stars++
		}
	}
	if stars > 1 || stars == 0 && len(s.labels) != len(names) || len(s.labels)-stars > len(names) {
		return out
	}
	i := 0
	for _, l := range s.labels {
		if l.star {
			i = len(names) - (len(s.labels) - i - 1)
			continue
		}
		out[i] = l.name
		i++
	}
	return out
}

// main finds the SELECT that names the columns: the first that is in no brackets, else the first in those that are no WITH's. It
// reports whether there is one.
func (t *translator) main(ns []node) bool {
	for i := range ns {
		if ns[i].is("SELECT") {
			t.chief = &ns[i]
			return true
		}
	}
	for i := range ns {
		if ns[i].kind == group && (i == 0 || !ns[i-1].is("AS")) && t.main(ns[i].kids) {
			return true
		}
	}
	return false
}

// ends are the keywords that end a list of what is selected.
var ends = []string{"FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "QUALIFY", "ORDER", "LIMIT", "OFFSET", "FETCH", "UNION", "INTERSECT", "EXCEPT", "MINUS"}

// values are words that are a value, and operators those that want one behind them: neither is a column's name.
var (
	values    = []string{"NULL", "TRUE", "FALSE", "UNKNOWN", "END", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP"}
	operators = []string{
		"NOT", "AND", "OR", "IN", "LIKE", "ILIKE", "BETWEEN", "IS", "CASE", "WHEN", "THEN", "ELSE", "COLLATE", "SIMILAR", "TO", "ESCAPE", "DISTINCT", "FROM", "ALL", "ANY",
		"SOME", "OVER", "FILTER", "SYMMETRIC", "ASYMMETRIC",
	}
)

// oneOf reports whether a node is one of the keywords.
func oneOf(n *node, keywords []string) bool {
	return n.kind == word && slices.ContainsFunc(keywords, n.is)
}

// selected writes a list of what is selected, each item that Calcite calls EXPR$ and its position under that name, and returns how
// many nodes it has.
func (t *translator) selected(sel *node, ns []node) int {
	end := len(ns)
	for i := range ns {
		if oneOf(&ns[i], ends) && (i == 0 || !ns[i-1].is("WITHIN") && !ns[i-1].is("DISTINCT") && !ns[i-1].sign(".")) {
			end = i
			break
		}
	}
	from := 0
	for from < end && (oneOf(&ns[from], []string{"DISTINCT", "ALL", "STREAM", "ON"}) || from > 0 && ns[from-1].is("ON")) {
		t.one(&ns[from])
		from++
	}
	item := 0
	for at := from; at < end; item++ {
		stop := at
		for stop < end && !ns[stop].sign(",") {
			stop++
		}
		t.item(sel, ns[at:stop], item)
		if stop < end {
			t.one(&ns[stop])
		}
		at = stop + 1
	}
	return end
}

// item writes one item of a list.
func (t *translator) item(sel *node, ns []node, position int) {
	if len(ns) == 0 {
		return
	}
	l, kind := named(ns)
	if kind == unnamed {
		l.name = fmt.Sprintf("EXPR$%d", position)
	}
	if sel == t.chief {
		t.s.labels = append(t.s.labels, l)
	}
	last := &ns[len(ns)-1]
	if kind != implicit {
		t.sequence(ns)
		if kind == unnamed {
			t.put(" AS "+quote(l.name), last.at)
		}
		return
	}
	t.sequence(ns[:len(ns)-1])
	t.put(" AS", last.at) // with it DuckDB takes every word
	last.spaced = true
	t.one(last)
}

// naming says where the name of an item comes from.
type naming int

const (
	byItself naming = iota // a column, a star, or AS
	implicit               // a word behind it
	unnamed
)

// named says what an item is called.
func named(ns []node) (l label, by naming) {
	last := &ns[len(ns)-1]
	if len(ns) > 1 && ns[len(ns)-2].is("AS") && last.isName() {
		return label{name: last.label()}, byItself
	}
	chain := len(ns)%2 == 1
	for i := range ns {
		dot := i%2 == 1
		chain = chain && (dot && ns[i].sign(".") || !dot && (ns[i].isName() || i == len(ns)-1 && ns[i].sign("*")))
	}
	switch {
	case chain && last.kind == sign:
		return label{star: true}, byItself
	case chain && !oneOf(last, values):
		return label{name: last.label()}, byItself
	case len(ns) > 1 && last.isName() && !oneOf(last, values) && operand(ns[:len(ns)-1]):
		return label{name: last.label()}, implicit
	}
	return label{}, unnamed
}

// operand reports whether an expression may end with the nodes.
func operand(ns []node) bool {
	last := &ns[len(ns)-1]
	if last.kind == text && len(ns) > 1 && ns[len(ns)-2].is("INTERVAL") || last.kind == sign {
		return false // INTERVAL '1' DAY
	}
	return !oneOf(last, operators)
}
