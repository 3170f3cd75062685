package pgcatalog

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tidemarkdb/tidemark/query/duck"
)

//go:embed tables.txt
var tablesText string

// table is one of the catalog.
type table struct {
	name    string // information_schema.x of one that is not in pg_catalog
	columns []tableColumn
	schema  *arrow.Schema
}

type tableColumn struct {
	name string
	kind byte // as in tables.txt; 0: bigint
	null bool // where nothing is said
}

// row is what is said of one, by column.
type row map[string]any

// readTables reads the list that is built in.
func readTables() map[string]*table {
	out := map[string]*table{}
	for line := range strings.Lines(tablesText) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		t := &table{name: f[0]}
		var fields []arrow.Field
		for _, text := range f[1:] {
			text, null := strings.CutSuffix(text, "?")
			name, kind, _ := strings.Cut(text, ":")
			c := tableColumn{name: name, null: null}
			if kind != "" {
				c.kind = kind[0]
			}
			t.columns = append(t.columns, c)
			fields = append(fields, arrow.Field{Name: name, Type: c.arrow(), Nullable: true})
		}
		t.schema = arrow.NewSchema(fields, nil)
		out[t.name] = t
	}
	return out
}

func (c tableColumn) arrow() arrow.DataType {
	switch c.kind {
	case 'i':
		return arrow.PrimitiveTypes.Int32
	case 's':
		return arrow.BinaryTypes.String
	case 'b':
		return arrow.FixedWidthTypes.Boolean
	case 'f':
		return arrow.PrimitiveTypes.Float64
	case 'l':
		return arrow.ListOf(arrow.PrimitiveTypes.Int64)
	case 'L':
		return arrow.ListOf(arrow.BinaryTypes.String)
	case 't':
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	}
	return arrow.PrimitiveTypes.Int64
}

// handed is the table with its rows, under the name by which rewritten questions read it.
func (t *table) handed(rows []row) (duck.Table, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, t.schema)
	defer b.Release()
	for _, r := range rows {
		said := 0
		for i, c := range t.columns {
			v, ok := r[c.name]
			if ok {
				said++
			}
			if err := c.append(b.Field(i), v); err != nil {
				return duck.Table{}, fmt.Errorf("G1: %s.%s: %w", t.name, c.name, err)
			}
		}
		if said != len(r) {
			return duck.Table{}, fmt.Errorf("G1: a row of %s says columns that it has not: %v", t.name, r)
		}
	}
	return duck.Fixed(internalName(t.name), b.NewRecord()), nil
}

func (c tableColumn) append(to array.Builder, v any) error {
	if v == nil && (c.null || c.kind == 't') {
		to.AppendNull()
		return nil
	}
	if v == nil && c.kind != 'l' && c.kind != 'L' {
		to.AppendEmptyValue()
		return nil
	}
	switch b := to.(type) {
	case *array.ListBuilder:
		b.Append(true) // none is ever said
	case *array.Int64Builder:
		switch n := v.(type) {
		case int:
			b.Append(int64(n))
		case int64:
			b.Append(n)
		case uint32:
			b.Append(int64(n))
		default:
			return fmt.Errorf("a %T", v)
		}
	case *array.Int32Builder:
		n, ok := v.(int)
		if !ok {
			return fmt.Errorf("a %T", v)
		}
		b.Append(int32(n))
	case *array.Float64Builder:
		b.Append(v.(float64))
	case *array.BooleanBuilder:
		b.Append(v.(bool))
	case *array.StringBuilder:
		b.Append(v.(string))
	}
	return nil
}

// internalName is what a table is called in rewritten questions: DuckDB has views of the other names.
func internalName(name string) string {
	if rest, ok := strings.CutPrefix(name, "information_schema."); ok {
		return "__tm_is_" + rest
	}
	return "__tm_" + name
}
