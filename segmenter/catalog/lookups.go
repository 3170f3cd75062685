package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// LookupVersion is one snapshot of a lookup table.
type LookupVersion struct {
	Lookup    *cube.Lookup // with its id and this version
	Key       string       // of the object
	Size      int64        // bytes
	SHA256    string
	Rows      int64
	CreatedUs int64
	Refresh   LookupRefresh // of its table
}

// LookupRefresh is what became of the refreshes of a lookup table, which is a snapshot of a query.
type LookupRefresh struct {
	TriedUs     int64
	RefreshedUs int64 // the last one that succeeded, whether it changed anything or not
	Failures    int   // in a row
	Problem     string
}

// text is the definition as it is stored.
func (v LookupVersion) text() (string, error) {
	bare := *v.Lookup
	bare.ID, bare.Version = "", 0
	text, err := json.Marshal(&bare)
	return string(text), err
}

// NextLookup returns what the next snapshot of a lookup table must be: the table's id, a new one if it does not exist, and
// the version after its newest.
func (c *Catalog) NextLookup(ctx context.Context, project, name string) (id string, version int64, err error) {
	err = c.write(ctx, "read lookup "+project+"/"+name, func(t *tx) error {
		if err := t.wantProject(project); err != nil {
			return err
		}
		id, version, err = t.liveLookup(project, name)
		if errors.Is(err, ErrNotFound) {
			id, version, err = newID(8), 0, nil
		}
		version++
		return err
	})
	return id, version, err
}

func (t *tx) liveLookup(project, name string) (id string, version int64, err error) {
	err = t.row(`SELECT p.id, p.version FROM lookups p WHERE p.project = $1 AND p.name = $2 AND p.dropped_us = 0`+t.c.forUpdate,
		project, name).Scan(&id, &version)
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("lookup %s/%s: %w", project, name, ErrNotFound)
	}
	return id, version, err
}

// AppendLookup makes a snapshot the newest version of its table, and the table where it is version 1. If another snapshot
// came first, or a cube derives what it lacks, it is a *ConflictError. The same one again is a success (C3).
func (c *Catalog) AppendLookup(ctx context.Context, v LookupVersion) error {
	l := v.Lookup
	if l.ID == "" || l.Version < 1 || v.Key == "" || v.SHA256 == "" {
		return fmt.Errorf("catalog: lookup %s/%s: id, version, key and hash must not be empty", l.Project, l.Name)
	}
	text, err := v.text()
	if err != nil {
		return err
	}
	return c.write(ctx, "append to lookup "+l.Project+"/"+l.Name, func(t *tx) error {
		if err := t.appendLookup(v, text); err != nil {
			return err
		}
		if err := t.wantNoCubeBroken(l); err != nil {
			return err
		}
		return t.bump()
	})
}

