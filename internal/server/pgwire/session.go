package pgwire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/jackc/pgx/v5/pgproto3"
)

// session is one client. Its goroutine alone uses it, but for what mu guards.
type session struct {
	srv    *Server
	conn   net.Conn
	in     *pump
	b      *pgproto3.Backend // reads messages
	out    *writer
	pumped sync.WaitGroup

	pid    uint32
	secret []byte
	names  names
	set    *settings

	tx         byte // I: none, T: in a transaction, E: in one that has failed
	skip       bool // up to Sync (W2)
	statements map[string]*statement
	portals    map[string]*portal
	held       int64 // bytes of both

	mu      sync.Mutex
	running context.CancelCauseFunc // of the statement that runs; nil: none does
}

// names are who asks, and for what.
type names struct{ user, database, project string }

func newSession(s *Server, conn net.Conn) *session {
	x := &session{
		srv: s, conn: conn, in: newPump(conn), out: &writer{conn: conn, limit: s.opts.WriteTimeout, sent: s.m.bytes},
		tx: 'I', statements: map[string]*statement{}, portals: map[string]*portal{}, set: newSettings(),
	}
	x.b = pgproto3.NewBackend(x.in, nil)
	x.b.SetMaxBodyLen(s.opts.MessageBytes)
	return x
}

// run answers messages until the client leaves or the server stops.
func (x *session) run(ctx context.Context) error {
	for {
		m, err := x.b.Receive()
		if err != nil {
			return x.broken(err)
		}
		if _, ok := m.(*pgproto3.Terminate); ok {
			return nil
		}
		if err := x.message(ctx, m); err != nil {
			return err
		}
	}
}

// broken says why no message can be read any more, where the client may still hear it.
func (x *session) broken(err error) error {
	var long *pgproto3.ExceededMaxBodyLenErr
	var net net.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		x.fail(&failure{severity: fatal, code: "57P01", message: errShutdown.Error()})
		err = nil
	case errors.As(err, &long):
		x.fail(&failure{
			severity: fatal, code: "54000", message: fmt.Sprintf("a message of %d bytes, at most %d (message bytes)", long.ActualBodyLen, long.MaxExpectedBodyLen),
		})
	case isEOF(err):
		return nil
	case errors.As(err, &net):
		return err
	default:
		x.fail(&failure{severity: fatal, code: "08P01", message: "the message is not understood: " + err.Error()})
	}
	return errors.Join(err, x.out.flush())
}

// message answers one. The error ends the session.
func (x *session) message(ctx context.Context, m pgproto3.FrontendMessage) error {
	switch m := m.(type) {
	case *pgproto3.Query:
		x.simple(ctx, m.String)
		x.ready()
		return x.out.flush()
	case *pgproto3.Sync:
		x.skip = false
		if x.tx == 'I' {
			x.closePortals()
		}
		x.ready()
		return x.out.flush()
	case *pgproto3.Flush:
		return x.out.flush()
	case *pgproto3.CopyData, *pgproto3.CopyDone, *pgproto3.CopyFail: // of a COPY that was refused
		return x.out.err
	}
	if x.skip {
		return x.out.err
	}
	if err := x.extended(ctx, m); err != nil {
		x.skip = true
		x.fail(err)
		return x.out.flush()
	}
	return x.out.err
}

// ready ends a cycle (W2).
func (x *session) ready() { x.out.send(&pgproto3.ReadyForQuery{TxStatus: x.tx}) }

// fail sends an error, and marks the transaction that it is in.
func (x *session) fail(err error) {
	f := failureOf(err)
	if x.tx == 'T' {
		x.tx = 'E'
	}
	if len(x.out.buf) == 0 || x.out.err == nil {
		x.out.send(f.message3())
	}
}

// while makes a statement the one that a request to cancel ends, as long as do runs.
func (x *session) while(cancel context.CancelCauseFunc, do func() error) error {
	x.mu.Lock()
	x.running = cancel
	x.mu.Unlock()
	defer func() {
		x.mu.Lock()
		x.running = nil
		x.mu.Unlock()
	}()
	return do()
}

func (x *session) cancelRunning(why error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.running != nil {
		x.running(why)
	}
}

// close gives all back. The connection is closed before.
func (x *session) close() {
	x.closePortals()
	x.in.close()
	x.pumped.Wait()
}

func (x *session) closePortals() {
	for name := range x.portals {
		x.closePortal(name)
	}
}
