package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Cube is a cube as it is listed. Definition is set where one cube is shown.
type Cube struct {
	Project    string     `json:"project"`
	Cube       string     `json:"cube"`
	ID         string     `json:"id"`
	Version    int        `json:"version"`
	Table      string     `json:"table"`
	State      string     `json:"state"` // enabled or disabled
	Reason     string     `json:"reason,omitempty"`
	Ready      int64      `json:"ready"` // segments that answer
	New        int64      `json:"new"`   // segments that are being built
	Events     int64      `json:"events"`
	Bytes      int64      `json:"bytes"` // of the files of ready segments
	MinTime    time.Time  `json:"min_time,omitzero"`
	MaxTime    time.Time  `json:"max_time,omitzero"`
	Definition *cube.Cube `json:"definition,omitempty"`
}

// Cubes is a list of cubes.
type Cubes struct {
	Cubes []Cube `json:"cubes"`
}

// AppliedCube says what became of a definition.
type AppliedCube struct {
	Project    string     `json:"project"`
	Cube       string     `json:"cube"`
	ID         string     `json:"id,omitempty"` // empty: a dry run of a new cube
	Version    int        `json:"version"`
	Outcome    string     `json:"outcome"` // created, changed or unchanged
	DryRun     bool       `json:"dry_run"`
	Changes    []string   `json:"changes,omitempty"` // in words
	Warnings   []string   `json:"warnings,omitempty"`
	Cuboids    int        `json:"cuboids"` // that a build makes
	Definition *cube.Cube `json:"definition"`
}

// namedCube returns the cube that the path of a request names.
func (s *Server) namedCube(r *http.Request) (catalog.CubeInfo, error) {
	return s.opts.Catalog.Cube(r.Context(), project(r), r.PathValue("cube"))
}

func (s *Server) listCubes(r *http.Request) (any, error) {
	infos, err := s.opts.Catalog.Cubes(r.Context(), r.URL.Query().Get("project")) // empty: all projects
	if err != nil {
		return nil, err
	}
	list := Cubes{Cubes: []Cube{}}
	for _, i := range infos {
		c, err := s.cube(r.Context(), i)
		if err != nil {
			return nil, err
		}
		list.Cubes = append(list.Cubes, *c)
	}
	return list, nil
}

// cube sums up the live segments of a cube.
func (s *Server) cube(ctx context.Context, i catalog.CubeInfo) (*Cube, error) {
	c := &Cube{
		Project: i.Cube.Project, Cube: i.Cube.Name, ID: i.Cube.ID, Version: i.Cube.Version, Table: i.Cube.Table,
		State: enabled, Reason: i.Reason,
	}
	if !i.Enabled {
		c.State = disabled
	}
	var sum segmenter.Measure
	for e, err := range s.opts.Catalog.Segments(ctx, catalog.SegmentQuery{CubeID: i.Cube.ID}) {
		if err != nil {
			return nil, err
		}
		if e.State == segmenter.SegmentNew {
			c.New++
			continue
		}
		c.Ready++
		c.Bytes += e.Bytes
		sum = sum.Add(segmenter.Measure{Events: e.Events, MinTimeUs: e.MinTimeUs, MaxTimeUs: e.MaxTimeUs})
	}
	if c.Events = sum.Events; sum.Events > 0 {
		c.MinTime, c.MaxTime = time.UnixMicro(sum.MinTimeUs).UTC(), time.UnixMicro(sum.MaxTimeUs).UTC()
	}
	return c, nil
}

func (s *Server) showCube(r *http.Request) (any, error) {
	version, err := integer(r, "version", 0, 1, 1<<31-1)
	if err != nil {
		return nil, err
	}
	i, err := s.namedCube(r)
	if err != nil {
		return nil, err
	}
	c, err := s.cube(r.Context(), i)
	if err != nil {
		return nil, err
	}
	c.Definition = i.Cube
	if version != 0 {
		c.Definition, err = s.opts.Catalog.CubeByID(r.Context(), i.Cube.ID, int(version))
	}
	return c, err
}

func (s *Server) applyCube(r *http.Request) (any, error) {
	dry, err := boolean(r, "dry_run")
	if err != nil {
		return nil, err
	}
	def, err := s.readCube(r)
	if err != nil {
		return nil, err
	}
	if dry {
		return s.planCube(r.Context(), def)
	}
	return s.ApplyCube(r.Context(), def)
}

