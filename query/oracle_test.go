package query_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit/ducktest"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/duck"
)

// oracle is a world whose events are also in a table of a DuckDB.
type oracle struct {
	*world
	engines
	db   *sql.DB
	text *duck.DB // writes our answers as text
}

// newText opens what writes answers as text.
func newText(t testing.TB) (*duck.DB, error) {
	db, err := duck.Open(duck.Options{MemoryBytes: 256 << 20, HeapBytes: 256 << 20, MaxConns: 2, Threads: 1})
	if err == nil {
		t.Cleanup(func() { must(t, db.Close()) })
	}
	return db, err
}

func newOracle(w *world) *oracle {
	w.t.Helper()
	e := w.engines()
	o := emptyOracle(w)
	o.engines = e
	names := []string{}
	for _, c := range w.table.Columns {
		names = append(names, c.Name)
	}
	for _, p := range w.parts {
		o.load(p)
	}
	for _, l := range lookupTables() {
		o.exec(l.create())
	}
	o.exec("CREATE SCHEMA raw")
	o.exec("CREATE VIEW raw.shop AS FROM main.shop_all")
	o.exec("CREATE VIEW shop AS SELECT " + strings.Join(names, ", ") + " FROM shop_all")
	for name, start := range w.starts {
		var from []string
		for _, r := range start {
			from = append(from, fmt.Sprintf("_partition = %d AND _offset >= %d", r.Partition, r.Start))
		}
		o.exec(fmt.Sprintf("CREATE VIEW %s AS SELECT *, %s FROM shop_all WHERE %s", name, strings.Join(append(o.grains(name), o.derived(name)...), ", "), strings.Join(from, " OR ")))
	}
	return o
}

// emptyOracle has no events and no engines yet.
func emptyOracle(w *world) *oracle {
	w.t.Helper()
	o := &oracle{world: w, db: ducktest.Open(w.t)}
	var err error
	o.text, err = newText(w.t)
	must(w.t, err)
	o.exec("SET TimeZone = 'UTC'")
	o.exec("SET threads = 1")
	columns := []string{"_partition INTEGER", "_offset BIGINT", "_timestamp TIMESTAMP"}
	for _, c := range w.table.Columns {
		columns = append(columns, c.Name+" "+sqlType(c.Type.String()))
	}
	o.exec("CREATE TABLE shop_all (" + strings.Join(columns, ", ") + ")")
	return o
}

// sqlType returns DuckDB's type of a column's.
func sqlType(of string) string {
	kind, rest, _ := strings.Cut(of, "(")
	switch kind {
	case "bool":
		return "BOOLEAN"
	case "int64":
		return "BIGINT"
	case "float64":
		return "DOUBLE"
	case "decimal":
		return "DECIMAL(" + rest
	case "string", "json":
		return "VARCHAR"
	}
	return strings.ToUpper(kind)
}

// grains writes the dimensions of a cube that are no columns of the table.
func (o *oracle) grains(name string) (out []string) {
	zone := o.cubes[name].TimeZone
	for _, d := range o.cubes[name].Dimensions {
		if d.Grain == "" {
			continue
		}
		local := fmt.Sprintf("%s AT TIME ZONE 'UTC' AT TIME ZONE '%s'", d.Column, zone)
		out = append(out, fmt.Sprintf("(date_trunc('%s', %s) AT TIME ZONE '%s' AT TIME ZONE 'UTC') AS %s_%s", d.Grain, local, zone, d.Column, d.Grain))
	}
	return out
}

// derived writes the dimensions of a cube that stand in lookup tables.
func (o *oracle) derived(name string) (out []string) {
	for _, l := range o.cubes[name].Lookups {
		i := slices.IndexFunc(o.looked, func(k *cube.Lookup) bool { return k.Name == l.Lookup })
		for _, d := range l.Derived {
			out = append(out, fmt.Sprintf("(SELECT any_value(%s) FROM %s k WHERE k.%s = shop_all.%s) AS %s", d.Column, l.Lookup, o.looked[i].Key, l.ForeignKey, d.Name))
		}
	}
	return out
}

