package cube

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// ParseCube reads the definition of a cube over table t in YAML or JSON, fills in the defaults and validates it. name is
// the file's, for messages, lookups are the lookup tables of the cube's project. Without a table (nil) nothing is said about
// columns and lookup tables. The error is a *DefinitionError with every complaint.
func ParseCube(src []byte, name string, t *Table, lookups ...*Lookup) (*Cube, error) {
	c, r, err := readCube(src, name)
	if err != nil {
		return nil, err
	}
	c = c.WithDefaults()
	for _, p := range c.problems(t, lookups, r.explained) {
		if !r.explained(p.Path) {
			p.Line = r.lineOf(p.Path)
			r.problems = append(r.problems, p)
		}
	}
	if err := definitionError(name, r.problems); err != nil {
		return nil, err
	}
	return c, nil
}

// CubeTable returns the project and the table that the definition of a cube names, so that its caller can fetch the table
// for ParseCube. It does not look at the rest. Where it names none, table is empty and ParseCube says so.
func CubeTable(src []byte, name string) (project, table string, err error) {
	c, _, err := readCube(src, name)
	if err != nil {
		return "", "", err
	}
	fill(&c.Project, defaultProject)
	return c.Project, c.Table, nil
}

// readCube reads what is there. The error is of a source that has no keys at all; other complaints are the reader's.
func readCube(src []byte, name string) (*Cube, *reader, error) {
	root, err := parseSource(src, name)
	if err != nil {
		p := asProblem(err)
		if p.Message == emptyProblem().Message {
			p.Instead = cubeKeysHelp
		}
		p.Instead = strings.NewReplacer("one table", "one cube", "TABLES.md", "CUBES.md").Replace(p.Instead)
		return nil, nil, &DefinitionError{Name: name, Problems: []Problem{p}}
	}
	r := &reader{lines: map[string]int{"": root.line}, bad: map[string]bool{}}
	if root.kind != objectNode {
		r.complain(root.line, "", "the definition is "+root.what(), cubeKeysHelp)
		return nil, nil, definitionError(name, r.problems)
	}
	c := new(Cube)
	r.cube(c, root)
	return c, r, nil
}

const cubeKeysHelp = "write keys: cube, table, dimensions and measures (docs/CUBES.md)"

func (r *reader) cube(c *Cube, n *node) {
	keys := append(r.cubeHead(c), r.cubeRules(c)...)
	r.object(n, "", keys, map[string]string{
		"name": "write cube", "cube_name": "write cube", "model": "write table", "fact_table": "write table", "source": "write table",
		"topic": "topics belong to tables: write table", "timezone": "write time_zone", "tz": "write time_zone", "zone": "write time_zone",
		"aggregation_groups": "write groups", "aggregations": "write measures", "metrics": "write measures", "columns": "write dimensions and measures",
		"rowkey": "write row_key", "row_keys": "write row_key", "sort": "write row_key", "order_by": "write row_key", "shardby": "write shard_by", "shard": "write shard_by",
		"crons": "write it in cut: {crons: [\"0 * * * *\"]}", "cron": "write it in cut: {crons: [\"0 * * * *\"]}", "age": "write it in cut: {age: 5m}",
		"rows": "write it in cut: {rows: 5000000}", "bytes": "write it in cut: {bytes: 1GiB}", "schedule": "write it in cut: {crons: [\"0 * * * *\"]}",
		"auto_merge_time_ranges": "write it in merge: {time_ranges: [4h, 1d, 7d]}", "time_ranges": "write it in merge: {time_ranges: [4h, 1d, 7d]}",
		"budget": "write it in merge: {budget: [{younger_than: 7d, segments: 4}, {segments: 3}]}", "retention_range": "write retention",
		"notify_list": "write notify: [https://...]", "webhook": "write notify: [https://...]", "enabled": "it is no part of the definition: tidemark cube enable, disable",
		"joins": "write lookups: [" + lookupExample + "]", "join": "write lookups: [" + lookupExample + "]", "derived": "write lookups: [" + lookupExample + "]",
		"filter": "a cube holds all events of its table: filter in queries", "where": "a cube holds all events of its table: filter in queries",
		"start_offsets": `write start: "0:1200,1:900"`, "offsets": `write start: "0:1200,1:900"`,
	})
}

