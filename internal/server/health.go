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
	Catalog string `json:"catalog"`
	Store   string `json:"store"`
	Kafka   string `json:"kafka,omitempty"` // no part of Ready; empty: this process asks no brokers
}

func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	s.write(w, r, http.StatusOK, map[string]string{"status": "ok"})
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	a := s.looks.found(r.Context(), s.opts.ReadyLimit, s.look)
	if _, known := auth.From(r.Context()); s.opts.Auth != nil && !known {
		a.Catalog, a.Store = withoutReason(a.Catalog), withoutReason(a.Store)
	}
	a.Kafka = s.brokers(r.Context())
	code := http.StatusOK
	if a.Ready = a.Catalog == "ok" && a.Store == "ok"; !a.Ready {
		code = http.StatusServiceUnavailable
	}
	s.write(w, r, code, a)
}

// looks shares what one caller of /readyz finds with all who ask meanwhile and within readyEvery.
type looks struct {
	mu   sync.Mutex
	last *look // guarded by mu
}

// look is one look at all parts. What it found may be read when done is closed.
type look struct {
	began time.Time
	done  chan struct{}
	found Readiness
}

// found returns what is known, or looks. The caller that looks goes on until limit even if nobody waits for its answer
// any more: others may.
func (l *looks) found(ctx context.Context, limit time.Duration, ask func(context.Context) Readiness) Readiness {
	now := time.Now()
	l.mu.Lock()
	this := l.last
	if first := this == nil || this.over() && now.Sub(this.began) >= readyEvery; first {
		this = &look{began: now, done: make(chan struct{})}
		l.last = this
		l.mu.Unlock()
		defer close(this.done)
		all, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer cancel()
		this.found = ask(all)
		return this.found
	}
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case <-this.done:
		return this.found
	case <-ctx.Done(): // a part that does not end when it is told to, as a folder of a network that hangs
		late := fmt.Sprintf("no answer within %s", limit)
		return Readiness{Catalog: late, Store: late}
	}
}

func (l *look) over() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// look asks each part. Parts that are not ready are text, never empty.
func (s *Server) look(ctx context.Context) (a Readiness) {
	var wg sync.WaitGroup
	wg.Go(func() { a.Catalog = status(s.opts.Catalog.Ping(ctx)) })
	wg.Go(func() { a.Store = status(s.storeAnswers(ctx)) })
	wg.Wait()
	return a
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
