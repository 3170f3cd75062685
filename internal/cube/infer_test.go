package cube

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestInfer shows the definitions that come of samples. A line is a record; records=N repeats the lines in turn. In a line
// {i} is the record's number, {s} {ms} {us} {ns} {rfc} {iso} {day} a time 2 s before the record's Kafka timestamp.
func TestInfer(t *testing.T) {
	datadriven.Walk(t, "testdata/infer", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			samples := readSamples(t, d)
			o, topic, kafka := InferOptions{}, "web.page-views", true
			d.MaybeScanArgs(t, "topic", &topic)
			d.MaybeScanArgs(t, "max-columns", &o.MaxColumns)
			d.MaybeScanArgs(t, "name", &o.Name)
			d.MaybeScanArgs(t, "kafka", &kafka)
			if !kafka {
				for i := range samples {
					samples[i].TimestampMs = -1
				}
			}
			text, table, err := Infer(topic, samples, o)
			if err != nil {
				return fmt.Sprintf("%sError: %v\n", text, err)
			}
			checkInferred(t, text, table)
			if d.Cmd == "infer-cube" {
				return inferredCube(t, table, samples)
			}
			return string(text)
		})
	})
}

// inferredCube holds C7: the text applies as it is, beside its table.
func inferredCube(t interface {
	Helper()
	Fatalf(string, ...any)
}, table *Table, samples []Sample,
) string {
	t.Helper()
	text, c, err := InferCube(table, samples)
	if err != nil {
		t.Fatalf("C7: %v", err)
	}
	again, err := ParseCube(text, "inferred.yaml", table)
	if err != nil {
		t.Fatalf("C7: %v\n%s", err, text)
	}
	if !SameCube(c, again) {
		t.Fatalf("C7: the cube is not what the text says:\n%s", text)
	}
	if n := len(c.lattice().masks()); n > maxProposedCuboids+1 {
		t.Fatalf("C7: %d cuboids:\n%s", n, text)
	}
	return string(text)
}

// checkInferred holds C4: the text applies as it is.
func checkInferred(t interface {
	Helper()
	Fatalf(string, ...any)
}, text []byte, table *Table,
) {
	t.Helper()
	again, err := ParseTable(text, "inferred.yaml")
	if err != nil {
		t.Fatalf("C4: %v\n%s", err, text)
	}
	if d := cmp.Diff(table, again); d != "" {
		t.Fatalf("C4 (-table +text):\n%s\n%s", d, text)
	}
	if err := table.Validate(); err != nil {
		t.Fatalf("C4: %v", err)
	}
}

func readSamples(t *testing.T, d *datadriven.TestData) []Sample {
	lines := strings.Split(unescape(d.Input), "\n")
	n := len(lines)
	if d.Input == "" {
		n = 0
	}
	d.MaybeScanArgs(t, "records", &n)
	var out []Sample
	for i := range n {
		kafka := time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Second)
		at := kafka.Add(-2 * time.Second)
		line := strings.NewReplacer("{i}", fmt.Sprint(i), "{s}", fmt.Sprint(at.Unix()), "{ms}", fmt.Sprint(at.UnixMilli()),
			"{us}", fmt.Sprint(at.UnixMicro()), "{ns}", fmt.Sprint(at.UnixNano()), "{rfc}", at.Format(time.RFC3339),
			"{iso}", at.Format("2006-01-02T15:04:05.000000"), "{day}", at.Format(time.DateOnly)).Replace(lines[i%len(lines)])
		s := Sample{Value: []byte(line), TimestampMs: kafka.UnixMilli()}
		if line == "<null>" {
			s.Value = nil
		}
		out = append(out, s)
	}
	return out
}

