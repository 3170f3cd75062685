package kylin

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

func (im *importer) measures() {
	for i, m := range im.desc.Measures {
		path := fmt.Sprintf("measures[%d]", i)
		out, ok := im.measure(path, m)
		if !ok {
			continue
		}
		out.Name = im.measureName(path, m.Name, out)
		im.taken[strings.ToLower(out.Name)] = true
		im.out.Measures = append(im.out.Measures, out)
		im.measAt = append(im.measAt, i)
	}
}

// measureName keeps Kylin's name where it can be one here. Queries never name measures, so a change does not matter.
func (im *importer) measureName(path, name string, m cube.Measure) string {
	out := plainName(name)
	if out == "" || strings.EqualFold(out, string(m.Function)) {
		out = "" // the default: _COUNT_ is count
		for _, d := range (&cube.Cube{Measures: []cube.Measure{m}}).WithDefaults().Measures[:1] {
			out = d.Name
		}
	}
	for n, first := 2, out; im.taken[strings.ToLower(out)]; n++ {
		out = fmt.Sprintf("%s_%d", first[:min(len(first), 60)], n)
	}
	if !strings.EqualFold(out, strings.Trim(name, "_")) {
		im.note(path+".name", fmt.Sprintf("%s is called %s", name, out), "queries do not name measures")
	}
	return out
}

// measure translates one function. ok is false where it has a complaint.
func (im *importer) measure(path string, m Measure) (out cube.Measure, ok bool) {
	f := m.Function
	at := path + ".function"
	columns, constant, ok := im.parameters(at+".parameter", f)
	if !ok {
		return out, false
	}
	expression := strings.ToUpper(f.Expression)
	if cf, known := plainFunctions()[expression]; known {
		out.Function = cf
		return im.oneColumn(at, m, out, columns)
	}
	number, typed := typeParameter(f.ReturnType)
	switch expression {
	case "COUNT":
		out.Function = cube.Count
		if constant {
			return out, true
		}
	case "COUNT_DISTINCT":
		switch typed {
		case "hllc", "hll":
			out.Function, out.Precision = cube.CountDistinct, number
		case "bitmap":
			out.Function = cube.CountDistinctExact
		default:
			im.problem(at+".returntype", fmt.Sprintf("%s: unknown return type %q", m.Name, f.ReturnType), "write hllc(10) to hllc(16), or bitmap")
			return out, false
		}
	case "PERCENTILE", "PERCENTILE_APPROX":
		out.Function, out.Compression = cube.Percentile, number
	case "TOP_N":
		return im.topN(at, m, columns, constant)
	case "RAW", "EXTENDED_COLUMN":
		im.problem(at+".expression", fmt.Sprintf("%s: %s is not a measure here", m.Name, f.Expression), "remove it: queries that ask for the column read staged files")
		return out, false
	default:
		im.problem(at+".expression", fmt.Sprintf("%s: unknown expression %q", m.Name, f.Expression), "write COUNT, SUM, MIN, MAX, COUNT_DISTINCT, TOP_N or PERCENTILE")
		return out, false
	}
	return im.oneColumn(at, m, out, columns)
}

func plainFunctions() map[string]cube.Function {
	return map[string]cube.Function{"SUM": cube.Sum, "MIN": cube.Min, "MAX": cube.Max, "AVG": cube.Avg}
}

func (im *importer) oneColumn(at string, m Measure, out cube.Measure, columns []string) (cube.Measure, bool) {
	if len(columns) != 1 {
		im.problem(at+".parameter", fmt.Sprintf("%s: %s of %d columns", m.Name, m.Function.Expression, len(columns)), "name one column; what belongs together is a column of the table")
		return out, false
	}
	out.Column = columns[0]
	return out, true
}

// topN has the column to sum, or the constant 1, before the columns that are ranked.
func (im *importer) topN(at string, m Measure, columns []string, constant bool) (cube.Measure, bool) {
	out := cube.Measure{Function: cube.TopN}
	number, typed := typeParameter(m.Function.ReturnType)
	if typed != "topn" {
		im.problem(at+".returntype", fmt.Sprintf("%s: unknown return type %q", m.Name, m.Function.ReturnType), "write topn(100)")
		return out, false
	}
	out.N = number
	if !constant && len(columns) > 0 {
		out.Column, columns = columns[0], columns[1:]
	}
	if out.By = columns; len(columns) == 0 {
		im.problem(at+".parameter", m.Name+": no column is ranked", "name it as next_parameter")
		return out, false
	}
	return out, true
}

