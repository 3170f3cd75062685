package builder

import (
	"context"
	"errors"
	"slices"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// versions says which versions of a cube's definition hold the same. Most of what a definition says is no matter of segments: how they are
// cut, merged and kept, whom it concerns, what is derived from lookup tables.
type versions struct {
	same  map[int]bool // older ones whose segments hold what the one in force says, so that they are not refreshed
	alike map[int]int  // the first one that holds the same in the same form, so that they can be merged
}

func (v versions) together(a, b int) bool {
	return a == b || v.alike[a] > 0 && v.alike[a] == v.alike[b]
}

// versionsOf compares the definitions of live segments with each other and with the one in force. It reads as many as there are: none
// where all are of that one.
func (b *Builder) versionsOf(ctx context.Context, s *state) (versions, error) {
	out := versions{same: map[int]bool{}, alike: map[int]int{}}
	live := []int{s.Cube.Version}
	for _, x := range s.live {
		live = append(live, x.Version)
	}
	slices.Sort(live)
	var known []*cube.Cube
	for _, number := range slices.Compact(live) {
		def := s.Cube
		if number != def.Version {
			var err error
			if def, err = b.o.Catalog.CubeByID(ctx, s.Cube.ID, number); errors.Is(err, catalog.ErrNotFound) {
				continue // a catalog that was rebuilt without it
			} else if err != nil {
				return out, err
			}
			out.same[number] = !cube.DiffCubes(def, s.Cube).Rebuild
		}
		out.alike[number] = number
		if i := slices.IndexFunc(known, func(old *cube.Cube) bool { return cube.SameCells(old, def) }); i >= 0 {
			out.alike[number] = known[i].Version
			continue
		}
		known = append(known, def)
	}
	return out, nil
}
