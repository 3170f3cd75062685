package server

import (
	"net/http"

	"github.com/tidemarkdb/tidemark/ingest"
)

// Sources lists the partitions that this process reads, and with partition -1 the tables that it cannot read yet.
type Sources struct {
	Reading bool            `json:"reading"` // false: this process reads nothing
	Sources []ingest.Source `json:"sources"`
}

func (s *Server) sources(r *http.Request) (any, error) {
	out := Sources{Sources: []ingest.Source{}}
	if s.opts.Ingest == nil {
		return out, nil
	}
	out.Reading = true
	which, table := r.URL.Query().Get("project"), r.URL.Query().Get("table")
	for _, src := range s.opts.Ingest.Sources() {
		if (which == "" || which == src.Project) && (table == "" || table == src.Table) {
			out.Sources = append(out.Sources, src)
		}
	}
	return out, nil
}
