package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/source"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// AskFor has lookup tables that are snapshots of a query asked as statements.
func AskFor(q interface {
	Query(ctx context.Context, r query.Request) (*query.Answer, error)
},
) lookup.Ask {
	return func(ctx context.Context, project, sql string) (lookup.Answer, error) {
		a, err := q.Query(ctx, query.Request{SQL: sql, Project: project})
		if err != nil {
			return nil, err
		}
		if name := a.Random(); name != "" {
			err := &lookup.FileError{Err: fmt.Errorf("%s gives another answer each time: a lookup table is a snapshot of what tables hold: leave it out", name)}
			return nil, errors.Join(err, a.Close())
		}
		return &lookupAnswer{a}, nil
	}
}

// lookupAnswer is an answer that becomes a lookup table.
type lookupAnswer struct{ a *query.Answer }

func (l *lookupAnswer) Schema() *arrow.Schema       { return l.a.Schema }
func (l *lookupAnswer) Next() (arrow.Record, error) { return l.a.Next() }
func (l *lookupAnswer) Close() error                { return l.a.Close() }

func (l *lookupAnswer) Covers() (list []cube.LookupCover) {
	for _, t := range l.a.Tables {
		c := cube.LookupCover{Table: t.Table, Offsets: asOfOffsets(t.Completeness.Offsets).String()}
		if t.Completeness.HasTime {
			c.Watermark = time.UnixMicro(t.Completeness.Watermark).UTC()
		}
		list = append(list, c)
	}
	for _, v := range l.a.Lookups() {
		list = append(list, cube.LookupCover{Lookup: v.Lookup.Name, Version: v.Lookup.Version})
	}
	return list
}

// asOfOffsets is the moment at which just these offsets were there; nil where there are none.
func asOfOffsets(covered []source.Covered) *catalog.AsOf {
	var a catalog.AsOf
	for _, c := range covered { // ascending by partition and generation: the newest counts
		o := catalog.AsOfOffset{Partition: c.Partition, Generation: -1, Offset: c.End}
		if n := len(a.Offsets); n > 0 && a.Offsets[n-1].Partition == c.Partition {
			o.Generation = c.Generation
			a.Offsets = a.Offsets[:n-1]
		}
		a.Offsets = append(a.Offsets, o)
	}
	if len(a.Offsets) == 0 {
		return nil
	}
	return &a
}

// LookupRefresh is what became of the refreshes of a lookup table, which is a snapshot of a query.
type LookupRefresh struct {
	Tried     time.Time `json:"tried"`
	Succeeded time.Time `json:"succeeded,omitzero"` // the last one that did, whether it changed anything or not
	Failures  int       `json:"failures"`           // in a row
	Problem   string    `json:"problem,omitempty"`  // of the last one, if it failed
}

func refreshOf(v catalog.LookupVersion) *LookupRefresh {
	if v.Lookup.Query == nil {
		return nil
	}
	r := &LookupRefresh{Tried: time.UnixMicro(v.Refresh.TriedUs).UTC(), Failures: v.Refresh.Failures, Problem: v.Refresh.Problem}
	if v.Refresh.RefreshedUs > 0 {
		r.Succeeded = time.UnixMicro(v.Refresh.RefreshedUs).UTC()
	}
	return r
}

func (s *Server) lookupQueries(ctx context.Context) (lookup.Queries, error) {
	if s.opts.Query == nil {
		return lookup.Queries{}, NoQueries(ctx, s.opts.Catalog)
	}
	return lookup.Queries{Catalog: s.opts.Catalog, Store: s.opts.Store, Ask: AskFor(s.opts.Query)}, nil
}

// readLookupQuery asks the statement in a request's body.
func (s *Server) readLookupQuery(r *http.Request, of lookup.Source, sql string) (*lookup.Snapshot, error) {
	if len(of.Types) > 0 {
		return nil, badRequest("types: the answer to a query has types of its own: cast in the statement, and give none")
	}
	q, err := s.lookupQueries(r.Context())
	if err != nil {
		return nil, err
	}
	of.Query = &cube.LookupQuery{SQL: sql, Every: r.URL.Query().Get("every")}
	return q.Read(r.Context(), of)
}

func (s *Server) refreshLookup(r *http.Request) (any, error) {
	q, err := s.lookupQueries(r.Context())
	if err != nil {
		return nil, err
	}
	v, changed, err := q.Refresh(r.Context(), project(r), r.PathValue("lookup"))
	switch {
	case errors.Is(err, lookup.ErrNoQuery):
		return nil, &Error{Status: http.StatusConflict, Code: "conflict", Message: err.Error()}
	case err != nil:
		return nil, badAnswer(err)
	}
	if v, err = s.opts.Catalog.Lookup(r.Context(), v.Lookup.Project, v.Lookup.Name); err != nil {
		return nil, err
	}
	out := lookupOf(v)
	if out.Outcome = "unchanged"; changed {
		out.Outcome = "changed"
	}
	return &out, nil
}

// badAnswer says that what is wrong is wrong with an answer.
func badAnswer(err error) error {
	var bad *lookup.FileError
	if errors.As(err, &bad) {
		return &Error{Status: http.StatusUnprocessableEntity, Code: "bad_answer", Message: bad.Error()}
	}
	return err
}
