package pgcatalog

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/server/pgwire/lexer"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/duck"
)

//go:embed functions.txt
var functionsText string

// readFunctions reads the list that is built in.
func readFunctions(ctx context.Context, db *duck.DB) (map[string]duck.Expr, error) {
	out := map[string]duck.Expr{}
	for line := range strings.Lines(functionsText) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, text, ok := strings.Cut(line, " = ")
		if !ok {
			return nil, fmt.Errorf("functions.txt: %q", line)
		}
		if text == ":format_type" {
			text = formatType()
		}
		if word, ok := strings.CutPrefix(text, ":"); ok {
			out[name] = &duck.Param{Name: ":" + word}
			continue
		}
		q, err := db.Tree(ctx, "SELECT "+text)
		if err != nil {
			return nil, fmt.Errorf("functions.txt: %s: %w", name, err)
		}
		out[name] = q.(*duck.Select).Items[0]
	}
	return out, nil
}

// rewritten is a question that DuckDB can answer.
type rewritten struct {
	db     *duck.DB
	stmt   *duck.Statement
	tables []duck.Table
}

// rewriter rewrites one question.
type rewriter struct {
	w      *world
	values map[string]any
	bound  bool
	ctes   map[string]bool
	used   map[string]bool
	err    error
}

// rewrite reads a question, and writes it as one over tables that are handed in. bound: values are those of its parameters.
func (c *Catalog) rewrite(ctx context.Context, q Question, values []any, bound bool) (*rewritten, error) {
	db, err := c.duck(ctx)
	if err != nil {
		return nil, err
	}
	root, err := db.Tree(ctx, blanked(q.SQL, q.Tokens))
	if err != nil {
		return nil, err
	}
	all, err := c.o.Relations(ctx, q.Project)
	if err != nil {
		return nil, err
	}
	projects, err := c.o.Projects(ctx)
	if err != nil {
		return nil, err
	}
	r := &rewriter{w: newWorld(c, q, all, projects), values: map[string]any{}, bound: bound, ctes: map[string]bool{}, used: map[string]bool{}}
	for i, no := range (lexer.Statement{Tokens: q.Tokens}).Params() {
		if i < len(values) {
			r.values[strconv.Itoa(no)] = values[i]
		}
	}
	duck.Walk(root, func(n duck.Node) bool {
		switch n := n.(type) {
		case *duck.CTE:
			r.ctes[strings.ToLower(n.Name)] = true
		case *duck.RecursiveCTE:
			r.ctes[strings.ToLower(n.Name)] = true
		}
		return true
	})
	named(root)
	root = duck.Rewrite(root, r.node)
	if r.err != nil {
		return nil, r.err
	}
	out := &rewritten{db: db}
	if out.stmt, err = db.Compile(ctx, root); err != nil {
		return nil, err
	}
	for name := range r.used {
		t, err := c.tables[name].handed(r.w.rows(name))
		if err != nil {
			return nil, err
		}
		out.tables = append(out.tables, t)
	}
	return out, nil
}

// named gives the columns of a question the names that PostgreSQL gives them: those of functions and types.
func named(q duck.Query) {
	s, ok := q.(*duck.Select)
	if !ok {
		return
	}
	for _, e := range s.Items {
		if e.Alias() != "" {
			continue
		}
		switch x := e.(type) {
		case *duck.Function:
			if !x.IsOperator && x.Name != "count_star" {
				x.As = x.Name
			} else if x.Name == "count_star" {
				x.As = "count"
			}
		case *duck.Column:
			if len(x.Names) == 1 {
				x.As = x.Names[0]
			}
		case *duck.Cast:
			if c, ok := x.X.(*duck.Column); ok {
				x.As = c.Names[len(c.Names)-1]
			} else if x.To.User() != "" {
				x.As = x.To.User()
			}
		case *duck.Case:
			x.As = "case"
		}
	}
}

