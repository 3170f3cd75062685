package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// noteChange records that the events of part of a ledger have changed, and how. It locks the row of the table until the
// transaction ends, so that numbers ascend in the order of commits: whoever reads the highest has seen all below it.
func (t *tx) noteChange(tableID string, r segmenter.PartitionRange, e effect) error {
	m, err := t.moment()
	if err != nil {
		return err
	}
	added, err := offsetsText(e.added)
	if err != nil {
		return err
	}
	removed, err := offsetsText(e.removed)
	if err != nil {
		return err
	}
	var change int64
	if err := t.row(`UPDATE tables SET next_change = next_change + 1 WHERE id = $1 RETURNING next_change - 1`, tableID).Scan(&change); err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO ledger_changes (table_id, change, partition, generation, start_offset, end_offset, created_us,
		version, added, removed, prepended) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		tableID, change, r.Partition, r.Generation, r.Start, r.End, now(), m.Version, added, removed, flag(e.prepended))
	return err
}

// TableChange returns the number of the last change of committed events of a table. A build reads it before its inputs and
// hands it to Publish: a change that comes after it makes the segment stale.
func (c *Catalog) TableChange(ctx context.Context, tableID string) (change int64, err error) {
	err = c.read(ctx, "read change of table "+tableID, func(t *tx) error {
		change, err = t.tableChange(tableID)
		return err
	})
	return change, err
}

func (t *tx) tableChange(tableID string) (change int64, err error) {
	err = t.row(`SELECT next_change - 1 FROM tables WHERE id = $1`, tableID).Scan(&change)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("table with id %s: %w", tableID, ErrNotFound)
	}
	return change, err
}

// changedSince reports whether events in v have changed after a change.
func (t *tx) changedSince(tableID string, change int64, v segmenter.Vector) (changed bool, err error) {
	err = t.eachChange(tableID, change, func(_ int64, r segmenter.PartitionRange) error {
		if (segmenter.Vector{r}).Overlaps(v) {
			changed = true
			return errStop
		}
		return nil
	})
	return changed, notStop(err)
}

func (t *tx) eachChange(tableID string, after int64, f func(change int64, r segmenter.PartitionRange) error) error {
	return t.each(func(scan func(...any) error) error {
		var change int64
		var r segmenter.PartitionRange
		if err := scan(&change, &r.Partition, &r.Generation, &r.Start, &r.End); err != nil {
			return err
		}
		return f(change, r)
	}, `SELECT change, partition, generation, start_offset, end_offset FROM ledger_changes
		WHERE table_id = $1 AND change > $2 ORDER BY change`, tableID, after)
}

// StaleSegments lists the ready segments of a cube whose inputs have changed since they were built, by number. It costs what
// has changed since it was asked last, and what is stale (C7): it notes on each segment what it has found, and on the cube
// how far it has looked. What a new segment misses, its publication notes.
func (c *Catalog) StaleSegments(ctx context.Context, cubeID string) (list []SegmentEntry, err error) {
	behind := false
	err = c.read(ctx, "read changes for cube "+cubeID, func(t *tx) error {
		err := t.row(`SELECT p.next_change - 1 > q.checked_change FROM cubes q JOIN tables p ON p.id = q.table_id
			WHERE q.id = $1`, cubeID).Scan(&behind)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("cube with id %s: %w", cubeID, ErrNotFound)
		}
		return err
	})
	if err == nil && behind {
		err = c.write(ctx, "note stale segments of cube "+cubeID, func(t *tx) error { return t.noteStale(cubeID) })
	}
	if err != nil {
		return nil, err
	}
	err = c.read(ctx, "list stale segments of cube "+cubeID, func(t *tx) error {
		list = nil
		return t.each(func(scan func(...any) error) error {
			s, err := scanSegment(scan)
			list = append(list, s)
			return err
		}, `SELECT `+segmentColumns+` FROM segments WHERE cube_id = $1 AND stale = 1 AND state = 'ready' ORDER BY number`, cubeID)
	})
	return list, err
}

