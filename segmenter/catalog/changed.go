package catalog

import (
	"context"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// ChangedSince reports whether committed events in v have changed after a change of their table (SegmentEntry.InputsChange).
// Unlike StaleSegments it notes nothing: who only looks must not write. It costs what has changed since.
func (c *Catalog) ChangedSince(ctx context.Context, tableID string, change int64, v segmenter.Vector) (changed bool, err error) {
	err = c.read(ctx, "read changes of table "+tableID, func(t *tx) error {
		changed, err = t.changedSince(tableID, change, v)
		return err
	})
	return changed, err
}
