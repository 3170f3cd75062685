package builder

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// queue is the catalog's queue of tasks as the scheduler's Store.
type queue struct{ c *catalog.Catalog }

// TaskStore returns the catalog's queue of tasks as the scheduler wants it.
func TaskStore(c *catalog.Catalog) scheduler.Store { return queue{c} }

// sentinels turns the catalog's errors into the scheduler's.
func sentinels(err error) error {
	for _, pair := range []struct{ from, to error }{
		{catalog.ErrLeaseLost, scheduler.ErrLeaseLost},
		{catalog.ErrQueueFull, scheduler.ErrQueueFull},
		{catalog.ErrNodeReplaced, scheduler.ErrNodeReplaced},
	} {
		if errors.Is(err, pair.from) {
			return fmt.Errorf("%w: %w", pair.to, err)
		}
	}
	return err
}

func (q queue) Register(ctx context.Context, n scheduler.Node) (int64, error) {
	return q.c.RegisterNode(ctx, catalog.Node{Name: n.Name, Address: n.Address, Roles: n.Roles, Version: n.Version})
}

func (q queue) Submit(ctx context.Context, list []scheduler.Submission) ([]scheduler.Task, error) {
	got, err := q.c.SubmitTasks(ctx, submissions(list))
	return tasks(got), sentinels(err)
}

func (q queue) Pass(ctx context.Context, p scheduler.Pass) (scheduler.Passed, error) {
	in := catalog.TaskPass{
		Node: p.Node, Incarnation: p.Incarnation, Tick: p.Tick, First: p.First, Lease: p.Lease, ExclusiveWait: p.ExclusiveWait,
		Kinds: p.Kinds, Decides: p.Decides, Decisions: p.Decisions, Bodies: p.Bodies, Slack: p.Slack, Stats: p.Stats,
	}
	for _, l := range p.Held {
		in.Held = append(in.Held, catalog.TaskLease(l))
	}
	for _, t := range p.Periodic {
		in.Periodic = append(in.Periodic, catalog.TaskTimer{Every: t.Every, Submission: catalog.TaskSubmission(t.Submission)})
	}
	got, err := q.c.PassTasks(ctx, in)
	out := scheduler.Passed{
		Tick: got.Tick, Claimed: tasks(got.Claimed), Asked: tasks(got.Asked), Failed: tasks(got.Failed),
		TakenOver: got.TakenOver, GaveWay: got.GaveWay, ExclusiveWaitUs: got.ExclusiveWaitUs,
	}
	for _, l := range got.Lost {
		out.Lost = append(out.Lost, scheduler.Lease(l))
	}
	for _, k := range got.Stats {
		out.Stats = append(out.Stats, scheduler.KindStats(k))
	}
	return out, sentinels(err)
}

func (q queue) Finish(ctx context.Context, o scheduler.Outcome) error {
	return sentinels(q.c.FinishTask(ctx, catalog.TaskOutcome{
		Lease: catalog.TaskLease(o.Lease), State: o.State, Error: o.Error, Delay: o.Delay, Uncount: o.Uncount, Pause: o.Pause,
		Spawn: submissions(o.Spawn),
	}))
}

func (q queue) Control(ctx context.Context, id int64, action string) (scheduler.Task, error) {
	t, err := q.c.ControlTask(ctx, id, action)
	return scheduler.Task(t), sentinels(err)
}

func submissions(list []scheduler.Submission) (out []catalog.TaskSubmission) {
	for _, sub := range list {
		out = append(out, catalog.TaskSubmission(sub))
	}
	return out
}

func tasks(list []catalog.Task) (out []scheduler.Task) {
	for _, t := range list {
		out = append(out, scheduler.Task(t))
	}
	return out
}
