package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// offsetFlags name a range of offsets of a partition.
type offsetFlags struct {
	project               *string
	partition, generation *int32
	start, end            *int64
}

func rangeFlags(c *cobra.Command) offsetFlags {
	return offsetFlags{
		project:    projectFlag(c),
		partition:  c.Flags().Int32("partition", -1, "partition of the offsets"),
		generation: c.Flags().Int32("generation", -1, "generation of the partition (default: the newest)"),
		start:      c.Flags().Int64("start", -1, "first `OFFSET`"),
		end:        c.Flags().Int64("end", -1, "`OFFSET` behind the last one"),
	}
}

func (f offsetFlags) query(more ...string) url.Values {
	q := queryOf(append(more, "project", *f.project)...)
	for name, v := range map[string]int64{"partition": int64(*f.partition), "generation": int64(*f.generation), "start": *f.start, "end": *f.end} {
		if v >= 0 {
			q.Set(name, strconv.FormatInt(v, 10))
		}
	}
	return q
}

func (a *app) tableReread() *cobra.Command {
	c := &cobra.Command{
		Use: "reread TABLE", Short: "Have offsets read again from Kafka that are skipped, lost, or without their staged file", Args: exactly("TABLE"),
		Long:    "Asks the process that reads a partition to read again what of a range is skipped, lost, or has lost its staged file, as far as\nKafka still has it. Rows that have their file stay as they are. Without --start and --end it is all that is committed.",
		Example: "  tidemark table reread clicks --partition 0 --start 2000 --end 3000 --wait\n  tidemark table rereads clicks      what became of it",
	}
	f := rangeFlags(c)
	wait := c.Flags().Bool("wait", false, "return when it was done, with exit code 1 where something stays as it was")
	c.RunE = func(cmd *cobra.Command, args []string) (err error) {
		cl, err := a.connect(cmd.Context(), false)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, cl.close()) }()
		var out server.Rereads
		if err := cl.do(cmd.Context(), request{method: http.MethodPost, path: tablePath(args[0], "rereads"), query: f.query()}, &out); err != nil {
			return err
		}
		var waited error
		if *wait {
			waited = awaitRereads(cmd.Context(), cl, &out)
		}
		return errors.Join(a.print(out, func(w io.Writer) error { return printRereads(w, out) }), waited)
	}
	return c
}

// awaitRereads looks at requests until all are done.
func awaitRereads(ctx context.Context, cl *client, out *server.Rereads) error {
	if !out.Reading {
		return errors.New("nobody reads the table: start tidemark serve or tidemark ingest, it finds the requests")
	}
	tick := time.NewTicker(waitEvery)
	defer tick.Stop()
	for {
		var all server.Rereads
		if err := cl.do(ctx, request{method: http.MethodGet, path: tablePath(out.Table, "rereads"), query: queryOf("project", out.Project)}, &all); err != nil {
			return err
		}
		byID := map[int64]server.Reread{}
		for _, r := range all.Rereads {
			byID[r.ID] = r
		}
		open, kept := 0, 0
		for i, r := range out.Rereads {
			if now, ok := byID[r.ID]; ok {
				out.Rereads[i] = now
			}
			switch r = out.Rereads[i]; {
			case !r.Done:
				open++
			case r.Problem != "":
				kept++
			}
		}
		if open == 0 && kept > 0 {
			return fmt.Errorf("of %d requests %d left something as it was", len(out.Rereads), kept)
		}
		if open == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func printRereads(w io.Writer, out server.Rereads) error {
	if len(out.Rereads) == 0 {
		_, err := fmt.Fprintf(w, "nothing of table %s/%s was asked to be read again\n", out.Project, out.Table)
		return err
	}
	for _, r := range out.Rereads {
		if err := printReread(w, r.ID, r.Range, rereadState(r)); err != nil {
			return err
		}
	}
	if !out.Reading {
		_, err := fmt.Fprintln(w, "nobody reads the table now: start tidemark serve or tidemark ingest")
		return err
	}
	return nil
}

func printReread(w io.Writer, id int64, r segmenter.PartitionRange, state string) error {
	_, err := fmt.Fprintf(w, "re-read %d of %s: %s\n", id, r, state)
	return err
}

func rereadState(r server.Reread) string {
	switch {
	case r.Done && r.Problem == "":
		return "done"
	case r.Done:
		return "done, but " + oneLine(r.Problem)
	case r.Problem != "":
		return "waits; the last try failed: " + oneLine(r.Problem)
	}
	return "waits"
}

func (a *app) tableRereads() *cobra.Command {
	c := &cobra.Command{Use: "rereads TABLE", Short: "List what was asked to be read again, and what became of it", Args: exactly("TABLE")}
	project := projectFlag(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		var out server.Rereads
		q := request{method: http.MethodGet, path: tablePath(args[0], "rereads"), query: queryOf("project", *project)}
		if err := a.ask(cmd, false, q, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error { return printRereads(w, out) })
	}
	return c
}

func (a *app) tableLost() *cobra.Command {
	c := &cobra.Command{
		Use: "lost TABLE --partition N --start OFFSET --end OFFSET --reason TEXT", Short: "Declare offsets lost whose staged files are gone for good", Args: exactly("TABLE"),
		Long: "Records offsets as lost, so that no hole is left of them: whole rows whose staged files are gone and which Kafka has no more, or\noffsets up to the first one that was read. A row that has its file is refused. Try tidemark table reread first.",
	}
	f := rangeFlags(c)
	reason := c.Flags().String("reason", "", "why, for those who look")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		var out server.Lost
		q := request{method: http.MethodPost, path: tablePath(args[0], "lost"), query: f.query("reason", *reason)}
		if err := a.ask(cmd, false, q, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s of table %s/%s is lost: %s\n", out.Range, out.Project, out.Table, oneLine(out.Reason))
			return err
		})
	}
	return c
}
