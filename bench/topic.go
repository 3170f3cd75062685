package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// adminTimeout bounds every question to the broker, since a client otherwise asks for ever.
const adminTimeout = 30 * time.Second

func newClient(brokers string, opts ...kgo.Opt) (*kgo.Client, error) {
	if brokers == "" {
		return nil, wrongUse("give --brokers HOST:PORT[,HOST:PORT]")
	}
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(strings.Split(brokers, ",")...)}, opts...)...)
}

// createTopic makes the topic, without a limit by time: retention goes by record time, and a test's topic must not
// vanish. With recreate an old one is deleted first.
func createTopic(ctx context.Context, cl *kgo.Client, topic string, partitions int32, recreate bool) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	adm := kadm.NewClient(cl)
	if recreate {
		if _, err := adm.DeleteTopic(ctx, topic); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("delete topic %s: %w", topic, err)
		}
	}
	forEver := "-1"
	for {
		_, err := adm.CreateTopic(ctx, partitions, -1, map[string]*string{"retention.ms": &forEver}, topic)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, kerr.TopicAlreadyExists) && !recreate:
			return fmt.Errorf("topic %s exists, and with old records in it the sums would be wrong: "+
				"give --recreate to delete it first, or another --topic", topic)
		case !errors.Is(err, kerr.TopicAlreadyExists):
			return fmt.Errorf("create topic %s: %w", topic, err)
		}
		select { // a deletion takes the broker a moment after it was granted
		case <-ctx.Done():
			return fmt.Errorf("create topic %s: its deletion is not done after %v", topic, adminTimeout)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// ends returns the first and the next offset of each partition.
func ends(ctx context.Context, cl *kgo.Client, topic string) (start, end map[int32]int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	adm := kadm.NewClient(cl)
	from, err := adm.ListStartOffsets(ctx, topic)
	if err == nil {
		err = from.Error()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("first offsets of topic %s: %w", topic, err)
	}
	to, err := adm.ListEndOffsets(ctx, topic)
	if err == nil {
		err = to.Error()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("end offsets of topic %s: %w", topic, err)
	}
	start, end = map[int32]int64{}, map[int32]int64{}
	from.Each(func(o kadm.ListedOffset) { start[o.Partition] = o.Offset })
	to.Each(func(o kadm.ListedOffset) { end[o.Partition] = o.Offset })
	return start, end, nil
}
