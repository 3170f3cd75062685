package catalog

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// Project owns tables and cubes. Names are unique within one.
type Project struct {
	Name  string
	Owner string
}

// Projects lists all projects by name. "default" always exists.
func (c *Catalog) Projects(ctx context.Context) (list []Project, err error) {
	err = c.read(ctx, "list projects", func(t *tx) error {
		list = nil
		return t.each(func(scan func(...any) error) error {
			var p Project
			err := scan(&p.Name, &p.Owner)
			list = append(list, p)
			return err
		}, `SELECT name, owner FROM projects`)
	})
	// Sorted here, since PostgreSQL would sort by its locale.
	slices.SortFunc(list, func(a, b Project) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}

// ApplyProject makes a project, or changes its owner.
func (c *Catalog) ApplyProject(ctx context.Context, p Project) error {
	if p.Name == "" {
		return errors.New("catalog: apply project: the name is empty")
	}
	return c.write(ctx, "apply project "+p.Name, func(t *tx) error {
		n, err := t.exec(`INSERT INTO projects (name, owner, created_us) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET owner = excluded.owner WHERE projects.owner <> excluded.owner`, p.Name, p.Owner, now())
		if err != nil || n == 0 {
			return err
		}
		return t.bump()
	})
}

// Applied is what became of a definition.
type Applied struct {
	Table   *cube.Table // as stored: with its id and version
	Created bool        // the table is new
	Changed bool        // the version is new; true with Created
}

// ApplyTable stores a definition. A new table gets an id, a changed definition the next version, an equal one keeps both
// (C5); t's own ID and Version are ignored and t stays as it is. Another topic is a *ConflictError. The definition is
// stored as it is given: the caller has validated it and filled in its defaults.
func (c *Catalog) ApplyTable(ctx context.Context, def *cube.Table) (applied Applied, err error) {
	if def.Project == "" || def.Name == "" || def.Topic == "" {
		return Applied{}, fmt.Errorf("catalog: apply table %q: project, name and topic must not be empty", def.Name)
	}
	err = c.write(ctx, "apply table "+def.Project+"/"+def.Name, func(t *tx) error {
		applied, err = t.applyTable(def)
		if err != nil || !applied.Changed {
			return err
		}
		return t.bump()
	})
	if err != nil {
		return Applied{}, err
	}
	return applied, nil
}

func (t *tx) applyTable(def *cube.Table) (Applied, error) {
	next := *def
	next.ID, next.Version = "", 0
	text, err := json.Marshal(&next)
	if err != nil {
		return Applied{}, err
	}
	if err := t.wantProject(def.Project); err != nil {
		return Applied{}, err
	}
	// A lock on the row: of two that apply at once the second compares with what the first has stored.
	id, old, err := t.liveTable(def.Project, def.Name, true)
	switch {
	case errors.Is(err, ErrNotFound):
		return t.createTable(&next, text)
	case err != nil:
		return Applied{}, err
	case old.Topic != next.Topic:
		return Applied{}, &ConflictError{
			What: fmt.Sprintf("table %s/%s", def.Project, def.Name),
			Reason: fmt.Sprintf("its topic is %q and cannot become %q, since offsets of two topics never mix: "+
				"make a table with another name, or drop this one first", old.Topic, next.Topic),
		}
	}
	same := *old
	same.ID, same.Version = "", 0
	oldText, err := json.Marshal(&same) // again, since a field may have been added since it was stored
	if err != nil {
		return Applied{}, err
	}
	if string(oldText) == string(text) {
		return Applied{Table: old}, nil
	}
	next.ID, next.Version = id, old.Version+1
	if _, err := t.exec(`UPDATE tables SET version = $2 WHERE id = $1`, id, next.Version); err != nil {
		return Applied{}, err
	}
	return Applied{Table: &next, Changed: true}, t.addVersion(&next, text)
}

// createTable stores version 1. Of two that create one name at once the second fails on the index and may ask again.
func (t *tx) createTable(def *cube.Table, text []byte) (Applied, error) {
	def.ID, def.Version = newID(8), 1
	n, err := t.exec(`INSERT INTO tables (id, project, name, version, created_us, first_us, first_version)
		VALUES ($1, $2, $3, 1, $4, $4, (SELECT version FROM moments WHERE one = 1)) ON CONFLICT DO NOTHING`, def.ID, def.Project, def.Name, now())
	if err != nil {
		return Applied{}, err
	}
	if n == 0 {
		return Applied{}, fmt.Errorf("%w: the table was created by another at the same time", ErrUnavailable)
	}
	return Applied{Table: def, Created: true, Changed: true}, t.addVersion(def, text)
}

func (t *tx) addVersion(def *cube.Table, text []byte) error {
	_, err := t.exec(`INSERT INTO table_versions (table_id, version, definition, created_us) VALUES ($1, $2, $3, $4)`,
		def.ID, def.Version, string(text), now())
	return err
}

func (t *tx) wantProject(name string) error {
	err := t.row(`SELECT name FROM projects WHERE name = $1`, name).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("project %s: %w", name, ErrNotFound)
	}
	return err
}

