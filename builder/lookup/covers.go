package lookup

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// settled is how long after a snapshot all that it covers is committed, so that each process has it. What covers less than one that is
// older is of another table of that name, or of a topic that was made again, and not of a process that has less of the tail.
const settled = time.Hour

// replace stores a snapshot as the version after newest, unless it covers less: of a table whose partitions several processes read each
// has the tail of its own, and events that were there do not go away again.
func (q Queries) replace(ctx context.Context, s *Snapshot, newest catalog.LookupVersion) (v catalog.LookupVersion, changed bool, err error) {
	now, before := s.Lookup.Query, newest.Lookup.Query
	less, err := coversLess(now.Covers, before.Covers)
	if err != nil {
		return v, false, fmt.Errorf("offsets of lookup %s/%s: %w", s.Lookup.Project, s.Lookup.Name, err)
	}
	if less && now.At.Sub(before.At) < settled {
		return newest, false, q.Catalog.NoteLookupTried(ctx, newest.Lookup.ID, newest.Lookup.Version)
	}
	return put(ctx, q.Store, q.Catalog, s, newest)
}

// coversLess reports whether a partition of before ends lower now, in the same generation, or is not there.
func coversLess(now, before []cube.LookupCover) (bool, error) {
	for _, b := range before {
		old, err := catalog.ParseAsOf(b.Offsets)
		if err != nil {
			return false, err
		}
		i := slices.IndexFunc(now, func(c cube.LookupCover) bool { return c.Table != "" && c.Table == b.Table })
		if old == nil || i < 0 {
			continue
		}
		covers, err := catalog.ParseAsOf(now[i].Offsets)
		if err != nil {
			return false, err
		}
		if covers == nil {
			return true, nil
		}
		for _, o := range old.Offsets {
			j := slices.IndexFunc(covers.Offsets, func(c catalog.AsOfOffset) bool { return c.Partition == o.Partition })
			if j < 0 || covers.Offsets[j].Generation == o.Generation && covers.Offsets[j].Offset < o.Offset {
				return true, nil
			}
		}
	}
	return false, nil
}
