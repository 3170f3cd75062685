package kylin

import (
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// Change is Import of a descriptor that changes a cube: what Kylin has no words for stays as it is, since a client that reads
// a descriptor and sends it back with one word changed does not mean to change the rest.
func Change(old *cube.Cube, desc CubeDesc, model ModelDesc, t *cube.Table, lookups ...*cube.Lookup) (*cube.Cube, []cube.Problem, error) {
	c, notes, err := Import(desc, model, old.Project, t, lookups...)
	if err != nil {
		return nil, notes, err
	}
	notes[0] = cube.Problem{
		Message: "what Kylin has no words for stays as it is: cut, fill_holes, time_zone, notify, max_jobs, engine, and measures of first and last",
		Instead: "change it with tidemark cube apply",
	}
	c.Cut, c.FillHoles, c.RefreshOldVersions, c.TimeZone = old.Cut, old.FillHoles, old.RefreshOldVersions, old.TimeZone
	c.Notify, c.MaxJobs, c.Engine = old.Notify, old.MaxJobs, old.Engine
	if len(desc.AutoMerge) == 0 && len(old.Merge.TimeRanges) == 0 {
		c.Merge = old.Merge
	}
	if c.Merge.MaxRows == 0 {
		c.Merge.MaxRows = old.Merge.MaxRows
	}
	if len(desc.PartitionOffsets) == 0 && old.Start.At != "offsets" {
		c.Start = old.Start
	}
	if c.Owner == "" {
		c.Owner = old.Owner
	}
	for _, m := range old.Measures {
		named := func(o cube.Measure) bool { return strings.EqualFold(o.Name, m.Name) }
		if (m.Function == cube.First || m.Function == cube.Last) && !slices.ContainsFunc(c.Measures, named) {
			c.Measures = append(c.Measures, m)
		}
	}
	if sameCuboids(old, c) {
		c.Groups = old.Groups
	}
	return c, notes, nil
}

// sameCuboids reports whether other groups mean the same: no group is one of all dimensions to Kylin, and segments must not be
// built again for that.
func sameCuboids(a, b *cube.Cube) bool {
	if !slices.Equal(a.Dimensions, b.Dimensions) {
		return false
	}
	of, err := a.Cuboids()
	other, otherErr := b.Cuboids()
	return err == nil && otherErr == nil && slices.Equal(of, other)
}
