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
	"github.com/tidemarkdb/tidemark/segmenter"
)

// CubeInfo is a cube as it stands.
type CubeInfo struct {
	Cube    *cube.Cube // its newest version, with id and version
	TableID string
	Enabled bool
	Reason  string           // why it is disabled
	Start   segmenter.Vector // its front (S17): empty ranges, where it begins, once that is fixed; nil: as the definition says
	Settled segmenter.Vector // the front without what only open reservations have moved; nil: one has made it, or nothing has
	// Revision changes with every change of the cube, its segments and its jobs' reservations. Revisions of all cubes ascend
	// in the order of commits.
	Revision  int64
	CreatedUs int64
}

// AppliedCube is what became of a definition.
type AppliedCube struct {
	Cube    *cube.Cube // as stored: with its id and version
	Created bool       // the cube is new
	Changed bool       // the version is new; true with Created
}

// cubeRow is a row of cubes.
type cubeRow struct {
	id, project, name, tableID string
	version                    int
	revision                   int64
	nextSegment, nextEpoch     int64
	checkedChange              int64
	front                      segmenter.Vector // nil: not fixed yet
	settled                    segmenter.Vector // nil: the one reservation that there is has made the front
	dropped                    bool

	parts []PartitionInfo // of its table, once they were read
}

func (r *cubeRow) String() string { return "cube " + r.project + "/" + r.name }

// lockCube reads a live cube and keeps others from changing it, its segments and reservations until the transaction ends
// (C9). Whoever locks more than one row locks the cube first.
func (t *tx) lockCube(id string) (*cubeRow, error) {
	r, err := t.lockAnyCube(id)
	if err == nil && r.dropped {
		return nil, fmt.Errorf("cube with id %s was dropped: %w", id, ErrNotFound)
	}
	return r, err
}

