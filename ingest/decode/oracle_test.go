package decode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// The oracle reads events with encoding/json into maps and walks the paths: slow, and obviously right.

// oracleValid says whether b is what D2 accepts.
func oracleValid(b []byte) bool {
	trimmed := bytes.TrimLeft(b, " \t\r\n")
	return json.Valid(b) && utf8.Valid(b) && len(trimmed) > 0 && trimmed[0] == '{' && oracleDepth(b) <= MaxDepth
}

// oracleDepth returns how deep valid JSON is nested.
func oracleDepth(b []byte) (most int) {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
			most = max(most, depth)
		case '}', ']':
			depth--
		}
	}
	return most
}

// oracleRow returns the cells of the event, or ok=false if it must be refused.
func oracleRow(table *cube.Table, b []byte) (row []any, ok bool) {
	table = table.WithDefaults()
	if !oracleValid(b) {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var event any
	if err := dec.Decode(&event); err != nil {
		return nil, false
	}
	for _, c := range table.Columns {
		path, err := cube.ParsePath(c.Path)
		if err != nil {
			panic(err)
		}
		v, ok := oracleWalk(event, path)
		if !ok {
			return nil, false
		}
		if v != nil {
			if v, ok = oracleCell(c.Type, v); !ok {
				return nil, false
			}
		}
		if c.Name == table.EventTime.Column {
			us, ok := v.(int64)
			if !ok || us < table.EventTime.Earliest.UnixMicro() || us >= table.EventTime.Latest.UnixMicro() {
				return nil, false
			}
		}
		row = append(row, v)
	}
	return row, true
}

func oracleWalk(v any, path cube.Path) (any, bool) {
	for _, step := range path {
		if v == nil {
			return nil, true
		}
		if step.Index >= 0 {
			a, ok := v.([]any)
			if !ok {
				return nil, false
			}
			if v = nil; step.Index < len(a) {
				v = a[step.Index]
			}
			continue
		}
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		v = m[step.Key]
	}
	return v, true
}

func oracleCell(typ cube.Type, v any) (any, bool) {
	text, isText := v.(string)
	number, isNumber := v.(json.Number)
	switch typ.Kind {
	case cube.String:
		return text, isText
	case cube.Bool:
		b, ok := v.(bool)
		return b, ok
	case cube.Int64:
		n, err := strconv.ParseInt(number.String(), 10, 64)
		return n, isNumber && err == nil
	case cube.Float64:
		f, err := strconv.ParseFloat(number.String(), 64)
		return f, isNumber && err == nil
	case cube.JSON:
		return v, true
	case cube.Date:
		t, err := time.Parse(time.DateOnly, text)
		return t.Unix() / 86400, isText && err == nil
	case cube.Decimal:
		r, ok := oracleNumber(v)
		if !ok {
			return nil, false
		}
		r.Mul(r, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(typ.Scale)), nil)))
		if !r.IsInt() || len(strings.TrimPrefix(r.Num().String(), "-")) > typ.Precision {
			return nil, false
		}
		if typ.Precision > 18 {
			return r.Num().String(), true
		}
		return r.Num().Int64(), true
	}
	if typ.Format == "rfc3339" || typ.Format == "" {
		us, ok := oracleTime(text)
		return us, isText && ok
	}
	r, ok := oracleNumber(v)
	if !ok {
		return nil, false
	}
	switch typ.Format {
	case "s":
		r.Mul(r, big.NewRat(1e6, 1))
	case "ms":
		r.Mul(r, big.NewRat(1e3, 1))
	case "ns":
		r.Mul(r, big.NewRat(1, 1e3))
	}
	// Euclidean division rounds down, since denominators are positive.
	us, _ := new(big.Int).DivMod(r.Num(), r.Denom(), new(big.Int))
	return us.Int64(), us.IsInt64()
}

