package main

import (
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/server"
)

func (a *app) sourcesCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "sources", Short: "Show how far the running process has read each partition", Args: exactly(),
		Example: "  tidemark sources --table clicks",
	}
	project := c.Flags().String("project", "", "only this project (default: all)")
	name := c.Flags().String("table", "", "only this table (default: all)")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		var out server.Sources
		q := request{method: http.MethodGet, path: "/sources", query: queryOf("project", *project, "table", *name)}
		if err := a.ask(cmd, false, q, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error { return printSources(w, out) })
	}
	return c
}

func printSources(w io.Writer, out server.Sources) error {
	if !out.Reading {
		_, err := fmt.Fprintln(w, "no process reads: start tidemark serve or tidemark ingest")
		return err
	}
	return table(w, "TABLE PARTITION STATE NEXT END LAG COMMITTED WATERMARK REASON", func(row func(...any)) {
		for _, s := range out.Sources {
			p := fmt.Sprint(s.Partition)
			if s.Partition < 0 {
				p = "-"
			}
			row(s.Project+"/"+s.Table, p, s.State, s.Next, s.End, s.Lag, s.Committed, timeText(s.Watermark), dash(oneLine(s.Reason)))
		}
	})
}

func (a *app) gcCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "gc --dry-run", Short: "List files that nothing needs", Args: exactly(),
		Long: "Lists files of a write that was cut off before its commit, and folders of segments that were replaced or dropped. Clean-up removes\nthem in its second pass, after a grace period: tidemark task submit cleanup.",
	}
	dry := c.Flags().Bool("dry-run", false, "list, remove nothing")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		var out server.GCResult
		if err := a.ask(cmd, false, request{method: http.MethodPost, path: "/gc", query: queryOf("dry_run", yes(*dry))}, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error {
			for _, o := range out.Orphans {
				fmt.Fprintf(w, "%s  %s\n", o.Key, oneLine(o.Reason))
			}
			for _, key := range out.Only {
				fmt.Fprintf(w, "%s  kept: the catalog has its offsets in no other file; after a backup was restored, see tidemark catalog rebuild\n", key)
			}
			for _, folder := range out.Unknown {
				fmt.Fprintf(w, "%s  kept: the catalog does not know its table or cube; after a backup was restored, see tidemark catalog rebuild\n", folder)
			}
			_, err := fmt.Fprintf(w, "%d are needed by nothing, of %d files (%s); %d more are too young to tell\n",
				len(out.Orphans), out.Scanned, bytesText(out.Bytes), out.Young)
			return err
		})
	}
	return c
}
