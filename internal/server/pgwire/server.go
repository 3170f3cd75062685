package pgwire

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/tidemarkdb/tidemark/internal/server/pgwire/pgcatalog"
)

// errShutdown is why sessions end when the process stops.
var errShutdown = errors.New("the server stops")

// acceptPause is how long no connection is taken after the machine had no room for one.
const acceptPause = 100 * time.Millisecond

// noRoom are the errors of a machine, or a process, that has no room for another connection.
var noRoom = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}

// Server answers clients of PostgreSQL.
type Server struct {
	opts    Options
	m       *metrics
	catalog *pgcatalog.Catalog

	strangers chan struct{} // a place for each connection that has not proven who it is

	mu       sync.Mutex
	sessions map[uint32]*session
	last     uint32 // number of the newest session
	stopping bool
}

// New returns a Server. It starts nothing. Close it.
func New(o Options) (*Server, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &Server{opts: o, sessions: map[uint32]*session{}, strangers: make(chan struct{}, 2*o.Connections)}
	var err error
	if s.m, err = newMetrics(o.Registry); err != nil {
		return nil, fmt.Errorf("pgwire metrics: %w", err)
	}
	s.m.limit.Set(float64(o.Connections))
	if s.catalog, err = pgcatalog.New(pgcatalog.Options{Version: o.Version, Relations: o.Query.Relations, Projects: s.projects, Logger: o.Logger}); err != nil {
		return nil, err
	}
	return s, nil
}

// projects names all projects; default is there without being made.
func (s *Server) projects(ctx context.Context) ([]string, error) {
	list, err := s.opts.Catalog.Projects(ctx)
	out := []string{"default"}
	for _, p := range list {
		if p.Name != "default" {
			out = append(out, p.Name)
		}
	}
	return out, err
}

// Close ends what New has opened; no session may be left.
func (s *Server) Close() error { return s.catalog.Close() }

// Run serves ln until ctx is done, lets the statements in hand finish within limit and returns nil on a clean stop.
func (s *Server) Run(ctx context.Context, ln net.Listener, limit time.Duration) error {
	running, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	defer kill(nil)
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	var wg sync.WaitGroup
	var failed error
	for {
		conn, err := s.accept(ctx, ln)
		if err != nil {
			if ctx.Err() == nil {
				failed = fmt.Errorf("serve postgres: %w", err)
			}
			break
		}
		select {
		case s.strangers <- struct{}{}:
			wg.Go(func() { s.serve(running, conn) })
		default: // without a word, which a stranger could leave unread
			s.m.opened.WithLabelValues(stateRefused).Inc()
			conn.Close()
		}
	}
	s.endIdle()
	late := time.AfterFunc(limit, func() { kill(errShutdown) })
	defer late.Stop()
	wg.Wait()
	return failed
}

// accept waits for a connection. Where the machine has no room for one, there will be when others are closed.
func (s *Server) accept(ctx context.Context, ln net.Listener) (net.Conn, error) {
	for {
		conn, err := ln.Accept()
		if err == nil || ctx.Err() != nil || !slices.ContainsFunc(noRoom, func(e error) bool { return errors.Is(err, e) }) {
			return conn, err
		}
		s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "connection not accepted", slog.Any("err", err))
		select {
		case <-ctx.Done():
		case <-time.After(acceptPause):
		}
	}
}

// endIdle ends sessions that run nothing; the others end with their statement.
func (s *Server) endIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	for _, x := range s.sessions {
		x.in.interrupt()
	}
}

// serve answers one connection, which has a place among the strangers until it is known.
func (s *Server) serve(ctx context.Context, raw net.Conn) {
	defer raw.Close()
	known := sync.OnceFunc(func() { <-s.strangers })
	defer known()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	conn, err := s.secure(ctx, raw)
	if err != nil {
		s.m.opened.WithLabelValues(stateBroken).Inc()
		s.opts.Logger.LogAttrs(ctx, slog.LevelDebug, "session not begun", slog.Any("err", err))
		return
	}
	x := newSession(s, conn)
	x.pumped.Go(func() { x.in.run(func(err error) { end(fmt.Errorf("the client is gone: %w", err)) }) })
	defer func() {
		if p := recover(); p != nil {
			s.opts.Logger.LogAttrs(ctx, slog.LevelError, "session panicked", slog.String("err", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
		}
		conn.Close()
		x.close()
	}()
	state, err := x.start(ctx)
	known()
	s.m.opened.WithLabelValues(state).Inc()
	if err != nil {
		s.opts.Logger.LogAttrs(ctx, slog.LevelDebug, "session refused", slog.Any("err", err))
		return
	}
	if state != stateOpened {
		return
	}
	defer s.leave(x)
	if err := x.run(ctx); err != nil {
		s.opts.Logger.LogAttrs(ctx, slog.LevelDebug, "session broke", slog.Any("err", err))
	}
}

// enter gives a session its number and key, if there is room.
func (s *Server) enter(x *session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return &failure{severity: fatal, code: "57P01", message: errShutdown.Error()}
	}
	if len(s.sessions) >= s.opts.Connections {
		return &failure{
			severity: fatal, code: "53300", message: fmt.Sprintf("there are %d sessions already", len(s.sessions)),
			hint: "close some, share them in a pool, or raise pg.connections",
		}
	}
	x.secret = make([]byte, 4)
	if _, err := rand.Read(x.secret); err != nil {
		return err
	}
	for s.last++; s.last == 0 || s.sessions[s.last] != nil; s.last++ {
	}
	x.pid = s.last
	s.sessions[x.pid] = x
	s.m.connections.Set(float64(len(s.sessions)))
	return nil
}

func (s *Server) leave(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, x.pid)
	s.m.connections.Set(float64(len(s.sessions)))
}

// cancel ends the statement that the session with this key runs.
func (s *Server) cancel(pid uint32, secret []byte) {
	s.mu.Lock()
	x := s.sessions[pid]
	s.mu.Unlock()
	state := "unknown"
	if x != nil && string(x.secret) == string(secret) {
		state = "found"
		x.cancelRunning(errCancelled)
	}
	s.m.cancels.WithLabelValues(state).Inc()
}