// lockAnyCube is lockCube that takes a dropped one too.
func (t *tx) lockAnyCube(id string) (*cubeRow, error) {
	r := cubeRow{id: id}
	var dropped int64
	var start, settled string
	err := t.row(`SELECT p.project, p.name, p.table_id, p.version, p.revision, p.next_segment, p.next_epoch, p.checked_change, p.start_ranges,
		p.settled_ranges, p.dropped_us FROM cubes p WHERE p.id = $1`+t.c.forUpdate, id).Scan(&r.project, &r.name, &r.tableID, &r.version,
		&r.revision, &r.nextSegment, &r.nextEpoch, &r.checkedChange, &start, &settled, &dropped)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("cube with id %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	r.dropped = dropped != 0
	if r.front, err = decodeVector(start); err != nil {
		return nil, fmt.Errorf("start of %s: %w", &r, err)
	}
	if r.settled, err = decodeVector(settled); err != nil {
		return nil, fmt.Errorf("settled start of %s: %w", &r, err)
	}
	return &r, nil
}

// lockCubeByName is lockCube by the name of a live cube.
func (t *tx) lockCubeByName(project, name string) (*cubeRow, error) {
	var id string
	err := t.row(`SELECT id FROM cubes WHERE project = $1 AND name = $2 AND dropped_us = 0`, project, name).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("cube %s/%s: %w", project, name, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return t.lockCube(id)
}

// touch gives a cube a new revision, and with it those of its segments that have changed. It comes last, as bump: all changes of
// cubes queue for the catalog's row.
func (t *tx) touch(cubeID string) error {
	var rev int64
	if err := t.row(`UPDATE catalog SET cubes_revision = cubes_revision + 1 WHERE one = 1 RETURNING cubes_revision`).Scan(&rev); err != nil {
		return err
	}
	if _, err := t.exec(`UPDATE cubes SET revision = $2 WHERE id = $1`, cubeID, rev); err != nil {
		return err
	}
	_, err := t.exec(`UPDATE segments SET revision = $2 WHERE cube_id = $1 AND revision = 0`, cubeID, rev)
	return err
}

// ApplyCube stores a definition. A new cube gets an id, a changed definition the next version, an equal one keeps both (C5);
// def's own ID and Version are ignored and def stays as it is. Another table is a *ConflictError, one that does not exist
// ErrNotFound. The definition is stored as it is given: the caller has validated it and filled in its defaults.
func (c *Catalog) ApplyCube(ctx context.Context, def *cube.Cube) (applied AppliedCube, err error) {
	if def.Project == "" || def.Name == "" || def.Table == "" {
		return AppliedCube{}, fmt.Errorf("catalog: apply cube %q: project, name and table must not be empty", def.Name)
	}
	err = c.write(ctx, "apply cube "+def.Project+"/"+def.Name, func(t *tx) error {
		applied, err = t.applyCube(def)
		if err != nil || !applied.Changed {
			return err
		}
		return t.touch(applied.Cube.ID)
	})
	if err != nil {
		return AppliedCube{}, err
	}
	return applied, nil
}

func (t *tx) applyCube(def *cube.Cube) (AppliedCube, error) {
	if err := t.wantProject(def.Project); err != nil {
		return AppliedCube{}, err
	}
	r, err := t.lockCubeByName(def.Project, def.Name)
	if errors.Is(err, ErrNotFound) {
		return t.createCube(def)
	}
	if err != nil {
		return AppliedCube{}, err
	}
	old, err := t.cubeVersion(r.id, r.version)
	if err != nil {
		return AppliedCube{}, err
	}
	if old.Table != def.Table {
		return AppliedCube{}, &ConflictError{
			What: r.String(),
			Reason: fmt.Sprintf("its table is %q and cannot become %q, since offsets of two tables never mix: "+
				"make a cube with another name, or drop this one first", old.Table, def.Table),
		}
	}
	return t.nextVersion(r, old, def)
}

// nextVersion stores def as the next version of a locked cube, unless it says what old says.
func (t *tx) nextVersion(r *cubeRow, old, def *cube.Cube) (AppliedCube, error) {
	oldText, err := cubeText(old) // again, since a field may have been added since it was stored
	if err != nil {
		return AppliedCube{}, err
	}
	text, err := cubeText(def)
	if err != nil {
		return AppliedCube{}, err
	}
	if text == oldText {
		return AppliedCube{Cube: old}, nil
	}
	if err := t.wantLookups(def); err != nil {
		return AppliedCube{}, err
	}
	next := *def
	next.ID, next.Version = r.id, r.version+1
	if _, err := t.exec(`UPDATE cubes SET version = $2 WHERE id = $1`, r.id, next.Version); err != nil {
		return AppliedCube{}, err
	}
	return AppliedCube{Cube: &next, Changed: true}, t.addCubeVersion(&next, text)
}

// createCube stores version 1. Of two that create one name at once the second fails on the index and may ask again.
func (t *tx) createCube(def *cube.Cube) (AppliedCube, error) {
	text, err := cubeText(def)
	if err != nil {
		return AppliedCube{}, err
	}
	tableID, _, err := t.liveTable(def.Project, def.Table, true) // locked: a drop of it waits, or was before
	if err != nil {
		return AppliedCube{}, err
	}
	if err := t.wantLookups(def); err != nil {
		return AppliedCube{}, err
	}
	next := *def
	next.ID, next.Version = newID(8), 1
	n, err := t.exec(`INSERT INTO cubes (id, project, name, table_id, version, revision, checked_change, created_us)
		SELECT $1, $2, $3, p.id, 1, 0, p.next_change - 1, $5 FROM tables p WHERE p.id = $4 ON CONFLICT DO NOTHING`,
		next.ID, def.Project, def.Name, tableID, now())
	if err != nil {
		return AppliedCube{}, err
	}
	if n == 0 {
		return AppliedCube{}, fmt.Errorf("%w: the cube was created by another at the same time", ErrUnavailable)
	}
	return AppliedCube{Cube: &next, Created: true, Changed: true}, t.addCubeVersion(&next, text)
}

// cubeText is what is stored of a definition: all but its id and version.
func cubeText(def *cube.Cube) (string, error) {
	bare := *def
	bare.ID, bare.Version = "", 0
	text, err := json.Marshal(&bare)
	return string(text), err
}

func (t *tx) addCubeVersion(def *cube.Cube, text string) error {
	_, err := t.exec(`INSERT INTO cube_versions (cube_id, version, definition, created_us) VALUES ($1, $2, $3, $4)`,
		def.ID, def.Version, text, now())
	return err
}

func (t *tx) cubeVersion(id string, version int) (*cube.Cube, error) {
	def, err := scanCube(t.row(`SELECT cube_id, version, definition FROM cube_versions WHERE cube_id = $1 AND version = $2`, id, version).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("cube with id %s, version %d: %w", id, version, ErrNotFound)
	}
	return def, err
}

func scanCube(scan func(...any) error) (*cube.Cube, error) {
	var id, text string
	var version int
	if err := scan(&id, &version, &text); err != nil {
		return nil, err
	}
	return decodeCube(id, version, text)
}

func decodeCube(id string, version int, text string) (*cube.Cube, error) {
	def := new(cube.Cube)
	if err := json.Unmarshal([]byte(text), def); err != nil {
		return nil, fmt.Errorf("definition of cube %s version %d: %w", id, version, err)
	}
	def.ID, def.Version = id, version
	return def, nil
}

const selectCube = `SELECT p.id, p.version, v.definition, p.table_id, p.disabled, p.reason, p.start_ranges, p.settled_ranges, p.revision, p.created_us
	FROM cubes p JOIN cube_versions v ON v.cube_id = p.id AND v.version = p.version WHERE `

func scanCubeInfo(scan func(...any) error) (i CubeInfo, err error) {
	var id, text, start, settled string
	var version int
	var disabled bool
	if err := scan(&id, &version, &text, &i.TableID, &disabled, &i.Reason, &start, &settled, &i.Revision, &i.CreatedUs); err != nil {
		return i, err
	}
	i.Enabled = !disabled
	if i.Start, err = decodeVector(start); err != nil {
		return i, fmt.Errorf("start of cube %s: %w", id, err)
	}
	if i.Settled, err = decodeVector(settled); err != nil {
		return i, fmt.Errorf("settled start of cube %s: %w", id, err)
	}
	i.Cube, err = decodeCube(id, version, text)
	return i, err
}

// Cube returns a cube by name, or ErrNotFound.
func (c *Catalog) Cube(ctx context.Context, project, name string) (i CubeInfo, err error) {
	err = c.read(ctx, "read cube", func(t *tx) error {
		i, err = scanCubeInfo(t.row(selectCube+`p.project = $1 AND p.name = $2 AND p.dropped_us = 0`, project, name).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("cube %s/%s: %w", project, name, ErrNotFound)
		}
		return err
	})
	return i, err
}

// CubeInfo returns a cube by id, or ErrNotFound. It finds dropped cubes too.
func (c *Catalog) CubeInfo(ctx context.Context, id string) (i CubeInfo, err error) {
	err = c.read(ctx, "read cube", func(t *tx) error {
		i, err = t.cubeInfo(id)
		return err
	})
	return i, err
}

func (t *tx) cubeInfo(id string) (CubeInfo, error) {
	i, err := scanCubeInfo(t.row(selectCube+`p.id = $1`, id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return i, fmt.Errorf("cube with id %s: %w", id, ErrNotFound)
	}
	return i, err
}

// CubeByID returns one version of a cube, 0 for the newest, or ErrNotFound. It finds dropped cubes too.
func (c *Catalog) CubeByID(ctx context.Context, id string, version int) (def *cube.Cube, err error) {
	err = c.read(ctx, "read cube", func(t *tx) error {
		if version == 0 {
			i, err := t.cubeInfo(id)
			def = i.Cube
			return err
		}
		def, err = t.cubeVersion(id, version)
		return err
	})
	return def, err
}

// Cubes lists the cubes of one project, "" for all, by project and name.
func (c *Catalog) Cubes(ctx context.Context, project string) ([]CubeInfo, error) {
	list, err := c.cubes(ctx, selectCube+`p.dropped_us = 0 AND ($1 = '' OR p.project = $1)`, project)
	slices.SortFunc(list, func(a, b CubeInfo) int {
		return cmp.Or(strings.Compare(a.Cube.Project, b.Cube.Project), strings.Compare(a.Cube.Name, b.Cube.Name))
	})
	return list, err
}

func (c *Catalog) cubes(ctx context.Context, query string, arg any) (list []CubeInfo, err error) {
	err = c.read(ctx, "list cubes", func(t *tx) error {
		list = nil
		return t.each(func(scan func(...any) error) error {
			i, err := scanCubeInfo(scan)
			list = append(list, i)
			return err
		}, query, arg)
	})
	return list, err
}

// CubesRevision returns a number that changes with every change of a cube, its segments or its jobs' reservations. One row
// is read: cheap to poll.
func (c *Catalog) CubesRevision(ctx context.Context) (rev int64, err error) {
	err = c.read(ctx, "read revision of cubes", func(t *tx) error {
		return t.row(`SELECT cubes_revision FROM catalog WHERE one = 1`).Scan(&rev)
	})
	return rev, err
}

// CubeVersions lists all versions of a cube, oldest first. It finds dropped cubes too.
func (c *Catalog) CubeVersions(ctx context.Context, id string) (list []*cube.Cube, err error) {
	err = c.read(ctx, "list versions of cube "+id, func(t *tx) error {
		list = nil
		if err := t.each(func(scan func(...any) error) error {
			def, err := scanCube(scan)
			list = append(list, def)
			return err
		}, `SELECT cube_id, version, definition FROM cube_versions WHERE cube_id = $1 ORDER BY version`, id); err != nil {
			return err
		}
		if len(list) == 0 {
			return fmt.Errorf("cube with id %s: %w", id, ErrNotFound)
		}
		return nil
	})
	return list, err
}

// RollbackCube makes an old version of a cube the next one. The version that is in force already stays.
func (c *Catalog) RollbackCube(ctx context.Context, project, name string, version int) (applied AppliedCube, err error) {
	err = c.write(ctx, fmt.Sprintf("roll cube %s/%s back to version %d", project, name, version), func(t *tx) error {
		r, err := t.lockCubeByName(project, name)
		if err != nil {
			return err
		}
		now, err := t.cubeVersion(r.id, r.version)
		if err != nil {
			return err
		}
		old, err := t.cubeVersion(r.id, version)
		if err != nil {
			return err
		}
		applied, err = t.nextVersion(r, now, old)
		if err != nil || !applied.Changed {
			return err
		}
		return t.touch(r.id)
	})
	if err != nil {
		return AppliedCube{}, err
	}
	return applied, nil
}
