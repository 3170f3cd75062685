package server

import (
	"context"
	"net/http"
	"sync"

	"github.com/tidemarkdb/tidemark/internal/auth"
)

// Readiness says which part answers: "ok", or what is wrong with it.
type Readiness struct {
	Ready   bool   `json:"ready"`
	Catalog string `json:"catalog"`
	Store   string `json:"store"`
}

func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	s.write(w, r, http.StatusOK, map[string]string{"status": "ok"})
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), s.opts.ReadyLimit)
	defer cancel()
	var a Readiness
	var wg sync.WaitGroup
	wg.Go(func() { a.Catalog = status(s.opts.Catalog.Ping(ctx)) })
	wg.Go(func() { a.Store = status(s.storeAnswers(ctx)) })
	wg.Wait()
	if _, known := auth.From(ctx); s.opts.Auth != nil && !known {
		a.Catalog, a.Store = withoutReason(a.Catalog), withoutReason(a.Store)
	}
	code := http.StatusOK
	if a.Ready = a.Catalog == "ok" && a.Store == "ok"; !a.Ready {
		code = http.StatusServiceUnavailable
	}
	s.write(w, r, code, a)
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
