package demo

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/tidemarkdb/tidemark/internal/pageviews"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func openBroker(t *testing.T, o BrokerOptions) *Broker {
	t.Helper()
	b, err := OpenBroker(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

type place struct {
	partition int32
	offset    int64
}

// read reads what the broker has, from start to end of each partition.
func read(t *testing.T, addrs []string, topic string, offsets map[int32]Offsets) map[place]string {
	t.Helper()
	from := map[int32]kgo.Offset{}
	left := int64(0)
	for p, o := range offsets {
		if o.End > o.Start {
			from[p] = kgo.NewOffset().At(o.Start)
			left += o.End - o.Start
		}
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	got := map[place]string{}
	for left > 0 {
		f := cl.PollFetches(t.Context())
		if err := f.Err(); err != nil {
			t.Fatal(err)
		}
		f.EachRecord(func(r *kgo.Record) {
			value := string(r.Value)
			if r.Value == nil {
				value = "null"
			}
			got[place{r.Partition, r.Offset}] = value
			left--
		})
	}
	return got
}

// after calls stop when n records have been acknowledged.
type after struct {
	n    atomic.Int64
	stop func()
}

func (a *after) OnProduceRecordUnbuffered(*kgo.Record, error) {
	if a.n.Add(-1) == 0 {
		a.stop()
	}
}

// sent runs a producer until at least n records are acknowledged.
func sent(t *testing.T, o ProducerOptions, n int64) Counts {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hook := &after{stop: cancel}
	hook.n.Store(n)
	o.Kafka = append(o.Kafka[:len(o.Kafka):len(o.Kafka)], kgo.WithHooks(hook))
	p, err := NewProducer(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(ctx); err != nil {
		t.Fatalf("producer ended with %+v: %v", p.Counts(), err)
	}
	return p.Counts()
}

// D3: what the producer counts is what a reader finds, also when it is stopped in the middle.
func TestCountsAreWhatAReaderFinds(t *testing.T) {
	b := openBroker(t, BrokerOptions{Dir: t.TempDir(), Partitions: 3})
	c := sent(t, ProducerOptions{
		Kafka: []kgo.Opt{kgo.SeedBrokers(b.Addrs()...)}, Rate: 20_000, Views: pageviews.Options{Seed: 1, Bad: 0.05, Late: 0.05},
	}, 5000)
	if c.Failed != 0 || c.Sent != c.Acked.Records {
		t.Errorf("sent %d, acknowledged %d, failed %d", c.Sent, c.Acked.Records, c.Failed)
	}
	byPartition := map[int32]int64{}
	bytes, nulls := int64(0), int64(0)
	for at, value := range read(t, b.Addrs(), "pageviews", b.Offsets()) {
		byPartition[at.partition]++
		if value == "null" {
			nulls++
			continue
		}
		bytes += int64(len(value))
	}
	if diff := cmp.Diff(c.Acked.ByPartition, byPartition); diff != "" {
		t.Errorf("records by partition (-acknowledged +read):\n%s", diff)
	}
	if bytes != c.Acked.ValueBytes || nulls != c.Acked.BadByReason[pageviews.Tombstone] {
		t.Errorf("read %d bytes and %d nulls, acknowledged were %d and %d", bytes, nulls, c.Acked.ValueBytes, c.Acked.BadByReason[pageviews.Tombstone])
	}
}

// D1, after a clean end and after none: the second is a copy of the folder taken while the broker runs.
func TestRecordsOutliveTheBroker(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	b := openBroker(t, BrokerOptions{Dir: dir})
	o := ProducerOptions{Kafka: []kgo.Opt{kgo.SeedBrokers(b.Addrs()...)}, Rate: 20_000, Views: pageviews.Options{Seed: 1}}
	sent(t, o, 2000)
	before := read(t, b.Addrs(), "pageviews", b.Offsets())
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	b.Close()
	if b.Offsets() != nil {
		t.Error("a closed broker still has offsets")
	}
	for name, dir := range map[string]string{"closed": dir, "killed": copied} {
		again := openBroker(t, BrokerOptions{Dir: dir, Partitions: 9})
		after := read(t, again.Addrs(), "pageviews", again.Offsets())
		if len(again.Offsets()) != 4 || !maps.Equal(before, after) {
			t.Errorf("%s: %d records in %d partitions after the restart, want the same %d in 4", name, len(after), len(again.Offsets()), len(before))
		}
		o.Kafka, o.Views.Seed = []kgo.Opt{kgo.SeedBrokers(again.Addrs()...)}, 2
		more := sent(t, o, 500)
		both := read(t, again.Addrs(), "pageviews", again.Offsets())
		if int64(len(both)) != int64(len(before))+more.Acked.Records {
			t.Errorf("%s: %d records after %d and %d were acknowledged", name, len(both), len(before), more.Acked.Records)
		}
		for at, value := range before {
			if both[at] != value {
				t.Fatalf("%s: record %v changed", name, at)
			}
		}
	}
}

// D2.
func TestOldRecordsGoFirst(t *testing.T) {
	dir := t.TempDir()
	const limit = 2 << 20
	b := openBroker(t, BrokerOptions{Dir: dir, Partitions: 2, MaxBytes: limit})
	sent(t, ProducerOptions{
		Kafka: []kgo.Opt{kgo.SeedBrokers(b.Addrs()...), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(32 << 10)},
		Rate:  1e6, Views: pageviews.Options{Seed: 1, Wide: true},
	}, 4000)
	end := b.Offsets()
	if size := bytesIn(t, dir); size <= limit {
		t.Fatalf("only %d bytes were written: too few to test a limit of %d", size, limit)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Run(ctx); err != nil { // looks once
		t.Fatal(err)
	}
	if size := bytesIn(t, dir); size > limit*5/4 || size < limit/4 {
		t.Errorf("%d bytes are left, want about %d", size, limit)
	}
	left := b.Offsets()
	for p, o := range left {
		if o.Start == 0 || o.End != end[p].End {
			t.Errorf("partition %d has %+v of %+v: want its last records", p, o, end[p])
		}
	}
	read(t, b.Addrs(), "pageviews", left) // all that it says it has

	b.Close()
	if err := b.Run(t.Context()); err != nil {
		t.Errorf("a closed broker: %v, want no error", err)
	}
	again := openBroker(t, BrokerOptions{Dir: dir})
	if diff := cmp.Diff(left, again.Offsets()); diff != "" {
		t.Errorf("offsets after a restart (-before +after):\n%s", diff)
	}
}

func bytesIn(t *testing.T, dir string) (sum int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestProducerMakesTheTopicAndKeepsAnOldOne(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(7, "old"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for topic, partitions := range map[string]int{"new": 2, "old": 7} {
		o := ProducerOptions{Kafka: []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}, Topic: topic, Rate: 10_000, Views: pageviews.Options{Seed: 1, Partitions: 2}}
		if got := sent(t, o, 1000); len(got.Acked.ByPartition) != partitions {
			t.Errorf("topic %s: records in %d partitions, want %d", topic, len(got.Acked.ByPartition), partitions)
		}
	}
}

// A refused record ends the run with its reason, and is counted as failed.
func TestARefusalEndsTheRun(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "pageviews"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, rt := range req.(*kmsg.ProduceRequest).Topics {
			topic := kmsg.NewProduceResponseTopic()
			topic.Topic, topic.TopicID = rt.Topic, rt.TopicID
			for _, rp := range rt.Partitions {
				p := kmsg.NewProduceResponseTopicPartition()
				p.Partition, p.ErrorCode = rp.Partition, kerr.TopicAuthorizationFailed.Code
				topic.Partitions = append(topic.Partitions, p)
			}
			resp.Topics = append(resp.Topics, topic)
		}
		return resp, nil, true
	})
	p, err := NewProducer(ProducerOptions{Kafka: []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(t.Context()); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("run ended with %v, want %v", err, kerr.TopicAuthorizationFailed)
	}
	if got := p.Counts(); got.Failed == 0 || got.Acked.Records != 0 || got.Failed != got.Sent {
		t.Errorf("counts %+v: want all sent records failed", got)
	}
}

func TestPace(t *testing.T) {
	start := time.Unix(0, 0)
	p := pace{rate: 1000, from: start}
	for _, c := range []struct {
		at            time.Duration
		owed, dropped int64
	}{
		{0, 0, 0},
		{10 * time.Millisecond, 10, 0},
		{15 * time.Millisecond, 5, 0},
		{1015 * time.Millisecond, 1000, 0},
		{10015 * time.Millisecond, 1000, 8000}, // a stall: one second is made up for
		{10025 * time.Millisecond, 10, 0},
	} {
		owed, dropped := p.owed(start.Add(c.at))
		if owed != c.owed || dropped != c.dropped {
			t.Errorf("after %v: owed %d, dropped %d; want %d, %d", c.at, owed, dropped, c.owed, c.dropped)
		}
		p.sent += owed
	}
	slow := pace{rate: 0.5, from: start}
	if owed, _ := slow.owed(start.Add(2 * time.Second)); owed != 1 {
		t.Errorf("one record in two seconds: %d are owed after two", owed)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	if _, err := OpenBroker(BrokerOptions{Partitions: 8, MaxBytes: 1 << 20, Interval: -1}); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("broker: %v, want three complaints", err)
	}
	if _, err := NewProducer(ProducerOptions{Rate: -1, FlushTimeout: -1}); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("producer: %v, want three complaints", err)
	}
	if _, err := NewProducer(ProducerOptions{Kafka: []kgo.Opt{kgo.SeedBrokers("127.0.0.1:1")}, Views: pageviews.Options{Bad: 7}}); err == nil {
		t.Error("producer: a share of 7 was taken")
	}
}

// A broker that acknowledges nothing holds up a run that is in a hurry no longer than that allows.
func TestHurryEndsTheWaitForAcknowledgements(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "pageviews"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	p, err := NewProducer(ProducerOptions{Kafka: []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}, FlushTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		p.Hurry(time.Millisecond)
		p.Hurry(time.Minute) // too late: it only lowers
		cancel()
		return nil, errors.New("not now"), true
	})
	if err := p.Run(ctx); err != nil {
		t.Errorf("the run ended with %v", err)
	}
	if n := p.Counts(); n.Sent == 0 || n.Failed != n.Sent {
		t.Errorf("%d of %d records failed, want all", n.Failed, n.Sent)
	}
}
