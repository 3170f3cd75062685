package kylin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

const (
	database     = "DEFAULT"
	descVersion  = "3.1.3" // whose keys these are
	noEnd        = 3153600000000
	mapReduce    = 2
	shardedHBase = 2
)

// DataType returns Kylin's name of a column's type, as its table descriptors and return types have it.
func DataType(t cube.Type) string {
	switch t.Kind {
	case cube.Bool:
		return "boolean"
	case cube.Int64:
		return "bigint"
	case cube.Float64:
		return "double"
	case cube.Decimal:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case cube.Date:
		return "date"
	case cube.Timestamp:
		return "timestamp"
	}
	return "varchar(256)"
}

// exporter collects what Kylin has no words for.
type exporter struct {
	cube    *cube.Cube
	table   *cube.Table
	lookups []*cube.Lookup
	fact    string // DEFAULT.TABLE
	notes   []cube.Problem
	desc    CubeDesc

	columns map[string]string // of dimensions: TABLE.COLUMN
	joins   []Lookup
	of      []ModelDimension // columns of these
}

// Export writes the descriptors of a cube over its table; lookups are the lookup tables of its project. Notes name what they do not say. Ids and times are for the
// caller to fill in.
func Export(c *cube.Cube, t *cube.Table, lookups ...*cube.Lookup) (CubeDesc, ModelDesc, []cube.Problem) {
	ex := &exporter{cube: c.WithDefaults(), table: t, lookups: lookups, fact: database + "." + strings.ToUpper(t.Name), columns: map[string]string{}}
	ex.desc = CubeDesc{
		Version: descVersion, Name: c.Name, ModelName: c.Name + "_model", Description: c.Description,
		Dimensions: []Dimension{}, Measures: []Measure{}, Dictionaries: []Dictionary{}, NotifyList: []string{},
		StatusNeedNotify: []string{"ERROR", "DISCARDED", "SUCCEED"}, PartitionDateEnd: noEnd,
		EngineType: mapReduce, StorageType: shardedHBase, Overrides: map[string]string{},
	}
	ex.dimensions()
	ex.derived()
	ex.measures()
	ex.keys()
	ex.rules()
	return ex.desc, ex.model(), ex.notes
}

func (ex *exporter) note(path, message, instead string) {
	ex.notes = append(ex.notes, cube.Problem{Path: path, Message: message, Instead: instead})
}

// qualify returns TABLE.COLUMN.
func (ex *exporter) qualify(column string) string {
	return strings.ToUpper(ex.table.Name) + "." + strings.ToUpper(column)
}

func (ex *exporter) dimensions() {
	for i, d := range ex.cube.Dimensions {
		column := d.Column
		switch {
		case d.Grain == "":
		case d.Column == ex.table.EventTime.Column && slices.Contains(timeGrains(), d.Grain) && !ex.hasColumn(TimeColumn(d.Grain)):
			column = TimeColumn(d.Grain)
		default:
			ex.note(fmt.Sprintf("dimensions[%d]", i), fmt.Sprintf("%s is the %s of %s, for which Kylin has no column", d.Name, d.Grain, d.Column), "Kylin's clients see a column of the dimension's name")
			column = d.Name
		}
		ex.columns[d.Name] = ex.qualify(column)
		ex.desc.Dimensions = append(ex.desc.Dimensions, Dimension{Name: d.Name, Table: strings.ToUpper(ex.table.Name), Column: strings.ToUpper(column)})
	}
}

