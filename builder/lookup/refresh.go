package lookup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// ErrNoQuery is in the chain where a lookup table that is made of a file was to be refreshed.
var ErrNoQuery = errors.New("it is made of a file, not of a query: apply its file again")

// noteLimit is the time to note that a refresh has failed.
const noteLimit = 10 * time.Second

// Queries make snapshots of queries.
type Queries struct {
	Catalog *catalog.Catalog
	Store   blob.Store
	Ask     Ask
}

// Read makes a snapshot of the answer to s.Query. What is wrong with the answer is a *FileError, with names and types a
// *cube.DefinitionError, with the statement an error of Ask.
func (q Queries) Read(ctx context.Context, s Source) (_ *Snapshot, err error) {
	of := *s.Query
	of.At, of.Covers = time.Now().UTC().Truncate(time.Microsecond), nil
	s.Query = &of
	// What is wrong with the name or the times is not found out after a long statement.
	first := cube.Lookup{Project: s.Project, Name: s.Name, Key: s.Key, Query: &of, Columns: []cube.LookupColumn{{Name: s.Key, Type: string(cube.String)}}}
	if err := first.Validate(); err != nil {
		return nil, err
	}
	a, err := q.Ask(ctx, s.Project, of.SQL)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	t, err := readAnswer(s, a)
	if err != nil {
		return nil, err
	}
	of.Covers = a.Covers()
	if err := q.wantNoCycle(ctx, s, of.Covers); err != nil {
		return nil, err
	}
	if err := t.sort(); err != nil {
		return nil, &FileError{Err: err}
	}
	return t.encode()
}

// wantNoCycle refuses a statement that reads its own lookup table, be it by way of others.
func (q Queries) wantNoCycle(ctx context.Context, s Source, covers []cube.LookupCover) error {
	if !slices.ContainsFunc(covers, func(c cube.LookupCover) bool { return c.Lookup != "" }) {
		return nil
	}
	list, err := q.Catalog.Lookups(ctx, s.Project)
	if err != nil {
		return err
	}
	reads := map[string][]cube.LookupCover{s.Name: covers}
	for _, v := range list {
		if v.Lookup.Query != nil && v.Lookup.Name != s.Name {
			reads[v.Lookup.Name] = v.Lookup.Query.Covers
		}
	}
	seen := map[string]bool{}
	var by []string // from s.Name on
	var find func(name string) bool
	find = func(name string) bool {
		by = append(by, name)
		for _, c := range reads[name] {
			if c.Lookup == s.Name {
				return true
			}
			if c.Lookup != "" && !seen[c.Lookup] {
				if seen[c.Lookup] = true; find(c.Lookup) {
					return true
				}
			}
		}
		by = by[:len(by)-1]
		return false
	}
	switch {
	case !find(s.Name):
		return nil
	case len(by) == 1:
		return wrong(0, 0, "the query reads lookup table %s, which it is to make: no lookup table can be made of itself", s.Name)
	}
	return wrong(0, 0, "the query reads lookup table %s, which is made of %s by way of %s: no lookup table can be made of itself", by[1], s.Name, strings.Join(by[1:], ", "))
}

// Refresh asks the query of a lookup table again, and stores the answer as its next version; changed is false where it is that of the
// newest, or covers less than it does. What became of it is noted in the catalog; ErrNoQuery where there is nothing to refresh. Another version that was applied
// meanwhile is a *catalog.ConflictError.
func (q Queries) Refresh(ctx context.Context, project, name string) (v catalog.LookupVersion, changed bool, err error) {
	if v, err = q.Catalog.Lookup(ctx, project, name); err != nil {
		return v, false, err
	}
	of := v.Lookup
	if of.Query == nil {
		return v, false, fmt.Errorf("lookup table %s/%s: %w", project, name, ErrNoQuery)
	}
	s, err := q.Read(ctx, Source{Project: project, Name: name, Key: of.Key, Query: of.Query})
	if err == nil {
		v, changed, err = q.replace(ctx, s, v)
	}
	if err == nil || errors.Is(ctx.Err(), context.Canceled) { // that the asker went away says nothing of the query
		return v, changed, err
	}
	// What ran out of time is noted too: else it would be asked again at once, for as long.
	note, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteLimit)
	defer cancel()
	return v, false, errors.Join(err, q.Catalog.NoteLookupRefresh(note, of.ID, of.Version, err.Error()))
}
