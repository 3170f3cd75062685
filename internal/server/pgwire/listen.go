package pgwire

import (
	"context"
	"fmt"
	"net"

	"github.com/tidemarkdb/tidemark/internal/server"
)

// Listen opens the port of an address. Other addresses than loopback are refused, unless what listens there asks who is
// there, over TLS (W8).
func Listen(ctx context.Context, address string, asks bool) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("postgres address %q: want host:port, as in 127.0.0.1:7432, or off", address)
	}
	if !asks && !server.Loopback(host) {
		return nil, server.NoUsers("postgres", address, "read all tables")
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("postgres address %s: %w", address, err)
	}
	return ln, nil
}