func (t *tx) noteStale(cubeID string) error {
	cube, err := t.lockCube(cubeID)
	if err != nil {
		return err
	}
	upTo := cube.checkedChange
	type one struct {
		change int64
		r      segmenter.PartitionRange
	}
	var list []one
	if err := t.eachChange(cube.tableID, cube.checkedChange, func(change int64, r segmenter.PartitionRange) error {
		list, upTo = append(list, one{change, r}), change
		return nil
	}); err != nil {
		return err
	}
	var marked int64
	for _, l := range list {
		over, err := t.overlapping(cubeID, kindReady, l.r, int(l.r.Len()))
		if err != nil {
			return err
		}
		for _, o := range over {
			n, err := t.exec(`UPDATE segments SET stale = 1, revision = 0 WHERE cube_id = $1 AND number = $2 AND inputs_change < $3 AND stale = 0`,
				cubeID, o.number, l.change)
			if err != nil {
				return err
			}
			marked += n
		}
	}
	if _, err := t.exec(`UPDATE cubes SET checked_change = $2 WHERE id = $1`, cubeID, upTo); err != nil || marked == 0 {
		return err
	}
	return t.touch(cubeID)
}

// Inputs yields the ledger rows that have offsets in v, with their files and supplements, line by line in order of offsets:
// what a build reads. A row may reach out of v at both ends. It is all of one state of the catalog and holds a database
// connection until the loop ends. Offsets that are not committed yet are not in it: see Unstaged.
func (c *Catalog) Inputs(ctx context.Context, tableID string, v segmenter.Vector) iter.Seq2[LedgerEntry, error] {
	return func(yield func(LedgerEntry, error) bool) {
		stopped := false
		err := c.scan(ctx, "read inputs of table "+tableID, func(t *tx) error {
			if err := t.wantTable(tableID); err != nil {
				return err
			}
			for _, r := range v {
				if r.Empty() {
					continue
				}
				none := 0
				done, err := t.yieldLine(LedgerQuery{TableID: tableID, From: r.Start, To: r.End}, r, &none, yield)
				if err != nil || done {
					stopped = done
					return err
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(LedgerEntry{}, err)
		}
	}
}

// Unstaged is what the ledger does not hold of a range.
type Unstaged struct {
	Coming segmenter.Vector // of open generations: it is to be staged
	Never  segmenter.Vector // of closed ones: their end is fixed, and it is behind it
}

// Empty reports whether a build may go on.
func (u Unstaged) Empty() bool { return len(u.Coming) == 0 && len(u.Never) == 0 }

// Unstaged returns the offsets of v that the ledger does not hold yet. Rows tile a line from its start to its end (C4), so
// that it reads lines, not rows.
func (c *Catalog) Unstaged(ctx context.Context, tableID string, v segmenter.Vector) (u Unstaged, err error) {
	err = c.read(ctx, "read ends of table "+tableID, func(t *tx) error {
		u = Unstaged{}
		if err := t.wantTable(tableID); err != nil {
			return err
		}
		lines, err := t.lines(tableID, -1)
		if err != nil {
			return err
		}
		var have segmenter.Vector
		newest := map[int32]int32{}
		for _, l := range lines {
			have = append(have, l)
			newest[l.Partition] = max(newest[l.Partition], l.Generation)
		}
		for _, r := range v {
			if missing := lack(r, have); r.Generation < newest[r.Partition] {
				u.Never = append(u.Never, missing...)
			} else {
				u.Coming = append(u.Coming, missing...)
			}
		}
		return nil
	})
	return u, err
}

// lack returns the offsets of r that its line in have does not hold: those before it, and those behind it.
func lack(r segmenter.PartitionRange, have segmenter.Vector) segmenter.Vector {
	if r.Empty() {
		return nil
	}
	for _, l := range have {
		if !l.SameLine(r) {
			continue
		}
		var out segmenter.Vector
		before, behind := r, r
		before.End, behind.Start = min(r.End, l.Start), max(r.Start, l.End)
		if !before.Empty() {
			out = append(out, before)
		}
		if !behind.Empty() {
			out = append(out, behind)
		}
		return out
	}
	return segmenter.Vector{r}
}
