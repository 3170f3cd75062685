package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// FixPartitions notes how many partitions a table's topic had when it was first read, and returns the number that was
// noted first. Partitions with a higher number came later: they are read from their first offset, whatever the table's
// start says, since they hold nothing older than the table.
func (c *Catalog) FixPartitions(ctx context.Context, tableID string, n int) (first int, err error) {
	err = c.write(ctx, "note partitions of table "+tableID, func(t *tx) error {
		if _, err := t.exec(`UPDATE tables SET first_partitions = $2 WHERE id = $1 AND first_partitions = 0`, tableID, n); err != nil {
			return err
		}
		err := t.row(`SELECT first_partitions FROM tables WHERE id = $1`, tableID).Scan(&first)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("table with id %s: %w", tableID, ErrNotFound)
		}
		return err
	})
	return first, err
}
