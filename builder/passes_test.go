package builder

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// define stores another cube of the world's table.
func (w *world) define(name, rules string) *cube.Cube {
	w.t.Helper()
	def, err := cube.ParseCube([]byte("cube: "+name+"\ntable: events\ndimensions: [n]\nmeasures: [count]\n"+rules), name+".yaml", w.table)
	must(w.t, err)
	applied, err := w.cat.ApplyCube(w.t.Context(), def.WithDefaults())
	must(w.t, err)
	return applied.Cube
}

// passes are what the timer makes often.
func passes(b *Builder) map[string]func(t testing.TB) []string {
	run := func(list []scheduler.Submission, err error) func(t testing.TB) []string {
		return func(t testing.TB) (out []string) {
			t.Helper()
			must(t, err)
			for _, s := range list {
				out = append(out, s.Kind+" "+string(s.Spec))
			}
			return out
		}
	}
	none := scheduler.Task{}
	return map[string]func(t testing.TB) []string{
		taskPlanCut:         func(t testing.TB) []string { return run(b.planCut(t.Context(), none))(t) },
		taskPlanRefresh:     func(t testing.TB) []string { return run(b.planRefresh(t.Context(), none))(t) },
		taskPlanMaintenance: func(t testing.TB) []string { return run(b.planMaintenance(t.Context(), none))(t) },
		taskRecover:         func(t testing.TB) []string { return run(b.recover(t.Context(), none))(t) },
	}
}

// settle passes until nothing asks for anything, and maintains every cube.
func settle(t testing.TB, w *world, b *Builder) {
	t.Helper()
	for _, pass := range passes(b) {
		pass(t)
	}
	cubes, err := w.cat.Cubes(t.Context(), "")
	must(t, err)
	for _, c := range cubes {
		_, err := b.maintain(t.Context(), c.Cube.ID)
		must(t, err)
	}
	for name, pass := range passes(b) {
		if got := pass(t); len(got) > 0 {
			t.Fatalf("%s asks for %q of idle cubes", name, got)
		}
	}
}

// A pass over cubes of which none has anything to do asks the catalog as often for one cube as for fifty.
func TestIdlePassesAskOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := map[string]int64{taskPlanCut: 2, taskPlanRefresh: 2, taskPlanMaintenance: 1, taskRecover: 1}
		for _, cubes := range []int{1, 50} {
			w := newWorld(t, 3, byHand)
			for i := range cubes {
				w.define(fmt.Sprint("c", i), "cut: {age: 10h}\n")
			}
			w.stage(0, 0, 10)
			b := w.builder(nil)
			settle(t, w, b)
			for range 3 {
				time.Sleep(time.Second)
				for name, pass := range passes(b) {
					before := w.cat.Calls()
					pass(t)
					if got := w.cat.Calls() - before; got != want[name] {
						t.Errorf("%s over %d idle cubes: %d calls, want %d", name, cubes, got, want[name])
					}
				}
			}
		}
	})
}

// What the passes ask for is what a look at every cube would, whatever has happened in between, after a restart too.
func TestPassesMissNothing(t *testing.T) {
	seeds := uint64(2)
	if os.Getenv("TIDEMARK_TEST_SOAK") != "" {
		seeds = 100
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				missNothing(t, rand.New(rand.NewPCG(seed, 5)), func(d time.Duration) { time.Sleep(d) })
			})
		})
	}
}

func missNothing(t *testing.T, r *rand.Rand, wait func(d time.Duration)) {
	w := newWorld(t, 2, "cut: {age: 40s}\nmerge: {manual: true}\n")
	x := &passWorld{world: w, r: r, random: newRandomWorld(w, nil, r)}
	w.log.setEnds(map[int32]int64{})
	fast, slow := w.builder(nil), w.builder(nil)
	asked := 0
	for step := range 120 {
		wait(time.Duration(1+r.IntN(15)) * time.Second)
		what := x.happens(fast)
		if r.IntN(40) == 0 {
			what += ", restart"
			fast, slow = w.builder(nil), w.builder(nil)
		}
		all := passes(fast)
		got, want := all[taskPlanCut](t), lookAtAll(t, slow)
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("step %d, %s: cuts (-every cube +what changed):\n%s", step, what, d)
		}
		refresh := all[taskPlanRefresh](t)
		kept := all[taskPlanMaintenance](t)
		if d := cmp.Diff(maintainAll(t, fast), kept); d != "" {
			t.Fatalf("step %d, %s: maintenance (-every cube +what changed):\n%s", step, what, d)
		}
		for _, id := range refresh {
			if !slices.Contains(kept, id) {
				t.Errorf("step %d, %s: refresh asks for %s, which is maintained", step, what, id)
			}
		}
		asked += len(got)
		x.does(fast, got, kept)
	}
	if asked < 10 {
		t.Errorf("only %d cuts were asked for: the test sees nothing", asked)
	}
}

// lookAtAll is a pass of PlanCut that remembers nothing but since when offsets wait.
func lookAtAll(t *testing.T, b *Builder) []string {
	t.Helper()
	old := b.cuts
	dropped, err := b.o.Catalog.DroppedCubes(t.Context())
	must(t, err)
	for _, id := range dropped {
		old.drop(id)
	}
	b.cuts = newCutter()
	b.cuts.cubes, b.cuts.since = old.cubes, old.since
	return passes(b)[taskPlanCut](t)
}

