package builder

import (
	"context"
	"sync"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// logCache asks a Log for the ends of a topic at most once in a while, however many cubes want to know.
type logCache struct {
	log Log

	mu   sync.Mutex // guards ends
	ends map[string]logEnds
}

type logEnds struct {
	at      time.Time
	offsets map[int32]int64
	err     error
}

// logAge is how old an answer may be.
const logAge = 500 * time.Millisecond

func newLogCache(log Log) *logCache { return &logCache{log: log, ends: map[string]logEnds{}} }

// of returns the ends of a topic, nil without a Log.
func (l *logCache) of(ctx context.Context, topic string) (map[int32]int64, error) {
	if l.log == nil {
		return nil, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if e, ok := l.ends[topic]; ok && now.Sub(e.at) < logAge && !now.Before(e.at) {
		return e.offsets, e.err
	}
	call, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	e := logEnds{at: now}
	e.offsets, e.err = l.log.Ends(call, topic)
	for name, old := range l.ends { // topics that nobody asks for any more
		if now.Sub(old.at) > time.Minute {
			delete(l.ends, name)
		}
	}
	l.ends[topic] = e
	return e.offsets, e.err
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

// reach moves the ends of open generations to where the log ends, where that is behind what is committed. The offsets
// between are still to be staged.
func reach(g segmenter.Generations, ends map[int32]int64, take func(partition int32, unstaged int64) bool) segmenter.Generations {
	out := append(segmenter.Generations{}, g...)
	for i, x := range out {
		if end, ok := ends[x.Partition]; ok && !x.Closed && end > x.End && take(x.Partition, end-x.End) {
			out[i].End = end
		}
	}
	return out
}
