package decode

import (
	"math"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// one returns a table of the event time t and column v.
func one(typ cube.Type, path string) *cube.Table {
	return &cube.Table{
		Name: "one", EventTime: cube.EventTime{Column: "t"},
		Columns: []cube.Column{
			{Name: "t", Path: "t", Type: cube.Type{Kind: cube.Timestamp, Format: "s"}},
			{Name: "v", Path: path, Type: typ},
		},
	}
}

const now = `"t":1700000000`

// cell returns the value of row i as a test can compare it.
func cell(c *stage.Column, i int) any {
	switch {
	case c.IsNull(i):
		return nil
	case c.Kind == stage.Bool:
		return c.Ints[i] == 1
	case c.Kind == stage.Float64:
		return c.Floats[i]
	case c.Kind == stage.Bytes:
		return string(c.Bytes(i))
	case c.Kind == stage.Decimal128:
		return bigOf(c.Data[16*i : 16*i+16]).String()
	}
	return c.Ints[i]
}

// bigOf reads 16 bytes of two's complement.
func bigOf(b []byte) *big.Int {
	v := new(big.Int).SetBytes(b)
	if b[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), 128))
	}
	return v
}

// decodeBoth appends the event with both readers and returns cell v; their answers must be the same (D8).
func decodeBoth(t *testing.T, table *cube.Table, event string) (any, *BadRecord) {
	t.Helper()
	d, s := newDecoder(t, table)
	c := stage.NewChunk(s)
	bad := d.Append(c, Record{Offset: 1, TimestampMs: -1, Value: []byte(event)})
	if bad != nil {
		if c.Rows() != 0 || !cmp.Equal(c, stage.NewChunk(s)) && hasRows(c) {
			t.Errorf("D1: %s: the chunk changed: %+v", event, c)
		}
		return nil, bad
	}
	v := s.Field("v")
	got := cell(&c.Columns[v], 0)

	slow := stage.NewChunk(s)
	d.b, d.chunk = []byte(event), slow
	if _, bad := d.careful(0, -1); bad != nil {
		t.Errorf("%s: the fast reader takes it, the careful one says %v", event, bad)
	} else if got2 := cell(&slow.Columns[v], 0); !cmp.Equal(got, got2) {
		t.Errorf("%s: the fast reader gives %v, the careful one %v", event, got, got2)
	}
	return got, nil
}

func hasRows(c *stage.Chunk) bool {
	for i := range c.Columns {
		if c.Columns[i].Len() > 0 || len(c.Columns[i].Data) > 0 {
			return true
		}
		for _, w := range c.Columns[i].Nulls {
			if w != 0 {
				return true
			}
		}
	}
	return false
}

func dec(p, s int) cube.Type { return cube.Type{Kind: cube.Decimal, Precision: p, Scale: s} }
func ts(format string) cube.Type {
	return cube.Type{Kind: cube.Timestamp, Format: format}
}

// valueCase is a JSON value and what a column of a type holds of it.
type valueCase struct {
	typ  cube.Type
	in   string
	want any
}

func valueCases() []valueCase { return append(plainValues(), otherValues()...) }

func plainValues() []valueCase {
	str := cube.Type{Kind: cube.String}
	i64 := cube.Type{Kind: cube.Int64}
	f64 := cube.Type{Kind: cube.Float64}
	return []valueCase{
		{str, `"a"`, "a"},
		{str, `""`, ""},
		{str, `"\u00e9\n\"\\\/\b\f\r\t"`, "é\n\"\\/\b\f\r\t"},
		{str, `"\ud83d\ude00"`, "😀"},
		{str, `"\ud800x"`, "\uFFFDx"},
		{str, `"\ude00\ud83d"`, "\uFFFD\uFFFD"},
		{str, `"\u0000"`, "\x00"},
		{str, `"日本語のとても長い文字列"`, "日本語のとても長い文字列"},
		{str, `null`, nil},
		{cube.Type{Kind: cube.Bool}, `true`, true},
		{cube.Type{Kind: cube.Bool}, `false`, false},
		{i64, `0`, int64(0)},
		{i64, `-0`, int64(0)},
		{i64, `9223372036854775807`, int64(math.MaxInt64)},
		{i64, `-9223372036854775808`, int64(math.MinInt64)},
		{i64, `999999999999999999`, int64(999999999999999999)},
		{f64, `0.1`, 0.1},
		{f64, `-1e-7`, -1e-7},
		{f64, `1E400`, nil},
		{f64, `123456789012345678`, 123456789012345678.0},
		{f64, `1.7976931348623157e308`, math.MaxFloat64},
		{f64, `4.9e-324`, math.SmallestNonzeroFloat64},
		{f64, `1e-999`, 0.0},
		{dec(12, 2), `12.5`, int64(1250)},
		{dec(12, 2), `"12.50"`, int64(1250)},
		{dec(12, 2), `-0.01`, int64(-1)},
		{dec(12, 2), `1e3`, int64(100000)},
		{dec(12, 2), `12.5000`, int64(1250)},
		{dec(12, 2), `1250e-2`, int64(1250)},
		{dec(12, 2), `-0`, int64(0)},
		{dec(12, 2), `0e999999999999`, int64(0)},
		{dec(18, 0), `999999999999999999`, int64(999999999999999999)},
		{dec(38, 0), `99999999999999999999999999999999999999`, "99999999999999999999999999999999999999"},
	}
}