var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// oracleTime adds to time.Parse what it is too kind to ask for: two digits of hours, a point, a possible offset.
func oracleTime(s string) (us int64, ok bool) {
	t, err := time.Parse(time.RFC3339Nano, s)
	return t.UnixMicro(), err == nil && rfc3339.MatchString(s)
}

// oracleNumber reads a number, or a string that holds one in JSON's notation.
func oracleNumber(v any) (*big.Rat, bool) {
	text, ok := v.(string)
	if n, isNumber := v.(json.Number); isNumber {
		text, ok = n.String(), true
	}
	if !ok || text == "" || !(text[0] == '-' || isDigit(text[0])) || !isDigit(text[len(text)-1]) || !json.Valid([]byte(text)) {
		return nil, false
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	if strings.Trim(mantissa, "-0.") == "" {
		return new(big.Rat), true
	}
	if e, err := strconv.ParseInt(exponent, 10, 64); exponent != "" && (err != nil || e > 5000 || e < -5000) {
		if strings.HasPrefix(exponent, "-") { // nearly zero: as good as any other that small
			text = mantissa + "e-5000"
		} else {
			text = mantissa + "e5000"
		}
	}
	r, ok := new(big.Rat).SetString(text)
	// 38 digits are what we promise to look at.
	digits := strings.TrimRight(strings.TrimLeft(strings.Replace(strings.TrimPrefix(mantissa, "-"), ".", "", 1), "0"), "0")
	return r, ok && len(digits) <= 38
}

// sameRow compares cells of a chunk with the oracle's.
func sameRow(table *cube.Table, c *stage.Chunk, i int, want []any) string {
	got := make([]any, len(want))
	for k := range want {
		got[k] = cell(&c.Columns[k], i)
		if text, ok := got[k].(string); ok && table.Columns[k].Type.Kind == cube.JSON {
			dec := json.NewDecoder(strings.NewReader(text))
			dec.UseNumber()
			got[k] = nil
			if err := dec.Decode(&got[k]); err != nil {
				return "bad JSON in a json column: " + text
			}
			var compact bytes.Buffer
			if err := json.Compact(&compact, []byte(text)); err != nil || compact.String() != text {
				return "JSON is not compact: " + text
			}
		}
	}
	if reflect.DeepEqual(want, got) { // cmp takes exponential time on deep nesting
		return ""
	}
	return fmt.Sprintf("-%v\n+%v", want, got)
}

// anyTable has a column of each type over keys that mutations can hit.
func anyTable() *cube.Table {
	t := pageViews()
	add := func(name, path string, typ cube.Type) {
		t.Columns = append(t.Columns, cube.Column{Name: name, Path: path, Type: typ})
	}
	add("price", "price", dec(12, 2))
	add("total", "total", dec(38, 6))
	add("day", "day", cube.Type{Kind: cube.Date})
	add("sec", "sec", ts("s"))
	add("ms", "ms", ts("ms"))
	add("ns", "ns", ts("ns"))
	add("tag0", "tags[0]", cube.Type{Kind: cube.String})
	add("tag2", "tags[2]", cube.Type{Kind: cube.Int64})
	add("x", "items[1].x", cube.Type{Kind: cube.Float64})
	add("page", "page", cube.Type{Kind: cube.JSON})
	add("ctx", "ctx", cube.Type{Kind: cube.JSON})
	t.Include.Extra = true
	return t
}

const anyTail = `,"price":"12.50","total":-1234567890123456789.000001,"day":"2026-11-20","sec":1700000000.25,"ms":"1700000000123",` +
	`"ns":1700000000123456789,"tags":["a",null,7],"items":[{"x":1},{"y":[true,{}],"x":-2.5e-3}],"ctx":{"a":[1,{"b":"\u00e4"}]}}`

// anyEvent is a page view with a value for every column of anyTable.
func anyEvent(pageView []byte) []byte {
	return append(pageView[:len(pageView)-1:len(pageView)-1], anyTail...)
}
