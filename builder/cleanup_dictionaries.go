package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// dictionaries looks for slices that the catalog does not name: those of builds that were killed, or lost against another.
// One whose number is still to be given stays, since the build that stored it may be about to append it; once another slice
// has the number, or the table is gone, that would be refused.
func (c *cleaning) dictionaries(ctx context.Context) error {
	byTable := map[string][]blob.Object{}
	for o, err := range c.b.o.Store.List(ctx, dictionary.Prefix) {
		if err != nil {
			return fmt.Errorf("list dictionaries: %w", err)
		}
		c.res.Scanned++
		id, _, _ := strings.Cut(strings.TrimPrefix(o.Key, dictionary.Prefix), "/")
		byTable[id] = append(byTable[id], o)
	}
	dropped, err := c.b.o.Catalog.DroppedTables(ctx)
	if err != nil {
		return err
	}
	for id, objects := range byTable {
		if _, err := c.b.o.Catalog.TableByID(ctx, id, 0); errors.Is(err, catalog.ErrNotFound) {
			return fmt.Errorf("dictionaries of table %s, which the catalog does not know: nothing was removed: run catalog rebuild, or use the catalog that wrote them", id)
		} else if err != nil {
			return err
		}
		list, err := c.b.o.Catalog.TableDictionaries(ctx, id)
		if err != nil {
			return err
		}
		named, last := map[string]bool{}, map[string]int64{}
		for _, s := range list {
			named[s.Key], last[s.Column] = true, s.Slice
		}
		c.packs(objects, list)
		for _, o := range objects {
			k, err := dictionary.ParseKey(o.Key)
			if err != nil || named[o.Key] || (k.Slice > last[k.Column] && !slices.Contains(dropped, id)) {
				continue // not ours, needed, or not to be known yet
			}
			c.unneeded(o.Key, "no dictionary has this slice", []blob.Object{o})
		}
	}
	return nil
}

// packs looks for packs of slices that a dictionary does not have, and for those of which there is a larger one. A build that
// opens one just then reads the slices.
func (c *cleaning) packs(objects []blob.Object, list []catalog.DictionarySlice) {
	var there []dictionary.Pack
	for _, o := range objects {
		if p, ok := dictionary.ParsePack(o.Key); ok && packOf(p, list) {
			there = append(there, p)
		}
	}
	for _, o := range objects {
		p, ok := dictionary.ParsePack(o.Key)
		switch {
		case !ok:
		case !slices.Contains(there, p):
			c.unneeded(o.Key, "no dictionary has its slices", []blob.Object{o})
		case slices.ContainsFunc(there, func(q dictionary.Pack) bool { return q != p && q.Has(p) }):
			c.unneeded(o.Key, "a larger pack has its slices", []blob.Object{o})
		}
	}
}

// packOf reports whether a pack is of slices in the list.
func packOf(p dictionary.Pack, list []catalog.DictionarySlice) bool {
	return slices.ContainsFunc(list, func(s catalog.DictionarySlice) bool {
		return s.Column == p.Column && s.Slice == p.Last && s.SHA256 == p.SHA256
	})
}
