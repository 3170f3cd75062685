package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/server"
)

// tableCommand holds what is about tables.
func (a *app) tableCommand() *cobra.Command {
	c := group("table", "Define tables and see what was read of them")
	c.Long = "A table is a topic with a schema: JSON paths become typed columns, one of them is the event time."
	c.Example = `  tidemark table sample clicks > clicks.yaml    propose a definition from what lies in a topic
  tidemark table apply -f clicks.yaml           make it, or change it
  tidemark table offsets clicks                 what was read of each partition`
	c.AddCommand(a.tableApply(), a.tableList(), a.tableShow(), a.tableDrop(), a.tableSample(),
		a.tableOffsets(), a.tableComplete(), a.tableRoll(), a.tableReread(), a.tableRereads(), a.tableLost(), a.tableStop(), a.tableResume())
	return c
}

// projectFlag adds --project to a command about one table.
func projectFlag(c *cobra.Command) *string {
	return c.Flags().String("project", "", "project of the table (default \"default\")")
}

// ask sends one question and reads the answer into out.
func (a *app) ask(cmd *cobra.Command, create bool, q request, out any) error {
	return a.askOnce(cmd.Context(), create, q, out)
}

func (a *app) askOnce(ctx context.Context, create bool, q request, out any) error {
	c, err := a.connect(ctx, create)
	if err != nil {
		return err
	}
	return errors.Join(c.do(ctx, q, out), c.close())
}

// queryOf builds a query of the pairs that have a value.
func queryOf(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

func yes(on bool) string {
	if on {
		return "true"
	}
	return ""
}

func tablePath(name string, more ...string) string {
	p := "/tables/" + url.PathEscape(name)
	for _, m := range more {
		p += "/" + m
	}
	return p
}

func (a *app) tableApply() *cobra.Command {
	c := &cobra.Command{
		Use: "apply -f FILE", Short: "Make a table, or change it, by a definition in YAML or JSON", Args: exactly(),
		Long:    "Makes a table, or gives it another version. A file may hold several definitions, with a line --- between them; those that begin\nwith cube: are of cubes.",
		Example: "  tidemark table apply -f clicks.yaml\n  tidemark table apply --dry-run -f clicks.yaml   only say what it would do\n  tidemark table sample clicks --cube | tidemark table apply -f -   both of what was proposed",
	}
	files := c.Flags().StringArrayP("file", "f", nil, "`FILE` with the definition, - for standard input; may be given more than once")
	dry := c.Flags().Bool("dry-run", false, "check the definition and say what would change")
	project := projectFlag(c)
	c.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if len(*files) == 0 {
			return usage("name the definition: tidemark table apply -f FILE")
		}
		cl, err := a.connect(cmd.Context(), true)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, cl.close()) }()
		var errs []error
		for _, f := range *files {
			errs = append(errs, a.applyFile(cmd, cl, f, queryOf("project", *project, "dry_run", yes(*dry))))
		}
		return errors.Join(errs...)
	}
	return c
}

func (a *app) readFile(file string) (body []byte, name string, err error) {
	if file == "-" {
		body, err = io.ReadAll(a.stdin)
		return body, "standard input", err
	}
	body, err = os.ReadFile(file)
	return body, file, err
}

// named gives each complaint about a definition the place in the file that people can jump to.
func named(e *server.Error, file string) error {
	d := &cube.DefinitionError{Name: file}
	for _, p := range e.Problems {
		d.Problems = append(d.Problems, cube.Problem(p))
	}
	return fmt.Errorf("%s\n%w", e.Message, d)
}

func (a *app) tableList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the tables with what was read of them", Args: exactly()}
	project := c.Flags().String("project", "", "only tables of this project (default: all)")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		var out server.Tables
		if err := a.ask(cmd, false, request{method: http.MethodGet, path: "/tables", query: queryOf("project", *project)}, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error {
			if len(out.Tables) == 0 {
				_, err := fmt.Fprintln(w, "no tables: make one with tidemark table apply -f FILE")
				return err
			}
			return table(w, "TABLE TOPIC VERSION STATE EVENTS FILES BYTES QUARANTINED LOST", func(row func(...any)) {
				for _, t := range out.Tables {
					row(t.Project+"/"+t.Table, t.Topic, t.Version, t.State, t.Stats.Events, t.Stats.Files, bytesText(t.Stats.Bytes),
						t.Stats.Quarantined, t.Stats.Lost)
				}
			})
		})
	}
	return c
}

func (a *app) tableShow() *cobra.Command {
	c := &cobra.Command{Use: "show TABLE", Short: "Show a definition in YAML, as apply takes it", Args: exactly("TABLE")}
	project := projectFlag(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		var out server.Table
		if err := a.ask(cmd, false, request{method: http.MethodGet, path: tablePath(args[0]), query: queryOf("project", *project)}, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error {
			s := out.Stats
			_, err := fmt.Fprintf(w, "# %s; %d events in %d files (%s), %d quarantined, %d skipped, %d lost, %d gaps\n",
				out.State, s.Events, s.Files, bytesText(s.Bytes), s.Quarantined, s.Skipped, s.Lost, s.Gaps)
			if out.Reason != "" {
				fmt.Fprintf(w, "# %s\n", out.Reason)
			}
			if err == nil && out.Definition != nil {
				_, err = w.Write(cube.FormatTable(out.Definition))
			}
			return err
		})
	}
	return c
}

func (a *app) tableDrop() *cobra.Command {
	c := &cobra.Command{
		Use: "drop TABLE", Short: "Drop a table; its files stay until they are cleaned up", Args: exactly("TABLE"),
	}
	project := projectFlag(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return a.changeState(cmd, request{method: http.MethodDelete, path: tablePath(args[0]), query: queryOf("project", *project)})
	}
	return c
}

func (a *app) tableStop() *cobra.Command {
	c := &cobra.Command{Use: "stop TABLE", Short: "Stop reading a table", Args: exactly("TABLE")}
	project := projectFlag(c)
	reason := c.Flags().String("reason", "", "why, for those who look")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return a.changeState(cmd, request{method: http.MethodPost, path: tablePath(args[0], "stop"), query: queryOf("project", *project, "reason", *reason)})
	}
	return c
}

func (a *app) tableResume() *cobra.Command {
	c := &cobra.Command{
		Use: "resume TABLE", Short: "Read a stopped table again, from where it was stopped", Args: exactly("TABLE"),
		Long: "A table stops by hand, by too many unreadable records, or when the brokers have lost offsets and its on_loss says stop.\nWhat was lost stays recorded as lost.",
	}
	project := projectFlag(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return a.changeState(cmd, request{method: http.MethodPost, path: tablePath(args[0], "resume"), query: queryOf("project", *project)})
	}
	return c
}

func (a *app) changeState(cmd *cobra.Command, q request) error {
	var out server.TableState
	if err := a.ask(cmd, false, q, &out); err != nil {
		return err
	}
	return a.print(out, func(w io.Writer) error {
		before := ""
		if !out.Changed {
			before = " (as before)"
		}
		_, err := fmt.Fprintf(w, "table %s/%s is %s%s\n", out.Project, out.Table, out.State, before)
		return err
	})
}