// load inserts the events of a partition.
func (o *oracle) load(p *part) {
	o.t.Helper()
	var rows []string
	for i, r := range p.records {
		if cells, ok := oracleRow(o.table, r.value); ok {
			rows = append(rows, fmt.Sprintf("(%d, %d, make_timestamp(%d), %s)", p.n, p.first+int64(i), r.timestampMs*1000, strings.Join(cells, ", ")))
		}
	}
	for some := range slices.Chunk(rows, 500) {
		o.exec("INSERT INTO shop_all VALUES " + strings.Join(some, ", "))
	}
}

func (o *oracle) exec(text string) {
	o.t.Helper()
	if _, err := o.db.ExecContext(context.Background(), text); err != nil {
		o.t.Fatalf("%s: %v", text, err)
	}
}

// result is an answer as text.
type result struct {
	names, types []string
	rows         [][]string
	by           string // what answered its blocks
	tables       []query.TableReport
}

// null is the text of no value.
const null = "\x00"

// want asks the oracle.
func (o *oracle) want(text string) (r result, err error) {
	if strings.Contains(text, "_offset") || strings.Contains(text, "_timestamp") {
		text = regexp.MustCompile(`(?i)\b(from|join) shop\b`).ReplaceAllString(text, "$1 raw.shop")
	}
	text = regexp.MustCompile(`(\w+\.)?\bhour_start\b`).ReplaceAllString(text, "date_trunc('hour', ${1}ts)")
	ctx := context.Background()
	rows, err := o.db.QueryContext(ctx, "DESCRIBE "+text)
	if err != nil {
		return r, err
	}
	described, err := scan(rows)
	if err != nil {
		return r, err
	}
	var columns, casts []string
	for i, d := range described {
		r.names, r.types = append(r.names, d[0]), append(r.types, plainType(d[1]))
		columns = append(columns, fmt.Sprintf("c%d", i))
		casts = append(casts, fmt.Sprintf("c%d::VARCHAR", i))
	}
	of := strings.Join(columns, ", ")
	if _, err := o.db.ExecContext(ctx, fmt.Sprintf("CREATE OR REPLACE TEMP TABLE answer AS SELECT %s FROM (%s\n) AS t(%s)", of, text, of)); err != nil {
		return r, err
	}
	if rows, err = o.db.QueryContext(ctx, "SELECT "+strings.Join(casts, ", ")+" FROM answer"); err != nil {
		return r, err
	}
	r.rows, err = scan(rows)
	return r, err
}

// scan reads rows of text.
func scan(rows *sql.Rows) (out [][]string, err error) {
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		row, into := make([]sql.NullString, len(cols)), make([]any, len(cols))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		var texts []string
		for _, c := range row {
			if !c.Valid {
				c.String = null
			}
			texts = append(texts, c.String)
		}
		out = append(out, texts)
	}
	return out, rows.Err()
}

// plainType gives one name to types that an answer does not tell apart.
func plainType(t string) string {
	t = strings.NewReplacer("UHUGEINT", "DECIMAL(38,0)", "HUGEINT", "DECIMAL(38,0)", "JSON", "VARCHAR", "UUID", "VARCHAR", `"day"`, "day").Replace(t)
	if strings.HasPrefix(t, "ENUM(") {
		return "VARCHAR"
	}
	return t
}

// got asks an engine.
func (o *oracle) got(e *query.Engine, req query.Request) (r result, err error) {
	ctx := context.Background()
	a, err := e.Query(ctx, req)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	r.tables = a.Tables
	var by []string
	for _, b := range a.Blocks {
		if b.Cube == "" {
			b.Cube = "events"
		}
		by = append(by, b.Cube)
	}
	if r.by = strings.Join(by, ", "); by == nil {
		r.by = "no block"
	}
	var casts []string
	fields := a.Schema.Fields()
	for i := range fields {
		r.names, r.types = append(r.names, fields[i].Name), append(r.types, typeName(fields[i].Type))
		casts = append(casts, fmt.Sprintf("c%d::VARCHAR", i))
	}
	recs, err := all(a)
	if err != nil {
		return r, err
	}
	defer func() {
		for _, rec := range recs {
			rec.Release()
		}
	}()
	if len(recs) == 0 {
		return r, nil
	}
	st, err := o.text.Parse(ctx, "SELECT "+strings.Join(casts, ", ")+" FROM answer")
	if err != nil {
		return r, err
	}
	rows, err := o.text.Query(ctx, st, []duck.Table{duck.Fixed("answer", recs...)})
	if err != nil {
		return r, err
	}
	defer rows.Close()
	r.rows, err = texts(rows)
	return r, err
}

