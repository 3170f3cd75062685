package main

import (
	"io"
	"net/http"
	"sync"

	"github.com/tidemarkdb/tidemark/internal/auth"
)

// memory is an http.RoundTripper that hands requests to a handler in this process (X1). Answers are streamed: what the
// handler writes can be read before it has ended.
type memory struct {
	handler http.Handler
	running sync.WaitGroup
}

// wait returns when no handler runs any more.
func (m *memory) wait() { m.running.Wait() }

// RoundTrip starts the handler and returns once it has answered with a status.
func (m *memory) RoundTrip(r *http.Request) (*http.Response, error) {
	body, sink := io.Pipe()
	w := &memoryWriter{header: http.Header{}, sink: sink, started: make(chan struct{})}
	in := r.Clone(auth.With(r.Context(), auth.Identity{User: auth.LocalUser}))
	in.RequestURI = r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	m.running.Go(func() {
		defer func() {
			if p := recover(); p == http.ErrAbortHandler {
				w.WriteHeader(http.StatusInternalServerError)
				_ = sink.CloseWithError(io.ErrUnexpectedEOF) // never fails
			} else if p != nil {
				panic(p)
			}
		}()
		m.handler.ServeHTTP(w, in)
		w.WriteHeader(http.StatusOK) // an empty answer has a status too
		_ = sink.Close()             // never fails
	})
	select {
	case <-w.started:
	case <-r.Context().Done():
		_ = body.Close() // never fails; the handler's writes do from now on
		return nil, r.Context().Err()
	}
	return &http.Response{
		StatusCode: w.status, Status: http.StatusText(w.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: body, ContentLength: -1, Request: r,
	}, nil
}

type memoryWriter struct {
	header, sent http.Header
	sink         *io.PipeWriter
	once         sync.Once
	status       int
	started      chan struct{} // closed once status and sent are set
}

func (w *memoryWriter) Header() http.Header { return w.header }

func (w *memoryWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.started)
	})
}

func (w *memoryWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.sink.Write(b)
}

// Flush is what streams need; a pipe holds nothing back.
func (w *memoryWriter) Flush() {}
