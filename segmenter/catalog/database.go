package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // driver "sqlite"
)

func isPostgres(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

func (o Options) validateDSN(dsn string) error {
	switch {
	case dsn == "":
		return errors.New("open catalog: no path given: want the path of a SQLite file or postgres://HOST/DATABASE")
	case !isPostgres(dsn) && strings.Contains(dsn, "://"):
		scheme, _, _ := strings.Cut(dsn, "://") // the rest may hold a password
		return fmt.Errorf("open catalog: unknown kind %q: want the path of a SQLite file or postgres://HOST/DATABASE", scheme)
	}
	return nil
}

// openSQLite opens a file with one connection that writes and several that read: writers never queue inside SQLite,
// where waiting is by polling. synchronous=FULL: a commit is the truth (I1), so it must survive a power cut.
func openSQLite(path string, o Options) (*Catalog, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open catalog: %w", err)
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("open catalog %s: its folder: %w", path, err)
	}
	dsn := func(more ...string) string {
		q := url.Values{"_pragma": append([]string{
			"busy_timeout(" + strconv.FormatInt(o.CallTimeout.Milliseconds(), 10) + ")",
			"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		}, more...)}
		q.Set("_txlock", "immediate") // a lock taken late can fail with "busy" at once
		if len(more) > 0 {
			q.Set("_txlock", "deferred")
		}
		return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String()
	}
	w, err := sql.Open("sqlite", dsn())
	if err != nil {
		return nil, fmt.Errorf("open catalog %s: %w", path, err)
	}
	w.SetMaxOpenConns(1)
	r, err := sql.Open("sqlite", dsn("query_only(1)"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open catalog %s: %w", path, err), w.Close())
	}
	r.SetMaxOpenConns(o.MaxConns)
	r.SetMaxIdleConns(o.MaxConns)
	r.SetConnMaxIdleTime(o.IdleTimeout)
	return &Catalog{opts: o, w: w, r: r}, nil
}

// openPostgres opens a pool. The server's own limits end what a lost client has left behind: a transaction that nobody
// goes on with must not hold a partition's lock.
func openPostgres(dsn string, o Options) (*Catalog, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("open catalog: %w", err) // pgx hides the password
	}
	if cfg.ConnectTimeout == 0 || cfg.ConnectTimeout > o.ConnectTimeout {
		cfg.ConnectTimeout = o.ConnectTimeout
	}
	limit := func(name string, d time.Duration) {
		if _, ok := cfg.RuntimeParams[name]; !ok {
			cfg.RuntimeParams[name] = strconv.FormatInt(d.Milliseconds(), 10)
		}
	}
	limit("lock_timeout", o.CallTimeout)
	limit("idle_in_transaction_session_timeout", o.ScanTimeout)
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "tidemark"
	}
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(o.MaxConns)
	db.SetMaxIdleConns(o.MaxConns)
	db.SetConnMaxIdleTime(o.IdleTimeout)
	return &Catalog{opts: o, w: db, r: db, forUpdate: " FOR UPDATE OF p"}, nil
}

// snapshot asks for a transaction that sees one state of the database. SQLite's always do.
func (c *Catalog) snapshot() *sql.TxOptions {
	if c.forUpdate == "" {
		return &sql.TxOptions{ReadOnly: true}
	}
	return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
}

// pause waits a little between attempts, or until ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