func (t *tx) appendLookup(v LookupVersion, text string) error {
	l := v.Lookup
	moved := &ConflictError{What: "lookup " + l.Project + "/" + l.Name, Reason: "another snapshot was applied at the same time: see which one is wanted, then apply it again"}
	id, version, err := t.liveLookup(l.Project, l.Name)
	switch {
	case errors.Is(err, ErrNotFound) && l.Version == 1:
		// Of two that make one name at once the second fails on the index.
		n, err := t.exec(`INSERT INTO lookups (id, project, name, version, created_us) VALUES ($1, $2, $3, 0, $4) ON CONFLICT DO NOTHING`,
			l.ID, l.Project, l.Name, now())
		if err != nil {
			return err
		}
		if n == 0 {
			return moved
		}
		id = l.ID
	case errors.Is(err, ErrNotFound):
		return moved
	case err != nil:
		return err
	}
	if id == l.ID && version >= l.Version {
		var key string
		if err := t.row(`SELECT object_key FROM lookup_versions WHERE lookup_id = $1 AND version = $2`, id, l.Version).Scan(&key); err != nil {
			return err
		}
		if key == v.Key {
			return nil
		}
	}
	if id != l.ID || version != l.Version-1 {
		return moved
	}
	if _, err := t.exec(`INSERT INTO lookup_versions (lookup_id, version, definition, object_key, size, sha256, row_count, created_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, id, l.Version, text, v.Key, v.Size, v.SHA256, v.Rows, now()); err != nil {
		return err
	}
	_, err = t.exec(`UPDATE lookups SET version = $2, tried_us = $3, refreshed_us = $3, failures = 0, problem = '' WHERE id = $1`, id, l.Version, now())
	return err
}

// NoteLookupRefresh notes that the query of a lookup table's newest version was asked again: why that failed, or with no problem that
// it has the same answer. Of a version that is not the newest any more nothing is noted, and of a long problem the beginning.
func (c *Catalog) NoteLookupRefresh(ctx context.Context, id string, version int64, problem string) error {
	return c.write(ctx, "note refresh of lookup "+id, func(t *tx) error {
		_, err := t.exec(`UPDATE lookups SET tried_us = $3, problem = $4,
			failures = CASE WHEN $4 = '' THEN 0 ELSE failures + 1 END, refreshed_us = CASE WHEN $4 = '' THEN $3 ELSE refreshed_us END
			WHERE id = $1 AND version = $2`, id, version, now(), lineText(problem))
		return err
	})
}

// NoteLookupTried notes that the query of a lookup table's newest version was asked again, and the answer was not wanted: neither a
// failure nor a success.
func (c *Catalog) NoteLookupTried(ctx context.Context, id string, version int64) error {
	return c.write(ctx, "note try of lookup "+id, func(t *tx) error {
		_, err := t.exec(`UPDATE lookups SET tried_us = $3 WHERE id = $1 AND version = $2`, id, version, now())
		return err
	})
}

const selectLookup = `SELECT p.id, v.version, v.definition, v.object_key, v.size, v.sha256, v.row_count, v.created_us,
	p.tried_us, p.refreshed_us, p.failures, p.problem
	FROM lookups p JOIN lookup_versions v ON v.lookup_id = p.id `

func (t *tx) lookupsWhere(where string, args ...any) (list []LookupVersion, err error) {
	err = t.each(func(scan func(...any) error) error {
		v := LookupVersion{Lookup: new(cube.Lookup)}
		var id, text string
		var version int64
		if err := scan(&id, &version, &text, &v.Key, &v.Size, &v.SHA256, &v.Rows, &v.CreatedUs,
			&v.Refresh.TriedUs, &v.Refresh.RefreshedUs, &v.Refresh.Failures, &v.Refresh.Problem); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(text), v.Lookup); err != nil {
			return fmt.Errorf("definition of lookup %s version %d: %w", id, version, err)
		}
		v.Lookup.ID, v.Lookup.Version = id, version
		list = append(list, v)
		return nil
	}, selectLookup+where, args...)
	return list, err
}

// Lookup returns the newest version of a lookup table, or ErrNotFound.
func (c *Catalog) Lookup(ctx context.Context, project, name string) (v LookupVersion, err error) {
	err = c.read(ctx, "read lookup "+project+"/"+name, func(t *tx) error {
		list, err := t.lookupsWhere(`WHERE p.project = $1 AND p.name = $2 AND p.dropped_us = 0 AND v.version = p.version`, project, name)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return fmt.Errorf("lookup %s/%s: %w", project, name, ErrNotFound)
		}
		v = list[0]
		return nil
	})
	return v, err
}

// Lookups lists the newest versions of the lookup tables of one project, "" for all, by project and name.
func (c *Catalog) Lookups(ctx context.Context, project string) (list []LookupVersion, err error) {
	err = c.read(ctx, "list lookups", func(t *tx) error {
		list, err = t.lookupsWhere(`WHERE p.dropped_us = 0 AND v.version = p.version AND ($1 = '' OR p.project = $1)`, project)
		return err
	})
	slices.SortFunc(list, func(a, b LookupVersion) int {
		return strings.Compare(a.Lookup.Project+"/"+a.Lookup.Name, b.Lookup.Project+"/"+b.Lookup.Name)
	})
	return list, err
}

// LookupVersions lists all versions of a lookup table, oldest first. It finds dropped ones too.
func (c *Catalog) LookupVersions(ctx context.Context, id string) (list []LookupVersion, err error) {
	err = c.read(ctx, "list versions of lookup "+id, func(t *tx) error {
		list, err = t.lookupsWhere(`WHERE p.id = $1 ORDER BY v.version`, id)
		return err
	})
	return list, err
}

// DropLookup marks a lookup table dropped. Its name is free at once. One that a cube names is a *ConflictError.
func (c *Catalog) DropLookup(ctx context.Context, project, name string) error {
	return c.write(ctx, "drop lookup "+project+"/"+name, func(t *tx) error {
		id, _, err := t.liveLookup(project, name)
		if err != nil {
			return err
		}
		if err := t.wantNoCubeNaming(project, name); err != nil {
			return err
		}
		if _, err := t.exec(`UPDATE lookups SET dropped_us = $2 WHERE id = $1`, id, now()); err != nil {
			return err
		}
		return t.bump()
	})
}

// Lookup appends a version of a lookup table. Those of one table come in their order, from 1.
func (i *Importer) Lookup(v LookupVersion) error {
	text, err := v.text()
	if err != nil {
		return err
	}
	if err := i.Project(Project{Name: v.Lookup.Project}); err != nil {
		return err
	}
	return i.t.appendLookup(v, text)
}
