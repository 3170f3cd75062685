package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/server"
)

func (a *app) quarantineCommand() *cobra.Command {
	c := group("quarantine", "Look at records that could not be read, and try them again")
	c.Example = `  tidemark quarantine list clicks
  tidemark quarantine show clicks 0 1234        partition 0, offset 1234, whole
  tidemark quarantine requeue clicks            after a definition was mended`
	c.AddCommand(a.quarantineList(), a.quarantineShow(), a.quarantineRequeue())
	return c
}

func (a *app) quarantineList() *cobra.Command {
	c := &cobra.Command{Use: "list TABLE", Short: "List quarantined records with their reasons", Args: exactly("TABLE")}
	project := projectFlag(c)
	reason := c.Flags().String("reason", "", "only records with this reason")
	partition := c.Flags().Int32("partition", -1, "only this partition")
	limit := c.Flags().Int("limit", 0, "most records to list (default 100)")
	after := c.Flags().String("after", "", "go on behind this `CURSOR`, which the last list ended with")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		q := queryOf("project", *project, "reason", *reason, "after", *after)
		if *partition >= 0 {
			q.Set("partition", strconv.Itoa(int(*partition)))
		}
		if *limit != 0 {
			q.Set("limit", strconv.Itoa(*limit))
		}
		var out server.Quarantine
		if err := a.ask(cmd, false, request{method: http.MethodGet, path: tablePath(args[0], "quarantine"), query: q}, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error { return printQuarantine(w, out) })
	}
	return c
}

func printQuarantine(w io.Writer, out server.Quarantine) error {
	if len(out.Records) > 0 {
		err := table(w, "PARTITION OFFSET TIME REASON BYTES DETAIL", func(row func(...any)) {
			for _, r := range out.Records {
				row(r.Partition, r.Offset, timeText(r.Timestamp), r.Reason, r.Bytes, oneLine(r.Detail))
			}
		})
		if err != nil {
			return err
		}
	}
	more := ""
	if out.Next != "" {
		more = ", more: --after " + out.Next
	}
	_, err := fmt.Fprintf(w, "%d shown of %d quarantined in table %s/%s%s\n", len(out.Records), out.Total, out.Project, out.Table, more)
	return err
}

// oneLine keeps what came from outside from breaking a list, or a terminal.
func oneLine(s string) string {
	if q := strconv.QuoteToGraphic(s); q != `"`+s+`"` {
		return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
	}
	return s
}

func (a *app) quarantineShow() *cobra.Command {
	c := &cobra.Command{
		Use: "show TABLE PARTITION OFFSET", Short: "Show one quarantined record, whole", Args: exactly("TABLE", "PARTITION", "OFFSET"),
	}
	project := projectFlag(c)
	generation := c.Flags().Int32("generation", -1, "generation of the topic (default: the newest that has the offset)")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		q := queryOf("project", *project)
		if *generation >= 0 {
			q.Set("generation", strconv.Itoa(int(*generation)))
		}
		var out server.Record
		path := tablePath(args[0], "quarantine", pathNumber(args[1]), pathNumber(args[2]))
		if err := a.ask(cmd, false, request{method: http.MethodGet, path: path, query: q}, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error { return printRecord(w, out) })
	}
	return c
}

// pathNumber keeps a slash in an argument from naming another page; the server says what is wrong with it.
func pathNumber(s string) string {
	if s == "" || strings.ContainsAny(s, "/?#%") {
		return "-"
	}
	return s
}

func printRecord(w io.Writer, r server.Record) error {
	fmt.Fprintf(w, "partition %d, generation %d, offset %d, %s\n%s: %s\n", r.Partition, r.Generation, r.Offset, timeText(r.Timestamp), r.Reason, oneLine(r.Detail))
	if r.Key != nil {
		fmt.Fprintf(w, "key: %s\n", payloadText(*r.Key))
	}
	for _, h := range r.Headers {
		fmt.Fprintf(w, "header %s: %s\n", oneLine(h.Key), payloadText(h.Value))
	}
	_, err := fmt.Fprintf(w, "value (%d bytes): %s\n", r.Bytes, payloadText(r.Value))
	return err
}

func payloadText(p server.Payload) string {
	text := oneLine(p.Text)
	switch {
	case p.Null:
		text = "null"
	case p.Base64 != "":
		text = "base64 " + p.Base64
	}
	if p.Cut {
		text += "..."
	}
	return text
}

func (a *app) quarantineRequeue() *cobra.Command {
	c := &cobra.Command{
		Use: "requeue TABLE", Short: "Try quarantined records again with the newest definition", Args: exactly("TABLE"),
		Long: "Tries quarantined records again with the newest definition. Those that can be read now become events, in supplement files;\nthe others stay quarantined. It may be run as often as one likes.",
	}
	project := projectFlag(c)
	reason := c.Flags().String("reason", "", "only records with this reason")
	partition := c.Flags().Int32("partition", -1, "only this partition")
	dry := c.Flags().Bool("dry-run", false, "only say how many could be read")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		q := queryOf("project", *project, "reason", *reason, "dry_run", yes(*dry))
		if *partition >= 0 {
			q.Set("partition", strconv.Itoa(int(*partition)))
		}
		var out server.RequeueResult
		if err := a.ask(cmd, false, request{method: http.MethodPost, path: tablePath(args[0], "quarantine", "requeue"), query: q}, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error {
			would := "requeued"
			if out.DryRun {
				would = "would be requeued"
			}
			_, err := fmt.Fprintf(w, "%d %s, %d still unreadable, %d files\n", out.Requeued, would, out.StillBad, len(out.Files))
			for _, r := range slices.Sorted(maps.Keys(out.ByReason)) {
				fmt.Fprintf(w, "  %s: %d\n", r, out.ByReason[r])
			}
			return err
		})
	}
	return c
}
