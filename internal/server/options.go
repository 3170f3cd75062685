package server

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/auth"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/verify"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Options configure a Server. The zero value of a field means its default.
type Options struct {
	Catalog  *catalog.Catalog    // required
	Store    blob.Store          // required
	ReadOnly bool                // this process may not write to the store: definitions are refused before the catalog takes them
	Work     Work                // required
	Ingest   Ingest              // nil: this process reads nothing
	Kafka    func() error        // why the brokers did not answer when they were last asked; nil: this process asks none
	Building Building            // nil: this process plans no segments
	HBase    *hbase.Store        // nil: tables of cuboids are not shown
	Query    Queries             // nil: this process answers no statements
	Auth     *auth.Gate          // nil: whoever asks is answered (R4)
	Metrics  prometheus.Gatherer // default: empty
	Version  string              // shown by /api/v1/version

	MaxBody     int64         // bytes of a request's body; default 4 MiB
	CallTimeout time.Duration // of a request that is answered at once; default 30s
	WorkTimeout time.Duration // of sample, requeue, verify, gc and tables of HBase; default 24h
	ReadyLimit  time.Duration // how long /readyz waits for the catalog and the store; default 3s
	Logger      *slog.Logger  // default: discard
}

// Ingest is the reading that goes on in this process.
type Ingest interface {
	Sources() []ingest.Source
}

// Queries answers statements: *query.Engine.
type Queries interface {
	Query(ctx context.Context, r query.Request) (*query.Answer, error)
	Explain(ctx context.Context, r query.Request) (*query.Explanation, error)
	Statements() (running, ended []query.Running)
	Kill(id int64, by string) error
}

// Work is what takes longer than a look into the catalog. Every call ends early with ctx.
type Work interface {
	// Sample reads up to n records of a topic and returns a definition in YAML that applies as it is.
	Sample(ctx context.Context, project, topic string, n int) (*Sample, error)
	// Requeue tries quarantined records again with the table's newest definition.
	Requeue(ctx context.Context, r RequeueRequest) (*RequeueResult, error)
	// Verify proves the tiling; progress may be nil and is called from one goroutine.
	Verify(ctx context.Context, r VerifyRequest, progress func(VerifyProgress)) (*verify.Report, error)
	// GC lists objects that nothing needs.
	GC(ctx context.Context) (*GCResult, error)
}

func (o Options) withDefaults() Options {
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	if o.Version == "" {
		o.Version = "unknown"
	}
	if o.MaxBody == 0 {
		o.MaxBody = 4 << 20
	}
	for d, v := range map[*time.Duration]time.Duration{
		&o.CallTimeout: 30 * time.Second,
		&o.WorkTimeout: 24 * time.Hour,
		&o.ReadyLimit:  3 * time.Second,
	} {
		if *d == 0 {
			*d = v
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if o.Catalog == nil {
		errs = append(errs, errors.New("server: no catalog given"))
	}
	if o.Store == nil {
		errs = append(errs, errors.New("server: no store given"))
	}
	if o.Work == nil {
		errs = append(errs, errors.New("server: no work given"))
	}
	if o.MaxBody < 1 || o.CallTimeout < 0 || o.WorkTimeout < 0 || o.ReadyLimit < 0 {
		errs = append(errs, errors.New("server: a limit is below 0"))
	}
	return errors.Join(errs...)
}
