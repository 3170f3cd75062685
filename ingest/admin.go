package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/zeebo/xxh3"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// admin asks brokers about topics and reads single records, beside the client that consumes.
type admin struct {
	cl  *kgo.Client
	adm *kadm.Client

	bytes int32 // what a single read asks for; a broker sends one whole batch even where that is larger
}

func newAdmin(opts []kgo.Opt) (*admin, error) {
	cl, err := kgo.NewClient(append(append([]kgo.Opt{}, opts...), kgo.RetryTimeout(10*time.Second))...)
	if err != nil {
		return nil, err
	}
	return &admin{cl: cl, adm: kadm.NewClient(cl), bytes: probeBytes}, nil
}

func (a *admin) close() { a.cl.Close() }

// topicInfo is what a topic looks like now. Offsets are by partition; lastStable is where a reader of committed
// transactions can read to.
type topicInfo struct {
	id         string // empty where the brokers have no topic ids
	rawID      kadm.TopicID
	leaders    map[int32]int32
	start      map[int32]int64
	high       map[int32]int64 // end of all records, asked for before lastStable: open transactions lie between the two
	lastStable map[int32]int64
	asked      time.Time       // just before the brokers were asked for the ends
	unknown    map[int32]error // partitions whose offsets the brokers did not tell; they are in none of the three
}

// ErrNoTopic says that a topic does not exist (yet).
var ErrNoTopic = errors.New("topic does not exist")

func (a *admin) topic(ctx context.Context, topic string) (*topicInfo, error) {
	md, err := a.adm.Metadata(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("metadata of topic %s: %w", topic, explain(err))
	}
	td := md.Topics[topic]
	switch {
	case errors.Is(td.Err, kerr.UnknownTopicOrPartition):
		return nil, ErrNoTopic
	case td.Err != nil:
		return nil, fmt.Errorf("metadata of topic %s: %w", topic, explain(td.Err))
	}
	info := &topicInfo{
		rawID: td.ID, leaders: map[int32]int32{}, start: map[int32]int64{}, high: map[int32]int64{}, lastStable: map[int32]int64{}, unknown: map[int32]error{},
	}
	if td.ID != (kadm.TopicID{}) {
		info.id = td.ID.String()
	}
	for id, p := range td.Partitions {
		info.leaders[id] = p.Leader
	}
	if err := info.list(ctx, topic, info.start, a.adm.ListStartOffsets); err != nil {
		return nil, err
	}
	info.asked = time.Now()
	if err := info.list(ctx, topic, info.high, a.adm.ListEndOffsets); err != nil {
		return nil, err
	}
	if err := info.list(ctx, topic, info.lastStable, a.adm.ListCommittedOffsets); err != nil {
		return nil, err
	}
	for id, err := range info.unknown {
		delete(info.start, id)
		delete(info.high, id)
		delete(info.lastStable, id)
		if len(info.unknown) == len(info.leaders) {
			return nil, err
		}
	}
	return info, nil
}

// list fills in offsets of a topic's partitions, and notes those that the brokers did not tell.
func (info *topicInfo) list(ctx context.Context, topic string, into map[int32]int64,
	list func(context.Context, ...string) (kadm.ListedOffsets, error),
) error {
	l, err := list(ctx, topic)
	if err != nil {
		return fmt.Errorf("offsets of topic %s: %w", topic, explain(err))
	}
	for id, o := range l[topic] {
		if o.Err != nil {
			info.unknown[id] = fmt.Errorf("offsets of topic %s partition %d: %w", topic, id, explain(o.Err))
			continue
		}
		into[id] = o.Offset
	}
	return nil
}

// after returns the first offset at or after a time, or the end of the log.
func (a *admin) after(ctx context.Context, topic string, partition int32, at time.Time) (int64, error) {
	l, err := a.adm.ListOffsetsAfterMilli(ctx, at.UnixMilli(), topic)
	if err != nil {
		return 0, fmt.Errorf("offset of topic %s at %s: %w", topic, at, explain(err))
	}
	o, ok := l.Lookup(topic, partition)
	if !ok || o.Err != nil {
		return 0, fmt.Errorf("offset of topic %s partition %d at %s: %w", topic, partition, at, explain(o.Err))
	}
	return o.Offset, nil
}

// probeBytes is what a look at single records asks for.
const probeBytes = 64 << 10

// errOtherTopic says that a topic has another id than expected: it was deleted and made again.
var errOtherTopic = errors.New("the topic was deleted and made again")

// read fetches once at an offset. It returns the records that came and the offset at which reading goes on, which lies
// beyond the last record where batches were emptied by compaction. A topic with another id than the given one is
// errOtherTopic; "" takes any.
func (a *admin) read(ctx context.Context, tp topicPartition, topicID string, offset int64) (kgo.FetchPartition, int64, error) {
	topic, partition := tp.topic, tp.partition
	fail := func(err error) (kgo.FetchPartition, int64, error) {
		return kgo.FetchPartition{}, offset, fmt.Errorf("read topic %s partition %d at %d: %w", topic, partition, offset, explain(err))
	}
	md, err := a.adm.Metadata(ctx, topic)
	if err != nil {
		return fail(err)
	}
	td := md.Topics[topic]
	pd, ok := td.Partitions[partition]
	if td.Err != nil || !ok {
		return fail(errors.Join(td.Err, errors.New("no such partition")))
	}
	if topicID != "" && td.ID != (kadm.TopicID{}) && td.ID.String() != topicID {
		return fail(errOtherTopic)
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.IsolationLevel = 100, 1, a.bytes, 1
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID = topic, td.ID
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.CurrentLeaderEpoch, rp.PartitionMaxBytes = partition, offset, -1, a.bytes
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, a.cl.Broker(int(pd.Leader)))
	if err != nil {
		return fail(err)
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return fail(err)
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return fail(errors.New("the broker answered for another partition"))
	}
	fp, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		KeepControlRecords: true, Offset: offset, IsolationLevel: kgo.ReadCommitted(), Topic: topic, Partition: partition,
	}, &resp.Topics[0].Partitions[0], kgo.DefaultDecompressor(), nil)
	if fp.Err != nil {
		return fail(fp.Err)
	}
	return fp, next, nil
}

// fingerprint identifies a record, so that a log that was replaced by another one is noticed (design section 7).
func fingerprint(r *kgo.Record) *catalog.Fingerprint {
	h := xxh3.New()
	_, _ = h.Write(r.Key) // a hash never fails
	_, _ = h.Write([]byte{0})
	_, _ = h.Write(r.Value)
	return &catalog.Fingerprint{
		Offset: r.Offset, TimestampMs: r.Timestamp.UnixMilli(), Hash: fmt.Sprintf("%016x", h.Sum64()), LeaderEpoch: r.LeaderEpoch,
	}
}

// explain adds to a broker's refusal what a person can do about it.
func explain(err error) error {
	hint := ""
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		hint = "wrong user or password"
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		hint = "the user may not read this topic: grant it READ and DESCRIBE on the topic"
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		hint = "the user may not use this consumer group: grant it READ on the group"
	default:
		return err
	}
	return fmt.Errorf("%w (%s)", err, hint)
}
