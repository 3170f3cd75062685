package duck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/google/go-cmp/cmp"
)

// record makes a record of JSON rows.
func record(t testing.TB, schema *arrow.Schema, rows string) arrow.Record {
	t.Helper()
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
	if err != nil {
		t.Fatalf("%s: %v", rows, err)
	}
	return rec
}

func fields(pairs ...any) *arrow.Schema {
	var out []arrow.Field
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, arrow.Field{Name: pairs[i].(string), Type: pairs[i+1].(arrow.DataType), Nullable: true})
	}
	return arrow.NewSchema(out, nil)
}

// answer runs a statement and returns its rows, each as text, with types in front.
func answer(t testing.TB, db *DB, sql string, tables []Table, params ...any) (string, error) {
	t.Helper()
	s, err := db.Parse(t.Context(), sql)
	if err != nil {
		return "", err
	}
	rows, err := db.Query(t.Context(), s, tables, params...)
	if err != nil {
		return "", err
	}
	defer func() {
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}()
	rec, err := rows.all()
	if err != nil {
		return "", err
	}
	var sb strings.Builder
	for i, f := range rec.Schema().Fields() {
		if i > 0 {
			sb.WriteByte(' ')
		}
		fmt.Fprint(&sb, f.Type)
	}
	for i := range int(rec.NumRows()) {
		sb.WriteString("\n")
		for j, c := range rec.Columns() {
			if j > 0 {
				sb.WriteByte('|')
			}
			sb.WriteString(c.ValueStr(i))
		}
	}
	return sb.String(), nil
}

func small(t testing.TB) Table {
	return Fixed("t", record(t, fields("a", arrow.PrimitiveTypes.Int64, "s", arrow.BinaryTypes.String),
		`[{"a": 1, "s": "x"}, {"a": null, "s": "a string that is longer"}, {"a": 3, "s": null}]`))
}

func TestQuery(t *testing.T) {
	db := open(t)
	for _, tc := range []struct{ sql, want string }{
		{"SELECT * FROM t", "int64 utf8\n1|x\n(null)|a string that is longer\n3|(null)"},
		{"SELECT s, a FROM t ORDER BY a DESC NULLS LAST LIMIT 1", "utf8 int64\n(null)|3"},
		{"SELECT count(*), sum(a), avg(a) FROM t", "int64 decimal(38, 0) float64\n3|4|2"},
		{"SELECT count(*) FROM t x JOIN t y USING (a)", "int64\n2"},
		{"SELECT a FROM t WHERE false", "int64"},
		{"SELECT count(*) FROM T", "int64\n3"},
		{"FROM t SELECT max(s)", "utf8\nx"},
		{"WITH w AS (SELECT a FROM t) SELECT sum(a) FROM w", "decimal(38, 0)\n4"},
		{"SELECT list(a ORDER BY a) FROM t WHERE a > 0", "list<item: int64, nullable>\n[1,3]"},
		{"SELECT sum(a) OVER (ORDER BY a NULLS LAST) FROM t ORDER BY 1 NULLS LAST LIMIT 2", "decimal(38, 0)\n1\n4"},
		{"SELECT a FROM t UNION ALL SELECT 7 ORDER BY a NULLS LAST", "int64\n1\n3\n7\n(null)"},
		{"SELECT i FROM range(3) r(i)", "int64\n0\n1\n2"},
		{"SELECT a FROM t WHERE a IN (SELECT max(a) FROM t)", "int64\n3"},
		{"SELECT (a + 1) / 2 FROM t WHERE a = 3", "float64\n2"},
		{"SELECT a FROM t ORDER BY a", "int64\n1\n3\n(null)"},
	} {
		got, err := answer(t, db, tc.sql, []Table{small(t)})
		if err != nil {
			t.Errorf("%s: %v", tc.sql, err)
		} else if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tc.sql, diff)
		}
	}
}

