package duck

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Statement is a statement that may run (D3). Its tree must not be changed: Clone it first.
type Statement struct {
	Query  Query
	Text   string   // SQL
	Params []string // names of its parameters, "1" of the first ? or $1; in order
	uses   []use
	origin []origin // where the parts of Text stood in the text of the user, by ascending position; nil: at the same place
}

// maxCompiledBytes is the size of a tree's JSON up to which its statement is kept: those of all together stay below 32 MiB
// with the default of Options.Compiled.
const maxCompiledBytes = 64 << 10

// origin tells that what stands at byte at comes from byte from.
type origin struct{ at, from int }

// Parse reads one SELECT statement, also one that begins with WITH, VALUES or FROM. Anything else, and what would reach
// beyond the tables that are handed to Query, is an *Error. Whether tables and columns exist is not looked at.
func (db *DB) Parse(ctx context.Context, sql string) (*Statement, error) {
	if err := db.readable(sql); err != nil {
		return nil, err
	}
	c, err := db.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer db.release(c, false)
	return db.parse(c, sql)
}

// Tree reads one SELECT statement as Parse does, without looking at what it calls and reads: only Compile makes a statement of it
// that may run (D1).
func (db *DB) Tree(ctx context.Context, sql string) (Query, error) {
	if err := db.readable(sql); err != nil {
		return nil, err
	}
	c, err := db.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer db.release(c, false)
	v, err := db.single(c, sql)
	if err != nil {
		return nil, err
	}
	var beside rest
	q, err := readStatement(v, &beside)
	if err != nil {
		return nil, &Error{Kind: KindRefused, Message: "a part of the statement is not known: " + err.Error(), Offset: -1}
	}
	return q, nil
}

// readable refuses text that DuckDB would read otherwise than we do.
func (db *DB) readable(sql string) error {
	if len(sql) > db.opts.MaxTextBytes {
		return (&Error{
			Kind: KindRefused, Message: fmt.Sprintf("the statement has %d bytes, at most %d", len(sql), db.opts.MaxTextBytes),
			Hint: "send less, or raise query.sql_bytes",
		}).at(sql, 0)
	}
	if err := countable(sql); err != nil {
		return err
	}
	if i := strings.IndexByte(sql, 0); i >= 0 {
		return (&Error{Kind: KindParser, Message: "a zero byte"}).at(sql, i)
	}
	for i, r := range sql {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(sql[i:]); n == 1 {
				return (&Error{Kind: KindParser, Message: "bytes that are not UTF-8"}).at(sql, i)
			}
		}
	}
	return nil
}

// single reads the JSON of the only statement of a text.
func (db *DB) single(c *conn, sql string) (value, error) {
	v, err := c.tree(sql)
	if err != nil {
		return value{}, err
	}
	switch n := len(v.elems); {
	case n == 0:
		return value{}, (&Error{Kind: KindParser, Message: "no statement", Hint: "write a SELECT"}).at(sql, 0)
	case n > 1:
		return value{}, (&Error{Kind: KindRefused, Message: "several statements are not allowed", Hint: "send one at a time"}).
			at(sql, secondStatement(v.elems[1]))
	}
	return v.elems[0], nil
}

func (db *DB) parse(c *conn, sql string) (*Statement, error) {
	v, err := db.single(c, sql)
	if err != nil {
		return nil, err
	}
	s := &Statement{Text: sql}
	if s.uses, err = vet(db.functions, sql, v); err != nil {
		return nil, err
	}
	var beside rest
	if s.Query, err = readStatement(v, &beside); err != nil {
		return nil, &Error{Kind: KindInternal, Message: "read the tree: " + err.Error(), Offset: -1}
	}
	for _, f := range beside.fields {
		if f.name == "named_param_map" {
			s.Params = paramNames(f.value)
		}
	}
	return s, nil
}

// tree turns text into DuckDB's JSON of its statements.
func (c *conn) tree(sql string) (value, error) {
	out, err := c.serialize.scalar(sql)
	if err != nil {
		c.engine.db.check(context.Background(), c, err)
		return value{}, err
	}
	v, err := parseJSON(out)
	if err != nil {
		return value{}, &Error{Kind: KindInternal, Message: err.Error(), Offset: -1}
	}
	if !v.get("error").isTrue() {
		return v.get("statements"), nil
	}
	e := &Error{Kind: v.get("error_type").text(), Message: v.get("error_message").text()}
	if strings.HasPrefix(e.Message, "Only SELECT statements can be serialized") {
		word, at := firstWord(sql)
		return value{}, notSelect(word).at(sql, at)
	}
	at := position(v)
	if v.get("error_subtype").text() == "SYNTAX_ERROR" {
		at = characters(sql, at)
	}
	return value{}, e.split().at(sql, at)
}

// characters turns a number of characters, in which the parser counts where it fails, into one of bytes.
func characters(text string, n int) int {
	for i := range text {
		if n == 0 {
			return i
		}
		n--
	}
	if n == 0 {
		return len(text)
	}
	return -1
}

// secondStatement is the first position said in it.
func secondStatement(v value) int {
	if n, ok := v.get("query_location").integer(); ok {
		return int(n)
	}
	for _, f := range v.fields {
		if at := secondStatement(f.value); at >= 0 {
			return at
		}
	}
	for _, e := range v.elems {
		if at := secondStatement(e); at >= 0 {
			return at
		}
	}
	return -1
}

