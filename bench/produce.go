package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/internal/pageviews"
)

// maxBufferedRecords bounds what waits for the broker: about 100 MB of wide records.
const maxBufferedRecords = 64 << 10

// produced is what produce prints with -o json.
type produced struct {
	Topic      string         `json:"topic"`
	Partitions int32          `json:"partitions"`
	Seconds    float64        `json:"seconds"`
	PerSecond  float64        `json:"events_per_second"`
	CPUSeconds float64        `json:"cpu_seconds"`
	Sums       pageviews.Sums `json:"sums"`
}

type produceFlags struct {
	viewFlags
	brokers, topic, codec, format string
	rate                          float64
	recreate                      bool
}

func runProduce(ctx context.Context, args []string, stdout io.Writer) error {
	var f produceFlags
	fs := flag.NewFlagSet("produce", flag.ContinueOnError)
	f.register(fs)
	fs.StringVar(&f.brokers, "brokers", "127.0.0.1:9092", "addresses of the brokers")
	fs.StringVar(&f.topic, "topic", "pageviews", "topic to create and fill")
	fs.StringVar(&f.codec, "codec", "zstd", "none, gzip, snappy, lz4 or zstd")
	fs.Float64Var(&f.rate, "rate", 0, "records per second of wall time; 0: as fast as it goes")
	fs.BoolVar(&f.recreate, "recreate", false, "delete the topic first if it exists")
	fs.StringVar(&f.format, "o", "text", "text or json")
	if err := parse(fs, args); err != nil {
		return err
	}
	if f.format != "text" && f.format != "json" {
		return wrongUse("output %q: give text or json", f.format)
	}
	p, err := f.produce(ctx)
	if err != nil {
		return err
	}
	if f.format == "json" {
		return writeJSON(stdout, p)
	}
	_, err = fmt.Fprintf(stdout, "%d records in %.1f s: %.0f events/s, %.1f s of CPU\n"+
		"events %d, bad %d, late %d, sum of bytes %d, sum of latency_ms %d, values %.1f MB\n",
		p.Sums.Records, p.Seconds, p.PerSecond, p.CPUSeconds,
		p.Sums.Events, p.Sums.Bad, p.Sums.Late, p.Sums.Bytes, p.Sums.LatencyMs, float64(p.Sums.ValueBytes)/1e6)
	return err
}

func (f *produceFlags) produce(ctx context.Context) (*produced, error) {
	g, err := f.generator()
	if err != nil {
		return nil, err
	}
	codec, err := codecOf(f.codec)
	if err != nil {
		return nil, err
	}
	cl, err := newClient(f.brokers,
		kgo.DefaultProduceTopic(f.topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codec),
		kgo.ProducerLinger(20*time.Millisecond),
		kgo.MaxBufferedRecords(maxBufferedRecords),
		kgo.RecordDeliveryTimeout(2*time.Minute))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	if err := createTopic(ctx, cl, f.topic, int32(f.parts), f.recreate); err != nil {
		return nil, err
	}
	begin := time.Now()
	sums, err := f.send(ctx, cl, g)
	if err != nil {
		return nil, err
	}
	took := time.Since(begin).Seconds()
	return &produced{
		Topic: f.topic, Partitions: int32(f.parts), Seconds: took, PerSecond: float64(sums.Records) / took,
		CPUSeconds: ownUsage().CPUSeconds, Sums: *sums,
	}, nil
}

// send produces the records in the generator's order. The sums are those of all records, and it fails unless the
// broker has acknowledged each one.
func (f *produceFlags) send(ctx context.Context, cl *kgo.Client, g *pageviews.Generator) (*pageviews.Sums, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		sums  pageviews.Sums
		acked sync.WaitGroup
		slab  []byte
		began = time.Now()
	)
	promise := func(r *kgo.Record, err error) {
		if err != nil {
			cancel(fmt.Errorf("produce to %s/%d: %w", f.topic, r.Partition, err))
		}
		acked.Done()
	}
	for i := range f.events {
		if i%1024 == 0 {
			if f.rate > 0 && !sleepUntil(ctx, began.Add(time.Duration(float64(i)/f.rate*1e9))) || ctx.Err() != nil {
				break
			}
		}
		if cap(slab)-len(slab) < 8<<10 { // values of many records share one allocation
			slab = make([]byte, 0, 1<<20)
		}
		var ev pageviews.Event
		from := len(slab)
		slab = g.Append(slab, &ev)
		value := slab[from:len(slab):len(slab)]
		if ev.Null() {
			value = nil
		}
		sums.Add(&ev, len(value))
		acked.Add(1)
		cl.Produce(ctx, &kgo.Record{Partition: ev.Partition, Value: value}, promise)
	}
	acked.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return &sums, nil
}

// sleepUntil reports false when ctx ended first.
func sleepUntil(ctx context.Context, t time.Time) bool {
	d := time.Until(t)
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func codecOf(name string) (kgo.CompressionCodec, error) {
	switch name {
	case "none":
		return kgo.NoCompression(), nil
	case "gzip":
		return kgo.GzipCompression(), nil
	case "snappy":
		return kgo.SnappyCompression(), nil
	case "lz4":
		return kgo.Lz4Compression(), nil
	case "zstd":
		return kgo.ZstdCompression(), nil
	}
	return kgo.CompressionCodec{}, wrongUse("codec %q: give none, gzip, snappy, lz4 or zstd", name)
}