func (r *reader) cubeHead(c *Cube) []key {
	return []key{
		{"cube", r.text(&c.Name, "a name")},
		{"project", r.text(&c.Project, "a name")},
		{"table", r.text(&c.Table, "the name of one table")},
		{"description", r.text(&c.Description, "one line of text")},
		{"owner", r.text(&c.Owner, "a name or an address")},
		{"notify", r.texts(&c.Notify, "[https://example.org/hook]")},
		{"time_zone", r.text(&c.TimeZone, "Europe/Berlin")},
		{"dimensions", func(n *node, path string) {
			r.list(n, path, "- country", func(n *node, path string) {
				c.Dimensions = append(c.Dimensions, r.dimension(n, path))
			})
		}},
		{"lookups", func(n *node, path string) {
			r.list(n, path, "- "+lookupExample, func(n *node, path string) {
				c.Lookups = append(c.Lookups, r.lookup(n, path))
			})
		}},
		{"measures", func(n *node, path string) {
			r.list(n, path, "- sum(bytes)", func(n *node, path string) {
				c.Measures = append(c.Measures, r.measure(n, path))
			})
		}},
		{"groups", func(n *node, path string) {
			r.list(n, path, "- {mandatory: [country]}", func(n *node, path string) {
				c.Groups = append(c.Groups, r.group(n, path))
			})
		}},
		{"row_key", r.texts(&c.RowKey, "a list of all dimensions: [country, os]")},
		{"shard_by", r.text(&c.ShardBy, "the name of a dimension")},
		{"id", r.text(&c.ID, "nothing: the catalog gives it")},
		{"version", parsed(r, &c.Version, "nothing: the catalog gives it", positive(narrow(parseCount)))},
	}
}

func (r *reader) cubeRules(c *Cube) []key {
	return []key{
		{"start", parsed(r, &c.Start, "earliest", func(s string) (v CubeStart, err error) { return v, v.UnmarshalText([]byte(s)) })},
		{"cut", func(n *node, path string) { r.cut(&c.Cut, n, path) }},
		{"merge", func(n *node, path string) { r.merge(&c.Merge, n, path) }},
		{"retention", parsed(r, &c.Retention, "90d", positive(parseDuration))},
		{"fill_holes", parsed(r, &c.FillHoles, "true or false", parseSwitch)},
		{"refresh_old_versions", parsed(r, &c.RefreshOldVersions, "true or false", parseSwitch)},
		{"max_jobs", parsed(r, &c.MaxJobs, "2", positive(narrow(parseCount)))},
		{"engine", word(r, &c.Engine, "engine", EngineLocal)},
		{"store", word(r, &c.Store, "store", StoreFiles, StoreHBase)},
	}
}

// texts reads a list of single values.
func (r *reader) texts(into *[]string, example string) func(*node, string) {
	return func(n *node, path string) {
		r.list(n, path, example, func(n *node, path string) {
			if s, ok := r.scalar(n, path, example); ok {
				*into = append(*into, s)
			} else {
				*into = append(*into, "") // the places of the others stay
			}
		})
	}
}

// dimension reads country, hour(ts), or {name, column, grain}.
func (r *reader) dimension(n *node, path string) (d Dimension) {
	switch n.kind {
	case scalarNode:
		grain, column, short, err := splitCall(n.text)
		switch {
		case err != nil:
			r.complainAs(n, path, err)
		case !short:
			d.Column = n.text
		case !slices.Contains(grains(), Grain(grain)):
			r.complainAs(n, path, unknownGrain(grain))
		default:
			d.Grain, d.Column = Grain(grain), column
		}
	case objectNode:
		r.object(n, path, []key{
			{"name", r.text(&d.Name, "a name")},
			{"column", r.text(&d.Column, "the name of a column")},
			{"grain", func(n *node, path string) {
				s, ok := r.scalar(n, path, "hour")
				if d.Grain = Grain(s); ok && !slices.Contains(grains(), d.Grain) {
					r.complainAs(n, path, unknownGrain(s))
				}
			}},
		}, map[string]string{
			"field": "write column", "dimension": "write name", "alias": "write name", "path": "paths belong to the table: write column",
			"granularity": "write grain", "bucket": "write grain", "trunc": "write grain", "derived": "write it in lookups: [" + lookupExample + "]",
			"lookup": "write it in lookups: [" + lookupExample + "]", "encoding": "remove it: every dimension has a dictionary", "type": "the type is the column's: remove it",
		})
	default:
		r.complain(n.line, path, "is a list, but one dimension is wanted", "write - country, - hour(ts), or - {name: hour, column: ts, grain: hour}")
	}
	return d
}

func grains() []Grain { return []Grain{Second, Minute, Hour, Day, Week, Month, Quarter, Year} }

func unknownGrain(s string) *Problem {
	words := make([]string, 0, len(grains()))
	for _, g := range grains() {
		words = append(words, string(g))
	}
	p := unknownWord("grain", s, words)
	if one := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(s), "ly"), "_start"); slices.Contains(words, one) {
		p.Instead = "write " + one
	} else if strings.EqualFold(s, "daily") {
		p.Instead = "write day"
	}
	return p
}

