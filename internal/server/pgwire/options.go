package pgwire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/internal/auth"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/plan"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Options configure a Server. The zero value of a field means its default.
type Options struct {
	Query   Queries          // required
	Catalog *catalog.Catalog // required
	Version string           // of tidemark, which version() says
	Auth    *auth.Gate       // nil: any user will do (W8)
	TLS     *tls.Config      // nil: none is spoken

	Connections  int           // sessions at once; default 100
	Statements   int           // prepared statements, and portals, of a session; default 1000
	SessionBytes int64         // text and values of those; default 16 MiB
	MessageBytes int           // of a message; default 8 MiB
	StartTimeout time.Duration // how long a client may take to say who it is; default 10s
	WriteTimeout time.Duration // how long a client may take to read what is sent; default 1m
	CallTimeout  time.Duration // of a question to the catalog; default 30s

	Logger   *slog.Logger          // default: discard
	Registry prometheus.Registerer // default: one that nobody reads
}

// Queries answers statements: *query.Engine.
type Queries interface {
	// Query begins to answer a statement. The answer must be closed.
	Query(ctx context.Context, r query.Request) (*query.Answer, error)
	// Explain says how a statement would be answered.
	Explain(ctx context.Context, r query.Request) (*query.Explanation, error)
	// Describe says what a statement takes and what it answers with. Nothing is read.
	Describe(ctx context.Context, r query.Request, types map[string]string) (*query.Description, error)
	// Relations lists what a statement of a project may name.
	Relations(ctx context.Context, project string) ([]*plan.Relation, error)
}

func (o Options) withDefaults() Options {
	for n, v := range map[*int]int{&o.Connections: 100, &o.Statements: 1000, &o.MessageBytes: 8 << 20} {
		if *n == 0 {
			*n = v
		}
	}
	for d, v := range map[*time.Duration]time.Duration{&o.StartTimeout: 10 * time.Second, &o.WriteTimeout: time.Minute, &o.CallTimeout: 30 * time.Second} {
		if *d == 0 {
			*d = v
		}
	}
	if o.SessionBytes == 0 {
		o.SessionBytes = 16 << 20
	}
	if o.Version == "" {
		o.Version = "unknown"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if o.Query == nil || o.Catalog == nil {
		errs = append(errs, errors.New("pgwire: an engine and a catalog are needed"))
	}
	for _, l := range []struct {
		name string
		n    int64
	}{
		{"connections", int64(o.Connections)},
		{"statements", int64(o.Statements)},
		{"session bytes", o.SessionBytes},
		{"message bytes", int64(o.MessageBytes)},
		{"start timeout", int64(o.StartTimeout)},
		{"write timeout", int64(o.WriteTimeout)},
		{"call timeout", int64(o.CallTimeout)},
	} {
		if l.n < 1 {
			errs = append(errs, fmt.Errorf("pgwire: %s %d: want at least 1", l.name, l.n))
		}
	}
	return errors.Join(errs...)
}