// derived writes lookup tables and what is derived from them, a dimension for each column so that its name stays.
func (ex *exporter) derived() {
	ex.joins = []Lookup{}
	for i, l := range ex.cube.Lookups {
		at := slices.IndexFunc(ex.lookups, func(k *cube.Lookup) bool { return k.Name == l.Lookup })
		if at < 0 {
			ex.note(fmt.Sprintf("lookups[%d]", i), "lookup table "+l.Lookup+" is not there", "Kylin's clients do not see it")
			continue
		}
		alias := strings.ToUpper(l.Name)
		ex.joins = append(ex.joins, Lookup{
			Table: database + "." + strings.ToUpper(l.Lookup), Alias: alias, Kind: "LOOKUP",
			Join: Join{Type: "left", PrimaryKey: []string{alias + "." + strings.ToUpper(ex.lookups[at].Key)}, ForeignKey: []string{ex.qualify(l.ForeignKey)}},
		})
		of := ModelDimension{Table: alias}
		for _, d := range l.Derived {
			column := strings.ToUpper(d.Column)
			of.Columns = append(of.Columns, column)
			ex.desc.Dimensions = append(ex.desc.Dimensions, Dimension{Name: d.Name, Table: alias, Column: "{FK}", Derived: []string{column}})
		}
		ex.of = append(ex.of, of)
	}
}

func (ex *exporter) hasColumn(name string) bool {
	return slices.ContainsFunc(ex.table.Columns, func(c cube.Column) bool { return strings.EqualFold(c.Name, name) })
}

func (ex *exporter) measures() {
	var names []string
	for i, m := range ex.cube.Measures {
		f, ok := ex.function(m)
		if !ok {
			ex.note(fmt.Sprintf("measures[%d]", i), fmt.Sprintf("%s: Kylin has no %s", m.Name, m.Function), "Kylin's clients do not see it")
			continue
		}
		ex.desc.Measures = append(ex.desc.Measures, Measure{Name: m.Name, Function: f})
		names = append(names, m.Name)
	}
	ex.desc.HBaseMapping = &HBaseMapping{Families: []ColumnFamily{{Name: "F1", Columns: []FamilyColumn{{Qualifier: "M", Measures: names}}}}}
}

func (ex *exporter) function(m cube.Measure) (f Function, ok bool) {
	result := func() string {
		t, err := m.Result(ex.table)
		if err != nil || m.Function == cube.Sum && t.Kind == cube.Decimal && t.Scale == 0 && ex.kind(m.Column) == cube.Int64 {
			return "bigint"
		}
		return DataType(t)
	}
	column := func() *Parameter { return &Parameter{Type: "column", Value: ex.qualify(m.Column)} }
	one := &Parameter{Type: "constant", Value: "1"}
	switch m.Function {
	case cube.Count:
		if m.Column == "" {
			return Function{Expression: "COUNT", Parameter: one, ReturnType: "bigint"}, true
		}
		return Function{Expression: "COUNT", Parameter: column(), ReturnType: "bigint"}, true
	case cube.Sum, cube.Min, cube.Max, cube.Avg: // Kylin answers AVG from SUM and COUNT; its clients take the word
		return Function{Expression: strings.ToUpper(string(m.Function)), Parameter: column(), ReturnType: result()}, true
	case cube.CountDistinct:
		return Function{Expression: "COUNT_DISTINCT", Parameter: column(), ReturnType: "hllc(" + strconv.Itoa(m.Precision) + ")"}, true
	case cube.CountDistinctExact:
		return Function{Expression: "COUNT_DISTINCT", Parameter: column(), ReturnType: "bitmap"}, true
	case cube.Percentile:
		return Function{Expression: "PERCENTILE", Parameter: column(), ReturnType: "percentile(" + strconv.Itoa(m.Compression) + ")"}, true
	case cube.TopN:
		first := one
		if m.Column != "" {
			first = column()
		}
		last := first
		for _, by := range m.By {
			last.Next = &Parameter{Type: "column", Value: ex.qualify(by)}
			last = last.Next
		}
		return Function{Expression: "TOP_N", Parameter: first, ReturnType: "topn(" + strconv.Itoa(m.N) + ")"}, true
	}
	return Function{}, false // first, last
}

func (ex *exporter) kind(column string) cube.Kind {
	for _, c := range ex.table.Columns {
		if c.Name == column {
			return c.Type.Kind
		}
	}
	return ""
}

