package server

import (
	"net/http"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// TableState answers stop, resume and drop.
type TableState struct {
	Project string `json:"project"`
	Table   string `json:"table"`
	State   string `json:"state"` // active, stopped or dropped
	Reason  string `json:"reason,omitempty"`
	Changed bool   `json:"changed"`
}

func (s *Server) stopTable(r *http.Request) (any, error) {
	reason := r.URL.Query().Get("reason")
	if reason == "" {
		reason = "stopped by hand"
	}
	return s.setState(r, catalog.TableState{Stopped: true, Reason: reason})
}

func (s *Server) resumeTable(r *http.Request) (any, error) {
	return s.setState(r, catalog.TableState{})
}

func (s *Server) setState(r *http.Request, want catalog.TableState) (any, error) {
	def, err := s.named(r)
	if err != nil {
		return nil, err
	}
	is, err := s.opts.Catalog.TableState(r.Context(), def.ID)
	if err != nil {
		return nil, err
	}
	changed := is.Stopped != want.Stopped
	if changed {
		if err := s.opts.Catalog.SetTableState(r.Context(), def.ID, want); err != nil {
			return nil, err
		}
		is = want
	}
	out := TableState{Project: def.Project, Table: def.Name, State: "active", Reason: is.Reason, Changed: changed}
	if is.Stopped {
		out.State = "stopped"
	}
	return out, nil
}
