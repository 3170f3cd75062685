package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/config"
	"github.com/tidemarkdb/tidemark/internal/server/pgwire"
)

// httpStop is how long requests in hand may take once reading has stopped.
const httpStop = 3 * time.Second

func (a *app) serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "serve", Short: "Read all tables and build all cubes for ever, and answer queries", Args: exactly(),
		Long: `Reads all tables and builds all cubes until it is stopped, and answers /api/v1, /metrics, /healthz and /readyz. Tables and cubes that
are applied meanwhile are read and built at once. Ctrl-C or SIGTERM stops it clean: what is in hand is committed first. SIGHUP has it read
users, certificates and the level of the log again.

With --roles it does a part of that, and other processes on the same PostgreSQL and the same S3 do the rest: ingest reads tables, schedule
decides what is built, merged and cleaned up, build does it, query answers statements. Every process answers /api/v1 but for statements.

Without --auth-file whoever reaches a port may do everything, so it listens on loopback only. With it every port asks, and with TLS besides it
may listen anywhere: see tidemark user.`,
		Example: `  tidemark serve --brokers broker-1:9092 --data /var/lib/tidemark
  tidemark serve --brokers broker-1:9092 --store s3://bucket/prefix --catalog postgres://tidemark@db/tidemark
  tidemark serve --http 0.0.0.0:7070 --pg 0.0.0.0:7432 --auth-file users.yaml --tls-cert cert.pem --tls-key key.pem
  tidemark serve --roles build --store s3://bucket/prefix --catalog postgres://tidemark@db/tidemark --data /var/lib/tidemark-build
  tidemark serve --config tidemark.yaml`,
	}
	c.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		a.serves = true
		cfg, err := a.own("serve is one itself")
		if err != nil {
			return err
		}
		n, err := a.openLong(cmd.Context(), cfg)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, n.close()) }()
		if err := n.ready(cmd.Context(), cfg.Roles); err != nil {
			return err
		}
		n.mute = !cfg.Has(config.RoleQuery)
		at, err := n.listen(cmd.Context())
		if err != nil {
			return err
		}
		if err := n.take(cfg.Roles, at, ingest.Options{}); err != nil {
			return errors.Join(err, at.close())
		}
		roles := ""
		if len(cfg.Roles) < len(config.Roles()) {
			roles = ", roles " + strings.Join(cfg.Roles, ",")
		}
		fmt.Fprintf(a.stderr, "tidemark serves %s%s, %s, data in %s, files in %s%s\n", n.access.scheme(), at.http.Addr(), at.pgAddress(), cfg.Data, cfg.StoreURL(), roles)
		return n.run(cmd.Context(), at, nil)
	}
	return c
}

// run serves, reads and builds until ctx is done, or reading ends by itself. beside runs meanwhile; it is no reason to end, but
// its error is. Reading and building stop first, so that it can be asked until the end.
func (n *node) run(ctx context.Context, at ports, beside func(context.Context) error) (err error) {
	own := at.http
	if at.local != nil {
		own = at.local
	}
	if err := n.data.Publish(own.Addr().String(), n.access.local); err != nil {
		return errors.Join(err, at.close())
	}
	var pg *pgwire.Server
	if at.pg != nil {
		if pg, err = n.postgres(); err != nil {
			return errors.Join(err, at.close())
		}
		defer func() { err = errors.Join(err, pg.Close()) }()
	}
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	g, gctx := errgroup.WithContext(ctx)
	reading, stopReading := context.WithCancel(gctx)
	defer stopReading()
	for _, ln := range []net.Listener{at.http, at.local} {
		if ln == nil {
			continue
		}
		g.Go(func() error {
			err := n.server.Run(serving, ln, httpStop)
			stopReading() // without its interface the process cannot be asked or stopped in an orderly way
			return err
		})
	}
	if pg != nil {
		g.Go(func() error {
			err := pg.Run(serving, at.pg, httpStop)
			stopReading()
			return err
		})
	}
	defer context.AfterFunc(reading, n.server.Leave)()
	g.Go(func() error {
		defer stopServing()
		defer stopReading() // ends what runs beside
		return n.work(reading, n.reached(at))
	})
	if n.asksBrokers() {
		g.Go(func() error { return n.watch.Run(reading) })
	}
	if n.reloads != nil {
		g.Go(func() error { return n.reloads(reading) })
	}
	if beside != nil {
		g.Go(func() error { return beside(reading) })
	}
	return g.Wait()
}

// work reads, decides and builds until ctx is done, or one of them ends by itself, and returns when what was in hand is finished or
// given back.
func (n *node) work(ctx context.Context, address string) error {
	g, gctx := errgroup.WithContext(ctx)
	working, stop := context.WithCancel(gctx)
	defer stop()
	g.Go(func() error {
		defer stop()
		return n.reads(working)
	})
	g.Go(func() error {
		if n.plansOrBuilds() {
			return n.builder.Run(working)
		}
		return n.beat(working, address)
	})
	return g.Wait()
}
