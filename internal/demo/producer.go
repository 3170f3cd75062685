package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/internal/pageviews"
)

const (
	tickEvery    = 10 * time.Millisecond
	maxDebt      = time.Second // what a stalled producer makes up for at most; the rest is never sent
	maxBuffered  = 50_000      // records that wait for the broker; over it the producer waits too
	lingerFor    = 50 * time.Millisecond
	topicTimeout = 30 * time.Second
)

// ProducerOptions configure a Producer. The zero value of a field means its default.
type ProducerOptions struct {
	Kafka        []kgo.Opt         // addresses, TLS and SASL; required
	Topic        string            // made if missing; default "pageviews"
	Rate         float64           // records per second; default 2000
	Views        pageviews.Options // Seed 0: from the clock, so that a second run makes other events; Partitions: of a topic that is made
	FlushTimeout time.Duration     // for what is on its way when the context ends; default 10s
	Logger       *slog.Logger      // default: discard
}

func (o ProducerOptions) withDefaults() ProducerOptions {
	if o.Topic == "" {
		o.Topic = "pageviews"
	}
	if o.Rate == 0 {
		o.Rate = 2000
	}
	if o.Views.Partitions == 0 {
		o.Views.Partitions = 4
	}
	if o.FlushTimeout == 0 {
		o.FlushTimeout = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o ProducerOptions) validate() error {
	var errs []error
	if len(o.Kafka) == 0 {
		errs = append(errs, errors.New("demo producer: no broker: give its address"))
	}
	if !(o.Rate > 0 && o.Rate <= 1e6) {
		errs = append(errs, fmt.Errorf("demo producer: rate %v: give records per second above 0, up to 1e6", o.Rate))
	}
	if o.FlushTimeout < 0 {
		errs = append(errs, fmt.Errorf("demo producer: flush timeout %v: give one above 0", o.FlushTimeout))
	}
	return errors.Join(errs...)
}

// Producer sends page views that happen now.
type Producer struct {
	opts ProducerOptions

	mu       sync.Mutex
	flush    time.Duration
	flushing *time.Timer // ends the flush; nil before
	counts   Counts
	gaveUp   bool // counts are final
}

// Counts is what a producer has sent. Records that failed may still be in the topic: their acknowledgement did not
// arrive. When Run has returned and Failed is 0, the topic has gained exactly Acked.
type Counts struct {
	Sent, Failed int64
	Acked        pageviews.Sums // Acked.Records of them, with the sums that a reader must come to
}

// NewProducer checks the options; it does not connect.
func NewProducer(o ProducerOptions) (*Producer, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	if _, err := pageviews.New(o.Views); err != nil {
		return nil, fmt.Errorf("demo producer: %w", err)
	}
	return &Producer{opts: o, flush: o.FlushTimeout}, nil
}

// Counts returns what was sent until now. It may be called at any time.
func (p *Producer) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.counts
	c.Acked = p.counts.Acked.Clone()
	return c
}

// Run makes the topic if it is missing and sends until ctx ends, then waits for the acknowledgements and returns nil; those
// that do not come within FlushTimeout count as failed. It fails when the topic cannot be made or a record is refused.
func (p *Producer) Run(ctx context.Context) error {
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.DefaultProduceTopic(p.opts.Topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.ZstdCompression(), kgo.NoCompression()),
		kgo.ProducerLinger(lingerFor),
		kgo.MaxBufferedRecords(maxBuffered),
	}, p.opts.Kafka...)...)
	if err != nil {
		return fmt.Errorf("demo producer: %w", err)
	}
	defer cl.Close()
	g, err := p.generator(ctx, cl)
	if err != nil {
		if ctx.Err() != nil {
			return nil // asked to stop before there was a topic
		}
		return err
	}
	err = p.send(ctx, cl, g)

	flush, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	p.mu.Lock()
	limit := p.flush
	p.flushing = time.AfterFunc(limit, cancel)
	p.mu.Unlock()
	defer p.flushing.Stop()
	if e := cl.Flush(flush); e != nil {
		p.giveUp()
		p.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "records are not acknowledged: they may be in the topic or not",
			slog.Any("err", fmt.Errorf("%d records after %v: %w", cl.BufferedProduceRecords(), limit, e)))
	}
	return err
}

// giveUp counts what is not acknowledged by now as failed.
func (p *Producer) giveUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.Failed, p.gaveUp = p.counts.Sent-p.counts.Acked.Records, true
}

// Hurry lowers FlushTimeout, also of a flush under way.
func (p *Producer) Hurry(flush time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flush = min(p.flush, flush)
	if p.flushing != nil && p.flushing.Stop() {
		p.flushing.Reset(p.flush)
	}
}

func (p *Producer) generator(ctx context.Context, cl *kgo.Client) (*pageviews.Generator, error) {
	limited, cancel := context.WithTimeout(ctx, topicTimeout)
	defer cancel()
	views := p.opts.Views
	topic, err := EnsureTopic(limited, cl, p.opts.Topic, views.Partitions)
	if err != nil {
		return nil, fmt.Errorf("demo producer: %w", err)
	}
	views.Partitions = topic.Partitions
	if views.Seed == 0 {
		views.Seed = uint64(time.Now().UnixNano())
	}
	return pageviews.New(views)
}

// send produces until ctx ends or the broker refuses a record.
func (p *Producer) send(ctx context.Context, cl *kgo.Client, g *pageviews.Generator) error {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	refused := make(chan error, 1) // the first refusal ends the run
	pace := pace{rate: p.opts.Rate, from: time.Now()}
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-refused:
			return err
		case <-tick.C:
		}
		owed, dropped := pace.owed(time.Now())
		if dropped > 0 {
			p.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "producer behind its rate", slog.String("topic", p.opts.Topic))
		}
		// Over the limit Produce would block, and the records' own context must outlive ctx: so it is never called then.
		for ; owed > 0 && ctx.Err() == nil && cl.BufferedProduceRecords() < maxBuffered; owed-- {
			p.produce(context.WithoutCancel(ctx), cl, g, refused)
			pace.sent++
		}
	}
}

// produce hands one record to the client.
func (p *Producer) produce(ctx context.Context, cl *kgo.Client, g *pageviews.Generator, refused chan<- error) {
	ev := new(pageviews.Event)
	value := g.AppendAt(make([]byte, 0, 512), ev, time.Now())
	if ev.Null() {
		value = nil
	}
	p.mu.Lock()
	p.counts.Sent++
	p.mu.Unlock()
	cl.Produce(ctx, &kgo.Record{Partition: ev.Partition, Value: value}, func(r *kgo.Record, err error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.gaveUp {
			return
		}
		if err == nil {
			p.counts.Acked.Add(ev, len(value))
			return
		}
		p.counts.Failed++
		select {
		case refused <- fmt.Errorf("demo producer: %s/%d: %w", p.opts.Topic, r.Partition, err):
		default:
		}
	})
}

// pace says how many records are due. A late tick is made up for, a stall only up to maxDebt.
type pace struct {
	rate float64
	from time.Time
	sent int64 // or dropped
}

func (p *pace) owed(now time.Time) (n, dropped int64) {
	n = int64(float64(now.Sub(p.from))*p.rate/1e9) - p.sent
	if most := int64(max(1, maxDebt.Seconds()*p.rate)); n > most {
		dropped = n - most
		p.sent += dropped
		n = most
	}
	return n, dropped
}
