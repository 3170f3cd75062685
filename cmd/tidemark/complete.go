package main

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/server"
)

func (a *app) tableComplete() *cobra.Command {
	c := &cobra.Command{
		Use: "complete TABLE --time T", Short: "Say whether all events of before a time have been read", Args: exactly("TABLE"),
		Long: `Says whether all events of before a time have been read, so that what is computed of them is final: the watermark of every partition has
passed it, or the partition is idle, and nothing is to be read again. Exits with 1 if not.`,
		Example: "  tidemark table complete clicks --time 2026-03-04T12:00:00Z   is the hour from 11 to 12 final?",
	}
	project := projectFlag(c)
	at := c.Flags().String("time", "", "the end of what is to be final, as 2006-01-02T15:04:05Z")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if *at == "" {
			return usage("name a time: tidemark table complete %s --time 2006-01-02T15:04:05Z", args[0])
		}
		var out server.Complete
		if err := a.ask(cmd, false, request{method: http.MethodGet, path: tablePath(args[0], "complete"), query: queryOf("project", *project, "time", *at)}, &out); err != nil {
			return err
		}
		if err := a.print(out, func(w io.Writer) error { return printComplete(w, &out) }); err != nil || out.Complete {
			return err
		}
		return fmt.Errorf("table %s is not complete before %s", out.Table, out.Time.Format(time.RFC3339))
	}
	return c
}

func printComplete(w io.Writer, c *server.Complete) error {
	if c.Complete {
		fmt.Fprintf(w, "table %s is complete before %s\n", c.Table, c.Time.Format(time.RFC3339))
	}
	for _, why := range c.Reasons {
		fmt.Fprintf(w, "%s\n", why)
	}
	if c.Watermark != nil {
		fmt.Fprintf(w, "watermark %s\n", c.Watermark.Format(time.RFC3339))
	}
	_, err := fmt.Fprintf(w, "%d lost, %d quarantined, %d skipped\n", c.Lost, c.Quarantined, c.Skipped)
	return err
}
