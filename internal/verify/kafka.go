package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	fetchBytes = 1 << 20                // most compressed bytes of one fetch
	fetchWait  = 500                    // ms the broker may wait where there is nothing
	idleLimit  = 20                     // fetches that bring nothing, below the end of the log
	retryLimit = 60                     // failures in a row that may heal by themselves
	retryPause = 500 * time.Millisecond // between them
)

// broker asks Kafka. It joins no group and commits nothing.
type broker struct {
	cl  *kgo.Client
	adm *kadm.Client
}

func newBroker(opts []kgo.Opt) (*broker, error) {
	cl, err := kgo.NewClient(append(append([]kgo.Opt{}, opts...), kgo.RetryTimeout(20*time.Second))...)
	if err != nil {
		return nil, fmt.Errorf("kafka client: %w", err)
	}
	return &broker{cl: cl, adm: kadm.NewClient(cl)}, nil
}

// topic is what a topic looks like now. Offsets are by partition.
type topic struct {
	name       string
	id         string // empty where the brokers have no topic ids
	rawID      kadm.TopicID
	leaders    map[int32]int32
	start      map[int32]int64
	lastStable map[int32]int64
	compacted  bool // records may go from its middle
}

// errNoTopic says that a topic does not exist.
var errNoTopic = errors.New("the topic does not exist")

func (b *broker) topic(ctx context.Context, name string) (*topic, error) {
	out := &topic{name: name, leaders: map[int32]int32{}, start: map[int32]int64{}, lastStable: map[int32]int64{}}
	if err := b.refresh(ctx, out); err != nil {
		return nil, err
	}
	configs, err := b.adm.DescribeTopicConfigs(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("settings of topic %s: %w", name, err)
	}
	for _, c := range configs {
		for _, x := range c.Configs { // none where we may not see them: then a missing record is a problem
			out.compacted = out.compacted || x.Key == "cleanup.policy" && strings.Contains(x.MaybeValue(), "compact")
		}
	}
	return out, nil
}

// refresh looks the leaders and the ends of the log up again.
func (b *broker) refresh(ctx context.Context, t *topic) error {
	md, err := b.adm.Metadata(ctx, t.name)
	if err != nil {
		return fmt.Errorf("metadata of topic %s: %w", t.name, err)
	}
	td := md.Topics[t.name]
	switch {
	case errors.Is(td.Err, kerr.UnknownTopicOrPartition):
		return errNoTopic
	case td.Err != nil:
		return fmt.Errorf("metadata of topic %s: %w", t.name, td.Err)
	}
	t.rawID, t.id = td.ID, ""
	if td.ID != (kadm.TopicID{}) {
		t.id = td.ID.String()
	}
	for id, p := range td.Partitions {
		t.leaders[id] = p.Leader
	}
	starts, err := b.adm.ListStartOffsets(ctx, t.name)
	if err != nil {
		return fmt.Errorf("first offsets of topic %s: %w", t.name, err)
	}
	ends, err := b.adm.ListCommittedOffsets(ctx, t.name)
	if err != nil {
		return fmt.Errorf("ends of topic %s: %w", t.name, err)
	}
	if err := errors.Join(starts.Error(), ends.Error()); err != nil {
		return fmt.Errorf("offsets of topic %s: %w", t.name, err)
	}
	for id, o := range starts[t.name] {
		t.start[id] = o.Offset
	}
	for id, o := range ends[t.name] {
		t.lastStable[id] = o.Offset
	}
	return nil
}

// start returns the first offset that a partition still has; -1 where it has none any more.
func (b *broker) start(ctx context.Context, topic string, partition int32) (int64, error) {
	list, err := b.adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("first offsets of topic %s: %w", topic, err)
	}
	if o, ok := list.Lookup(topic, partition); ok && o.Err == nil {
		return o.Offset, nil
	}
	return -1, nil
}

// fetched is what one fetch brought.
type fetched struct {
	records []*kgo.Record
	next    int64 // where reading goes on: behind batches that held nothing to show, too
	err     error
}

