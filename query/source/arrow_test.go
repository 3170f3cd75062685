package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/source"
	"github.com/tidemarkdb/tidemark/segmenter"
)

func offsetsOf(rec arrow.Record) []int64 { return rec.Column(0).(*array.Int64).Int64Values() }

const typesYAML = `
table: types
topic: types
event_time: {column: ts}
columns:
  - {name: ts, type: timestamp(us)}
  - {name: b, type: bool}
  - {name: i, type: int64}
  - {name: f, type: float64}
  - {name: small, type: "decimal(10,2)"}
  - {name: large, type: "decimal(30,5)"}
  - {name: s, type: string}
  - {name: d, type: date}
  - {name: j, type: json}
`

func parseTable(t *testing.T, yaml string) *cube.Table {
	t.Helper()
	def, err := cube.ParseTable([]byte(yaml), "types.yaml")
	must(t, err)
	def = def.WithDefaults()
	def.ID, def.Version = "t1", 1
	return def
}

// typesTail is two events in memory: one with values, one with nulls, and one more with the values.
func typesTail(def *cube.Table) fixedTail {
	s := stage.NewSchema(def)
	c := stage.NewChunk(s)
	for row := range int64(3) {
		c.Offsets, c.Timestamps = append(c.Offsets, 5+row), append(c.Timestamps, 1_700_000_000_123)
		for i, f := range s.Fields {
			col := &c.Columns[i]
			switch {
			case f.Name == "ts":
				col.AppendInt(baseUs + row)
			case row == 1:
				col.AppendNull()
			case f.Name == "b":
				col.AppendInt(1)
			case f.Name == "i":
				col.AppendInt(math.MinInt64)
			case f.Name == "f":
				col.AppendFloat(-1.5)
			case f.Name == "small":
				col.AppendInt(-12345)
			case f.Name == "large":
				col.AppendBytes([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 252, 242, 192}) // -200000
			case f.Name == "s":
				col.AppendBytes([]byte("a\u00e9"))
			case f.Name == "d":
				col.AppendInt(19000)
			case f.Name == "j":
				col.AppendBytes([]byte(`{"a":1}`))
			}
		}
	}
	c.MinTimeUs, c.MaxTimeUs = baseUs, baseUs+2
	return fixedTail{{Range: segmenter.PartitionRange{Partition: 2, Start: 5, End: 8}, Schema: s, Chunks: []*stage.Chunk{c}, Sealed: 1}}
}

// scanTypes reads a tail with the types of another version of its table.
func scanTypes(t *testing.T, w *world, tail fixedTail, as *cube.Table, columns ...string) (text string, err error) {
	t.Helper()
	src := w.source(func(o *source.Options) { o.Tail = tail })
	s := snapshot(t, src, w)
	defer s.Release()
	var out strings.Builder
	for rec, err := range src.Scan(context.Background(), s.Tail(), source.ScanQuery{Table: stage.NewSchema(as), Columns: columns}) {
		if err != nil {
			return "", err
		}
		want, err := source.Schema(stage.NewSchema(as), columns)
		must(t, err)
		if !rec.Schema().Equal(want) {
			t.Errorf("schema %s, want %s", rec.Schema(), want)
		}
		for i, c := range rec.Columns() {
			fmt.Fprintf(&out, "%s %s:", rec.ColumnName(i), c.DataType())
			for row := range c.Len() {
				fmt.Fprintf(&out, " %s", c.ValueStr(row))
			}
			out.WriteString("\n")
		}
	}
	return out.String(), nil
}

