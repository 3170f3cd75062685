package cells

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/apache/datasketches-go/hll"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// testIDs is a dictionary whose ids are hashes.
func testIDs(_ string, values *stage.Column) (ids []uint32, _ error) {
	for i := range values.Len() {
		ids = append(ids, testID(values.Bytes(i)))
	}
	return ids, nil
}

func testID(v []byte) uint32 {
	h := fnv.New32a()
	h.Write(v)
	return h.Sum32()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func slowHLL(m *Measure, vs []any) any {
	sketch := must(hll.NewHllSketch(m.Precision, hll.TgtHllTypeHll8))
	for _, v := range vs {
		var err error
		switch v := v.(type) {
		case int64:
			err = sketch.UpdateInt64(v)
		case float64:
			switch {
			case v != v:
				err = sketch.UpdateInt64(0x7ff8000000000000)
			default:
				err = sketch.UpdateInt64(int64(math.Float64bits(v + 0)))
			}
		case []byte:
			err = sketch.UpdateSlice(v)
		case *big.Int:
			b := bigTo128(v).bytes()
			err = sketch.UpdateSlice(b[:])
		}
		if err != nil {
			panic(err)
		}
	}
	return canonicalSketch(must(sketch.ToCompactSlice()))
}

func slowExact(m *Measure, vs []any) any {
	if m.of.kind == stage.Bytes {
		b := roaring.New()
		for _, v := range vs {
			b.Add(testID(v.([]byte)))
		}
		b.RunOptimize()
		return must(b.ToBytes())
	}
	b := roaring64.New()
	for _, v := range vs {
		b.Add(uint64(v.(int64)))
	}
	b.RunOptimize()
	return must(b.ToBytes())
}

func slowFirst(m *Measure, s *stage.Schema, rows []row) string {
	var best *row
	var at [3]int64
	for i := range rows {
		r := &rows[i]
		if r.values[s.Field(m.Column)] == nil {
			continue
		}
		p := [3]int64{r.values[s.EventTime].(int64), int64(r.partition), r.offset}
		order := slices.Compare(p[:], at[:])
		if best == nil || order < 0 && m.Function == cube.First || order > 0 && m.Function == cube.Last {
			best, at = r, p
		}
	}
	if best == nil {
		return "null;null;null;null;"
	}
	return fmt.Sprintf("%s;%d;%d;%d;", text(slowWord(best.values[s.Field(m.Column)])), at[0], at[1], at[2])
}

// slowWord turns -0 into 0, as ordered words do.
func slowWord(v any) any {
	if f, ok := v.(float64); ok && f == 0 {
		return 0.0
	}
	return v
}

// slowTop writes the bytes of a top_n over rows that have fewer values than it keeps.
func slowTop(m *Measure, s *stage.Schema, rows []row) any {
	sums := map[string][]any{}
	for _, r := range rows {
		var w any = int64(1)
		if m.Column != "" {
			if w = r.values[s.Field(m.Column)]; w == nil {
				continue
			}
		}
		var tuple []byte
		for _, by := range m.by {
			c := stage.Column{Kind: by.kind}
			appendValue(&c, r.values[s.Field(by.name)])
			tuple = appendTuple(tuple, by.kind, &c, 0)
		}
		sums[string(tuple)] = append(sums[string(tuple)], w)
	}
	type ranked struct {
		tuple string
		sum   any
	}
	var all []ranked
	for tuple, vs := range sums {
		all = append(all, ranked{tuple, slowSum(vs)})
	}
	slices.SortFunc(all, func(a, b ranked) int {
		switch {
		case slowLess(b.sum, a.sum):
			return -1
		case slowLess(a.sum, b.sum):
			return 1
		}
		return strings.Compare(a.tuple, b.tuple)
	})
	number := func(b []byte, v any) []byte {
		if f, ok := v.(float64); ok {
			return appendWeight(b, real(f))
		}
		return appendWeight(b, bigTo128(v.(*big.Int)))
	}
	var zero any = new(big.Int)
	if m.of.kind == stage.Float64 && m.Column != "" {
		zero = 0.0
	}
	out := number(binary.AppendUvarint([]byte{topVersion}, uint64(len(all))), zero)
	for _, r := range all {
		out = append(binary.AppendUvarint(out, uint64(len(r.tuple))), r.tuple...)
		out = number(number(out, r.sum), zero)
	}
	return out
}

// slowDigest writes the bytes of a digest of few values.
func slowDigest(m *Measure, vs []any) any {
	var fs []float64
	for _, v := range vs {
		var f float64
		switch v := v.(type) {
		case float64:
			if v != v {
				continue
			}
			f = min(max(v, -math.MaxFloat64), math.MaxFloat64) + 0
		case int64:
			f = float64(v) / math.Pow10(m.of.typ.Scale)
		case *big.Int:
			f, _ = new(big.Float).SetInt(v).Float64()
			f /= math.Pow10(m.of.typ.Scale)
		}
		fs = append(fs, f)
	}
	slices.Sort(fs)
	size, flags := byte(2), byte(0)
	switch len(fs) {
	case 0:
		size, flags = 1, 1
	case 1:
		size, flags = 1, 2
	}
	var b bytes.Buffer
	put := func(vs ...any) {
		for _, v := range vs {
			if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
				panic(err)
			}
		}
	}
	put(size, uint8(1), uint8(20), uint16(m.Compression), flags, uint16(0))
	switch {
	case len(fs) == 1:
		put(fs[0])
	case len(fs) > 1:
		put(uint32(len(fs)), uint32(0), fs[0], fs[len(fs)-1])
		for _, f := range fs {
			put(f, uint64(1))
		}
	}
	return b.Bytes()
}

func sketchMeasures() (out []cube.Measure) {
	for _, col := range []string{"when", "day", "flag", "num", "small", "float", "price", "big", "name"} {
		out = append(out, cube.Measure{Function: cube.CountDistinct, Column: col, Precision: 4 + len(col)})
		for _, f := range []cube.Function{cube.First, cube.Last} {
			out = append(out, cube.Measure{Function: f, Column: col})
		}
	}
	for _, col := range []string{"when", "day", "flag", "num", "small", "name"} {
		out = append(out, cube.Measure{Function: cube.CountDistinctExact, Column: col})
	}
	for _, col := range []string{"num", "float", "price", "big"} {
		out = append(out, cube.Measure{Function: cube.Percentile, Column: col, Compression: 100})
	}
	for _, col := range []string{"", "small", "float", "price", "big"} {
		for _, by := range [][]string{{"name"}, {"big", "float"}, {"small", "name", "flag", "when"}} {
			out = append(out, cube.Measure{Function: cube.TopN, Column: col, By: by})
		}
	}
	return out
}
