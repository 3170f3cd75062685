package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// queueState is everything that is stored of tasks and nodes, but for the wall clock.
func queueState(t testing.TB, c *Catalog) (out []string) {
	t.Helper()
	for _, query := range []string{
		`SELECT 'queue', tick, next_seq, live, exclusive_id, exclusive_tick, 0, '' FROM task_queue`,
		`SELECT kind, id, seq, attempts, epoch, live, lease_tick, state || ask || problem || node FROM tasks ORDER BY id`,
		`SELECT kind, ended, failures, 0, 0, 0, 0, '' FROM task_kinds ORDER BY kind`,
		`SELECT kind, made_tick, 0, 0, 0, 0, 0, task_key FROM task_timers ORDER BY kind`,
		`SELECT name, incarnation, seen_tick, 0, 0, 0, 0, '' FROM nodes ORDER BY name`,
	} {
		err := c.read(context.Background(), "state", func(tx *tx) error {
			return tx.each(func(scan func(...any) error) error {
				var kind, rest string
				var n [6]int64
				err := scan(&kind, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &rest)
				out = append(out, fmt.Sprint(kind, n, rest))
				return err
			}, query)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// station is a registered node with a pass that takes whatever there is.
func station(t testing.TB, c *Catalog, name string) TaskPass {
	t.Helper()
	n, err := c.RegisterNode(context.Background(), Node{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return TaskPass{
		Node: name, Incarnation: n, Lease: 10 * time.Second, ExclusiveWait: time.Minute, Kinds: []string{"build", "cut"},
		Decides: true, Decisions: 100, Bodies: 100,
	}
}

func submitted(t testing.TB, c *Catalog, list ...TaskSubmission) []Task {
	t.Helper()
	got, err := c.SubmitTasks(context.Background(), list)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func passed(t testing.TB, c *Catalog, p TaskPass) TaskPassed {
	t.Helper()
	got, err := c.PassTasks(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

type taskCall struct {
	name string
	call func(ctx context.Context, c *Catalog, p TaskPass, held Task) error
}

// taskCalls are the calls that change the queue. held is a task that p's node runs.
func taskCalls(cut TaskSubmission) []taskCall {
	return []taskCall{
		{"submit", func(ctx context.Context, c *Catalog, _ TaskPass, _ Task) error {
			_, err := c.SubmitTasks(ctx, []TaskSubmission{cut, {Kind: "build", Key: "b", Slots: 1}})
			return err
		}},
		{"pass", func(ctx context.Context, c *Catalog, p TaskPass, held Task) error {
			p.Tick, p.Held = 1_000_000, []TaskLease{{held.ID, held.Epoch}}
			p.Periodic = []TaskTimer{{Every: time.Second, Submission: TaskSubmission{Kind: "build", Key: "timer", Slots: 1}}}
			_, err := c.PassTasks(ctx, p)
			return err
		}},
		{"take over", func(ctx context.Context, c *Catalog, p TaskPass, _ Task) error {
			p.Tick = 60_000_000
			_, err := c.PassTasks(ctx, p)
			return err
		}},
		{"finish", func(ctx context.Context, c *Catalog, _ TaskPass, held Task) error {
			return c.FinishTask(ctx, TaskOutcome{Lease: TaskLease{held.ID, held.Epoch}, State: "finished", Spawn: []TaskSubmission{cut}})
		}},
		{"try again", func(ctx context.Context, c *Catalog, _ TaskPass, held Task) error {
			return c.FinishTask(ctx, TaskOutcome{Lease: TaskLease{held.ID, held.Epoch}, State: "init", Error: "disk full", Delay: time.Second})
		}},
		{"cancel", func(ctx context.Context, c *Catalog, _ TaskPass, held Task) error {
			_, err := c.ControlTask(ctx, held.ID, "cancel")
			return err
		}},
		{"register", func(ctx context.Context, c *Catalog, _ TaskPass, _ Task) error {
			_, err := c.RegisterNode(ctx, Node{Name: "new"})
			return err
		}},
	}
}

// C2: a call whose caller dies before any of its statements, or before the commit, leaves nothing visible; asked again
// it does all of its work. C3: asked once more, it changes nothing or the same.
func TestInterruptedTaskCall(t *testing.T) {
	cut := TaskSubmission{Kind: "cut", Key: "a"}
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		p := station(t, c, "n1")
		for _, ch := range taskCalls(cut) {
			t.Run(ch.name, func(t *testing.T) {
				submitted(t, c, cut, cut)
				claimed := passed(t, c, p).Claimed
				held := claimed[len(claimed)-1]
				before := queueState(t, c)
				points := 0
				for ; ; points++ {
					ctx, cancel := context.WithCancel(context.Background())
					n, fired := 0, false
					c.onStatement = func(string) error {
						if fired = fired || n == points; fired {
							cancel()
						}
						n++
						return nil
					}
					err := ch.call(ctx, c, p, held)
					cancel()
					c.onStatement = nil
					if !fired {
						if err != nil {
							t.Fatalf("after %d interruptions: %v", points, err)
						}
						break
					}
					if !errors.Is(err, context.Canceled) {
						t.Fatalf("interrupted before statement %d: got %v, want context.Canceled", points, err)
					}
					if d := cmp.Diff(before, queueState(t, c)); d != "" {
						t.Fatalf("interrupted before statement %d, visible (-before +after):\n%s", points, d)
					}
				}
				if points < 3 {
					t.Errorf("%d statements seen, want at least 3: is the hook called?", points)
				}
				if cmp.Equal(before, queueState(t, c)) {
					t.Error("the call that was not interrupted changed nothing")
				}
				p.Tick += 100_000_000 // what was claimed goes back before the next call
				p.Decisions, p.Bodies = 0, 0
				passed(t, c, p)
				p.Decisions, p.Bodies = 100, 100
			})
		}
	})
}

// An outcome counts under the current epoch only, and once.
func TestStaleOutcome(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		a, b := station(t, c, "a"), station(t, c, "b")
		submitted(t, c, TaskSubmission{Kind: "cut", Key: "k"})
		old := passed(t, c, a).Claimed[0]
		b.Tick = a.Lease.Microseconds() + 1
		if got := passed(t, c, b); got.TakenOver != 1 || len(got.Claimed) != 1 || got.Claimed[0].Epoch != old.Epoch+1 || got.Claimed[0].Attempts != 2 {
			t.Fatalf("take-over a lease later: %+v, want the task under epoch %d", got, old.Epoch+1)
		}
		done := TaskOutcome{Lease: TaskLease{old.ID, old.Epoch}, State: "finished", Spawn: []TaskSubmission{{Kind: "cut", Key: "other"}}}
		if err := c.FinishTask(context.Background(), done); !errors.Is(err, ErrLeaseLost) {
			t.Errorf("outcome under the old epoch: %v, want ErrLeaseLost", err)
		}
		if got := passed(t, c, TaskPass{Node: "a", Incarnation: a.Incarnation, Held: []TaskLease{done.Lease}}); len(got.Lost) != 1 {
			t.Errorf("the old holder is told of %d lost leases, want 1", len(got.Lost))
		}
		done.Lease.Epoch++
		for range 2 { // the second time the answer to the first was lost (C3)
			if err := c.FinishTask(context.Background(), done); err != nil {
				t.Errorf("outcome under the current epoch: %v", err)
			}
		}
		n := 0
		for task, err := range c.Tasks(context.Background(), TaskQuery{Key: "other"}) {
			if err != nil || task.State != "init" {
				t.Fatalf("%+v, %v", task, err)
			}
			n++
		}
		if n != 1 {
			t.Errorf("%d tasks were spawned, want 1", n)
		}
	})
}

// Of processes that pass at once each task goes to one; ids and epochs are never given twice.
func TestClaimAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		const procs, tasks = 3, 30
		first := openAt(t, dsn)
		for i := range tasks {
			submitted(t, first, TaskSubmission{Kind: "cut", Key: fmt.Sprint(i)})
		}
		var wg sync.WaitGroup
		var got [procs][]int64
		for i := range procs {
			c := openAt(t, dsn)
			p := station(t, c, fmt.Sprint("n", i))
			p.Decisions = 2
			wg.Go(func() {
				for range tasks {
					r, err := c.PassTasks(context.Background(), p)
					if err != nil && !errors.Is(err, ErrUnavailable) {
						t.Errorf("process %d: %v", i, err)
						return
					}
					for _, task := range r.Claimed {
						got[i] = append(got[i], task.ID)
						p.Held = append(p.Held, TaskLease{task.ID, task.Epoch})
					}
				}
			})
		}
		wg.Wait()
		all := slices.Sorted(slices.Values(slices.Concat(got[0], got[1], got[2])))
		if len(all) != tasks || len(slices.Compact(all)) != tasks {
			t.Errorf("claimed %v, want each of %d tasks once", got, tasks)
		}
	})
}

// An exclusive task holds up others while a process passes that would run it, and for a lease after that; it runs alone.
func TestExclusiveWaitsForTheLiving(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		decider, builder := station(t, c, "decider"), station(t, c, "builder")
		decider.Bodies, builder.Decides, builder.Decisions = 0, false, 0
		body := submitted(t, c, TaskSubmission{Kind: "build", Key: "a", Slots: 1})[0]
		builder.Held = []TaskLease{{body.ID, passed(t, c, builder).Claimed[0].Epoch}}
		alone := submitted(t, c, TaskSubmission{Kind: "cut"})[0]
		passed(t, c, decider)
		next := submitted(t, c, TaskSubmission{Kind: "build", Key: "b", Slots: 1})[0]
		tick := int64(0)
		claims := func(p *TaskPass, after time.Duration, what string, want ...int64) []Task {
			t.Helper()
			tick += after.Microseconds()
			p.Tick = tick
			got := passed(t, c, *p).Claimed
			var ids []int64
			for _, task := range got {
				ids = append(ids, task.ID)
			}
			if !slices.Equal(ids, want) {
				t.Errorf("%s: claimed %v, want %v", what, ids, want)
			}
			return got
		}
		busy := decider
		busy.Decisions = 0 // it decides as much as it may, and lives
		for range 3 {
			claims(&builder, 9*time.Second, "while a process lives that decides")
			claims(&busy, 0, "while a body runs")
		}
		claims(&builder, 10*time.Second, "a lease after its last pass")
		for _, task := range claims(&builder, time.Microsecond, "later than that", next.ID) {
			builder.Held = append(builder.Held, TaskLease{task.ID, task.Epoch})
		}
		claims(&decider, 0, "back while bodies run")
		for _, l := range builder.Held {
			if err := c.FinishTask(context.Background(), TaskOutcome{Lease: l, State: "finished"}); err != nil {
				t.Fatal(err)
			}
		}
		builder.Held = nil
		submitted(t, c, TaskSubmission{Kind: "build", Key: "c", Slots: 1})
		claims(&builder, 0, "once the exclusive task is next")
		claims(&decider, 0, "when nothing else runs", alone.ID)
		claims(&builder, time.Second, "while the exclusive task runs")
	})
}

