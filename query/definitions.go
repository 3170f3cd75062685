package query

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/plan"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// definitions keep what each project's tables and cubes are, as of revisions of the catalog.
type definitions struct {
	catalog *catalog.Catalog

	mu       sync.Mutex
	projects map[string]*names
	layouts  map[layoutKey]*cells.Layout
}

// maxLayouts bounds what is kept: versions of cubes over versions of tables are many in time.
const maxLayouts = 4096

type layoutKey struct {
	cube    string
	version int
	table   int // version
}

func newDefinitions(c *catalog.Catalog) *definitions {
	return &definitions{catalog: c, projects: map[string]*names{}, layouts: map[layoutKey]*cells.Layout{}}
}

// revision is of the catalog's definitions.
type revision struct{ tables, cubes int64 }

// names are what a statement of a project may read. They never change.
type names struct {
	revision  revision
	relations map[string]*plan.Relation        // by name in lower case
	tables    map[string]*tableDef             // by id
	lookups   map[string]catalog.LookupVersion // newest snapshots, by name
}

// tableDef is a table, with the cubes over it that are enabled.
type tableDef struct {
	table  *cube.Table
	schema *stage.Schema
	cubes  []*cubeDef
}

type cubeDef struct {
	def    *cube.Cube
	layout *cells.Layout // of its newest version over the table's newest
}

// Table returns a relation of the project, as plan.Catalog has it.
func (n *names) Table(schema, name string) (*plan.Relation, bool) {
	switch strings.ToLower(schema) {
	case "information_schema", "pg_catalog":
		return nil, true
	case "", "main", "public", "default":
	default:
		return nil, false
	}
	r, ok := n.relations[strings.ToLower(name)]
	return r, ok
}

// Names lists all relations.
func (n *names) Names() (out []string) {
	for _, r := range n.relations {
		out = append(out, r.Name)
	}
	slices.Sort(out)
	return out
}

// of returns the names of a project as they are now.
func (d *definitions) of(ctx context.Context, project string) (*names, error) {
	var now revision
	var err error
	if now.tables, now.cubes, err = d.catalog.DefinitionsRevision(ctx); err != nil {
		return nil, err
	}
	d.mu.Lock()
	n, ok := d.projects[project]
	d.mu.Unlock()
	if ok && n.revision == now {
		return n, nil
	}
	if n, err = d.read(ctx, project); err != nil {
		return nil, err
	}
	if len(n.relations) == 0 { // what nobody has made is not kept
		if err := d.exists(ctx, project); err != nil {
			return nil, err
		}
	}
	n.revision = now // of before they were read: what has changed since is read again
	d.mu.Lock()
	d.projects[project] = n
	d.mu.Unlock()
	return n, nil
}

// exists fails where there is no such project: with a catalog.ErrNotFound that says which there are.
func (d *definitions) exists(ctx context.Context, project string) error {
	all, err := d.catalog.Projects(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, p := range all {
		if p.Name == project {
			return nil
		}
		names = append(names, p.Name)
	}
	d.mu.Lock()
	delete(d.projects, project)
	d.mu.Unlock()
	return fmt.Errorf("project %q: %w: there is %s", shown(project), catalog.ErrNotFound, strings.Join(names, ", "))
}

func (d *definitions) read(ctx context.Context, project string) (*names, error) {
	n := &names{relations: map[string]*plan.Relation{}, tables: map[string]*tableDef{}, lookups: map[string]catalog.LookupVersion{}}
	found, err := d.catalog.Lookups(ctx, project)
	if err != nil {
		return nil, err
	}
	var lookups []*cube.Lookup
	for _, l := range found {
		lookups = append(lookups, l.Lookup)
		n.lookups[l.Lookup.Name] = l
		if n.relations[strings.ToLower(l.Lookup.Name)], err = plan.LookupRelation(l.Lookup); err != nil {
			return nil, err
		}
	}
	tables, err := d.catalog.Tables(ctx, project)
	if err != nil {
		return nil, err
	}
	cubes, err := d.catalog.Cubes(ctx, project)
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		n.tables[t.ID] = &tableDef{table: t, schema: stage.NewSchema(t)}
	}
	for _, i := range cubes {
		t, ok := n.tables[i.TableID]
		if !ok {
			continue // dropped between the two lists
		}
		if n.relations[strings.ToLower(i.Cube.Name)], err = plan.CubeRelation(i.Cube, t.table, lookups); err != nil {
			return nil, err
		}
		if !i.Enabled {
			continue
		}
		l, err := d.layout(i.Cube, t.table)
		if err != nil {
			continue // the table has changed since: its columns are read from events
		}
		t.cubes = append(t.cubes, &cubeDef{i.Cube, l})
	}
	for _, t := range tables { // a table's name goes before a cube's
		var over []*cube.Cube
		for _, c := range n.tables[t.ID].cubes {
			over = append(over, c.def)
		}
		n.relations[strings.ToLower(t.Name)] = plan.TableRelation(t, over...)
	}
	return n, nil
}

// layout returns the one layout of a version of a cube over a version of a table: what is kept of it is found by it.
func (d *definitions) layout(c *cube.Cube, t *cube.Table) (*cells.Layout, error) {
	key := layoutKey{c.ID, c.Version, t.Version}
	d.mu.Lock()
	defer d.mu.Unlock()
	if l, ok := d.layouts[key]; ok {
		return l, nil
	}
	l, err := cells.NewLayout(c, t)
	if err != nil {
		return nil, err
	}
	if len(d.layouts) >= maxLayouts {
		clear(d.layouts) // those that are in use are made once more
	}
	d.layouts[key] = l
	return l, nil
}
