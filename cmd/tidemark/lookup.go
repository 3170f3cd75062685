package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/server"
)

// lookupCommand holds what is about lookup tables.
func (a *app) lookupCommand() *cobra.Command {
	c := group("lookup", "Keep lookup tables: values by a key, from CSV or Parquet files or from queries")
	c.Long = "A lookup table is made of a file, or of the answer to a query. Applied again with other rows it has a next version; older versions stay."
	c.Example = `  tidemark lookup apply shops shops.csv --key id --type id:int64 --type opened:date
  tidemark lookup apply cities --key city --query "SELECT city, count(*) AS shops FROM shops GROUP BY city"
  tidemark lookup refresh cities
  tidemark lookup list`
	c.AddCommand(a.lookupApply(), a.lookupRefresh(), a.lookupList(), a.lookupShow(), a.lookupDrop())
	return c
}

func lookupPath(name string) string { return "/lookups/" + url.PathEscape(name) }

func (a *app) lookupApply() *cobra.Command {
	c := &cobra.Command{
		Use: "apply LOOKUP [FILE]", Short: "Make a lookup table, or its next version, of a CSV or Parquet file, or of the answer to a query", Args: cobra.ArbitraryArgs,
		Long: "The first line of a CSV file names the columns. They are strings where --type does not say another type, of those that columns of\n" +
			"tables have (docs/TABLES.md); an empty field is null there. A Parquet file has types of its own. FILE - is standard input, as CSV.\n" +
			"With --query it is a snapshot of the answer to a SELECT over tables and other lookup tables, asked again by tidemark lookup refresh,\n" +
			"and with --every by a process that builds.",
		Example: "  tidemark lookup apply shops shops.csv --key id --type id:int64\n  tidemark lookup apply shops shops.parquet --key id\n" +
			"  tidemark lookup apply visitors --key visitor --every 1h \\\n    --query \"SELECT visitor, min(ts) AS first_seen, count(*) AS views FROM pageviews GROUP BY visitor\"",
	}
	var l lookupFlags
	c.Flags().StringVar(&l.key, "key", "", "the `COLUMN` whose values are unique")
	c.Flags().StringArrayVar(&l.types, "type", nil, "type of a column of a CSV file, `NAME:TYPE`; may be given more than once")
	c.Flags().StringVar(&l.sql, "query", "", "the `SELECT` whose answer it is, instead of a file")
	c.Flags().StringVar(&l.every, "every", "", "ask the query again so often, as 1h; default: by hand only")
	c.Flags().BoolVar(&l.dry, "dry-run", false, "check the file or the answer, store nothing")
	c.Flags().StringVar(&l.project, "project", "", "project of the lookup table (default \"default\")")
	c.RunE = func(cmd *cobra.Command, args []string) error { return a.applyLookup(cmd, l, args) }
	return c
}

// lookupFlags say what a lookup table is to be.
type lookupFlags struct {
	key, sql, every, project string
	types                    []string
	dry                      bool
}

// lookupBody is the file or the query, its format, and what it is called in errors.
func (a *app) lookupBody(l lookupFlags, files []string) (body []byte, format, name string, err error) {
	switch {
	case l.key == "":
		return nil, "", "", usage("name the column whose values are unique: --key COLUMN")
	case (l.sql == "") == (len(files) == 0):
		return nil, "", "", usage("give a FILE, or --query \"SELECT ...\", and not both")
	case l.sql != "" && len(l.types) > 0:
		return nil, "", "", usage("--type: the answer to a query has types of its own: cast in the statement")
	case l.sql != "":
		return []byte(l.sql), "query", "query", nil
	case l.every != "":
		return nil, "", "", usage("--every: a file is not asked again: give it with --query only")
	}
	format = "csv"
	if strings.EqualFold(filepath.Ext(files[0]), ".parquet") {
		format = "parquet"
	}
	body, name, err = a.readFile(files[0])
	return body, format, name, err
}

func (a *app) applyLookup(cmd *cobra.Command, l lookupFlags, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return usage("%s wants LOOKUP and FILE or --query, got %d arguments: %s", cmd.CommandPath(), len(args), cmd.UseLine())
	}
	body, format, name, err := a.lookupBody(l, args[1:])
	if err != nil {
		return err
	}
	var out server.Lookup
	q := queryOf("project", l.project, "dry_run", yes(l.dry), "key", l.key, "format", format, "types", strings.Join(l.types, ";"), "every", l.every)
	if err := a.ask(cmd, true, request{method: http.MethodPut, path: lookupPath(args[0]), query: q, body: body}, &out); err != nil {
		return fmt.Errorf("%s: %w", name, inStatement(err, l.sql))
	}
	return a.print(out, func(w io.Writer) error {
		if l.dry {
			_, err := fmt.Fprintf(w, "lookup %s/%s has %d rows and %d columns (dry run: nothing was done)\n", out.Project, out.Name, out.Rows, len(out.Columns))
			return err
		}
		return lookupOutcome(w, &out)
	})
}