// I10: the queue and what is kept of ended tasks have limits; a queue that is full takes no outcome that spawns either.
func TestTaskLimits(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c, err := Open(context.Background(), dsn, Options{MaxTasks: 3, KeepTasks: 2})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		p := station(t, c, "n")
		cut := TaskSubmission{Kind: "cut", Key: "a"}
		list := submitted(t, c, cut, cut, cut)
		if _, err := c.SubmitTasks(context.Background(), []TaskSubmission{cut}); !errors.Is(err, ErrQueueFull) {
			t.Errorf("a fourth task: %v, want ErrQueueFull", err)
		}
		task := passed(t, c, p).Claimed[0]
		o := TaskOutcome{Lease: TaskLease{task.ID, task.Epoch}, State: "finished", Spawn: []TaskSubmission{cut}}
		if err := c.FinishTask(context.Background(), o); !errors.Is(err, ErrQueueFull) {
			t.Errorf("an outcome that spawns: %v, want ErrQueueFull", err)
		}
		for _, task := range list {
			if _, err := c.ControlTask(context.Background(), task.ID, "cancel"); err != nil {
				t.Fatal(err)
			}
		}
		o.State, o.Spawn = "failed", nil
		if err := c.FinishTask(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		var kept []int64
		for task, err := range c.Tasks(context.Background(), TaskQuery{}) {
			if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, task.ID)
		}
		if want := []int64{list[2].ID, list[0].ID}; !slices.Equal(kept, want) { // the last to end
			t.Errorf("kept %v, want %v", kept, want)
		}
		if _, err := c.Task(context.Background(), list[1].ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("a task that was deleted: %v, want ErrNotFound", err)
		}
		submitted(t, c, cut, cut, cut) // there is room again
	})
}