// parameters walks the chain. constant says that it begins with a constant.
func (im *importer) parameters(path string, f Function) (columns []string, constant, ok bool) {
	ok = true
	n := 0
	for p := f.Parameter; p != nil; p = p.Next {
		if n++; n > maxParameters {
			im.problem(path, fmt.Sprintf("has more than %d parameters", maxParameters), "write fewer")
			return nil, false, false
		}
		switch strings.ToLower(p.Type) {
		case "constant":
			constant = constant || n == 1
			if n > 1 {
				im.problem(path, fmt.Sprintf("%q is no column", p.Value), "name a column")
				ok = false
			}
		case "column":
			name, grain, found := im.find(path, p.Value)
			if found && grain != "" {
				im.problem(path, fmt.Sprintf("%s is a grain of the event time, not a column", p.Value), "name column "+name)
			}
			ok = ok && found && grain == ""
			columns = append(columns, name)
		default:
			im.problem(path+".type", fmt.Sprintf("unknown type of parameter %q", p.Type), "write column or constant")
			ok = false
		}
		path += ".next_parameter"
	}
	return columns, constant, ok
}

// typeParameter splits hllc(12) into 12 and hllc.
func typeParameter(s string) (int, string) {
	name, rest, _ := strings.Cut(strings.ToLower(strings.TrimSpace(s)), "(")
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), ")"))
	if err != nil {
		return 0, name
	}
	return n, name
}

// validate checks the cube by its own rules and says in the descriptor's words where a complaint belongs.
func (im *importer) validate() {
	var bad *cube.DefinitionError
	if err := im.out.Validate(im.table, im.lookups...); !errors.As(err, &bad) {
		return
	}
	for _, p := range bad.Problems {
		at, ok := im.place(p.Path)
		if at == "rowkey.rowkey_columns" && slices.ContainsFunc(im.problems, func(o cube.Problem) bool { return strings.HasPrefix(o.Path, at) }) {
			continue // it lacks what could not be carried over
		}
		if ok {
			im.problem(at, groupWords().Replace(p.Message), p.Instead)
		}
	}
}

// groupWords turns the paths of our groups into Kylin's.
func groupWords() *strings.Replacer {
	var pairs []string
	for ours, theirs := range map[string]string{"mandatory": "mandatory_dims", "hierarchy": "hierarchy_dims", "joint": "joint_dims", "dim_cap": "dim_cap"} {
		pairs = append(pairs, "]."+ours, "].select_rule."+theirs)
	}
	return strings.NewReplacer(append(pairs, "groups[", "aggregation_groups[")...)
}

// measureWords turns what follows a measure's place into where Kylin keeps it.
func measureWords(rest string) string {
	switch key, _, _ := strings.Cut(strings.TrimPrefix(rest, "."), "["); key {
	case "column", "by":
		return ".function.parameter"
	case "precision", "n", "compression":
		return ".function.returntype"
	}
	return rest
}

// place translates the path of a complaint. ok is false where what it is about has its complaint already.
func (im *importer) place(path string) (string, bool) {
	for _, of := range []struct {
		what   string
		places []int
		failed bool
	}{
		{"dimensions", im.dimAt, im.dimsFail},
		{"measures", im.measAt, false},
	} {
		if path == of.what {
			return path, !of.failed || len(of.places) > 0
		}
		if rest, ok := strings.CutPrefix(path, of.what+"["); ok {
			index, rest, _ := strings.Cut(rest, "]")
			i, err := strconv.Atoi(index)
			if err != nil || i >= len(of.places) {
				return path, true
			}
			if of.what == "measures" {
				rest = measureWords(rest)
			}
			return fmt.Sprintf("%s[%d]%s", of.what, of.places[i], rest), true
		}
	}
	if rest, ok := strings.CutPrefix(path, "lookups["); ok {
		index, _, _ := strings.Cut(rest, "]")
		if i, err := strconv.Atoi(index); err == nil && i < len(im.lookupAt) {
			return fmt.Sprintf("model.lookups[%d]", im.lookupAt[i]), true
		}
	}
	if strings.HasPrefix(path, "groups") {
		if path == "groups" {
			return "aggregation_groups", !im.dimsFail
		}
		return groupWords().Replace(path), !im.dimsFail
	}
	for ours, theirs := range map[string]string{
		"cube": "name", "row_key": "rowkey.rowkey_columns", "shard_by": "rowkey.rowkey_columns", "retention": "retention_range", "merge.time_ranges": "auto_merge_time_ranges", "merge.volatile": "volatile_range",
		"start": "partition_offset_start", "table": "model.fact_table", "owner": "model.owner",
	} {
		if rest, ok := strings.CutPrefix(path, ours); ok && (rest == "" || rest[0] == '[') {
			return theirs + rest, ours != "table"
		}
	}
	return path, true
}
