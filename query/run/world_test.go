package run

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// testTable has a column of every type.
func testTable(t testing.TB) *cube.Table {
	t.Helper()
	out := &cube.Table{Name: "t", Topic: "t", EventTime: cube.EventTime{Column: "ts"}}
	for _, c := range []string{
		"ts timestamp(us)", "day date", "flag bool", "num int64", "float float64", "price decimal(12,2)", "big decimal(38,3)", "name string",
	} {
		name, text, _ := strings.Cut(c, " ")
		typ, err := cube.ParseType(text)
		if err != nil {
			t.Fatal(err)
		}
		out.Columns = append(out.Columns, cube.Column{Name: name, Type: typ})
	}
	return out
}

func testMeasures() (out []cube.Measure) {
	for _, m := range []string{
		"count", "count name", "sum num", "sum float", "sum price", "sum big", "avg num", "avg float", "avg price", "min ts", "max name", "min big",
		"max float", "min flag", "max day", "count_distinct name", "count_distinct_exact num", "percentile float", "percentile price", "first name", "last num", "count num",
	} {
		f, column, _ := strings.Cut(m, " ")
		out = append(out, cube.Measure{Function: cube.Function(f), Column: column})
	}
	return append(out, cube.Measure{Name: "top", Function: cube.TopN, By: []string{"name"}}, cube.Measure{Name: "tops", Function: cube.TopN, By: []string{"name", "num"}})
}

func layoutOf(t testing.TB, dims []string, measures []cube.Measure) *cells.Layout {
	t.Helper()
	c := &cube.Cube{Name: "c", Table: "t", Measures: measures}
	for _, d := range dims {
		c.Dimensions = append(c.Dimensions, cube.Dimension{Column: d})
	}
	l, err := cells.NewLayout(c.WithDefaults(), testTable(t))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// event is values of testTable's columns: int64, float64, string or *big.Int, nil for null.
type event []any

const (
	tsAt = iota
	dayAt
	flagAt
	numAt
	floatAt
	priceAt
	bigAt
	nameAt
)

func columnNames() []string {
	return []string{"ts", "day", "flag", "num", "float", "price", "big", "name"}
}

func drawEvents(r *rapid.T, most int) []event {
	out := make([]event, rapid.IntRange(0, most).Draw(r, "events"))
	draw := func(of ...any) any { return rapid.SampledFrom(of).Draw(r, "value") }
	for i := range out {
		out[i] = event{
			draw(int64(0), int64(60e6), int64(120e6), int64(-60e6)), draw(nil, int64(-3), int64(0), int64(20000)), draw(nil, int64(0), int64(1)),
			draw(nil, int64(math.MinInt64), int64(-7), int64(0), int64(1), int64(12), int64(math.MaxInt64)),
			draw(nil, math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0.0, 0.5, -2.25),
			draw(nil, int64(0), int64(-1), int64(1999)), draw(nil, big.NewInt(0), new(big.Int).Lsh(big.NewInt(-5), 100), big.NewInt(1500)),
			draw(nil, "", "a", "ab", "b", "\xff", "a\x00"),
		}
	}
	return out
}

func appendValue(c *stage.Column, v any) {
	switch v := v.(type) {
	case nil:
		c.AppendNull()
	case int64:
		c.AppendInt(v)
	case float64:
		c.AppendFloat(v)
	case string:
		c.AppendBytes([]byte(v))
	case *big.Int:
		var b [16]byte
		x := new(big.Int).And(v, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1)))
		x.FillBytes(b[:])
		c.AppendBytes(b[:])
	}
}

// valueAt returns a value in the form of an event.
func valueAt(c *stage.Column, i int) any {
	switch {
	case c.IsNull(i):
		return nil
	case c.Kind == stage.Float64:
		return c.Float(i)
	case c.Kind == stage.Bytes:
		return string(c.Bytes(i))
	case c.Kind == stage.Decimal128:
		return bigOf(int64(binary.BigEndian.Uint64(c.Bytes(i))), binary.BigEndian.Uint64(c.Bytes(i)[8:]))
	}
	return c.Int(i)
}

func bigOf(hi int64, lo uint64) *big.Int {
	v := new(big.Int).Lsh(big.NewInt(hi), 64)
	return v.Add(v, new(big.Int).SetUint64(lo))
}

