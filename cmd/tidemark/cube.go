package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/server"
)

// cubeCommand holds what is about cubes.
func (a *app) cubeCommand() *cobra.Command {
	c := group("cube", "Define cubes: what is grouped by, what is aggregated, when segments are cut")
	c.Long = "A cube is dimensions and measures over a table. Its segments are contiguous offset ranges of the table, built one after another."
	c.Example = `  tidemark cube apply -f clicks_cube.yaml      make it, or change it
  tidemark cube list                           all cubes with their segments summed up
  tidemark segment list clicks_cube            its segments`
	c.AddCommand(a.cubeApply(), a.cubePlan(), a.cubeList(), a.cubeShow(), a.cubeDrop(), a.cubeClone(), a.cubeEnable(), a.cubeDisable(),
		a.cubePurge(), a.cubeRollback(), a.cubeImport(), a.cubeExport())
	return c
}

func cubePath(name string, more ...string) string {
	p := "/cubes/" + url.PathEscape(name)
	for _, m := range more {
		p += "/" + m
	}
	return p
}

// ofProject adds --project to a command about one cube.
func ofProject(c *cobra.Command) *string {
	return c.Flags().String("project", "", "project of the cube (default \"default\")")
}

func (a *app) cubeApply() *cobra.Command {
	c := &cobra.Command{
		Use: "apply -f FILE", Short: "Make a cube, or change it, by a definition in YAML or JSON", Args: exactly(),
		Long:    "Makes a cube, or gives it another version. Every complaint about the definition comes at once, each with its line and what to\nwrite instead. Segments of the old version go on answering; see docs/CUBES.md for what becomes of them.",
		Example: "  tidemark cube apply -f clicks_cube.yaml\n  tidemark cube apply --dry-run -f clicks_cube.yaml   only say what it would do",
	}
	files := c.Flags().StringArrayP("file", "f", nil, "`FILE` with the definition, - for standard input; may be given more than once")
	dry := c.Flags().Bool("dry-run", false, "check the definition and say what would change")
	project := ofProject(c)
	c.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if len(*files) == 0 {
			return usage("name the definition: tidemark cube apply -f FILE")
		}
		cl, err := a.connect(cmd.Context(), true)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, cl.close()) }()
		var errs []error
		for _, f := range *files {
			errs = append(errs, a.applyCubeFile(cmd, cl, f, queryOf("project", *project, "dry_run", yes(*dry))))
		}
		return errors.Join(errs...)
	}
	return c
}

func (a *app) applyCubeFile(cmd *cobra.Command, cl *client, file string, query url.Values) error {
	body, name, err := a.readFile(file)
	if err != nil {
		return err
	}
	return a.applyCube(cmd, cl, body, name, query)
}

func (a *app) applyCube(cmd *cobra.Command, cl *client, body []byte, name string, query url.Values) error {
	var out server.AppliedCube
	if err := a.define(cmd, cl, request{method: http.MethodPut, path: "/cubes", query: query, body: body}, name, &out); err != nil {
		return err
	}
	return a.printAppliedCube(out)
}

func (a *app) printAppliedCube(out server.AppliedCube) error {
	return a.print(out, func(w io.Writer) error {
		would := ""
		if out.DryRun {
			would = " (dry run: nothing was done)"
		}
		_, err := fmt.Fprintf(w, "cube %s/%s %s, version %d, %d cuboids%s\n", out.Project, out.Cube, out.Outcome, out.Version, out.Cuboids, would)
		for _, c := range out.Changes {
			fmt.Fprintf(w, "  %s\n", c)
		}
		for _, warning := range out.Warnings {
			fmt.Fprintf(w, "  warning: %s\n", warning)
		}
		return err
	})
}

func (a *app) cubeList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the cubes with their segments summed up", Args: exactly()}
	project := c.Flags().String("project", "", "only cubes of this project (default: all)")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		var out server.Cubes
		if err := a.ask(cmd, false, request{method: http.MethodGet, path: "/cubes", query: queryOf("project", *project)}, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error {
			if len(out.Cubes) == 0 {
				_, err := fmt.Fprintln(w, "no cubes: make one with tidemark cube apply -f FILE")
				return err
			}
			return table(w, "CUBE TABLE VERSION STATE READY NEW EVENTS BYTES FROM TO", func(row func(...any)) {
				for _, c := range out.Cubes {
					row(c.Project+"/"+c.Cube, c.Table, c.Version, c.State, c.Ready, c.New, c.Events, bytesText(c.Bytes),
						timeText(c.MinTime), timeText(c.MaxTime))
				}
			})
		})
	}
	return c
}

