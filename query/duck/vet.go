package duck

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// use is a table that a statement reads and that no WITH of it names.
type use struct {
	catalog, schema, name string
	offset                int
}

// vetter walks the whole JSON of a statement, also what no Node names, and refuses what it does not know (D3, D4).
type vetter struct {
	functions *Functions
	text      string
	tables    []use
	scope     map[string]int // names of WITH that are seen here, in lower case, and how many tables each joins
	weight    weight
	err       *Error
}

// vet returns the tables that a statement reads, or why it may not run.
func vet(f *Functions, text string, v value) ([]use, error) {
	w := vetter{functions: f, text: text}
	w.value(v, -1)
	if w.err != nil {
		return nil, w.err
	}
	return w.tables, nil
}

func (w *vetter) refuse(e *Error, offset int) {
	if w.err == nil {
		w.err = e.at(w.text, offset)
	}
}

// value looks at anything. offset is the last position that was said.
func (w *vetter) value(v value, offset int) {
	if w.err != nil {
		return
	}
	for _, e := range v.elems {
		w.value(e, offset)
	}
	if v.kind() != '{' {
		return
	}
	if n, ok := v.get("query_location").integer(); ok {
		offset = int(n)
	}
	switch class, kind := v.get("class"), v.get("type"); {
	case class.kind() == '"':
		defer w.enter(class.text(), offset)()
		w.expression(v, class.text(), offset)
	case kind.kind() == '"' && strings.HasSuffix(kind.text(), "_NODE"):
		w.query(v, kind.text(), offset)
		return
	case kind.text() == "TABLE_FUNCTION":
		w.tableFunction(v.get("function"), offset)
		v = without(v, "function")
	case kind.kind() == '"':
		w.typed(v, kind.text(), offset)
	}
	w.fields(v, offset)
}

func (w *vetter) fields(v value, offset int) {
	for _, f := range v.fields {
		w.value(f.value, offset)
	}
}

func (w *vetter) expression(v value, class string, offset int) {
	if _, err := newExpr(class, ""); err != nil {
		w.refuse(&Error{Kind: KindRefused, Message: "an expression of the kind " + class + " is not allowed"}, offset)
		return
	}
	if class == "FUNCTION" || class == "WINDOW" {
		if err := w.functions.call(v.get("function_name").text(), false); err != nil {
			w.refuse(err, offset)
		}
	}
}

// typed looks at tables, modifiers and types, which all have a "type".
func (w *vetter) typed(v value, kind string, offset int) {
	switch kind {
	case "BASE_TABLE":
		w.table(v, offset)
	case "JOIN", "SUBQUERY", "EXPRESSION_LIST", "PIVOT", "EMPTY",
		"DISTINCT_MODIFIER", "ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER",
		"ORDER_DEFAULT", "ASCENDING", "DESCENDING":
	case "SHOW_REF":
		name := v.get("show_type").text()
		if name == "SUMMARY" {
			name = "SUMMARIZE"
		} else if name != "DESCRIBE" {
			name = "SHOW"
		}
		w.refuse(notSelect(name), 0)
	default:
		if !strings.HasSuffix(kind, "_TYPE_INFO") {
			w.refuse(&Error{Kind: KindRefused, Message: "a part of the kind " + kind + " is not allowed"}, offset)
		}
	}
}

// tableFunction looks at the call after FROM, whose name is of another list than that of a scalar function.
func (w *vetter) tableFunction(call value, offset int) {
	if call.get("class").text() != "FUNCTION" {
		w.refuse(&Error{Kind: KindRefused, Message: "only a function can be called after FROM"}, offset)
		return
	}
	if err := w.functions.call(call.get("function_name").text(), true); err != nil {
		w.refuse(err, offset)
	}
	w.fields(call, offset)
}

func (w *vetter) table(v value, offset int) {
	u := use{v.get("catalog_name").text(), v.get("schema_name").text(), v.get("table_name").text(), offset}
	if !v.get("at_clause").isNull() {
		w.refuse(&Error{Kind: KindRefused, Message: "AT after a table is not allowed"}, offset)
	}
	if _, ok := w.scope[strings.ToLower(u.name)]; ok && u.catalog == "" && u.schema == "" {
		return
	}
	if isFile(u.name) {
		w.refuse(&Error{
			Kind: KindRefused, Message: "reading the file '" + u.name + "' is not allowed",
			Hint: "only tables and cubes can be read",
		}, offset)
	}
	w.tables = append(w.tables, u)
}

// isFile reports whether DuckDB would take a table's name for that of a file.
func isFile(name string) bool {
	if strings.ContainsAny(name, "/\\*?") {
		return true
	}
	switch path.Ext(strings.ToLower(name)) {
	case ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".gz", ".zst", ".db", ".duckdb", ".txt", ".xlsx", ".avro":
		return true
	}
	return false
}

// query looks at a query in the scope of its WITH. A name is seen by what comes after it; by its own query only within
// the part that recurs.
func (w *vetter) query(v value, kind string, offset int) {
	ctes := v.get("cte_map").get("map").elems
	if w.weight.ctes += len(ctes); w.weight.ctes > maxWith {
		w.refuse(tooMany(w.weight.ctes, "queries in WITH", maxWith, limitHint), offset)
		return
	}
	if len(ctes) > 0 || kind == "RECURSIVE_CTE_NODE" {
		outer := w.scope
		defer func() { w.scope = outer }()
		w.scope = map[string]int{}
		maps.Copy(w.scope, outer)
	}
	for _, e := range ctes {
		w.value(e.get("value"), offset)
		w.scope[strings.ToLower(e.get("key").text())] = w.tablesOf(e.get("value").get("query").get("node"))
	}
	switch kind {
	case "SELECT_NODE":
		if n := w.joined(v.get("from_table")); n > maxJoined {
			w.refuse(&Error{Kind: KindRefused, Message: fmt.Sprintf("more than %d tables are joined", maxJoined), Hint: limitHint}, offset)
		}
	case "SET_OPERATION_NODE":
	case "RECURSIVE_CTE_NODE":
		w.value(v.get("left"), offset)
		w.scope[strings.ToLower(v.get("cte_name").text())] = 1
		w.value(v.get("right"), offset)
		v = without(v, "left", "right")
	default:
		w.refuse(&Error{Kind: KindRefused, Message: "a query of the kind " + kind + " is not allowed"}, offset)
	}
	w.fields(without(v, "cte_map"), offset)
}

func without(v value, names ...string) value {
	v.fields = slices.DeleteFunc(slices.Clone(v.fields), func(f field) bool { return slices.Contains(names, f.name) })
	return v
}

// notSelect refuses a statement by its first word. One that begins like a query is none further on.
func notSelect(word string) *Error {
	switch word {
	case "SELECT", "WITH", "FROM", "VALUES", "":
		word = "a statement that is no query"
	}
	return &Error{Kind: KindRefused, Message: word + " is not allowed", Hint: "only SELECT, WITH, VALUES and FROM can be asked"}
}
