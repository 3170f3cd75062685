package pgcatalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tidemarkdb/tidemark/internal/server/pgwire/lexer"
	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/plan"
)

// ErrOther says that a statement reads more than the catalog: it is not for this package.
var ErrOther = errors.New("the statement reads tables besides the catalog")

// Options configure a Catalog.
type Options struct {
	Version   string                                                              // of tidemark
	Relations func(ctx context.Context, project string) ([]*plan.Relation, error) // what a project has; required
	Projects  func(ctx context.Context) ([]string, error)                         // required
	Logger    *slog.Logger                                                        // default: discard
}

// memoryBytes, threads and connections are those of the DuckDB that answers: its tables are small.
const (
	memoryBytes = 128 << 20
	threads     = 1
	connections = 4
)

// Catalog answers questions about the catalog. It may be used by any number of goroutines at once. Close it.
type Catalog struct {
	o        Options
	tables   map[string]*table
	own      map[string]int64 // numbers of the tables of pg_catalog
	ownNames []string

	mu        sync.Mutex
	db        *duck.DB // nil before the first question
	closed    bool
	functions map[string]duck.Expr // by name/arguments
}

// New returns a Catalog. DuckDB is started with the first question.
func New(o Options) (*Catalog, error) {
	if o.Relations == nil || o.Projects == nil {
		return nil, errors.New("pgcatalog: relations and projects are needed")
	}
	c := &Catalog{o: o, tables: readTables(), own: map[string]int64{}}
	var rest []string
	for name := range c.tables {
		if strings.Contains(name, ".") {
			continue
		}
		c.ownNames = append(c.ownNames, name)
		if oid, ok := wellKnown[name]; ok {
			c.own[name] = oid
		} else {
			rest = append(rest, name)
		}
	}
	slices.Sort(c.ownNames)
	for name, oid := range oidsOf(rest) {
		c.own[name] = oid
	}
	return c, nil
}

// Close waits for questions that are being answered.
func (c *Catalog) Close() error {
	c.mu.Lock()
	db := c.db
	c.closed = true
	c.mu.Unlock()
	if db == nil {
		return nil
	}
	return db.Close()
}

// duck returns the DuckDB, with the functions read by it.
func (c *Catalog) duck(ctx context.Context) (*duck.DB, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errors.New("the catalog is closed")
	}
	if c.db != nil {
		return c.db, nil
	}
	db, err := duck.Open(duck.Options{MemoryBytes: memoryBytes, Threads: threads, MaxConns: connections, Logger: c.o.Logger})
	if err != nil {
		return nil, err
	}
	if c.functions, err = readFunctions(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	c.db = db
	return db, nil
}

// Question is a statement about the catalog, and who asks it.
type Question struct {
	SQL                     string
	Tokens                  []lexer.Token
	Types                   map[string]string // of the parameters whose type is known, by number
	User, Database, Project string
	PID                     int64
	Settings                []string                                  // names, for pg_settings
	Setting                 func(name string) (value string, ok bool) // of the session
}

// Query answers a question; values are those of its parameters in the order of their numbers. ErrOther: it is none. What is wrong
// with it is a *duck.Error.
func (c *Catalog) Query(ctx context.Context, q Question, values []any) (*duck.Rows, error) {
	r, err := c.rewrite(ctx, q, values, true)
	if err != nil {
		return nil, err
	}
	rows, err := r.db.Query(ctx, r.stmt, r.tables)
	return rows, err
}

// Describe says what a question takes, by number of the parameter, and answers with.
func (c *Catalog) Describe(ctx context.Context, q Question) (*arrow.Schema, map[string]string, error) {
	r, err := c.rewrite(ctx, q, nil, false)
	if err != nil {
		return nil, nil, err
	}
	schema, params, err := r.db.Signature(ctx, r.stmt, r.tables)
	if err != nil {
		return nil, nil, err
	}
	types := map[string]string{}
	for i, name := range r.stmt.Params {
		if types[name] = q.Types[name]; types[name] == "" {
			types[name] = params[i]
		}
	}
	return schema, types, nil
}

// sessionWords are functions and words that tell of the session. Those with a bracket are functions only.
var sessionWords = []string{
	"current_schema", "current_database(", "current_catalog", "current_user", "session_user", "current_role", "version(", "current_schemas(", "current_setting(",
	"set_config(", "to_regclass(", "to_regtype(", "to_regproc(", "to_regnamespace(", "to_regrole(", "format_type(", "obj_description(", "col_description(", "shobj_description(",
	"has_table_privilege(", "has_schema_privilege(", "has_database_privilege(", "has_column_privilege(", "has_any_column_privilege(", "txid_current(",
	"inet_server_addr(", "inet_server_port(", "inet_client_addr(", "quote_ident(", "clock_timestamp(", "statement_timestamp(", "timeofday(", "getdatabaseencoding(",
}

// Wanted reports whether a statement may be about the catalog.
func Wanted(tokens []lexer.Token) bool {
	for i, t := range tokens {
		if t.Kind != lexer.Word && t.Kind != lexer.Name {
			continue
		}
		switch {
		case strings.HasPrefix(t.Value, "pg_"), t.Value == "information_schema",
			t.Kind == lexer.Word && strings.HasPrefix(t.Value, "reg") && i > 0 && tokens[i-1].Is("::"):
			return true
		}
		if t.Kind == lexer.Word && (slices.Contains(sessionWords, t.Value) || i+1 < len(tokens) && tokens[i+1].Is("(") && slices.Contains(sessionWords, t.Value+"(")) {
			return true
		}
	}
	return false
}

// unknown complains about what the catalog has not.
func unknown(kind string, offset int, format string, args ...any) error {
	return &duck.Error{Kind: kind, Message: fmt.Sprintf(format, args...), Offset: offset}
}
