package query_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// record is what lies at an offset. Without a value nothing does.
type record struct {
	timestampMs int64
	value       []byte
}

// generator makes records at random.
type generator struct {
	rng  *rand.Rand
	most int // records of a partition
}

// firstUs is 2026-03-26; some days later clocks in Berlin go forward.
const (
	firstUs = 1_774_483_200_000_000
	spanUs  = 6 * dayUs
	dayUs   = 86_400_000_000
)

// record makes what lies at offset i of a partition: times ascend, but for those that are late.
func (g *generator) record(i int) record {
	r := g.rng
	us := firstUs + int64(i)*(spanUs/int64(g.most)) + r.Int64N(600_000_000)
	ms := us/1000 + 5
	if r.IntN(20) == 0 {
		us -= r.Int64N(2 * dayUs)
	}
	if r.IntN(2) == 0 {
		us -= us % 1_000_000
	}
	if r.IntN(10) == 0 {
		us -= us % 3_600_000_000
	}
	switch r.IntN(60) {
	case 0:
		return record{timestampMs: ms} // of a transaction
	case 1:
		return record{ms, fmt.Appendf(nil, `{"ts":%d,"country":"de"`, us)}
	case 2:
		return record{ms, fmt.Appendf(nil, `{"ts":%d,"bytes":"12"}`, us)}
	}
	return record{ms, g.event(us)}
}

// event writes an event in which any field but the time may be null or missing.
func (g *generator) event(us int64) []byte {
	r := g.rng
	fields := []string{fmt.Sprintf(`"ts":%d`, us)}
	add := func(name string, values ...string) {
		switch r.IntN(12) {
		case 0:
		case 1:
			fields = append(fields, fmt.Sprintf("%q:null", name))
		default:
			fields = append(fields, fmt.Sprintf("%q:%s", name, values[r.IntN(len(values))]))
		}
	}
	n := func(n int) string { return strconv.Itoa(r.IntN(n)) }
	add("country", `"de"`, `"de"`, `"fr"`, `"DE"`, `""`, `"n\u00f8"`, `"it"`)
	add("device", `"phone"`, `"desktop"`, `"tablet"`, `"de"`)
	add("page", `{"url":"/p/`+n(3)+`"}`, `{"url":"/p/`+n(30)+`"}`, `{"title":"x"}`)
	add("visitor", `"v`+n(300)+`"`)
	add("status", "200", "200", "404", "500")
	add("bytes", n(1000), n(20), "-3", "0")
	add("big", "9223372036854775807", "-9223372036854775808", "9223372036854775800", "1")
	add("latency", n(400)+".25", n(50)+".1", "0", "1e3")
	add("price", `"`+n(90)+`.50"`, "1.25", "-1.00", "0")
	add("total", `"12345678901234567890.1234"`, n(1000)+".5", "-0.0001")
	add("ok", "true", "false")
	add("day", `"2026-03-26"`, `"2026-03-29"`, `"1969-12-31"`)
	add("sent", strconv.FormatInt(us/1000+r.Int64N(10_000_000), 10), strconv.FormatInt(firstUs/1000, 10))
	add("ctx", `{"a": [1, "x"], "b": {"c": 1.50}}`, `{"a":[]}`, "7", `"s"`)
	return []byte("{" + strings.Join(fields, ", ") + "}")
}

// oracleRow reads an event with encoding/json and writes its columns as SQL; ok=false: it is none.
func oracleRow(t *cube.Table, value []byte) (cells []string, ok bool) {
	var event map[string]json.RawMessage
	if value == nil || json.Unmarshal(value, &event) != nil {
		return nil, false
	}
	for _, c := range t.Columns {
		raw := event[c.Name]
		if outer, inner, nested := strings.Cut(c.Path, "."); nested {
			var within map[string]json.RawMessage
			if raw = event[outer]; len(raw) > 0 && json.Unmarshal(raw, &within) != nil {
				return nil, false
			}
			raw = within[inner]
		}
		cell, ok := oracleCell(c.Type, raw)
		if !ok {
			return nil, false
		}
		cells = append(cells, cell)
	}
	return cells, true
}

func oracleCell(typ cube.Type, raw json.RawMessage) (sql string, ok bool) {
	if len(raw) == 0 || string(raw) == "null" {
		return "NULL", true
	}
	var text string
	isText := json.Unmarshal(raw, &text) == nil
	quoted := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	switch typ.Kind {
	case cube.String:
		return quoted(text), isText
	case cube.JSON:
		var b bytes.Buffer
		err := json.Compact(&b, raw)
		return quoted(b.String()), err == nil
	case cube.Date:
		return "DATE " + quoted(text), isText
	case cube.Bool:
		return string(raw), string(raw) == "true" || string(raw) == "false"
	case cube.Decimal:
		if !isText {
			text = string(raw)
		}
		return fmt.Sprintf("%s::DECIMAL(%d,%d)", quoted(text), typ.Precision, typ.Scale), true
	case cube.Float64:
		return quoted(string(raw)) + "::DOUBLE", !isText
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if typ.Kind == cube.Timestamp {
		return fmt.Sprintf("make_timestamp(%d)", n*map[string]int64{"us": 1, "ms": 1000}[typ.Format]), err == nil
	}
	return quoted(strconv.FormatInt(n, 10)) + "::BIGINT", err == nil
}