const selectTable = `SELECT p.id, p.version, v.definition FROM tables p
	JOIN table_versions v ON v.table_id = p.id`

func scanTable(scan func(...any) error) (*cube.Table, error) {
	var id, text string
	var version int
	if err := scan(&id, &version, &text); err != nil {
		return nil, err
	}
	def := new(cube.Table)
	if err := json.Unmarshal([]byte(text), def); err != nil {
		return nil, fmt.Errorf("definition of table %s version %d: %w", id, version, err)
	}
	def.ID, def.Version = id, version
	return def, nil
}

// liveTable reads the newest version. It locks the row by a statement of its own: what a locking join reads of the other
// table may be older than the lock.
func (t *tx) liveTable(project, name string, lock bool) (string, *cube.Table, error) {
	const where = ` WHERE p.project = $1 AND p.name = $2 AND p.dropped_us = 0`
	if lock && t.c.forUpdate != "" {
		if _, err := t.exec(`SELECT p.id FROM tables p`+where+t.c.forUpdate, project, name); err != nil {
			return "", nil, err
		}
	}
	def, err := scanTable(t.row(selectTable+` AND v.version = p.version`+where, project, name).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil, fmt.Errorf("table %s/%s: %w", project, name, ErrNotFound)
	}
	if err != nil {
		return "", nil, err
	}
	return def.ID, def, nil
}

// Table returns the newest version of a table, or ErrNotFound.
func (c *Catalog) Table(ctx context.Context, project, name string) (def *cube.Table, err error) {
	err = c.read(ctx, "read table", func(t *tx) error {
		_, def, err = t.liveTable(project, name, false)
		return err
	})
	return def, err
}

// TableByID returns one version of a table, 0 for the newest, or ErrNotFound. It finds dropped tables too.
func (c *Catalog) TableByID(ctx context.Context, id string, version int) (def *cube.Table, err error) {
	err = c.read(ctx, "read table", func(t *tx) error {
		def, err = scanTable(t.row(`SELECT p.id, v.version, v.definition FROM tables p JOIN table_versions v ON v.table_id = p.id
			WHERE p.id = $1 AND v.version = CASE WHEN $2 = 0 THEN p.version ELSE $2 END`, id, version).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("table with id %s, version %d: %w", id, version, ErrNotFound)
		}
		return err
	})
	return def, err
}

// Tables lists the newest versions of the tables of one project, "" for all, by project and name.
func (c *Catalog) Tables(ctx context.Context, project string) ([]*cube.Table, error) {
	list, err := c.tables(ctx, selectTable+` AND v.version = p.version
		WHERE p.dropped_us = 0 AND ($1 = '' OR p.project = $1)`, project)
	slices.SortFunc(list, func(a, b *cube.Table) int {
		return cmp.Or(strings.Compare(a.Project, b.Project), strings.Compare(a.Name, b.Name))
	})
	return list, err
}