func paramNames(v value) []string {
	out := make([]string, 0, len(v.elems))
	for _, e := range v.elems {
		out = append(out, e.get("key").text())
	}
	slices.SortFunc(out, func(a, b string) int {
		if len(a) != len(b) && a[0] <= '9' && b[0] <= '9' {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return out
}

// firstWord is the word that a statement begins with, in capitals, and where; comments and brackets do not count.
func firstWord(sql string) (string, int) {
	at := 0
	for at < len(sql) {
		rest := sql[at:]
		switch {
		case strings.HasPrefix(rest, "--"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				return "", 0
			}
			at += end + 1
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest, "*/")
			if end < 0 {
				return "", 0
			}
			at += end + 2
		case strings.ContainsRune(" \t\r\n\f\v;(", rune(rest[0])):
			at++
		default:
			end := strings.IndexFunc(rest, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_' })
			if end < 0 {
				end = len(rest)
			}
			if end == 0 || end > 32 {
				return "", at
			}
			return strings.ToUpper(rest[:end]), at
		}
	}
	return "", 0
}

// Text writes a query or an expression as SQL.
func (db *DB) Text(ctx context.Context, n Node) (string, error) {
	const before = "SELECT "
	q, ok := n.(Query)
	if e, is := n.(Expr); is {
		q = &Select{Items: []Expr{e}}
	} else if !ok {
		return "", fmt.Errorf("a %T is no SQL by itself", n)
	}
	c, err := db.acquire(ctx)
	if err != nil {
		return "", err
	}
	defer db.release(c, false)
	sql, err := c.text(statementJSON(sayable(q)))
	if !ok {
		sql = strings.TrimPrefix(sql, before)
	}
	return sql, err
}

// sayable returns q, or a copy without constants that DuckDB's SQL does not say: a DOUBLE is written as a DECIMAL, and an
// infinite one not at all. They become casts of text.
func sayable(q Query) Query {
	double := func(n Node) bool {
		c, ok := n.(*Constant)
		return ok && (c.Value.Type.Name == "DOUBLE" || c.Value.Type.Name == "FLOAT")
	}
	found := false
	Walk(q, func(n Node) bool {
		found = found || double(n)
		return !found
	})
	if !found {
		return q
	}
	return Rewrite(Clone(q), func(n Node) Node {
		if !double(n) {
			return n
		}
		c := n.(*Constant)
		text := NewConstant(strings.TrimSuffix(c.Value.raw, ".0"))
		return &Cast{Head: Head{As: c.As, Offset: c.Offset}, X: text, To: c.Value.Type}
	})
}

// statementJSON is what json_deserialize_sql reads.
func statementJSON(q Query) string {
	b := append([]byte(nil), `{"error":false,"statements":[{"node":`...)
	return string(append(appendNode(b, q), `,"named_param_map":[]}]}`...))
}

func (c *conn) text(js string) (string, error) {
	sql, err := c.deserialize.scalar(js)
	if err != nil {
		c.engine.db.check(context.Background(), c, err)
		return "", &Error{Kind: KindInternal, Message: "write the tree as SQL: " + err.Error(), Offset: -1}
	}
	return sql, nil
}

// Compile makes a statement of a tree. The tree is written as SQL, and that is read again and must be the same tree: DuckDB
// has been seen to leave out quotes (D3). Positions in errors of the statement are those of the nodes of q, so that they
// point into the text that the user wrote. The last Options.Compiled statements are kept.
func (db *DB) Compile(ctx context.Context, q Query) (*Statement, error) {
	q = numbered(sayable(q))
	key := statementJSON(q)
	db.mu.Lock()
	s := db.compiled[key]
	db.mu.Unlock()
	if s != nil {
		return s, nil
	}
	c, err := db.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer db.release(c, false)
	sql, err := c.text(key)
	if err != nil {
		return nil, err
	}
	if s, err = db.parse(c, sql); err != nil {
		return nil, err
	}
	if !(comparer{strict: true}).nodes(q, s.Query) {
		return nil, &Error{Kind: KindInternal, Message: "the tree has no SQL that says the same; it was written as: " + sql, Offset: -1}
	}
	s.origin = origins(q, s.Query)
	db.mu.Lock()
	defer db.mu.Unlock()
	if len(key) > maxCompiledBytes {
		return s, nil
	}
	if len(db.compiled) >= db.opts.Compiled {
		clear(db.compiled) // all at once: what is in use comes back
	}
	db.compiled[key] = s
	return s, nil
}

// origins pairs the positions of two trees of one shape: in the SQL as it was written, and as q has them.
func origins(q, written Query) []origin {
	list := func(n Node) (out []int) {
		Walk(n, func(n Node) bool {
			if h, ok := n.(interface{ Pos() int }); ok {
				out = append(out, h.Pos())
			}
			return true
		})
		return out
	}
	from, at := list(q), list(written)
	out := []origin{}
	if len(from) != len(at) {
		return out // a constant has become a cast: no position is better than a wrong one
	}
	for i := range at {
		if at[i] >= 0 {
			out = append(out, origin{at[i], from[i]})
		}
	}
	slices.SortStableFunc(out, func(a, b origin) int { return a.at - b.at })
	return out
}

// locate moves an error from the statement's text to the text of the user, which it does not know: Error.In does the rest.
func (s *Statement) locate(err error) error {
	e, ok := err.(*Error)
	if !ok || s.origin == nil {
		return err
	}
	i, _ := slices.BinarySearchFunc(s.origin, e.Offset+1, func(o origin, at int) int { return o.at - at })
	out := *e
	out.Offset, out.Line, out.Column = -1, 0, 0
	if e.Offset >= 0 && i > 0 {
		out.Offset = s.origin[i-1].from
	}
	return &out
}
