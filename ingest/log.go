package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Log answers about topics: where they begin and end, and which offsets belong to a time. It reads no records.
type Log struct{ a *admin }

// NewLog makes a client with its own connections, which are made when they are first needed.
func NewLog(kafka []kgo.Opt) (*Log, error) {
	a, err := newAdmin(kafka)
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	return &Log{a: a}, nil
}

// Close ends its connections.
func (l *Log) Close() { l.a.close() }

// Ends returns the last stable offset of each partition: where a reader of committed transactions can read to. A topic
// that does not exist is ErrNoTopic.
func (l *Log) Ends(ctx context.Context, topic string) (map[int32]int64, error) {
	return l.list(ctx, topic, l.a.adm.ListCommittedOffsets)
}

// Starts returns the first offset of each partition that is still there.
func (l *Log) Starts(ctx context.Context, topic string) (map[int32]int64, error) {
	return l.list(ctx, topic, l.a.adm.ListStartOffsets)
}

// At returns the first offset of each partition at or after a time, by Kafka's timestamps; the end where there is none.
func (l *Log) At(ctx context.Context, topic string, t time.Time) (map[int32]int64, error) {
	return l.list(ctx, topic, func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
		return l.a.adm.ListOffsetsAfterMilli(ctx, t.UnixMilli(), topics...)
	})
}

func (l *Log) list(ctx context.Context, topic string, ask func(context.Context, ...string) (kadm.ListedOffsets, error)) (map[int32]int64, error) {
	out, info := map[int32]int64{}, topicInfo{unknown: map[int32]error{}}
	err := info.list(ctx, topic, out, ask)
	for _, untold := range info.unknown {
		err = errors.Join(err, untold)
	}
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return nil, fmt.Errorf("topic %s: %w", topic, ErrNoTopic)
	}
	if err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("topic %s: %w", topic, ErrNoTopic)
	}
	return out, nil
}
