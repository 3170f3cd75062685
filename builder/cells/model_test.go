package cells

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// testTable has a column of every type.
func testTable() *cube.Table {
	t := &cube.Table{Name: "t", Topic: "t", EventTime: cube.EventTime{Column: "ts"}}
	for _, c := range []string{
		"ts timestamp(us)", "when timestamp(us)", "day date", "flag bool", "num int64", "small int64", "float float64",
		"price decimal(12,2)", "big decimal(38,3)", "name string", "url string",
	} {
		name, text, _ := strings.Cut(c, " ")
		typ, err := cube.ParseType(text)
		if err != nil {
			panic(err)
		}
		t.Columns = append(t.Columns, cube.Column{Name: name, Type: typ})
	}
	return t
}

func testLayout(t testing.TB, zone string, dims []string, measures ...cube.Measure) *Layout {
	t.Helper()
	c := &cube.Cube{Name: "c", Table: "t", TimeZone: zone, Measures: measures}
	for _, d := range dims {
		column, grain, _ := strings.Cut(d, "/")
		c.Dimensions = append(c.Dimensions, cube.Dimension{Column: column, Grain: cube.Grain(grain)})
	}
	l, err := NewLayout(c, testTable())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// row is an event: values of testTable's columns as int64, float64, []byte or *big.Int, nil for null.
type row struct {
	offset    int64
	partition int32
	values    []any
}

// chunkOf lays rows of one partition out as columns; with dictionaries where coded.
func chunkOf(s *stage.Schema, rows []row, coded bool) *stage.Chunk {
	c := stage.NewChunk(s)
	for _, r := range rows {
		c.Offsets = append(c.Offsets, r.offset)
		c.Timestamps = append(c.Timestamps, 0)
		for i := range s.Fields {
			appendValue(&c.Columns[i], r.values[i])
		}
	}
	for i := range c.Columns {
		if coded {
			c.Columns[i] = encode(&c.Columns[i])
		}
	}
	return c
}

func appendValue(c *stage.Column, v any) {
	switch v := v.(type) {
	case nil:
		c.AppendNull()
	case int64:
		c.AppendInt(v)
	case float64:
		c.AppendFloat(v)
	case []byte:
		c.AppendBytes(v)
	case *big.Int:
		b := bigTo128(v).bytes()
		c.AppendBytes(b[:])
	}
}

func bigTo128(v *big.Int) int128 {
	b := new(big.Int).And(v, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1)))
	return int128{int64(new(big.Int).Rsh(b, 64).Uint64()), new(big.Int).And(b, new(big.Int).SetUint64(math.MaxUint64)).Uint64()}
}

func bigOf(b []byte) *big.Int {
	v := int128Of(b)
	return new(big.Int).Add(new(big.Int).Lsh(big.NewInt(v.hi), 64), new(big.Int).SetUint64(v.lo))
}

// encode gives a column a dictionary in order of appearance.
func encode(c *stage.Column) stage.Column {
	out := stage.Column{Kind: c.Kind, Nulls: c.Nulls, Dict: &stage.Column{Kind: c.Kind}}
	seen := map[string]uint32{}
	for i := range c.Len() {
		if c.IsNull(i) {
			out.Codes = append(out.Codes, 0)
			continue
		}
		v := valueAt(c, i)
		id := fmt.Sprint(v)
		if f, ok := v.(float64); ok {
			id = fmt.Sprint(math.Float64bits(f))
		}
		code, ok := seen[id]
		if !ok {
			code = uint32(out.Dict.Len())
			seen[id] = code
			appendValue(out.Dict, v)
		}
		out.Codes = append(out.Codes, code)
	}
	return out
}

// valueAt returns a value in the model's form.
func valueAt(c *stage.Column, i int) any {
	switch {
	case c.IsNull(i):
		return nil
	case c.Kind == stage.Float64:
		return c.Float(i)
	case c.Kind == stage.Bytes:
		return append([]byte{}, c.Bytes(i)...)
	case c.Kind == stage.Decimal128:
		return bigOf(c.Bytes(i))
	}
	return c.Int(i)
}

// text writes a value so that equal ones are the same text.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case []byte:
		return fmt.Sprintf("%q", v)
	case float64:
		if v == 0 {
			v = 0
		}
		return fmt.Sprint(v)
	}
	return fmt.Sprint(v)
}

// slowGrain is the start of v's span by the calendar of the time package.
func slowGrain(d *Dim, zone *time.Location, v any) any {
	n, ok := v.(int64)
	if !ok || d.Grain == "" {
		return v
	}
	if d.Type.Kind == cube.Date {
		y, m, day := time.Unix(n*86400, 0).UTC().Date()
		return startOf(d.Grain, y, m, day, time.UTC).Unix() / 86400
	}
	t := time.UnixMicro(n).In(zone)
	y, m, day := t.Date()
	us := int64(t.Nanosecond() / 1000)
	switch d.Grain {
	case cube.Second:
		return n - us
	case cube.Minute:
		return n - us - int64(t.Second())*1e6
	case cube.Hour:
		return n - us - int64(t.Second())*1e6 - int64(t.Minute())*60e6
	}
	return startOf(d.Grain, y, m, day, zone).UnixMicro()
}

// groupSlowly groups rows by the values of a mask's dimensions; keys are in the form of text.
func groupSlowly(l *Layout, s *stage.Schema, mask uint64, rows []row) map[string][]row {
	out := map[string][]row{}
	for _, r := range rows {
		key := ""
		for i := range l.Dims {
			if mask&l.bit(i) != 0 {
				key += text(slowGrain(&l.Dims[i], l.zone, r.values[s.Field(l.Dims[i].Column)])) + "|"
			}
		}
		out[key] = append(out[key], r)
	}
	return out
}

// keyText returns the key of a row of cells as groupSlowly has it.
func keyText(c *Cells, i int) string {
	key := ""
	for dim, d := range c.Dicts {
		if d == nil {
			continue
		}
		code := c.Keys.Code(i, dim)
		if code == 0 {
			key += text(nil) + "|"
		} else {
			key += text(valueAt(&d.Values, int(code-1))) + "|"
		}
	}
	return key
}

// stateText returns what is stored of a row's state of one measure.
func stateText(s States, i int) string {
	out := ""
	for _, c := range s.Columns(i, i+1) {
		out += text(valueAt(&c, 0)) + ";"
	}
	return out
}