// all reads an answer; its columns become c0, c1 ...
func all(a *query.Answer) (out []arrow.Record, err error) {
	fields := slices.Clone(a.Schema.Fields())
	for i := range fields {
		fields[i].Name = fmt.Sprintf("c%d", i)
	}
	schema := arrow.NewSchema(fields, nil)
	for {
		rec, err := a.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		if !rec.Schema().Equal(a.Schema) {
			return out, fmt.Errorf("a record of %s in an answer of %s", rec.Schema(), a.Schema)
		}
		out = append(out, array.NewRecord(schema, rec.Columns(), rec.NumRows()))
		rec.Release()
	}
}

func texts(rows *duck.Rows) (out [][]string, err error) {
	for {
		rec, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		for i := range int(rec.NumRows()) {
			var row []string
			for _, c := range rec.Columns() {
				if c.IsNull(i) {
					row = append(row, null)
				} else {
					row = append(row, c.(*array.String).Value(i))
				}
			}
			out = append(out, row)
		}
		rec.Release()
	}
}

// typeName returns DuckDB's name of an Arrow type.
func typeName(t arrow.DataType) string {
	switch t := t.(type) {
	case *arrow.Decimal128Type:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale)
	case *arrow.TimestampType:
		if t.TimeZone != "" {
			return "TIMESTAMP WITH TIME ZONE"
		}
		return "TIMESTAMP" + map[arrow.TimeUnit]string{arrow.Second: "_S", arrow.Millisecond: "_MS", arrow.Nanosecond: "_NS"}[t.Unit]
	case *arrow.ListType:
		return typeName(t.Elem()) + "[]"
	case *arrow.MapType:
		return fmt.Sprintf("MAP(%s, %s)", typeName(t.KeyType()), typeName(t.ItemType()))
	case *arrow.StructType:
		var fields []string
		for _, f := range t.Fields() {
			fields = append(fields, f.Name+" "+typeName(f.Type))
		}
		return "STRUCT(" + strings.Join(fields, ", ") + ")"
	}
	name, ok := map[arrow.Type]string{
		arrow.BOOL: "BOOLEAN", arrow.INT8: "TINYINT", arrow.INT16: "SMALLINT", arrow.INT32: "INTEGER", arrow.INT64: "BIGINT",
		arrow.UINT8: "UTINYINT", arrow.UINT16: "USMALLINT", arrow.UINT32: "UINTEGER", arrow.UINT64: "UBIGINT", arrow.FLOAT32: "FLOAT", arrow.FLOAT64: "DOUBLE",
		arrow.STRING: "VARCHAR", arrow.BINARY: "BLOB", arrow.DATE32: "DATE", arrow.TIME64: "TIME", arrow.INTERVAL_MONTH_DAY_NANO: "INTERVAL", arrow.NULL: `"NULL"`,
	}[t.ID()]
	if !ok {
		return t.String()
	}
	return name
}

// terms say how answers are compared.
type terms struct {
	ordered bool
	within  float64 // relative error of numbers in all columns; 0: of floats alone, that of adding them in another order
}

// floatError is that of sums in another order, duckError that of DuckDB's own sketches.
const (
	floatError = 1e-9
	duckError  = 0.35
)

