package plan

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// Nothing is cut by time before NextDue, and something at it; without one nothing is however long it takes.
func TestNextDue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		begin := time.Unix(1_700_000_000, 0)
		in := CutInput{
			Since: begin, Now: begin.Add(time.Duration(rapid.IntRange(0, 7200).Draw(t, "waited s")) * time.Second), Room: 1,
			Generations: segmenter.Generations{{End: 10}}, From: segmenter.Vector{{}},
			Rules: CutRules{Age: time.Duration(rapid.IntRange(0, 7200).Draw(t, "age s")) * time.Second, Rows: 1000},
		}
		for _, spec := range rapid.SliceOfN(rapid.SampledFrom([]string{"0 * * * *", "*/7 3 * * *", "30 6 1 * *"}), 0, 2).Draw(t, "crons") {
			c, err := ParseCron(spec, time.UTC)
			if err != nil {
				t.Fatal(err)
			}
			in.Rules.Crons = append(in.Rules.Crons, c)
		}
		cut := func(at time.Time) bool {
			now := in
			now.Now = at
			p, err := Cuts(now)
			if err != nil {
				t.Fatal(err)
			}
			return len(p.Cuts) > 0
		}
		if cut(in.Now) {
			return
		}
		due := in.NextDue()
		switch {
		case due.IsZero():
			if cut(in.Now.Add(100 * 24 * time.Hour)) {
				t.Fatalf("%+v: NextDue says never, but it is cut later", in)
			}
		case cut(due.Add(-1)):
			t.Fatalf("%+v: cut before NextDue %s", in, due)
		case !cut(due):
			t.Fatalf("%+v: not cut at NextDue %s", in, due)
		}
	})
}
