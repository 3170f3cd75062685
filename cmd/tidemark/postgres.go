package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/internal/server/pgwire"
)

// ports are where a process listens.
type ports struct {
	http  net.Listener
	local net.Listener // for commands on the data folder; nil: they use http
	pg    net.Listener // nil: nowhere
}

func (p ports) close() error {
	var errs []error
	for _, ln := range []net.Listener{p.http, p.local, p.pg} {
		if ln != nil {
			errs = append(errs, ln.Close())
		}
	}
	return errors.Join(errs...)
}

// pgAddress is what people are told of the PostgreSQL port.
func (p ports) pgAddress() string {
	if p.pg == nil {
		return "no port of PostgreSQL"
	}
	return "postgres://" + p.pg.Addr().String() + "/default"
}

// listenHTTP opens the port of HTTP, and says by which flag to move where it is taken.
func (n *node) listenHTTP(ctx context.Context) (p ports, err error) {
	address := n.cfg.HTTP
	ln, err := server.Listen(ctx, address, n.access.asks())
	if errors.Is(err, syscall.EADDRINUSE) {
		return p, fmt.Errorf("address %s is taken by another program: choose another with --http, as in --http 127.0.0.1:0 for any free port", address)
	}
	if err != nil {
		return p, err
	}
	p.http = n.access.over(ln)
	if p.local, err = n.access.besideTLS(ctx); err != nil {
		return p, errors.Join(err, ln.Close())
	}
	return p, nil
}

// listen opens all ports, that of PostgreSQL where statements are answered. Where HTTP takes any free port, so does PostgreSQL, unless its own is said.
func (n *node) listen(ctx context.Context) (p ports, err error) {
	cfg := n.cfg
	if p, err = n.listenHTTP(ctx); err != nil {
		return p, err
	}
	address := cfg.PG.Listen
	if address == "off" || n.mute {
		return p, nil
	}
	if _, port, err := net.SplitHostPort(cfg.HTTP); err == nil && port == "0" && !cfg.Given("pg.listen") {
		address = "127.0.0.1:0"
	}
	p.pg, err = pgwire.Listen(ctx, address, n.access.asks())
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("address %s is taken by another program: choose another with --pg, as in --pg 127.0.0.1:0 for any free port, or --pg off", address)
	}
	if err != nil {
		p.pg = nil
		return p, errors.Join(err, p.close())
	}
	return p, nil
}

// postgres makes the server of the PostgreSQL protocol.
func (n *node) postgres() (*pgwire.Server, error) {
	return pgwire.New(pgwire.Options{
		Query: n.queries, Catalog: n.catalog, Version: version(), Connections: n.cfg.PG.Connections,
		Auth: n.access.gate, TLS: n.access.forPG(), Logger: n.log, Registry: n.registry,
	})
}
