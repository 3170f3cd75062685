package catalog

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// CubeState says whether a cube is planned and answers at all.
type CubeState struct {
	Enabled bool
	Reason  string // why it is disabled
}

// SetCubeState disables a cube with a reason, or lets it go on.
func (c *Catalog) SetCubeState(ctx context.Context, id string, s CubeState) error {
	return c.write(ctx, "set state of cube "+id, func(t *tx) error {
		r, err := t.lockCube(id)
		if err != nil {
			return err
		}
		n, err := t.exec(`UPDATE cubes SET disabled = $2, reason = $3 WHERE id = $1 AND (disabled <> $2 OR reason <> $3)`,
			id, flag(!s.Enabled), s.Reason)
		if err != nil || n == 0 {
			return err
		}
		return t.touch(r.id)
	})
}

// SetCubeStart fixes where the first segment of a cube begins: empty ranges, one a partition and generation. It is for a
// cube without live segments; with some it is a *ConflictError, since the next one starts where they end.
func (c *Catalog) SetCubeStart(ctx context.Context, id string, start segmenter.Vector) error {
	if err := start.Validate(); err != nil {
		return fmt.Errorf("catalog: set start of cube %s: %w", id, err)
	}
	if start.Len() > 0 {
		return fmt.Errorf("catalog: set start of cube %s: %s holds offsets: want empty ranges", id, start)
	}
	return c.write(ctx, "set start of cube "+id, func(t *tx) error {
		r, err := t.lockCube(id)
		if err != nil {
			return err
		}
		var live bool
		if err := t.row(`SELECT EXISTS (SELECT 1 FROM segment_ranges WHERE cube_id = $1)`, id).Scan(&live); err != nil {
			return err
		}
		if live {
			return &ConflictError{What: r.String(), Reason: "it has segments, and the next one starts where they end: purge it first"}
		}
		text, err := json.Marshal(start)
		if err != nil {
			return err
		}
		if _, err := t.exec(`UPDATE cubes SET start_ranges = $2, settled_ranges = $2 WHERE id = $1`, id, string(text)); err != nil {
			return err
		}
		return t.touch(id)
	})
}

// PurgeCube cancels all jobs of a cube and retires all of its segments, in one transaction. It starts anew as its
// definition says, or as SetCubeStart then says.
func (c *Catalog) PurgeCube(ctx context.Context, project, name, by string) error {
	return c.write(ctx, "purge cube "+project+"/"+name, func(t *tx) error {
		r, err := t.lockCubeByName(project, name)
		if err != nil {
			return err
		}
		if err := t.purge(r, retiring{"purged by " + by, true}); err != nil {
			return err
		}
		return t.touch(r.id)
	})
}

func (t *tx) purge(r *cubeRow, why retiring) error {
	if err := t.cancelJobs(r.id, why.reason); err != nil {
		return err
	}
	for _, query := range []string{
		`DELETE FROM segment_ranges WHERE cube_id = $1`,
		`UPDATE cubes SET start_ranges = '[]', settled_ranges = '[]' WHERE id = $1`,
	} {
		if _, err := t.exec(query, r.id); err != nil {
			return err
		}
	}
	_, err := t.exec(`UPDATE segments SET state = 'retired', retired_us = $2, retire_reason = $3, given_up = $4, revision = 0
		WHERE cube_id = $1 AND state = 'ready'`, r.id, now(), why.reason, flag(why.givenUp))
	return err
}

// DropCube purges a cube and marks it dropped. Its name is free at once. Its rows stay until its files are gone: see
// DroppedCubes.
func (c *Catalog) DropCube(ctx context.Context, project, name, by string) error {
	return c.write(ctx, "drop cube "+project+"/"+name, func(t *tx) error {
		r, err := t.lockCubeByName(project, name)
		if err != nil {
			return err
		}
		if err := t.purge(r, retiring{reason: "the cube was dropped by " + by}); err != nil {
			return err
		}
		if _, err := t.exec(`UPDATE cubes SET dropped_us = $2 WHERE id = $1`, r.id, now()); err != nil {
			return err
		}
		// Its own tombstone says it for all.
		if _, err := t.exec(`UPDATE segments SET given_up = 0 WHERE cube_id = $1 AND given_up = 1`, r.id); err != nil {
			return err
		}
		return t.touch(r.id)
	})
}

// DroppedCubes lists the ids of dropped cubes. Nothing needs their files any more.
func (c *Catalog) DroppedCubes(ctx context.Context) (ids []string, err error) {
	err = c.read(ctx, "list dropped cubes", func(t *tx) error {
		ids = nil
		return t.each(func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			ids = append(ids, id)
			return err
		}, `SELECT id FROM cubes WHERE dropped_us <> 0 ORDER BY id`)
	})
	return ids, err
}
