package server

import (
	"errors"
	"net/http"
	"time"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/doctor"
)

func (s *Server) doctor(r *http.Request) (any, error) {
	q := doctor.Query{Project: r.URL.Query().Get("project"), Name: r.URL.Query().Get("name")}
	if s.opts.Ingest != nil {
		for _, src := range s.opts.Ingest.Sources() {
			q.Sources = append(q.Sources, doctor.Source{
				Project: src.Project, Table: src.Table, Partition: src.Partition, State: string(src.State), Reason: src.Reason,
			})
		}
	}
	if s.opts.Kafka != nil {
		if err := s.opts.Kafka(); err != nil && !errors.Is(err, ingest.ErrNotAsked) {
			q.Kafka = err.Error()
		}
	}
	if found := s.looks.found(r.Context(), s.opts.ReadyLimit, parts{s.opts.Catalog.Ping, s.storeAnswers}); found.Store != "ok" {
		q.Store = found.Store
	}
	return doctor.Look(r.Context(), s.opts.Catalog, q, time.Now())
}
