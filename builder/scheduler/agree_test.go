//go:build !race

// One call after another, thousands of them: the race detector makes it slow and sees nothing.

package scheduler_test

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// pair drives two stores through the same calls.
type pair struct {
	model, real scheduler.Store
	ids         []int64
	tick        int64
	nodes       map[string]int64 // incarnations
	held        map[string][]scheduler.Lease
	old         []scheduler.Lease // once held by somebody
}

// answer is what a call returned.
type answer struct {
	value any
	err   error
}

// alike leaves out the wall clock, and numbers errors by their sentinels: the words may differ.
func alike(t *rapid.T, what string, model, real answer) {
	t.Helper()
	merr, rerr := model.err, real.err
	for _, sentinel := range []error{scheduler.ErrLeaseLost, scheduler.ErrQueueFull, scheduler.ErrNodeReplaced} {
		if errors.Is(merr, sentinel) != errors.Is(rerr, sentinel) {
			t.Fatalf("%s: model says %v, catalog says %v", what, merr, rerr)
		}
	}
	if (merr == nil) != (rerr == nil) {
		t.Fatalf("%s: model says %v, catalog says %v", what, merr, rerr)
	}
	if merr != nil {
		return
	}
	if d := gocmp.Diff(model.value, real.value, cmpopts.IgnoreFields(scheduler.Task{}, "CreatedUs", "StartedUs", "EndedUs"), cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("%s (-model +catalog):\n%s", what, d)
	}
}

func drawSubmission(t *rapid.T) scheduler.Submission {
	s := scheduler.Submission{
		Kind: rapid.SampledFrom([]string{"cut", "build", "backup"}).Draw(t, "kind"), Spec: json.RawMessage("null"),
		Dedup:       rapid.SampledFrom([]string{"", "", "d"}).Draw(t, "dedup"),
		MaxAttempts: rapid.IntRange(1, 3).Draw(t, "attempts"),
		Delay:       rapid.SampledFrom([]time.Duration{0, 0, 0, time.Second, 7 * time.Second}).Draw(t, "delay"),
		Yield:       rapid.SampledFrom([]time.Duration{0, 0, 5 * time.Second}).Draw(t, "yield"),
	}
	if rapid.IntRange(0, 9).Draw(t, "token") == 0 {
		s.Idempotency = s.Kind
	}
	switch s.Kind {
	case "cut":
		s.Key = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key")
		s.Spec = json.RawMessage(rapid.SampledFrom([]string{"1", "2"}).Draw(t, "spec"))
	case "build":
		s.Key, s.Slots = rapid.SampledFrom([]string{"a/jobs", "b/jobs"}).Draw(t, "key"), 2
	}
	if s.Idempotency != "" { // another spec under it is refused by the catalog alone
		s.Key, s.Spec, s.Idempotency = "t"+s.Kind, json.RawMessage("null"), s.Kind
	}
	return s
}

func (p *pair) submit(t *rapid.T) {
	list := rapid.SliceOfN(rapid.Custom(drawSubmission), 1, 3).Draw(t, "submissions")
	m, merr := p.model.Submit(context.Background(), list)
	r, rerr := p.real.Submit(context.Background(), list)
	alike(t, fmt.Sprintf("submit %+v", list), answer{m, merr}, answer{r, rerr})
	for _, task := range r {
		p.ids = append(p.ids, task.ID)
	}
}

func (p *pair) pass(t *rapid.T) {
	node := rapid.SampledFrom([]string{"n1", "n2"}).Draw(t, "node")
	if p.nodes[node] == 0 || rapid.IntRange(0, 12).Draw(t, "restart") == 0 {
		m, merr := p.model.Register(context.Background(), scheduler.Node{Name: node})
		r, rerr := p.real.Register(context.Background(), scheduler.Node{Name: node})
		alike(t, "register", answer{m, merr}, answer{r, rerr})
		p.nodes[node], p.held[node] = r, nil
	}
	p.tick += rapid.SampledFrom([]int64{-1_000_000, 0, 1, 1_000_000, 2_000_000, 3_500_000}).Draw(t, "tick")
	slices.SortFunc(p.held[node], func(a, b scheduler.Lease) int { return cmp.Compare(a.ID, b.ID) }) // as the scheduler does
	pass := scheduler.Pass{
		Node: node, Incarnation: p.nodes[node], Tick: p.tick, Lease: 6 * time.Second, ExclusiveWait: 12 * time.Second,
		Kinds:   rapid.SampledFrom([][]string{{"build", "cut"}, {"backup", "build", "cut"}, {"backup", "build", "cut"}}).Draw(t, "kinds"),
		Decides: node == "n1", Bodies: rapid.IntRange(0, 3).Draw(t, "bodies"), Stats: true,
		Held: p.held[node], Slack: time.Second / 2,
		Periodic: []scheduler.Periodic{{Every: 9 * time.Second, Submission: scheduler.Submission{
			Kind: "cut", Key: "plan", MaxAttempts: 1, Spec: json.RawMessage("null"),
		}}},
	}
	if pass.Decides {
		pass.Decisions = rapid.IntRange(0, 3).Draw(t, "decisions")
	}
	if rapid.IntRange(0, 20).Draw(t, "stale process") == 0 {
		pass.Incarnation--
	}
	m, merr := p.model.Pass(context.Background(), pass)
	r, rerr := p.real.Pass(context.Background(), pass)
	alike(t, fmt.Sprintf("pass %+v", pass), answer{m, merr}, answer{r, rerr})
	if rerr != nil {
		return
	}
	for _, l := range r.Lost {
		p.drop(node, l)
	}
	for _, task := range r.Claimed {
		l := scheduler.Lease{ID: task.ID, Epoch: task.Epoch}
		p.old = append(p.old, l)
		if rapid.IntRange(0, 9).Draw(t, "answer lost") > 0 {
			p.held[node] = append(p.held[node], l)
		}
	}
}