// blanked overwrites what DuckDB's parser does not take with spaces (G4): pg_catalog before a name, OPERATOR(...) around an operator,
// COLLATE and what follows it.
func blanked(sql string, tokens []lexer.Token) string {
	b := []byte(sql)
	blank := func(from, to int) {
		for i := from; i < to; i++ {
			b[i] = ' '
		}
	}
	at := func(i int) lexer.Token {
		if i < len(tokens) {
			return tokens[i]
		}
		return lexer.Token{Kind: lexer.Sign}
	}
	for i, t := range tokens {
		switch {
		case t.Is("pg_catalog") && at(i+1).Is("."):
			blank(t.From, at(i+1).To)
		case t.Is("operator") && at(i+1).Is("("):
			blank(t.From, at(i+1).To)
			for k := i + 2; k < len(tokens); k++ {
				if at(k).Is(")") {
					blank(at(k).From, at(k).To)
					break
				}
			}
		case t.Is("collate"):
			end := i + 1
			if at(i + 2).Is(".") {
				end = i + 3
			}
			blank(t.From, max(t.To, at(end).To))
		}
	}
	return string(b)
}

// node rewrites one, after those below it.
func (r *rewriter) node(n duck.Node) duck.Node {
	switch x := n.(type) {
	case *duck.TableRef:
		return r.table(x)
	case *duck.TableFunction:
		return r.tableFunction(x)
	case *duck.Function:
		return r.function(x)
	case *duck.Cast:
		return r.cast(x)
	case *duck.Column:
		if len(x.Names) == 1 {
			if e := r.session(strings.ToLower(x.Names[0])); e != nil {
				e.SetAlias(x.As)
				return e
			}
		}
	case *duck.Param:
		return r.param(x)
	}
	return n
}

func (r *rewriter) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// table finds one of the catalog. Any other makes the statement none of ours.
func (r *rewriter) table(x *duck.TableRef) duck.Node {
	name := strings.ToLower(x.Name)
	if strings.HasPrefix(name, "__tm_") { // of an expression that stands for a function
		r.used[strings.TrimPrefix(name, "__tm_")] = true
		return x
	}
	schema := strings.ToLower(x.Schema)
	if schema == "" && r.ctes[name] {
		return x
	}
	full := name
	if schema == "information_schema" {
		full = schema + "." + name
	}
	if r.w.c.tables[full] == nil || schema != "" && schema != "information_schema" {
		if strings.HasPrefix(name, "pg_") || schema == "information_schema" {
			r.fail(unknown(duck.KindCatalog, x.Pos(), "there is no table %q in the catalog", full))
		} else {
			r.fail(ErrOther)
		}
		return x
	}
	r.used[full] = true
	if x.As == "" {
		x.As = x.Name
	}
	x.Catalog, x.Schema, x.Name = "", "", internalName(full)
	return x
}

func (r *rewriter) tableFunction(x *duck.TableFunction) duck.Node {
	f, ok := x.Call.(*duck.Function)
	if !ok {
		return x
	}
	if r.w.c.tables[f.Name] == nil {
		if x.As != "" && len(x.Columns) == 0 { // the name of a function is that of its only column
			x.Columns = []string{x.As}
		}
		return x
	}
	r.used[f.Name] = true
	ref := &duck.TableRef{Name: internalName(f.Name), Columns: x.Columns}
	if ref.As = x.As; ref.As == "" {
		ref.As = f.Name
	}
	return ref
}

// param puts a value in the place of a parameter; without values it is one of its type.
func (r *rewriter) param(x *duck.Param) duck.Node {
	if !r.bound {
		if t := r.w.q.Types[x.Name]; t != "" {
			return &duck.Cast{Head: duck.Head{As: x.As}, X: &duck.Param{Name: x.Name}, To: duck.NewType(t)}
		}
		return x
	}
	e, err := query.Literal(r.values[x.Name])
	if err != nil {
		r.fail(err)
		return x
	}
	e.SetAlias(x.As)
	return e
}

// session are values of the session; nil for any other name.
func (r *rewriter) session(name string) duck.Expr {
	q := &r.w.q
	switch name {
	case "current_user", "session_user", "current_role", ":user":
		return duck.NewConstant(q.User)
	case "current_catalog", ":database":
		return duck.NewConstant(q.Database)
	case "current_schema":
		return duck.NewConstant("public")
	case ":version":
		return duck.NewConstant("PostgreSQL 15.0 (tidemark " + r.w.c.o.Version + ")")
	case ":pid":
		return duck.NewConstant(q.PID)
	}
	return nil
}