// What makes no sense is refused with a reason and what to do instead.
func TestTaskRefusals(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		p := station(t, c, "n")
		done := submitted(t, c, TaskSubmission{Kind: "cut", Key: "a", Idempotency: "i"})[0]
		claimed := passed(t, c, p).Claimed[0]
		if err := c.FinishTask(context.Background(), TaskOutcome{Lease: TaskLease{claimed.ID, claimed.Epoch}, State: "finished"}); err != nil {
			t.Fatal(err)
		}
		control := func(id int64, action string) func() error {
			return func() error { _, err := c.ControlTask(context.Background(), id, action); return err }
		}
		submit := func(s TaskSubmission) func() error {
			return func() error { _, err := c.SubmitTasks(context.Background(), []TaskSubmission{s}); return err }
		}
		who := fmt.Sprintf("task %d (cut)", done.ID)
		for _, tt := range []struct {
			call func() error
			want string
		}{
			{control(done.ID, "cancel"), "catalog: cancel task %d: " + who + ": it is finished already: there is nothing to cancel"},
			{control(done.ID, "retry"), "catalog: retry task %d: " + who + ": it has finished: submit a new one"},
			{control(done.ID, "pause"), "catalog: pause task %d: " + who + ": it has ended or is to be cancelled: there is nothing to pause"},
			{control(done.ID, "resume"), "catalog: resume task %d: " + who + ": it is finished: retry it, or submit a new one"},
			{control(done.ID, "stop"), `catalog: task %d: unknown action "stop": want cancel, retry, pause or resume`},
			{submit(TaskSubmission{Kind: "cut", Key: "b", Idempotency: "i"}), "catalog: submit tasks: idempotency key i: task %d was submitted under it " +
				"with another kind, key or spec: use a new one for another request"},
			{submit(TaskSubmission{Key: "b"}), "catalog: submit tasks: submit task: no kind given"},
			{submit(TaskSubmission{Kind: "cut", Spec: []byte("{")}), "catalog: submit tasks: submit task of kind cut: its spec is not JSON: {"},
			{submit(TaskSubmission{Kind: "cut", Slots: 1}), "catalog: submit tasks: submit task of kind cut: 1 slots without a key: an exclusive task runs alone"},
		} {
			want := tt.want
			if slices.Contains([]byte(want), '%') {
				want = fmt.Sprintf(want, done.ID)
			}
			if err := tt.call(); err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		}
		if again := submitted(t, c, TaskSubmission{Kind: "cut", Key: "a", Idempotency: "i"})[0]; again.ID != done.ID || again.State != "finished" {
			t.Errorf("the same request again is task %d, %s; want %d, finished", again.ID, again.State, done.ID)
		}
	})
}

