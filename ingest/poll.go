package ingest

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// poll is the one loop that fetches. It hands each partition's records to its inbox and runs commands between two
// polls, when no fetch is in the air.
func (in *Ingester) poll(ctx context.Context) error {
	for ctx.Err() == nil {
		pollCtx, cancel := context.WithCancel(ctx)
		in.setBreak(cancel)
		pause, err := in.budget.gate(pollCtx)
		if pause > 0 {
			in.met.pauses.Observe(pause.Seconds())
		}
		if err == nil {
			in.pollOnce(pollCtx)
		}
		in.setBreak(nil)
		cancel()
		in.runCommands()
		in.feed.cl.AllowRebalance()
	}
	return nil
}

func (in *Ingester) pollOnce(ctx context.Context) {
	fetches := in.feed.cl.PollFetches(ctx)
	fetches.EachPartition(func(ft kgo.FetchTopicPartition) {
		if len(ft.Records) > 0 {
			in.dispatch(ft)
		}
	})
	fetches.EachError(in.fetchError)
}

// command runs f in the poll loop, and returns when it has run or ctx ends.
func (in *Ingester) command(ctx context.Context, f func()) {
	ran := make(chan struct{})
	select {
	case in.commands <- func() { f(); close(ran) }:
	case <-ctx.Done():
		return
	}
	in.breakPoll()
	select {
	case <-ran:
	case <-ctx.Done():
	}
}

func (in *Ingester) runCommands() {
	for {
		select {
		case f := <-in.commands:
			f()
		default:
			return
		}
	}
}

// setBreak notes how to end the poll that begins; a command that came just before ends it at once.
func (in *Ingester) setBreak(cancel func()) {
	in.breakMu.Lock()
	in.breakOff = cancel
	in.breakMu.Unlock()
	if cancel != nil && len(in.commands) > 0 {
		cancel()
	}
}

func (in *Ingester) breakPoll() {
	in.breakMu.Lock()
	defer in.breakMu.Unlock()
	if in.breakOff != nil {
		in.breakOff()
	}
}

// dispatch gives records to every table that reads the topic. Offsets that go back without our asking mean that the
// log is another one: the partition is opened again and its generation checked.
func (in *Ingester) dispatch(ft kgo.FetchTopicPartition) {
	tp := topicPartition{ft.Topic, ft.Partition}
	in.mu.Lock()
	s := in.sources[tp]
	reading := s != nil && s.reading
	in.mu.Unlock()
	if !reading {
		return // given up: the next owner reads from the catalog's end
	}
	recs := ft.Records
	if recs[0].Offset < s.pos {
		in.reopen(tp, "the broker sent offsets that were read before")
		return
	}
	s.pos = recs[len(recs)-1].Offset + 1
	in.met.fetched(tp, recs)
	in.lastFetch.Store(time.Now().UnixNano())
	var bytes int64
	for _, r := range recs {
		bytes += int64(len(r.Value)+len(r.Key)) + recordBytes
	}
	for _, p := range s.parts {
		in.budget.queue(bytes)
		if !p.inbox.push(batch{records: recs, bytes: bytes}) {
			in.budget.queue(-bytes) // given up since
		}
	}
}

// recordBytes is what the client holds per record beside its value.
const recordBytes = 200

// fetchError sorts what the client reports. What heals by itself is shown as the partition's state until it has.
func (in *Ingester) fetchError(topic string, partition int32, err error) {
	var loss *kgo.ErrDataLoss
	tp := topicPartition{topic, partition}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	case errors.As(err, &loss), errors.Is(err, kerr.OffsetOutOfRange):
		in.reopen(tp, err.Error())
	case errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.InconsistentTopicID):
		in.reopenTopic(topic, err.Error())
	default:
		in.met.fetchErrors.Inc()
		err = explain(err)
		in.mu.Lock()
		s := in.sources[tp]
		in.mu.Unlock()
		if s == nil {
			in.o.Logger.LogAttrs(context.Background(), slog.LevelWarn, "fetch failed", slog.String("topic", topic), slog.Any("err", err))
			return
		}
		for _, p := range s.parts {
			p.fail(Failing, err.Error())
		}
		in.holdBack(s)
	}
}

// errorPause is how long a partition rests after a fetch that failed: the client by itself would ask again at once.
const errorPause = time.Second

// holdBack has the partition rest for errorPause. It returns at once.
func (in *Ingester) holdBack(s *source) {
	in.feed.hold(s.tp, s)
	in.later(func(ctx context.Context) {
		select {
		case <-ctx.Done():
		case <-time.After(errorPause):
			in.feed.letGo(s.tp, s)
		}
	})
}
