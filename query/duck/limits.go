package duck

import (
	"fmt"
	"strings"
)

// Limits of a statement. DuckDB cannot be stopped while it parses and plans, and the time that it takes for that grows
// faster than the statement: with the square of AND and UNION, exponentially with subqueries in subqueries (20 levels take
// half a second, 24 ten). Each limit keeps what it bounds well under a second.
const (
	maxConditions       = 4_000 // words AND and OR in the text, BETWEEN's included
	maxUnions           = 1_000 // words UNION
	maxDifferences      = 100   // words EXCEPT and INTERSECT
	maxComments         = 1_000 // that begin with /*
	maxNesting          = 100   // expressions in each other
	maxSubqueries       = 64    // in expressions
	maxSubqueryNesting  = 8     // of those and of lambdas in each other
	maxJoined           = 50    // tables that are joined, those of queries in FROM and of WITH included
	freeNesting         = 20    // levels that cost nothing
	maxNestingWork      = 2_000_000
	maxWith             = 1_000 // queries with a name
	limitHint           = "split it, or keep an intermediate result"
	limitHintConditions = "use IN"
)

// countable refuses text that the parser would take too long for. It counts words wherever they stand, also within
// strings, so that no trick of quoting hides them.
func countable(sql string) error {
	n := map[string]int{}
	for at := 0; at < len(sql); {
		if !isLetter(sql[at]) {
			if strings.HasPrefix(sql[at:], "/*") {
				n["/*"]++
			}
			at++
			continue
		}
		end := at + 1
		for end < len(sql) && isLetter(sql[end]) {
			end++
		}
		if end-at <= len("INTERSECT") {
			switch word := strings.ToUpper(sql[at:end]); word {
			case "AND", "OR", "UNION", "EXCEPT", "INTERSECT":
				n[word]++
			}
		}
		at = end
	}
	for _, l := range []struct {
		got, most  int
		what, hint string
	}{
		{n["AND"] + n["OR"], maxConditions, "AND and OR", limitHintConditions},
		{n["UNION"], maxUnions, "UNION", limitHint},
		{n["EXCEPT"] + n["INTERSECT"], maxDifferences, "EXCEPT and INTERSECT", limitHint},
		{n["/*"], maxComments, "comments", limitHint},
	} {
		if l.got > l.most {
			return tooMany(l.got, l.what, l.most, l.hint).at(sql, 0)
		}
	}
	return nil
}

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c >= 0x80
}

func tooMany(got int, what string, most int, hint string) *Error {
	return &Error{Kind: KindRefused, Message: fmt.Sprintf("the statement has %d %s, at most %d", got, what, most), Hint: hint}
}

// weight is what a statement has of what DuckDB plans slowly.
type weight struct {
	depth, subqueries, subqueryDepth, ctes, work int
}

// enter counts an expression, and returns what takes it off the depth again.
func (w *vetter) enter(class string, offset int) func() {
	inner := 0
	if class == "SUBQUERY" || class == "LAMBDA" {
		inner = 1
	}
	n := &w.weight
	n.depth++
	n.subqueryDepth += inner
	if class == "SUBQUERY" {
		n.subqueries++
	}
	if over := n.depth - freeNesting; over > 0 {
		n.work += over * over
	}
	switch {
	case n.depth > maxNesting:
		w.refuse(tooDeep("expressions", maxNesting), offset)
	case n.subqueryDepth > maxSubqueryNesting:
		w.refuse(tooDeep("subqueries and lambdas", maxSubqueryNesting), offset)
	case n.subqueries > maxSubqueries:
		w.refuse(tooMany(n.subqueries, "subqueries in expressions", maxSubqueries, limitHint), offset)
	case n.work > maxNestingWork:
		w.refuse(&Error{Kind: KindRefused, Message: "the statement has too many deeply nested expressions", Hint: limitHint}, offset)
	}
	return func() {
		n.depth--
		n.subqueryDepth -= inner
	}
}

func tooDeep(what string, most int) *Error {
	return &Error{Kind: KindRefused, Message: fmt.Sprintf("%s are nested more than %d deep", what, most), Hint: limitHint}
}

// joined counts the tables that DuckDB may join in one go: it puts queries in FROM, and those of WITH, in their place.
func (w *vetter) joined(from value) int {
	switch from.get("type").text() {
	case "JOIN":
		return min(w.joined(from.get("left"))+w.joined(from.get("right")), maxJoined+1)
	case "SUBQUERY":
		return w.tablesOf(from.get("subquery").get("node"))
	case "PIVOT":
		return w.joined(from.get("source"))
	case "BASE_TABLE":
		if n, ok := w.scope[strings.ToLower(from.get("table_name").text())]; ok && from.get("schema_name").text() == "" {
			return n
		}
	}
	return 1
}

// tablesOf counts the tables that a query joins; the sides of a set operation are each for themselves.
func (w *vetter) tablesOf(node value) int {
	switch node.get("type").text() {
	case "SELECT_NODE":
		if len(node.get("cte_map").get("map").elems) > 0 {
			return 1 // its names are not known here; query counts it
		}
		return w.joined(node.get("from_table"))
	case "SET_OPERATION_NODE":
		return max(w.tablesOf(node.get("left")), w.tablesOf(node.get("right")))
	}
	return 1
}