// C4: whatever JSON comes, Infer does not panic and its definition applies.
func TestInferProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SampledFrom([]string{"a", "b", "ts", "A", "user id", "user_id", "", ".", "é", "_x", "1", "userID", "created_at", "a\"b", "\u2028", "x\ny"})
		kafka := int64(1_767_225_600_000)
		var samples []Sample
		for range rapid.IntRange(0, 6).Draw(t, "records") {
			v := genValue(keys, 0).Draw(t, "value")
			if m, ok := v.(map[string]any); ok && rapid.IntRange(0, 3).Draw(t, "timed") > 0 {
				m["ts"] = kafka + rapid.Int64Range(-5000, 5000).Draw(t, "ts")
			}
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			samples = append(samples, Sample{Value: b, TimestampMs: kafka})
		}
		text, table, err := Infer("t", samples, InferOptions{MaxColumns: rapid.IntRange(0, 5).Draw(t, "max columns")})
		if err != nil {
			var p *Problem
			if !errors.As(err, &p) || p.Instead == "" {
				t.Fatalf("error does not say what to do: %v\n%s", err, text)
			}
			return
		}
		checkInferred(t, text, table)
		inferredCube(t, table, samples)
	})
}

// C7: many columns of few values get a cap, so that the cuboids stay few.
func TestInferCubeOfManyColumns(t *testing.T) {
	var samples []Sample
	for i := range 100 {
		event := map[string]any{"ts": 1_767_225_600_000 + i}
		for c := range 40 {
			event[fmt.Sprintf("c%d", c)] = fmt.Sprint(i % 3)
		}
		b, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		samples = append(samples, Sample{Value: b, TimestampMs: 1_767_225_600_000})
	}
	_, table, err := Infer("t", samples, InferOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text := inferredCube(t, table, samples)
	c, err := ParseCube([]byte(text), "", table)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Dimensions) != maxProposedDimensions+2 || c.Groups[0].DimCap != 2 {
		t.Errorf("got %d dimensions and dim_cap %d, want %d and 2:\n%s", len(c.Dimensions), c.Groups[0].DimCap, maxProposedDimensions+2, text)
	}
	if _, _, err := InferCube(table, nil); err == nil || !strings.Contains(err.Error(), "no records") {
		t.Errorf("an empty topic: %v", err)
	}
}

func genValue(keys *rapid.Generator[string], depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kind := rapid.IntRange(0, 12).Draw(t, "kind")
		if depth == 0 && kind > 0 {
			kind = 12
		}
		switch kind {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2, 3:
			return rapid.Int64().Draw(t, "int")
		case 4:
			return rapid.Float64().Draw(t, "float")
		case 5:
			return json.Number(rapid.SampledFrom([]string{"1e400", "18446744073709551616", "-0", "1E5", "1767225600", "1767225600000"}).Draw(t, "number"))
		case 6, 7:
			return rapid.String().Draw(t, "string")
		case 8:
			return rapid.SampledFrom([]string{"2026-01-01", "2026-01-01T00:00:00Z", "1767225600000", "2026-01-01 00:00:00.5"}).Draw(t, "time")
		case 9, 10:
			var list []any
			for range rapid.IntRange(0, 2).Draw(t, "length") {
				list = append(list, genValue(keys, depth+1).Draw(t, "element"))
			}
			return list
		}
		m := map[string]any{}
		if depth > 10 {
			return m
		}
		for range rapid.IntRange(0, 4).Draw(t, "keys") {
			m[keys.Draw(t, "key")] = genValue(keys, depth+1).Draw(t, "member")
		}
		return m
	})
}

// Many fields, deep records and keys that are data have limits.
func TestInferLimits(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"ts": "2026-01-31T08:00:00Z"`)
	for i := range maxProfileFields + 10 {
		fmt.Fprintf(&b, `,"f%d":1`, i)
	}
	fmt.Fprintf(&b, `,%q:1}`, strings.Repeat("k", maxPathBytes+1))
	text, table, err := Infer("t", []Sample{{Value: []byte(b.String())}}, InferOptions{MaxColumns: 10 * maxColumns})
	if err != nil {
		t.Fatal(err)
	}
	checkInferred(t, text, table)
	if len(table.Columns) != maxColumns || !table.Include.Extra {
		t.Errorf("got %d columns, extra %t; want %d and _extra for the rest", len(table.Columns), table.Include.Extra, maxColumns)
	}
	deep := strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20)
	text, table, err = Infer("t", []Sample{{Value: []byte(`{"ts":"2026-01-31T08:00:00Z","d":` + deep + `}`)}}, InferOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if c := table.Columns[1]; c.Path != "d.a.a.a.a.a.a.a" || c.Type.Kind != JSON {
		t.Errorf("deep objects: got %+v\n%s", c, text)
	}
}
