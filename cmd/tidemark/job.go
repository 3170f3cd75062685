package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/server"
)

// jobCommand holds what is about jobs.
func (a *app) jobCommand() *cobra.Command {
	c := group("job", "See jobs that build, refresh and merge segments; pause, cancel and retry them")
	c.Example = "  tidemark job list --state failed\n  tidemark job show 12\n  tidemark job log 12"
	c.AddCommand(a.jobList(), a.jobShow(), a.jobLog(),
		a.jobChange("pause", "Keep a job from running; its offsets stay reserved"),
		a.jobChange("resume", "Let a paused job go on"),
		a.jobChange("cancel", "End a job and free its offsets"),
		a.jobChange("retry", "Let a failed job go on at once"),
		a.jobChange("drop", "Cancel a job, if it has not ended, and forget it with its log"))
	return c
}

func jobPath(id int64, more ...string) string {
	p := "/jobs/" + strconv.FormatInt(id, 10)
	for _, m := range more {
		p += "/" + m
	}
	return p
}

// numberArg reads the number that an argument must be.
func numberArg(what, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, usage("%q is no number of a %s: tidemark %s list shows them", text, what, what)
	}
	return n, nil
}

func (a *app) jobList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List jobs, the newest first", Args: exactly()}
	project := c.Flags().String("project", "", "only of this project (default: all; of --cube: \"default\")")
	name := c.Flags().String("cube", "", "only of this cube")
	state := c.Flags().String("state", "", "only in this state: pending, waiting_for_staging, running, paused, finished, failed or cancelled; several with commas between")
	limit := c.Flags().Int("limit", 0, "how many at most (default 100)")
	after := c.Flags().String("after", "", "go on behind this `CURSOR`, which the last list ended with")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		q := queryOf("project", *project, "cube", *name, "state", *state, "after", *after)
		if *limit != 0 {
			q.Set("limit", strconv.Itoa(*limit))
		}
		var out server.Jobs
		if err := a.ask(cmd, false, request{method: http.MethodGet, path: "/jobs", query: q}, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error {
			if len(out.Jobs) == 0 {
				_, err := fmt.Fprintln(w, "no jobs")
				return err
			}
			err := table(w, "JOB CUBE SEGMENT KIND STATE PROGRESS ATTEMPTS BY CREATED PROBLEM", func(row func(...any)) {
				for _, j := range out.Jobs {
					row(j.ID, j.Project+"/"+j.Cube, j.Segment, j.Kind, j.State, fmt.Sprintf("%.0f%%", 100*j.Progress), j.Attempts,
						j.SubmittedBy, timeText(j.CreatedAt), dash(oneLine(j.Problem)))
				}
			})
			if err == nil && out.Next != "" {
				_, err = fmt.Fprintf(w, "more: --after %s\n", out.Next)
			}
			return err
		})
	}
	return c
}

func (a *app) jobShow() *cobra.Command {
	c := &cobra.Command{Use: "show JOB", Short: "Show a job with its steps", Args: exactly("JOB")}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := numberArg("job", args[0])
		if err != nil {
			return err
		}
		var j server.Job
		if err := a.ask(cmd, false, request{method: http.MethodGet, path: jobPath(id)}, &j); err != nil {
			return err
		}
		return a.printJob(j)
	}
	return c
}

// stallsText tells of attempts that a store did not answer.
func stallsText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d in a row that met a store that does not answer", n)
}

func (a *app) printJob(j server.Job) error {
	return a.print(j, func(w io.Writer) error {
		fmt.Fprintf(w, "job %d: %s of segment %d of cube %s/%s is %s\n", j.ID, j.Kind, j.Segment, j.Project, j.Cube, j.State)
		fmt.Fprintf(w, "  submitted by %s at %s, attempts %d%s, started %s, ended %s\n", j.SubmittedBy, timeText(j.CreatedAt), j.Attempts,
			stallsText(j.Stalls), timeText(j.StartedAt), timeText(j.EndedAt))
		if j.Problem != "" {
			fmt.Fprintf(w, "  %s\n", oneLine(j.Problem))
		}
		for _, s := range j.Steps {
			amount := ""
			if s.Total > 0 {
				amount = fmt.Sprintf(" %d of %d %s", s.Done, s.Total, s.Unit)
			}
			until := "to " + timeText(s.EndedAt)
			if s.LeftMs > 0 {
				until = "about " + (time.Duration(s.LeftMs) * time.Millisecond).Round(time.Second).String() + " left"
			}
			fmt.Fprintf(w, "  %s:%s %s %s\n", s.Name, amount, timeText(s.StartedAt), until)
		}
		return nil
	})
}

func (a *app) jobLog() *cobra.Command {
	c := &cobra.Command{Use: "log JOB", Short: "Print a job's log", Args: exactly("JOB")}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := numberArg("job", args[0])
		if err != nil {
			return err
		}
		var out server.JobLog
		q := request{method: http.MethodGet, path: jobPath(id, "log"), query: queryOf("limit", "10000")}
		if err := a.ask(cmd, false, q, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error {
			for _, l := range out.Lines {
				if _, err := fmt.Fprintf(w, "%s  %s\n", timeText(l.At), l.Text); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return c
}

func (a *app) jobChange(action, short string) *cobra.Command {
	c := &cobra.Command{Use: action + " JOB", Short: short, Args: exactly("JOB")}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := numberArg("job", args[0])
		if err != nil {
			return err
		}
		q := request{method: http.MethodPost, path: jobPath(id, action)}
		if action == "drop" {
			q = request{method: http.MethodDelete, path: jobPath(id)}
		}
		var j server.Job
		if err := a.ask(cmd, false, q, &j); err != nil {
			return err
		}
		return a.printJob(j)
	}
	return c
}
