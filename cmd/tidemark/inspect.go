package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/inspect"
	"github.com/tidemarkdb/tidemark/internal/server"
)

func (a *app) inspectCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "inspect FILE|CUBE/SEGMENT", Short: "Show what a file, or a segment, says of itself", Args: exactly("FILE|CUBE/SEGMENT"),
		Long: `Shows schema, metadata, row groups, cuboids and first rows of a staged file or a file of cuboids, from the file alone: no catalog
and no running process are needed. Of a segment it shows files and cuboids by its manifest, and of one in HBase what its table says of
itself too: row groups and first rows, read by the process that is asked. tidemark verify proves that they are right.`,
		Example: "  tidemark inspect cuboids-00000.parquet\n  tidemark inspect --rows 0 -o json cuboids-00000.parquet\n  tidemark inspect clicks_cube/7",
	}
	rows := c.Flags().Int("rows", 3, "how many rows to show; of cuboids, of each")
	project := c.Flags().String("project", "", "project of the cube of a segment (default \"default\")")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if *rows < 0 {
			return usage("--rows %d: a number not below 0", *rows)
		}
		name := args[0]
		cubeName, segment, ok := strings.Cut(name, "/")
		if exists(name) || !ok || strings.Contains(segment, "/") || strings.Contains(segment, ".") {
			r, err := inspect.Local(cmd.Context(), name, *rows)
			if err != nil {
				return fmt.Errorf("inspect: %w", err)
			}
			return a.print(r, r.Text)
		}
		var out server.SegmentCuboids
		q := request{method: http.MethodGet, path: cubePath(cubeName, "segments", segment, "cuboids"), query: queryOf("project", *project, "rows", strconv.Itoa(*rows))}
		if err := a.ask(cmd, false, q, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error { return printCuboids(w, out) })
	}
	return c
}

func printCuboids(w io.Writer, s server.SegmentCuboids) error {
	fmt.Fprintf(w, "segment %d of cube %s/%s, version %d: %d events from %d files\n", s.Segment, s.Project, s.Cube, s.Version, s.Events, s.Inputs)
	fmt.Fprintf(w, "  %s, by %s\n", s.Path, s.Writer)
	for _, l := range s.Lookups {
		fmt.Fprintf(w, "  lookup %s, version %d: %d rows, %s\n", cmp.Or(l.Lookup, l.ID), l.Version, l.Rows, l.Object)
	}
	if s.Table != nil {
		fmt.Fprintf(w, "  %d rows in table %s of %s\n\n", s.Stored.Rows, s.Stored.Table, s.Stored.Store)
		return s.Table.Text(w)
	}
	if len(s.Cuboids) == 0 {
		_, err := fmt.Fprintln(w, "  no cuboids: its staged files answer")
		return err
	}
	err := table(w, "FILE BYTES SHA256", func(row func(...any)) {
		for _, f := range s.Files {
			row(f.Key, f.Size, f.SHA256)
		}
	})
	if err != nil {
		return err
	}
	return table(w, "CUBOID ROW_GROUPS ROWS BYTES DIMENSIONS", func(row func(...any)) {
		for _, c := range s.Cuboids {
			dims := strings.Join(c.Dimensions, ",")
			if dims == "" {
				dims = "-"
			}
			row(c.Cuboid, c.RowGroups, c.Rows, c.Bytes, dims)
		}
	})
}
