package builder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Tables are the tables of cuboids that lie in HBase. Disable, Enable and Drop pass over what is so already.
type Tables interface {
	Tables(ctx context.Context) ([]hbase.Table, error)
	Disable(ctx context.Context, table string) error
	Enable(ctx context.Context, table string) error
	Drop(ctx context.Context, table string) error
}

// attemptOf is whose a table is. An attempt is of one segment, and the id in a table's name is of what was known when it was
// made: inputs that are known at the end, as snapshots of lookup tables, make that of the folder another one.
type attemptOf struct {
	cubeID  string
	attempt int64
}

func attemptOfFolder(folder string) attemptOf {
	cubeID, _, attempt, _, err := segmenter.ParseSegmentFolder(strings.TrimSuffix(folder, "/"))
	if err != nil {
		return attemptOf{}
	}
	return attemptOf{cubeID, attempt}
}

// listTables lists the tables before the catalog is read. Without an answer of HBase this pass leaves tables alone.
func (c *cleaning) listTables(ctx context.Context) {
	if c.b.o.Tables == nil {
		return
	}
	list, err := c.b.o.Tables.Tables(ctx)
	if err != nil {
		c.b.o.Logger.LogAttrs(ctx, slog.LevelWarn, "tables of hbase are not cleaned up in this pass", slog.Any("err", err))
		return
	}
	c.stored, c.unneededTables = map[string]hbase.Table{}, map[string]string{}
	for _, t := range list {
		c.stored[hbase.Key(t.Name)] = t
	}
}

// storeTables looks for tables whose segment's folder has no manifest (any more), that no job writes and no manifest of a
// ready segment names: those of attempts that failed, and of segments whose folders were removed (B7).
func (c *cleaning) storeTables(ctx context.Context, folders map[string][]blob.Object) error {
	byCube := map[string][]hbase.Table{}
	for _, t := range c.stored {
		byCube[t.CubeID] = append(byCube[t.CubeID], t)
	}
	whole := map[attemptOf]bool{}
	for folder, objects := range folders {
		for _, o := range objects {
			if strings.HasSuffix(o.Key, "/"+segmenter.ManifestName) {
				whole[attemptOfFolder(folder)] = true
			}
		}
	}
	for cubeID, list := range byCube {
		n, err := c.needed(ctx, cubeID)
		if errors.Is(err, catalog.ErrNotFound) {
			for _, t := range list {
				c.unknown(ctx, hbase.Key(t.Name))
			}
			continue
		}
		if err != nil {
			return err
		}
		ready := map[attemptOf]bool{}
		for folder := range n.folders {
			ready[attemptOfFolder(folder)] = true
		}
		var left []hbase.Table
		for _, t := range list {
			at := attemptOf{t.CubeID, t.Attempt}
			if !whole[at] && !ready[at] && !n.epochs[t.Attempt] {
				left = append(left, t)
			}
		}
		if err := c.unnamed(ctx, n, left); err != nil {
			return err
		}
	}
	return nil
}

// unnamed notes the tables that no manifest of a ready segment names.
func (c *cleaning) unnamed(ctx context.Context, n need, list []hbase.Table) error {
	if len(list) == 0 {
		return nil
	}
	named := map[string]bool{}
	for folder := range n.folders {
		m, err := c.b.readManifest(ctx, strings.TrimSuffix(folder, "/"))
		if err != nil {
			return fmt.Errorf("what a ready segment needs is not known: %w", err)
		}
		if m.Stored != nil {
			named[m.Stored.Table] = true
		}
	}
	for _, t := range list {
		if !named[t.Name] {
			key := hbase.Key(t.Name)
			c.unneeded(key, "no segment has this table", nil)
			c.unneededTables[key] = t.Name
		}
	}
	return nil
}

// disableTables makes tables unreadable that are marked as unneeded: whoever reads one all the same says so while it can be
// brought back. One that could not be disabled when it was marked is another time.
func (c *cleaning) disableTables(ctx context.Context) {
	for _, key := range slices.Sorted(maps.Keys(c.unneededTables)) {
		if t := c.stored[key]; !t.Disabled && !c.tableFailed(ctx, c.b.o.Tables.Disable(ctx, t.Name)) {
			t.Disabled = true
			c.stored[key] = t
		}
	}
}

// dropTables drops what is due and has been disabled by an earlier pass, and returns the keys of what is gone. Others stay
// marked.
func (c *cleaning) dropTables(ctx context.Context, due []catalog.Garbage) (gone []string) {
	for _, g := range due {
		name, ok := c.unneededTables[g.Key]
		if !ok {
			continue
		}
		if !c.stored[g.Key].Disabled || c.tableFailed(ctx, c.b.o.Tables.Drop(ctx, name)) {
			c.res.Kept++
			continue
		}
		c.res.Removed++
		delete(c.unneededTables, g.Key)
		gone = append(gone, g.Key)
	}
	return gone
}

// enableTables takes back what disableTables did to tables that are needed again, and returns the keys whose marks may go:
// one that could not be enabled keeps its mark, by which the next pass knows it.
func (c *cleaning) enableTables(ctx context.Context, keys []string) (done []string) {
	for _, key := range keys {
		if t, ok := c.stored[key]; ok && t.Disabled && c.tableFailed(ctx, c.b.o.Tables.Enable(ctx, t.Name)) {
			c.res.Kept++
			continue
		}
		done = append(done, key)
	}
	return done
}

// tableFailed logs what HBase did not do to which table, as the error says, and reports whether it did not: files are cleaned up without it.
func (c *cleaning) tableFailed(ctx context.Context, err error) bool {
	if err != nil {
		c.b.o.Logger.LogAttrs(ctx, slog.LevelWarn, "a table of hbase is left to the next pass", slog.Any("err", err))
	}
	return err != nil
}

// isTable reports whether a mark is of a table.
func isTable(key string) bool { return strings.HasPrefix(key, hbase.Key("")) }
