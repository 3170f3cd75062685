package decode

import (
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

func nested(n int, inner string) string {
	return strings.Repeat("[", n) + inner + strings.Repeat("]", n)
}

// refusal is an event with column v and how it is refused.
type refusal struct {
	name   string
	typ    cube.Type
	in     string
	reason Reason
	pos    int
	detail string // must be part of the detail
}

// syntaxRefusals are of events that are no JSON, or no object.
func syntaxRefusals() []refusal {
	str, i64, f64 := cube.Type{Kind: cube.String}, cube.Type{Kind: cube.Int64}, cube.Type{Kind: cube.Float64}
	js := cube.Type{Kind: cube.JSON}
	in := func(v string) string { return `{` + now + `,"v":` + v + `}` }
	return []refusal{
		{"empty", str, "", Empty, 0, "no bytes"},
		{"white space", str, " \n\t ", Empty, 0, "white space only"},
		{"utf-8 bom", str, "\xef\xbb\xbf{}", ByteOrderMark, 0, "utf-8-sig"},
		{"utf-16 bom", str, "\xff\xfe{\x00", ByteOrderMark, 0, "UTF-16"},
		{"registry", str, "\x00\x00\x00\x00\x01{}", NotJSON, 0, "schema registry"},
		{"gzip", str, "\x1f\x8b\x08", NotJSON, 0, "compression.type"},
		{"text", str, "hello", NotJSON, 0, "'h' where a value is expected"},
		{"truncated", str, `{"v":"abc`, Truncated, 9, "cut off"},
		{"truncated key", str, `{"v`, Truncated, 3, "end of a string"},
		{"truncated number", str, `{"v":-`, Truncated, 6, "a digit"},
		{"truncated rune", str, "{\"v\":\"\xe6\x97", Truncated, 8, "rest of a character"},
		{"truncated literal", str, `{"v":tru`, Truncated, 8, "true"},
		{"truncated escape", str, `{"v":"\u00`, Truncated, 10, "hexadecimal"},
		{"trailing", str, in(`"x"`) + "x", NotJSON, 24, "one event a record"},
		{"two events", str, `{} {}`, NotJSON, 3, "one event a record"},
		{"comma", str, `{"a":1,}`, NotJSON, 7, "a key in quotes"},
		{"control", str, "{\"a\":\"\x01\"}", NotJSON, 6, "0x01"},
		{"newline in key", str, "{\"a\n\":1}", NotJSON, 3, "0x0a"},
		{"nan", f64, in(`NaN`), NotJSON, 20, "send null"},
		{"single quotes", str, `{'a':1}`, NotJSON, 1, "key in quotes"},
		{"leading zero", i64, in(`01`), NotJSON, 21, "leading zeros"},
		{"plus", i64, in(`+1`), NotJSON, 20, "a value"},
		{"skipped number", str, `{"x":1.}`, NotJSON, 7, "a digit"},
		{"skipped escape", str, `{"x":"\x"}`, NotJSON, 7, "after a backslash"},
		{"skipped literal", str, `{"x":nul}`, NotJSON, 8, "null"},
		{"mismatch", str, `{"x":[1}`, NotJSON, 7, "comma or ']'"},
		{"utf-8", str, "{\"v\":\"ab\xff\"}", InvalidUTF8, 8, "base64"},
		{"utf-8 skipped", str, "{\"x\":[\"\xc0\x80\"]}", InvalidUTF8, 7, "UTF-8"},
		{"utf-8 surrogate", str, "{\"v\":\"\xed\xa0\x80\"}", InvalidUTF8, 6, "UTF-8"},
		{"utf-8 key", str, "{\"\xfe\":1}", InvalidUTF8, 2, "UTF-8"},
		{"deep", str, `{"x":` + nested(200, "") + `}`, TooDeep, 5 + 199, "200"},
		{"deep json", js, in(nested(100000, "")), TooDeep, 20 + 199, "200"},
		{"array", str, `[{}]`, NotObject, 0, "one record for each element"},
		{"scalar", str, ` 5`, NotObject, 1, "a number"},
		{"null event", str, `null`, NotObject, 0, "null"},
	}
}

// typeRefusals are of events with a value that its column does not take.
func typeRefusals() []refusal {
	str, i64, f64 := cube.Type{Kind: cube.String}, cube.Type{Kind: cube.Int64}, cube.Type{Kind: cube.Float64}
	boolean, date := cube.Type{Kind: cube.Bool}, cube.Type{Kind: cube.Date}
	in := func(v string) string { return `{` + now + `,"v":` + v + `}` }
	return []refusal{
		{"string from number", str, in(`5`), WrongType, 20, "5 is a number, string takes a string: use json"},
		{"string from object", str, in(`{"a":1}`), WrongType, 20, "an object"},
		{"int from fraction", i64, in(`1.0`), WrongType, 20, "float64 or decimal"},
		{"int from exponent", i64, in(`1e3`), WrongType, 20, "float64 or decimal"},
		{"int from string", i64, in(`"5"`), WrongType, 20, "use decimal(18,0), which takes both"},
		{"int from word", i64, in(`true`), WrongType, 20, "a boolean"},
		{"int over", i64, in(`9223372036854775808`), NumberRange, 20, "use decimal(38,0)"},
		{"int under", i64, in(`-9223372036854775809`), NumberRange, 20, "int64 holds"},
		{"int far", i64, in(strings.Repeat("9", 5000)), NumberRange, 20, "..."},
		{"float over", f64, in(`1e400`), NumberRange, 20, "1.8e308"},
		{"float from string", f64, in(`"1.5"`), WrongType, 20, "decimal(p,s)"},
		{"bool from number", boolean, in(`1`), WrongType, 20, "true or false"},
		{"bool from string", boolean, in(`"true"`), WrongType, 20, "a string"},
		{"decimal digits", dec(5, 2), in(`1000`), NumberRange, 20, "3 digits before the point and 2 after"},
		{"decimal scale", dec(5, 2), in(`1.001`), NumberRange, 20, "nothing is rounded"},
		{"decimal 39", dec(38, 0), in(`100000000000000000000000000000000000000`), NumberRange, 20, "38 digits"},
		{"decimal far", dec(38, 0), in(`1e99999999999999999999`), NumberRange, 20, "38 digits"},
		{"decimal small", dec(38, 38), in(`1e-39`), NumberRange, 20, "0 digits before"},
		{"decimal text", dec(5, 2), in(`"1,50"`), BadFormat, 20, "a number such as -12.50"},
		{"decimal space", dec(5, 2), in(`" 1"`), BadFormat, 20, "plain digits"},
		{"decimal empty", dec(5, 2), in(`""`), BadFormat, 20, "number"},
		{"decimal array", dec(5, 2), in(`[1]`), WrongType, 20, "an array"},
		{"date", date, in(`"2026-02-29"`), BadFormat, 20, "2026-11-20"},
		{"date long", date, in(`"2026-11-20T00:00:00Z"`), BadFormat, 20, "look like RFC 3339"},
		{"date number", date, in(`5`), WrongType, 20, "a date such as"},
		{"time without zone", ts(""), in(`"2026-11-20 10:00:00"`), BadFormat, 20, "timestamp(2006-01-02 15:04:05), which means UTC"},
		{"time epoch", ts(""), in(`1700000000`), WrongType, 20, "timestamp(ms)"},
		{"time epoch string", ts(""), in(`"1700000000"`), BadFormat, 20, "timestamp(ms)"},
		{"time leap second", ts(""), in(`"2016-12-31T23:59:60Z"`), BadFormat, 20, "a time such as"},
		{"time as epoch", ts("ms"), in(`"2026-11-20T10:00:00Z"`), BadFormat, 20, "use timestamp(rfc3339)"},
		{"time word", ts("ms"), in(`true`), WrongType, 20, "since 1970"},
		{"time far", ts("s"), in(`1700000000000000000`), NumberRange, 20, "another one"},
		{"time layout", ts("2006-01-02 15:04"), in(`"x"`), BadFormat, 20, "the layout 2006-01-02 15:04"},
	}
}

func TestReasons(t *testing.T) {
	for _, x := range append(syntaxRefusals(), typeRefusals()...) {
		t.Run(x.name, func(t *testing.T) {
			_, bad := decodeBoth(t, one(x.typ, "v"), x.in)
			if bad == nil {
				t.Fatalf("%.200s was accepted", x.in)
			}
			if bad.Reason != x.reason || bad.Pos != x.pos || !strings.Contains(bad.Detail, x.detail) {
				t.Errorf("%.200q:\n got %q at byte %d: %s\nwant %q at byte %d with %q", x.in, bad.Reason, bad.Pos, bad.Detail, x.reason, x.pos, x.detail)
			}
			if len(bad.Detail) > 400 {
				t.Errorf("the detail has %d bytes", len(bad.Detail))
			}
		})
	}
}

func TestDepthLimit(t *testing.T) {
	for _, in := range []string{`{` + now + `,"x":` + nested(199, "1") + `}`, `{` + now + `,"v":` + nested(199, `{"a":"b"}`[:0]) + `}`} {
		if _, bad := decodeBoth(t, one(cube.Type{Kind: cube.JSON}, "v"), in); bad != nil {
			t.Errorf("%d levels: %v", MaxDepth, bad)
		}
	}
}

// D5: the way to a value.
func TestWrongWay(t *testing.T) {
	for _, x := range []struct{ path, in, detail string }{
		{"page.url", `"page":"x"`, `"x", a string`},
		{"page.url", `"page":[{"url":"x"}]`, "an array"},
		{"page.url", `"page":5`, "a number"},
		{"page.url", `"page":false`, "a boolean"},
		{"tags[0]", `"tags":{"0":"x"}`, "an object"},
		{"tags[0]", `"tags":"x"`, "a string"},
		{"a[0].b", `"a":[["b"]]`, "an array"},
	} {
		_, bad := decodeBoth(t, one(cube.Type{Kind: cube.String}, x.path), `{`+x.in+`,`+now+`}`)
		if bad == nil || bad.Reason != WrongType || bad.Column != "v" || !strings.Contains(bad.Detail, x.detail) || !strings.HasPrefix(bad.Detail, x.path) {
			t.Errorf("%s of %s: %v", x.path, x.in, bad)
		}
	}
}

func TestRejectPolicy(t *testing.T) {
	table := one(cube.Type{Kind: cube.String}, "a.v")
	table.Columns[1].Null = cube.NullReject
	for in, want := range map[string]Reason{
		`{` + now + `}`: MissingRejected, `{"a":{},` + now + `}`: MissingRejected, `{"a":{"v":null},` + now + `}`: NullRejected, `{"a":null,` + now + `}`: NullRejected,
		`{"a":{"v":"x"},"a":{},` + now + `}`: MissingRejected,
	} {
		if _, bad := decodeBoth(t, table, in); bad == nil || bad.Reason != want || bad.Column != "v" {
			t.Errorf("%s: got %v, want %s", in, bad, want)
		}
	}
	if got, bad := decodeBoth(t, table, `{"a":{"v":null},"a":{"v":"x"},`+now+`}`); bad != nil || got != "x" {
		t.Errorf("the last one is no null: %v, %v", got, bad)
	}
}

func TestEventTime(t *testing.T) {
	const kafka = 1_700_000_000_000 // ms
	for _, x := range []struct {
		format, in string
		recordMs   int64
		reason     Reason
		detail     string
	}{
		{"ms", `1700000000000`, kafka, "", ""},
		{"ms", `1700086400000`, kafka, "", ""}, // 24 h ahead
		{"ms", `1700086400001`, kafka, EventTimeRange, "more than 24h0m0s after the record's timestamp 2023-11-14T22:13:20Z"},
		{"us", `1700086400000001`, kafka, EventTimeRange, "more than 24h"},
		{"ms", `1700086400001`, -1, "", ""},
		{"ms", `946684800000`, kafka, "", ""}, // 2000-01-01
		{"ms", `946684799999`, kafka, EventTimeRange, "before the earliest possible time 2000-01-01"},
		{"ms", `4102444799999`, -1, "", ""},
		{"ms", `4102444800000`, -1, EventTimeRange, "2100-01-01"},
		{"ms", `1700000000`, kafka, EventTimeRange, "1700000000 read as ms is 1970-01-20T16:13:20Z, before the earliest possible time 2000-01-01T00:00:00Z: the values look like seconds; use timestamp(s)"},
		{"s", `1700000000000`, kafka, EventTimeRange, "use timestamp(ms)"},
		{"s", `1700000000000000`, kafka, EventTimeRange, "is beyond all time: the values look like microseconds; use timestamp(us)"},
		{"s", `"1700000000000000000"`, kafka, EventTimeRange, "use timestamp(ns)"},
		{"us", `1700000000000000000`, kafka, EventTimeRange, "use timestamp(ns)"},
		{"ms", `5`, kafka, EventTimeRange, "correct the producer's clock"},
		{"rfc3339", `"1970-01-01T00:00:00Z"`, kafka, EventTimeRange, `"1970-01-01T00:00:00Z" is 1970`},
		{"rfc3339", `"2100-01-01T00:00:00Z"`, -1, EventTimeRange, "2100"},
		{"ms", `null`, kafka, NoEventTime, "is null"},
		{"ms", `true`, kafka, WrongType, "a boolean"},
	} {
		table := one(ts(""), "v")
		table.Columns[0].Type.Format = x.format
		d, s := newDecoder(t, table)
		bad := d.Append(stage.NewChunk(s), Record{TimestampMs: x.recordMs, Value: []byte(`{"t":` + x.in + `}`)})
		switch {
		case bad == nil && x.reason != "":
			t.Errorf("%s as %s was accepted", x.in, x.format)
		case bad != nil && (bad.Reason != x.reason || bad.Column != "t" || !strings.Contains(bad.Detail, x.detail)):
			t.Errorf("%s as %s: %v, want %s with %q", x.in, x.format, bad, x.reason, x.detail)
		}
	}
	d, s := newDecoder(t, one(ts(""), "v"))
	if bad := d.Append(stage.NewChunk(s), Record{Value: []byte(`{}`)}); bad == nil || bad.Reason != NoEventTime {
		t.Errorf("D6: no event time: %v", bad)
	}
}

// A date can be the event time; min and max follow.
func TestDateEventTime(t *testing.T) {
	table := one(cube.Type{Kind: cube.String}, "v")
	table.Columns[0].Type = cube.Type{Kind: cube.Date}
	d, s := newDecoder(t, table)
	c := stage.NewChunk(s)
	for _, day := range []string{"2026-11-20", "2026-11-18", "2026-11-19"} {
		if bad := d.Append(c, Record{TimestampMs: -1, Value: []byte(`{"t":"` + day + `"}`)}); bad != nil {
			t.Fatal(bad)
		}
	}
	if c.MinTimeUs != 20775*usPerDay || c.MaxTimeUs != 20777*usPerDay {
		t.Errorf("got [%d, %d]", c.MinTimeUs, c.MaxTimeUs)
	}
}

func TestSizes(t *testing.T) {
	table := one(cube.Type{Kind: cube.String}, "v")
	table.Quarantine.MaxRecordBytes = 1 << 20
	d, s := newDecoder(t, table)
	event := func(n int) []byte {
		head, tail := `{`+now+`,"v":"`, `"}`
		return []byte(head + strings.Repeat("x", n-len(head)-len(tail)) + tail)
	}
	c := stage.NewChunk(s)
	for _, x := range []struct {
		r    Record
		want Reason
	}{
		{Record{}, Tombstone},
		{Record{Value: []byte{}}, Empty},
		{Record{Value: event(1 << 20)}, ""},
		{Record{Value: event(1<<20 + 1)}, TooLarge},
		{Record{Value: event(20 << 20)}, TooLarge},
		{Record{Value: event(100), Key: event(1<<20 + 1)}, TooLarge},
		{Record{Value: event(100), Headers: []stage.Header{{Key: "a", Value: event(1 << 20)}}}, TooLarge},
	} {
		x.r.TimestampMs = -1
		bad := d.Append(c, x.r)
		if (bad == nil) != (x.want == "") || bad != nil && bad.Reason != x.want {
			t.Errorf("%d bytes: got %v, want %q", len(x.r.Value), bad, x.want)
		}
	}
	if c.Rows() != 1 || c.Columns[1].Len() != 1 {
		t.Errorf("D1: %d rows", c.Rows())
	}
}

func TestReasonsAreClosed(t *testing.T) {
	seen := map[Reason]bool{}
	for _, r := range Reasons() {
		if seen[r] || r == "" || strings.ToLower(string(r)) != string(r) {
			t.Errorf("reason %q", r)
		}
		seen[r] = true
	}
	bad := &BadRecord{Reason: WrongType, Column: "url", Detail: "page.url: 5 is a number", Pos: 7}
	if got, want := bad.Error(), "wrong_type: column url: page.url: 5 is a number (at byte 7)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
