package catalog

import (
	"context"
	"fmt"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// TableStats counts what is committed. It is kept with every commit, so that reading it costs one row a partition (C7).
type TableStats struct {
	Rows        int64 // ledger rows
	Events      int64 // those of supplements included
	Gaps        int64 // offsets
	Quarantined int64 // offsets, less the requeued ones
	Skipped     int64 // offsets
	Lost        int64 // offsets
	Files       int64 // staged and supplement files
	Bytes       int64 // of those
}

// Stats returns the counts of a table over all partitions and generations.
func (c *Catalog) Stats(ctx context.Context, tableID string) (s TableStats, err error) {
	err = c.read(ctx, fmt.Sprintf("read stats of table %s", tableID), func(t *tx) error {
		if err := t.wantTable(tableID); err != nil {
			return err
		}
		s = TableStats{}
		return t.each(func(scan func(...any) error) error {
			p, err := scanPart(scan)
			if err != nil {
				return err
			}
			s.add(p.stats, 1)
			return nil
		}, `SELECT `+partColumns+` FROM partitions p WHERE p.table_id = $1`, tableID)
	})
	return s, err
}

// statsOf counts one row without supplements.
func statsOf(m Commit) TableStats {
	s := TableStats{Rows: 1, Events: m.Row.Events}
	switch m.Row.State {
	case segmenter.Skipped:
		s.Skipped = m.Row.Range.Len()
	case segmenter.Lost:
		s.Lost = m.Row.Range.Len()
	}
	s.Gaps = m.Row.Exceptions.Count(segmenter.Gap)
	s.Quarantined = m.Row.Exceptions.Count(segmenter.Quarantined)
	if m.File != nil {
		s.Files, s.Bytes = 1, m.File.Size
	}
	return s
}

// add adds o, or takes it away with sign -1.
func (s *TableStats) add(o TableStats, sign int64) {
	s.Rows += sign * o.Rows
	s.Events += sign * o.Events
	s.Gaps += sign * o.Gaps
	s.Quarantined += sign * o.Quarantined
	s.Skipped += sign * o.Skipped
	s.Lost += sign * o.Lost
	s.Files += sign * o.Files
	s.Bytes += sign * o.Bytes
}
