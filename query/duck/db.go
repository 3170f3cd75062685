package duck

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	bindings "github.com/duckdb/duckdb-go-bindings"
)

var errClosed = errors.New("duckdb is closed")

// DB is a DuckDB in this process that reads nothing but what is handed to it. All methods may be called at once.
type DB struct {
	opts      Options
	functions *Functions
	slots     chan struct{} // one for each connection that may be in use
	closing   sync.Once
	closed    chan struct{}
	boxes     atomic.Int64 // values of ours that DuckDB holds

	users     sync.WaitGroup // of connections, but for those that are abandoned
	abandoned atomic.Int64   // statements that DuckDB works on for nobody,
	left      atomic.Int64   // and those that ever were

	mu       sync.Mutex
	ended    bool    // no more users
	engine   *engine // nil after one broke, until the next statement
	compiled map[string]*Statement
}

// engine is one DuckDB. A fault within it makes it refuse all that comes later; then it is left and another is opened.
type engine struct {
	db    *DB
	duck  bindings.Database
	taken map[string]bool // names that DuckDB's own views have, in lower case

	mu       sync.Mutex
	idle     []*conn
	used     int  // connections that are not idle
	broken   bool // no connection comes back to it
	sessions map[uint64]*session
}

// Open starts a DuckDB in memory, sets its limits and locks it (D3). Close it.
func Open(opts Options) (*DB, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	if opts.TempDir != "" {
		if err := os.MkdirAll(opts.TempDir, 0o700); err != nil {
			return nil, fmt.Errorf("temporary folder of duckdb: %w", err)
		}
	}
	db := &DB{
		opts:      opts,
		functions: NewFunctions(),
		slots:     make(chan struct{}, opts.MaxConns),
		closed:    make(chan struct{}),
		compiled:  map[string]*Statement{},
	}
	_, err := db.current()
	if err != nil {
		return nil, err
	}
	boundHeap(opts.HeapBytes)
	return db, nil
}

// Functions tells what may be called.
func (db *DB) Functions() *Functions { return db.functions }

// current returns the engine, a new one if the last broke.
func (db *DB) current() (*engine, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.engine != nil {
		return db.engine, nil
	}
	e := &engine{db: db, sessions: map[uint64]*session{}}
	if err := e.open(); err != nil {
		return nil, fmt.Errorf("open duckdb: %w", err)
	}
	db.engine = e
	return e, nil
}

// open starts DuckDB, registers our table function, notes the names that are taken, and locks.
func (e *engine) open() error {
	var config bindings.Config
	if bindings.CreateConfig(&config) == bindings.StateError {
		return errors.New("no configuration")
	}
	defer bindings.DestroyConfig(&config)
	var msg string
	if bindings.OpenExt("", &e.duck, config, &msg) == bindings.StateError {
		return errors.New(msg)
	}
	err := e.prepare()
	if err != nil {
		e.broken = true
		e.shut()
	}
	return err
}

func (e *engine) prepare() error {
	c, err := e.connect()
	if err != nil {
		return err
	}
	defer func() {
		e.idle = append(e.idle, c)
	}()
	e.register(c)
	names, err := c.column("SELECT view_name FROM duckdb_views() UNION ALL SELECT table_name FROM duckdb_tables()")
	if err != nil {
		return err
	}
	e.taken = map[string]bool{}
	for _, n := range names {
		e.taken[strings.ToLower(n)] = true
	}
	for _, s := range e.db.opts.settings() {
		set := "SET GLOBAL " + s[0] + " = '" + strings.ReplaceAll(s[1], "'", "''") + "'"
		if err := c.exec(set); err != nil {
			return fmt.Errorf("%s: %w", set, err)
		}
	}
	return nil
}

// shut ends the engine once no connection of it is in use.
func (e *engine) shut() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.broken || e.used > 0 {
		return
	}
	for _, c := range e.idle {
		c.disconnect()
	}
	e.idle = nil
	bindings.Close(&e.duck)
}

// acquire takes a connection, once one is free.
func (db *DB) acquire(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-db.closed:
		return nil, errClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	case db.slots <- struct{}{}:
	}
	c, err := db.take()
	if err != nil {
		<-db.slots
	}
	return c, err
}

// take finds a connection for a new user.
func (db *DB) take() (*conn, error) {
	db.mu.Lock()
	if db.ended {
		db.mu.Unlock()
		return nil, errClosed
	}
	db.users.Add(1)
	db.mu.Unlock()
	for {
		e, err := db.current()
		if err == nil {
			var c *conn
			if c, err = e.take(); err == nil {
				return c, nil
			}
		}
		if !errors.Is(err, errBroken) { // else it broke in between, and the next one is another
			db.users.Done()
			return nil, err
		}
	}
}

// Abandoned returns how many statements DuckDB works on although they were told to stop and nobody waits for them, and how many there ever were.
// Each holds one of the connections.
func (db *DB) Abandoned() (now, ever int64) { return db.abandoned.Load(), db.left.Load() }

// abandon counts a statement whose user has gone.
func (db *DB) abandon(s *Statement) {
	db.abandoned.Add(1)
	db.left.Add(1)
	text := s.Text[:min(len(s.Text), maxLogged)]
	db.opts.Logger.LogAttrs(context.Background(), slog.LevelWarn, "statement does not stop and is abandoned", slog.String("sql", strings.ToValidUTF8(text, "")))
	db.users.Done()
}

// maxLogged is how much of a statement is logged, in bytes.
const maxLogged = 1 << 10

var errBroken = errors.New("duckdb broke")

// take returns a connection that is idle, or a new one.
func (e *engine) take() (*conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.broken {
		return nil, errBroken
	}
	if n := len(e.idle); n > 0 {
		c := e.idle[n-1]
		e.idle = e.idle[:n-1]
		e.used++
		return c, nil
	}
	c, err := e.connect()
	if err == nil {
		e.used++
	}
	return c, err
}

// release gives a connection back. Nobody waited for one that is abandoned.
func (db *DB) release(c *conn, abandoned bool) {
	if abandoned {
		db.abandoned.Add(-1)
	} else {
		defer db.users.Done()
	}
	e := c.engine
	e.mu.Lock()
	e.used--
	e.idle = append(e.idle, c)
	e.mu.Unlock()
	e.shut()
	<-db.slots
}

// check looks for errors after which an engine is of no more use.
func (db *DB) check(ctx context.Context, c *conn, err error) {
	var e *Error
	if errors.As(err, &e) && e.breaks {
		db.broke(ctx, c.engine, err)
	}
}

// broke leaves an engine in which a fault has happened: DuckDB would refuse all later statements. Those that run go on
// or fail with it.
func (db *DB) broke(ctx context.Context, e *engine, why error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.engine != e {
		return
	}
	db.engine = nil
	e.mu.Lock()
	e.broken = true
	e.mu.Unlock()
	db.opts.Logger.LogAttrs(ctx, slog.LevelError, "duckdb broke and is opened again", slog.Any("err", why))
}

// Close waits until the statements that run have ended, and stops DuckDB; where it works on abandoned ones, once the last of them has ended, which is not
// waited for. Calls that come later fail.
func (db *DB) Close() error {
	db.closing.Do(func() {
		close(db.closed)
		defer boundHeap(-db.opts.HeapBytes)
		db.mu.Lock()
		db.ended = true
		db.mu.Unlock()
		db.users.Wait()
		db.mu.Lock()
		defer db.mu.Unlock()
		if e := db.engine; e != nil {
			e.mu.Lock()
			e.broken = true
			e.mu.Unlock()
			e.shut()
			db.engine = nil
		}
	})
	return nil
}
