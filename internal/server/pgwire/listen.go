package pgwire

import (
	"context"
	"fmt"
	"net"

	"github.com/tidemarkdb/tidemark/internal/server"
)

// Listen opens the port of an address. Other addresses than loopback are refused, since there are no users yet (W8).
func Listen(ctx context.Context, address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("postgres address %q: want host:port, as in 127.0.0.1:7432, or off", address)
	}
	if !server.Loopback(host) {
		return nil, fmt.Errorf("postgres address %q is refused: whoever reaches it could read all tables, since there are no users yet; listen on 127.0.0.1", address)
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("postgres address %s: %w", address, err)
	}
	return ln, nil
}