// differ says how got differs from want; "" if it does not.
func differ(want, got result, how terms) string {
	if !slices.Equal(want.names, got.names) || how.within == 0 && !slices.Equal(want.types, got.types) {
		return fmt.Sprintf("columns %q of %q, want %q of %q", got.names, got.types, want.names, want.types)
	}
	if len(want.rows) != len(got.rows) {
		return fmt.Sprintf("%d rows, want %d%s", len(got.rows), len(want.rows), sample(want.rows, got.rows))
	}
	same := func(a, b []string) bool {
		for i := range a {
			if !how.same(a[i], b[i], want.types[i]) {
				return false
			}
		}
		return true
	}
	if how.ordered {
		for i := range want.rows {
			if !same(want.rows[i], got.rows[i]) {
				return fmt.Sprintf("row %d is %s, want %s%s", i, line(got.rows[i]), line(want.rows[i]), sample(want.rows, got.rows))
			}
		}
		return ""
	}
	// Rows that agree in what is exact are paired by what is not.
	left := map[string][][]string{}
	for _, row := range got.rows {
		k := key(row, want.types)
		left[k] = append(left[k], row)
	}
	for _, row := range want.rows {
		k := key(row, want.types)
		at := slices.IndexFunc(left[k], func(r []string) bool { return same(row, r) })
		if at < 0 {
			return fmt.Sprintf("no row %s%s", line(row), sample(want.rows, got.rows))
		}
		left[k] = slices.Delete(left[k], at, at+1)
	}
	return ""
}

func isFloat(typ string) bool { return typ == "DOUBLE" || typ == "FLOAT" }

func key(row, types []string) string {
	var k strings.Builder
	for i, c := range row {
		if !isFloat(types[i]) {
			k.WriteString(c + "\x01")
		}
	}
	return k.String()
}

func (h terms) same(a, b, typ string) bool {
	if a == b {
		return true
	}
	within := h.within
	if within == 0 && isFloat(typ) {
		within = floatError
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return within > 0 && errX == nil && errY == nil && (x == y || math.Abs(x-y) <= within*math.Max(math.Abs(x), math.Abs(y)))
}

func line(row []string) string { return strings.ReplaceAll(strings.Join(row, " | "), null, "NULL") }

// sample prints some rows.
func sample(want, got [][]string) string {
	var b strings.Builder
	for i, rows := range [][][]string{want, got} {
		fmt.Fprintf(&b, "\n  %s:", []string{"want", "got"}[i])
		sorted := slices.Clone(rows)
		slices.SortFunc(sorted, slices.Compare[[]string])
		for i, r := range sorted {
			if i == 12 {
				b.WriteString("\n    ...")
				break
			}
			b.WriteString("\n    " + line(r))
		}
	}
	return b.String()
}

// compare asks all engines; of cuboids in tables only the native one, since the others read none and are asked of files. It returns how
// the native answer came about.
func (o *oracle) compare(t fatal, req query.Request, want result, wantErr error, how terms) string {
	t.Helper()
	out := ""
	for i, way := range []struct {
		name string
		e    *query.Engine
	}{{"natively", o.native}, {"again", o.native}, {"from cells of events", o.bare}, {"from events", o.raw}} {
		if o.tables != nil && way.e != o.native {
			continue
		}
		how := how
		if way.e == o.raw && how.within > 0 {
			how.within = max(how.within, duckError)
		}
		got, err := o.got(way.e, req)
		switch {
		case err != nil && wantErr == nil:
			t.Errorf("%s\n%s: %v", req.SQL, way.name, err)
		case err == nil && wantErr != nil:
			t.Errorf("%s\n%s: %d rows, want an error: %v", req.SQL, way.name, len(got.rows), wantErr)
		case err == nil:
			if d := differ(want, got, how); d != "" {
				t.Errorf("%s\n%s (by %s): %s", req.SQL, way.name, got.by, d)
			}
		}
		if i > 0 {
			continue
		}
		out = fmt.Sprintf("%d rows by %s\n", len(got.rows), got.by)
		if err != nil {
			out = fmt.Sprintf("error: %v\n", err)
		}
	}
	return out
}

var _ fatal = (*testing.T)(nil)
