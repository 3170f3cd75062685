package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

// building is the server's Building, done by builder.
type building struct {
	b       *builder.Builder
	catalog *catalog.Catalog
}

func (x building) Submit(ctx context.Context, action string, q server.SegmentRequest) (*server.Done, error) {
	done, err := x.submit(ctx, action, q)
	if err != nil {
		return nil, refused(err)
	}
	return &server.Done{
		Plan: planOf(done.Plan), Jobs: done.Jobs, Segments: done.Segments, Retired: done.Retired, Rereads: done.Rereads, Existing: done.Existing,
	}, nil
}

func (x building) submit(ctx context.Context, action string, q server.SegmentRequest) (builder.Submitted, error) {
	r := builder.Request{Project: q.Project, Cube: q.Cube, By: q.By, Key: q.Key.Key, DryRun: q.DryRun, Hash: q.Plan}
	c := builder.Choice{Segments: q.Segments, From: q.From, To: q.To}
	switch action {
	case "refresh":
		return x.b.Refresh(ctx, builder.RefreshRequest{Request: r, Choice: c})
	case "merge":
		return x.b.Merge(ctx, builder.MergeRequest{Request: r, Choice: c})
	case "drop":
		return x.b.Drop(ctx, builder.DropRequest{Request: r, Choice: c})
	case "fill":
		return x.b.Fill(ctx, r)
	}
	start, err := builder.ParsePosition(q.Start)
	if err != nil {
		return builder.Submitted{}, fmt.Errorf("start: %w", err)
	}
	end, err := builder.ParsePosition(q.End)
	if err != nil {
		return builder.Submitted{}, fmt.Errorf("end: %w", err)
	}
	return x.b.Build(ctx, builder.BuildRequest{Request: r, Start: start, End: end})
}

// refused gives what the request got wrong the server's types. What is taken, gone or new to nobody has its own, which the
// server knows.
func refused(err error) error {
	var hash *builder.HashError
	var overlap *catalog.OverlapError
	var taken *plan.OverlapError
	var apart *segmenter.NotAdjacentError
	var wrong *builder.RequestError
	switch {
	case errors.As(err, &hash):
		return &server.PlanError{Err: err}
	case errors.As(err, &overlap), errors.As(err, &taken), errors.As(err, &apart), errors.Is(err, plan.ErrNothingNew), errors.Is(err, catalog.ErrNotFound):
		return err
	case errors.As(err, &wrong):
		return &server.RequestError{Err: err}
	}
	return err
}

func planOf(p builder.Plan) server.Plan {
	out := server.Plan{Project: p.Project, Cube: p.Cube, Hash: p.Hash, Actions: []server.Action{}, Notes: append([]string{}, p.Notes...)}
	for _, a := range p.Actions {
		out.Actions = append(out.Actions, server.Action{Kind: a.Kind, Range: a.Range, Segments: a.Replaces, Reason: a.Reason})
	}
	return out
}

func (x building) Plan(ctx context.Context, project, cube string) (*server.Plan, error) {
	p, err := x.b.Plan(ctx, project, cube)
	if err != nil {
		return nil, err
	}
	out := planOf(p)
	return &out, nil
}

func (x building) Holes(ctx context.Context, project, cube string) ([]plan.Hole, error) {
	return x.b.Holes(ctx, project, cube)
}

func (x building) FixStart(ctx context.Context, project, cube string) (segmenter.Vector, error) {
	v, err := x.b.SetStart(ctx, project, cube, builder.Position{At: "latest"})
	return v, refusedOrNil(err)
}

func refusedOrNil(err error) error {
	if err == nil {
		return nil
	}
	return refused(err)
}

// kindsByHand are the kinds of tasks that people may submit, and what they are about.
func kindsByHand() map[string]string {
	return map[string]string{
		"plan_cut": aboutAll, "plan_refresh": aboutAll, "plan_maintenance": aboutAll, "recover": aboutAll, "plan_lookups": aboutAll,
		"cleanup": alone, "backup": alone,
		"cut": aboutCube, "maintain": aboutCube,
	}
}

const (
	aboutAll  = "all"   // one after another
	alone     = "alone" // exclusive
	aboutCube = "cube"  // decisions of one cube run one after another
)

func (x building) SubmitTask(ctx context.Context, q server.TaskRequest) (catalog.Task, error) {
	s := scheduler.Submission{Kind: q.Kind, Idempotency: q.Key.Key, Spec: q.Spec, SubmittedBy: q.By}
	kinds := kindsByHand()
	what, ok := kinds[q.Kind]
	switch {
	case !ok:
		names := make([]string, 0, len(kinds))
		for name := range kinds {
			names = append(names, name)
		}
		slices.Sort(names)
		return catalog.Task{}, &server.RequestError{Err: fmt.Errorf("there is no task of kind %q to submit: want one of %s", q.Kind, strings.Join(names, ", "))}
	case (what == aboutCube) != (q.Cube != ""):
		return catalog.Task{}, &server.RequestError{Err: fmt.Errorf("a task of kind %s: a cube must be named where it is about one, and only there", q.Kind)}
	case len(q.Spec) > 0:
		return catalog.Task{}, &server.RequestError{Err: fmt.Errorf("a task of kind %s takes no spec", q.Kind)}
	case what == aboutAll:
		s.Key = q.Kind
	case what == aboutCube:
		i, err := x.catalog.Cube(ctx, q.Project, q.Cube)
		if err != nil {
			return catalog.Task{}, err
		}
		s.Key = "cube/" + i.Cube.ID
		if s.Spec, err = json.Marshal(map[string]string{"cube": i.Cube.ID}); err != nil {
			return catalog.Task{}, err
		}
	}
	list, err := x.b.Scheduler().Submit(ctx, s)
	if err != nil {
		return catalog.Task{}, err
	}
	return catalog.Task(list[0]), nil
}
