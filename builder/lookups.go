package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// lookups looks for snapshots that no live lookup table has and no manifest of a ready segment names. Storing one and telling
// the catalog is one request with a time limit far below the grace period, so that what is not named then never will be.
func (c *cleaning) lookups(ctx context.Context) error {
	var objects []blob.Object
	for o, err := range c.b.o.Store.List(ctx, lookup.Prefix) {
		if err != nil {
			return fmt.Errorf("list lookups: %w", err)
		}
		c.res.Scanned++
		objects = append(objects, o)
	}
	if len(objects) == 0 {
		return nil
	}
	live, err := c.b.o.Catalog.Lookups(ctx, "")
	if err != nil {
		return err
	}
	named := map[string]bool{}
	for _, l := range live {
		versions, err := c.b.o.Catalog.LookupVersions(ctx, l.Lookup.ID)
		if err != nil {
			return err
		}
		for _, v := range versions {
			named[v.Key] = true
		}
	}
	var others []blob.Object
	for _, o := range objects {
		if _, _, _, err := lookup.ParseKey(o.Key); err == nil && !named[o.Key] {
			others = append(others, o)
		}
	}
	if len(others) == 0 {
		return nil
	}
	used, err := c.snapshotsInUse(ctx)
	if err != nil {
		return err
	}
	for _, o := range others {
		if !used[o.Key] {
			c.unneeded(o.Key, "no lookup table has this snapshot", []blob.Object{o})
		}
	}
	return nil
}

// snapshot is one that was found in the store.
type snapshot struct {
	catalog.LookupVersion
	blob.Object
}

// readLookups chooses the snapshots of lookup tables: of two with one version the one that was stored first, of two tables with one
// name the one that was made last. Versions count as far as none is missing.
func (r *rebuilding) readLookups(ctx context.Context) error {
	byID := map[string][]snapshot{}
	for o, err := range r.st.List(ctx, lookup.Prefix) {
		if err != nil {
			return err
		}
		v, err := lookup.Describe(ctx, r.st, o.Key)
		var bad *lookup.DamagedError
		if errors.As(err, &bad) {
			r.ignore("%v", err)
			continue
		}
		if err != nil {
			return err
		}
		byID[v.Lookup.ID] = append(byID[v.Lookup.ID], snapshot{v, o})
	}
	taken := map[string]string{} // ids, by project and name
	var chosen [][]snapshot
	for _, list := range byID {
		slices.SortFunc(list, func(a, b snapshot) int {
			return cmp.Or(cmp.Compare(a.Lookup.Version, b.Lookup.Version), a.ModTime.Compare(b.ModTime), cmp.Compare(a.Object.Key, b.Object.Key))
		})
		chosen = append(chosen, list)
	}
	slices.SortFunc(chosen, func(a, b []snapshot) int {
		return cmp.Or(b[0].ModTime.Compare(a[0].ModTime), cmp.Compare(a[0].Lookup.ID, b[0].Lookup.ID))
	})
	for _, list := range chosen {
		name := list[0].Lookup.Project + "/" + list[0].Lookup.Name
		if by, ok := taken[name]; ok {
			r.ignore("lookups/%s: the name %s is that of %s, which was made later", list[0].Lookup.ID, name, by)
			continue
		}
		next := int64(1)
		for _, s := range list {
			if s.Lookup.Version != next {
				r.ignore("%s: version %d is wanted here", s.Object.Key, next)
				continue
			}
			r.lookups = append(r.lookups, s.LookupVersion)
			taken[name] = s.Lookup.ID
			next++
		}
	}
	return nil
}
