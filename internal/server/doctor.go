package server

import (
	"net/http"
	"time"

	"github.com/tidemarkdb/tidemark/internal/doctor"
)

func (s *Server) doctor(r *http.Request) (any, error) {
	q := doctor.Query{Project: r.URL.Query().Get("project"), Name: r.URL.Query().Get("name")}
	return doctor.Look(r.Context(), s.opts.Catalog, q, time.Now())
}
