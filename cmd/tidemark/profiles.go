package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/tidemarkdb/tidemark/internal/server"
)

// profiles serves the runtime's profiles on a port of their own: they tell of memory what no user of the interface may
// read.
type profiles struct {
	server  *http.Server
	serving sync.WaitGroup
}

func serveProfiles(ctx context.Context, a *app, address string) (*profiles, error) {
	ln, err := server.Listen(ctx, address, false)
	if err != nil {
		return nil, fmt.Errorf("pprof: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	p := &profiles{server: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}}
	p.serving.Go(func() {
		if err := p.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintf(a.stderr, "profiles are no longer served: %v\n", err)
		}
	})
	fmt.Fprintf(a.stderr, "profiles at http://%s/debug/pprof/\n", ln.Addr())
	return p, nil
}

func (p *profiles) close() error {
	if p == nil {
		return nil
	}
	err := p.server.Close()
	p.serving.Wait()
	return err
}
