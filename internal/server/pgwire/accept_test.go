package pgwire_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemarkdb/tidemark/internal/server/pgwire"
)

// W6: who says nothing takes a place for as long as he is there, and no more than there are.
func TestStrangersAreBounded(t *testing.T) {
	w := newWorld(t, func(o *pgwire.Options) { o.Connections, o.StartTimeout = 1, time.Hour })
	silent := []net.Conn{w.dial(), w.dial()}
	if n, err := io.Copy(io.Discard, w.dial()); n != 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("a third connection that says nothing: got %d bytes, %v, want it closed", n, err)
	}
	if got := w.refused(); got != 1 {
		t.Errorf("got %v refused connections, want 1", got)
	}
	for _, c := range silent {
		must(t, c.(*net.TCPConn).CloseWrite())
		if n, err := io.Copy(io.Discard, c); n != 0 || err != nil {
			t.Fatalf("a connection that left: got %d bytes, %v", n, err)
		}
	}
	var one int
	must(t, w.connect("").QueryRow(t.Context(), "SELECT 1").Scan(&one))
	if got := w.refused(); got != 1 {
		t.Errorf("got %v refused connections after a session, want 1", got)
	}
}

// refused is how many connections were refused.
func (w *world) refused() (n float64) {
	w.t.Helper()
	families, err := w.registry.Gather()
	must(w.t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "tidemark_pg_connections_total" && m.GetLabel()[0].GetValue() == "refused" {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// faulty fails once, before it accepts.
type faulty struct {
	net.Listener
	err   error
	tried atomic.Int32
}

func (f *faulty) Accept() (net.Conn, error) {
	if f.tried.Add(1) == 1 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", f.err)}
	}
	return f.Listener.Accept()
}

// W6: a process that is out of file descriptors takes connections again when it has some.
func TestAcceptFails(t *testing.T) {
	for _, x := range []struct {
		err  error
		ends bool
	}{{syscall.EMFILE, false}, {syscall.ENFILE, false}, {syscall.ENOBUFS, false}, {syscall.ENOMEM, false}, {syscall.EINVAL, true}} {
		t.Run(x.err.Error(), func(t *testing.T) {
			w := newWorld(t, nil)
			ln, err := pgwire.Listen(t.Context(), "127.0.0.1:0", false)
			must(t, err)
			defer ln.Close()
			running, stop := context.WithCancel(t.Context())
			defer stop()
			ended := make(chan error, 1)
			go func() { ended <- w.server.Run(running, &faulty{Listener: ln, err: x.err}, 5*time.Second) }()
			if x.ends {
				if err := <-ended; err == nil || !strings.Contains(err.Error(), "serve postgres") {
					t.Errorf("got %v, want the error of Accept", err)
				}
				return
			}
			c, err := pgx.Connect(t.Context(), "postgres://ann@"+ln.Addr().String()+"/default")
			must(t, err)
			must(t, c.Close(t.Context()))
			stop()
			must(t, <-ended)
		})
	}
}
