package cells

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// goldenStates returns what is stored of states of 0, 1, 2, 20 and 900 values, in hex; long ones are cut and hashed.
func goldenStates(t *testing.T) string {
	s := stage.NewSchema(testTable())
	l := testLayout(t, "UTC", []string{"small"},
		cube.Measure{Function: cube.CountDistinct, Column: "num", Precision: 8}, cube.Measure{Function: cube.CountDistinct, Column: "name", Precision: 12},
		cube.Measure{Function: cube.CountDistinctExact, Column: "num"}, cube.Measure{Function: cube.CountDistinctExact, Column: "name"},
		cube.Measure{Function: cube.Percentile, Column: "float", Compression: 20}, cube.Measure{Function: cube.TopN, By: []string{"name", "num"}, N: 1},
		cube.Measure{Function: cube.TopN, By: []string{"flag", "big"}, Column: "float", N: 1}, cube.Measure{Function: cube.Avg, Column: "big"},
		cube.Measure{Function: cube.Last, Column: "name"})
	var rows []row
	for small, n := range []int{0, 1, 2, 20, 900} {
		for i := range n + 1 {
			r := row{offset: int64(len(rows)), partition: 3, values: make([]any, len(s.Fields))}
			r.values[s.EventTime], r.values[s.Field("small")] = int64(1_600_000_000_000_000+i%7), int64(small)
			if i > 0 {
				r.values[s.Field("num")], r.values[s.Field("name")] = int64(i-2), fmt.Appendf(nil, "v\x00%d", i)
				r.values[s.Field("float")], r.values[s.Field("flag")] = float64(i)/4, int64(i%2)
				r.values[s.Field("big")] = bigOf(append(make([]byte, 14), byte(i%3), 7))
			}
			rows = append(rows, r)
		}
	}
	b := l.NewBlock(l.Base())
	b.IDs = func(_ string, values *stage.Column) (ids []uint32, _ error) {
		for i := range values.Len() {
			ids = append(ids, uint32(3*i))
		}
		return ids, nil
	}
	if err := b.Add(s, chunkOf(s, rows, true), 0, len(rows), 3); err != nil {
		t.Fatal(err)
	}
	c := must(b.Cells())
	var out strings.Builder
	for k := range l.Measures {
		for i, spec := range l.Measures[k].Columns() {
			for row := range c.Len() {
				col := c.States[k].Columns(row, row+1)[i]
				text := text(valueAt(&col, 0))
				if col.Kind == stage.Bytes && !col.IsNull(0) {
					text = hex.EncodeToString(col.Bytes(0))
				}
				if len(text) > 400 {
					h1, h2 := murmur([]byte(text))
					text = fmt.Sprintf("%s... %d bytes, murmur3 of the hex %016x%016x", text[:200], len(text)/2, h1, h2)
				}
				fmt.Fprintf(&out, "%s of %s: %s\n", spec.Name, keyText(c, row), text)
			}
		}
	}
	return out.String()
}

// TestGoldenStates holds the bytes of states against those of version 1, which are never written again.
func TestGoldenStates(t *testing.T) {
	want, err := os.ReadFile("testdata/format/v1/states.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), goldenStates(t)); diff != "" {
		t.Errorf("states (-version 1 +now):\n%s", diff)
	}
}