// keys writes row key and groups, which name columns.
func (ex *exporter) keys() {
	c := ex.cube
	list := func(names []string) []string {
		out := []string{}
		for _, name := range names {
			out = append(out, ex.columns[name])
		}
		return out
	}
	lists := func(of [][]string) [][]string {
		out := [][]string{}
		for _, names := range of {
			out = append(out, list(names))
		}
		return out
	}
	for _, name := range c.RowKey {
		ex.desc.RowKey.Columns = append(ex.desc.RowKey.Columns, RowKeyColumn{Column: ex.columns[name], Encoding: "dict", ShardBy: name == c.ShardBy})
	}
	groups := c.Groups
	if len(groups) == 0 {
		groups = []cube.Group{{}}
	}
	for _, g := range groups {
		includes := g.Includes
		if len(includes) == 0 {
			includes = c.RowKey
		}
		ex.desc.Groups = append(ex.desc.Groups, AggregationGroup{
			Includes: list(includes),
			Rule:     SelectRule{Hierarchy: lists(g.Hierarchy), Mandatory: list(g.Mandatory), Joint: lists(g.Joint), DimCap: g.DimCap},
		})
	}
}

func (ex *exporter) rules() {
	c := ex.cube
	for _, d := range c.Merge.TimeRanges {
		ex.desc.AutoMerge = append(ex.desc.AutoMerge, d.Milliseconds())
	}
	ex.desc.VolatileRange = c.Merge.Volatile.Milliseconds()
	ex.desc.RetentionRange = c.Retention.Milliseconds()
	for _, o := range c.Start.Offsets {
		if ex.desc.PartitionOffsets == nil {
			ex.desc.PartitionOffsets = map[string]int64{}
		}
		ex.desc.PartitionOffsets[strconv.Itoa(int(o.Partition))] = o.Offset
	}
	const instead = "Kylin's clients do not see it"
	if c.TimeZone != "UTC" {
		ex.note("time_zone", "Kylin's times are in UTC, the cube's in "+c.TimeZone, instead)
	}
	if !c.Cut.Manual {
		ex.note("cut", "Kylin's segments are built by request", instead)
	}
	if c.Merge.MaxRows > 0 {
		ex.note("merge.max_rows", "Kylin merges without a limit", instead)
	}
	if len(c.Merge.Budget) > 0 {
		ex.note("merge.budget", "Kylin merges by time ranges", instead)
	}
	if len(c.Notify) > 0 {
		ex.note("notify", "Kylin sends mail", instead)
	}
	if c.Start.At == "latest" || c.Start.At == "time" {
		ex.note("start", "Kylin has offsets alone", instead)
	}
}

func (ex *exporter) model() ModelDesc {
	columns, metrics := []string{}, []string{}
	add := func(to *[]string, column string) {
		if column != "" && !slices.Contains(*to, column) {
			*to = append(*to, column)
		}
	}
	for _, d := range ex.desc.Dimensions {
		if d.Derived == nil {
			add(&columns, d.Column)
		}
	}
	for _, m := range ex.cube.Measures {
		add(&metrics, strings.ToUpper(m.Column))
		for _, by := range m.By {
			add(&columns, strings.ToUpper(by))
		}
	}
	return ModelDesc{
		Version: descVersion, Name: ex.desc.ModelName, Owner: ex.cube.Owner, Description: ex.cube.Description, Fact: ex.fact,
		Lookups: ex.joins, Dimensions: append([]ModelDimension{{Table: strings.ToUpper(ex.table.Name), Columns: columns}}, ex.of...), Metrics: metrics,
		Partition: PartitionDesc{DateColumn: ex.qualify(ex.partition()), DateFormat: "yyyy-MM-dd", Type: "APPEND"}, Capacity: "MEDIUM",
	}
}

// partition returns the column of time: Kylin wants a dimension, so the finest grain of the event time if there is one.
func (ex *exporter) partition() string {
	for _, g := range timeGrains() {
		for _, d := range ex.cube.Dimensions {
			if d.Column == ex.table.EventTime.Column && d.Grain == g && !ex.hasColumn(TimeColumn(g)) {
				return TimeColumn(g)
			}
		}
	}
	return ex.table.EventTime.Column
}