// TestTypesOut: each type of DuckDB comes out as the Arrow type that holds it.
func TestTypesOut(t *testing.T) {
	db := open(t)
	for _, tc := range []struct{ expr, want string }{
		{"true", "bool\ntrue"},
		{"1::TINYINT", "int8\n1"},
		{"1::UBIGINT", "uint64\n1"},
		{"9223372036854775807", "int64\n9223372036854775807"},
		{"99999999999999999999999999999999999999", "decimal(38, 0)\n99999999999999999999999999999999999999"},
		{"-170141183460469231731::HUGEINT", "decimal(38, 0)\n-170141183460469231731"},
		{"1.5", "decimal(2, 1)\n1.5"},
		{"(-12345.678)::DECIMAL(9, 3)", "decimal(9, 3)\n-12345.678"},
		{"123456789012.34::DECIMAL(18, 2)", "decimal(18, 2)\n123456789012.34"},
		{"12345678901234567890123456789012345.678", "decimal(38, 3)\n12345678901234567890123456789012345.678"},
		{"1.5::FLOAT", "float32\n1.5"},
		{"1e300", "float64\n1e+300"},
		{"'ä€'", "utf8\nä€"},
		{"''", "utf8\n"},
		{"'\\xAB\\x00'::BLOB", "binary\nqwA="},
		{"DATE '2026-01-02'", "date32\n2026-01-02"},
		{"TIME '10:11:12.5'", "time64[us]\n10:11:12.500000"},
		{"TIMESTAMP '2026-01-02 03:04:05.123456'", "timestamp[us]\n2026-01-02 03:04:05.123456Z"},
		{"TIMESTAMPTZ '2026-01-02 03:04:05+02'", "timestamp[us, tz=UTC]\n2026-01-02 01:04:05Z"},
		{"TIMESTAMP_S '2026-01-02 03:04:05'", "timestamp[s]\n2026-01-02 03:04:05Z"},
		{"INTERVAL '1 month 2 days 3 seconds'", "month_day_nano_interval\n{\"months\":1,\"days\":2,\"nanoseconds\":3000000000}"},
		{"NULL", "int32\n(null)"},
		{"[1, NULL, 3]", "list<item: int32, nullable>\n[1,null,3]"},
		{"[]::INT[]", "list<item: int32, nullable>\n[]"},
		{"[['a'], []]", "list<item: list<item: utf8, nullable>, nullable>\n[[\"a\"],[]]"},
		{"{'a': 1, 'b': 'x'}", "struct<a: int32, b: utf8>\n{\"a\":1,\"b\":\"x\"}"},
		{"MAP {'k': 2}", "map<utf8, int32, items_nullable>\n[{\"key\":\"k\",\"value\":2}]"},
		{"[1, 2]::INT[2]", "list<item: int32, nullable>\n[1,2]"},
		{"'{\"a\": 1}'::JSON", "utf8\n{\"a\": 1}"},
		{"'a'::ENUM ('a', 'b')", "utf8\na"},
		{"'6ba7b810-9dad-11d1-80b4-00c04fd430c8'::UUID", "utf8\n6ba7b810-9dad-11d1-80b4-00c04fd430c8"},
	} {
		got, err := answer(t, db, "SELECT "+tc.expr, nil)
		if err != nil {
			t.Errorf("%s: %v", tc.expr, err)
		} else if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tc.expr, diff)
		}
		s := parse(t, db, "SELECT "+tc.expr)
		schema, err := db.Describe(t.Context(), s, nil)
		if err != nil {
			t.Errorf("describe %s: %v", tc.expr, err)
		} else if want, _, _ := strings.Cut(tc.want, "\n"); fmt.Sprint(schema.Field(0).Type) != want {
			t.Errorf("describe %s: got %s, want %s", tc.expr, schema.Field(0).Type, want)
		}
	}
	for _, expr := range []string{"170141183460469231731687303715884105727", "'1'::BIT", "union_value(a := 1)"} {
		_, err := answer(t, db, "SELECT "+expr, nil)
		if e := asError(t, err); e.Hint == "" {
			t.Errorf("%s: got %v, want a hint to cast", expr, err)
		}
	}
}