func otherValues() []valueCase {
	date := cube.Type{Kind: cube.Date}
	return []valueCase{
		{dec(38, 0), `"-99999999999999999999999999999999999999"`, "-99999999999999999999999999999999999999"},
		{dec(38, 38), `0.00000000000000000000000000000000000001`, "1"},
		{dec(19, 0), `-1`, "-1"},
		{dec(19, 2), `null`, nil},
		{dec(38, 10), `-1234567890123456789012345678.0123456789`, "-12345678901234567890123456780123456789"},
		{dec(38, 0), `1e37`, "10000000000000000000000000000000000000"},
		{date, `"2026-11-20"`, int64(20777)},
		{date, `"1969-12-31"`, int64(-1)},
		{date, `"2024-02-29"`, int64(19782)},
		{date, `"0000-01-01"`, int64(-719528)},
		{cube.Type{Kind: cube.Date, Format: "02.01.2006"}, `"20.11.2026"`, int64(20777)},
		{ts(""), `"1970-01-01T00:00:00Z"`, int64(0)},
		{ts("rfc3339"), `"1970-01-01T02:00:00.5+02:00"`, int64(500000)},
		{ts(""), `"1969-12-31T23:59:59.9999999Z"`, int64(-1)},
		{ts(""), `"1970-01-01T00:00:00.000001234567890-00:00"`, int64(1)},
		{ts(""), `"\u0031970-01-01T00:00:00Z"`, int64(0)},
		{ts("s"), `1700000000`, int64(1700000000e6)},
		{ts("s"), `"1700000000"`, int64(1700000000e6)},
		{ts("s"), `1700000000.123456789`, int64(1700000000123456)},
		{ts("s"), `1.7e9`, int64(1700000000e6)},
		{ts("ms"), `1700000000123`, int64(1700000000123e3)},
		{ts("us"), `1700000000123456`, int64(1700000000123456)},
		{ts("ns"), `1700000000123456789`, int64(1700000000123456)},
		{ts("ns"), `-1`, int64(-1)},
		{ts("s"), `-0.0000001`, int64(-1)},
		{ts("ns"), `1e-60`, int64(0)},
		{ts("2006-01-02 15:04:05"), `"1970-01-02 00:00:01"`, int64(86401e6)},
		{ts("02/Jan/2006:15:04:05 -0700"), `"01/Jan/1970:02:00:00 +0200"`, int64(0)},
		{cube.Type{Kind: cube.JSON}, `{ "a" : [ 1.10 , "x y\" " ] }`, `{"a":[1.10,"x y\" "]}`},
		{cube.Type{Kind: cube.JSON}, `"x"`, `"x"`},
		{cube.Type{Kind: cube.JSON}, `12345678901234567890123`, `12345678901234567890123`},
		{cube.Type{Kind: cube.JSON}, `null`, nil},
		{cube.Type{Kind: cube.JSON}, `{"a":1,"a":2}`, `{"a":1,"a":2}`},
	}
}

func TestValues(t *testing.T) {
	for _, x := range valueCases() {
		if x.in == `1E400` {
			continue // in TestReasons
		}
		for _, event := range []string{`{` + now + `,"v":` + x.in + `}`, " {\n\"v\" : " + x.in + " ,\t" + now + "}\r\n", `{"v":` + x.in + `,` + now + `,"zzzzzzzzzzzzzzzzzzzzzzzz":[{}]}`} {
			got, bad := decodeBoth(t, one(x.typ, "v"), event)
			if bad != nil {
				t.Errorf("%+v: %s: %v", x.typ, event, bad)
			} else if diff := cmp.Diff(x.want, got); diff != "" {
				t.Errorf("%+v: %s: -want +got\n%s", x.typ, event, diff)
			}
		}
	}
}

