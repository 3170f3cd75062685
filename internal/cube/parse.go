package cube

import "strings"

// ParseTable reads a definition in YAML or JSON, fills in the defaults and validates it. name is the file's, for
// messages. The error is a *DefinitionError with every complaint.
func ParseTable(src []byte, name string) (*Table, error) {
	root, err := parseSource(src, name)
	if err != nil {
		return nil, &DefinitionError{Name: name, Problems: []Problem{asProblem(err)}}
	}
	r := &reader{lines: map[string]int{"": root.line}, bad: map[string]bool{}}
	if root.kind != objectNode {
		r.complain(root.line, "", "the definition is "+root.what(), "write keys: table, topic, event_time and columns")
		return nil, definitionError(name, r.problems)
	}
	t := new(Table)
	r.table(t, root)
	t = t.WithDefaults()
	for _, p := range t.problems() {
		if !r.explained(p.Path) {
			p.Line = r.lineOf(p.Path)
			r.problems = append(r.problems, p)
		}
	}
	if err := definitionError(name, r.problems); err != nil {
		return nil, err
	}
	return t, nil
}

// explained reports whether path or a key above it already has a complaint.
func (r *reader) explained(path string) bool {
	for ; path != ""; path = parent(path) {
		if r.bad[path] {
			return true
		}
	}
	return false
}

// lineOf returns the line of path, or of the nearest key above it: what is missing is reported where it belongs.
func (r *reader) lineOf(path string) int {
	for ; path != ""; path = parent(path) {
		if line := r.lines[path]; line > 0 {
			return line
		}
	}
	return r.lines[""]
}

func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

func (r *reader) table(t *Table, n *node) {
	r.object(n, "", []key{
		{"table", r.text(&t.Name, "a name")},
		{"project", r.text(&t.Project, "a name")},
		{"topic", r.text(&t.Topic, "the name of one topic")},
		{"owner", r.text(&t.Owner, "a name or an address")},
		{"notify", func(n *node, path string) {
			r.list(n, path, "[https://example.org/hook]", func(n *node, path string) {
				if s, ok := r.scalar(n, path, "https://example.org/hook"); ok {
					t.Notify = append(t.Notify, s)
				}
			})
		}},
		{"start", parsed(r, &t.Start, "earliest", func(s string) (v Start, err error) { return v, v.UnmarshalText([]byte(s)) })},
		{"event_time", func(n *node, path string) { r.eventTime(&t.EventTime, n, path) }},
		{"columns", func(n *node, path string) {
			if tooMany := len(n.items); n.kind == listNode && tooMany > maxColumns {
				r.complainAs(&node{line: r.lines[path]}, path, columnsProblem(tooMany))
				return
			}
			r.list(n, path, "- {name: url, type: string}", func(n *node, path string) {
				t.Columns = append(t.Columns, r.column(n, path))
			})
		}},
		{"include", func(n *node, path string) { r.include(&t.Include, n, path) }},
		{"staging", func(n *node, path string) { r.staging(&t.Staging, n, path) }},
		{"quarantine", func(n *node, path string) { r.quarantine(&t.Quarantine, n, path) }},
		{"on_loss", word(r, &t.OnLoss, "policy", LossStop, LossSkip)},
		{"id", r.text(&t.ID, "nothing: the catalog gives it")},
		{"version", parsed(r, &t.Version, "nothing: the catalog gives it", positive(narrow(parseCount)))},
	}, map[string]string{
		"name": "write table", "table_name": "write table", "fields": "write columns", "schema": "write columns",
		"timestamp": "write event_time: {column: ...}", "time": "write event_time: {column: ...}", "timestamp_column": "write event_time: {column: ...}",
		"lateness": "write it in event_time: {column: ts, lateness: 10m}", "watermark": "write event_time: {column: ts, lateness: 10m}",
		"format": "write it in staging: {format: parquet}", "roll": "write it in staging: {roll: {age: 1m}}",
		"headers": "write include: [headers]", "key": "write include: [key]", "extra": "write include: [extra]", "raw": "write include: [raw]",
		"offset": "write start: earliest, latest or a time", "offsets": "write start: earliest, latest or a time",
		"max_share": "write it in quarantine: {max_share: 5%}", "brokers": "brokers belong to the configuration of tidemark (--brokers)",
		"topics": "write topic: one topic a table", "webhook": "write notify: [https://...]", "description": "write a comment: # ...",
	})
}

// mapping complains unless n is one.
func (r *reader) mapping(n *node, path, example string) bool {
	if n.kind != objectNode {
		r.complain(n.line, path, "is "+n.what()+", but keys are wanted", "write "+example)
		return false
	}
	return true
}

