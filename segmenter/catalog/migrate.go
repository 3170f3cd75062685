package catalog

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrateAttempts bounds how often a start meets another process that migrates the same catalog.
const migrateAttempts = 5

// migrate brings the schema to this program's version. It looks first and changes nothing if a newer program was here.
// Two processes may start at once: PostgreSQL has a lock for it, on SQLite the one that comes second finds it done.
func (c *Catalog) migrate(ctx context.Context) error {
	p, err := c.migrator()
	if err != nil {
		return fmt.Errorf("catalog: migrations: %w", err)
	}
	for attempt := 1; ; attempt++ {
		err = c.migrateOnce(ctx, p)
		var newer *NewerVersionError
		if err == nil || errors.As(err, &newer) || attempt == migrateAttempts || ctx.Err() != nil {
			return wrap(ctx, "migrate", err)
		}
		if pause(ctx, time.Duration(attempt)*20*time.Millisecond) != nil {
			return wrap(ctx, "migrate", err)
		}
	}
}

func (c *Catalog) migrator() (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	o := []goose.ProviderOption{
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()), goose.WithTableName("schema_versions"),
	}
	if c.forUpdate == "" {
		return goose.NewProvider(goose.DialectSQLite3, c.w, files, o...)
	}
	l, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, c.w, files, append(o, goose.WithSessionLocker(l))...)
}

func (c *Catalog) migrateOnce(ctx context.Context, p *goose.Provider) error {
	have, known, err := p.GetVersions(ctx)
	if err != nil {
		return err
	}
	if have > known {
		return &NewerVersionError{Catalog: have, Known: known}
	}
	if have == known {
		return nil
	}
	_, err = p.Up(ctx)
	return err
}

// updateTo does to rows of an older schema, which a restore has put into this one, what the migrations between do to those that
// they meet: it runs their UPDATE statements, and the INSERT statements that copy rows.
func (t *tx) updateTo(from, to int64) error {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	for _, name := range names { // in the order of their numbers
		version, err := goose.NumericComponent(name)
		if err != nil {
			return err
		}
		if version <= from || version > to {
			continue
		}
		text, err := migrations.ReadFile(name)
		if err != nil {
			return err
		}
		for _, query := range updatesIn(string(text)) {
			if _, err := t.exec(query); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// updatesIn returns the statements by which a migration that goes up changes rows, or makes some of others. None of them holds "--" or ";" but as SQL.
func updatesIn(migration string) (list []string) {
	up, _, _ := strings.Cut(migration, "-- +goose Down")
	var text strings.Builder
	for line := range strings.Lines(up) {
		line, _, _ = strings.Cut(line, "--")
		text.WriteString(line + "\n")
	}
	for query := range strings.SplitSeq(text.String(), ";") {
		query = strings.TrimSpace(query)
		copies := strings.HasPrefix(query, "INSERT INTO ") && strings.Contains(query, "\n  SELECT ")
		if copies || strings.HasPrefix(query, "UPDATE ") {
			list = append(list, query)
		}
	}
	return list
}