// A timer that was due while nobody ran fires at the start, by the wall clock; while somebody runs a jump of that clock
// does nothing.
func TestTimerAndWallClock(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		p := station(t, c, "n")
		p.Decisions, p.Bodies = 0, 0
		p.Periodic = []TaskTimer{{Every: time.Hour, Submission: TaskSubmission{Kind: "cut", Key: "daily"}}}
		count := func(what string, want int) {
			t.Helper()
			passed(t, c, p)
			var n int
			if err := c.w.QueryRow(`SELECT COUNT(*) FROM tasks`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			if n != want {
				t.Errorf("%s: %d tasks, want %d", what, n, want)
			}
			if _, err := c.w.Exec(`UPDATE tasks SET state = 'finished', live = 0`); err != nil {
				t.Fatal(err)
			}
		}
		shift := func(by time.Duration) {
			if _, err := c.w.Exec(`UPDATE task_timers SET made_us = made_us - $1`, by.Microseconds()); err != nil {
				t.Fatal(err)
			}
		}
		count("at first", 1)
		shift(2 * time.Hour)
		count("the wall clock jumps ahead", 1)
		shift(-20 * time.Hour)
		count("the wall clock jumps back", 1)
		p.Tick += time.Hour.Microseconds()
		count("an hour of running later", 2)
		shift(2 * time.Hour)
		p.First = true
		count("started again after two hours", 3)
		count("and again at once", 3)
	})
}

