package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/config"
)

// showEvery is how often progress is looked at.
const showEvery = time.Second

// ingestDone is the last line of a one-time read.
type ingestDone struct {
	Events       int64   `json:"events"`
	Bytes        int64   `json:"bytes"` // of record values
	Bad          int64   `json:"bad"`
	Files        int64   `json:"files"`
	FileBytes    int64   `json:"file_bytes"`
	Lag          int64   `json:"lag"`
	Seconds      float64 `json:"seconds"`
	EventsPerSec float64 `json:"events_per_second"`
	used
}

func (a *app) ingestCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "ingest", Short: "Read tables in the foreground, with progress; with --until-end stop where the topics end now", Args: exactly(),
		Long: `Reads tables and shows how fast. With --until-end it reads up to where the topics end at the start, commits and stops; the next
one goes on from there. -o json prints one line at the end, with the CPU time and the peak memory of the process.`,
		Example: "  tidemark ingest --until-end --brokers broker-1:9092\n  tidemark ingest --table clicks --until-end -o json",
	}
	project := c.Flags().String("project", "", "only this project (default: all)")
	name := c.Flags().String("table", "", "only this table (default: all)")
	untilEnd := c.Flags().Bool("until-end", false, "stop where the topics end now")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.ingest(cmd.Context(), ingest.Options{Project: *project, Table: *name, UntilEnd: *untilEnd})
	}
	return c
}

func (a *app) ingest(ctx context.Context, o ingest.Options) (err error) {
	a.adjust = func(cfg *config.Config) {
		if !cfg.Given("http") {
			cfg.HTTP = "127.0.0.1:0" // a one-time read must not fail by the port of a server that runs on another folder
		}
	}
	cfg, err := a.own("ingest reads in this process")
	if err != nil {
		return err
	}
	n, err := a.openLong(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	if err := n.wantTables(ctx, &o); err != nil {
		return err
	}
	roles := []string{config.RoleIngest}
	if err := n.ready(ctx, roles); err != nil {
		return err
	}
	at, err := n.listenHTTP(ctx)
	if err != nil {
		return err
	}
	if err := n.take(roles, at, o); err != nil {
		return errors.Join(err, at.close())
	}
	err = n.run(ctx, at, a.showProgress(n))
	if err != nil {
		return err
	}
	if o.UntilEnd && ctx.Err() != nil {
		return errors.New("interrupted before the end: what was read is committed, the next start goes on from there")
	}
	return a.finished(n.ingester.Progress())
}

// wantTables fails early where there is nothing to read: waiting for a table that was misspelled helps nobody.
func (n *node) wantTables(ctx context.Context, o *ingest.Options) error {
	if o.Table != "" {
		if o.Project == "" {
			o.Project = "default"
		}
		_, err := n.catalog.Table(ctx, o.Project, o.Table)
		return err
	}
	if !o.UntilEnd {
		return nil
	}
	tables, err := n.catalog.Tables(ctx, o.Project)
	if err == nil && len(tables) == 0 {
		return errors.New("there are no tables to read: make one with tidemark table apply -f FILE")
	}
	return err
}

// showProgress returns a loop that shows how far reading is until its context ends.
func (a *app) showProgress(n *node) func(context.Context) error {
	return func(ctx context.Context) error {
		s, m := a.newStatus(), new(meter)
		defer s.end()
		tick := time.NewTicker(showEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case now := <-tick.C:
				if s.due(now) {
					s.say(now, m.line(now, n.ingester.Progress()))
				}
			}
		}
	}
}

func (a *app) finished(p ingest.Progress) error {
	u, err := usedSoFar()
	if err != nil {
		return err
	}
	done := ingestDone{
		Events: p.Events, Bytes: p.Bytes, Bad: p.Bad, Files: p.Files, FileBytes: p.FileBytes, Lag: p.Lag,
		Seconds: p.Elapsed.Seconds(), EventsPerSec: p.EventsPerSec, used: u,
	}
	if a.json() {
		b, err := json.Marshal(done)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.stdout, "%s\n", b)
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "read %d events (%s) in %.1fs, %s events/s: %d files (%s), %d quarantined, lag %d; CPU %.1fs, peak memory %s\n",
		done.Events, bytesText(done.Bytes), done.Seconds, countText(done.EventsPerSec), done.Files, bytesText(done.FileBytes), done.Bad,
		done.Lag, done.CPUSeconds, bytesText(done.PeakRSSBytes))
	return err
}
