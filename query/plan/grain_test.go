package plan_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/plan"
)

// The starts that plans reckon with are the values that cells keep, in every zone, where clocks change too.
func TestStepIsGrain(t *testing.T) {
	table, err := cube.ParseTable([]byte("table: t\ntopic: t\nevent_time: {column: ts}\ncolumns: [{name: ts, type: timestamp(us)}]"), "")
	if err != nil {
		t.Fatal(err)
	}
	all := zones(t)
	rapid.Check(t, func(rt *rapid.T) {
		zone, grain := rapid.SampledFrom(all).Draw(rt, "zone"), rapid.SampledFrom(grains()).Draw(rt, "grain")
		c, err := cube.ParseCube(fmt.Appendf(nil, "cube: c\ntable: t\ntime_zone: %s\ndimensions: [%s(ts)]", zone, grain), "", table)
		if err != nil {
			rt.Fatal(err)
		}
		layout, err := cells.NewLayout(c, table)
		if err != nil {
			rt.Fatal(err)
		}
		schema := stage.NewSchema(table)
		chunk := &stage.Chunk{Columns: make([]stage.Column, len(schema.Fields))}
		chunk.Columns[0].Kind = schema.Fields[0].Kind
		var want []int64
		for i := range rapid.IntRange(1, 30).Draw(rt, "rows") {
			us := drawTime(rt, zone)
			chunk.Offsets, chunk.Timestamps = append(chunk.Offsets, int64(i)), append(chunk.Timestamps, 0)
			chunk.Columns[0].AppendInt(us)
			want = append(want, plan.StepOf(grain, zone).Start(us))
		}
		block := layout.NewBlock(layout.Base())
		if err := block.Add(schema, chunk, 0, chunk.Rows(), 0); err != nil {
			rt.Fatal(err)
		}
		got, err := block.Cells()
		if err != nil {
			rt.Fatal(err)
		}
		slices.Sort(want)
		if diff := cmp.Diff(slices.Compact(want), got.Dicts[0].Values.Ints); diff != "" {
			rt.Errorf("%s in %s: (-steps +cells):\n%s", grain, zone, diff)
		}
	})
}
