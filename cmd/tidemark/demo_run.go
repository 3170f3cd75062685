package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/tidemarkdb/tidemark/internal/demo"
	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

const (
	catchUp            = 30 * time.Second        // at the end of --duration, until all that was sent is read
	catchUpInterrupted = 1500 * time.Millisecond // after Ctrl-C
	flushInterrupted   = time.Second             // after Ctrl-C, until the broker has acknowledged what was sent
	catchUpPoll        = 20 * time.Millisecond
)

// demoRun is one run of the demo.
type demoRun struct {
	a        *app
	n        *node
	o        demoOptions
	broker   *demo.Broker // nil: a real one
	producer *demo.Producer

	tableID string
	cubeID  string
	found   demo.Topic
	story   story
	fresh   freshness
	before  catalog.TableStats
	backlog int64 // records that an earlier run sent and did not commit
	started time.Time
}

// run ends when the duration is over or ctx is done: producers first, then, when all is read, the rest.
func (d *demoRun) run(ctx context.Context, at ports) error {
	d.started = time.Now()
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	err := d.n.run(running, at, func(reading context.Context) error {
		defer stop()
		return d.play(ctx, reading)
	})
	if err != nil {
		return err
	}
	return d.summary(context.WithoutCancel(ctx), ctx.Err() != nil)
}

// play sends until the time is over or asked is done, then waits until what was sent is read.
func (d *demoRun) play(asked, reading context.Context) error {
	producing, stop := context.WithCancel(reading)
	defer stop()
	defer context.AfterFunc(asked, func() {
		d.producer.Hurry(flushInterrupted)
		stop()
	})()
	if d.o.duration > 0 {
		timer := time.AfterFunc(d.o.duration, stop)
		defer timer.Stop()
	}
	showing, hide := context.WithCancel(reading)
	defer hide()
	g, gctx := errgroup.WithContext(showing)
	g.Go(func() error { return d.a.showProgress(d.n)(gctx) })
	g.Go(func() error {
		d.tell(gctx)
		return nil
	})
	if d.broker != nil {
		g.Go(func() error { return d.broker.Run(gctx) })
	}
	g.Go(func() error {
		defer hide()
		if err := d.producer.Run(producing); err != nil {
			return err
		}
		limit := catchUp
		if asked.Err() != nil {
			limit = catchUpInterrupted
		} else {
			fmt.Fprintf(d.a.stderr, "ending   %s are over: what was sent is read and built first\n", d.o.duration)
		}
		limited, cancel := context.WithTimeout(reading, limit)
		defer cancel()
		defer context.AfterFunc(asked, func() { time.AfterFunc(catchUpInterrupted, cancel) })()
		if err := d.waitRead(limited); err != nil || asked.Err() != nil {
			return err // a build that begins after Ctrl-C would not end in time: the next start does it
		}
		return d.publish(limited)
	})
	return g.Wait()
}

// publish returns when all that was read is in ready segments, or at the limit: what is left is built by the next run.
func (d *demoRun) publish(limited context.Context) error {
	c := d.n.client()
	tick := time.NewTicker(catchUpPoll)
	defer tick.Stop()
	for {
		// A build by hand takes what no cut has taken yet; where all is taken it waits for what is being built.
		q := request{method: http.MethodPost, path: cubePath(demoCube, "segments")}
		err := c.do(limited, q, new(server.Submitted))
		var refused *server.Error
		var open server.Segments
		switch {
		case limited.Err() != nil:
			return nil
		case errors.As(err, &refused) && refused.Code == "nothing_new":
			q := request{method: http.MethodGet, path: cubePath(demoCube, "segments"), query: queryOf("state", "new")}
			if err := c.do(limited, q, &open); err != nil && limited.Err() == nil {
				return err
			}
			if len(open.Segments) == 0 && limited.Err() == nil {
				return nil
			}
		case err != nil && !(errors.As(err, &refused) && (refused.Code == "conflict" || refused.Code == "unavailable")): // a cut came first
			return err
		}
		select {
		case <-limited.Done():
			return nil
		case <-tick.C:
		}
	}
}

// waitRead returns when every partition was read to its end, or at the limit: what is left is read by the next run.
func (d *demoRun) waitRead(limited context.Context) error {
	ends, err := d.ends(limited)
	if err != nil && limited.Err() == nil {
		return err
	}
	tick := time.NewTicker(catchUpPoll)
	defer tick.Stop()
	for err != nil || !d.isRead(ends) {
		select {
		case <-limited.Done():
			return nil
		case <-tick.C:
		}
	}
	return nil
}

func (d *demoRun) isRead(ends map[int32]int64) bool {
	read := 0
	for _, s := range d.n.ingester.Sources() {
		if end, ok := ends[s.Partition]; ok && s.Next >= end {
			read++
		}
	}
	return read == len(ends)
}

// ends are the ends of the topic's partitions.
func (d *demoRun) ends(ctx context.Context) (map[int32]int64, error) {
	return d.listed(ctx, (*kadm.Client).ListEndOffsets)
}

func (d *demoRun) listed(ctx context.Context, list func(*kadm.Client, context.Context, ...string) (kadm.ListedOffsets, error)) (map[int32]int64, error) {
	cl, err := kgo.NewClient(d.n.kafka...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	l, err := list(kadm.NewClient(cl), ctx, d.o.topic)
	if err == nil {
		err = l.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("offsets of topic %s: %w", d.o.topic, err)
	}
	out := map[int32]int64{}
	for p, o := range l[d.o.topic] {
		out[p] = o.Offset
	}
	return out, nil
}

// unread counts what is in the topic and not in the catalog.
func (d *demoRun) unread(ctx context.Context) (int64, error) {
	starts, err := d.listed(ctx, (*kadm.Client).ListStartOffsets)
	if err != nil {
		return 0, err
	}
	ends, err := d.ends(ctx)
	if err != nil {
		return 0, err
	}
	parts, err := d.n.catalog.Partitions(ctx, d.tableID)
	if err != nil {
		return 0, err
	}
	for _, p := range parts {
		if p.Begun {
			starts[p.Partition] = max(starts[p.Partition], p.End)
		}
	}
	var n int64
	for p, end := range ends {
		n += max(0, end-starts[p])
	}
	return n, nil
}
