package cube

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustParseCube(t *testing.T, src string) *Cube {
	t.Helper()
	c, err := ParseCube([]byte(src), "c.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDiffCubes(t *testing.T) {
	a := mustParseCube(t, `
cube: c
table: t
owner: ann
dimensions: [country, os, hour(ts), old]
measures: [sum(bytes), {name: users, function: count_distinct, column: user}, max(ms)]
cut: {age: 5m}
`)
	b := mustParseCube(t, `
cube: c
table: t
description: more
time_zone: Europe/Berlin
dimensions: [os, country, {name: ts_hour, column: ts, grain: day}, {name: fresh, column: lang}]
measures: [{name: users, function: count_distinct, column: user, precision: 14}, sum(bytes), top_n(url)]
groups: [{mandatory: [country]}]
shard_by: os
start: latest
cut: {rows: 1000}
merge: {time_ranges: [1h, 1d]}
retention: 30d
fill_holes: false
max_jobs: 1
`)
	want := []string{
		"description: set to more",
		"owner: ann is removed",
		"time_zone: UTC becomes Europe/Berlin",
		"dimension ts_hour: hour(ts) becomes day(ts)",
		"dimension fresh: new, lang",
		"dimension old: removed, was old",
		"measure users: count_distinct(user) becomes {function: count_distinct, column: user, precision: 14}",
		"measure top_n_url: new, top_n(url)",
		"measure max_ms: removed, was max(ms)",
		"groups: {} becomes {mandatory: [country]}",
		"row_key: country, os, ts_hour, old becomes os, country, ts_hour, fresh",
		"shard_by: set to os",
		"dimensions: another order",
		"measures: another order",
		"start: earliest becomes latest",
		"cut: {age: 5m} becomes {rows: 1000}",
		"merge: {budget: [{younger_than: 7d, segments: 4}, {younger_than: 30d, segments: 3}, {segments: 3}]} becomes {time_ranges: [1h, 1d]}",
		"retention: set to 30d",
		"fill_holes: true becomes false",
		"max_jobs: 2 becomes 1",
		"segments of the old version are built again, newest first; until then what they lack is read from staged files",
	}
	got := DiffCubes(a, b)
	if d := cmp.Diff(want, got.Lines); d != "" || !got.Rebuild || SameCube(a, b) {
		t.Errorf("rebuild %t (-want +got):\n%s", got.Rebuild, d)
	}
}

// Which changes build segments again, and which leave them alone.
func TestDiffCubesRebuild(t *testing.T) {
	const before = "cube: c\ntable: t\nowner: ann\ndimensions: [country, hour(ts)]\nmeasures: [sum(bytes), max(ms)]\ncut: {age: 5m}\n"
	a := mustParseCube(t, before)
	if d := DiffCubes(a, a); len(d.Lines) != 0 || d.Rebuild || d.String() != "nothing changes" {
		t.Errorf("a cube differs from itself: %+v", d)
	}
	for _, c := range []struct {
		from, to string
		rebuild  bool
		last     string
	}{
		{"owner: ann", "owner: bob", false, "owner: ann becomes bob"},
		{"cut: {age: 5m}", "cut: {age: 1m}", false, "cut: {age: 5m} becomes {age: 1m}"},
		{"max(ms)]", "max(ms), min(ms)]\nrefresh_old_versions: false", true, "segments of the old version stay as they are (refresh_old_versions is false); what they lack is read from staged files"},
		{"table: t", "table: t\ntime_zone: Asia/Tokyo", true, "segments of the old version are built again, newest first; until then what they lack is read from staged files"},
		{"sum(bytes), max", "max", true, "segments of the old version are built again, newest first; until then what they lack is read from staged files"},
	} {
		d := DiffCubes(a, mustParseCube(t, strings.Replace(before, c.from, c.to, 1)))
		if d.Rebuild != c.rebuild || d.Lines[len(d.Lines)-1] != c.last {
			t.Errorf("%s becomes %s: rebuild %t\n%s\nwant %t, %s", c.from, c.to, d.Rebuild, d, c.rebuild, c.last)
		}
	}
	noGrain := "cube: c\ntable: t\ndimensions: [a]\nmeasures: [count]\n"
	if d := DiffCubes(mustParseCube(t, noGrain), mustParseCube(t, noGrain+"time_zone: Asia/Tokyo\n")); d.Rebuild || len(d.Lines) != 1 {
		t.Errorf("a time zone that no dimension uses changes cells: %+v", d)
	}
}

func TestSameCells(t *testing.T) {
	const before = "cube: c\ntable: t\nowner: ann\ndimensions: [country, os]\nmeasures: [sum(bytes), max(ms)]\nrow_key: [os, country]\n"
	a := mustParseCube(t, before)
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"", "", true},
		{"owner: ann", "owner: bob\nretention: 30d", true},
		{"table: t", "table: t\nlookups: [{lookup: shops, foreign_key: os, derived: [city]}]", true},
		{"max(ms)]", "max(ms), min(ms)]", false},
		{"sum(bytes), max(ms)", "max(ms), sum(bytes)", false},
		{"[country, os]\nm", "[os, country]\nm", false},
	} {
		b := mustParseCube(t, strings.Replace(before, c.from, c.to, 1))
		if got, back := SameCells(a, b), SameCells(b, a); got != c.want || back != c.want {
			t.Errorf("%q becomes %q: got %t, %t, want %t", c.from, c.to, got, back, c.want)
		}
	}
}

// Cells hold the key alone: what is derived from it changes without a build.
func TestDiffLookups(t *testing.T) {
	const head = "cube: c\ntable: t\ndimensions: [shop, place]\n"
	a := mustParseCube(t, head+"lookups: [{lookup: shops, foreign_key: shop, derived: [city]}, {lookup: places, foreign_key: place, derived: [x]}]\n")
	b := mustParseCube(t, head+"lookups: [{lookup: shops, foreign_key: shop, derived: [city, {name: land, column: country}]}, {name: other, lookup: shops, foreign_key: place, derived: [{name: b, column: city}]}]\n")
	got := DiffCubes(a, b)
	want := CubeDiff{Lines: []string{
		"lookup shops: shops by shop, with city becomes shops by shop, with city, {name: land, column: country}",
		"lookup other: new, shops by place, with {name: b, column: city}",
		"lookup places: removed, was places by place, with x",
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if SameCube(a, b) || !SameCube(a, a.WithDefaults()) {
		t.Error("lookups are no part of what is the same")
	}
}
