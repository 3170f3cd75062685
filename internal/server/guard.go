package server

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"
)

// guarded refuses what a web page of another origin sends: by the Origin header of the browser, and by the Host header,
// which names the foreign host where its name was pointed at us afterwards (R4).
func (s *Server) guarded(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		// With users a foreign name gets nothing either: a browser holds credentials by the name that they were given to.
		if err := origin.Check(r); err != nil || s.opts.Auth == nil && !Loopback(host) {
			s.fail(w, r, &Error{
				Status: http.StatusForbidden, Code: "forbidden",
				Message: fmt.Sprintf("a request to host %q from origin %q is refused: ask by a loopback address", r.Host, r.Header.Get("Origin")),
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// logged writes one line a request at debug, and turns a panic into an answer.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, rec := time.Now(), &recorder{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.opts.Logger.LogAttrs(r.Context(), slog.LevelError, "request panicked", slog.String("path", r.URL.Path),
					slog.String("err", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
				if rec.status != 0 {
					panic(http.ErrAbortHandler) // half an answer is out: the connection must not look whole
				}
				s.write(rec, r, http.StatusInternalServerError, ErrorBody{Error: &Error{
					Code: "internal", Message: "the request broke an invariant; the log says which",
				}})
			}
			s.opts.Logger.LogAttrs(r.Context(), slog.LevelDebug, "request answered", slog.String("method", r.Method),
				slog.String("path", r.URL.Path), slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes),
				slog.Int64("took_ms", time.Since(start).Milliseconds()))
		}()
		next.ServeHTTP(rec, r)
	})
}

type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach Flush and the deadlines.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