func TestPaths(t *testing.T) {
	str := cube.Type{Kind: cube.String}
	for _, x := range []struct {
		path, in string
		want     any
	}{
		{"a.b.c", `"a":{"x":1,"b":{"c":"v"}}`, "v"},
		{"a.b.c", `"a":{"b":null}`, nil},
		{"a.b.c", `"a":null`, nil},
		{"a.b.c", `"a":{}`, nil},
		{"a.b.c", `"b":1`, nil},
		{"tags[0]", `"tags":["x","y"]`, "x"},
		{"tags[1]", `"tags":["x","y"]`, "y"},
		{"tags[2]", `"tags":["x","y"]`, nil},
		{"tags[0]", `"tags":[]`, nil},
		{"tags[0]", `"tags":null`, nil},
		{"tags[0]", `"tags":[ ]`, nil},
		{"items[1].sku", `"items":[{"sku":"a"}, {"n":[1,2],"sku":"b"} ]`, "b"},
		{"m[1][0]", `"m":[[],["x"]]`, "x"},
		{`["a.b"]`, `"a.b":"x"`, "x"},
		{`["a\"b"]`, `"a\"b":"x"`, "x"},
		{`[""]`, `"":"x"`, "x"},
		{"é", `"\u00e9":"x"`, "x"},
		{"latency", `"l\u0061tency":"x"`, "x"},
		{"latency", `"Latency":"x"`, nil},
		{"latency", `"latenc":"y","latencyy":"z"`, nil},
		{"averyveryverylongkeyindeed", `"averyveryverylongkeyindeee":"no","averyveryverylongkeyindeed":"yes"`, "yes"},
		// D3
		{"v", `"v":"1","v":"2"`, "2"},
		{"v", `"v":1,"v":"2"`, "2"},
		{"v", `"v":"1","v":null`, nil},
		{"v", `"v":null,"v":"1"`, "1"},
		{"page.url", `"page":{"url":"1"},"page":{"url":"x"}`, "x"},
		{"page.url", `"page":{"url":1},"page":{"title":"x"}`, nil},
		{"page.url", `"page":{"url":"1"},"page":null`, nil},
		{"page.url", `"page":"x","page":{"url":"1"}`, "1"},
		{"page.url", `"page":{"url":"1","\u0075rl":"2"}`, "2"},
		{"tags[1]", `"tags":["a","b"],"tags":["c"]`, nil},
	} {
		got, bad := decodeBoth(t, one(str, x.path), `{`+x.in+`,`+now+`}`)
		if bad != nil {
			t.Errorf("%s of %s: %v", x.path, x.in, bad)
		} else if diff := cmp.Diff(x.want, got); diff != "" {
			t.Errorf("%s of %s: -want +got\n%s", x.path, x.in, diff)
		}
	}
}

func TestNullPolicies(t *testing.T) {
	for _, x := range []struct {
		typ  cube.Type
		def  string
		want any
	}{
		{cube.Type{Kind: cube.String}, "?", "?"},
		{cube.Type{Kind: cube.String}, "", ""},
		{cube.Type{Kind: cube.Bool}, "true", true},
		{cube.Type{Kind: cube.Int64}, "-5", int64(-5)},
		{cube.Type{Kind: cube.Float64}, "0.5", 0.5},
		{dec(5, 2), "1.5", int64(150)},
		{dec(20, 2), "1.5", "150"},
		{cube.Type{Kind: cube.Date}, "1970-01-02", int64(1)},
		{ts(""), "1970-01-01T00:00:01Z", int64(1e6)},
		{ts("ms"), "1", int64(1e3)},
		{ts("2006-01-02"), "1970-01-02", int64(86400e6)},
		{cube.Type{Kind: cube.JSON}, `{"a": 1}`, `{"a":1}`},
	} {
		for _, in := range []string{`{` + now + `}`, `{"v":null,` + now + `}`} {
			table := one(x.typ, "v")
			table.Columns[1].Null, table.Columns[1].Default = cube.NullDefault, x.def
			if got, bad := decodeBoth(t, table, in); bad != nil || !cmp.Equal(got, x.want) {
				t.Errorf("default %q of %+v: got %v, %v", x.def, x.typ, got, bad)
			}
		}
		if got, bad := decodeBoth(t, one(x.typ, "v"), `{`+now+`}`); bad != nil || got != nil {
			t.Errorf("keep %+v: got %v, %v", x.typ, got, bad)
		}
	}
}

// Two columns of one value, and a json column of a container that other columns look into.
func TestOverlappingColumns(t *testing.T) {
	table := one(cube.Type{Kind: cube.String}, "page.url")
	table.Columns = append(table.Columns,
		cube.Column{Name: "page", Path: "page", Type: cube.Type{Kind: cube.JSON}},
		cube.Column{Name: "url2", Path: "page.url", Type: cube.Type{Kind: cube.JSON}})
	d, s := newDecoder(t, table)
	c := stage.NewChunk(s)
	for _, in := range []string{`{"page": {"url": "x"},` + now + `}`, `{"page":null,` + now + `}`, `{"page":{"url":1},"page":{"url":"y"},` + now + `}`} {
		if bad := d.Append(c, Record{Value: []byte(in), TimestampMs: -1}); bad != nil {
			t.Fatal(bad)
		}
	}
	want := [][]any{{"x", `{"url":"x"}`, `"x"`}, {nil, nil, nil}, {"y", `{"url":"y"}`, `"y"`}}
	for i, w := range want {
		if diff := cmp.Diff(w, []any{cell(&c.Columns[1], i), cell(&c.Columns[2], i), cell(&c.Columns[3], i)}); diff != "" {
			t.Errorf("row %d: -want +got\n%s", i, diff)
		}
	}
	if bad := d.Append(c, Record{Value: []byte(`{"page":"x",` + now + `}`), TimestampMs: -1}); bad == nil || bad.Reason != WrongType || bad.Column != "v" {
		t.Errorf("a string where page.url is wanted: %v", bad)
	}
}
