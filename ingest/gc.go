package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// GCOptions say where orphans are looked for. The zero value of a field means its default.
type GCOptions struct {
	Catalog *catalog.Catalog
	Store   blob.Store
	MinAge  time.Duration // younger objects may be on their way to their commit; default 1h
	Now     time.Time     // default: now
}

// GCResult lists objects that no commit names.
type GCResult struct {
	Scanned int64         `json:"scanned"`
	Orphans []blob.Object `json:"orphans"`
	Bytes   int64         `json:"orphan_bytes"`
	Young   int64         `json:"young"`          // unreferenced, but younger than MinAge
	Unknown []string      `json:"unknown_tables"` // folders of tables that this catalog never had: nothing in them is an orphan
}

// gcPrefixes are the folders whose objects exist only by a commit.
var gcPrefixes = []string{"staged/", "quarantine/", "ledger/"}

// GC finds objects of tables that no commit names: an upload whose process died before its commit, or was refused. A
// staged file counts only by its commit, so nothing reads them. It deletes nothing: removal takes a second pass after a
// grace period (I11), which belongs to the scheduler.
func GC(ctx context.Context, o GCOptions) (*GCResult, error) {
	if o.MinAge == 0 {
		o.MinAge = time.Hour
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	res := &GCResult{Orphans: []blob.Object{}, Unknown: []string{}}
	for _, prefix := range gcPrefixes {
		// The listing comes first: what is committed after it cannot be mistaken for an orphan.
		byTable := map[string][]blob.Object{}
		for obj, err := range o.Store.List(ctx, prefix) {
			if err != nil {
				return nil, fmt.Errorf("list %s: %w", prefix, err)
			}
			res.Scanned++
			table, _, _ := strings.Cut(strings.TrimPrefix(obj.Key, prefix), "/")
			byTable[table] = append(byTable[table], obj)
		}
		for table, objects := range byTable {
			if err := res.sift(ctx, o, table, objects); err != nil {
				return nil, err
			}
		}
	}
	return res, nil
}

func (res *GCResult) sift(ctx context.Context, o GCOptions, table string, objects []blob.Object) error {
	named := map[string]bool{}
	for key, err := range o.Catalog.Referenced(ctx, table) {
		if errors.Is(err, catalog.ErrNotFound) {
			if !slices.Contains(res.Unknown, table) {
				res.Unknown = append(res.Unknown, table)
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("objects of table %s: %w", table, err)
		}
		named[key] = true
	}
	for _, obj := range objects {
		switch {
		case named[obj.Key]:
		case o.Now.Sub(obj.ModTime) < o.MinAge:
			res.Young++
		default:
			res.Orphans = append(res.Orphans, obj)
			res.Bytes += obj.Size
		}
	}
	return nil
}
