package cube

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// SameCube reports whether a and b say the same, whatever their ids and versions. A setting left out and a setting that
// has its default are the same.
func SameCube(a, b *Cube) bool { return bytes.Equal(a.canonical(), b.canonical()) }

// Digest returns the hex of a sha256 over the definition without id and version: equal for what SameCube calls the same.
func (c *Cube) Digest() string {
	sum := sha256.Sum256(c.canonical())
	return hex.EncodeToString(sum[:])
}

func (c *Cube) canonical() []byte {
	d := c.WithDefaults()
	d.ID, d.Version = "", 0
	b, err := json.Marshal(d)
	if err != nil {
		panic(fmt.Sprintf("C3: a cube has no JSON form: %v", err))
	}
	return b
}

// SameCells reports whether segments of a and of b hold the same, spelled the same: they can be merged with each other.
func SameCells(a, b *Cube) bool {
	a, b = a.WithDefaults(), b.WithDefaults()
	var d CubeDiff // places of dimensions are in the names of cuboids
	d.order("dimensions", dimensionTexts(a.Dimensions), dimensionTexts(b.Dimensions))
	d.order("measures", measureTexts(a.Measures), measureTexts(b.Measures))
	return len(d.Lines) == 0 && !DiffCubes(a, b).Rebuild
}

// CubeDiff is what turns one version of a cube into another.
type CubeDiff struct {
	Lines   []string // one a change, in words, in the order of FormatCube
	Rebuild bool     // cells differ: segments of the old version do not hold what the new one says
}

// String joins the lines and says what becomes of the segments that there are.
func (d CubeDiff) String() string {
	if len(d.Lines) == 0 {
		return "nothing changes"
	}
	return strings.Join(d.Lines, "\n")
}

// DiffCubes says what turns a into b. Where cells differ, its last line says what becomes of the segments that there are.
func DiffCubes(a, b *Cube) CubeDiff {
	a, b = a.WithDefaults(), b.WithDefaults()
	var d CubeDiff
	d.settings(a.headSettings(), b.headSettings())
	cells := len(d.Lines)
	if a.TimeZone != b.TimeZone {
		d.Lines = append(d.Lines, "time_zone: "+change(a.TimeZone, b.TimeZone))
		if !a.hasGrain() && !b.hasGrain() {
			cells++ // crons alone use it
		}
	}
	d.list("dimension", dimensionTexts(a.Dimensions), dimensionTexts(b.Dimensions))
	d.list("measure", measureTexts(a.Measures), measureTexts(b.Measures))
	d.settings(a.cellSettings(), b.cellSettings())
	d.Rebuild = len(d.Lines) > cells
	d.list("lookup", lookupTexts(a.Lookups), lookupTexts(b.Lookups)) // cells hold the key alone
	d.order("dimensions", dimensionTexts(a.Dimensions), dimensionTexts(b.Dimensions))
	d.order("measures", measureTexts(a.Measures), measureTexts(b.Measures))
	d.settings(a.ruleSettings(), b.ruleSettings())
	switch {
	case d.Rebuild && b.RefreshOldVersions.On():
		d.Lines = append(d.Lines, "segments of the old version are built again, newest first; until then what they lack is read from staged files")
	case d.Rebuild:
		d.Lines = append(d.Lines, "segments of the old version stay as they are (refresh_old_versions is false); what they lack is read from staged files")
	}
	return d
}

func (c *Cube) hasGrain() bool {
	return slices.ContainsFunc(c.Dimensions, func(d Dimension) bool { return d.Grain != "" })
}

func (d *CubeDiff) settings(before, after []setting) {
	for i := range before {
		if before[i].text != after[i].text {
			d.Lines = append(d.Lines, before[i].name+": "+change(before[i].text, after[i].text))
		}
	}
}

func (c *Cube) headSettings() []setting {
	return []setting{
		{"cube", c.Name},
		{"project", c.Project},
		{"table", c.Table},
		{"description", c.Description},
		{"owner", c.Owner},
		{"notify", strings.Join(c.Notify, ", ")},
	}
}

// cellSettings decide which cells there are and how they lie in files.
func (c *Cube) cellSettings() []setting {
	groups := make([]string, len(c.Groups))
	for i, g := range c.Groups {
		groups[i] = g.flow()
	}
	if len(groups) == 0 {
		groups = []string{Group{}.flow()}
	}
	return []setting{
		{"groups", strings.Join(groups, ", ")},
		{"row_key", strings.Join(c.RowKey, ", ")},
		{"shard_by", c.ShardBy},
		{"store", string(c.Store)},
	}
}

func (c *Cube) ruleSettings() []setting {
	return []setting{
		{"start", c.Start.String()},
		{"cut", c.Cut.flow()},
		{"merge", c.Merge.flow()},
		{"retention", spanOrNothing(c.Retention)},
		{"fill_holes", c.FillHoles.text()},
		{"refresh_old_versions", c.RefreshOldVersions.text()},
		{"max_jobs", fmt.Sprint(c.MaxJobs)},
		{"engine", string(c.Engine)},
	}
}

func dimensionTexts(ds []Dimension) []setting {
	out := make([]setting, len(ds))
	for i, d := range ds {
		out[i] = setting{d.Name, d.short()}
	}
	return out
}

func measureTexts(ms []Measure) []setting {
	out := make([]setting, len(ms))
	for i, m := range ms {
		named := m
		named.Name = named.defaultName() // the name has its own place
		out[i] = setting{m.Name, named.text()}
	}
	return out
}

func lookupTexts(ls []CubeLookup) []setting {
	out := make([]setting, len(ls))
	for i, l := range ls {
		out[i] = setting{l.Name, fmt.Sprintf("%s by %s, with %s", l.Lookup, l.ForeignKey, strings.Join(l.derivedTexts(), ", "))}
	}
	return out
}

// list compares named things, whatever their order: that of storage is row_key.
func (d *CubeDiff) list(what string, before, after []setting) {
	old := map[string]string{}
	for _, s := range before {
		old[s.name] = s.text
	}
	kept := map[string]bool{}
	for _, s := range after {
		was, ok := old[s.name]
		kept[s.name] = ok
		switch {
		case !ok:
			d.Lines = append(d.Lines, fmt.Sprintf("%s %s: new, %s", what, s.name, s.text))
		case was != s.text:
			d.Lines = append(d.Lines, fmt.Sprintf("%s %s: %s becomes %s", what, s.name, was, s.text))
		}
	}
	for _, s := range before {
		if !kept[s.name] {
			d.Lines = append(d.Lines, fmt.Sprintf("%s %s: removed, was %s", what, s.name, s.text))
		}
	}
}

func (d *CubeDiff) order(what string, before, after []setting) {
	common := func(of, in []setting) (names []string) {
		for _, s := range of {
			if slices.ContainsFunc(in, func(o setting) bool { return o.name == s.name }) {
				names = append(names, s.name)
			}
		}
		return names
	}
	if !slices.Equal(common(before, after), common(after, before)) {
		d.Lines = append(d.Lines, what+": another order")
	}
}