func (r *reader) eventTime(e *EventTime, n *node, path string) {
	if !r.mapping(n, path, "{column: ts, lateness: 10m}") {
		return
	}
	duration := positive(parseDuration)
	r.object(n, path, []key{
		{"column", r.text(&e.Column, "the name of a column")},
		{"lateness", parsed(r, &e.Lateness, "10m", duration)},
		{"earliest", parsed(r, &e.Earliest, "2000-01-01", parseTime)},
		{"latest", parsed(r, &e.Latest, "2100-01-01", parseTime)},
		{"max_ahead", parsed(r, &e.MaxAhead, "24h", duration)},
	}, map[string]string{
		"name": "write column", "field": "write column", "path": "write column: the name of a column, whose path stands in columns",
		"type": "write the type at the column", "unit": "write the unit in the column's type: timestamp(ms)", "format": "write the format in the column's type: timestamp(ms)",
		"watermark": "write lateness", "delay": "write lateness", "min": "write earliest", "max": "write latest",
	})
}

func (r *reader) column(n *node, path string) (c Column) {
	if !r.mapping(n, path, "{name: url, type: string}") {
		r.bad[path] = true
		return c
	}
	hasDefault := false
	r.object(n, path, []key{
		{"name", r.text(&c.Name, "a name")},
		{"path", r.text(&c.Path, "a path such as page.url")},
		{"type", parsed(r, &c.Type, "a type such as int64", ParseType)},
		{"null", word(r, &c.Null, "policy", NullKeep, NullDefault, NullReject)},
		{"default", func(n *node, path string) {
			if n.kind != scalarNode {
				r.complain(n.line, path, "is "+n.what()+", but text is wanted", "write JSON in quotes: '{}'")
				return
			}
			c.Default, hasDefault = n.text, true
		}},
	}, map[string]string{
		"field": "write path", "json_path": "write path", "jsonpath": "write path", "source": "write path", "from": "write path", "column": "write name",
		"nullable": "write null: keep, or null: reject", "required": "write null: reject", "not_null": "write null: reject", "on_null": "write null",
		"format": "write it in the type: timestamp(ms), timestamp(2006-01-02 15:04:05)", "unit": "write it in the type: timestamp(ms)",
		"precision": "write it in the type: decimal(18,2)", "scale": "write it in the type: decimal(18,2)", "description": "write a comment: # ...",
	})
	if hasDefault && c.Null == "" && !r.bad[path+".null"] {
		c.Null = NullDefault
	}
	if hasDefault && (c.Null == NullKeep || c.Null == NullReject) {
		r.complain(r.lines[path+".default"], path+".default", "a default is never used with null: "+string(c.Null), "remove one of the two")
		c.Default = ""
	}
	return c
}

func (r *reader) include(in *Include, n *node, path string) {
	names := includeNames()
	r.list(n, path, "a list of what to include: ["+strings.Join(names, ", ")+"]", func(n *node, path string) {
		s, ok := r.scalar(n, path, orList(names))
		if ok && !in.set(s) {
			r.complainAs(n, path, unknownWord("column to include", s, names))
		}
	})
}

func (r *reader) staging(s *Staging, n *node, path string) {
	if !r.mapping(n, path, "{format: parquet, roll: {bytes: 64MiB, rows: 1000000, age: 1m}}") {
		return
	}
	size := positive(parseSize)
	r.object(n, path, []key{
		{"format", word(r, &s.Format, "format", Parquet, NDJSON)},
		{"roll", func(n *node, path string) {
			if !r.mapping(n, path, "{bytes: 64MiB, rows: 1000000, age: 1m}") {
				return
			}
			r.object(n, path, []key{
				{"bytes", parsed(r, &s.RollBytes, "64MiB", size)},
				{"rows", parsed(r, &s.RollRows, "1000000", positive(parseCount))},
				{"age", parsed(r, &s.RollAge, "1m", positive(parseDuration))},
			}, map[string]string{"size": "write bytes", "time": "write age", "interval": "write age", "events": "write rows", "records": "write rows"})
		}},
	}, map[string]string{
		"bytes": "write it in roll: {bytes: 64MiB}", "rows": "write it in roll: {rows: 1000000}", "age": "write it in roll: {age: 1m}",
		"roll_bytes": "write it in roll: {bytes: 64MiB}", "roll_rows": "write it in roll: {rows: 1000000}", "roll_age": "write it in roll: {age: 1m}",
		"compression": "Parquet and NDJSON are always zstd: remove it", "codec": "Parquet and NDJSON are always zstd: remove it",
	})
}

func (r *reader) quarantine(q *QuarantinePolicy, n *node, path string) {
	if !r.mapping(n, path, "{max_share: 5%, window: 10000, max_record_bytes: 16MiB}") {
		return
	}
	r.object(n, path, []key{
		{"max_share", parsed(r, &q.MaxShare, "5%", positive(parseShare))},
		{"window", parsed(r, &q.Window, "10000", positive(narrow(parseCount)))},
		{"max_record_bytes", parsed(r, &q.MaxRecordBytes, "16MiB", positive(narrow(parseSize)))},
	}, map[string]string{"share": "write max_share", "max_bytes": "write max_record_bytes", "limit": "write max_share"})
}
