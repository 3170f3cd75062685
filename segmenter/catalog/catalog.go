package catalog

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Catalog is an open catalog database. It is safe for concurrent use, and several processes may have one open.
type Catalog struct {
	opts      Options
	id        string
	w         *sql.DB // changes; SQLite: one connection
	r         *sql.DB // reads; PostgreSQL: the same as w
	forUpdate string  // locks the row of alias p until the transaction ends; SQLite has one writer and needs none
	calls     atomic.Int64
	pageRows  int // ledgerPage but in tests
	pageBytes int // ledgerPageBytes but in tests

	// onStatement is nil but in tests: it is called before every statement and before the commit of a change.
	onStatement func(query string) error

	kept sync.Map // *sql.Stmt by text: what ask has read before is not parsed again
}

// Open opens a catalog: "postgres://..." or "postgresql://...", else the path of a SQLite file, which is made where its
// folder exists. It migrates the schema to this program's version; a catalog of a newer one is a *NewerVersionError.
func Open(ctx context.Context, dsn string, o Options) (*Catalog, error) {
	if err := o.validateDSN(dsn); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("catalog options: %w", err)
	}
	open := openSQLite
	if isPostgres(dsn) {
		open = openPostgres
	}
	c, err := open(dsn, o)
	if err != nil {
		return nil, err
	}
	c.pageRows, c.pageBytes = ledgerPage, ledgerPageBytes
	if err := c.prepare(ctx); err != nil {
		if !isPostgres(dsn) {
			err = fmt.Errorf("%s: %w", dsn, err) // of a server the error itself says which
		}
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// prepare migrates the schema and gives a new catalog its id.
func (c *Catalog) prepare(ctx context.Context) error {
	if err := c.migrate(ctx); err != nil {
		return err
	}
	return c.write(ctx, "open", func(t *tx) error {
		if _, err := t.exec(`INSERT INTO catalog (one, id, revision, next_id, created_us) VALUES (1, $1, 1, 1, $2)
			ON CONFLICT DO NOTHING`, newID(16), now()); err != nil {
			return err
		}
		return t.row(`SELECT id FROM catalog WHERE one = 1`).Scan(&c.id)
	})
}

// ID returns the catalog's own id, which never changes: a store holds it and refuses another catalog.
func (c *Catalog) ID() string { return c.id }

// Calls returns how many transactions this process has begun since Open: what a pass over many cubes costs shows in it.
func (c *Catalog) Calls() int64 { return c.calls.Load() }

// Close closes all connections. Calls under way fail.
func (c *Catalog) Close() error {
	if c.r == c.w {
		return c.w.Close()
	}
	return errors.Join(c.r.Close(), c.w.Close())
}

// Ping asks the database for a sign of life.
func (c *Catalog) Ping(ctx context.Context) error {
	return c.read(ctx, "ping", func(t *tx) error {
		var one int
		return t.row(`SELECT one FROM catalog`).Scan(&one)
	})
}

// DefinitionsRevision returns what Revision and CubesRevision do. Each statement over a table begins with it.
func (c *Catalog) DefinitionsRevision(ctx context.Context) (tables, cubes int64, err error) {
	err = c.ask(ctx, "read revisions", func(t *tx) error {
		return t.row(`SELECT revision, cubes_revision FROM catalog WHERE one = 1`).Scan(&tables, &cubes)
	})
	return tables, cubes, err
}

// Revision returns a number that changes with every change of a project, table, table state, lookup table or request, and with every
// change that takes a partition from its owner (replace, prepend, skip). One row is read: cheap to poll.
func (c *Catalog) Revision(ctx context.Context) (rev int64, err error) {
	err = c.read(ctx, "read revision", func(t *tx) error {
		return t.row(`SELECT revision FROM catalog WHERE one = 1`).Scan(&rev)
	})
	return rev, err
}

// tx is one transaction: the same statements for both databases.
type tx struct {
	c   *Catalog
	ctx context.Context // ends with the call; a tx never outlives it
	sql statements
	at  instant // once it has changed what is committed
}

// statements are run by a transaction, or each by itself.
type statements interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// keeping runs single statements, of which each text is parsed once for a connection.
type keeping struct{ c *Catalog }

func (k keeping) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := k.c.kept.Load(query); ok {
		return s.(*sql.Stmt), nil
	}
	s, err := k.c.r.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if first, others := k.c.kept.LoadOrStore(query, s); others {
		return first.(*sql.Stmt), s.Close()
	}
	return s, nil
}

func (k keeping) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := k.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

