package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Table is a table as it is listed. Definition is set where one table is shown.
type Table struct {
	Project    string      `json:"project"`
	Table      string      `json:"table"`
	ID         string      `json:"id"`
	Version    int         `json:"version"`
	Topic      string      `json:"topic"`
	EventTime  string      `json:"event_time"` // the column
	Columns    int         `json:"columns"`
	State      string      `json:"state"` // active or stopped
	Reason     string      `json:"reason,omitempty"`
	Stats      Stats       `json:"stats"`
	Definition *cube.Table `json:"definition,omitempty"`
}

// Tables is a list of tables.
type Tables struct {
	Tables []Table `json:"tables"`
}

// Stats are sums over the ledger of a table.
type Stats struct {
	Events      int64 `json:"events"`
	Files       int64 `json:"files"`
	Bytes       int64 `json:"bytes"`
	Gaps        int64 `json:"gaps"`
	Quarantined int64 `json:"quarantined"`
	Skipped     int64 `json:"skipped"`
	Lost        int64 `json:"lost"`
}

// Applied says what became of a definition.
type Applied struct {
	Project    string      `json:"project"`
	Table      string      `json:"table"`
	ID         string      `json:"id,omitempty"` // empty: a dry run of a new table
	Version    int         `json:"version"`
	Outcome    string      `json:"outcome"` // created, changed or unchanged
	DryRun     bool        `json:"dry_run"`
	Changes    []string    `json:"changes,omitempty"` // in words
	Definition *cube.Table `json:"definition"`
}

// project returns the project that a request is about.
func project(r *http.Request) string {
	if p := r.URL.Query().Get("project"); p != "" {
		return p
	}
	return "default"
}

// boolean reads a switch of the query: absent is false, present without a value is true.
func boolean(r *http.Request, name string) (bool, error) {
	q := r.URL.Query()
	if !q.Has(name) {
		return false, nil
	}
	if q.Get(name) == "" {
		return true, nil
	}
	b, err := strconv.ParseBool(q.Get(name))
	if err != nil {
		return false, badRequest("%s=%q: want true or false", name, q.Get(name))
	}
	return b, nil
}

// integer reads a number of the query within [least, most].
func integer(r *http.Request, name string, def, least, most int64) (int64, error) {
	v := r.URL.Query().Get(name)
	if v == "" {
		return def, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < least || n > most {
		return 0, badRequest("%s=%q: want a whole number from %d to %d", name, v, least, most)
	}
	return n, nil
}

// named returns the table that the path of a request names.
func (s *Server) named(r *http.Request) (*cube.Table, error) {
	return s.opts.Catalog.Table(r.Context(), project(r), r.PathValue("table"))
}

func (s *Server) listTables(r *http.Request) (any, error) {
	which := r.URL.Query().Get("project") // empty: all projects
	defs, err := s.opts.Catalog.Tables(r.Context(), which)
	if err != nil {
		return nil, err
	}
	list := Tables{Tables: []Table{}}
	for _, def := range defs {
		t, err := s.table(r.Context(), def)
		switch {
		case errors.Is(err, catalog.ErrNotFound): // dropped since
		case err != nil:
			return nil, err
		default:
			list.Tables = append(list.Tables, *t)
		}
	}
	return list, nil
}

func (s *Server) table(ctx context.Context, def *cube.Table) (*Table, error) {
	state, err := s.opts.Catalog.TableState(ctx, def.ID)
	if err != nil {
		return nil, err
	}
	counts, err := s.opts.Catalog.Stats(ctx, def.ID)
	if err != nil {
		return nil, err
	}
	t := &Table{
		Project: def.Project, Table: def.Name, ID: def.ID, Version: def.Version, Topic: def.Topic,
		EventTime: def.EventTime.Column, Columns: len(def.Columns), State: "active", Reason: state.Reason,
		Stats: stats(counts),
	}
	if state.Stopped {
		t.State = "stopped"
	}
	return t, nil
}

func (s *Server) showTable(r *http.Request) (any, error) {
	def, err := s.named(r)
	if err != nil {
		return nil, err
	}
	t, err := s.table(r.Context(), def)
	if err != nil {
		return nil, err
	}
	t.Definition = def
	return t, nil
}

func (s *Server) applyTable(r *http.Request) (any, error) {
	dry, err := boolean(r, "dry_run")
	if err != nil {
		return nil, err
	}
	def, err := readTable(r)
	if err != nil {
		return nil, err
	}
	if dry {
		return s.planTable(r.Context(), def)
	}
	return s.ApplyTable(r.Context(), def)
}

// ApplyTable makes a table, or gives it another version. def must have been validated.
func (s *Server) ApplyTable(ctx context.Context, def *cube.Table) (*Applied, error) {
	if err := s.writes(ctx); err != nil {
		return nil, err
	}
	plan, err := s.planTable(ctx, def)
	if err != nil {
		return nil, err
	}
	a, err := s.opts.Catalog.ApplyTable(ctx, def)
	if err != nil {
		return nil, err
	}
	// Also when nothing changed: an apply that ended between the catalog and the store is completed by the next (R2, R5).
	if err := s.StoreDefinition(ctx, a.Table); err != nil {
		return nil, err
	}
	plan.DryRun, plan.ID, plan.Version, plan.Definition, plan.Outcome = false, a.Table.ID, a.Table.Version, a.Table, "unchanged"
	switch {
	case a.Created:
		plan.Outcome = "created"
	case a.Changed:
		plan.Outcome = "changed"
	}
	return plan, nil
}

// readTable reads a definition and holds it against the name and the project in the URL.
func readTable(r *http.Request) (*cube.Table, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read the definition: %w", err)
	}
	def, err := cube.ParseTable(body, "")
	if err != nil {
		return nil, err
	}
	if name := r.PathValue("table"); name != "" && name != def.Name {
		return nil, badRequest("the definition is of table %q, the path names %q: use one name", def.Name, name)
	}
	if p := r.URL.Query().Get("project"); p != "" && p != def.Project {
		if def.Project != "default" {
			return nil, badRequest("the definition is of project %q, the request of %q: use one", def.Project, p)
		}
		def.Project = p
	}
	return def, nil
}

// planTable says what an apply would do.
func (s *Server) planTable(ctx context.Context, def *cube.Table) (*Applied, error) {
	out := &Applied{Project: def.Project, Table: def.Name, DryRun: true, Version: 1, Outcome: "created", Definition: def}
	old, err := s.opts.Catalog.Table(ctx, def.Project, def.Name)
	if errors.Is(err, catalog.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	if old.Topic != def.Topic {
		return nil, &catalog.ConflictError{
			What:   "table " + def.Project + "/" + def.Name,
			Reason: fmt.Sprintf("its topic is %q and cannot become %q: make a table with another name, or drop this one first", old.Topic, def.Topic),
		}
	}
	out.ID, out.Version, out.Outcome = old.ID, old.Version, "unchanged"
	if out.Changes = cube.Diff(old, def); len(out.Changes) > 0 {
		out.Version, out.Outcome = old.Version+1, "changed"
	}
	return out, nil
}

func (s *Server) dropTable(r *http.Request) (any, error) {
	def, err := s.named(r)
	if err != nil {
		return nil, err
	}
	if err := s.opts.Catalog.DropTable(r.Context(), def.Project, def.Name); err != nil {
		return nil, err
	}
	return TableState{Project: def.Project, Table: def.Name, State: "dropped", Changed: true}, nil
}
