package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/tidemarkdb/tidemark/internal/pageviews"
)

// viewFlags are the flags that say which page views are made.
type viewFlags struct {
	opts   pageviews.Options
	events int64
	parts  int
	start  string
}

func (v *viewFlags) register(fs *flag.FlagSet) {
	fs.Int64Var(&v.events, "events", 2_000_000, "number of records")
	fs.Uint64Var(&v.opts.Seed, "seed", 1, "the same seed makes the same records")
	fs.IntVar(&v.parts, "partitions", 4, "partitions that the records are spread over by visitor")
	fs.Float64Var(&v.opts.Bad, "bad", 0, "share of unreadable records, 0 to 1")
	fs.Float64Var(&v.opts.Late, "late", 0, "share of late events, 0 to 1")
	fs.DurationVar(&v.opts.MaxLate, "max-late", 30*time.Minute, "how late at most")
	fs.Float64Var(&v.opts.Skew, "skew", 0, "0: partitions alike; 1: the n-th gets 1/n of the first")
	fs.BoolVar(&v.opts.Wide, "wide", false, "records of 1.2 kB instead of 385 bytes")
	fs.Float64Var(&v.opts.Rate, "event-rate", 250, "records per second of event time")
	fs.StringVar(&v.start, "start", "", "event time of the first record, RFC 3339 (default 2026-01-05T10:00:00Z)")
}

func (v *viewFlags) generator() (*pageviews.Generator, error) {
	if v.events < 0 {
		return nil, wrongUse("events %d: give 0 or more", v.events)
	}
	if v.parts < 1 || v.parts > 10_000 {
		return nil, wrongUse("partitions %d: give 1 to 10000", v.parts)
	}
	if v.start != "" {
		t, err := time.Parse(time.RFC3339, v.start)
		if err != nil {
			return nil, wrongUse("start %q is no RFC 3339 time: write 2026-01-05T10:00:00Z", v.start)
		}
		v.opts.Start = t
	}
	v.opts.Partitions = int32(v.parts)
	g, err := pageviews.New(v.opts)
	if err != nil {
		return nil, wrongUse("%v", err)
	}
	return g, nil
}

// runFile writes records as lines: what a peer without Kafka reads. A null record becomes an empty line.
func runFile(ctx context.Context, args []string, stdout io.Writer) (err error) {
	fs := flag.NewFlagSet("file", flag.ContinueOnError)
	var v viewFlags
	v.register(fs)
	out := fs.String("out", "", "file to write (required)")
	if err := parse(fs, args); err != nil {
		return err
	}
	if *out == "" {
		return wrongUse("give --out FILE")
	}
	g, err := v.generator()
	if err != nil {
		return err
	}
	f, err := os.Create(*out)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	var sums pageviews.Sums
	w := bufio.NewWriterSize(f, 1<<20)
	line := make([]byte, 0, 4096)
	for i := range v.events {
		if i%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		var ev pageviews.Event
		line = g.Append(line[:0], &ev)
		sums.Add(&ev, len(line))
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return writeJSON(stdout, sums)
}

func runTable(_ context.Context, args []string, stdout io.Writer) error {
	fs := flag.NewFlagSet("table", flag.ContinueOnError)
	table := fs.String("table", "pageviews", "name of the table")
	topic := fs.String("topic", "pageviews", "name of the topic")
	if err := parse(fs, args); err != nil {
		return err
	}
	_, err := io.WriteString(stdout, pageviews.TableYAML(*table, *topic))
	return err
}

func writeJSON(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", b)
	return err
}
