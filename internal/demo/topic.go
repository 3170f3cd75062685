package demo

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Topic is what a producer finds.
type Topic struct {
	Partitions int32
	Made       bool // it was not there before
}

// EnsureTopic makes the topic if it is missing, with so many partitions; one that was there before stays as it is. It asks
// until ctx ends, so give it a limit.
func EnsureTopic(ctx context.Context, cl *kgo.Client, topic string, partitions int32) (Topic, error) {
	adm := kadm.NewClient(cl)
	_, err := adm.CreateTopic(ctx, partitions, -1, nil, topic)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return Topic{}, fmt.Errorf("create topic %s: %w", topic, err)
	}
	made := err == nil
	details, err := adm.ListTopics(ctx, topic)
	if err != nil {
		return Topic{}, fmt.Errorf("describe topic %s: %w", topic, err)
	}
	d := details[topic]
	if d.Err != nil {
		return Topic{}, fmt.Errorf("describe topic %s: %w", topic, d.Err)
	}
	return Topic{Partitions: int32(len(d.Partitions)), Made: made}, nil
}
