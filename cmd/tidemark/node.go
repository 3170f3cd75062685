package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/builder/local"
	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/config"
	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/internal/server/kylin"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// storePatience is how long one call of the store is repeated. Ingest tries again by itself and shows why meanwhile.
const storePatience = 15 * time.Second

// node is what a process that holds a data folder works with.
type node struct {
	cfg      *config.Config
	data     *config.DataDir
	catalog  *catalog.Catalog
	store    blob.Store
	kafka    []kgo.Opt
	registry *prometheus.Registry
	log      *slog.Logger
	server   *server.Server
	memory   *memory // the handlers for commands of this process
	ingester *ingest.Ingester
	profiles *profiles
	hbase    *hbase.Store // nil: none is configured
	brokers  *ingest.Log
	watch    *ingest.Watch // over brokers
	builder  *builder.Builder
	roles    []string // of a process that runs for long, as others are told; nil: it serves one command
	mute     bool     // statements are answered by other processes
	queries  *queries
	access   access
	hangups  chan os.Signal              // nil: the process is a short one
	reloads  func(context.Context) error // takes up what changes, at each of hangups; nil: likewise
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// open takes the data folder and opens what lies behind it.
func (a *app) open(ctx context.Context, cfg *config.Config) (*node, error) {
	kafka, err := cfg.Kafka.Opts()
	if err != nil {
		return nil, &usageError{err}
	}
	data, err := config.OpenData(cfg.Data)
	if err != nil {
		return nil, err
	}
	n := &node{cfg: cfg, data: data, kafka: kafka, registry: prometheus.NewRegistry(), log: a.logger(cfg)}
	if err := n.openParts(ctx); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

// openLong is open for a process that runs for long enough to be profiled.
func (a *app) openLong(ctx context.Context, cfg *config.Config) (*node, error) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // before anything takes long: without it SIGHUP ends the process
	n, err := a.open(ctx, cfg)
	if err != nil {
		signal.Stop(hangups)
		return nil, err
	}
	n.hangups, n.reloads = hangups, func(ctx context.Context) error { return a.reloads(ctx, n) }
	if n.access, err = openAccess(cfg.Auth, n); err != nil {
		return nil, errors.Join(err, n.close())
	}
	if cfg.Pprof == "" {
		return n, nil
	}
	if n.profiles, err = serveProfiles(ctx, a, cfg.Pprof); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *node) openParts(ctx context.Context) (err error) {
	n.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if n.catalog, err = catalog.Open(ctx, n.cfg.CatalogDSN(), catalog.Options{}); err != nil {
		return err
	}
	if n.store, err = blob.OpenStore(ctx, n.cfg.StoreURL(), blob.Options{Retry: blob.RetryOptions{MaxElapsed: storePatience}}); err != nil {
		return err
	}
	claim := blob.Claim
	if rights(n.cfg.Roles) == blob.Reads {
		claim = blob.Belongs
	}
	if err := claim(ctx, n.store, n.catalog.ID()); err != nil {
		return err
	}
	if err := n.build("", prometheus.NewRegistry()); err != nil { // for requests of this process; nothing runs
		return err
	}
	return n.serve(nil)
}

// build makes the builder: where it is asked, and where its metrics are seen.
func (n *node) build(address string, metrics *prometheus.Registry) (err error) {
	if n.brokers != nil {
		n.brokers.Close()
	}
	if n.brokers, err = ingest.NewLog(n.kafka); err != nil {
		return err
	}
	n.watch = ingest.NewWatch(n.brokers, n.log)
	name, err := n.data.NodeID()
	if err != nil {
		return err
	}
	ids, err := dictionary.New(dictionary.Options{
		Catalog: n.catalog, Store: n.store, Dir: n.cfg.BuildDir(), Memory: n.cfg.Build.DictionaryMemory, Disk: n.cfg.Build.DictionaryDisk,
		Tries: n.cfg.Build.DictionaryTries, Logger: n.log, Registry: metrics,
	})
	if err != nil {
		return err
	}
	if n.hbase != nil {
		n.hbase.Close()
	}
	if n.hbase, err = openHBase(n.cfg, n.log, metrics); err != nil {
		return err
	}
	engine, err := local.New(local.Options{
		HBase: n.hbase, Store: n.store, Dir: n.cfg.BuildDir(), Memory: n.cfg.Build.Memory, Disk: n.cfg.Build.Disk, Dictionaries: ids, Logger: n.log, Registry: metrics,
	})
	if err != nil {
		return err
	}
	var tables builder.Tables
	if n.hbase != nil {
		tables = n.hbase
	}
	o := builder.Options{
		Tables: tables, Catalog: n.catalog, Store: n.store, Log: n.brokers, Engine: engine, Node: name, Address: address, Roles: n.roles,
		Version: version(), Logger: n.log, Registry: metrics, Ask: n.ask,
	}
	if n.plansOrBuilds() {
		o.NoPlans = !n.has(config.RoleSchedule)
		if !n.has(config.RoleBuild) {
			o.MaxBuilds = -1
		}
	}
	n.builder, err = builder.New(o)
	return err
}

// ask answers queries of lookup tables, with the engine that the process has by then.
func (n *node) ask(ctx context.Context, project, sql string) (lookup.Answer, error) {
	return server.AskFor(n.queries)(ctx, project, sql)
}

// serve makes the handlers; ing is nil in a process that reads nothing.
func (n *node) serve(ing *ingest.Ingester) error {
	if n.queries != nil {
		if err := n.queries.close(); err != nil {
			return err
		}
	}
	n.ingester, n.queries = ing, &queries{n: n}
	o := server.Options{
		Catalog: n.catalog, Store: n.store, Work: work{n}, Building: building{n.builder, n.catalog}, HBase: n.hbase, Metrics: n.registry,
		Auth: n.access.gate, Version: version(), Logger: n.log, ReadOnly: rights(n.cfg.Roles) == blob.Reads,
	}
	if ing != nil {
		o.Ingest = ing
	}
	if n.asksBrokers() {
		o.Kafka = n.watch.Status
	}
	if !n.mute {
		o.Query = n.queries
	}
	s, err := server.New(o)
	if err != nil {
		return err
	}
	k, err := kylin.New(kylin.Options{Catalog: n.catalog, Building: o.Building, Cubes: s, Store: n.store, Query: o.Query, Logger: n.log})
	if err != nil {
		return err
	}
	s.Mount("/kylin/", k)
	n.server = s
	n.memory = &memory{handler: s}
	return nil
}

// client returns a client of the node's own handlers; closing it closes the node.
func (n *node) client() *client {
	return &client{base: "http://localhost", http: &http.Client{Transport: n.memory}, node: n}
}

// ready checks what a process that is to run for long with these roles relies on.
func (n *node) ready(ctx context.Context, roles []string) error {
	may := rights(roles)
	if err := blob.Check(ctx, n.store, may); err != nil || may == blob.Reads {
		return err
	}
	return n.server.StoreDefinitions(ctx)
}

// read makes the ingester of this process.
func (n *node) read(o ingest.Options) error {
	c := n.cfg.Ingest
	o.Kafka, o.Catalog, o.Store, o.SpoolDir = n.kafka, n.catalog, n.store, n.cfg.SpoolDir()
	o.Partitions, o.Group, o.FailOnMissingTopic = c.Partitions, c.Group, c.FailOnMissingTopic
	o.MemoryBudget, o.SpoolBytes = c.Memory, c.Spool
	o.MaxUncommittedRanges, o.MaxUploads = c.MaxUncommittedRanges, c.MaxUploads
	o.StopTimeout, o.PinTimeout = n.cfg.ShutdownTimeout, c.PinTimeout
	o.Logger, o.Registry = n.log, n.registry
	owner, err := n.data.NodeID()
	if err != nil {
		return err
	}
	o.Owner = owner
	if o.Group == "" && !o.UntilEnd && len(o.Partitions) == 0 && n.cfg.Catalog != "" {
		// Others may work on a catalog that is a server: Kafka shares the partitions out, else each takes them all.
		o.Group = "tidemark-" + n.catalog.ID()
	}
	ing, err := ingest.New(o)
	if err != nil {
		return err
	}
	return n.serve(ing)
}

// close gives everything back; the folder last.
func (n *node) close() error {
	var errs []error
	if n.hangups != nil {
		signal.Stop(n.hangups)
	}
	if n.memory != nil {
		n.memory.wait()
	}
	if n.queries != nil {
		errs = append(errs, n.queries.close())
	}
	if n.brokers != nil {
		n.brokers.Close()
	}
	if n.hbase != nil {
		n.hbase.Close()
	}
	if n.catalog != nil {
		errs = append(errs, n.catalog.Close())
	}
	return errors.Join(append(errs, n.profiles.close(), n.data.Close())...)
}
