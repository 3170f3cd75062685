package main

import (
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
	c := group("lookup", "Keep lookup tables: values by a key, from CSV or Parquet files")
	c.Long = "A lookup table is made of a file. Applied again with other rows it has a next version; older versions stay."
	c.Example = `  tidemark lookup apply shops shops.csv --key id --type id:int64 --type opened:date
  tidemark lookup list`
	c.AddCommand(a.lookupApply(), a.lookupList(), a.lookupShow(), a.lookupDrop())
	return c
}

func lookupPath(name string) string { return "/lookups/" + url.PathEscape(name) }

func (a *app) lookupApply() *cobra.Command {
	c := &cobra.Command{
		Use: "apply LOOKUP FILE", Short: "Make a lookup table, or its next version, of a CSV or Parquet file", Args: exactly("LOOKUP", "FILE"),
		Long: "The first line of a CSV file names the columns. They are strings where --type does not say another type, of those that columns of\n" +
			"tables have (docs/TABLES.md); an empty field is null there. A Parquet file has types of its own. FILE - is standard input, as CSV.",
		Example: "  tidemark lookup apply shops shops.csv --key id --type id:int64\n  tidemark lookup apply shops shops.parquet --key id",
	}
	key := c.Flags().String("key", "", "the `COLUMN` whose values are unique")
	types := c.Flags().StringArray("type", nil, "type of a column of a CSV file, `NAME:TYPE`; may be given more than once")
	dry := c.Flags().Bool("dry-run", false, "check the file, store nothing")
	project := c.Flags().String("project", "", "project of the lookup table (default \"default\")")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if *key == "" {
			return usage("name the column whose values are unique: --key COLUMN")
		}
		body, name, err := a.readFile(args[1])
		if err != nil {
			return err
		}
		format := "csv"
		if strings.EqualFold(filepath.Ext(args[1]), ".parquet") {
			format = "parquet"
		}
		var out server.Lookup
		q := queryOf("project", *project, "dry_run", yes(*dry), "key", *key, "format", format, "types", strings.Join(*types, ";"))
		if err := a.ask(cmd, true, request{method: http.MethodPut, path: lookupPath(args[0]), query: q, body: body}, &out); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return a.print(out, func(w io.Writer) error {
			if *dry {
				_, err := fmt.Fprintf(w, "lookup %s/%s has %d rows and %d columns (dry run: nothing was done)\n", out.Project, out.Name, out.Rows, len(out.Columns))
				return err
			}
			_, err := fmt.Fprintf(w, "lookup %s/%s %s, version %d, %d rows\n", out.Project, out.Name, out.Outcome, out.Version, out.Rows)
			return err
		})
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
	return table(w, "LOOKUP VERSION KEY COLUMNS ROWS BYTES CREATED", func(row func(...any)) {
		for _, l := range out.Lookups {
			row(l.Project+"/"+l.Name, l.Version, l.Key, len(l.Columns), l.Rows, bytesText(l.Bytes), timeText(l.Created))
		}
	})
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
