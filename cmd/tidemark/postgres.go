package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/tidemarkdb/tidemark/internal/config"
	"github.com/tidemarkdb/tidemark/internal/server/pgwire"
)

// ports are where a process listens.
type ports struct {
	http net.Listener
	pg   net.Listener // nil: nowhere
}

func (p ports) close() error {
	err := p.http.Close()
	if p.pg != nil {
		err = errors.Join(err, p.pg.Close())
	}
	return err
}

// pgAddress is what people are told of the PostgreSQL port.
func (p ports) pgAddress() string {
	if p.pg == nil {
		return "off"
	}
	return "postgres://" + p.pg.Addr().String() + "/default"
}

// open opens both. Where HTTP takes any free port, so does PostgreSQL, unless its own is said.
func open(ctx context.Context, cfg *config.Config) (p ports, err error) {
	if p.http, err = listen(ctx, cfg.HTTP); err != nil {
		return p, err
	}
	address := cfg.PG.Listen
	if address == "off" {
		return p, nil
	}
	if _, port, err := net.SplitHostPort(cfg.HTTP); err == nil && port == "0" && !cfg.Given("pg.listen") {
		address = "127.0.0.1:0"
	}
	p.pg, err = pgwire.Listen(ctx, address)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("address %s is taken by another program: choose another with --pg, as in --pg 127.0.0.1:0 for any free port, or --pg off", address)
	}
	if err != nil {
		return p, errors.Join(err, p.http.Close())
	}
	return p, nil
}

// postgres makes the server of the PostgreSQL protocol.
func (n *node) postgres() (*pgwire.Server, error) {
	return pgwire.New(pgwire.Options{
		Query: n.queries, Catalog: n.catalog, Version: version(), Connections: n.cfg.PG.Connections, Logger: n.log, Registry: n.registry,
	})
}
