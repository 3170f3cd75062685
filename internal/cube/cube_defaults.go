package cube

import (
	"slices"
	"strings"
	"time"
)

// Defaults of a cube's settings.
const (
	defaultTimeZone     = "UTC"
	defaultCutAge       = 5 * time.Minute
	defaultRowsPerBuild = 20_000_000
	defaultMaxJobs      = 2
	defaultHLLPrecision = 12
	defaultTopN         = 100
	defaultCompression  = 100

	day = 24 * time.Hour
)

func defaultBudget() []AgeBudget {
	return []AgeBudget{{YoungerThan: 7 * day, Segments: 4}, {YoungerThan: 30 * day, Segments: 3}, {Segments: 3}}
}

// On reports whether the switch is on. Without a position it is: that is the default of all switches of a cube.
func (s Switch) On() bool { return s != Off }

// WithDefaults returns a copy of c in which every setting that is zero has its default, times are in UTC and lists
// without elements are nil. A cube counts its events: where no measure does, count is added as the last. The copy shares
// no memory with c.
func (c *Cube) WithDefaults() *Cube {
	d := *c
	fill(&d.Project, defaultProject)
	fill(&d.TimeZone, defaultTimeZone)
	d.Notify = clone(c.Notify)
	d.Dimensions, d.Measures = clone(c.Dimensions), clone(c.Measures)
	for i := range d.Dimensions {
		fill(&d.Dimensions[i].Name, d.Dimensions[i].defaultName())
	}
	d.Lookups = clone(c.Lookups)
	for i := range d.Lookups {
		d.Lookups[i] = d.Lookups[i].withDefaults()
	}
	for i := range d.Measures {
		d.Measures[i] = d.Measures[i].withDefaults()
	}
	if !slices.ContainsFunc(d.Measures, Measure.countsEvents) {
		d.Measures = append(d.Measures, Measure{Function: Count}.withDefaults())
	}
	d.Groups = clone(c.Groups)
	for i, g := range d.Groups {
		d.Groups[i] = Group{Includes: clone(g.Includes), Mandatory: clone(g.Mandatory), Hierarchy: cloneAll(g.Hierarchy), Joint: cloneAll(g.Joint), DimCap: g.DimCap}
	}
	if len(d.Groups) == 1 && d.Groups[0].flow() == (Group{}).flow() {
		d.Groups = nil // says the same
	}
	if d.RowKey = clone(c.RowKey); d.RowKey == nil {
		d.RowKey = clone(d.names())
	}
	fill(&d.Start.At, startEarliest)
	d.Start.Time, d.Start.Offsets = d.Start.Time.UTC(), clone(c.Start.Offsets)
	d.Cut, d.Merge = c.Cut.withDefaults(), c.Merge.withDefaults()
	fill(&d.FillHoles, On)
	fill(&d.RefreshOldVersions, On)
	fill(&d.MaxJobs, defaultMaxJobs)
	fill(&d.Engine, EngineLocal)
	fill(&d.Store, StoreFiles)
	return &d
}

// names lists the dimensions, in the order in which they are written.
func (c *Cube) names() []string {
	names := make([]string, len(c.Dimensions))
	for i := range c.Dimensions {
		names[i] = c.Dimensions[i].Name
	}
	return names
}

func (d Dimension) defaultName() string {
	if d.Grain != "" && d.Column != "" {
		return d.Column + "_" + string(d.Grain)
	}
	return d.Column
}

func (m Measure) countsEvents() bool { return m.Function == Count && m.Column == "" }

func (m Measure) withDefaults() Measure {
	m.By = clone(m.By)
	switch m.Function {
	case CountDistinct:
		fill(&m.Precision, defaultHLLPrecision)
	case TopN:
		fill(&m.N, defaultTopN)
	case Percentile:
		fill(&m.Compression, defaultCompression)
	}
	fill(&m.Name, m.defaultName())
	return m
}

// defaultName returns sum_bytes, top_n_url or top_n_url_by_bytes; nothing where the function is missing.
func (m Measure) defaultName() string {
	switch {
	case m.Function == "":
		return ""
	case m.Function == TopN && m.Column != "":
		return strings.Join(append([]string{string(TopN)}, m.By...), "_") + "_by_" + m.Column
	case m.Function == TopN:
		return strings.Join(append([]string{string(TopN)}, m.By...), "_")
	case m.Column == "":
		return string(m.Function)
	}
	return string(m.Function) + "_" + m.Column
}

func (r CutRules) withDefaults() CutRules {
	r.Crons = clone(r.Crons)
	if !r.Manual && r.Age == 0 && r.Rows == 0 && r.Bytes == 0 && r.Crons == nil {
		r.Age = defaultCutAge
	}
	fill(&r.RowsPerBuild, r.defaultRowsPerBuild())
	return r
}

// defaultRowsPerBuild leaves room for what rows asks for.
func (r CutRules) defaultRowsPerBuild() int64 { return max(defaultRowsPerBuild, r.Rows) }

func (r MergeRules) withDefaults() MergeRules {
	r.Budget, r.TimeRanges = clone(r.Budget), clone(r.TimeRanges)
	if !r.Manual && r.Budget == nil && r.TimeRanges == nil {
		r.Budget = defaultBudget()
	}
	return r
}

// clone copies s; without elements it is nil.
func clone[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return slices.Clone(s)
}

func cloneAll(lists [][]string) [][]string {
	lists = clone(lists)
	for i := range lists {
		lists[i] = clone(lists[i])
	}
	return lists
}
