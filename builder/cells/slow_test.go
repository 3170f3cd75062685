package cells

import (
	"fmt"
	"math/big"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// slowState returns what is to be stored for events, as stateText writes it.
func slowState(m *Measure, s *stage.Schema, rows []row) string {
	var vs []any
	for _, r := range rows {
		if m.Column == "" {
			vs = append(vs, int64(1))
		} else if v := r.values[s.Field(m.Column)]; v != nil {
			vs = append(vs, v)
		}
	}
	switch m.Function {
	case cube.Count:
		return fmt.Sprintf("%d;", len(vs))
	case cube.Sum:
		return text(slowSum(vs)) + ";"
	case cube.Avg:
		return fmt.Sprintf("%s;%d;", text(slowSum(vs)), len(vs))
	case cube.CountDistinct:
		return text(slowHLL(m, vs)) + ";"
	case cube.CountDistinctExact:
		return text(slowExact(m, vs)) + ";"
	case cube.Percentile:
		return text(slowDigest(m, vs)) + ";"
	case cube.TopN:
		return text(slowTop(m, s, rows)) + ";"
	case cube.First, cube.Last:
		return slowFirst(m, s, rows)
	}
	return text(slowLeast(vs, m.Function == cube.Max)) + ";"
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

func slowLeast(vs []any, most bool) (out any) {
	for _, v := range vs {
		if out == nil || slowLess(v, out) != most && slowLess(v, out) != slowLess(out, v) {
			out = v
		}
	}
	return out
}

// slowLess orders two values: NaN is above all.
func slowLess(a, b any) bool {
	switch a := a.(type) {
	case int64:
		return a < b.(int64)
	case float64:
		f := b.(float64)
		return a < f || a == a && f != f
	case *big.Int:
		return a.Cmp(b.(*big.Int)) < 0
	}
	return string(a.([]byte)) < string(b.([]byte))
}
