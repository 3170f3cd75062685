package catalog

import (
	"context"
	"database/sql"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// Pending is what a cut wants to know of offsets that no segment has yet.
type Pending struct {
	SinceUs int64 // when the first of them was committed; 0: none is
	Bytes   int64 // of the staged files that hold them
}

// Pending reads the ledger rows that have offsets in v. It costs their number, whatever lies before them.
func (c *Catalog) Pending(ctx context.Context, tableID string, v segmenter.Vector) (p Pending, err error) {
	err = c.read(ctx, "read what table "+tableID+" has pending", func(t *tx) error {
		p = Pending{}
		for _, r := range v {
			if r.Empty() {
				continue
			}
			var since sql.NullInt64
			var bytes int64
			if err := t.row(`SELECT MIN(l.committed_us), CAST(COALESCE(SUM(f.size), 0) AS BIGINT) FROM ledger l LEFT JOIN files f ON f.file_key = l.staged_key
				WHERE l.table_id = $1 AND l.partition = $2 AND l.generation = $3 AND l.end_offset > $4 AND l.start_offset < $5`,
				tableID, r.Partition, r.Generation, r.Start, r.End).Scan(&since, &bytes); err != nil {
				return err
			}
			if since.Valid && (p.SinceUs == 0 || since.Int64 < p.SinceUs) {
				p.SinceUs = since.Int64
			}
			p.Bytes += bytes
		}
		return nil
	})
	return p, err
}