func lookupOutcome(w io.Writer, out *server.Lookup) error {
	_, err := fmt.Fprintf(w, "lookup %s/%s %s, version %d, %d rows\n", out.Project, out.Name, out.Outcome, out.Version, out.Rows)
	return err
}

func (a *app) lookupRefresh() *cobra.Command {
	c := &cobra.Command{
		Use: "refresh LOOKUP", Short: "Ask the query of a lookup table again; another answer is its next version", Args: exactly("LOOKUP"),
		Long: "Asks the query that the lookup table is a snapshot of. Another answer is stored as its next version. Where it fails the newest version stays.",
	}
	project := c.Flags().String("project", "", "project of the lookup table (default \"default\")")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		var out server.Lookup
		if err := a.ask(cmd, false, request{method: http.MethodPost, path: lookupPath(args[0]) + "/refresh", query: queryOf("project", *project)}, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error { return lookupOutcome(w, &out) })
	}
	return c
}

func (a *app) lookupList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the lookup tables", Args: exactly()}
	project := c.Flags().String("project", "", "only those of this project (default: all)")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		var out server.Lookups
		if err := a.ask(cmd, false, request{method: http.MethodGet, path: "/lookups", query: queryOf("project", *project)}, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error {
			if len(out.Lookups) == 0 {
				_, err := fmt.Fprintln(w, "no lookup tables: make one with tidemark lookup apply LOOKUP FILE --key COLUMN")
				return err
			}
			return lookupTable(w, out)
		})
	}
	return c
}

func lookupTable(w io.Writer, out server.Lookups) error {
	return table(w, "LOOKUP VERSION KEY COLUMNS ROWS BYTES CREATED OF", func(row func(...any)) {
		for _, l := range out.Lookups {
			of := "file"
			if l.Query != nil {
				of = "query of " + timeText(l.Query.At)
			}
			row(l.Project+"/"+l.Name, l.Version, l.Key, len(l.Columns), l.Rows, bytesText(l.Bytes), timeText(l.Created), of)
			if r := l.Refresh; r != nil && r.Failures > 0 {
				row("", "", "", "", "", "", "", "-> "+refreshText(r))
			}
		}
	})
}

// refreshText says what became of the last refresh.
func refreshText(r *server.LookupRefresh) string {
	if r.Failures == 0 {
		return "refreshed at " + timeText(r.Succeeded)
	}
	return fmt.Sprintf("%d refreshes failed, the last at %s: %s", r.Failures, timeText(r.Tried), shortened(r.Problem))
}

// lookupQuery says of what a lookup table is a snapshot.
func lookupQuery(w io.Writer, l *server.Lookup) {
	if l.Query == nil {
		return
	}
	fmt.Fprintf(w, "query: %s\n", plainText(l.Query.SQL))
	for _, c := range l.Query.Covers {
		if c.Lookup != "" {
			fmt.Fprintf(w, "covers: lookup table %s, version %d\n", c.Lookup, c.Version)
			continue
		}
		fmt.Fprintf(w, "covers: table %s up to offsets %s, watermark %s\n", c.Table, cmp.Or(c.Offsets, "-"), timeText(c.Watermark))
	}
	every := "by hand"
	if l.Query.Every != "" {
		every = "every " + l.Query.Every
	}
	if l.Refresh != nil {
		every += ", " + refreshText(l.Refresh)
	}
	fmt.Fprintf(w, "refresh: %s\n", every)
}

func (a *app) lookupShow() *cobra.Command {
	c := &cobra.Command{Use: "show LOOKUP", Short: "Show the columns and the versions of a lookup table", Args: exactly("LOOKUP")}
	project := c.Flags().String("project", "", "project of the lookup table (default \"default\")")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		var out server.Lookups
		if err := a.ask(cmd, false, request{method: http.MethodGet, path: lookupPath(args[0]), query: queryOf("project", *project)}, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error {
			for _, col := range out.Lookups[0].Columns { // of the newest; there is one
				fmt.Fprintf(w, "%s %s\n", col.Name, col.Type)
			}
			lookupQuery(w, &out.Lookups[0])
			return lookupTable(w, out)
		})
	}
	return c
}

func (a *app) lookupDrop() *cobra.Command {
	c := &cobra.Command{Use: "drop LOOKUP", Short: "Drop a lookup table with all its versions", Args: exactly("LOOKUP")}
	project := c.Flags().String("project", "", "project of the lookup table (default \"default\")")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		var out server.Lookup
		if err := a.ask(cmd, false, request{method: http.MethodDelete, path: lookupPath(args[0]), query: queryOf("project", *project)}, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "lookup %s/%s dropped\n", out.Project, out.Name)
			return err
		})
	}
	return c
}