// cellsOf groups events, the first of which has the offset, to the cells of a cuboid.
func cellsOf(t testing.TB, l *cells.Layout, mask uint64, events []event, offset int64) *cells.Cells {
	t.Helper()
	s := stage.NewSchema(testTable(t))
	c := stage.NewChunk(s)
	for i, e := range events {
		c.Offsets, c.Timestamps = append(c.Offsets, offset+int64(i)), append(c.Timestamps, 0)
		for k := range s.Fields {
			appendValue(&c.Columns[k], e[k])
		}
	}
	b := l.NewBlock(mask)
	if err := b.Add(s, c, 0, len(events), 0); err != nil {
		t.Fatal(err)
	}
	out, err := b.Cells()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// compareAny orders two values that are not null, NaN last.
func compareAny(a, b any) int {
	switch a := a.(type) {
	case int64:
		return cmp.Compare(a, b.(int64))
	case float64:
		f := b.(float64)
		if a != a || f != f {
			return boolInt(a != a) - boolInt(f != f)
		}
		return cmp.Compare(a, f)
	case *big.Int:
		return a.Cmp(b.(*big.Int))
	}
	return cmp.Compare(a.(string), b.(string))
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// text2 writes a value so that equal ones are the same text.
func text2(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return fmt.Sprintf("%q", v)
	case float64:
		if v == 0 {
			v = 0
		}
		return fmt.Sprintf("%.12g", v) // a percentile between two values is rounded
	case listText:
		return string(v)
	}
	return fmt.Sprint(v)
}

// tester is a testing.TB or a rapid.T.
type tester interface {
	Helper()
	Fatal(args ...any)
}

// arrowText writes value i of an array as text2 does.
func arrowText(t tester, a arrow.Array, i int) string {
	t.Helper()
	if a.IsNull(i) {
		return "null"
	}
	switch a := a.(type) {
	case *array.Decimal128:
		v := a.Value(i)
		return text2(bigOf(v.HighBits(), v.LowBits()))
	case *array.List:
		from, to := a.ValueOffsets(i)
		var parts []string
		for k := from; k < to; k++ {
			parts = append(parts, arrowText(t, a.ListValues(), int(k)))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case *array.Struct:
		var parts []string
		for k := range a.NumField() {
			parts = append(parts, arrowText(t, a.Field(k), i))
		}
		return strings.Join(parts, "+")
	}
	c, err := FromArrow(a)
	if err != nil {
		t.Fatal(err)
	}
	return text2(valueAt(c, i))
}

// recordRows returns the rows of a record as texts.
func recordRows(t tester, rec arrow.Record) []string {
	t.Helper()
	out := make([]string, rec.NumRows())
	for c := range int(rec.NumCols()) {
		for i := range out {
			out[i] += arrowText(t, rec.Column(c), i) + "|"
		}
	}
	return out
}

// aggregate is one of the test's aggregates and what it is of events, slowly.
type aggregate struct {
	Aggregate
	measures []string
	slow     func(events []event) any
}

func present(events []event, at int) (out []any) {
	for _, e := range events {
		if e[at] != nil {
			out = append(out, e[at])
		}
	}
	return out
}

func slowSum(vs []any) any {
	if len(vs) == 0 {
		return nil
	}
	if _, ok := vs[0].(float64); ok {
		sum := 0.0
		for _, v := range vs {
			sum += v.(float64)
		}
		return sum
	}
	sum := new(big.Int)
	for _, v := range vs {
		if b, ok := v.(*big.Int); ok {
			sum.Add(sum, b)
		} else {
			sum.Add(sum, big.NewInt(v.(int64)))
		}
	}
	return sum
}

func slowAvg(vs []any, scale int) any {
	if len(vs) == 0 {
		return nil
	}
	if f, ok := slowSum(vs).(float64); ok {
		return f / float64(len(vs))
	}
	f, _ := new(big.Float).SetInt(slowSum(vs).(*big.Int)).Float64()
	return f / (float64(len(vs)) * math.Pow10(scale))
}

func slowLeast(vs []any, most bool) any {
	if len(vs) == 0 {
		return nil
	}
	if most {
		return slices.MaxFunc(vs, compareAny)
	}
	return slices.MinFunc(vs, compareAny)
}

func slowDistinct(vs []any) any {
	seen := map[string]bool{}
	for _, v := range vs {
		if v != "" { // counts for nothing in a sketch
			seen[text2(v)] = true
		}
	}
	return int64(len(seen))
}

// slowQuantile is quantile_cont.
func slowQuantile(vs []any, q, unit float64) any {
	var fs []float64
	for _, v := range vs {
		f, ok := v.(float64)
		if !ok {
			f = float64(v.(int64)) / unit
		}
		if f == f {
			fs = append(fs, min(max(f, -math.MaxFloat64), math.MaxFloat64))
		}
	}
	if len(fs) == 0 {
		return nil
	}
	slices.Sort(fs)
	rank := q * float64(len(fs)-1)
	low := int(rank)
	if low == len(fs)-1 {
		return fs[low]
	}
	share := rank - float64(low)
	return fs[low]*(1-share) + fs[low+1]*share
}

func slowTop(events []event, n int, at ...int) any {
	counts, order := map[string]int{}, []string{}
	for _, e := range events {
		var parts, sort []string
		for _, k := range at {
			parts = append(parts, text2(e[k]))
			switch v := e[k].(type) {
			case nil:
				sort = append(sort, "\x00")
			case int64:
				sort = append(sort, fmt.Sprintf("\x01%020d", uint64(v)^1<<63))
			case string:
				sort = append(sort, "\x01"+strings.ReplaceAll(v, "\x00", "\x00\xff")+"\x00\x00")
			}
		}
		key := strings.Join(sort, "") + "\xfe\xfe\xfe" + strings.Join(parts, "+")
		if counts[key]++; counts[key] == 1 {
			order = append(order, key)
		}
	}
	if len(order) == 0 {
		return nil
	}
	slices.SortFunc(order, func(a, b string) int { return cmp.Or(counts[b]-counts[a], strings.Compare(a, b)) })
	var out []string
	for _, key := range order[:min(n, len(order))] {
		_, value, _ := strings.Cut(key, "\xfe\xfe\xfe")
		out = append(out, value)
	}
	return listText("[" + strings.Join(out, " ") + "]")
}

// listText is not quoted by text2.
type listText string

// slowFirst: events are in the order of offsets.
func slowFirst(events []event, at int, last bool) any {
	var best event
	for _, e := range events {
		if e[at] == nil {
			continue
		}
		if best == nil || !last && e[tsAt].(int64) < best[tsAt].(int64) || last && e[tsAt].(int64) >= best[tsAt].(int64) {
			best = e
		}
	}
	if best == nil {
		return nil
	}
	return best[at]
}
