package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
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
	brokerTimeout = 10 * time.Second // of the first questions to the broker
)

type demoOptions struct {
	rate     float64
	duration time.Duration // 0: until it is stopped
	topic    string
}

func (a *app) demoCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "demo", Short: "See it work: page views, a broker and everything else in this process", Args: exactly(),
		Long: `Starts a Kafka broker in this process with its records on disk, sends page views to it, reads them into table pageviews of project
default and builds cube pageviews_cube of them, a segment every five seconds. Nothing else is needed. Files, catalog and the broker's records go to ./tidemark-demo (--data); started again it goes on
where it was. Other commands, in another terminal, find it by --data tidemark-demo.

With --brokers it sends to a real Kafka or Redpanda instead, and creates the topic there.`,
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
		a.adjust = func(cfg *config.Config) {
			if !cfg.Given("data") {
				cfg.Data = demoFolder
			}
			if !cfg.Given("log.level") {
				cfg.Log.Level = slog.LevelWarn // the live line says how it goes
			}
		}
		cfg, err := a.config()
		if err != nil {
			return err
		}
		return a.demo(cmd.Context(), cfg, o)
	}
	return c
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
	address := at.http.Addr().String()
	n.builds = true
	if err := n.build(address, n.registry); err != nil {
		return errors.Join(err, at.close())
	}
	if err := n.read(ingest.Options{Address: address, Project: "default", Table: demoTable}); err != nil {
		return errors.Join(err, at.close())
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
	if _, err := demo.EnsureTopic(limited, cl, d.o.topic, 4); err != nil {
		return fmt.Errorf("the broker does not answer as it should: %w", err)
	}
	if err := d.n.ready(ctx); err != nil {
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
	d.backlog, err = d.unread(limited)
	return err
}

func (d *demoRun) greet(at ports) {
	where := "a broker in this process"
	if d.broker == nil {
		where = "topic " + d.o.topic
	}
	data := d.n.cfg.Data
	fmt.Fprintf(d.a.stderr, `tidemark demo: %s page views a second go to %s and from there to table %s
  data   %s
  HTTP   %s%s/api/v1/tables
  SQL    psql %s
  try    tidemark query --data %s
         tidemark table offsets %s --data %s
         tidemark quarantine list %s --data %s
         tidemark segment list %s --data %s
         tidemark verify --against-kafka --data %s
  files  %s/staged/*/*/*.parquet
`, countText(d.o.rate), where, demoTable, data, d.n.access.scheme(), at.http.Addr(), at.pgAddress(), data, demoTable, data, demoTable, data, demoCube, data, data, d.n.cfg.StoreURL())
}
