package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/server"
)

// taskCommand holds what is about tasks.
func (a *app) taskCommand() *cobra.Command {
	c := group("task", "See the queue of tasks; submit and cancel some")
	c.Long = "A task is a short decision (what to cut, what to clean up) or the run of a job. A timer makes them; anybody may submit one, which\ngoes through the same queue."
	c.Example = "  tidemark task list\n  tidemark task submit cleanup\n  tidemark task cancel 12"
	c.AddCommand(a.taskList(), a.taskSubmit(),
		a.taskChange("cancel", "End a task"),
		a.taskChange("retry", "Queue a failed task again, or have a waiting one not wait for its next attempt"),
		a.taskChange("pause", "Keep a task, and those of its key behind it, from running"),
		a.taskChange("resume", "Let a paused task go on"))
	return c
}

func (a *app) taskList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List tasks that have not ended, in the order of the queue", Args: exactly()}
	kind := c.Flags().String("kind", "", "only of this kind")
	state := c.Flags().String("state", "", "only in this state: init, running, finished, failed or cancelled")
	all := c.Flags().Bool("all", false, "those that have ended too, the newest first")
	limit := c.Flags().Int("limit", 0, "how many at most (default 100)")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		q := queryOf("kind", *kind, "state", *state, "all", yes(*all))
		if *limit != 0 {
			q.Set("limit", strconv.Itoa(*limit))
		}
		var out server.Tasks
		if err := a.ask(cmd, false, request{method: http.MethodGet, path: "/tasks", query: q}, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error {
			if len(out.Tasks) == 0 {
				_, err := fmt.Fprintln(w, "no tasks")
				return err
			}
			return table(w, "TASK KIND KEY STATE ATTEMPTS BY CREATED ERROR", func(row func(...any)) {
				for _, t := range out.Tasks {
					state := t.State
					if t.Paused {
						state = "paused"
					}
					row(t.ID, t.Kind, dash(t.Key), state, t.Attempts, t.SubmittedBy, timeText(t.CreatedAt), dash(oneLine(t.Error)))
				}
			})
		})
	}
	return c
}

func (a *app) taskSubmit() *cobra.Command {
	c := &cobra.Command{
		Use: "submit KIND", Short: "Queue a task", Args: exactly("KIND"),
		Example: "  tidemark task submit cleanup\n  tidemark task submit maintain --cube clicks_cube",
	}
	project := ofProject(c)
	name := c.Flags().String("cube", "", "the cube that it is about, of kinds that are about one")
	spec := c.Flags().String("spec", "", "`JSON` that the kind takes besides")
	key := keyFlag(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		q := request{method: http.MethodPost, path: "/tasks", query: queryOf("project", *project), key: *key}
		if *spec != "" && !json.Valid([]byte(*spec)) {
			return usage("--spec %s is not JSON", *spec)
		}
		if err := q.json(server.TaskRequest{Kind: args[0], Cube: *name, Spec: json.RawMessage(*spec)}); err != nil {
			return err
		}
		var t server.Task
		if err := a.ask(cmd, false, q, &t); err != nil {
			return err
		}
		return a.printTask(t)
	}
	return c
}

func (a *app) taskChange(action, short string) *cobra.Command {
	c := &cobra.Command{Use: action + " TASK", Short: short, Args: exactly("TASK")}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := numberArg("task", args[0])
		if err != nil {
			return err
		}
		var t server.Task
		q := request{method: http.MethodPost, path: fmt.Sprintf("/tasks/%d/%s", id, action)}
		if err := a.ask(cmd, false, q, &t); err != nil {
			return err
		}
		return a.printTask(t)
	}
	return c
}

func (a *app) printTask(t server.Task) error {
	return a.print(t, func(w io.Writer) error {
		state := t.State
		switch {
		case t.Paused:
			state = "paused"
		case t.Ask != "":
			state = fmt.Sprintf("running, and is to %s", t.Ask)
		}
		_, err := fmt.Fprintf(w, "task %d (%s) is %s\n", t.ID, t.Kind, state)
		return err
	})
}