func TestNodes(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		p := station(t, c, "build-1")
		n, err := c.RegisterNode(ctx, Node{Name: "query-1", Address: "10.0.0.7:8080", Roles: []string{"query", "build"}, Version: "v1"})
		if err != nil {
			t.Fatal(err)
		}
		p.Tick = 5_000_000
		passed(t, c, p)
		list, err := c.Nodes(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			list[i].StartedUs, list[i].SeenUs = 0, 0
		}
		want := []Node{
			{Name: "build-1", Incarnation: p.Incarnation},
			{Name: "query-1", Incarnation: n, Address: "10.0.0.7:8080", Roles: []string{"query", "build"}, Version: "v1", SilentUs: 5_000_000},
		}
		wantDiff(t, "nodes", want, list)
		if err := c.Heartbeat(ctx, "query-1", n); err != nil {
			t.Fatal(err)
		}
		if list, err = c.Nodes(ctx); err != nil || list[1].SilentUs != 0 {
			t.Errorf("after a heartbeat: %+v, %v; want no silence", list[1], err)
		}
		next := station(t, c, "query-1")
		if err := c.Heartbeat(ctx, "query-1", n); !errors.Is(err, ErrNodeReplaced) || next.Incarnation <= n {
			t.Errorf("heartbeat of incarnation %d when there is %d: %v, want ErrNodeReplaced", n, next.Incarnation, err)
		}
		known := func(when string, want ...string) {
			t.Helper()
			var names []string
			list, err := c.Nodes(ctx)
			for _, n := range list {
				names = append(names, n.Name)
			}
			if err != nil || !slices.Equal(names, want) {
				t.Errorf("%s: %v, %v; want %v", when, names, err, want)
			}
		}
		station(t, c, "test") // who owns it
		table, epoch := begun(t, c, 0)
		p.Tick += forgetNodes.Microseconds() + 6_000_000
		passed(t, c, p)
		station(t, c, "new")
		known("a week later", "build-1", "new", "test")
		if err := c.Release(ctx, table, 0, epoch); err != nil {
			t.Fatal(err)
		}
		station(t, c, "newer")
		known("when the partition has no owner", "build-1", "new", "newer")
	})
}

// fillTasks adds ended tasks in one statement.
func fillTasks(b testing.TB, c *Catalog, n int) {
	if n == 0 {
		return
	}
	series := `WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < ` + fmt.Sprint(n) + `)`
	var db *sql.DB = c.w
	if _, err := db.Exec(series + ` INSERT INTO tasks (id, kind, task_key, dedup, idempotency, spec, submitted_by, slots, yield_us, max_attempts,
		state, live, seq, rank_tick, queued_tick, due_tick, created_us, ended_us, ended_seq)
		SELECT 1000000000 + i, 'cut', 'k', '', '', 'null', '', 0, 0, 5, 'finished', 0, i, i, i, i, i, i, i FROM s`); err != nil {
		b.Fatal(err)
	}
	if _, err := db.Exec(`INSERT INTO task_kinds (kind, ended, failures) VALUES ('cut', $1, 0)`, n); err != nil {
		b.Fatal(err)
	}
	if c.forUpdate != "" {
		if _, err := db.Exec(`ANALYZE tasks`); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTask measures a task's life (submit, pass that claims it, outcome) with so many ended ones in the table (I8).
func BenchmarkTask(b *testing.B) {
	for _, be := range backends() {
		for _, n := range []int{0, 1_000_000} {
			b.Run(fmt.Sprintf("%s/ended=%d", be.name, n), func(b *testing.B) {
				dsn := be.dsn(b)
				c, err := Open(context.Background(), dsn, Options{KeepTasks: 2_000_000})
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				fillTasks(b, c, n)
				p := station(b, c, "n")
				p.Stats = true
				for b.Loop() {
					submitted(b, c, TaskSubmission{Kind: "cut", Key: "k"})
					task := passed(b, c, p).Claimed[0]
					if err := c.FinishTask(context.Background(), TaskOutcome{Lease: TaskLease{task.ID, task.Epoch}, State: "finished"}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
