package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// lookups returns the newest snapshots of the lookup tables that the cube names. One that is not there is a *FinalError.
func (r *jobRun) lookups(ctx context.Context) (list []catalog.LookupVersion, err error) {
	for _, name := range r.def.LookupNames() {
		v, err := r.b.o.Catalog.Lookup(ctx, r.def.Project, name)
		if errors.Is(err, catalog.ErrNotFound) {
			return nil, &FinalError{fmt.Errorf("lookup table %s, which version %d of the definition names, is not there: apply it again, or take it out of the cube's lookups", name, r.def.Version)}
		}
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// lookupInputs are these snapshots as a manifest names them. Cells hold nothing of them: what is said is what a query saw when the
// segment was built. They are read at the end, as the manifest says of them.
func (r *jobRun) lookupInputs(ctx context.Context) (list []segmenter.Input, err error) {
	found, err := r.lookups(ctx)
	for _, v := range found {
		list = append(list, segmenter.Input{Kind: segmenter.InputLookup, Key: v.Key, Size: v.Size, SHA256: v.SHA256, Records: v.Rows})
		r.logf("lookup table %s: version %d, %d rows", v.Lookup.Name, v.Lookup.Version, v.Rows)
	}
	return list, err
}

// newestLookups keeps the newest version of each lookup table among the inputs of merged segments: that asks nobody, so the same
// segments make the same manifest whenever they are merged.
func newestLookups(list []segmenter.Input) []segmenter.Input {
	newest := map[string]int64{}
	for _, in := range list {
		if id, version, ok := snapshotOf(in); ok {
			newest[id] = max(newest[id], version)
		}
	}
	return slices.DeleteFunc(list, func(in segmenter.Input) bool {
		id, version, ok := snapshotOf(in)
		return ok && version < newest[id]
	})
}

// snapshotOf returns which version of which lookup table an input is, if it is one.
func snapshotOf(in segmenter.Input) (id string, version int64, ok bool) {
	if in.Kind != segmenter.InputLookup {
		return "", 0, false
	}
	id, version, _, err := lookup.ParseKey(in.Key)
	return id, version, err == nil
}

// snapshotsInUse lists the snapshots that manifests of ready segments name. Only manifests of cubes that ever named a lookup
// table are read.
func (c *cleaning) snapshotsInUse(ctx context.Context) (map[string]bool, error) {
	cubes, err := c.b.o.Catalog.Cubes(ctx, "")
	if err != nil {
		return nil, err
	}
	named := map[string]bool{}
	for _, i := range cubes {
		versions, err := c.b.o.Catalog.CubeVersions(ctx, i.Cube.ID)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(versions, func(v *cube.Cube) bool { return len(v.Lookups) > 0 }) {
			continue
		}
		need, err := c.needed(ctx, i.Cube.ID)
		if err != nil {
			return nil, err
		}
		for folder := range need.folders {
			m, err := c.b.readManifest(ctx, folder[:len(folder)-1])
			if err != nil {
				return nil, fmt.Errorf("what a ready segment needs is not known: %w", err)
			}
			for _, in := range m.Inputs {
				if in.Kind == segmenter.InputLookup {
					named[in.Key] = true
				}
			}
		}
	}
	return named, nil
}