// applied completes a plan with what became of it, and the store with the definition. Also when nothing changed: an apply
// that ended between the catalog and the store is completed by the next (R2, R5).
func (s *Server) applied(ctx context.Context, plan *AppliedCube, a catalog.AppliedCube) error {
	plan.DryRun, plan.ID, plan.Version, plan.Definition, plan.Outcome = false, a.Cube.ID, a.Cube.Version, a.Cube, "unchanged"
	switch {
	case a.Created:
		plan.Outcome = "created"
	case a.Changed:
		plan.Outcome = "changed"
	}
	return s.StoreCube(ctx, a.Cube)
}

// readCube reads a definition, holds it against the name and the project in the URL, its table and lookup tables. All complaints
// come at once, that there is no such table among them.
func (s *Server) readCube(r *http.Request) (*cube.Cube, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read the definition: %w", err)
	}
	owner, name, err := cube.CubeTable(body, "")
	if err != nil {
		return nil, err
	}
	if p := r.URL.Query().Get("project"); p != "" && p != owner {
		if owner != "default" {
			return nil, badRequest("the definition is of project %q, the request of %q: use one", owner, p)
		}
		owner = p
	}
	table, err := s.opts.Catalog.Table(r.Context(), owner, name)
	missing := errors.Is(err, catalog.ErrNotFound)
	if err != nil && !missing {
		return nil, err
	}
	lookups, err := s.lookupTables(r.Context(), owner)
	if err != nil {
		return nil, err
	}
	def, err := cube.ParseCube(body, "", table, lookups...)
	if missing && name != "" {
		err = noTable(err, owner, name, body)
	}
	if err != nil {
		return nil, err
	}
	def.Project = owner
	if want := r.PathValue("cube"); want != "" && want != def.Name {
		return nil, badRequest("the definition is of cube %q, the path names %q: use one name", def.Name, want)
	}
	return def, nil
}

// noTable adds to the complaints that there is no such table.
func noTable(err error, project, name string, body []byte) error {
	all := new(cube.DefinitionError)
	if err != nil && !errors.As(err, &all) {
		return err
	}
	p := cube.Problem{
		Path: "table", Message: fmt.Sprintf("there is no table %q in project %q", name, project),
		Instead: "apply the table first, or write the name of one that tidemark table list shows",
	}
	for i, line := range bytes.Split(body, []byte("\n")) {
		if bytes.HasPrefix(line, []byte("table:")) || bytes.Contains(line, []byte(`"table"`)) {
			p.Line = i + 1
			break
		}
	}
	at := 0
	for at < len(all.Problems) && all.Problems[at].Line <= p.Line {
		at++
	}
	problems := append([]cube.Problem{}, all.Problems[:at]...)
	return &cube.DefinitionError{Problems: append(append(problems, p), all.Problems[at:]...)}
}

// planCube says what an apply would do.
func (s *Server) planCube(ctx context.Context, def *cube.Cube) (*AppliedCube, error) {
	out := &AppliedCube{Project: def.Project, Cube: def.Name, DryRun: true, Version: 1, Outcome: "created", Definition: def}
	cuboids, err := def.Cuboids()
	if err != nil {
		return nil, err
	}
	out.Cuboids = len(cuboids)
	if def.Store == cube.StoreHBase && s.opts.HBase == nil {
		out.Warnings = append(out.Warnings, "store: hbase, but no HBase is configured here: builds fail where that is so; set hbase.quorum (--hbase-quorum) "+
			"for every process that builds, answers, verifies or cleans up")
	}
	old, err := s.opts.Catalog.Cube(ctx, def.Project, def.Name)
	if errors.Is(err, catalog.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	if old.Cube.Table != def.Table {
		return nil, &catalog.ConflictError{
			What:   "cube " + def.Project + "/" + def.Name,
			Reason: fmt.Sprintf("its table is %q and cannot become %q: make a cube with another name, or drop this one first", old.Cube.Table, def.Table),
		}
	}
	out.ID, out.Version, out.Outcome = old.Cube.ID, old.Cube.Version, "unchanged"
	if out.Changes = cube.DiffCubes(old.Cube, def).Lines; len(out.Changes) > 0 {
		out.Version, out.Outcome = old.Cube.Version+1, "changed"
	}
	return out, nil
}
