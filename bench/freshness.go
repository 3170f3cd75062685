package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/internal/pageviews"
)

// freshFlags are those of the scenario freshness.
type freshFlags struct {
	cubeFlags
	rate    float64
	seconds int
	parts   int
	cutAge  int // seconds
	poll    time.Duration
}

func (f *freshFlags) register(fs *flag.FlagSet) {
	f.runFlags.register(fs, 1)
	fs.Float64Var(&f.rate, "rate", 20_000, "events per second of wall time")
	fs.IntVar(&f.seconds, "seconds", 180, "how long they are produced; long enough for merges, which begin with the fourth segment")
	fs.IntVar(&f.cutAge, "cut-age", 10, "seconds from cut to cut")
	fs.IntVar(&f.parts, "partitions", 4, "of the topic")
	fs.DurationVar(&f.poll, "poll", 20*time.Millisecond, "pause between an answer and the next question")
	fs.StringVar(&f.memory, "build-memory", "256MiB", "of tidemark's builds")
}

// freshYAML is the cube that is built and merged meanwhile; freshSQL is answered from it, staged files and the tail.
const (
	freshYAML = `cube: live
table: pageviews
dimensions: [minute(ts), country, section, device_type, browser]
measures: [count, sum(bytes), count_distinct(visitor_id)]
cut: {age: %ds}
merge: {budget: [{segments: 3}]}
`
	freshSQL = "SELECT country, count(*), sum(bytes) FROM pageviews GROUP BY 1 ORDER BY 2 DESC LIMIT 10"
)

// freshReport is what the scenario leaves: how long records took from the call that produces them to an answer that covers them.
type freshReport struct {
	header
	Rate     float64            `json:"events_per_second"` // that was reached
	Events   int64              `json:"events"`
	CutAge   int                `json:"cut_age_seconds"`
	Answers  int                `json:"answers"`
	Quantile map[string]float64 `json:"ms"` // by quantile
	Counts   []freshBucket      `json:"histogram"`
	Server   float64            `json:"server_p99_ms"` // by its own metric, of the newest record of an answer
	Below    map[string]float64 `json:"below_ms"`      // share of the records
	AnswerMs map[string]float64 `json:"answer_ms"`
	Jobs     map[string]int     `json:"jobs"` // that were finished meanwhile, by kind
	Process  processUsage       `json:"process"`
}

// freshBucket counts the records that took longer than the bucket before has, and at most UpTo.
type freshBucket struct {
	UpTo    float64 `json:"up_to_ms,omitempty"` // 0: however long
	Records int     `json:"records"`
}

// seenUpTo is an answer that covers offsets of a partition below end.
type seenUpTo struct {
	end int64
	at  time.Time
}

// fresh is what producer and poller have noted.
type fresh struct {
	mu       sync.Mutex
	produced [][]time.Time // by partition and offset: when the call was made
	seen     [][]seenUpTo  // by partition, ascending
	answers  []float64     // ms
	done     bool          // all is produced
}

func (f *freshFlags) validate() error {
	if f.rate <= 0 || f.seconds < 1 || f.parts < 1 || f.cutAge < 1 {
		return wrongUse("rate %v, %d seconds, %d partitions, a cut age of %d: give more than 0 of each", f.rate, f.seconds, f.parts, f.cutAge)
	}
	return f.runFlags.validate()
}

func (f *freshFlags) measure(ctx context.Context, h header, _ io.Writer) (report, error) {
	rep := &freshReport{header: h, CutAge: f.cutAge, Jobs: map[string]int{}}
	return rep, f.live(ctx, rep)
}

// live makes the topic and the table, then produces and asks at once.
func (f *freshFlags) live(ctx context.Context, rep *freshReport) (err error) {
	topic := fmt.Sprintf("bench-freshness-%d", f.seed)
	cl, err := newClient(f.brokers, kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(maxBufferedRecords))
	if err != nil {
		return err
	}
	defer cl.Close()
	if err := createTopic(ctx, cl, topic, int32(f.parts), true); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.clean(context.WithoutCancel(ctx), &job{topic: topic})) }()
	data, paths := filepath.Join(f.work, "freshness"), []string{filepath.Join(f.work, "table.yaml"), filepath.Join(f.work, "live.yaml")}
	for i, text := range []string{pageviews.TableYAML("pageviews", topic), fmt.Sprintf(freshYAML, f.cutAge)} {
		if err := os.WriteFile(paths[i], []byte(text), 0o644); err != nil {
			return err
		}
	}
	for i, what := range []string{"table", "cube"} {
		apply := child{path: f.tidemark, args: []string{what, "apply", "-f", paths[i], "--data", data}, stderr: f.log}
		if _, _, err := apply.run(ctx); err != nil {
			return err
		}
	}
	x := &fresh{produced: make([][]time.Time, f.parts), seen: make([][]seenUpTo, f.parts)}
	rep.Process, err = f.with("--memory 192MiB").served(ctx, data, func(ctx context.Context, ask asker) error {
		url, err := urlOf(staged{data: data})
		if err != nil {
			return err
		}
		if err := f.both(ctx, cl, url, x, rep); err != nil {
			return err
		}
		if err := rep.count(ask); err != nil {
			return err
		}
		rep.Server, err = serverFreshness(ctx, url)
		return err
	})
	if err == nil {
		rep.sum(x)
	}
	return err
}

// both produces, and asks until all that was produced has been seen.
func (f *freshFlags) both(ctx context.Context, cl *kgo.Client, url string, x *fresh, rep *freshReport) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		c := &http.Client{}
		for !x.allSeen() && ctx.Err() == nil {
			if err := x.ask(ctx, c, url); err != nil {
				cancel(err)
				return
			}
			if !sleepUntil(ctx, time.Now().Add(f.poll)) {
				return
			}
		}
	})
	began := time.Now()
	n, err := f.send(ctx, cl, x)
	rep.Events, rep.Rate = n, float64(n)/time.Since(began).Seconds()
	if err != nil {
		cancel(err)
	}
	x.finish()
	wg.Wait()
	return context.Cause(ctx)
}

// send produces at the rate and notes when.
func (f *freshFlags) send(ctx context.Context, cl *kgo.Client, x *fresh) (n int64, err error) {
	g, err := pageviews.New(pageviews.Options{Seed: f.seed, Partitions: int32(f.parts), Late: f.late, Rate: f.rate, Start: time.Now().UTC()})
	if err != nil {
		return 0, err
	}
	began, end := time.Now(), time.Now().Add(time.Duration(f.seconds)*time.Second)
	var failed error
	var acked sync.WaitGroup
	for ; time.Now().Before(end); n++ {
		if n%64 == 0 && !sleepUntil(ctx, began.Add(time.Duration(float64(n)/f.rate*1e9))) {
			return n, context.Cause(ctx)
		}
		var ev pageviews.Event
		value := g.Append(nil, &ev)
		at := time.Now()
		acked.Add(1)
		cl.Produce(ctx, &kgo.Record{Partition: ev.Partition, Value: value}, func(r *kgo.Record, err error) {
			defer acked.Done()
			x.mu.Lock()
			defer x.mu.Unlock()
			if err == nil && r.Offset != int64(len(x.produced[r.Partition])) {
				err = fmt.Errorf("partition %d: offset %d comes after %d records", r.Partition, r.Offset, len(x.produced[r.Partition]))
			}
			if err != nil {
				failed = errors.Join(failed, err)
				return
			}
			x.produced[r.Partition] = append(x.produced[r.Partition], at)
		})
	}
	acked.Wait()
	return n, failed
}
