package cube

import (
	"fmt"
	"math/bits"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// dimsCube is a cube over n columns, d0 and so on, without a table.
func dimsCube(n int, groups ...Group) *Cube {
	c := &Cube{Name: "c", Table: "t", Groups: groups}
	for i := range n {
		c.Dimensions = append(c.Dimensions, Dimension{Column: fmt.Sprintf("d%d", i)})
	}
	return c
}

// The counts that Kylin's documentation and server come to.
func TestCuboidCounts(t *testing.T) {
	for _, c := range []struct {
		what string
		cube *Cube
		want int
	}{
		{"no rule", dimsCube(10), 1023},
		{"3 mandatory, and the base has them too", dimsCube(10, Group{Mandatory: []string{"d0", "d4", "d9"}}), 127},
		{"a hierarchy of 3", dimsCube(10, Group{Hierarchy: [][]string{{"d0", "d1", "d2"}}}), 511},
		{"a joint of 3", dimsCube(10, Group{Joint: [][]string{{"d0", "d1", "d2"}}}), 255},
		{"all three", dimsCube(10, Group{Mandatory: []string{"d9"}, Hierarchy: [][]string{{"d0", "d1", "d2"}}, Joint: [][]string{{"d3", "d4"}}}), 127},
		{"day, hour, minute and two more", dimsCube(5, Group{Hierarchy: [][]string{{"d0", "d1", "d2"}}}), 15},
		{"one dimension", dimsCube(1), 1},
		{"all mandatory: the base alone", dimsCube(3, Group{Mandatory: []string{"d0", "d1", "d2"}}), 1},
		{"a cap of 1, and the base", dimsCube(63, Group{DimCap: 1}), 64},
		{"a cap of 2, and the base", dimsCube(63, Group{DimCap: 2}), 63 + 63*62/2 + 1},
		{"two groups share what they share", dimsCube(4, Group{Includes: []string{"d0", "d1", "d2"}}, Group{Includes: []string{"d1", "d2", "d3"}}), 7 + 7 - 3 + 1},
		{"the most", dimsCube(12), 4095},
	} {
		got, err := c.cube.Cuboids()
		if err != nil || len(got) != c.want {
			t.Errorf("%s: %d cuboids, %v; want %d", c.what, len(got), err, c.want)
		}
	}
	_, err := dimsCube(63).Cuboids()
	const want = "groups: 9223372036854775807 cuboids, at most 4096 are built: write groups: [{dim_cap: 2}] (2016 cuboids), or make dimensions mandatory that nearly every query has, a hierarchy such as [[country, city]], or a joint of those that come together"
	if err == nil || err.Error() != want {
		t.Errorf("63 dimensions:\ngot  %v\nwant %s", err, want)
	}
}

// The first dimension of the row key is the highest bit, as in Kylin.
func TestCuboidBits(t *testing.T) {
	c := dimsCube(3, Group{Mandatory: []string{"d2"}})
	c.RowKey = []string{"d2", "d0", "d1"}
	got, err := c.Cuboids()
	if d := cmp.Diff([]uint64{0b101, 0b110, 0b111}, got); err != nil || d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
}

// slowCuboids asks every set of the dimensions whether it is a cuboid, in the words of Cuboids' comment.
func slowCuboids(c *Cube) []uint64 {
	c = c.WithDefaults()
	n := len(c.RowKey)
	groups := c.Groups
	if len(groups) == 0 {
		groups = []Group{{}}
	}
	var out []uint64
	for mask := uint64(1); mask < 1<<n; mask++ {
		has := func(name string) bool { return mask&(1<<(n-1-slices.Index(c.RowKey, name))) != 0 }
		if mask == 1<<n-1 || slices.ContainsFunc(groups, func(g Group) bool { return slowInGroup(c, g, bits.OnesCount64(mask), has) }) {
			out = append(out, mask)
		}
	}
	return out
}

func slowInGroup(c *Cube, g Group, size int, has func(string) bool) bool {
	if size == len(g.Mandatory) || g.DimCap > 0 && size > g.DimCap {
		return false
	}
	for _, name := range c.RowKey {
		if has(name) && len(g.Includes) > 0 && !slices.Contains(g.Includes, name) {
			return false
		}
	}
	if slices.ContainsFunc(g.Mandatory, func(name string) bool { return !has(name) }) {
		return false
	}
	for _, h := range g.Hierarchy {
		for i := range h[1:] {
			if has(h[i+1]) && !has(h[i]) {
				return false
			}
		}
	}
	for _, j := range g.Joint {
		if slices.ContainsFunc(j, func(name string) bool { return has(name) != has(j[0]) }) {
			return false
		}
	}
	return true
}

// C6: the lattice is what its rules say, and every rule that a cube may have is drawn.
func TestCuboidsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := dimsCube(rapid.IntRange(1, 9).Draw(t, "dimensions"))
		for range rapid.IntRange(0, 3).Draw(t, "groups") {
			c.Groups = append(c.Groups, genGroup(c.WithDefaults().names()).Draw(t, "group"))
		}
		c.RowKey = rapid.Permutation(c.WithDefaults().names()).Draw(t, "row key")
		if err := c.Validate(nil); err != nil {
			t.Fatalf("the generator is wrong: %v", err)
		}
		got, err := c.Cuboids()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(slowCuboids(c), got); d != "" {
			t.Fatalf("(-slow +got):\n%s\n%s", d, FormatCube(c))
		}
		for i, g := range c.lattice().groups {
			if n := g.count(g.limit); n != uint64(len(g.appendMasks(nil))) {
				t.Fatalf("group %d: counted %d, made %d\n%s", i, n, len(g.appendMasks(nil)), FormatCube(c))
			}
		}
	})
}

// genGroup draws a valid group: its dimensions in a random order, dealt out to the rules.
func genGroup(names []string) *rapid.Generator[Group] {
	return rapid.Custom(func(t *rapid.T) Group {
		var g Group
		left := rapid.Permutation(names).Draw(t, "order")
		if rapid.Bool().Draw(t, "includes") {
			g.Includes = slices.Clone(left[:rapid.IntRange(1, len(left)).Draw(t, "included")])
			left = slices.Clone(g.Includes)
		}
		take := func(most int, what string) (out []string) {
			n := rapid.IntRange(0, min(most, len(left))).Draw(t, what)
			out, left = slices.Clone(left[:n]), left[n:]
			return out
		}
		g.Mandatory = clone(take(3, "mandatory"))
		for range rapid.IntRange(0, 2).Draw(t, "hierarchies") {
			if h := take(4, "levels"); len(h) > 1 {
				g.Hierarchy = append(g.Hierarchy, h)
			}
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "joints") {
			j := take(3, "joint")
			if i < len(g.Hierarchy) && rapid.Bool().Draw(t, "shared") {
				j = append(j, rapid.SampledFrom(g.Hierarchy[i]).Draw(t, "level"))
			}
			if len(j) > 1 {
				g.Joint = append(g.Joint, j)
			}
		}
		if rapid.Bool().Draw(t, "capped") {
			g.DimCap = rapid.IntRange(len(g.Mandatory)+1, len(names)+2).Draw(t, "cap")
		}
		return g
	})
}
