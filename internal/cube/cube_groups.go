package cube

import (
	"fmt"
	"slices"
)

// groups checks the aggregation groups by Kylin's rules, and then the number of cuboids.
func (k *cubeChecker) groups(explained func(string) bool) {
	gs := k.cube.Groups
	if len(gs) > maxGroups {
		k.add("groups", fmt.Sprintf("%d groups", len(gs)), fmt.Sprintf("write at most %d", maxGroups))
		return
	}
	before := len(k.checker.problems)
	bad := explained("groups") || explained("row_key")
	for i, g := range gs {
		at := fmt.Sprintf("groups[%d]", i)
		k.group(at, g)
		for _, part := range []string{"", ".includes", ".mandatory", ".hierarchy", ".joint", ".dim_cap"} {
			bad = bad || explained(at+part)
		}
	}
	n := len(k.cube.Dimensions)
	if bad || k.unsure || len(k.again) > 0 || len(k.checker.problems) > before || n == 0 || n > MaxDimensions || len(k.dims) < n || len(k.cube.RowKey) != n {
		return // what is wrong there would be counted
	}
	k.checker.problems = append(k.checker.problems, k.cube.lattice().problems()...)
}

func (k *cubeChecker) group(at string, g Group) {
	if n := g.names(); n > maxGroupNames {
		k.add(at, fmt.Sprintf("names %d dimensions", n), "write each of them once in includes and once in its rule")
		return
	}
	included := map[string]bool{}
	for i, name := range g.Includes {
		path := fmt.Sprintf("%s.includes[%d]", at, i)
		if included[name] && name != "" {
			k.add(path, name+" is there already", "remove one")
		}
		k.dimension(path, name)
		included[name] = true
	}
	place := map[string]string{} // where a dimension has its rule
	rule := func(path, name string) {
		if _, ok := k.dimension(path, name); !ok {
			return
		}
		if len(g.Includes) > 0 && !included[name] {
			k.add(path, name+" is not among the group's includes", "add it there, or remove it here")
		}
		if other, ok := place[name]; ok {
			k.add(path, fmt.Sprintf("%s already stands in %s", name, other), "leave it in one of the two")
			return
		}
		place[name] = path
	}
	for i, name := range g.Mandatory {
		rule(fmt.Sprintf("%s.mandatory[%d]", at, i), name)
	}
	for i, levels := range g.Hierarchy {
		if len(levels) < 2 {
			k.add(fmt.Sprintf("%s.hierarchy[%d]", at, i), fmt.Sprintf("has %d levels", len(levels)), "write at least two, coarse to fine: [month, day]")
		}
		for j, name := range levels {
			rule(fmt.Sprintf("%s.hierarchy[%d][%d]", at, i, j), name)
		}
	}
	k.joints(at, g, rule)
	if g.DimCap < 0 {
		k.add(at+".dim_cap", fmt.Sprintf("%d is below zero", g.DimCap), "write how many dimensions a cuboid may have, or remove it")
	}
	if g.DimCap > 0 && g.DimCap <= len(g.Mandatory) {
		k.add(at+".dim_cap", fmt.Sprintf("%d leaves no cuboid: %d dimensions are mandatory, and they count", g.DimCap, len(g.Mandatory)), fmt.Sprintf("write at least %d", len(g.Mandatory)+1))
	}
}

// names returns how many names the group's lists have.
func (g Group) names() int {
	n := len(g.Includes) + len(g.Mandatory) + len(g.Hierarchy) + len(g.Joint)
	for _, l := range slices.Concat(g.Hierarchy, g.Joint) {
		n += len(l)
	}
	return n
}

// joints may share one dimension with one hierarchy: the rest of the joint then comes with that level.
func (k *cubeChecker) joints(at string, g Group, rule func(path, name string)) {
	for i, joint := range g.Joint {
		path := fmt.Sprintf("%s.joint[%d]", at, i)
		if len(joint) < 2 {
			k.add(path, fmt.Sprintf("has %d dimensions", len(joint)), "write at least two that are always asked for together: [os, browser]")
		}
		shared, hierarchies := 0, 0
		for _, levels := range g.Hierarchy {
			n := 0
			for _, name := range joint {
				if name != "" && slices.Contains(levels, name) {
					n++
				}
			}
			shared += n
			hierarchies += min(n, 1)
		}
		switch {
		case hierarchies > 1:
			k.add(path, "touches two hierarchies", "take the dimensions of one of them out")
		case shared > 1:
			k.add(path, "shares two dimensions with one hierarchy, whose levels come one by one", "take one of them out")
		}
		for j, name := range joint {
			inHierarchy := slices.ContainsFunc(g.Hierarchy, func(levels []string) bool { return slices.Contains(levels, name) })
			elsewhere := slices.Contains(joint[:j], name) || slices.ContainsFunc(g.Joint[:i], func(o []string) bool { return slices.Contains(o, name) })
			if !inHierarchy || elsewhere {
				rule(fmt.Sprintf("%s[%d]", path, j), name)
			}
		}
	}
}
