package cube

import (
	"fmt"
	"math/bits"
	"slices"
)

// Cuboids returns the cuboids of the cube as bit sets in ascending order, the base cuboid of all dimensions last. The first
// dimension of the row key is the highest of the n bits, the last one is bit 0. A set is a cuboid if it is the base, or if
// in one of the groups it lies within the dimensions included, holds those that are mandatory and at least one more, holds
// of each hierarchy the first levels or none, of each joint all or none, and has no more dimensions than dim_cap.
//
// The cube must be valid but for the number of cuboids; over MaxCuboids the error is a *Problem that says which rule to add.
func (c *Cube) Cuboids() ([]uint64, error) {
	if problems := c.lattice().problems(); len(problems) > 0 {
		return nil, &problems[0]
	}
	return c.lattice().masks(), nil
}

// GroupCuboids returns how many cuboids each of the cube's groups has by itself; one group of all
// dimensions where none is written. Groups may share cuboids. The cube must be valid.
func (c *Cube) GroupCuboids() []uint64 {
	var out []uint64
	for _, g := range c.lattice().groups {
		out = append(out, g.count(g.limit))
	}
	return out
}

// lattice is the groups of a cube as bits.
type lattice struct {
	names  []string // of bits from the highest down: the row key
	base   uint64
	groups []latticeGroup
	cube   *Cube
}

// latticeGroup is what a group allows: one option of each unit together. Units touch different dimensions, so no set is
// made twice.
type latticeGroup struct {
	mandatory uint64
	units     [][]uint64 // options of a hierarchy, a joint or a single dimension; the first is always nothing
	limit     int        // on dimensions
}

func (c *Cube) lattice() lattice {
	c = c.WithDefaults()
	l := lattice{names: c.RowKey, cube: c}
	n := len(c.RowKey)
	bit := map[string]uint64{}
	for i, name := range c.RowKey {
		bit[name] = 1 << (n - 1 - i)
		l.base |= bit[name]
	}
	groups := c.Groups
	if len(groups) == 0 {
		groups = []Group{{}}
	}
	for _, g := range groups {
		l.groups = append(l.groups, g.bits(bit, l.base))
	}
	return l
}

func (g Group) bits(bit map[string]uint64, base uint64) latticeGroup {
	set := func(names []string) (s uint64) {
		for _, name := range names {
			s |= bit[name]
		}
		return s
	}
	out := latticeGroup{mandatory: set(g.Mandatory), limit: len(bit)}
	if g.DimCap > 0 {
		out.limit = min(g.DimCap, out.limit)
	}
	free := base
	if len(g.Includes) > 0 {
		free = set(g.Includes)
	}
	free &^= out.mandatory
	joints := make([]uint64, len(g.Joint))
	for i, j := range g.Joint {
		joints[i] = set(j)
	}
	for _, h := range g.Hierarchy {
		options, prefix := []uint64{0}, uint64(0)
		for _, level := range h {
			prefix |= bit[level]
			for i, j := range joints {
				if j&bit[level] != 0 { // comes and goes with the level it shares
					prefix |= j
					joints[i] = 0
				}
			}
			options = append(options, prefix)
		}
		out.units = append(out.units, options)
		free &^= prefix
	}
	for _, j := range joints {
		if j != 0 {
			out.units = append(out.units, []uint64{0, j})
			free &^= j
		}
	}
	for ; free != 0; free &= free - 1 {
		out.units = append(out.units, []uint64{0, free & -free})
	}
	return out
}

// sizes returns how many sets the group has of each number of dimensions, without a cap; the set of mandatory dimensions
// alone is none of them. Their sum stays below 2^63: there are no more sets of 63 dimensions.
func (g latticeGroup) sizes() []uint64 {
	counts := make([]uint64, MaxDimensions+1)
	counts[bits.OnesCount64(g.mandatory)] = 1
	for _, options := range g.units {
		next := make([]uint64, MaxDimensions+1)
		for n, have := range counts {
			for _, o := range options {
				if to := n + bits.OnesCount64(o); have > 0 && to <= MaxDimensions {
					next[to] += have
				}
			}
		}
		counts = next
	}
	counts[bits.OnesCount64(g.mandatory)]--
	return counts
}

// count returns how many sets the group has with at most limit dimensions.
func (g latticeGroup) count(limit int) (n uint64) {
	for dims, have := range g.sizes() {
		if dims <= limit {
			n += have
		}
	}
	return n
}

// appendMasks appends the sets of the group, count of them.
func (g latticeGroup) appendMasks(out []uint64) []uint64 {
	var walk func(mask uint64, units [][]uint64)
	walk = func(mask uint64, units [][]uint64) {
		switch {
		case bits.OnesCount64(mask) > g.limit:
		case len(units) > 0:
			for _, o := range units[0] {
				walk(mask|o, units[1:])
			}
		case mask != g.mandatory:
			out = append(out, mask)
		}
	}
	walk(g.mandatory, g.units)
	return out
}

