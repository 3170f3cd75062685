package ingest

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// reopen commits what is in hand of a partition and opens it anew: the checks of openPartition find out what became of
// its log. It returns at once; the work is done beside the poll loop.
func (in *Ingester) reopen(tp topicPartition, why string) {
	in.reopenAll([]topicPartition{tp}, why, func(context.Context) {})
}

// reopenTopic does the same for all partitions of a topic that was made again; the client must forget the old one.
func (in *Ingester) reopenTopic(topic, why string) {
	in.mu.Lock()
	var tps []topicPartition
	for tp := range in.sources {
		if tp.topic == topic {
			tps = append(tps, tp)
		}
	}
	delete(in.topics, topic)
	in.mu.Unlock()
	in.reopenAll(tps, why, func(ctx context.Context) {
		in.command(ctx, func() { in.feed.forget(topic); in.remind(topic) })
	})
}

// remind has a client that forgot a topic read what was opened anew meanwhile. A group member is given it again.
func (in *Ingester) remind(topic string) {
	if in.o.Group != "" {
		return
	}
	from := map[topicPartition]int64{}
	in.mu.Lock()
	for tp, s := range in.sources {
		if tp.topic == topic && s.reading {
			from[tp] = s.pos
		}
	}
	in.mu.Unlock()
	if len(from) == 0 {
		return
	}
	in.feed.read(from)
	for _, p := range in.partitions() { // that ended all holds
		p.mu.Lock()
		if p.paused && p.tp.topic == topic {
			in.feed.hold(p.tp, p)
		}
		p.mu.Unlock()
	}
}

// lostPartition gives up a partition that another process has claimed (N2).
func (in *Ingester) lostPartition(p *partition, err error) {
	in.mu.Lock()
	s := in.sources[p.tp]
	current := s != nil && slices.Contains(s.parts, p)
	in.mu.Unlock()
	if !current {
		return // it was given up before: whoever reads now is not concerned
	}
	in.o.Logger.LogAttrs(context.Background(), slog.LevelWarn, "partition taken over",
		slog.String("topic", p.tp.topic), slog.Int("partition", int(p.tp.partition)), slog.Any("err", err))
	if in.o.UntilEnd {
		in.fail(err)
		return
	}
	in.reopenAll([]topicPartition{p.tp}, err.Error(), func(ctx context.Context) {
		in.mu.Lock()
		in.unread[p.tp] = unread{TakenOver, err.Error()}
		in.mu.Unlock()
		select { // do not fight for it
		case <-ctx.Done():
		case <-time.After(takeoverPause):
		}
	})
}

// takeoverPause is how long a partition that was taken over is left to the other process before it is claimed again,
// should the group still give it to this one.
const takeoverPause = 10 * time.Second

func (in *Ingester) reopenAll(tps []topicPartition, why string, between func(context.Context)) {
	in.mu.Lock()
	var mine []topicPartition
	for _, tp := range tps {
		if in.sources[tp] != nil && !in.reopening[tp] && !in.closing {
			in.reopening[tp] = true
			in.unread[tp] = unread{Opening, why}
			mine = append(mine, tp)
		}
	}
	in.mu.Unlock()
	if len(mine) == 0 {
		return
	}
	in.o.Logger.LogAttrs(context.Background(), slog.LevelWarn, "partition reopens", slog.String("topic", mine[0].topic),
		slog.Int("partition", int(mine[0].partition)), slog.String("err", why))
	in.later(func(ctx context.Context) {
		for _, tp := range mine {
			in.feed.hold(tp, in)
		}
		stopCtx, stop := context.WithTimeout(context.WithoutCancel(ctx), in.o.StopTimeout) // a stop finishes it, too
		in.release(stopCtx, mine)
		stop()
		between(ctx)
		var opening sync.WaitGroup
		for _, tp := range mine { // each by itself: one that cannot be opened keeps no other closed
			opening.Go(func() { in.openAgain(ctx, tp) })
		}
		opening.Wait()
	})
}

// openAgain opens a partition and moves the feed there, trying until it works or the process stops.
func (in *Ingester) openAgain(ctx context.Context, tp topicPartition) {
	defer func() {
		in.mu.Lock()
		delete(in.reopening, tp)
		in.mu.Unlock()
		in.poke()
	}()
	for wait := 200 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, 10*time.Second) {
		err := in.openAndRead(ctx, tp)
		if err == nil {
			return
		}
		in.notOpened(ctx, tp, err)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// openAndRead opens a partition and has the feed read it from where the catalog ends.
func (in *Ingester) openAndRead(ctx context.Context, tp topicPartition) error {
	if !in.feed.owns(tp) {
		in.forgetUnread(tp)
		return nil // a group member that is not given the partition again; or it will be, and opens it then
	}
	offset, ok, err := in.open(ctx, tp)
	if err != nil || !ok {
		return err
	}
	in.startReading(ctx, map[topicPartition]int64{tp: offset})
	return nil
}

// later has f run beside the loops, with a context that ends when reading stops.
func (in *Ingester) later(f func(context.Context)) {
	select {
	case in.tasks <- f:
	case <-in.stopping:
	}
}

// runTasks starts what later was given, and waits for all of it.
func (in *Ingester) runTasks(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	defer close(in.stopping)
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-in.tasks:
			running.Go(func() { f(ctx) })
		}
	}
}

// fail ends Run with err.
func (in *Ingester) fail(err error) {
	in.mu.Lock()
	if in.fatal == nil {
		in.fatal = err
	}
	in.mu.Unlock()
	in.poke()
}