// fetch asks the leader once. Unlike a consumer it says how far the log was looked through even where aborted
// transactions or compaction left nothing to show.
func (b *broker) fetch(ctx context.Context, t *topic, leader, partition int32, offset int64) fetched {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.IsolationLevel = fetchWait, 1, fetchBytes, 1
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID = t.name, t.rawID
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.CurrentLeaderEpoch, rp.PartitionMaxBytes = partition, offset, -1, fetchBytes
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, b.cl.Broker(int(leader)))
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err == nil && (len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1) {
		err = errors.New("the broker answered for another partition")
	}
	if err != nil {
		return fetched{next: offset, err: err}
	}
	fp, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		KeepControlRecords: true, Offset: offset, IsolationLevel: kgo.ReadCommitted(), Topic: t.name, Partition: partition,
	}, &resp.Topics[0].Partitions[0], kgo.DefaultDecompressor(), nil)
	return fetched{records: fp.Records, next: next, err: fp.Err}
}

// stream reads a partition forward. One fetch is always on its way while the one before is worked on.
type stream struct {
	b         *broker
	t         *topic
	partition int32
	leader    int32
	limit     int64 // nothing is fetched from here on

	records []*kgo.Record // not handed out yet
	next    int64         // all below is in records or was handed out
	pending chan fetched  // nil: none on its way
	from    int64         // where the pending one starts
}

func newStream(b *broker, t *topic, partition int32, from, limit int64) *stream {
	return &stream{b: b, t: t, partition: partition, leader: t.leaders[partition], next: from, limit: limit}
}

// read calls each with every record of [from, to), control records too. Ranges must ascend from call to call. It returns
// up to where the log was looked through; less than to means that the rest is no longer there, for the reason why.
func (s *stream) read(ctx context.Context, from, to int64, each func(*kgo.Record) error) (upTo int64, why string, err error) {
	s.next = max(s.next, from)
	for {
		for len(s.records) > 0 && s.records[0].Offset < to {
			r := s.records[0]
			s.records = s.records[1:]
			if r.Offset < from {
				continue
			}
			if err := each(r); err != nil {
				return 0, "", err
			}
		}
		if len(s.records) > 0 || s.next >= to {
			return to, "", nil
		}
		if why, err = s.more(ctx); err != nil || why != "" {
			return s.next, why, err
		}
	}
}

// more fetches until something came, the position moved, or it is clear that nothing will.
func (s *stream) more(ctx context.Context) (why string, err error) {
	idle, failed := 0, 0
	for {
		f := s.take(ctx)
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case errors.Is(f.err, kerr.OffsetOutOfRange):
			return fmt.Sprintf("the broker no longer has offset %d", s.next), nil
		case errors.Is(f.err, kerr.UnknownTopicID), errors.Is(f.err, kerr.InconsistentTopicID):
			return "the topic was deleted while it was read", nil
		case f.err != nil:
			if failed++; failed == retryLimit || !heals(f.err) {
				return "", fmt.Errorf("read topic %s partition %d at %d: %w", s.t.name, s.partition, s.next, f.err)
			}
			if err := s.heal(ctx); err != nil {
				return "", err
			}
		case len(f.records) > 0 || f.next > s.next:
			s.records, s.next = f.records, max(s.next, f.next)
			s.ahead(ctx)
			return "", nil
		default:
			if idle++; idle == idleLimit {
				return fmt.Sprintf("the broker shows nothing at %d, although its log ends at %d", s.next, s.limit), nil
			}
		}
	}
}

// take waits for the fetch that is on its way, or makes one.
func (s *stream) take(ctx context.Context) fetched {
	if s.pending != nil {
		f := <-s.pending
		s.pending = nil
		if s.from == s.next {
			return f
		}
	}
	return s.b.fetch(ctx, s.t, s.leader, s.partition, s.next)
}

// ahead sends the next fetch on its way.
func (s *stream) ahead(ctx context.Context) {
	if s.next >= s.limit {
		return
	}
	pending := make(chan fetched, 1) // so that it ends even if nobody takes it
	s.pending, s.from = pending, s.next
	leader, from := s.leader, s.next
	go func() { pending <- s.b.fetch(ctx, s.t, leader, s.partition, from) }()
}

// close waits for a fetch that is still on its way. The stream's context should be done, else it waits fetchWait.
func (s *stream) close() {
	if s.pending != nil {
		<-s.pending
	}
}

// heals reports whether an error may be gone after a while: another leader, a broken connection.
func heals(err error) bool {
	var known *kerr.Error
	return !errors.As(err, &known) || known.Retriable
}

// heal waits and looks the leader up again.
func (s *stream) heal(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(retryPause):
	}
	md, err := s.b.adm.Metadata(ctx, s.t.name)
	if err != nil {
		return nil // the next fetch fails too, and is counted
	}
	if p, ok := md.Topics[s.t.name].Partitions[s.partition]; ok {
		s.leader = p.Leader
	}
	return nil
}
