package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/server"
)

// waitEvery is how often a job that is waited for is looked at.
const waitEvery = 200 * time.Millisecond

// requestSegments sends a request about segments, and waits for its jobs if it is to.
func (a *app) requestSegments(cmd *cobra.Command, ask asking, path string, q server.SegmentRequest) (err error) {
	q.Plan = *ask.plan
	req := request{method: http.MethodPost, path: path, query: queryOf("project", *ask.project, "dry_run", yes(*ask.dry)), key: *ask.key}
	if err := req.json(q); err != nil {
		return err
	}
	cl, err := a.connect(cmd.Context(), false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cl.close()) }()
	var out server.Submitted
	err = cl.do(cmd.Context(), req, &out)
	var nothing *server.Error
	if errors.As(err, &nothing) && nothing.Code == "nothing_new" && *ask.wait && !*ask.dry && ask.cube != "" {
		out, err = underWay(cmd.Context(), cl, ask, nothing.Message)
	}
	if err != nil {
		return err
	}
	var waited error
	if *ask.wait && !*ask.dry {
		waited = a.await(cmd.Context(), cl, &out)
	}
	if err := a.print(out, func(w io.Writer) error { return printSubmitted(w, out) }); err != nil {
		return err
	}
	if cl.node != nil && !*ask.wait && len(out.Jobs) > 0 && !*ask.dry {
		fmt.Fprintln(a.stderr, "no process builds at the moment: the jobs wait for tidemark serve, or say --wait")
	}
	return waited
}

// underWay returns the builds of a cube whose segments are not ready: all that can be waited for where nothing is new. One that has
// failed keeps its offsets, so it is the reason why nothing is new.
func underWay(ctx context.Context, cl *client, ask asking, note string) (server.Submitted, error) {
	var open server.Segments
	q := request{method: http.MethodGet, path: cubePath(ask.cube, "segments"), query: queryOf("project", *ask.project, "state", "new")}
	if err := cl.do(ctx, q, &open); err != nil {
		return server.Submitted{}, err
	}
	out := server.Submitted{
		Project: *ask.project, Cube: ask.cube, Action: "build",
		Plan: server.Plan{Project: *ask.project, Cube: ask.cube, Actions: []server.Action{}, Notes: []string{note}},
		Jobs: []server.Job{}, Segments: []server.Segment{}, Retired: []int64{}, Rereads: []server.Reread{},
	}
	for _, s := range open.Segments {
		var j server.Job
		if err := cl.do(ctx, request{method: http.MethodGet, path: jobPath(s.Job)}, &j); err != nil {
			return server.Submitted{}, err
		}
		if j.Kind == "build" {
			out.Jobs, out.Segments = append(out.Jobs, j), append(out.Segments, s)
		}
	}
	return out, nil
}

func printSubmitted(w io.Writer, out server.Submitted) error {
	if out.DryRun {
		if err := printPlan(w, out.Plan); err != nil {
			return err
		}
		_, err := fmt.Fprintf(w, "dry run: nothing was done; the same with --plan %s does exactly this\n", out.Plan.Hash)
		return err
	}
	again := ""
	if out.Existing {
		again = " (asked before)"
	}
	for i, j := range out.Jobs {
		place := ""
		if i < len(out.Segments) {
			place = " " + out.Segments[i].Range.String()
		}
		if _, err := fmt.Fprintf(w, "job %d: %s of segment %d%s, %s%s\n", j.ID, j.Kind, j.Segment, place, j.State, again); err != nil {
			return err
		}
	}
	if len(out.Retired) > 0 {
		fmt.Fprintf(w, "retired segments %v%s\n", out.Retired, again)
	}
	for _, r := range out.Rereads {
		if err := printReread(w, r.ID, r.Range, rereadState(r)+"; see tidemark table rereads"); err != nil {
			return err
		}
	}
	for _, n := range out.Plan.Notes {
		fmt.Fprintf(w, "  %s\n", oneLine(n))
	}
	if len(out.Jobs) == 0 && len(out.Retired) == 0 && len(out.Rereads) == 0 {
		_, err := fmt.Fprintln(w, "nothing to do")
		return err
	}
	return nil
}

// await returns when all jobs of out have ended; they and their segments are what they are then. In a process of its own
// it runs them meanwhile.
func (a *app) await(ctx context.Context, cl *client, out *server.Submitted) error {
	ctx, stop := context.WithCancel(ctx)
	built := make(chan error, 1)
	if cl.node != nil {
		go func() { built <- cl.node.builder.Run(ctx) }()
	} else {
		built <- nil
	}
	s := a.newStatus()
	var errs []error
	for i := range out.Jobs {
		errs = append(errs, a.awaitJob(ctx, cl, s, &out.Jobs[i]))
	}
	s.end()
	stop()
	errs = append(errs, <-built)
	for i := range out.Segments {
		var now server.Segment
		q := request{method: http.MethodGet, path: cubePath(out.Cube, "segments", fmt.Sprint(out.Segments[i].Number)), query: queryOf("project", out.Project)}
		err := cl.do(context.WithoutCancel(ctx), q, &now)
		var gone *server.Error
		switch {
		case err == nil:
			out.Segments[i] = now
		case errors.As(err, &gone) && gone.Code == "not_found": // its job ended without it
		default:
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (a *app) awaitJob(ctx context.Context, cl *client, s *status, j *server.Job) error {
	tick := time.NewTicker(waitEvery)
	defer tick.Stop()
	for {
		var now server.Job
		if err := cl.do(ctx, request{method: http.MethodGet, path: jobPath(j.ID)}, &now); err != nil {
			return err
		}
		*j = now
		switch {
		case j.State == "finished":
			return nil
		case j.State == "failed" || j.State == "cancelled" || j.State == "paused":
			return fmt.Errorf("job %d is %s: %s: see tidemark job log %d", j.ID, j.State, dash(j.Problem), j.ID)
		case j.State == "waiting_for_staging" && cl.node != nil:
			return fmt.Errorf("job %d %s, and no process reads: start tidemark serve, which goes on with it", j.ID, j.Problem)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case at := <-tick.C:
			if s.due(at) {
				s.say(at, jobLine(*j))
			}
		}
	}
}

// jobLine is where a job stands, in one line.
func jobLine(j server.Job) string {
	line := fmt.Sprintf("job %d: %s of segment %d %s", j.ID, j.Kind, j.Segment, j.State)
	for _, step := range j.Steps {
		if step.EndedAt.IsZero() && step.Total > 0 {
			line += fmt.Sprintf(", %s %d of %d %s", step.Name, step.Done, step.Total, step.Unit)
		}
	}
	if j.Problem != "" {
		line += ", " + oneLine(j.Problem)
	}
	return line
}
