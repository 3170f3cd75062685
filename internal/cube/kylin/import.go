package kylin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// Limits of what a descriptor may say.
const (
	maxSourceBytes = 4 << 20
	maxParameters  = 16 // of a measure's chain
)

// Parse reads the JSON of both descriptors, cube's and model's. Keys that Kylin has and we do not know are ignored. The
// error is a *cube.DefinitionError.
func Parse(cubeDesc, modelDesc []byte) (c CubeDesc, m ModelDesc, err error) {
	var problems []cube.Problem
	problems = append(problems, decode("cube", cubeDesc, &c)...)
	problems = append(problems, decode("model", modelDesc, &m)...)
	if len(problems) > 0 {
		return c, m, &cube.DefinitionError{Problems: problems}
	}
	return c, m, nil
}

// ParseCube reads the JSON of a cube's descriptor alone. The error is a *cube.DefinitionError.
func ParseCube(src []byte) (c CubeDesc, err error) {
	if problems := decode("cube", src, &c); len(problems) > 0 {
		err = &cube.DefinitionError{Problems: problems}
	}
	return c, err
}

// ParseModel reads the JSON of a model's descriptor alone. The error is a *cube.DefinitionError.
func ParseModel(src []byte) (m ModelDesc, err error) {
	if problems := decode("model", src, &m); len(problems) > 0 {
		err = &cube.DefinitionError{Problems: problems}
	}
	return m, err
}

// CheckModel says whether cubes can be made by a model, of a table: what Import says of the model alone.
func CheckModel(m ModelDesc, t *cube.Table, lookups ...*cube.Lookup) (notes []cube.Problem, _ error) {
	im := &importer{desc: &CubeDesc{}, model: &m, table: t, lookups: lookups}
	im.modelRules()
	if len(im.problems) > 0 {
		return im.notes, &cube.DefinitionError{Name: "model " + m.Name, Problems: im.problems}
	}
	return im.notes, nil
}

func decode(what string, src []byte, into any) []cube.Problem {
	p := cube.Problem{Path: what, Instead: "send Kylin's " + what + " descriptor as one JSON object"}
	if len(src) > maxSourceBytes {
		p.Message = fmt.Sprintf("has more than %d bytes", maxSourceBytes)
		return []cube.Problem{p}
	}
	src = bytes.TrimSpace(src)
	err := json.Unmarshal(src, into)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		p.Path = what + "." + wrong.Field
		p.Message = fmt.Sprintf("is a %s, but another type is wanted", wrong.Value)
		p.Instead = fmt.Sprintf("send a %s", wrong.Type)
	case err != nil:
		p.Message = "not JSON: " + err.Error()
	case src[0] != '{':
		p.Message = "is no JSON object"
	default:
		return nil
	}
	return []cube.Problem{p}
}

// FactTable returns the name that the model's fact table has as a table here: without its database, in lower case.
func (m ModelDesc) FactTable() string {
	return strings.ToLower(bare(m.Fact))
}

