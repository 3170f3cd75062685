package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tidemarkdb/tidemark/internal/server"
)

// demoDone compares what was sent with what was committed.
type demoDone struct {
	Sent        int64   `json:"sent"`      // acknowledged by the broker
	Uncertain   int64   `json:"uncertain"` // sent without an acknowledgement
	Backlog     int64   `json:"backlog"`   // from an earlier run
	Committed   int64   `json:"committed"` // events + quarantined
	Events      int64   `json:"events"`
	Quarantined int64   `json:"quarantined"`
	Files       int64   `json:"files"`
	Bytes       int64   `json:"bytes"`
	Segments    int64   `json:"segments"`    // ready ones, of all runs
	Cubed       int64   `json:"cubed"`       // events in them
	Unsegmented int64   `json:"unsegmented"` // events of all runs that no segment holds yet
	Lag         int64   `json:"lag"`         // records that are not read yet
	Answers     int     `json:"answers"`     // of which is known how fresh they were
	FreshP50    float64 `json:"freshness_p50_seconds"`
	FreshP99    float64 `json:"freshness_p99_seconds"`
	Seconds     float64 `json:"seconds"`
	OK          bool    `json:"ok"`
	used
}

func (d *demoRun) summary(ctx context.Context, interrupted bool) error {
	after, err := d.n.catalog.Stats(ctx, d.tableID)
	if err != nil {
		return err
	}
	var cubed server.Cube
	if err := d.n.client().do(ctx, request{method: http.MethodGet, path: cubePath(demoCube)}, &cubed); err != nil {
		return err
	}
	u, err := usedSoFar()
	if err != nil {
		return err
	}
	sent := d.producer.Counts()
	out := demoDone{
		Sent: sent.Acked.Records, Uncertain: sent.Failed, Backlog: d.backlog,
		Events: after.Events - d.before.Events, Quarantined: after.Quarantined - d.before.Quarantined,
		Files: after.Files - d.before.Files, Bytes: after.Bytes - d.before.Bytes,
		Segments: cubed.Ready, Cubed: cubed.Events, Unsegmented: max(0, after.Events-cubed.Events), Lag: d.n.ingester.Progress().Lag,
		Answers: len(d.fresh.seen), FreshP50: quantile(d.fresh.seen, .5).Seconds(), FreshP99: quantile(d.fresh.seen, .99).Seconds(),
		Seconds: time.Since(d.started).Seconds(), used: u,
	}
	out.Committed = out.Events + out.Quarantined
	missing := out.Sent + out.Backlog - out.Committed
	out.OK = missing <= 0 && -missing <= out.Uncertain
	if err := d.a.print(out, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, out.text(missing))
		return err
	}); err != nil || out.OK || interrupted && missing > 0 || d.broker == nil && missing < 0 {
		return err // others may send to a real topic
	}
	return errors.New("demo: what was sent and what was committed differ")
}

func (o demoDone) text(missing int64) string {
	s := fmt.Sprintf("sent %d page views in %.1f s", o.Sent, o.Seconds)
	if o.Backlog > 0 {
		s += fmt.Sprintf(", %d were left from an earlier run", o.Backlog)
	}
	s += fmt.Sprintf("; read %d: %d events and %d quarantined, in %d files (%s); lag %d; %d events in %d segments",
		o.Committed, o.Events, o.Quarantined, o.Files, bytesText(o.Bytes), o.Lag, o.Cubed, o.Segments)
	if o.Cubed > o.Events {
		s += " of all runs"
	}
	if o.Answers > 0 {
		s += fmt.Sprintf("; fresh within %s (p50), %s (p99)", secondsText(o.FreshP50), secondsText(o.FreshP99))
	}
	s += "; peak memory " + bytesText(o.PeakRSSBytes)
	if o.Unsegmented > 0 {
		s += fmt.Sprintf("; %d events are in no segment yet: the next start builds them", o.Unsegmented)
	}
	if o.Uncertain > 0 {
		s += fmt.Sprintf("; %d were not acknowledged: they may be in the topic or not", o.Uncertain)
	}
	switch {
	case o.OK:
		return s + "; nothing is missing or doubled"
	case missing > 0:
		return s + fmt.Sprintf("; %d are not read yet: the next start goes on there", missing)
	}
	return s + fmt.Sprintf("; %d more than were sent", -missing)
}

func secondsText(s float64) string { return shortTime(time.Duration(s * float64(time.Second))) }
