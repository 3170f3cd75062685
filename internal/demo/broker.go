package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
)

// BrokerOptions configure a Broker. The zero value of a field means its default.
type BrokerOptions struct {
	Dir        string        // folder of the records, made if missing; required
	Topic      string        // made if missing; default "pageviews"
	Partitions int32         // of a topic that is made; default 4
	MaxBytes   int64         // limit of the topic's files; default 512 MiB, at least 1 MiB a partition
	Interval   time.Duration // between two looks at MaxBytes; default 10s
	Logger     *slog.Logger  // default: discard
}

func (o BrokerOptions) withDefaults() BrokerOptions {
	if o.Topic == "" {
		o.Topic = "pageviews"
	}
	if o.Partitions == 0 {
		o.Partitions = 4
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 512 << 20
	}
	if o.Interval == 0 {
		o.Interval = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o BrokerOptions) validate() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("demo broker: no folder: give one for its records"))
	}
	if o.Partitions < 1 || o.Partitions > 1000 {
		errs = append(errs, fmt.Errorf("demo broker: %d partitions: give 1 to 1000", o.Partitions))
	} else if o.MaxBytes < int64(o.Partitions)<<20 {
		errs = append(errs, fmt.Errorf("demo broker: %d bytes for %d partitions: give at least 1 MiB for each", o.MaxBytes, o.Partitions))
	}
	if o.Interval < 0 {
		errs = append(errs, fmt.Errorf("demo broker: interval %v: give one above 0", o.Interval))
	}
	return errors.Join(errs...)
}

// Broker is one Kafka broker inside the process. It listens on a free port of the loopback address, another one each
// time it is opened.
type Broker struct {
	opts  BrokerOptions
	addrs []string

	mu      sync.Mutex // the cluster answers nobody after its Close, not even with an error
	cluster *kfake.Cluster
}

// Offsets is what a partition has: [Start, End).
type Offsets struct{ Start, End int64 }

// OpenBroker starts a broker over the records in the folder. Close it after its clients.
func OpenBroker(o BrokerOptions) (*Broker, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("demo broker: %w", err)
	}
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.DataDir(o.Dir),
		kfake.WithLogger(logger{o.Logger}),
		kfake.BrokerConfigs(map[string]string{"log.retention.ms": "-1"}))
	if err != nil {
		return nil, fmt.Errorf("demo broker in %s: %w", o.Dir, err)
	}
	b := &Broker{opts: o, cluster: cluster, addrs: cluster.ListenAddrs()}
	if err := cluster.CreateTopic(o.Topic, o.Partitions, o.topicConfig()); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		cluster.Close()
		return nil, fmt.Errorf("demo broker: create topic %s: %w", o.Topic, err)
	}
	return b, nil
}

// topicConfig divides MaxBytes. Files go whole: of a partition's eighths one is being written, and one may be waiting for
// its last records to go.
func (o BrokerOptions) topicConfig() map[string]string {
	partition := o.MaxBytes / int64(o.Partitions)
	file := partition / 8
	return map[string]string{
		"retention.ms":    "-1",
		"retention.bytes": strconv.FormatInt(partition-2*file, 10),
		"segment.bytes":   strconv.FormatInt(file, 10),
	}
}

// Addrs returns the addresses for clients, also after Close.
func (b *Broker) Addrs() []string { return b.addrs }

// Offsets returns what each partition of the topic has; nil after Close.
func (b *Broker) Offsets() map[int32]Offsets {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cluster == nil {
		return nil
	}
	all := map[int32]Offsets{}
	for _, p := range b.cluster.PartitionInfos(b.opts.Topic) {
		all[p.Partition] = Offsets{Start: p.LogStartOffset, End: p.HighWatermark}
	}
	return all
}

// Run deletes the oldest records over MaxBytes from time to time, until ctx ends or the broker is closed, and returns nil.
func (b *Broker) Run(ctx context.Context) error {
	tick := time.NewTicker(b.opts.Interval)
	defer tick.Stop()
	for b.trim() {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
	return nil
}

// trim reports false after Close.
func (b *Broker) trim() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cluster == nil {
		return false
	}
	b.cluster.ApplyRetention()
	return true
}

// Close writes the broker's state and stops it. Clients that are still there lose their connections.
func (b *Broker) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cluster != nil {
		b.cluster.Close()
		b.cluster = nil
	}
}

// logger passes on what the broker complains about.
type logger struct{ to *slog.Logger }

func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	to := slog.LevelDebug
	switch level {
	case kfake.LogLevelError:
		to = slog.LevelError
	case kfake.LogLevelWarn:
		to = slog.LevelWarn
	}
	if ctx := context.Background(); l.to.Enabled(ctx, to) {
		l.to.LogAttrs(ctx, to, "demo broker", slog.String("err", fmt.Sprintf(format, args...)))
	}
}
