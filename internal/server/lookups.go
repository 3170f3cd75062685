package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Lookup is a version of a lookup table.
type Lookup struct {
	cube.Lookup
	Rows    int64     `json:"rows"`
	Bytes   int64     `json:"bytes"`
	Object  string    `json:"object"` // key in the store
	SHA256  string    `json:"sha256"`
	Created time.Time `json:"created,omitzero"`
	Outcome string    `json:"outcome,omitempty"` // of an apply or a refresh: created, changed or unchanged

	Refresh *LookupRefresh `json:"refresh,omitempty"` // of a snapshot of a query
}

// Lookups is a list of lookup tables, or of the versions of one.
type Lookups struct {
	Lookups []Lookup `json:"lookups"`
}

func (s *Server) lookupRoutes() []route {
	const one = "/lookups/{lookup}"
	return []route{
		{
			method: "GET", path: "/lookups", summary: "list lookup tables", answer: Lookups{}, handle: s.listLookups,
			query: []param{text("project", "only of this project")},
		},
		{
			method: "PUT", path: one, summary: "make a lookup table, or its next version, of a CSV or Parquet file, or of the answer to a SELECT", body: json.RawMessage{}, answer: Lookup{},
			handle: s.applyLookup, slow: true, large: lookup.MaxBytes, query: inProject(
				text("key", "the column whose values are unique"),
				text("types", "of columns of a CSV file, name:type, several with ; between; those that are not named are strings"),
				text("format", "of the body: csv, parquet, or query, the text of a SELECT; default csv"), text("every", "how often a query is asked again, as 1h; default: by hand only"),
				toggle("dry_run", "check the file or the answer, store nothing"),
			),
		},
		{
			method: "POST", path: one + "/refresh", summary: "ask a lookup table's query again; another answer is its next version", answer: Lookup{}, handle: s.refreshLookup,
			slow: true, query: inProject(),
		},
		{method: "GET", path: one, summary: "all versions of a lookup table, the newest first", answer: Lookups{}, handle: s.showLookup, query: inProject()},
		{method: "DELETE", path: one, summary: "drop a lookup table with all its versions", answer: Lookup{}, handle: s.dropLookup, query: inProject()},
	}
}

func lookupOf(v catalog.LookupVersion) Lookup {
	l := Lookup{Lookup: *v.Lookup, Rows: v.Rows, Bytes: v.Size, Object: v.Key, SHA256: v.SHA256, Refresh: refreshOf(v)}
	if v.CreatedUs > 0 {
		l.Created = time.UnixMicro(v.CreatedUs).UTC()
	}
	return l
}

func lookupsOf(list []catalog.LookupVersion) Lookups {
	out := Lookups{Lookups: []Lookup{}}
	for _, v := range list {
		out.Lookups = append(out.Lookups, lookupOf(v))
	}
	return out
}

func (s *Server) listLookups(r *http.Request) (any, error) {
	list, err := s.opts.Catalog.Lookups(r.Context(), r.URL.Query().Get("project"))
	return lookupsOf(list), err
}

// lookupTables returns what a definition of a project may name.
func (s *Server) lookupTables(ctx context.Context, project string) ([]*cube.Lookup, error) {
	list, err := s.opts.Catalog.Lookups(ctx, project)
	out := make([]*cube.Lookup, len(list))
	for i, v := range list {
		out[i] = v.Lookup
	}
	return out, err
}

func (s *Server) showLookup(r *http.Request) (any, error) {
	v, err := s.opts.Catalog.Lookup(r.Context(), project(r), r.PathValue("lookup"))
	if err != nil {
		return nil, err
	}
	list, err := s.opts.Catalog.LookupVersions(r.Context(), v.Lookup.ID)
	if err != nil {
		return nil, err
	}
	out := lookupsOf(list)
	for i, j := 0, len(out.Lookups)-1; i < j; i, j = i+1, j-1 {
		out.Lookups[i], out.Lookups[j] = out.Lookups[j], out.Lookups[i]
	}
	for i := range out.Lookups[1:] { // only the newest is refreshed
		out.Lookups[i+1].Refresh = nil
	}
	return out, nil
}

func (s *Server) applyLookup(r *http.Request) (any, error) {
	dry, err := boolean(r, "dry_run")
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	source := lookup.Source{Project: project(r), Name: r.PathValue("lookup"), Key: q.Get("key"), Format: q.Get("format")}
	if source.Format == "" {
		source.Format = "csv"
	}
	for typed := range strings.SplitSeq(q.Get("types"), ";") {
		name, typ, ok := strings.Cut(typed, ":")
		if typed != "" && !ok {
			return nil, badRequest("types: %q: want name:type, such as id:int64", typed)
		}
		if ok {
			source.Types = append(source.Types, cube.LookupColumn{Name: name, Type: typ})
		}
	}
	if source.Format != "query" && q.Get("every") != "" {
		return nil, badRequest("every: a file is not asked again: give it with a query only")
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	var snapshot *lookup.Snapshot
	if source.Format == "query" {
		snapshot, err = s.readLookupQuery(r, source, string(text))
		err = badAnswer(err)
	} else {
		snapshot, err = lookup.Read(source, text)
	}
	var file *lookup.FileError
	if errors.As(err, &file) {
		return nil, &Error{Status: http.StatusUnprocessableEntity, Code: "bad_file", Message: file.Error()}
	}
	if err != nil {
		return nil, err
	}
	if dry {
		return Lookup{Lookup: *snapshot.Lookup, Rows: snapshot.Rows, Bytes: int64(len(snapshot.Bytes)), SHA256: snapshot.SHA256}, nil
	}
	return s.ApplyLookup(r.Context(), snapshot)
}

// ApplyLookup stores a snapshot as the newest version of its table.
func (s *Server) ApplyLookup(ctx context.Context, snapshot *lookup.Snapshot) (*Lookup, error) {
	v, changed, err := lookup.Apply(ctx, s.opts.Store, s.opts.Catalog, snapshot)
	if err != nil {
		return nil, err
	}
	out := lookupOf(v)
	switch out.Outcome = "unchanged"; {
	case changed && v.Lookup.Version == 1:
		out.Outcome = "created"
	case changed:
		out.Outcome = "changed"
	}
	return &out, nil
}

func (s *Server) dropLookup(r *http.Request) (any, error) {
	v, err := s.opts.Catalog.Lookup(r.Context(), project(r), r.PathValue("lookup"))
	if err != nil {
		return nil, err
	}
	return lookupOf(v), s.opts.Catalog.DropLookup(r.Context(), v.Lookup.Project, v.Lookup.Name)
}
