package ingest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// topicPartition names a partition of a topic.
type topicPartition struct {
	topic     string
	partition int32
}

// assigner is told which partitions this process owns. Both methods may take as long as StopTimeout.
type assigner interface {
	// assigned opens a partition and returns the offset to read from; ok=false leaves it unread until a pass opens it.
	assigned(ctx context.Context, tp topicPartition) (offset int64, ok bool)
	// revoked gives partitions up: what is in hand is committed or discarded.
	revoked(tps []topicPartition)
}

// feed is the one client that consumes. With a group, Kafka shares partitions out and calls the assigner; without one,
// start is called for each partition.
type feed struct {
	cl    *kgo.Client
	group string
	owner string

	mu     sync.Mutex // guards all below
	topics map[string]bool
	owned  map[topicPartition]bool         // with a group: what it gave us
	holds  map[topicPartition]map[any]bool // who wants a partition not to be fetched; it is while the inner map is empty
}

func newFeed(o Options, a assigner) (*feed, error) {
	f := &feed{group: o.Group, owner: o.Owner, topics: map[string]bool{}, owned: map[topicPartition]bool{}, holds: map[topicPartition]map[any]bool{}}
	opts := append(append([]kgo.Opt{}, o.Kafka...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // progress goes by position, not by the last event seen
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxBytes(o.FetchBytes),
		kgo.FetchMaxPartitionBytes(min(o.FetchBytes, 1<<20)),
		kgo.FetchMaxWait(500*time.Millisecond), // a partition that is added waits for the fetch in the air
	)
	if o.Group != "" {
		opts = append(opts,
			kgo.ConsumerGroup(o.Group),
			kgo.InstanceID(o.Owner), // a restart takes its partitions over at once
			kgo.Balancers(kgo.CooperativeStickyBalancer()),
			kgo.DisableAutoCommit(), // N1: the catalog is the truth
			kgo.AdjustFetchOffsetsFn(func(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
				f.adjust(ctx, offsets, a)
				return offsets, nil
			}),
			kgo.BlockRebalanceOnPoll(), // no fetch of an earlier assignment is in hand when a partition comes back
			kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { f.revoke(flatten(lost), a) }),
			kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { f.revoke(flatten(lost), a) }),
		)
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("kafka client: %w", err)
	}
	f.cl = cl
	return f, nil
}

// adjust puts the catalog's offsets in the place of the group's (N1). A partition that cannot be opened now is paused;
// it is tried again for as long as the group leaves it to us.
func (f *feed) adjust(ctx context.Context, offsets map[string]map[int32]kgo.Offset, a assigner) {
	for topic, ps := range offsets {
		for p := range ps {
			tp := topicPartition{topic, p}
			f.mu.Lock()
			f.owned[tp] = true
			f.mu.Unlock()
			f.hold(tp, f) // first: whoever opens it beside us ends the hold
			at, ok := a.assigned(ctx, tp)
			if ok {
				f.start(tp)
			}
			ps[p] = kgo.NewOffset().At(at)
		}
	}
}

func (f *feed) revoke(tps []topicPartition, a assigner) {
	f.mu.Lock()
	for _, tp := range tps {
		delete(f.owned, tp)
	}
	f.mu.Unlock()
	a.revoked(tps)
}

// owns reports whether a partition is this process's to read.
func (f *feed) owns(tp topicPartition) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.group == "" || f.owned[tp]
}

// subscribe adds a topic to the group's. It does nothing without a group, or twice.
func (f *feed) subscribe(topic string) {
	f.mu.Lock()
	known := f.topics[topic]
	f.topics[topic] = true
	f.mu.Unlock()
	if f.group != "" && !known {
		f.cl.AddConsumeTopics(topic)
	}
}

// read has partitions read from the given offsets, whether they are being read already or not.
func (f *feed) read(from map[topicPartition]int64) {
	if f.group != "" {
		set := map[string]map[int32]kgo.EpochOffset{}
		for tp, offset := range from {
			inner(set, tp.topic)[tp.partition] = kgo.EpochOffset{Epoch: -1, Offset: offset}
		}
		f.cl.SetOffsets(set)
	} else {
		drop, add := map[string][]int32{}, map[string]map[int32]kgo.Offset{}
		for tp, offset := range from {
			drop[tp.topic] = append(drop[tp.topic], tp.partition)
			inner(add, tp.topic)[tp.partition] = kgo.NewOffset().At(offset)
		}
		f.cl.RemoveConsumePartitions(drop)
		f.cl.AddConsumePartitions(add)
	}
	for tp := range from {
		f.start(tp)
	}
}

// inner returns the map of a topic, making it where there is none.
func inner[V any](m map[string]map[int32]V, topic string) map[int32]V {
	if m[topic] == nil {
		m[topic] = map[int32]V{}
	}
	return m[topic]
}

// forget drops all the client knows of a topic that was made again; a group member subscribes anew.
func (f *feed) forget(topic string) {
	f.cl.PurgeTopicsFromConsuming(topic)
	f.mu.Lock()
	delete(f.topics, topic)
	f.mu.Unlock()
}

// hold has the client fetch nothing of a partition until every one who holds it has let go: several tables may read it,
// and each may have to wait for its own reasons.
func (f *feed) hold(tp topicPartition, who any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.holds[tp] == nil {
		f.holds[tp] = map[any]bool{}
	}
	f.holds[tp][who] = true
	f.cl.PauseFetchPartitions(map[string][]int32{tp.topic: {tp.partition}})
}

func (f *feed) letGo(tp topicPartition, who any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.holds[tp][who] {
		return
	}
	delete(f.holds[tp], who)
	if len(f.holds[tp]) == 0 {
		f.startLocked(tp)
	}
}

// start ends all holds: they were those of readers before.
func (f *feed) start(tp topicPartition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.startLocked(tp)
}

func (f *feed) startLocked(tp topicPartition) {
	delete(f.holds, tp)
	f.cl.ResumeFetchPartitions(map[string][]int32{tp.topic: {tp.partition}})
}

// courtesy commits offsets to the group for tools that show lag. Nothing depends on it (N1).
func (f *feed) courtesy(ctx context.Context, committed map[topicPartition]int64) error {
	if f.group == "" || len(committed) == 0 {
		return nil
	}
	set := map[string]map[int32]kgo.EpochOffset{}
	for tp, off := range committed {
		inner(set, tp.topic)[tp.partition] = kgo.EpochOffset{Epoch: -1, Offset: off}
	}
	var failed error
	f.cl.CommitOffsetsSync(ctx, set, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, _ *kmsg.OffsetCommitResponse, err error) {
		failed = err
	})
	return failed
}

// close leaves the group, so that other members need not wait for the session to time out.
func (f *feed) close(ctx context.Context, adm *kadm.Client) error {
	f.cl.CloseAllowingRebalance()
	if f.group == "" {
		return nil
	}
	_, err := adm.LeaveGroup(ctx, kadm.LeaveGroup(f.group).InstanceIDs(f.owner).Reason("tidemark stopped"))
	return err
}

func flatten(m map[string][]int32) []topicPartition {
	var out []topicPartition
	for topic, ps := range m {
		for _, p := range ps {
			out = append(out, topicPartition{topic, p})
		}
	}
	return out
}
