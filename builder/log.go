package builder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// logCache asks a Log about topics at most once in a while, however many cubes want to know. Brokers that hang cost one
// deadline in a while, and nobody waits for them under another's lock.
type logCache struct {
	log Log
	m   *metrics

	mu   sync.Mutex // guards ends and used of each
	ends map[string]*logTopic
}

// logTopic is what a topic's brokers last said. Whoever has put a value into busy may use the rest.
type logTopic struct {
	used time.Time
	busy chan struct{} // capacity 1
	at   time.Time     // when they had answered; zero: never asked
	logEnds
}

type logEnds struct {
	offsets map[int32]int64
	err     error
}

// Limits of what brokers are asked.
const (
	logAge      = 500 * time.Millisecond // how old an answer may be
	logErrorAge = 10 * time.Second       // how long a topic whose brokers did not answer is not asked for again
	logWait     = 5 * time.Second        // for one answer, and for those of a whole pass
	logAskers   = 16                     // topics that a pass asks for at once
	logIdle     = time.Minute            // then a topic that nobody asks for is forgotten
)

var errLogWait = fmt.Errorf("the brokers did not answer within %s", logWait)

func newLogCache(log Log, m *metrics) *logCache {
	return &logCache{log: log, m: m, ends: map[string]*logTopic{}}
}

// of returns the ends of a topic, nil without a Log.
func (l *logCache) of(ctx context.Context, topic string) (map[int32]int64, error) {
	if l.log == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, logWait, errLogWait)
	defer cancel()
	t := l.topic(topic)
	select {
	case t.busy <- struct{}{}:
		defer func() { <-t.busy }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	age := time.Since(t.at)
	if !t.at.IsZero() && (age < logAge || (t.err != nil && age < logErrorAge)) {
		return t.offsets, t.err
	}
	if ctx.Err() != nil { // it had no turn
		return nil, context.Cause(ctx)
	}
	offsets, err := l.log.Ends(ctx, topic)
	l.note(ctx, t, logEnds{offsets, err})
	return t.offsets, t.err
}

// note keeps an answer. That a caller has left says nothing about the brokers.
func (l *logCache) note(ctx context.Context, t *logTopic, e logEnds) {
	t.logEnds, t.at = e, time.Now()
	if e.err == nil {
		return
	}
	t.offsets = nil
	if ctx.Err() != nil {
		t.err = fmt.Errorf("%w: %w", context.Cause(ctx), e.err)
	}
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), errLogWait) {
		t.at = time.Time{}
		return
	}
	l.m.logFailures.Inc()
}

// all returns the ends of several topics, asked for at once, within logWait. Where no topic is answered for, the brokers
// count as dead for those too that had no turn.
func (l *logCache) all(ctx context.Context, topics []string) map[string]logEnds {
	out := make(map[string]logEnds, len(topics))
	if l.log == nil {
		return out
	}
	ctx, cancel := context.WithTimeoutCause(ctx, logWait, errLogWait)
	defer cancel()
	var mu sync.Mutex // guards out and answered
	answered := false
	var g errgroup.Group
	g.SetLimit(logAskers)
	for _, topic := range topics {
		g.Go(func() error {
			offsets, err := l.of(ctx, topic)
			mu.Lock()
			defer mu.Unlock()
			out[topic] = logEnds{offsets, err}
			answered = answered || err == nil
			return nil
		})
	}
	_ = g.Wait() // each answer has its own error
	if !answered && errors.Is(context.Cause(ctx), errLogWait) {
		for topic, e := range out {
			l.dead(topic, e.err)
		}
	}
	return out
}

// dead keeps an error for a topic, unless it is being asked for or has a fresh one.
func (l *logCache) dead(topic string, err error) {
	t := l.topic(topic)
	select {
	case t.busy <- struct{}{}:
		if t.err == nil || time.Since(t.at) >= logErrorAge {
			t.logEnds, t.at = logEnds{err: err}, time.Now()
		}
		<-t.busy
	default:
	}
}

// offsetsAt is Log.At within logWait. Brokers that did not say where the topic ends a moment ago are not asked.
func (l *logCache) offsetsAt(ctx context.Context, topic string, at time.Time) (map[int32]int64, error) {
	if _, err := l.of(ctx, topic); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, logWait, errLogWait)
	defer cancel()
	offsets, err := l.log.At(ctx, topic, at)
	if err != nil && errors.Is(context.Cause(ctx), errLogWait) {
		err = fmt.Errorf("%w: %w", errLogWait, err)
		l.dead(topic, err)
	}
	return offsets, err
}

// topic returns what is known of a topic, and forgets those that nobody asks for any more.
func (l *logCache) topic(name string) *logTopic {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.ends[name]
	if t == nil {
		maps.DeleteFunc(l.ends, func(_ string, t *logTopic) bool { return time.Since(t.used) > logIdle })
		t = &logTopic{busy: make(chan struct{}, 1)}
		l.ends[name] = t
	}
	t.used = time.Now()
	return t
}

// forget has the next answer come from the brokers: whoever asks by hand means the end at that moment, with the events that
// were sent just before.
func (l *logCache) forget(topic string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.ends, topic)
}

// generations are those of a table, from the catalog.
func generations(parts []catalog.PartitionInfo) (list segmenter.Generations) {
	for _, p := range parts {
		for _, g := range p.Generations {
			list = append(list, segmenter.Generation{Partition: g.Partition, Generation: g.Generation, Start: g.Start, End: g.End, Closed: g.Closed})
		}
	}
	return list
}

// reach moves the ends of open generations to where the log ends, where that is behind what is committed, and at least to
// where segments end that wait for it. The offsets between are still to be staged.
func reach(g segmenter.Generations, ends map[int32]int64, awaited segmenter.Vector, take func(r segmenter.PartitionRange) bool) segmenter.Generations {
	out := append(segmenter.Generations{}, g...)
	for i, x := range out {
		if x.Closed {
			continue
		}
		unstaged := x.Range()
		unstaged.Start = x.End
		if end, ok := ends[x.Partition]; ok && end > x.End {
			if unstaged.End = end; take(unstaged) {
				out[i].End = end
			}
		}
		if at, ok := awaited.Line(x.Partition, x.Generation); ok {
			out[i].End = max(out[i].End, at.End)
		}
	}
	return out
}