// masks returns the union of the groups and the base. Every group must have at most MaxCuboids.
func (l lattice) masks() []uint64 {
	out := []uint64{l.base}
	for _, g := range l.groups {
		out = g.appendMasks(out)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// problems complains about each group that is too large, else about all of them together.
func (l lattice) problems() (out []Problem) {
	if l.base == 0 {
		return nil
	}
	for i, g := range l.groups {
		if n := g.count(g.limit); n > MaxCuboids {
			path := "groups"
			if len(l.cube.Groups) > 0 {
				path = fmt.Sprintf("groups[%d]", i)
			}
			out = append(out, Problem{Path: path, Message: fmt.Sprintf("%d cuboids, at most %d are built", n, MaxCuboids), Instead: l.advice(i)})
		}
	}
	if len(out) > 0 {
		return out
	}
	if n := len(l.masks()); n > MaxCuboids {
		largest := 0
		for i, g := range l.groups {
			if g.count(g.limit) > l.groups[largest].count(l.groups[largest].limit) {
				largest = i
			}
		}
		g := l.groups[largest]
		instead := fmt.Sprintf("add a rule to the largest, groups[%d] of %d cuboids", largest, g.count(g.limit))
		if dims := g.capFor(MaxCuboids / uint64(len(l.groups))); dims > 0 {
			instead += fmt.Sprintf(", such as dim_cap: %d (%d)", dims, g.count(dims))
		}
		out = append(out, Problem{Path: "groups", Message: fmt.Sprintf("%d cuboids together, at most %d are built", n, MaxCuboids), Instead: instead})
	}
	return out
}

// capFor returns the largest dim_cap below the one there is with which at most so many cuboids are left; 0 where there is none.
func (g latticeGroup) capFor(most uint64) int {
	for dims := g.limit - 1; dims > bits.OnesCount64(g.mandatory); dims-- {
		if g.count(dims) <= most {
			return dims
		}
	}
	return 0
}

// advice says which rule makes group i small enough: grains of one column belong in a hierarchy, else a cap does it.
func (l lattice) advice(i int) string {
	g, dims := l.groups[i], l.groups[i].capFor(MaxCuboids)
	add := "add dim_cap: %d"
	if len(l.cube.Groups) == 0 {
		add = "write groups: [{dim_cap: %d}]"
	}
	var instead string
	if dims > 0 {
		instead = fmt.Sprintf(add+" (%d cuboids), or ", dims, g.count(dims))
	}
	if names, n := l.mandatoryExample(g); n > 0 {
		instead += fmt.Sprintf("mandatory: %s (%d cuboids) where nearly every query has them, ", flowList(names), n)
	} else {
		instead += "make dimensions mandatory that nearly every query has, "
	}
	return instead + "a hierarchy such as " + l.hierarchyExample(g) + ", or a joint of those that come together"
}

// mandatoryExample names the dimensions that make the group small enough once every set has them, the first of the row key
// before others, since queries filter by those; n is what is left then, 0 if that takes more than three.
func (l lattice) mandatoryExample(g latticeGroup) (names []string, n uint64) {
	for at := 0; at < len(l.names) && len(names) < 3; at++ {
		bit := uint64(1) << (len(l.names) - 1 - at)
		unit := slices.IndexFunc(g.units, func(u []uint64) bool { return len(u) == 2 && u[1] == bit })
		if unit < 0 {
			continue
		}
		g.mandatory |= bit
		g.units = slices.Delete(slices.Clone(g.units), unit, unit+1)
		names = append(names, l.names[at])
		if n := g.count(g.limit); n <= MaxCuboids {
			return names, n
		}
	}
	return nil, 0
}

// hierarchyExample names grains of one column if two of them are free, else it speaks of countries.
func (l lattice) hierarchyExample(g latticeGroup) string {
	free := uint64(0)
	for _, u := range g.units {
		if len(u) == 2 && bits.OnesCount64(u[1]) == 1 {
			free |= u[1]
		}
	}
	byColumn, best := map[string][]Dimension{}, []Dimension(nil)
	for _, d := range l.cube.Dimensions {
		if at := slices.Index(l.names, d.Name); at < 0 || free&(1<<(len(l.names)-1-at)) == 0 || d.Grain == "" || d.Grain == Week {
			continue // weeks are no part of months
		}
		byColumn[d.Column] = append(byColumn[d.Column], d)
		if ds := byColumn[d.Column]; len(ds) > max(1, len(best)) {
			best = ds
		}
	}
	if len(best) == 0 {
		return "[[country, city]]"
	}
	best = slices.Clone(best)
	slices.SortFunc(best, func(a, b Dimension) int { return slices.Index(grains(), b.Grain) - slices.Index(grains(), a.Grain) })
	return flowLists([][]string{(&Cube{Dimensions: best}).names()})
}
