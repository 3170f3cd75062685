package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/tidemarkdb/tidemark/internal/auth"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// CubeState answers enable, disable, purge and drop.
type CubeState struct {
	Project string `json:"project"`
	Cube    string `json:"cube"`
	State   string `json:"state"` // enabled, disabled, purged or dropped
	Reason  string `json:"reason,omitempty"`
	Changed bool   `json:"changed"`
}

// The states of a cube.
const (
	enabled  = "enabled"
	disabled = "disabled"
)

// CloneRequest names the copy of a cube.
type CloneRequest struct {
	Cube    string `json:"cube"`
	Project string `json:"project,omitempty"` // of the copy; default: the same. It needs a table of the same name
}

// by says who asks, for those who look later. Without users any name is believed.
func by(r *http.Request) string {
	if who, ok := auth.From(r.Context()); ok {
		return who.User
	}
	if user, _, ok := r.BasicAuth(); ok && user != "" {
		return user
	}
	return "anonymous"
}

// maxKey is the longest Idempotency-Key, in bytes.
const maxKey = 200

// idempotency is what the header Idempotency-Key asks for: the request again gets the first one's answer (R2). what was
// asked tells one request from another.
func idempotency(r *http.Request, what any) (catalog.Idempotency, error) {
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		return catalog.Idempotency{}, nil
	}
	if len(key) > maxKey {
		return catalog.Idempotency{}, badRequest("Idempotency-Key has %d bytes: want at most %d", len(key), maxKey)
	}
	text, err := json.Marshal(what)
	if err != nil {
		return catalog.Idempotency{}, err
	}
	return catalog.Idempotency{
		Key:     by(r) + "/" + project(r) + "/" + key,
		Request: r.Method + " " + r.URL.Path + " " + string(text),
	}, nil
}

// readBody reads a JSON object; no body is an empty one. A key that is not known is refused, since it was meant to do
// something.
func readBody(r *http.Request, into any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return badRequest("the body is not what %s %s takes: %v: see /api/v1/openapi.json", r.Method, r.URL.Path, err)
	}
	if d.More() {
		return badRequest("the body of %s %s has more than one JSON value: write one", r.Method, r.URL.Path)
	}
	return nil
}

func (s *Server) enableCube(r *http.Request) (any, error) {
	return s.setCube(r, catalog.CubeState{Enabled: true})
}

func (s *Server) disableCube(r *http.Request) (any, error) {
	reason := r.URL.Query().Get("reason")
	if reason == "" {
		reason = "disabled by " + by(r)
	}
	return s.setCube(r, catalog.CubeState{Reason: reason})
}

func (s *Server) setCube(r *http.Request, want catalog.CubeState) (any, error) {
	i, err := s.namedCube(r)
	if err != nil {
		return nil, err
	}
	out := CubeState{Project: i.Cube.Project, Cube: i.Cube.Name, State: enabled, Reason: i.Reason, Changed: i.Enabled != want.Enabled}
	if out.Changed {
		if err := s.opts.Catalog.SetCubeState(r.Context(), i.Cube.ID, want); err != nil {
			return nil, err
		}
		out.Reason = want.Reason
	}
	if !want.Enabled {
		out.State = disabled
	}
	return out, nil
}

func (s *Server) purgeCube(r *http.Request) (any, error) {
	i, err := s.namedCube(r)
	if err != nil {
		return nil, err
	}
	if err := s.opts.Catalog.PurgeCube(r.Context(), i.Cube.Project, i.Cube.Name, by(r)); err != nil {
		return nil, err
	}
	return CubeState{Project: i.Cube.Project, Cube: i.Cube.Name, State: "purged", Changed: true}, nil
}

func (s *Server) dropCube(r *http.Request) (any, error) {
	i, err := s.namedCube(r)
	if err != nil {
		return nil, err
	}
	if err := s.opts.Catalog.DropCube(r.Context(), i.Cube.Project, i.Cube.Name, by(r)); err != nil {
		return nil, err
	}
	return CubeState{Project: i.Cube.Project, Cube: i.Cube.Name, State: "dropped", Changed: true}, nil
}

func (s *Server) cloneCube(r *http.Request) (any, error) {
	var q CloneRequest
	if err := readBody(r, &q); err != nil {
		return nil, err
	}
	key, err := idempotency(r, q)
	if err != nil {
		return nil, err
	}
	out := new(AppliedCube)
	if found, err := s.opts.Catalog.Answer(r.Context(), key, out); err != nil || found {
		return out, err
	}
	from, err := s.namedCube(r)
	if err != nil {
		return nil, err
	}
	if out, err = s.CloneCube(r.Context(), from.Cube, q); err != nil {
		return nil, err
	}
	return out, s.opts.Catalog.KeepAnswer(r.Context(), key, out)
}

// CloneCube applies a definition under another name. The text goes the way of every definition, so that the new name and the
// table are checked as they are there.
func (s *Server) CloneCube(ctx context.Context, from *cube.Cube, q CloneRequest) (*AppliedCube, error) {
	if q.Cube == "" {
		return nil, badRequest(`the name of the copy is missing: {"cube": "NAME"}`)
	}
	def := *from
	def.Name, def.ID, def.Version = q.Cube, "", 0
	if q.Project != "" {
		def.Project = q.Project
	}
	table, err := s.opts.Catalog.Table(ctx, def.Project, def.Table)
	if err != nil {
		return nil, err
	}
	lookups, err := s.lookupTables(ctx, def.Project)
	if err != nil {
		return nil, err
	}
	checked, err := cube.ParseCube(cube.FormatCube(&def), "", table, lookups...)
	if err != nil {
		return nil, err
	}
	switch _, err := s.opts.Catalog.Cube(ctx, def.Project, def.Name); {
	case err == nil:
		return nil, &catalog.ConflictError{What: "cube " + def.Project + "/" + def.Name, Reason: "it exists already: choose another name, or drop it first"}
	case !errors.Is(err, catalog.ErrNotFound):
		return nil, err
	}
	return s.ApplyCube(ctx, checked)
}

// ApplyCube makes a cube, or gives it another version. def must have been validated against its table.
func (s *Server) ApplyCube(ctx context.Context, def *cube.Cube) (*AppliedCube, error) {
	if err := s.writes(ctx); err != nil {
		return nil, err
	}
	plan, err := s.planCube(ctx, def)
	if err != nil {
		return nil, err
	}
	a, err := s.opts.Catalog.ApplyCube(ctx, def)
	if err != nil {
		return nil, err
	}
	return plan, s.applied(ctx, plan, a)
}

func (s *Server) rollbackCube(r *http.Request) (any, error) {
	if err := s.writes(r.Context()); err != nil {
		return nil, err
	}
	version, err := integer(r, "version", 0, 1, 1<<31-1)
	if err != nil {
		return nil, err
	}
	i, err := s.namedCube(r)
	if err != nil {
		return nil, err
	}
	if version == 0 {
		if version = int64(i.Cube.Version) - 1; version == 0 {
			return nil, badRequest("cube %s/%s has one version only: there is none to go back to", i.Cube.Project, i.Cube.Name)
		}
	}
	old, err := s.opts.Catalog.CubeByID(r.Context(), i.Cube.ID, int(version))
	if err != nil {
		return nil, err
	}
	plan, err := s.planCube(r.Context(), old)
	if err != nil {
		return nil, err
	}
	a, err := s.opts.Catalog.RollbackCube(r.Context(), i.Cube.Project, i.Cube.Name, int(version))
	if err != nil {
		return nil, err
	}
	return plan, s.applied(r.Context(), plan, a)
}
