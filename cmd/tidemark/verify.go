package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/internal/verify"
)

func (a *app) verifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "verify", Short: "Prove that every offset is accounted for, from the files themselves", Args: exactly(),
		Long: `Reads the catalog and every file and proves that the files tile the offsets that were read: each offset of each partition is an
event in exactly one file, a gap, quarantined, skipped or lost; that each segment holds what its manifest and the catalog say, out of
those files; that its cuboids are all there and add up to its events; and that all other objects of the store are as they were
written. With --against-kafka it reads the topics again, as far as the brokers still have them, and compares.
Holes and stale segments are listed; only problems make it exit with 1.`,
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
	var report *verify.Report
	err := cl.lines(cmd.Context(), q, func(d *json.Decoder) error {
		var l server.VerifyLine
		if err := d.Decode(&l); err != nil {
			return fmt.Errorf("verify: the answer ended in the middle: %w", err)
		}
		if now := time.Now(); l.Progress != nil && show.due(now) {
			show.say(now, verifyLine(*l.Progress))
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
		return fmt.Errorf("verify: %s", problems(report))
	}
	return nil
}

func verifyLine(p server.VerifyProgress) string {
	if p.Kafka {
		return fmt.Sprintf("verify %s against Kafka: %s records", p.Table, countText(float64(p.Records)))
	}
	line := fmt.Sprintf("verify %s: %d of %d files  %s events  %s/s", p.Table, p.Files, p.TotalFiles,
		countText(float64(p.Events)), bytesText(int64(p.BytesPerSec)))
	if p.Cuboids > 0 {
		line += fmt.Sprintf("  %s cuboids", countText(float64(p.Cuboids)))
	}
	if p.ETASeconds > 0 {
		line += "  ETA " + time.Duration(p.ETASeconds*float64(time.Second)).Round(time.Second).String()
	}
	return line
}

func problems(r *verify.Report) string {
	if len(r.Problems) == 1 {
		return "1 problem"
	}
	return fmt.Sprintf("%d problems", len(r.Problems))
}

func printReport(w io.Writer, r *verify.Report) error {
	for _, p := range r.Problems {
		fmt.Fprintf(w, "problem: %s\n", oneLine(p.String()))
	}
	for _, x := range r.StaleSegments {
		fmt.Fprintf(w, "stale: cube %s segment %d: %s\n", x.Cube, x.Segment, oneLine(x.Why))
	}
	for _, x := range r.Uncounted {
		fmt.Fprintf(w, "not counted again: cube %s segment %d: %s\n", x.Cube, x.Segment, oneLine(x.Why))
	}
	for _, x := range r.RetiredDamage {
		fmt.Fprintf(w, "retired and damaged: cube %s segment %d file %s: %s\n", x.Cube, x.Segment, x.File, oneLine(x.Message))
	}
	if r.RetiredLeftOut {
		fmt.Fprintln(w, "retired: only the oldest of the segments that clean-up has still to remove were looked at")
	}
	for _, h := range r.Holes {
		place := fmt.Sprintf("between segments %d and %d", h.After, h.Before)
		if h.After == 0 {
			place = fmt.Sprintf("before segment %d", h.Before)
		}
		fmt.Fprintf(w, "hole: cube %s %s %s\n", h.Cube, h.Range, place)
	}
	verdict := "every offset is accounted for"
	if !r.OK {
		verdict = problems(r)
	}
	fmt.Fprintf(w, "%s: %d events in %d files, %d ranges", verdict, r.Events, r.Files, r.Ranges)
	for _, k := range slices.Sorted(maps.Keys(r.Exceptions)) {
		fmt.Fprintf(w, ", %d %s", r.Exceptions[k], k)
	}
	if len(r.Cubes) > 0 {
		fmt.Fprintf(w, "; %d segments of %d cubes, %d cuboids, %d stale, %d holes", r.Segments, len(r.Cubes), r.Cuboids, len(r.StaleSegments), len(r.Holes))
	}
	if r.Kafka != nil {
		fmt.Fprintf(w, "; %d records of Kafka compared, %d offsets are no longer there", r.Kafka.Records, r.Kafka.NotCheckable)
		for _, n := range r.Kafka.Notes {
			fmt.Fprintf(w, "\n  %s", oneLine(n))
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}
