package builder

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// hookStore calls a function before it creates the definition of a cube: in the midst of a task that plans, behind its look
// at the cube.
type hookStore struct {
	blob.Store
	hook func()
}

func (s *hookStore) Create(ctx context.Context, key string, body io.Reader) error {
	if strings.HasPrefix(key, "cubes/") {
		s.hook()
	}
	return s.Store.Create(ctx, key, body)
}

func wantPlans(t *testing.T, reg *prometheus.Registry, applied, discarded float64) {
	t.Helper()
	families, err := reg.Gather()
	must(t, err)
	for name, want := range map[string]float64{"applied": applied, "discarded": discarded} {
		got := -1.0
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == "tidemark_builder_plans_"+name+"_total" && m.GetLabel()[0].GetValue() == KindRetire {
					got = m.GetCounter().GetValue()
				}
			}
		}
		if got != want {
			t.Errorf("plans that retire: got %v %s, want %v", got, name, want)
		}
	}
}

// B1: a segment is published while the retention of its cube is planned. The plan is discarded, which is counted, and made again at
// once.
func TestMaintenanceIsPlannedAgain(t *testing.T) {
	w := newWorld(t, 1, byHand+"retention: 1d\n")
	st, reg := &hookStore{Store: w.store}, prometheus.NewRegistry()
	b := w.builder(func(o *Options) { o.Store, o.Registry = st, reg })
	w.pieces(b, 3)
	w.stage(0, 30, 40)
	_, err := b.Build(t.Context(), BuildRequest{Request: w.request()})
	must(t, err)
	times := 0
	st.hook = func() {
		times++
		w.run(b)
	}
	_, err = b.maintain(t.Context(), w.cube.ID)
	must(t, err)
	if times != 1 {
		t.Fatalf("the hook was called %d times, want once", times)
	}
	w.wantSegments("4 ready p0 [30,40) 10 events") // 3 too: it is not the last any more
	wantPlans(t, reg, 1, 1)
}

// B1: a task gives up after so many plans, each of which was counted, and is no failure.
func TestReplanningIsBounded(t *testing.T) {
	w := newWorld(t, 1, byHand)
	reg := prometheus.NewRegistry()
	b := w.builder(func(o *Options) { o.Registry = reg })
	w.pieces(b, 2)
	times := 0
	spawn, err := b.applyTask(t.Context(), func(ctx context.Context) (*Plan, error) {
		times++
		s, err := b.snapshotOf(ctx, w.cube.ID)
		must(t, err)
		p := s.plan()
		p.Actions = []Action{{Kind: KindRetire, Replaces: []int64{1}, Reason: "test"}, {Kind: KindRetire, Replaces: []int64{2}, Reason: "test"}}
		must(t, w.cat.SetCubeState(ctx, w.cube.ID, catalog.CubeState{Enabled: true, Reason: fmt.Sprint(times)}))
		return &p, nil
	})
	if err != nil || len(spawn) != 0 || times != maxReplan {
		t.Errorf("got %d tasks, %v after %d plans, want none after %d", len(spawn), err, times, maxReplan)
	}
	wantPlans(t, reg, 0, maxReplan)
	w.wantSegments("1 ready p0 [0,10) 10 events", "2 ready p0 [10,20) 10 events")
}