func (p *pair) drop(node string, l scheduler.Lease) {
	var kept []scheduler.Lease
	for _, h := range p.held[node] {
		if h != l {
			kept = append(kept, h)
		}
	}
	p.held[node] = kept
}

func (p *pair) finish(t *rapid.T) {
	if len(p.old) == 0 {
		return
	}
	from := p.old[max(0, len(p.old)-6):]
	o := scheduler.Outcome{
		Lease: rapid.SampledFrom(from).Draw(t, "lease"),
		State: rapid.SampledFrom([]string{scheduler.Finished, scheduler.Finished, scheduler.Failed, scheduler.Cancelled, scheduler.Init}).Draw(t, "state"),
		Error: rapid.SampledFrom([]string{"", "disk full"}).Draw(t, "error"),
	}
	switch o.State {
	case scheduler.Finished:
		o.Spawn = rapid.SliceOfN(rapid.Custom(drawSubmission), 0, 2).Draw(t, "spawn")
	case scheduler.Init:
		o.Delay = rapid.SampledFrom([]time.Duration{0, 4 * time.Second}).Draw(t, "delay")
		o.Uncount, o.Pause = rapid.Bool().Draw(t, "uncount"), rapid.IntRange(0, 5).Draw(t, "pause") == 0
	}
	merr := p.model.Finish(context.Background(), o)
	rerr := p.real.Finish(context.Background(), o)
	alike(t, fmt.Sprintf("finish %+v", o), answer{nil, merr}, answer{nil, rerr})
	p.drop("n1", o.Lease)
	p.drop("n2", o.Lease)
}

func (p *pair) control(t *rapid.T) {
	if len(p.ids) == 0 {
		return
	}
	id := rapid.SampledFrom(p.ids).Draw(t, "id")
	action := rapid.SampledFrom([]string{scheduler.Cancel, scheduler.Retry, scheduler.Pause, scheduler.Resume, scheduler.Resume}).Draw(t, "action")
	m, merr := p.model.Control(context.Background(), id, action)
	r, rerr := p.real.Control(context.Background(), id, action)
	alike(t, fmt.Sprintf("%s task %d", action, id), answer{m, merr}, answer{r, rerr})
}

// The catalog's queue does exactly what the obvious slow one does, call by call; so what the simulations show of the fake
// holds for both databases.
func TestStoresAgree(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openCatalog(t, dsn, catalog.Options{MaxTasks: 12})
		wipe, err := sql.Open(map[bool]string{true: "pgx", false: "sqlite"}[strings.HasPrefix(dsn, "postgres")], dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer wipe.Close()
		rapid.Check(t, func(t *rapid.T) {
			for _, q := range []string{
				`DELETE FROM tasks`, `DELETE FROM task_kinds`, `DELETE FROM task_timers`, `DELETE FROM nodes`,
				`UPDATE task_queue SET tick = 0, next_seq = 1, live = 0, exclusive_id = 0`,
			} {
				if _, err := wipe.Exec(q); err != nil {
					t.Fatal(err)
				}
			}
			model := newFake()
			model.maxTasks = 12
			p := &pair{model: model, real: builder.TaskStore(c), nodes: map[string]int64{}, held: map[string][]scheduler.Lease{}}
			t.Repeat(map[string]func(*rapid.T){
				"submit": p.submit, "pass": p.pass, "pass again": p.pass, "finish": p.finish, "finish again": p.finish, "control": p.control,
			})
			var real []scheduler.Task
			for task, err := range c.Tasks(context.Background(), catalog.TaskQuery{}) {
				if err != nil {
					t.Fatal(err)
				}
				task.WaitedUs, task.DueInUs = 0, 0
				real = append([]scheduler.Task{scheduler.Task(task)}, real...)
			}
			alike(t, "all tasks", answer{value: model.all()}, answer{value: real})
		})
	})
}
