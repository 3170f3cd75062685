package catalog

import (
	"context"
)

// CubeChanges is what has become of cubes since a revision.
type CubeChanges struct {
	Live     []CubeInfo // those that have changed, in the order of their changes
	Dropped  []string   // ids of those that were dropped; none for the revision 0
	Revision int64      // up to which this says all: ask from here next time
}

// CubeChanges reads the cubes that have changed, or whose segments or reservations have, since a revision; 0: all live ones.
// It costs what has changed, and one row where nothing has.
func (c *Catalog) CubeChanges(ctx context.Context, since int64) (ch CubeChanges, err error) {
	err = c.read(ctx, "read changes of cubes", func(t *tx) error {
		ch = CubeChanges{Revision: since}
		var now int64
		if err := t.row(`SELECT cubes_revision FROM catalog WHERE one = 1`).Scan(&now); err != nil {
			return err
		}
		// PostgreSQL takes a third of all cubes for changed and would walk through them to find none.
		if now <= since {
			return nil
		}
		ch.Revision = now
		if err := t.each(func(scan func(...any) error) error {
			i, err := scanCubeInfo(scan)
			ch.Live = append(ch.Live, i)
			return err
		}, selectCube+`p.revision > $1 AND p.dropped_us = 0 ORDER BY p.revision`, since); err != nil || since == 0 {
			return err
		}
		return t.each(func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			ch.Dropped = append(ch.Dropped, id)
			return err
		}, `SELECT id FROM cubes WHERE revision > $1 AND dropped_us <> 0 ORDER BY revision`, since)
	})
	return ch, err
}

// TableMark differs from one read earlier when anything was committed to the table, a partition or generation began, an
// owner came or went, or committed events have changed: no two states of a table have the same. Epochs, generations and
// changes only ascend; while they stay so do the ends, and owners only go.
type TableMark struct {
	Change                               int64 // as TableChange
	partitions, begun, owned             int64
	epochs, generations, starts, offsets int64
}

// markColumns are those of a TableMark, of table a and its partitions b.
const markColumns = `MAX(a.next_change) - 1, COUNT(b.partition), CAST(COALESCE(SUM(b.begun), 0) AS BIGINT),
	COUNT(CASE WHEN b.owner <> '' THEN 1 END), CAST(COALESCE(SUM(b.epoch), 0) AS BIGINT),
	CAST(COALESCE(SUM(b.generation), 0) AS BIGINT), CAST(COALESCE(SUM(b.start_offset), 0) AS BIGINT),
	CAST(COALESCE(SUM(b.end_offset), 0) AS BIGINT)`

func (m *TableMark) dest() []any {
	return []any{&m.Change, &m.partitions, &m.begun, &m.owned, &m.epochs, &m.generations, &m.starts, &m.offsets}
}

// TableMarks reads the mark of every live table, by id. It costs what tables have of partitions, whatever they hold.
func (c *Catalog) TableMarks(ctx context.Context) (marks map[string]TableMark, err error) {
	err = c.read(ctx, "read marks of tables", func(t *tx) error {
		marks = map[string]TableMark{}
		return t.each(func(scan func(...any) error) error {
			var id string
			var m TableMark
			err := scan(append([]any{&id}, m.dest()...)...)
			marks[id] = m
			return err
		}, `SELECT a.id, `+markColumns+`
			FROM tables a LEFT JOIN partitions b ON b.table_id = a.id WHERE a.dropped_us = 0 GROUP BY a.id`)
	})
	return marks, err
}