// TestTypesIn: what is handed in comes out as it went in, in slices, with nulls, and across chunks.
func TestTypesIn(t *testing.T) {
	db := open(t)
	huge := arrow.Field{
		Name: "huge", Type: &arrow.Decimal128Type{Precision: 38}, Nullable: true, Metadata: arrow.NewMetadata([]string{DuckType}, []string{"HUGEINT"}),
	}
	schema := arrow.NewSchema(append(fields(
		"n", arrow.PrimitiveTypes.Int64, "b", arrow.FixedWidthTypes.Boolean, "i8", arrow.PrimitiveTypes.Int8, "u64", arrow.PrimitiveTypes.Uint64,
		"f", arrow.PrimitiveTypes.Float64, "d4", &arrow.Decimal128Type{Precision: 4, Scale: 2}, "d9", &arrow.Decimal128Type{Precision: 9, Scale: 2},
		"d18", &arrow.Decimal128Type{Precision: 18, Scale: 2}, "d38", &arrow.Decimal128Type{Precision: 38, Scale: 2},
		"s", arrow.BinaryTypes.String, "date", arrow.FixedWidthTypes.Date32, "ts", &arrow.TimestampType{Unit: arrow.Microsecond},
		"tz", &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, "ms", &arrow.TimestampType{Unit: arrow.Millisecond},
		"l", arrow.ListOf(arrow.BinaryTypes.String), "st", arrow.StructOf(fields("x", arrow.PrimitiveTypes.Int64, "y", arrow.BinaryTypes.String).Fields()...),
		"m", arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64), "iv", arrow.FixedWidthTypes.MonthDayNanoInterval,
	).Fields(), huge), nil)
	var rows []string
	for i := range 5000 {
		if i%7 == 3 {
			rows = append(rows, fmt.Sprintf(`{"n": %d}`, i))
			continue
		}
		rows = append(rows, fmt.Sprintf(`{"n": %[1]d, "b": %[2]t, "i8": %[3]d, "u64": %[1]d, "f": %[1]d.5, "d4": "%[3]d.25", "d9": "-%[1]d.50",
			"d18": "%[1]d00000.75", "d38": "%[1]d0000000000000000000000.01", "s": %[4]q, "date": "2026-01-02", "ts": "2026-01-02 03:04:05",
			"tz": "2026-01-02 03:04:05Z", "ms": "2026-01-02 03:04:05.125", "l": ["a", null, %[4]q], "st": {"x": %[1]d, "y": %[4]q},
			"m": [{"key": %[4]q, "value": %[1]d}], "iv": {"months": 1, "days": %[3]d, "nanoseconds": 5000}, "huge": "%[1]d0000000000000000000000"}`,
			i, i%2 == 0, i%50, strings.Repeat("é", i%20)))
	}
	all := record(t, schema, "["+strings.Join(rows, ",")+"]")
	parts := []arrow.Record{all.NewSlice(0, 1), all.NewSlice(1, 3001), all.NewSlice(3001, 3001), all.NewSlice(3001, 5000)}
	s := parse(t, db, "SELECT * FROM t")
	got, err := db.Query(t.Context(), s, []Table{Fixed("t", parts...)})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	rec, err := got.all()
	if err != nil {
		t.Fatal(err)
	}
	if rec.NumRows() != all.NumRows() {
		t.Fatalf("%d rows, want %d", rec.NumRows(), all.NumRows())
	}
	for j, f := range schema.Fields() {
		if g := rec.Schema().Field(j); !arrow.TypeEqual(g.Type, f.Type) || !g.Metadata.Equal(f.Metadata) {
			t.Errorf("%s: got %s %s, want %s %s", f.Name, g.Type, g.Metadata, f.Type, f.Metadata)
		}
		for i := range int(rec.NumRows()) {
			if got, want := rec.Column(j).ValueStr(i), all.Column(j).ValueStr(i); got != want {
				t.Fatalf("%s, row %d: got %s, want %s", f.Name, i, got, want)
			}
		}
	}
}

// TestDictionary: strings by a dictionary come in as strings.
func TestDictionary(t *testing.T) {
	db := open(t)
	typ := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	rec := record(t, fields("d", typ), `[{"d": "a long enough string"}, {"d": "b"}, {"d": null}, {"d": "b"}]`)
	got, err := answer(t, db, "SELECT d, count(*) FROM t GROUP BY d ORDER BY d", []Table{Fixed("t", rec)})
	if want := "utf8 int64\na long enough string|1\nb|2\n(null)|1"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// TestProjection: a scan is asked for the columns that the statement needs, in any number.
func TestProjection(t *testing.T) {
	db := open(t)
	for _, tc := range []struct {
		sql  string
		want []int
	}{
		{"SELECT s FROM t", []int{1}},
		{"SELECT count(*) FROM t", []int{0}}, // DuckDB asks for one, which is the first
		{"SELECT a FROM t WHERE s = 'x'", []int{0, 1}},
	} {
		in := small(t)
		var got []int
		scan := in.Scan
		in.Scan = func(ctx context.Context, columns []int) iter.Seq2[arrow.Record, error] {
			got = columns
			return scan(ctx, columns)
		}
		if _, err := answer(t, db, tc.sql, []Table{in}); err != nil {
			t.Errorf("%s: %v", tc.sql, err)
		}
		if diff := cmp.Diff(tc.want, got, cmp.Transformer("set", func(in []int) map[int]bool {
			out := map[int]bool{}
			for _, i := range in {
				out[i] = true
			}
			return out
		})); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tc.sql, diff)
		}
	}
}

func TestParameters(t *testing.T) {
	db := open(t)
	got, err := answer(t, db, "SELECT ?::INT + 1, $2, $3::BOOLEAN, $4::DECIMAL(5,2)", nil, int64(1), "x", nil, Decimal{Unscaled: bigInt("123"), Scale: 1})
	if want := "int32 utf8 bool decimal(5, 2)\n2|x|(null)|12.3"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	s := parse(t, db, "SELECT $b::INT - $a::INT, $a::INT")
	if diff := cmp.Diff([]string{"a", "b"}, s.Params); diff != "" {
		t.Error(diff)
	}
	got, err = answer(t, db, s.Text, nil, int64(1), int64(10))
	if want := "int32 int32\n9|1"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if _, err := answer(t, db, "SELECT ?", nil); asError(t, err).Kind != "parameter" {
		t.Errorf("got %v, want an error of the parameters", err)
	}
}

// TestRowsEnd: after the last row comes EOF, again and again, and after Close an error.
func TestRowsEnd(t *testing.T) {
	db := open(t)
	rows, err := db.Query(t.Context(), parse(t, db, "SELECT 1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := rows.Next()
	if err != nil {
		t.Fatal(err)
	}
	rec.Release()
	for range 2 {
		if _, err := rows.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want EOF", err)
		}
	}
	for range 2 {
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := rows.Next(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("after Close: got %v", err)
	}
}