func (a *app) cubeShow() *cobra.Command {
	c := &cobra.Command{Use: "show CUBE", Short: "Show a definition in YAML, as apply takes it", Args: exactly("CUBE")}
	project := ofProject(c)
	version := c.Flags().Int("version", 0, "an older version (default: the newest)")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		q := queryOf("project", *project)
		if *version != 0 {
			q.Set("version", strconv.Itoa(*version))
		}
		var out server.Cube
		if err := a.ask(cmd, false, request{method: http.MethodGet, path: cubePath(args[0]), query: q}, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "# %s; %d segments ready with %d events (%s), %d being built; events from %s to %s\n",
				out.State, out.Ready, out.Events, bytesText(out.Bytes), out.New, timeText(out.MinTime), timeText(out.MaxTime))
			if out.Reason != "" {
				fmt.Fprintf(w, "# %s\n", oneLine(out.Reason))
			}
			if err == nil && out.Definition != nil {
				_, err = w.Write(cube.FormatCube(out.Definition))
			}
			return err
		})
	}
	return c
}

func (a *app) cubeDrop() *cobra.Command {
	c := &cobra.Command{
		Use: "drop CUBE", Short: "Drop a cube with its segments; the events stay in the staged files of its table", Args: exactly("CUBE"),
	}
	project := ofProject(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return a.changeCube(cmd, request{method: http.MethodDelete, path: cubePath(args[0]), query: queryOf("project", *project)})
	}
	return c
}

func (a *app) cubeClone() *cobra.Command {
	c := &cobra.Command{
		Use: "clone CUBE NAME", Short: "Make a cube with the same definition and no segments", Args: exactly("CUBE", "NAME"),
	}
	project := ofProject(c)
	to := c.Flags().String("to-project", "", "project of the copy, which has a table of the same name (default: the same)")
	key := keyFlag(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		var out server.AppliedCube
		q := request{method: http.MethodPost, path: cubePath(args[0], "clone"), query: queryOf("project", *project), key: *key}
		if err := q.json(server.CloneRequest{Cube: args[1], Project: *to}); err != nil {
			return err
		}
		if err := a.ask(cmd, false, q, &out); err != nil {
			return err
		}
		return a.printAppliedCube(out)
	}
	return c
}

func (a *app) cubeEnable() *cobra.Command {
	c := &cobra.Command{Use: "enable CUBE", Short: "Let a disabled cube be built and answer again", Args: exactly("CUBE")}
	project := ofProject(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return a.changeCube(cmd, request{method: http.MethodPost, path: cubePath(args[0], "enable"), query: queryOf("project", *project)})
	}
	return c
}

func (a *app) cubeDisable() *cobra.Command {
	c := &cobra.Command{Use: "disable CUBE", Short: "Stop building a cube and answering from it", Args: exactly("CUBE")}
	project := ofProject(c)
	reason := c.Flags().String("reason", "", "why, for those who look")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		q := queryOf("project", *project, "reason", *reason)
		return a.changeCube(cmd, request{method: http.MethodPost, path: cubePath(args[0], "disable"), query: q})
	}
	return c
}

func (a *app) cubePurge() *cobra.Command {
	c := &cobra.Command{
		Use: "purge CUBE", Short: "Cancel all jobs of a cube and retire all its segments; it starts anew", Args: exactly("CUBE"),
	}
	project := ofProject(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return a.changeCube(cmd, request{method: http.MethodPost, path: cubePath(args[0], "purge"), query: queryOf("project", *project)})
	}
	return c
}

func (a *app) cubeRollback() *cobra.Command {
	c := &cobra.Command{
		Use: "rollback CUBE", Short: "Make an old version of the definition the next one", Args: exactly("CUBE"),
	}
	project := ofProject(c)
	version := c.Flags().Int("version", 0, "which (default: the one before the newest)")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		q := queryOf("project", *project)
		if *version != 0 {
			q.Set("version", strconv.Itoa(*version))
		}
		var out server.AppliedCube
		if err := a.ask(cmd, false, request{method: http.MethodPost, path: cubePath(args[0], "rollback"), query: q}, &out); err != nil {
			return err
		}
		return a.printAppliedCube(out)
	}
	return c
}

func (a *app) changeCube(cmd *cobra.Command, q request) error {
	var out server.CubeState
	if err := a.ask(cmd, false, q, &out); err != nil {
		return err
	}
	return a.print(out, func(w io.Writer) error {
		before := ""
		if !out.Changed {
			before = " (as before)"
		}
		_, err := fmt.Fprintf(w, "cube %s/%s is %s%s\n", out.Project, out.Cube, out.State, before)
		return err
	})
}
