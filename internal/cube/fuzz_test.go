package cube

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzParseTable: any bytes give a table that validates and reads back as itself, or complaints that all say what to do.
func FuzzParseTable(f *testing.F) {
	for _, s := range []string{
		"table: t\ntopic: t\nevent_time: {column: ts}\ncolumns: [{name: ts, type: timestamp(ms)}]\n",
		"table: t\ntopic: t\nevent_time: {column: ts, lateness: 1d2h}\ncolumns:\n  - name: ts\n    type: date(02.01.2006)\ninclude: [key]\n",
		`{"table": "t", "topic": "t", "event_time": {"column": "ts"}, "columns": [{"name": "ts", "type": "timestamp"}]}`,
		"columns: [{name: p, type: decimal(12,2)}, {name: p, path: 'a[\"b.c\"]', default: 1}]\n",
		"staging: {roll: {bytes: 64M, rows: 1e6, age: 1.5}}\nquarantine: {max_share: 5}\n",
		"a: &a [*a]\n", "? {a: b}\n: c\n", "{", "[", "\xff", "\ufeff{}", "null: null\nnull: 1\n", "- 1\n---\n- 2\n", "!!binary x: y\n",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, src []byte, isJSON bool) {
		name := "t.yaml"
		if isJSON {
			name = "t.json"
		}
		table, err := ParseTable(src, name)
		if err != nil {
			var de *DefinitionError
			if !errors.As(err, &de) || len(de.Problems) == 0 {
				t.Fatalf("error is %T: %v", err, err)
			}
			for i := range de.Problems {
				if de.Problems[i].Instead == "" {
					t.Errorf("%v does not say what to do instead", &de.Problems[i])
				}
			}
			return
		}
		if err = table.Validate(); err != nil {
			t.Fatalf("parsed, but not valid: %v", err)
		}
		text := FormatTable(table)
		again, err := ParseTable(text, "t.yaml")
		if err != nil {
			t.Fatalf("C3: %v\n%s", err, text)
		}
		if d := cmp.Diff(table, again); d != "" {
			t.Fatalf("C3 (-want +got):\n%s\n%s", d, text)
		}
	})
}

// FuzzParseCube: any bytes give a cube that validates, has cuboids and reads back as itself, or complaints that all say
// what to do.
func FuzzParseCube(f *testing.F) {
	for _, s := range []string{
		"cube: c\ntable: pageviews\ndimensions: [country, hour(ts), {name: d, column: ts, grain: day}]\nmeasures: [count, sum(bytes), top_n(page_url)]\n",
		"cube: c\ntable: pageviews\ndimensions: [month(ts), day(ts), os, browser]\nmeasures: [max(ts)]\ngroups: [{includes: [os, browser], joint: [[os, browser]]}, {hierarchy: [[ts_month, ts_day]], dim_cap: 1}]\n",
		`{"cube": "c", "table": "pageviews", "dimensions": ["os"], "measures": [{"function": "percentile", "column": "bytes"}], "start": "0:1,1:2"}`,
		"cut: {crons: ['* * * * *', {cron: '0 0 31 2 *', time_zone: Asia/Tokyo}]}\nmerge: {budget: [{segments: 1}]}\nretention: 1d\n",
		"dimensions: [~, [~], {}, hour(), (ts), 'x(']\nmeasures: [~, {}, count(), sum(), {by: [~]}]\ngroups: [~, {}, {joint: [~, [~]]}]\nrow_key: [~]\n",
		"cube: c\ntable: pageviews\ndimensions: [country]\nmeasures: [{name: x, function: top_n, column: bytes, by: [os, lang], n: 5}]\nrow_key: []\ngroups: [{}, {}]\n",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	table := viewsTable(f)
	f.Fuzz(func(t *testing.T, src []byte, isJSON bool) {
		name := "c.yaml"
		if isJSON {
			name = "c.json"
		}
		c, err := ParseCube(src, name, table)
		if err != nil {
			var de *DefinitionError
			if !errors.As(err, &de) || len(de.Problems) == 0 {
				t.Fatalf("error is %T: %v", err, err)
			}
			for i := range de.Problems {
				if de.Problems[i].Instead == "" {
					t.Errorf("%v does not say what to do instead", &de.Problems[i])
				}
			}
			return
		}
		if err = c.Validate(table); err != nil {
			t.Fatalf("parsed, but not valid: %v", err)
		}
		if masks, err := c.Cuboids(); err != nil || len(masks) == 0 || len(masks) > MaxCuboids {
			t.Fatalf("C6: %d cuboids, %v", len(masks), err)
		}
		for _, m := range c.Measures {
			if _, err := m.Result(table); err != nil {
				t.Fatalf("C5: measure %s has no type: %v", m.Name, err)
			}
		}
		text := FormatCube(c)
		again, err := ParseCube(text, "c.yaml", table)
		if err != nil {
			t.Fatalf("C3: %v\n%s", err, text)
		}
		if d := cmp.Diff(c, again); d != "" {
			t.Fatalf("C3 (-want +got):\n%s\n%s", d, text)
		}
	})
}

// FuzzInfer: whatever the records are, there is a definition that applies, or an error that says what to do (C4). Records
// are the lines of the input.
func FuzzInfer(f *testing.F) {
	for _, s := range []string{
		`{"ts":1767225600000,"a":1}`, `{"ts":"2026-01-01T00:00:00Z"}` + "\n" + `{"ts":null,"b":{"c":[1]}}`, `{"d":"2026-01-01","":{"":{"":""}}}`,
		`{"ts":1767225600.5,"x":1e999}`, "{}\nnull\n[]\n\"\"\n", `{"a":{"a":1},"a_a":2,"A":{"a":3},"time":"1767225600"}`, "\xff\n{", `{"\u2028":1,"ts":1767225600000000000}`,
	} {
		f.Add([]byte(s), int64(1_767_225_600_000))
	}
	f.Fuzz(func(t *testing.T, src []byte, kafkaMs int64) {
		var samples []Sample
		for line := range bytes.Lines(src) {
			samples = append(samples, Sample{Value: line, TimestampMs: kafkaMs})
		}
		text, table, err := Infer("t", samples, InferOptions{})
		if err != nil {
			var p *Problem
			if !errors.As(err, &p) || p.Instead == "" {
				t.Fatalf("error does not say what to do: %v\n%s", err, text)
			}
			return
		}
		checkInferred(t, text, table)
	})
}
