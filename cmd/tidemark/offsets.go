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

func (a *app) tableOffsets() *cobra.Command {
	c := &cobra.Command{
		Use: "offsets TABLE", Short: "Show what is committed of each partition", Args: exactly("TABLE"),
		Long: "Shows what is committed of each partition: every offset from START to COMMITTED is an event in a file, a gap, quarantined,\nskipped or lost. With --ranges it lists the rows of the ledger, which tile that line.",
	}
	project := projectFlag(c)
	ranges := c.Flags().Bool("ranges", false, "list the committed ranges")
	partition := c.Flags().Int32("partition", -1, "only ranges of this partition")
	limit := c.Flags().Int("limit", 0, "most ranges to list (default 100)")
	after := c.Flags().String("after", "", "go on behind this `CURSOR`, which the last list ended with")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		q := queryOf("project", *project, "ranges", yes(*ranges), "after", *after)
		if *partition >= 0 {
			q.Set("partition", strconv.Itoa(int(*partition)))
		}
		if *limit != 0 {
			q.Set("limit", strconv.Itoa(*limit))
		}
		var out server.Offsets
		if err := a.ask(cmd, false, request{method: http.MethodGet, path: tablePath(args[0], "offsets"), query: q}, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error {
			if *ranges {
				return printRanges(w, out)
			}
			return printOffsets(w, out)
		})
	}
	return c
}

func printOffsets(w io.Writer, out server.Offsets) error {
	if len(out.Partitions) == 0 {
		_, err := fmt.Fprintln(w, "nothing was read yet: start tidemark serve or tidemark ingest")
		return err
	}
	return table(w, "PARTITION GENERATION START COMMITTED EVENTS GAPS QUARANTINED SKIPPED LOST FILES OWNER", func(row func(...any)) {
		for _, p := range out.Partitions {
			s := p.Stats
			row(p.Partition, p.Generation, p.Start, p.Committed, s.Events, s.Gaps, s.Quarantined, s.Skipped, s.Lost, s.Files, dash(p.Owner))
		}
	})
}

func printRanges(w io.Writer, out server.Offsets) error {
	err := table(w, "PARTITION GENERATION START END STATE EVENTS GAPS QUARANTINED FROM TO FILE", func(row func(...any)) {
		for _, r := range out.Ranges {
			what := r.File
			if what == "" {
				what = r.Reason
			}
			row(r.Partition, r.Generation, r.Start, r.End, r.State, r.Events, r.Gaps, r.Quarantined, timeText(r.MinTime), timeText(r.MaxTime), dash(what))
		}
	})
	if err == nil && out.Next != "" {
		_, err = fmt.Fprintf(w, "more: --after %s\n", out.Next)
	}
	return err
}

func (a *app) tableRoll() *cobra.Command {
	c := &cobra.Command{
		Use: "roll TABLE", Short: "Have what was read written to files and committed at once", Args: exactly("TABLE"),
	}
	project := projectFlag(c)
	partition := c.Flags().Int32("partition", -1, "only this partition")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		q := queryOf("project", *project)
		if *partition >= 0 {
			q.Set("partition", strconv.Itoa(int(*partition)))
		}
		var out server.Rolled
		if err := a.ask(cmd, false, request{method: http.MethodPost, path: tablePath(args[0], "roll"), query: q}, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error {
			note := ""
			if !out.Reading {
				note = ": nobody reads the table now, so there is nothing to roll"
			}
			_, err := fmt.Fprintf(w, "roll of table %s/%s requested%s\n", out.Project, out.Table, note)
			return err
		})
	}
	return c
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}
