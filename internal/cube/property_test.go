package cube

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// C3: every valid table reads back from YAML, from JSON, and from JSON by the standard library.
func TestTableRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := genTable().Draw(t, "table")
		if err := table.Validate(); err != nil {
			t.Fatalf("the generator is wrong: %v", err)
		}
		want := table.WithDefaults()
		text := FormatTable(table)
		got, err := ParseTable(text, "t.yaml")
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("YAML (-want +got):\n%s\n%s", d, text)
		}
		j, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err = ParseTable(j, "t.json"); err != nil {
			t.Fatalf("%v\n%s", err, j)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("JSON (-want +got):\n%s\n%s", d, j)
		}
		got = new(Table)
		if err = json.Unmarshal(j, got); err != nil {
			t.Fatalf("%v\n%s", err, j)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("json.Unmarshal (-want +got):\n%s\n%s", d, j)
		}
	})
}

// A table with zero values keeps them through JSON: the catalog may store what it was given.
func TestJSONKeepsZeroValues(t *testing.T) {
	want := Table{Name: "t", Topic: "t", EventTime: EventTime{Column: "ts"}, Columns: []Column{{Name: "ts", Type: Type{Kind: Timestamp, Format: "ms"}}}}
	j, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	const text = `{"table":"t","topic":"t","event_time":{"column":"ts"},"columns":[{"name":"ts","type":"timestamp(ms)"}]}`
	if string(j) != text {
		t.Errorf("got  %s\nwant %s", j, text)
	}
	var got Table
	if err := json.Unmarshal(j, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestJSONForm(t *testing.T) {
	table := mustParse(t, `
table: t
topic: t
event_time: {column: ts}
columns: [{name: ts, type: timestamp(ms)}, {name: n, type: "decimal(9,2)", default: 1.5}]
include: [key, extra]
quarantine: {max_share: 5%}
`)
	j, err := json.MarshalIndent(table, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
 "project": "default",
 "table": "t",
 "topic": "t",
 "start": "earliest",
 "event_time": {
  "column": "ts",
  "lateness": "10m",
  "earliest": "2000-01-01",
  "latest": "2100-01-01",
  "max_ahead": "24h"
 },
 "columns": [
  {
   "name": "ts",
   "path": "ts",
   "type": "timestamp(ms)",
   "null": "keep"
  },
  {
   "name": "n",
   "path": "n",
   "type": "decimal(9,2)",
   "null": "default",
   "default": "1.5"
  }
 ],
 "include": [
  "extra",
  "key"
 ],
 "staging": {
  "format": "parquet",
  "roll": {
   "bytes": 67108864,
   "rows": 1000000,
   "age": "1m"
  }
 },
 "quarantine": {
  "max_share": 0.05,
  "window": 10000,
  "max_record_bytes": 16777216
 },
 "on_loss": "stop"
}`
	if string(j) != want {
		t.Errorf("JSON form (-want +got):\n%s", cmp.Diff(want, string(j)))
	}
}

func TestJSONComplains(t *testing.T) {
	for _, bad := range []string{
		`{"start": "yesterday"}`, `{"event_time": {"lateness": "soon"}}`, `{"event_time": {"latest": "x"}}`, `{"event_time": 1}`,
		`{"include": ["x"]}`, `{"include": {}}`, `{"staging": {"roll": {"age": "x"}}}`, `{"staging": []}`, `{"columns": [{"type": "int"}]}`,
	} {
		if err := json.Unmarshal([]byte(bad), new(Table)); err == nil {
			t.Errorf("json.Unmarshal took %s", bad)
		}
	}
}

func genType() *rapid.Generator[Type] {
	return rapid.Custom(func(t *rapid.T) Type {
		switch k := rapid.SampledFrom([]Kind{Bool, Int64, Float64, Decimal, String, Date, Timestamp, JSON}).Draw(t, "kind"); k {
		case Decimal:
			p := rapid.IntRange(1, maxPrecision).Draw(t, "precision")
			return Type{Kind: k, Precision: p, Scale: rapid.IntRange(0, p).Draw(t, "scale")}
		case Date:
			return Type{Kind: k, Format: rapid.SampledFrom([]string{"", dateLayout, "02.01.2006", "Jan 2, 2006", "2006#01'02"}).Draw(t, "layout")}
		case Timestamp:
			return genTimestamp().Draw(t, "timestamp")
		default:
			return Type{Kind: k}
		}
	})
}

func genTimestamp() *rapid.Generator[Type] {
	return rapid.Custom(func(t *rapid.T) Type {
		return Type{Kind: Timestamp, Format: rapid.SampledFrom([]string{
			"", "rfc3339", "s", "ms", "us", "ns", "2006-01-02 15:04:05",
			"(02/Jan/2006:15:04:05 -0700)", `2006"01"02 15h`, "01/02/2006 03:04 PM",
		}).Draw(t, "format")}
	})
}

func genDefault(t *rapid.T, k Type) string {
	at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), 0).UTC()
	switch k = k.withDefaults(); {
	case k.Kind == Bool:
		return fmt.Sprint(rapid.Bool().Draw(t, "bool"))
	case k.Kind == Int64:
		return fmt.Sprint(rapid.Int64().Draw(t, "int"))
	case k.Unit() != "":
		return fmt.Sprint(at.Unix())
	case k.Kind == Float64:
		return fmt.Sprint(rapid.Float64().Draw(t, "float"))
	case k.Kind == Decimal:
		return "0." + strings.Repeat("0", k.Scale) + "0"
	case k.Kind == String:
		return rapid.String().Draw(t, "string")
	case k.Kind == JSON:
		return quote(rapid.String().Draw(t, "json"))
	case k.Format == formatRFC3339:
		return at.Format(time.RFC3339)
	}
	return at.Format(k.Format)
}

func genColumn(i int) *rapid.Generator[Column] {
	return rapid.Custom(func(t *rapid.T) Column {
		c := Column{Name: fmt.Sprintf("%s%d", rapid.StringMatching(`[a-zA-Z][a-zA-Z0-9_]{0,20}_`).Draw(t, "name"), i), Type: genType().Draw(t, "type")}
		if rapid.Bool().Draw(t, "has path") { // a first key of its own: paths of two columns never contradict each other
			p := genPath().Draw(t, "path")
			p[0].Key = fmt.Sprintf("%d.%s", i, p[0].Key)
			c.Path = p.String()
		}
		c.Null = rapid.SampledFrom([]NullPolicy{"", NullKeep, NullReject, NullDefault}).Draw(t, "null")
		if c.Null == NullDefault {
			c.Default = genDefault(t, c.Type)
		}
		return c
	})
}

func genTable() *rapid.Generator[*Table] {
	return rapid.Custom(func(t *rapid.T) *Table {
		name := rapid.StringMatching(`[a-z][a-z0-9_]{0,62}`)
		v := &Table{
			Project: rapid.OneOf(rapid.Just(""), name).Draw(t, "project"),
			Name:    name.Draw(t, "name"),
			ID:      rapid.StringMatching(`[a-z0-9]{0,12}`).Draw(t, "id"),
			Version: rapid.IntRange(0, 9).Draw(t, "version"),
			Topic:   rapid.StringMatching(`[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,40}`).Draw(t, "topic"),
			Owner:   rapid.StringMatching(`(|[ -~é]{1,20})`).Draw(t, "owner"),
			Start:   rapid.SampledFrom([]Start{{}, {At: startLatest}, {At: startTime, Time: time.Unix(1.7e9, 5e6)}}).Draw(t, "start"),
			OnLoss:  rapid.SampledFrom([]LossPolicy{"", LossStop, LossSkip}).Draw(t, "loss"),
		}
		if rapid.Bool().Draw(t, "notified") {
			v.Notify = []string{"https://example.org/a?b=c&d=%20#e", "http://[::1]:80/"}
		}
		v.Columns = append(v.Columns, Column{Name: "ts", Type: genTimestamp().Draw(t, "event time")})
		for i := range rapid.IntRange(0, 4).Draw(t, "columns") {
			v.Columns = append(v.Columns, genColumn(i).Draw(t, "column"))
		}
		v.EventTime = EventTime{Column: "ts", Lateness: genDuration(maxLateness).Draw(t, "lateness"), MaxAhead: genDuration(maxAhead).Draw(t, "ahead")}
		if rapid.Bool().Draw(t, "bounds") {
			from := rapid.Int64Range(minTime().Unix(), maxTime().Unix()-2).Draw(t, "earliest")
			v.EventTime.Earliest, v.EventTime.Latest = time.Unix(from, 0), time.Unix(from+1, 5)
		}
		for _, on := range v.Include.switches() {
			*on = rapid.Bool().Draw(t, "include")
		}
		v.Staging = Staging{
			Format:    rapid.SampledFrom([]Format{"", Parquet, NDJSON}).Draw(t, "format"),
			RollBytes: rapid.Int64Range(minRollBytes, maxRollBytes).Draw(t, "bytes"),
			RollRows:  rapid.Int64Range(minRollRows, maxRollRows).Draw(t, "rows"),
			RollAge:   rapid.SampledFrom([]time.Duration{0, minRollAge, 90 * time.Second, 1501 * time.Millisecond, maxRollAge}).Draw(t, "age"),
		}
		v.Quarantine = QuarantinePolicy{
			MaxShare:       rapid.SampledFrom([]float64{0, 1, 0.05, 0.001, 1.0 / 3, 0.07, 1e-9}).Draw(t, "share"),
			Window:         rapid.IntRange(0, maxWindow).Draw(t, "window"),
			MaxRecordBytes: rapid.IntRange(minRecordBytes, maxRecordBytes).Draw(t, "record"),
		}
		return v
	})
}

func genDuration(most time.Duration) *rapid.Generator[time.Duration] {
	return rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.Int64Range(0, int64(most/time.Millisecond)).Draw(t, "ms")) * time.Millisecond
	})
}
