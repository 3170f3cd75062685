package catalog

import (
	"context"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// Tombstones are what was given up for good and is not noted in the store yet.
type Tombstones struct {
	Tables   []string // ids of dropped ones
	Cubes    []string // ids of dropped ones
	Segments []SegmentEntry
	Fronts   map[string]Front // of the cubes of Segments, by id
	More     bool             // there are more segments
}

// Front is where a cube begins (S17), as of a revision of it: the settled front, since files know nothing of open reservations.
type Front struct {
	Revision int64            `json:"revision"`
	Ranges   segmenter.Vector `json:"ranges"` // nil: not fixed, or not settled
}

// Unmarked lists what is to be noted in the store, up to limit segments. It costs what it lists (C7).
func (c *Catalog) Unmarked(ctx context.Context, limit int) (u Tombstones, err error) {
	err = c.read(ctx, "list tombstones", func(t *tx) error {
		u = Tombstones{Fronts: map[string]Front{}}
		if err := t.droppedIDs(&u, "0"); err != nil {
			return err
		}
		if err := t.each(func(scan func(...any) error) error {
			s, err := scanSegment(scan)
			u.Segments = append(u.Segments, s)
			return err
		}, `SELECT `+segmentColumns+` FROM segments WHERE given_up = 1 ORDER BY cube_id, number LIMIT $1`, limit+1); err != nil {
			return err
		}
		if u.More = len(u.Segments) > limit; u.More {
			u.Segments = u.Segments[:limit]
		}
		for _, s := range u.Segments {
			if _, ok := u.Fronts[s.CubeID]; ok {
				continue
			}
			info, err := t.cubeInfo(s.CubeID)
			if err != nil {
				return err
			}
			u.Fronts[s.CubeID] = Front{Revision: info.Revision, Ranges: info.Settled}
		}
		return nil
	})
	return u, err
}

// droppedIDs reads the ids of dropped tables and cubes; marked is a literal, by which the index of those to be marked is chosen.
func (t *tx) droppedIDs(u *Tombstones, marked string) error {
	for table, list := range map[string]*[]string{"tables": &u.Tables, "cubes": &u.Cubes} {
		if err := t.each(func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			*list = append(*list, id)
			return err
		}, `SELECT id FROM `+table+` WHERE dropped_us > 0 AND marked = `+marked+` ORDER BY id`); err != nil {
			return err
		}
	}
	return nil
}

// Marked notes that the store has what Unmarked has listed.
func (c *Catalog) Marked(ctx context.Context, u Tombstones) error {
	return c.write(ctx, "note tombstones", func(t *tx) error {
		for _, s := range u.Segments {
			if _, err := t.exec(`UPDATE segments SET given_up = 2 WHERE cube_id = $1 AND number = $2 AND given_up = 1`, s.CubeID, s.Number); err != nil {
				return err
			}
		}
		for _, id := range u.Cubes {
			if _, err := t.exec(`UPDATE cubes SET marked = 1 WHERE id = $1`, id); err != nil {
				return err
			}
		}
		for _, id := range u.Tables {
			if _, err := t.exec(`UPDATE tables SET marked = 1 WHERE id = $1`, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// Noted lists what Marked has noted: ids of dropped tables and cubes, and segments given up whose objects may still be there.
func (c *Catalog) Noted(ctx context.Context) (u Tombstones, err error) {
	err = c.scan(ctx, "list noted tombstones", func(t *tx) error {
		u = Tombstones{}
		if err := t.droppedIDs(&u, "1"); err != nil {
			return err
		}
		return t.each(func(scan func(...any) error) error {
			s, err := scanSegment(scan)
			u.Segments = append(u.Segments, s)
			return err
		}, `SELECT `+segmentColumns+` FROM segments WHERE given_up = 2 AND removed_us = 0 ORDER BY cube_id, number`)
	})
	return u, err
}