// bare returns what stands behind the last dot.
func bare(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// importer collects what cannot be carried over.
type importer struct {
	desc     *CubeDesc
	model    *ModelDesc
	table    *cube.Table
	lookups  []*cube.Lookup // of the project
	joined   []*join
	out      *cube.Cube
	problems []cube.Problem
	notes    []cube.Problem

	dims     map[string]string // column of Kylin, in upper case, to the dimension's name
	dimAt    []int             // places in the descriptor of the cube's dimensions
	measAt   []int             // and of its measures
	lookupAt []int             // places in the model of its lookup tables
	dimsFail bool              // a dimension has a complaint: what names it gets none
	taken    map[string]bool   // names of dimensions and measures, in lower case
}

// Import makes a cube of project over table out of both descriptors; lookups are the lookup tables of the project. As in Kylin segments of the cube are built by
// request, merged by auto_merge_time_ranges alone, and holes stay until they are asked to be filled. Notes name what is
// left out or otherwise without a change of answers. The error is a *cube.DefinitionError with all that cannot be.
func Import(desc CubeDesc, model ModelDesc, project string, t *cube.Table, lookups ...*cube.Lookup) (_ *cube.Cube, notes []cube.Problem, _ error) {
	im := &importer{desc: &desc, model: &model, table: t, lookups: lookups, dims: map[string]string{}, taken: map[string]bool{}}
	im.out = &cube.Cube{
		Project: project, Name: strings.ToLower(desc.Name), Table: t.Name, Owner: model.Owner,
		Description: strings.Join(strings.Fields(desc.Description), " "), FillHoles: cube.Off, Cut: cube.CutRules{Manual: true},
	}
	im.note("", "segments are cut by request, as in Kylin, and holes stay until they are asked to be filled", "remove cut and fill_holes to leave both to tidemark")
	if im.out.Name != desc.Name {
		im.note("name", fmt.Sprintf("%s is called %s", desc.Name, im.out.Name), "names are in lower case; Kylin's requests find it by either")
	}
	im.modelRules()
	im.dimensions()
	im.measures()
	im.rowKey()
	im.groups()
	im.rules()
	im.ignored()
	im.validate()
	if len(im.problems) > 0 {
		return nil, im.notes, &cube.DefinitionError{Name: "cube " + desc.Name, Problems: im.problems}
	}
	return im.out.WithDefaults(), im.notes, nil
}

func (im *importer) problem(path, message, instead string) {
	im.problems = append(im.problems, cube.Problem{Path: path, Message: message, Instead: instead})
}

func (im *importer) note(path, message, instead string) {
	im.notes = append(im.notes, cube.Problem{Path: path, Message: message, Instead: instead})
}

const noLookups = "name columns of the fact table: put the value into the event"

func (im *importer) modelRules() {
	m := im.model
	if im.desc.ModelName != "" && m.Name != "" && !strings.EqualFold(im.desc.ModelName, m.Name) {
		im.problem("model_name", fmt.Sprintf("names model %s, but model %s was given", im.desc.ModelName, m.Name), "give that model")
	}
	if m.FactTable() != strings.ToLower(im.table.Name) {
		im.problem("model.fact_table", fmt.Sprintf("is %q, but the cube was compared with table %s", m.Fact, im.table.Name), "name the table as DEFAULT."+strings.ToUpper(im.table.Name))
	}
	im.joins()
	if strings.TrimSpace(m.Filter) != "" {
		im.problem("model.filter_condition", "a cube holds all events of its table", "filter in the query, or make the column it asks for a dimension")
	}
	if col := m.Partition.DateColumn; col != "" {
		if name, grain := im.column(bare(col)); name != im.table.EventTime.Column && grain == "" {
			im.note("model.partition_desc", fmt.Sprintf("partitions by %s: segments are ranges of offsets, and their times are those of %s", col, im.table.EventTime.Column), "")
		}
	}
}

// column finds a column of Kylin's in the table, without regard to case. The derived times of a streaming table are
// grains of the event time, unless the table has a column of that name.
func (im *importer) column(name string) (string, cube.Grain) {
	for i := range im.table.Columns {
		if strings.EqualFold(im.table.Columns[i].Name, name) {
			return im.table.Columns[i].Name, ""
		}
	}
	for _, g := range timeGrains() {
		if strings.EqualFold(TimeColumn(g), name) {
			return im.table.EventTime.Column, g
		}
	}
	return "", ""
}

func timeGrains() []cube.Grain {
	return []cube.Grain{cube.Minute, cube.Hour, cube.Day, cube.Week, cube.Month, cube.Quarter, cube.Year}
}

// TimeColumn returns the column of a streaming table in Kylin that holds this grain of the event time: HOUR_START.
func TimeColumn(g cube.Grain) string { return strings.ToUpper(string(g)) + "_START" }

// qualified splits TABLE.COLUMN and reports whether the table, where there is one, is the fact table.
func (im *importer) qualified(name string) (column string, ok bool) {
	at := strings.LastIndexByte(name, '.')
	return name[at+1:], at < 0 || im.isFact(name[:at])
}

func (im *importer) isFact(table string) bool {
	return table == "" || strings.EqualFold(bare(table), bare(im.model.Fact)) || strings.EqualFold(bare(table), im.table.Name)
}

// find complains about a column that the table does not have.
func (im *importer) find(path, name string) (string, cube.Grain, bool) {
	column, ok := im.qualified(name)
	if !ok {
		im.problem(path, fmt.Sprintf("%s is of another table", name), noLookups)
		return "", "", false
	}
	found, grain := im.column(column)
	if found == "" {
		im.problem(path, fmt.Sprintf("table %s has no column %s", im.table.Name, strings.ToLower(column)), "add the column to the table first")
	}
	return found, grain, found != ""
}

func (im *importer) dimensions() {
	for i, d := range im.desc.Dimensions {
		path := fmt.Sprintf("dimensions[%d]", i)
		if im.ofLookup(d) {
			continue
		}
		found, grain, ok := im.find(path+".column", d.Column)
		if !ok {
			im.dimsFail = true
			continue
		}
		column, _ := im.qualified(d.Column)
		dim := cube.Dimension{Name: im.dimensionName(d.Name, column, found, grain), Column: found, Grain: grain}
		im.taken[strings.ToLower(dim.Name)] = true
		im.dims[strings.ToUpper(column)] = dim.Name
		im.out.Dimensions = append(im.out.Dimensions, dim)
		im.dimAt = append(im.dimAt, i)
	}
	for i, d := range im.desc.Dimensions {
		if im.ofLookup(d) && !im.lookupDimension(i, d) {
			im.dimsFail = true
		}
	}
	im.derivations()
}

// ofLookup reports whether a dimension is of a lookup table: those come last, since they need the others.
func (im *importer) ofLookup(d Dimension) bool { return len(d.Derived) > 0 || !im.isFact(d.Table) }

// dimensionName keeps the column's name, which is what queries know: Kylin's wizard names dimensions DB.TABLE.COLUMN.
func (im *importer) dimensionName(name, column, found string, grain cube.Grain) string {
	fallback := found
	if grain != "" {
		fallback = strings.ToLower(column)
	}
	name = plainName(bare(name))
	other, _ := im.column(name)
	if name == "" || strings.EqualFold(name, column) || other != "" {
		return fallback
	}
	return name
}

var notWord = regexp.MustCompile(`[^A-Za-z0-9]+`)

// plainName makes a name out of any: _COUNT_ becomes COUNT. It may be empty.
func plainName(s string) string {
	s = strings.Trim(notWord.ReplaceAllString(s, "_"), "_")
	if s != "" && s[0] <= '9' {
		s = "c_" + s
	}
	return s[:min(len(s), 63)]
}

func (im *importer) rowKey() {
	if im.dimsFail {
		return
	}
	for i, col := range im.desc.RowKey.Columns {
		path := fmt.Sprintf("rowkey.rowkey_columns[%d]", i)
		if name, ok := im.dimension(path, col.Column); ok {
			im.out.RowKey = append(im.out.RowKey, name)
			if col.ShardBy && im.out.ShardBy != "" {
				im.note(path+".isShardBy", fmt.Sprintf("%s is a second column to shard by", col.Column), "only the first is used")
			} else if col.ShardBy {
				im.out.ShardBy = name
			}
		}
		if name, length, _ := strings.Cut(col.Encoding, ":"); strings.HasPrefix(name, "fixed_length") {
			im.note(path+".encoding", fmt.Sprintf("values are kept whole, not cut at %s bytes", length), "")
		}
	}
}

// dimension returns the name of the dimension over a column, or complains.
func (im *importer) dimension(path, column string) (string, bool) {
	bareColumn, ok := im.qualified(im.ownKey(column))
	name := im.dims[strings.ToUpper(bareColumn)]
	if !ok || name == "" {
		im.problem(path, fmt.Sprintf("%s is no dimension of the cube", column), "add it to dimensions, or remove it here")
		return "", false
	}
	return name, true
}

func (im *importer) groups() {
	if im.dimsFail {
		return
	}
	list := func(path string, columns []string) (names []string) {
		for i, c := range columns {
			if name, ok := im.dimension(fmt.Sprintf("%s[%d]", path, i), c); ok {
				names = append(names, name)
			}
		}
		return names
	}
	lists := func(path string, of [][]string) (out [][]string) {
		for i, columns := range of {
			out = append(out, list(fmt.Sprintf("%s[%d]", path, i), columns))
		}
		return out
	}
	for i, g := range im.desc.Groups {
		path := fmt.Sprintf("aggregation_groups[%d]", i)
		if len(g.Includes) == 0 {
			im.problem(path+".includes", "missing", "name the columns of the group")
			continue
		}
		im.out.Groups = append(im.out.Groups, cube.Group{
			Includes:  list(path+".includes", g.Includes),
			Mandatory: list(path+".select_rule.mandatory_dims", g.Rule.Mandatory),
			Hierarchy: lists(path+".select_rule.hierarchy_dims", g.Rule.Hierarchy),
			Joint:     lists(path+".select_rule.joint_dims", g.Rule.Joint),
			DimCap:    g.Rule.DimCap,
		})
	}
	for i, set := range im.desc.MandatorySets { // exactly one cuboid: all but one mandatory, and at least one more
		names := list(fmt.Sprintf("mandatory_dimension_set_list[%d]", i), set)
		if len(names) > 0 {
			im.out.Groups = append(im.out.Groups, cube.Group{Includes: names, Mandatory: names[:len(names)-1]})
		}
	}
}

func (im *importer) rules() {
	d := im.desc
	for i, ms := range slices.Sorted(slices.Values(d.AutoMerge)) {
		if ms > 0 && (i == 0 || !slices.Contains(im.out.Merge.TimeRanges, milliseconds(ms))) {
			im.out.Merge.TimeRanges = append(im.out.Merge.TimeRanges, milliseconds(ms))
		}
	}
	if im.out.Merge.Manual = len(im.out.Merge.TimeRanges) == 0; !im.out.Merge.Manual {
		im.out.Merge.Volatile = milliseconds(max(d.VolatileRange, 0))
	}
	im.out.Retention = milliseconds(d.RetentionRange)
	for _, p := range slices.Sorted(maps.Keys(d.PartitionOffsets)) {
		partition, err := strconv.ParseInt(p, 10, 32)
		if err != nil || partition < 0 {
			im.problem("partition_offset_start", fmt.Sprintf("%q is no partition", p), `write {"0": 100, "1": 90}`)
			continue
		}
		im.out.Start.At = "offsets"
		im.out.Start.Offsets = append(im.out.Start.Offsets, cube.PartitionOffset{Partition: int32(partition), Offset: d.PartitionOffsets[p]})
	}
	slices.SortFunc(im.out.Start.Offsets, func(a, b cube.PartitionOffset) int { return int(a.Partition) - int(b.Partition) })
}

// milliseconds stays within a duration; what is too long is refused later.
func milliseconds(ms int64) time.Duration {
	const most = math.MaxInt64 / int64(time.Millisecond)
	return time.Duration(min(max(ms, -most), most)) * time.Millisecond
}

// ignored names what a cube has no place for.
func (im *importer) ignored() {
	d := im.desc
	if len(d.NotifyList) > 0 {
		im.note("notify_list", "no mail is sent to "+strings.Join(d.NotifyList, ", "), "write notify: [https://...], which is called when jobs fail")
	}
	if len(d.BlackList) > 0 {
		im.note("cuboid_black_list", fmt.Sprintf("%d cuboids are built all the same", len(d.BlackList)), "make the groups smaller")
	}
	if len(d.Dictionaries) > 0 {
		im.note("dictionaries", "every column has one dictionary for the whole table", "")
	}
	if len(d.Overrides) > 0 {
		im.note("override_kylin_properties", "has no meaning here: "+strings.Join(slices.Sorted(maps.Keys(d.Overrides)), ", "), "")
	}
	if d.PartitionDateStart > 0 || im.model.Partition.DateStart > 0 {
		im.note("partition_date_start", "the first segment begins at an offset", "write start: with a time or offsets")
	}
	if d.Draft {
		im.note("is_draft", "a draft becomes a cube", "disable it")
	}
	im.note("", "rowkey encodings, hbase_mapping, null_string, engine_type and storage_type say how Kylin stores a cube", "there is nothing to set")
}