// TableVersions lists all versions of a table, oldest first. It finds dropped tables too.
func (c *Catalog) TableVersions(ctx context.Context, id string) ([]*cube.Table, error) {
	list, err := c.tables(ctx, `SELECT v.table_id, v.version, v.definition FROM table_versions v
		WHERE v.table_id = $1 ORDER BY v.version`, id)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("catalog: table with id %s: %w", id, ErrNotFound)
	}
	return list, err
}

func (c *Catalog) tables(ctx context.Context, query, arg string) (list []*cube.Table, err error) {
	err = c.read(ctx, "list tables", func(t *tx) error {
		list = nil
		return t.each(func(scan func(...any) error) error {
			def, err := scanTable(scan)
			if err == nil {
				list = append(list, def)
			}
			return err
		}, query, arg)
	})
	return list, err
}

// DropTable marks a table dropped. Its name is free at once, commits to it are refused, its requests end. Its rows stay
// until its files are gone: see DroppedTables. A table that a cube reads is a *ConflictError.
func (c *Catalog) DropTable(ctx context.Context, project, name string) error {
	return c.write(ctx, "drop table", func(t *tx) error {
		id, _, err := t.liveTable(project, name, true)
		if err != nil {
			return err
		}
		if err := t.wantNoCube(id, "table "+project+"/"+name); err != nil {
			return err
		}
		for _, query := range []string{
			`UPDATE partitions SET epoch = epoch + 1, owner = '', address = '' WHERE table_id = $1`, // whoever reads it is fenced
			`DELETE FROM roll_requests WHERE table_id = $1`,
			`UPDATE reread_requests SET done = 1, problem = 'the table was dropped' WHERE table_id = $1 AND done = 0`,
		} {
			if _, err := t.exec(query, id); err != nil {
				return err
			}
		}
		if _, err := t.exec(`UPDATE tables SET dropped_us = $2 WHERE id = $1`, id, now()); err != nil {
			return err
		}
		// Whoever writes tombstones looks at cubes_revision.
		if _, err := t.exec(`UPDATE catalog SET cubes_revision = cubes_revision + 1 WHERE one = 1`); err != nil {
			return err
		}
		return t.bump()
	})
}

func (t *tx) wantNoCube(tableID, what string) error {
	var name string
	err := t.row(`SELECT name FROM cubes WHERE table_id = $1 AND dropped_us = 0 ORDER BY id LIMIT 1`, tableID).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return &ConflictError{What: what, Reason: fmt.Sprintf("cube %s reads it: drop the cube first", name)}
}

// DroppedTables lists the ids of dropped tables. Nothing needs their files any more.
func (c *Catalog) DroppedTables(ctx context.Context) (ids []string, err error) {
	err = c.read(ctx, "list dropped tables", func(t *tx) error {
		ids = nil
		return t.each(func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			ids = append(ids, id)
			return err
		}, `SELECT id FROM tables WHERE dropped_us <> 0 ORDER BY id`)
	})
	return ids, err
}

// TableState says whether a table is read at all.
type TableState struct {
	Stopped bool
	Reason  string // why it stopped, and what to do
}

// TableState returns the state of a table.
func (c *Catalog) TableState(ctx context.Context, id string) (s TableState, err error) {
	err = c.read(ctx, "read table state", func(t *tx) error {
		err := t.row(`SELECT stopped, reason FROM tables WHERE id = $1 AND dropped_us = 0`, id).Scan(&s.Stopped, &s.Reason)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("table with id %s: %w", id, ErrNotFound)
		}
		return err
	})
	return s, err
}

// SetTableState stops a table with a reason, or lets it go on.
func (c *Catalog) SetTableState(ctx context.Context, id string, s TableState) error {
	return c.write(ctx, "set table state", func(t *tx) error {
		n, err := t.exec(`UPDATE tables SET stopped = $2, reason = $3 WHERE id = $1 AND dropped_us = 0`, id, flag(s.Stopped), s.Reason)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("table with id %s: %w", id, ErrNotFound)
		}
		return t.bump()
	})
}