// Every type comes as Arrow has it, with its nulls; a column that the events do not have is null, and one that was narrower is
// widened.
func TestRecordTypes(t *testing.T) {
	w := newWorld(t, newCatalog(t), "", 3)
	p := w.parts[2]
	p.line().Start, p.line().End = 5, 5 // where the tail begins
	def := parseTable(t, typesYAML)
	tail := typesTail(def)
	tail[0].Range.Start, tail[0].Range.End = 20, 23
	for i := range tail[0].Chunks[0].Offsets {
		tail[0].Chunks[0].Offsets[i] += 15
	}
	names := []string{"_offset", "_timestamp", "_partition", "ts", "b", "i", "f", "small", "large", "s", "d", "j"}
	got, err := scanTypes(t, w, tail, def, names...)
	must(t, err)
	want := strings.TrimPrefix(`
_offset int64: 20 21 22
_timestamp timestamp[us]: 2023-11-14 22:13:20.123Z 2023-11-14 22:13:20.123Z 2023-11-14 22:13:20.123Z
_partition int32: 2 2 2
ts timestamp[us]: 2023-11-14 22:13:20Z 2023-11-14 22:13:20.000001Z 2023-11-14 22:13:20.000002Z
b bool: true (null) true
i int64: -9223372036854775808 (null) -9223372036854775808
f float64: -1.5 (null) -1.5
small decimal(10, 2): -123.45 (null) -123.45
large decimal(30, 5): -2 (null) -2
s utf8: aé (null) aé
d date32: 2022-01-08 (null) 2022-01-08
j utf8: {"a":1} (null) {"a":1}
`, "\n")
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}

	wider := parseTable(t, strings.NewReplacer("b, type: bool", "new, type: string", "i, type: int64", `i, type: "decimal(22,1)"`,
		`small, type: "decimal(10,2)"`, `small, type: "decimal(20,4)"`, "s, type: string", "s, type: json").Replace(typesYAML))
	got, err = scanTypes(t, w, tail, wider, "new", "i", "small", "s")
	must(t, err)
	want = strings.TrimPrefix(`
new utf8: (null) (null) (null)
i decimal(22, 1): -9223372036854775808 (null) -9223372036854775808
small decimal(20, 4): -123.45 (null) -123.45
s utf8: aé (null) aé
`, "\n")
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("records of wider types (-want +got):\n%s", d)
	}

	for _, change := range [][2]string{
		{"i, type: int64", "i, type: string"},
		{"f, type: float64", "f, type: int64"},
		{`small, type: "decimal(10,2)"`, `small, type: "decimal(10,4)"`},
		{"d, type: date", "d, type: timestamp(us)"},
	} {
		other := parseTable(t, strings.ReplaceAll(typesYAML, change[0], change[1]))
		name, _, _ := strings.Cut(change[0], ",")
		var types *source.TypesError
		if _, err := scanTypes(t, w, tail, other, name); !errors.As(err, &types) || !strings.Contains(err.Error(), "column "+name) {
			t.Errorf("%s read as %s: %v, want a *TypesError that names it", change[0], change[1], err)
		}
	}
	if _, err := scanTypes(t, w, tail, def, "none"); err == nil || !strings.Contains(err.Error(), "no column none") {
		t.Errorf("a column that is not there: %v", err)
	}
}

// A record has at most 65,536 rows, whatever the row groups have.
func TestRecordRows(t *testing.T) {
	w := newWorld(t, newCatalog(t), "", 1)
	c := stage.NewChunk(w.schema)
	const rows = 100_000
	for o := range int64(rows) {
		c.Offsets, c.Timestamps = append(c.Offsets, o), append(c.Timestamps, 0)
		c.Columns[0].AppendInt(baseUs)
		c.Columns[1].AppendBytes(bytes.Repeat([]byte("x"), int(o%3)))
		c.Columns[2].AppendInt(o)
	}
	c.MinTimeUs, c.MaxTimeUs = baseUs, baseUs
	src := w.source(func(o *source.Options) {
		o.Tail = fixedTail{{Range: segmenter.PartitionRange{End: rows}, Schema: w.schema, Chunks: []*stage.Chunk{c}}}
	})
	s := snapshot(t, src, w)
	defer s.Release()
	next := int64(0)
	for rec, err := range src.Scan(t.Context(), s.Tail(), source.ScanQuery{Table: w.schema, Columns: []string{"id", "page"}}) {
		must(t, err)
		if rec.NumRows() > 65536 {
			t.Errorf("a record of %d rows", rec.NumRows())
		}
		for i, v := range rec.Column(0).(*array.Int64).Int64Values() {
			if v != next || len(rec.Column(1).(*array.String).Value(i)) != int(v%3) {
				t.Fatalf("row %d is %d", next, v)
			}
			next++
		}
	}
	if next != rows {
		t.Errorf("%d rows, want %d", next, rows)
	}
}
