package cube

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What is over a limit gets one complaint that names it.
func TestCubeLimits(t *testing.T) {
	fill := func(n int, of func(i int) string) (out []string) {
		for i := range n {
			out = append(out, of(i))
		}
		return out
	}
	same := func(int) string { return "d0" }
	measures := dimsCube(1)
	for i := range maxMeasures + 1 {
		measures.Measures = append(measures.Measures, Measure{Function: Sum, Column: fmt.Sprintf("m%d", i)})
	}
	crons, offsets, budget := dimsCube(1), dimsCube(1), dimsCube(1)
	for i := range maxCrons + 1 {
		crons.Cut.Crons = append(crons.Cut.Crons, Cron{Cron: fmt.Sprintf("%d * * * *", i)})
	}
	offsets.Start.At = startOffsets
	for i := range maxStartOffsets + 1 {
		offsets.Start.Offsets = append(offsets.Start.Offsets, PartitionOffset{Partition: int32(i)})
	}
	for i := range maxBudget + 1 {
		budget.Merge.TimeRanges = append(budget.Merge.TimeRanges, time.Duration(i+1)*time.Hour)
	}
	rowKey := dimsCube(1)
	rowKey.RowKey = fill(100_000, same)
	named := dimsCube(1)
	named.Description, named.Owner = strings.Repeat("x", maxDescription+1), strings.Repeat("x", maxText+1)
	for _, c := range []struct {
		what string
		cube *Cube
		want string
	}{
		{"dimensions", dimsCube(MaxDimensions + 1), "cube c: dimensions: 64 dimensions: write at most 63; columns that only filters use can stay out: such queries read staged files"},
		{"measures", measures, "cube c: measures: 202 measures: write at most 200"},
		{"groups", dimsCube(1, make([]Group, maxGroups+1)...), "cube c: groups: 33 groups: write at most 32"},
		{"names in a group", dimsCube(1, Group{Includes: fill(100_000, same), Joint: [][]string{fill(100_000, same)}}), "cube c: groups[0]: names 200001 dimensions: write each of them once in includes and once in its rule"},
		{"row key", rowKey, "cube c: row_key: names 100000 dimensions: write every dimension once"},
		{"crons", crons, "cube c: cut.crons: has 33 crons: write at most 32: a field can be a list, 0,15,30,45"},
		{"offsets", offsets, "cube c: start: names 10001 partitions: write 1 to 10000"},
		{"merge", budget, "cube c: merge: has 17 steps: write at most 16"},
		{"texts", named, "cube c: description: is too long or more than one line of text: write one line of at most 1024 bytes\ncube c: owner: is too long or more than one line of text: write a name or an address of at most 256 bytes"},
	} {
		err := c.cube.Validate(nil)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s:\ngot  %v\nwant %s", c.what, err, c.want)
		}
	}
	if err := dimsCube(MaxDimensions, Group{DimCap: 2}).Validate(nil); err != nil {
		t.Errorf("%d dimensions: %v", MaxDimensions, err)
	}
}

// A cube built in Go gets the same complaints as a text; what a text cannot say is refused too, and can be compared.
func TestValidateCubeStruct(t *testing.T) {
	bad := &Cube{
		Name: "c", Table: "t", Version: -1, ID: "a\x00", TimeZone: "../etc", Engine: "spark", Store: "redis", MaxJobs: -1, Retention: -1,
		FillHoles: "perhaps", RefreshOldVersions: "never",
		Dimensions: []Dimension{{Column: "a", Grain: "eon"}, {Name: "b", Column: "b"}},
		Measures:   []Measure{{Function: "guess"}, {Function: Sum, Column: "n", Precision: -1}, {Name: "_x", Function: Max, Column: "n"}},
		Groups:     []Group{{DimCap: -1, Hierarchy: [][]string{nil}, Joint: [][]string{nil}}},
		Start:      CubeStart{At: "offsets", Offsets: []PartitionOffset{{2, 0}, {1, -1}}},
		Cut:        CutRules{Rows: -1, Age: -1},
		Merge:      MergeRules{Budget: []AgeBudget{{}, {}}, TimeRanges: []time.Duration{-1}},
	}
	err := bad.Validate(nil)
	if err == nil {
		t.Fatal("no complaint")
	}
	for _, want := range []string{
		"version: is below zero", "id: is no id", `time_zone: unknown time zone "../etc"`, "engine: unknown engine", "store: unknown store", "max_jobs: -1 is outside", "retention: -1ns is outside",
		`fill_holes: "perhaps" is no position`, `refresh_old_versions: "never" is no position`, `dimensions[0].grain: unknown grain "eon"`,
		`measures[0].function: unknown function "guess"`, "measures[1].precision: sum has no precision", `measures[2].name: bad name "_x"`,
		"groups[0].dim_cap: -1 is below zero", "groups[0].hierarchy[0]: has 0 levels", "groups[0].joint[0]: has 0 dimensions", "start: 1:-1 is no place",
		"cut.rows: -1 is outside", "cut.age: -1ns is outside", "merge.budget[0].younger_than: missing", "merge.budget[1].segments: 0 is outside",
		"merge.time_ranges[0]: -1ns is outside", "merge.time_ranges: budget and time_ranges",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no complaint has %q:\n%v", want, err)
		}
	}
	if bad.Digest() == "" || !SameCube(bad, bad) || len(DiffCubes(bad, bad).Lines) != 0 {
		t.Error("a bad cube cannot be compared")
	}
}
