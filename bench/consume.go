package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// consumed is what consume prints.
type consumed struct {
	Events  int64   `json:"events"` // records, whatever is in them
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
}

// runConsume is the limit that every reader of Kafka has: fetch, unpack, throw away.
func runConsume(ctx context.Context, args []string, stdout io.Writer) error {
	fs := flag.NewFlagSet("consume", flag.ContinueOnError)
	brokers := fs.String("brokers", "127.0.0.1:9092", "addresses of the brokers")
	topic := fs.String("topic", "pageviews", "topic to read")
	if err := parse(fs, args); err != nil {
		return err
	}
	begin := time.Now()
	c, err := consume(ctx, *brokers, *topic)
	if err != nil {
		return err
	}
	c.Seconds = time.Since(begin).Seconds()
	return writeJSON(stdout, c)
}

func consume(ctx context.Context, brokers, topic string) (*consumed, error) {
	cl, err := newClient(brokers)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	start, end, err := ends(ctx, cl, topic)
	if err != nil {
		return nil, err
	}
	left := map[int32]int64{} // partition -> its end, while that is not reached
	offsets := map[int32]kgo.Offset{}
	for p, e := range end {
		if start[p] < e {
			left[p] = e
			offsets[p] = kgo.NewOffset().At(start[p])
		}
	}
	if len(left) == 0 {
		return &consumed{}, nil
	}
	cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets})
	var c consumed
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return nil, fmt.Errorf("fetch %s: %w", topic, err)
		}
		if errs := fetches.Errors(); len(errs) > 0 {
			return nil, fmt.Errorf("fetch %s/%d: %w", topic, errs[0].Partition, errs[0].Err)
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			for _, r := range p.Records {
				if r.Offset < end[p.Partition] {
					c.Events++
					c.Bytes += int64(len(r.Value))
				}
			}
			if n := len(p.Records); n > 0 && p.Records[n-1].Offset+1 >= end[p.Partition] {
				delete(left, p.Partition)
			}
		})
	}
	return &c, nil
}
