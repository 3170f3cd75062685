package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/config"
	"github.com/tidemarkdb/tidemark/internal/demo"
	"github.com/tidemarkdb/tidemark/internal/pageviews"
	"github.com/tidemarkdb/tidemark/internal/server"
)

const (
	demoTable     = "pageviews"
	demoCube      = "pageviews_cube"
	demoFolder    = "tidemark-demo"
	brokerSlow    = 3 * time.Second  // after which it is told that brokers have not answered yet
	brokerTimeout = 30 * time.Second // of the first questions to them
	brokerAnswer  = 2 * time.Second  // of any question; clients that wait for one cannot be closed
	maxDemoRate   = 1e6              // page views per second
)

type demoOptions struct {
	rate     float64
	duration time.Duration // 0: until it is stopped
	topic    string
	small    bool // budgets of memory are the demo's own
}

func (a *app) demoCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "demo", Short: "See it work: page views, a broker and everything else in this process", Args: exactly(),
		Long: `Starts a Kafka broker in this process with its records on disk, sends page views to it, reads them into table pageviews of project
default and builds cube pageviews_cube of them: a segment is cut every five seconds, and old ones are merged. It says what it does, and how long
it takes until an event is in answers. Nothing else is needed. Files, catalog and the broker's records go to ./tidemark-demo (--data); started
again it goes on where it was. Other commands, in another terminal, find it by --data tidemark-demo.

With --brokers it sends to a real Kafka or Redpanda instead, and creates the topic there. What stands in TIDEMARK_KAFKA_BROKERS or in a file of
settings does not count: a demo writes nowhere by mistake.`,
		Example: "  tidemark demo\n  tidemark demo --rate 5000 --duration 30s\n  tidemark demo --brokers broker-1:9092 --topic tidemark-demo",
	}
	var o demoOptions
	c.Flags().Float64Var(&o.rate, "rate", 2000, "page views per second")
	c.Flags().DurationVar(&o.duration, "duration", 0, "end after this time (default: when it is stopped)")
	c.Flags().StringVar(&o.topic, "topic", "pageviews", "topic to send to")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.duration < 0 {
			return usage("--duration %s is below 0: want a time as in 30s", o.duration)
		}
		if !(o.rate > 0 && o.rate <= maxDemoRate) {
			return usage("--rate %v: want page views per second above 0, up to %.0f", o.rate, maxDemoRate)
		}
		if !regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`).MatchString(o.topic) {
			return usage("--topic %q: want a name that Kafka takes: letters, digits, dot, _ and -, at most 249", o.topic)
		}
		a.adjust = func(cfg *config.Config) {
			if !cfg.Given("data") {
				cfg.Data = demoFolder
			}
			if !cfg.Given("log.level") {
				cfg.Log.Level = slog.LevelWarn // the live line says how it goes
			}
			if !cfg.Given("kafka.request_timeout") {
				cfg.Kafka.RequestTimeout = brokerAnswer
			}
			o.small = small(cfg)
		}
		cfg, err := a.own("demo is one itself")
		if err != nil {
			return err
		}
		return a.demo(cmd.Context(), cfg, o)
	}
	return c
}

// demoMemory is what the heap of a demo is to be kept to, as far as what lives lets it: with the budgets of small 160 to 210 MiB
// do, and for moments of a merge as much as this. The program's own pages, about 100 MiB, come on top.
const demoMemory = 288 << 20

// small lowers the budgets of memory, unless one of them is given: then that person decides.
func small(cfg *config.Config) bool {
	lower := map[string]func(*config.Config){
		"ingest.memory":            func(c *config.Config) { c.Ingest.Memory = 64 << 20 },
		"build.memory":             func(c *config.Config) { c.Build.Memory = 32 << 20 },
		"query.result_cache_bytes": func(c *config.Config) { c.Query.ResultCacheBytes = 8 << 20 },
		"query.column_cache_bytes": func(c *config.Config) { c.Query.ColumnCacheBytes = 32 << 20 },
		"query.cell_cache_bytes":   func(c *config.Config) { c.Query.CellCacheBytes = 24 << 20 },
		"query.folded_cache_bytes": func(c *config.Config) { c.Query.FoldedCacheBytes = 16 << 20 },
	}
	for key := range lower {
		if cfg.Given(key) || os.Getenv("GOMEMLIMIT") != "" {
			return false
		}
	}
	for _, set := range lower {
		set(cfg)
	}
	return true
}

func (a *app) demo(ctx context.Context, cfg *config.Config, o demoOptions) (err error) {
	n, err := a.openLong(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	d := &demoRun{a: a, n: n, o: o}
	// Only the flag: settings of a real installation must not make a demo write there.
	if _, real := a.given()["brokers"]; !real {
		if d.broker, err = demo.OpenBroker(demo.BrokerOptions{Dir: filepath.Join(cfg.Data, "broker"), Topic: o.topic, Logger: n.log}); err != nil {
			return err
		}
		defer d.broker.Close()
		own := config.Kafka{
			Brokers: d.broker.Addrs(), ClientID: cfg.Kafka.ClientID,
			DialTimeout: cfg.Kafka.DialTimeout, RequestTimeout: cfg.Kafka.RequestTimeout,
		}
		if n.kafka, err = own.Opts(); err != nil {
			return err
		}
	}
	if err := d.prepare(ctx); err != nil {
		return err
	}
	at, err := n.listen(ctx)
	if err != nil {
		return err
	}
	if err := n.take(config.Roles(), at, ingest.Options{Project: "default", Table: demoTable}); err != nil {
		return errors.Join(err, at.close())
	}
	if o.small {
		debug.SetMemoryLimit(demoMemory)
	}
	d.greet(at)
	return d.run(ctx, at)
}

// prepare makes the topic and the table and remembers what was there before.
func (d *demoRun) prepare(ctx context.Context) (err error) {
	views := pageviews.Options{Late: 0.01, Bad: 0.001}
	if d.producer, err = demo.NewProducer(demo.ProducerOptions{
		Kafka: d.n.kafka, Topic: d.o.topic, Rate: d.o.rate, Views: views, Logger: d.n.log,
	}); err != nil {
		return &usageError{err}
	}
	limited, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	cl, err := kgo.NewClient(d.n.kafka...)
	if err != nil {
		return err
	}
	defer cl.Close()
	slow := time.AfterFunc(brokerSlow, func() {
		fmt.Fprintf(d.a.stderr, "waiting  %s: no answer yet; the demo gives up after %s\n", d.brokers(), brokerTimeout)
	})
	d.found, err = demo.EnsureTopic(limited, cl, d.o.topic, 4)
	slow.Stop()
	if err != nil {
		return cmp.Or(context.Cause(ctx), d.unanswered(err)) // Ctrl-C comes first
	}
	if err := d.n.ready(ctx, config.Roles()); err != nil {
		return err
	}
	// Files every few seconds, so that there is something to see.
	yaml := pageviews.TableYAML(demoTable, d.o.topic) + "  roll: {age: 5s}\n"
	var applied server.Applied
	if err := d.n.client().do(ctx, request{method: http.MethodPut, path: "/tables", body: []byte(yaml)}, &applied); err != nil {
		return err
	}
	d.tableID = applied.ID
	yaml = pageviews.CubeYAML(demoCube, demoTable)
	if err := d.n.client().do(ctx, request{method: http.MethodPut, path: "/cubes", body: []byte(yaml)}, new(server.AppliedCube)); err != nil {
		return err
	}
	if d.before, err = d.n.catalog.Stats(ctx, d.tableID); err != nil {
		return err
	}
	cube, err := d.n.catalog.Cube(ctx, "default", demoCube)
	if err != nil {
		return err
	}
	d.cubeID = cube.Cube.ID
	if _, err := d.news(ctx); err != nil { // what an earlier run has told
		return err
	}
	d.backlog, err = d.unread(limited)
	return err
}

// unanswered says what to look at where a real broker does not do what it is asked.
func (d *demoRun) unanswered(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, new(*net.OpError)) {
		return fmt.Errorf("%s: no answer: is --brokers right, and does the broker run? (%w)", d.brokers(), err)
	}
	return fmt.Errorf("%s: %w", d.brokers(), err)
}

func (d *demoRun) brokers() string { return strings.Join(d.n.cfg.Kafka.Brokers, ", ") }
