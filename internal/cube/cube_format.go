package cube

import (
	"fmt"
	"strings"
)

// FormatCube writes the definition in YAML, short: settings that have their default are left out, but for those of cut
// and merge, which people look for. ParseCube reads it back as c.WithDefaults().
func FormatCube(c *Cube) []byte {
	c = c.WithDefaults()
	var b strings.Builder
	line := func(key, value, byDefault string) {
		if value != byDefault {
			fmt.Fprintf(&b, "%s: %s\n", key, value)
		}
	}
	line("cube", scalar(c.Name), "")
	line("project", scalar(c.Project), defaultProject)
	line("id", scalar(c.ID), `""`)
	line("version", fmt.Sprint(c.Version), "0")
	line("table", scalar(c.Table), "")
	line("description", scalar(c.Description), `""`)
	line("owner", scalar(c.Owner), `""`)
	line("notify", flowList(c.Notify), "[]")
	line("time_zone", scalar(c.TimeZone), defaultTimeZone)
	b.WriteString("dimensions:\n")
	for _, d := range c.Dimensions {
		fmt.Fprintf(&b, "  - %s\n", d.text())
	}
	if len(c.Lookups) > 0 {
		b.WriteString("lookups:\n")
	}
	for _, l := range c.Lookups {
		fmt.Fprintf(&b, "  - %s\n", l.flow())
	}
	b.WriteString("measures:\n")
	for _, m := range c.Measures {
		fmt.Fprintf(&b, "  - %s\n", m.text())
	}
	if len(c.Groups) > 0 {
		b.WriteString("groups:\n")
	}
	for _, g := range c.Groups {
		fmt.Fprintf(&b, "  - %s\n", g.flow())
	}
	line("row_key", flowList(c.RowKey), flowList(c.names()))
	line("shard_by", scalar(c.ShardBy), `""`)
	line("start", scalar(c.Start.String()), startEarliest)
	line("cut", c.Cut.flow(), "{}")
	line("merge", c.Merge.flow(), "{}")
	line("retention", spanOrNothing(c.Retention), "")
	line("fill_holes", c.FillHoles.text(), "true")
	line("refresh_old_versions", c.RefreshOldVersions.text(), "true")
	line("max_jobs", fmt.Sprint(c.MaxJobs), fmt.Sprint(defaultMaxJobs))
	line("engine", scalar(string(c.Engine)), string(EngineLocal))
	line("store", scalar(string(c.Store)), string(StoreFiles))
	return []byte(b.String())
}

// text returns the short form, country or hour(ts), where the name is the default.
func (d Dimension) text() string {
	if d.Name == d.defaultName() {
		return scalar(d.short())
	}
	var f flow
	f.add("name", scalar(d.Name), "")
	f.add("column", scalar(d.Column), "")
	f.add("grain", scalar(string(d.Grain)), `""`)
	return f.String()
}

func (d Dimension) short() string {
	if d.Grain == "" {
		return d.Column
	}
	return string(d.Grain) + "(" + d.Column + ")"
}

// text returns the short form, sum(bytes), where it says everything.
func (m Measure) text() string {
	short := Measure{Function: m.Function, Column: m.Column}
	arg := m.Column
	if m.Function == TopN && m.Column == "" && len(m.By) == 1 {
		short.By, arg = m.By, m.By[0]
	}
	if s := short.withDefaults(); s.same(m) {
		if arg == "" {
			return scalar(string(m.Function))
		}
		return scalar(string(m.Function) + "(" + arg + ")")
	}
	return m.flow()
}

func (m Measure) flow() string {
	var f flow
	f.add("name", scalar(m.Name), scalar(m.defaultName()))
	f.add("function", scalar(string(m.Function)), "")
	f.add("column", scalar(m.Column), `""`)
	f.add("by", flowList(m.By), "[]")
	f.add("n", fmt.Sprint(m.N), "0")
	f.add("precision", fmt.Sprint(m.Precision), "0")
	f.add("compression", fmt.Sprint(m.Compression), "0")
	return f.String()
}

func (m Measure) same(o Measure) bool { return m.flow() == o.flow() }

func (g Group) flow() string {
	var f flow
	f.add("includes", flowList(g.Includes), "[]")
	f.add("mandatory", flowList(g.Mandatory), "[]")
	f.add("hierarchy", flowLists(g.Hierarchy), "[]")
	f.add("joint", flowLists(g.Joint), "[]")
	f.add("dim_cap", fmt.Sprint(g.DimCap), "0")
	return f.String()
}

func flowLists(lists [][]string) string {
	texts := make([]string, len(lists))
	for i, l := range lists {
		texts[i] = flowList(l)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

func (r CutRules) flow() string {
	var f flow
	f.add("manual", fmt.Sprint(r.Manual), "false")
	f.add("age", spanOrNothing(r.Age), "")
	f.add("rows", fmt.Sprint(r.Rows), "0")
	f.add("bytes", formatSize(r.Bytes), "0")
	f.add("crons", r.cronsText(), "[]")
	f.add("rows_per_build", fmt.Sprint(r.RowsPerBuild), fmt.Sprint(r.defaultRowsPerBuild()))
	return f.String()
}

func (r CutRules) cronsText() string {
	texts := make([]string, len(r.Crons))
	for i, c := range r.Crons {
		texts[i] = quote(c.Cron)
		if c.TimeZone != "" {
			texts[i] = "{cron: " + quote(c.Cron) + ", time_zone: " + scalar(c.TimeZone) + "}"
		}
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

func (r MergeRules) flow() string {
	var f flow
	f.add("manual", fmt.Sprint(r.Manual), "false")
	f.add("budget", r.budgetText(), "[]")
	f.add("time_ranges", "["+strings.Join(r.rangeTexts(), ", ")+"]", "[]")
	f.add("volatile", spanOrNothing(r.Volatile), "")
	f.add("max_rows", fmt.Sprint(r.MaxRows), "0")
	return f.String()
}

func (r MergeRules) budgetText() string {
	texts := make([]string, len(r.Budget))
	for i, a := range r.Budget {
		var f flow
		f.add("younger_than", spanOrNothing(a.YoungerThan), "")
		f.add("segments", fmt.Sprint(a.Segments), "")
		texts[i] = f.String()
	}
	return "[" + strings.Join(texts, ", ") + "]"
}
