package builder

import (
	"fmt"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// BenchmarkPasses measures what the timer makes, over cubes of which none has anything to do: plan_cut and recover come
// every second.
func BenchmarkPasses(b *testing.B) {
	for _, cubes := range []int{1, 1000} {
		w := newWorld(b, 4, byHand)
		for i := range cubes {
			def, err := cube.ParseCube(fmt.Appendf(nil, "cube: c%d\ntable: events\ndimensions: [n]\nmeasures: [count]\ncut: {age: 1h}\n", i), "c.yaml", w.table)
			must(b, err)
			_, err = w.cat.ApplyCube(b.Context(), def.WithDefaults())
			must(b, err)
		}
		w.stage(0, 0, 10)
		bb := w.builder(nil)
		for name, pass := range map[string]func() error{
			"plan_cut": func() error { _, err := bb.planCut(b.Context(), scheduler.Task{}); return err },
			"recover":  func() error { _, err := bb.recover(b.Context(), scheduler.Task{}); return err },
		} {
			b.Run(fmt.Sprintf("%s/cubes=%d", name, cubes), func(b *testing.B) {
				must(b, pass()) // the first one reads every cube
				for b.Loop() {
					must(b, pass())
				}
			})
		}
	}
}