func (k keeping) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := k.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// QueryRowContext leaves it to the database to say what is wrong with a statement.
func (k keeping) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := k.statement(ctx, query)
	if err != nil {
		return k.c.r.QueryRowContext(ctx, query, args...)
	}
	return s.QueryRowContext(ctx, args...)
}

// write runs f in one transaction that may change rows. f may lock; it must not keep t.
func (c *Catalog) write(ctx context.Context, what string, f func(t *tx) error) error {
	call, cancel := context.WithTimeout(ctx, c.opts.CallTimeout)
	defer cancel()
	return wrap(ctx, what, c.run(call, c.w, nil, f))
}

// read runs f in one transaction that sees one state of the catalog (C2).
func (c *Catalog) read(ctx context.Context, what string, f func(t *tx) error) error {
	call, cancel := context.WithTimeout(ctx, c.opts.CallTimeout)
	defer cancel()
	return wrap(ctx, what, c.run(call, c.r, c.snapshot(), f))
}

// ask runs f, which makes one statement, without a transaction: that is a third of the way to the database.
func (c *Catalog) ask(ctx context.Context, what string, f func(t *tx) error) error {
	call, cancel := context.WithTimeout(ctx, c.opts.CallTimeout)
	defer cancel()
	c.calls.Add(1)
	err := c.fault(false)
	if err == nil {
		err = f(&tx{c: c, ctx: call, sql: keeping{c}})
	}
	if err == nil {
		err = c.fault(true)
	}
	return wrap(ctx, what, err)
}

// scan is read with the time limit of long iterations. It holds one connection while f runs.
func (c *Catalog) scan(ctx context.Context, what string, f func(t *tx) error) error {
	call, cancel := context.WithTimeout(ctx, c.opts.ScanTimeout)
	defer cancel()
	return wrap(ctx, what, c.run(call, c.r, c.snapshot(), f))
}

func (c *Catalog) run(ctx context.Context, db *sql.DB, o *sql.TxOptions, f func(t *tx) error) error {
	c.calls.Add(1)
	if err := c.fault(false); err != nil {
		return err
	}
	s, err := db.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	// After a commit this does nothing; after an error or a panic the first cause is what matters.
	defer func() { _ = s.Rollback() }()
	t := &tx{c: c, ctx: ctx, sql: s}
	if err := f(t); err != nil {
		return err
	}
	if o == nil {
		if err := t.hook("commit"); err != nil {
			return err
		}
	}
	if err := s.Commit(); err != nil {
		return err
	}
	return c.fault(true)
}

func (c *Catalog) fault(done bool) error {
	if c.opts.Fault == nil {
		return nil
	}
	return c.opts.Fault(done)
}

func (t *tx) hook(query string) error {
	if t.c.onStatement == nil {
		return nil
	}
	return t.c.onStatement(query)
}

// exec returns the number of rows that were changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	if err := t.hook(query); err != nil {
		return 0, err
	}
	res, err := t.sql.ExecContext(t.ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// scanner is one row to be scanned, or the reason why there is none.
type scanner struct {
	row *sql.Row
	err error
}

// Scan fails with sql.ErrNoRows where no row was found.
func (s scanner) Scan(dest ...any) error {
	if s.err != nil {
		return s.err
	}
	return s.row.Scan(dest...)
}

func (t *tx) row(query string, args ...any) scanner {
	if err := t.hook(query); err != nil {
		return scanner{err: err}
	}
	return scanner{row: t.sql.QueryRowContext(t.ctx, query, args...)}
}

// each calls f for every row. f scans and must not use t.
func (t *tx) each(f func(scan func(dest ...any) error) error, query string, args ...any) error {
	if err := t.hook(query); err != nil {
		return err
	}
	rows, err := t.sql.QueryContext(t.ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// bump makes the change visible to those who poll Revision. It comes last: all changes queue for this row.
func (t *tx) bump() error {
	_, err := t.exec(`UPDATE catalog SET revision = revision + 1 WHERE one = 1`)
	return err
}

// nextID hands out a request id and bumps the revision. It comes late, as bump.
func (t *tx) nextID() (id int64, err error) {
	err = t.row(`UPDATE catalog SET next_id = next_id + 1, revision = revision + 1 WHERE one = 1
		RETURNING next_id - 1`).Scan(&id)
	return id, err
}

// now is the present in microseconds since 1970. It is stored for people only; nothing is decided by it.
func now() int64 { return time.Now().UnixMicro() }

// newID returns n random characters of lower-case base32; 8 characters hold 40 bits.
func newID(n int) string {
	raw := make([]byte, n*5/8)
	rand.Read(raw) // never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(raw))
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
