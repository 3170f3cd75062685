package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// SampleOptions say what ReadSample reads. The zero value of a field means its default.
type SampleOptions struct {
	Kafka   []kgo.Opt // required
	Topic   string    // required
	N       int       // records; default 1000
	Timeout time.Duration
}

// ReadSample reads up to N records from the end of a topic, spread evenly over its partitions. It joins no group and
// commits nothing. A topic that is empty gives no samples and no error.
func ReadSample(ctx context.Context, o SampleOptions) ([]cube.Sample, error) {
	if o.N <= 0 {
		o.N = 1000
	}
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	adm, err := newAdmin(o.Kafka)
	if err != nil {
		return nil, fmt.Errorf("kafka client: %w", err)
	}
	defer adm.close()
	info, err := adm.topic(ctx, o.Topic)
	if err != nil {
		return nil, fmt.Errorf("sample topic %s: %w", o.Topic, err)
	}
	from, want := map[int32]kgo.Offset{}, map[int32]int64{}
	share := int64(max(1, o.N/max(1, len(info.start))))
	for id, end := range info.lastStable {
		if start := max(info.start[id], end-share); start < end {
			from[id], want[id] = kgo.NewOffset().At(start), end
		}
	}
	if len(from) == 0 {
		return nil, nil
	}
	cl, err := kgo.NewClient(append(append([]kgo.Opt{}, o.Kafka...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{o.Topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())...)
	if err != nil {
		return nil, fmt.Errorf("kafka client: %w", err)
	}
	defer cl.Close()
	return collect(ctx, cl, want, o)
}

// collect polls until every partition has reached its end or the time is over; what came until then is the sample.
func collect(ctx context.Context, cl *kgo.Client, want map[int32]int64, o SampleOptions) ([]cube.Sample, error) {
	var out []cube.Sample
	for len(want) > 0 {
		fetches := cl.PollFetches(ctx)
		for _, e := range fetches.Errors() {
			if ctx.Err() != nil && len(out) > 0 {
				return out, nil
			}
			if errors.Is(e.Err, context.DeadlineExceeded) {
				return nil, fmt.Errorf("sample topic %s: nothing came within %s", o.Topic, o.Timeout)
			}
			return nil, fmt.Errorf("sample topic %s: %w", o.Topic, explain(e.Err))
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() && len(out) < o.N {
				out = append(out, cube.Sample{Value: r.Value, TimestampMs: r.Timestamp.UnixMilli()})
			}
			if r.Offset+1 >= want[r.Partition] {
				delete(want, r.Partition)
			}
		})
		if len(out) >= o.N {
			break
		}
	}
	return out, nil
}
