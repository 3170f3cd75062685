package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

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

func (a *app) verifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "verify", Short: "Prove that every offset is accounted for, from the files themselves", Args: exactly(),
		Long: `Reads the catalog and every file and proves that the files tile the offsets that were read: each offset of each partition is an
event in exactly one file, a gap, quarantined, skipped or lost. With --against-kafka it reads the topics again, as far as the
brokers still have them, and compares. Exits with 1 when there is a problem.`,
		Example: "  tidemark verify\n  tidemark verify --table clicks --against-kafka --brokers broker-1:9092\n  tidemark verify -o json",
	}
	project := c.Flags().String("project", "", "only this project (default: all)")
	name := c.Flags().String("table", "", "only this table (default: all)")
	against := c.Flags().Bool("against-kafka", false, "compare with what the brokers still have")
	c.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		cl, err := a.connect(cmd.Context(), false)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, cl.close()) }()
		q := request{method: http.MethodPost, path: "/verify", query: queryOf("project", *project, "table", *name, "against_kafka", yes(*against))}
		return a.verify(cmd, cl, q)
	}
	return c
}

func (a *app) verify(cmd *cobra.Command, cl *client, q request) error {
	show := a.newStatus()
	defer show.end()
	var report *server.VerifyReport
	err := cl.lines(cmd.Context(), q, func(d *json.Decoder) error {
		var l server.VerifyLine
		if err := d.Decode(&l); err != nil {
			return fmt.Errorf("verify: the answer ended in the middle: %w", err)
		}
		if now := time.Now(); l.Progress != nil && show.due(now) {
			show.say(now, fmt.Sprintf("verify %s: %d files, %d events", l.Progress.Table, l.Progress.Files, l.Progress.Events))
		}
		if l.Error != nil {
			return l.Error
		}
		report = l.Report
		return nil
	})
	show.end()
	if err != nil {
		return err
	}
	if report == nil {
		return errors.New("verify: the answer ended without a report: the server was stopped meanwhile, ask again")
	}
	if err := a.print(report, func(w io.Writer) error { return printReport(w, report) }); err != nil {
		return err
	}
	if !report.OK {
		return fmt.Errorf("verify: %d problems", len(report.Problems))
	}
	return nil
}

func printReport(w io.Writer, r *server.VerifyReport) error {
	for _, p := range r.Problems {
		fmt.Fprintf(w, "problem: %s\n", p)
	}
	verdict := "every offset is accounted for"
	if !r.OK {
		verdict = fmt.Sprintf("%d problems", len(r.Problems))
	}
	_, err := fmt.Fprintf(w, "%s: %d events in %d files, %d ranges", verdict, r.Events, r.Files, r.Ranges)
	for _, k := range slices.Sorted(maps.Keys(r.Exceptions)) {
		fmt.Fprintf(w, ", %d %s", r.Exceptions[k], k)
	}
	fmt.Fprintln(w)
	return err
}

func (a *app) gcCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "gc --dry-run", Short: "List files that no commit names", Args: exactly(),
		Long: "Lists files of a write that was cut off before its commit. Nothing reads them; gc itself removes nothing.",
	}
	dry := c.Flags().Bool("dry-run", false, "list, remove nothing")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		var out server.GCResult
		if err := a.ask(cmd, false, request{method: http.MethodPost, path: "/gc", query: queryOf("dry_run", yes(*dry))}, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error {
			for _, o := range out.Orphans {
				fmt.Fprintf(w, "%s  %s  %s\n", timeText(o.ModTime), bytesText(o.Size), o.Key)
			}
			_, err := fmt.Fprintf(w, "%d of %d files are named by no commit (%s); %d more are too young to tell\n",
				len(out.Orphans), out.Scanned, bytesText(out.Bytes), out.Young)
			return err
		})
	}
	return c
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			v := map[string]string{"version": version(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
			return a.print(v, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "tidemark %s, %s, %s\n", v["version"], v["go"], v["platform"])
				return err
			})
		},
	}
}

// version is the module's version where the binary was built by go install, else the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" {
		v = "(devel)"
	}
	return v
}