// maintainAll says what PlanMaintenance must ask for, from the catalog and from what b has maintained.
func maintainAll(t *testing.T, b *Builder) (want []string) {
	t.Helper()
	cubes, err := b.o.Catalog.Cubes(t.Context(), "")
	must(t, err)
	var ids []string
	for _, c := range cubes {
		done := b.upkeep.cubes[c.Cube.ID].done
		change, err := b.o.Catalog.TableChange(t.Context(), c.TableID)
		must(t, err)
		if c.Enabled && (done.revision != c.Revision || done.change != change || time.Since(done.at) >= recheck) {
			ids = append(ids, c.Cube.ID)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		want = append(want, taskMaintain+` {"cube":"`+id+`"}`)
	}
	return want
}

// passWorld is a world in which cubes of all rules come and go.
type passWorld struct {
	*world
	r      *rand.Rand
	random *randomWorld
	cubes  []*cube.Cube
}

// happens does one thing that a pass must see, or nothing.
func (x *passWorld) happens(b *Builder) string {
	ctx, t := x.t.Context(), x.t
	t.Helper()
	p := x.r.Int32N(2)
	switch x.r.IntN(12) {
	case 0, 1:
		rules := []string{
			"cut: {age: 30s}\n", "cut: {rows: 25}\n", "cut: {bytes: 64KiB}\n", "cut: {crons: [{cron: '*/2 * * * *'}]}\n", "cut: {manual: true}\n",
			"cut: {age: 1m, rows: 40, rows_per_build: 1000}\n", "start: latest\ncut: {age: 20s}\n", "cut: {age: 5m, crons: [{cron: '0 * * * *'}]}\n",
		}[x.r.IntN(8)]
		x.cubes = append(x.cubes, x.define(fmt.Sprint("c", x.r.IntN(8)), rules))
		return "cube with " + rules
	case 2, 3:
		x.random.stage(p)
		return "staged"
	case 4:
		x.random.requeue(p)
		return "requeued"
	case 5:
		x.log.setEnds(map[int32]int64{p: x.random.ends[p] + x.r.Int64N(40)})
		return "records in the log"
	case 6:
		x.begin(p) // taken over
		return "taken over"
	case 7:
		must(t, x.cat.Release(ctx, x.table.ID, p, x.epoch[p]))
		return "released"
	case 8:
		c := x.cube
		info, err := x.cat.CubeInfo(ctx, c.ID)
		must(t, err)
		must(t, x.cat.SetCubeState(ctx, c.ID, catalog.CubeState{Enabled: !info.Enabled, Reason: "test"}))
		return "enabled or disabled"
	case 9:
		if len(x.cubes) > 0 {
			name := x.cubes[x.r.IntN(len(x.cubes))].Name
			t.Logf("drop of %s: %v", name, x.cat.DropCube(ctx, "default", name, "test")) // it may have been before
		}
		return "dropped"
	case 10:
		x.run(b)
		x.disturb(x.r)
		return "built and disturbed"
	}
	return "time passes"
}

// does what was asked for, or loses it.
func (x *passWorld) does(b *Builder, cuts, kept []string) {
	x.t.Helper()
	for _, list := range [][]string{cuts, kept} {
		for _, text := range list {
			var kind, id string
			_, err := fmt.Sscanf(text, "%s {\"cube\":%q}", &kind, &id)
			must(x.t, err)
			switch {
			case x.r.IntN(3) == 0: // the task failed
			case kind == taskCut:
				_, err = b.cut(x.t.Context(), id)
			default:
				_, err = b.maintain(x.t.Context(), id)
			}
			must(x.t, err)
		}
	}
}

// A queue of due times gives what is due, the earliest first, whatever was set again or taken away.
func TestDueQueue(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	q, model := newDueQueue(), map[string]int64{}
	for now := range int64(2000) {
		id := fmt.Sprint(r.IntN(30))
		if r.IntN(4) == 0 {
			q.set(id, time.Time{})
			delete(model, id)
		} else {
			at := now + 1 + r.Int64N(50)
			q.set(id, time.Unix(at, 0))
			model[id] = at
		}
		var want []string
		for id, at := range model {
			if at <= now {
				want = append(want, id)
			}
		}
		slices.SortFunc(want, func(a, b string) int { return int(model[a] - model[b]) })
		got := q.take(time.Unix(now, 0))
		if !slices.IsSortedFunc(got, func(a, b string) int { return int(model[a] - model[b]) }) {
			t.Fatalf("at %d: got %q, want the earliest first", now, got)
		}
		slices.Sort(got)
		slices.Sort(want)
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("at %d (-want +got):\n%s", now, d)
		}
		for _, id := range got {
			delete(model, id)
		}
	}
	if q.setBack(time.Unix(5, 0)); !q.setBack(time.Unix(4, 0)) || q.setBack(time.Unix(4, 0)) {
		t.Error("a clock that was set back is not seen once")
	}
}
