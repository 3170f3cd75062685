package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// writeTime is how long the peer may take to read an answer, or a line of a streamed one.
const writeTime = time.Minute

// Server answers /api/v1, /metrics, /healthz and /readyz.
type Server struct {
	opts Options
	mux  *http.ServeMux
	root http.Handler

	looks    looks
	leaving  atomic.Bool
	document []byte // of OpenAPI
}

// New returns a Server. It starts nothing.
func New(o Options) (*Server, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &Server{opts: o, mux: http.NewServeMux()}
	if err := s.mount(); err != nil {
		return nil, err
	}
	s.mux.Handle("GET /metrics", promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{Timeout: o.CallTimeout}))
	s.mux.HandleFunc("GET /healthz", s.healthz)
	s.mux.HandleFunc("GET /readyz", s.readyz)
	s.root = s.logged(s.guarded(s.authenticated(s.mux)))
	return s, nil
}

// Version says who answers.
type Version struct {
	Version string `json:"version"`
	Catalog string `json:"catalog"` // its id
}

// Mount adds what answers below a path that ends with a slash. It is for before the first request; what is mounted is
// guarded as the rest (R4).
func (s *Server) Mount(path string, h http.Handler) { s.mux.Handle(path, h) }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.root.ServeHTTP(w, r) }

// Listen opens the port of an address. Other addresses than loopback are refused, unless what listens there asks who is
// there, over TLS (R4).
func Listen(ctx context.Context, address string, asks bool) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("http address %q: want host:port, as in 127.0.0.1:7070", address)
	}
	if !asks && !Loopback(host) {
		return nil, NoUsers("http", address, "read all tables, change and drop them")
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("http address %s: %w", address, err)
	}
	return ln, nil
}

// Loopback reports whether only programs of this machine reach an address.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}

// Run serves ln until ctx is done, lets the requests in hand finish within limit and returns nil on a clean stop.
func (s *Server) Run(ctx context.Context, ln net.Listener, limit time.Duration) error {
	hs := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.opts.Logger.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- hs.Serve(ln) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve http: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	err := hs.Shutdown(stop)
	if err != nil {
		err = hs.Close()
	}
	<-ended
	return err
}

// handler answers with a value that becomes JSON, or with an error.
type handler func(r *http.Request) (any, error)

// answer bounds the time and the body of a request and writes what h returns.
func (s *Server) answer(limit time.Duration, body int64, h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), limit)
		defer cancel()
		r = r.WithContext(ctx)
		bound(w, time.Now().Add(limit))
		r.Body = http.MaxBytesReader(w, r.Body, body)
		v, err := h(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.write(w, r, http.StatusOK, v)
	})
}

// bound ends a connection whose peer neither sends nor reads (R3). In process there is no connection to bound.
func bound(w http.ResponseWriter, at time.Time) {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(at)                 // ErrNotSupported in process
	_ = rc.SetWriteDeadline(at.Add(writeTime)) // ErrNotSupported in process
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, status int, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		s.opts.Logger.LogAttrs(r.Context(), slog.LevelError, "answer not encoded", slog.String("path", r.URL.Path), slog.Any("err", err))
		status, b = http.StatusInternalServerError, []byte(`{"error":{"code":"internal","message":"the answer could not be encoded"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if _, err := w.Write(append(b, '\n')); err != nil {
		s.opts.Logger.LogAttrs(r.Context(), slog.LevelDebug, "answer not sent", slog.String("path", r.URL.Path), slog.Any("err", err))
	}
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := asError(err)
	if e.Status >= 500 && !errors.Is(err, context.Canceled) {
		s.opts.Logger.LogAttrs(r.Context(), slog.LevelWarn, "request failed",
			slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Any("err", err))
	}
	s.write(w, r, e.Status, ErrorBody{Error: e})
}

func (s *Server) version(*http.Request) (any, error) {
	return Version{Version: s.opts.Version, Catalog: s.opts.Catalog.ID()}, nil
}

func (s *Server) unknown(r *http.Request) (any, error) {
	return nil, &Error{
		Status: http.StatusNotFound, Code: "not_found",
		Message: fmt.Sprintf("there is no %s %s: see /api/v1/openapi.json", r.Method, r.URL.Path),
	}
}