// splitCall splits f(x). short says that s has parentheses at all.
func splitCall(s string) (f, x string, short bool, err error) {
	f, rest, short := strings.Cut(s, "(")
	if !short {
		return s, "", false, nil
	}
	x, ok := strings.CutSuffix(rest, ")")
	if !ok {
		return "", "", true, &Problem{
			Message: fmt.Sprintf("%s does not end in )", clip(s)),
			Instead: "write the name of a column, or a word and a column: hour(ts), sum(bytes); several columns need the long form",
		}
	}
	return strings.TrimSpace(f), strings.TrimSpace(x), true, nil
}

func (r *reader) cut(c *CutRules, n *node, path string) {
	if n.kind == scalarNode && n.text == "manual" {
		r.complain(n.line, path, "is a single value, but keys are wanted", "write {manual: true}")
		return
	}
	if !r.mapping(n, path, "{age: 5m, rows: 5000000}") {
		return
	}
	var manual Switch
	r.object(n, path, []key{
		{"age", parsed(r, &c.Age, "5m", positive(parseDuration))},
		{"rows", parsed(r, &c.Rows, "5000000", positive(parseCount))},
		{"bytes", parsed(r, &c.Bytes, "1GiB", positive(parseSize))},
		{"crons", func(n *node, path string) {
			r.list(n, path, `["0 * * * *"]`, func(n *node, path string) { c.Crons = append(c.Crons, r.cron(n, path)) })
		}},
		{"manual", parsed(r, &manual, "true or false", parseSwitch)},
		{"rows_per_build", parsed(r, &c.RowsPerBuild, "20000000", positive(parseCount))},
	}, map[string]string{
		"cron": `write crons: ["0 * * * *"]`, "schedule": `write crons: ["0 * * * *"]`, "interval": "write age", "every": "write age", "time": "write age",
		"size": "write bytes", "events": "write rows", "records": "write rows", "max_rows": "write rows_per_build", "time_zone": `write it at the cron: {cron: "0 * * * *", time_zone: Europe/Berlin}`,
	})
	c.Manual = manual == On
}

// cron reads the five fields, or {cron, time_zone}.
func (r *reader) cron(n *node, path string) (c Cron) {
	if n.kind == scalarNode {
		c.Cron = n.text
		return c
	}
	if r.mapping(n, path, `"0 * * * *", or {cron: "0 8 * * *", time_zone: Europe/Berlin}`) {
		r.object(n, path, []key{
			{"cron", r.text(&c.Cron, `"0 8 * * *"`)},
			{"time_zone", r.text(&c.TimeZone, "Europe/Berlin")},
		}, map[string]string{"tz": "write time_zone", "timezone": "write time_zone", "zone": "write time_zone", "expression": "write cron", "schedule": "write cron"})
	}
	return c
}

func (r *reader) merge(m *MergeRules, n *node, path string) {
	if !r.mapping(n, path, "{budget: [{younger_than: 7d, segments: 4}, {segments: 3}]} or {time_ranges: [4h, 1d]}") {
		return
	}
	var manual Switch
	duration := positive(parseDuration)
	r.object(n, path, []key{
		{"budget", func(n *node, path string) {
			r.list(n, path, "[{younger_than: 7d, segments: 4}, {segments: 3}]", func(n *node, path string) {
				var a AgeBudget
				if r.mapping(n, path, "{younger_than: 7d, segments: 4}") {
					r.object(n, path, []key{
						{"younger_than", parsed(r, &a.YoungerThan, "7d", duration)},
						{"segments", parsed(r, &a.Segments, "4", positive(narrow(parseCount)))},
					}, map[string]string{"age": "write younger_than", "to": "write younger_than", "count": "write segments", "max": "write segments"})
				}
				m.Budget = append(m.Budget, a)
			})
		}},
		{"time_ranges", func(n *node, path string) {
			r.list(n, path, "[4h, 1d, 7d]", func(n *node, path string) {
				var d time.Duration
				parsed(r, &d, "4h", duration)(n, path)
				m.TimeRanges = append(m.TimeRanges, d)
			})
		}},
		{"volatile", parsed(r, &m.Volatile, "1h", duration)},
		{"max_rows", parsed(r, &m.MaxRows, "1000000000", positive(parseCount))},
		{"manual", parsed(r, &manual, "true or false", parseSwitch)},
	}, map[string]string{
		"auto_merge_time_ranges": "write time_ranges", "ranges": "write time_ranges", "never": "write manual: true", "enabled": "write manual: true, or remove it",
		"volatile_range": "write volatile", "rows": "write max_rows", "limit": "write max_rows",
	})
	m.Manual = manual == On
}
