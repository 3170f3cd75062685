package server

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/tidemarkdb/tidemark/internal/auth"
)

// readyEvery is how often /readyz looks at the most: it is open to strangers, and each look is paid for in calls of the
// store and the catalog.
const readyEvery = time.Second

// Readiness says which part answers: "ok", or what is wrong with it.
type Readiness struct {
	Ready   bool   `json:"ready"`
	Leaving bool   `json:"leaving,omitempty"` // the process stops: it finishes what it has in hand, and answers no longer after that
	Catalog string `json:"catalog"`
	Store   string `json:"store"`
	Kafka   string `json:"kafka,omitempty"` // no part of Ready; empty: this process asks no brokers
}

func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	s.write(w, r, http.StatusOK, map[string]string{"status": "ok"})
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	a := s.looks.found(r.Context(), s.opts.ReadyLimit, parts{s.opts.Catalog.Ping, s.storeAnswers})
	if _, known := auth.From(r.Context()); s.opts.Auth != nil && !known {
		a.Catalog, a.Store = withoutReason(a.Catalog), withoutReason(a.Store)
	}
	a.Kafka = s.brokers(r.Context())
	code := http.StatusOK
	a.Leaving = s.leaving.Load()
	if a.Ready = a.Catalog == "ok" && a.Store == "ok" && !a.Leaving; !a.Ready {
		code = http.StatusServiceUnavailable
	}
	s.write(w, r, code, a)
}

// Leave has /readyz say that the process stops, so that nobody sends it anything new; all is answered as before.
func (s *Server) Leave() { s.leaving.Store(true) }

// looks shares what one caller of /readyz finds with all who ask meanwhile and within readyEvery.
type looks struct {
	mu   sync.Mutex
	last *look // guarded by mu
}

// look is one look at all parts.
type look struct {
	began time.Time
	done  chan struct{} // closed when all parts have answered

	mu    sync.Mutex
	found Readiness // guarded by mu; a part that has not answered is empty
}

// found returns what is known, or looks. Nobody waits for longer than limit: a part may not even end when it is told to, as a folder of a
// network that hangs. Such a look goes on by itself, and as long as it does there is no other.
func (l *looks) found(ctx context.Context, limit time.Duration, parts parts) Readiness {
	now := time.Now()
	l.mu.Lock()
	this := l.last
	if this == nil || this.over() && now.Sub(this.began) >= readyEvery {
		this = &look{began: now, done: make(chan struct{})}
		l.last = this
		go this.ask(context.WithoutCancel(ctx), limit, parts) // others may wait for it when this caller does not any more
	}
	l.mu.Unlock()
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-this.done:
	case <-late.C:
	}
	this.mu.Lock()
	defer this.mu.Unlock()
	found := this.found
	for _, part := range []*string{&found.Catalog, &found.Store} {
		if *part == "" {
			*part = fmt.Sprintf("no answer within %s", limit)
		}
	}
	return found
}

// parts are asked whether they answer.
type parts struct{ catalog, store func(context.Context) error }

// ask asks each part. Parts that are not ready are text, never empty.
func (l *look) ask(ctx context.Context, limit time.Duration, p parts) {
	defer close(l.done)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var wg sync.WaitGroup
	part := func(to *string, ask func(context.Context) error) {
		wg.Go(func() {
			said := status(ask(ctx))
			l.mu.Lock()
			defer l.mu.Unlock()
			*to = said
		})
	}
	part(&l.found.Catalog, p.catalog)
	part(&l.found.Store, p.store)
	wg.Wait()
}

func (l *look) over() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// storeAnswers asks for one page of keys, which a read-only outage and a wrong key both fail.
func (s *Server) storeAnswers(ctx context.Context) error {
	for _, err := range s.opts.Store.List(ctx, "tables/") {
		return err
	}
	return nil
}

// withoutReason hides names of servers and folders from those whom nobody knows (R7).
func withoutReason(status string) string {
	if status == "ok" {
		return status
	}
	return "does not answer: ask with credentials for the reason"
}

func status(err error) string {
	if err != nil {
		return err.Error()
	}
	return "ok"
}
