package testkit

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// FakeKafka starts an in-memory Kafka on a free port and returns its bootstrap addresses. It ends with the test. Inside
// testing/synctest build with -tags synctests, else the bubble panics.
func FakeKafka(t testing.TB, opts ...kfake.Opt) (*kfake.Cluster, []string) {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatalf("start the in-memory Kafka: %v", err)
	}
	t.Cleanup(c.Close)
	return c, c.ListenAddrs()
}

// Client returns a client of the brokers that is closed with the test.
func Client(t testing.TB, brokers []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(brokers...),
		kgo.RecordDeliveryTimeout(patience), // kgo's own default is for ever
	}, opts...)...)
	if err != nil {
		t.Fatalf("make a Kafka client: %v", err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// Topic makes a topic with a new name and removes it at the end of the test. config may be nil.
func Topic(t testing.TB, cl *kgo.Client, partitions int32, config map[string]string) string {
	t.Helper()
	name := Name("topic")
	settings := map[string]*string{}
	for k, v := range config {
		settings[k] = &v
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopic(ctx, partitions, 1, settings, name); err != nil {
		t.Fatalf("make topic %s: %v", name, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		// The test may have removed it, or stopped the broker: either way there is nothing to remove.
		_, _ = adm.DeleteTopic(ctx, name)
	})
	return name
}

// Produce writes the records and returns when the broker has them all. A record goes to its Partition if the client
// was made with kgo.RecordPartitioner(kgo.ManualPartitioner()).
func Produce(t testing.TB, cl *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatalf("produce %d records: %v", len(records), err)
	}
}
