package server

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// CubePlan is what a build of a definition makes: how many cuboids, and what they cost by a sample of staged events.
type CubePlan struct {
	Project string          `json:"project"`
	Cube    string          `json:"cube"`
	Table   string          `json:"table"`
	Groups  []uint64        `json:"groups"`  // cuboids of each aggregation group; groups may share some
	Cuboids int             `json:"cuboids"` // of all groups together, with the base
	Sampled int64           `json:"sampled"` // events of the sample; 0: nothing is staged, and nothing below is known
	Events  int64           `json:"events"`  // that the estimates are for
	Rows    int64           `json:"rows"`    // of all cuboids
	Bytes   int64           `json:"bytes"`   // in files
	Each    []PlannedCuboid `json:"each"`    // cuboids, the largest first

	Derived []PlannedDerived `json:"derived"` // dimensions of lookup tables: they cost nothing of the above
}

// PlannedDerived is a derived dimension of a CubePlan.
type PlannedDerived struct {
	Dimension string `json:"dimension"`
	Lookup    string `json:"lookup"`
	Column    string `json:"column"` // of the lookup table
	From      string `json:"from"`   // the dimension that cuboids keep instead
}

// PlannedCuboid is a cuboid of a CubePlan.
type PlannedCuboid struct {
	Cuboid     int64    `json:"cuboid"` // bit set of dimensions
	Dimensions []string `json:"dimensions"`
	Parent     int64    `json:"parent"` // the cuboid that it is made from; of the base itself
	Rows       int64    `json:"rows"`
	Bytes      int64    `json:"bytes"`
}

// Limits of a sample. Few rows of each of several files tell more than many of one: events that lie together are alike.
const (
	sampleFiles = 8
	sampleRows  = 4096 // of a file
	sampleRange = 100_000
)

func (s *Server) cubePlan(r *http.Request) (any, error) {
	events, err := integer(r, "events", 0, 1, 1<<50)
	if err != nil {
		return nil, err
	}
	def, err := s.readCube(r)
	if err != nil {
		return nil, err
	}
	masks, err := def.Cuboids()
	if err != nil {
		return nil, err
	}
	t, err := s.opts.Catalog.Table(r.Context(), def.Project, def.Table)
	if err != nil {
		return nil, err
	}
	out := &CubePlan{
		Project: def.Project, Cube: def.Name, Table: def.Table, Groups: def.GroupCuboids(), Cuboids: len(masks), Events: events, Each: []PlannedCuboid{},
		Derived: derivedOf(def),
	}
	l, err := cells.NewLayout(def, t)
	if err != nil {
		return nil, err
	}
	return out, s.estimate(r.Context(), out, l, t, masks)
}

// derivedOf lists the dimensions that no cuboid has.
func derivedOf(def *cube.Cube) []PlannedDerived {
	out := []PlannedDerived{}
	for _, l := range def.Lookups {
		host, _ := def.Host(l)
		for _, d := range l.Derived {
			out = append(out, PlannedDerived{Dimension: d.Name, Lookup: l.Lookup, Column: d.Column, From: host.Name})
		}
	}
	return out
}

// estimate fills in what a sample of the table's staged files tells.
func (s *Server) estimate(ctx context.Context, out *CubePlan, l *cells.Layout, t *cube.Table, masks []uint64) error {
	files, err := s.stagedFiles(ctx, t)
	if err != nil || len(files) == 0 {
		return err
	}
	if out.Events == 0 {
		stats, err := s.opts.Catalog.Stats(ctx, t.ID)
		if err != nil {
			return err
		}
		out.Events = stats.Events
	}
	block := l.NewBlock(l.Base())
	block.IDs = sampleIDs
	step := max(1, len(files)/sampleFiles)
	for i := len(files) - 1; i >= 0 && (len(files)-1-i)/step < sampleFiles; i -= step {
		if err := s.sampleFile(ctx, block, l, files[i]); err != nil {
			return err
		}
	}
	if out.Sampled = int64(block.Rows()); out.Sampled == 0 {
		return nil
	}
	base, err := block.Cells()
	if err != nil {
		return err
	}
	all, err := cuboid.EstimateCuboids(l, masks, base, out.Events)
	if err != nil {
		return err
	}
	h, err := cuboid.NewHeader(l)
	if err != nil {
		return err
	}
	out.add(h, all)
	return nil
}

// stagedFile is a file that may be sampled.
type stagedFile struct {
	catalog.File
	partition int32
}

// stagedFiles returns files of the table's own version.
func (s *Server) stagedFiles(ctx context.Context, t *cube.Table) (files []stagedFile, err error) {
	for e, err := range s.opts.Catalog.Ledger(ctx, catalog.LedgerQuery{TableID: t.ID, Limit: sampleRange}) {
		if err != nil {
			return nil, err
		}
		if e.File != nil && e.File.Schema == t.Version && e.File.Records > 0 {
			files = append(files, stagedFile{*e.File, e.Range.Partition})
		}
	}
	return files, nil
}

// sampleFile takes rows of a file into the block.
func (s *Server) sampleFile(ctx context.Context, b *cells.Block, l *cells.Layout, f stagedFile) (err error) {
	r, err := stage.Open(ctx, s.opts.Store, f.Key, f.Size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	c, err := r.Read(ctx, 0, l.Fields(r.Schema()))
	if err != nil {
		return err
	}
	return b.Add(r.Schema(), c, 0, min(c.Rows(), sampleRows), f.partition)
}

// sampleIDs numbers strings of an exact distinct count: a sample asks no dictionary, and its ids are as long.
func sampleIDs(_ string, values *stage.Column) ([]uint32, error) {
	ids := make([]uint32, values.Len())
	for i := range ids {
		ids[i] = uint32(i)
	}
	return ids, nil
}

// add takes in the estimates, the largest first.
func (p *CubePlan) add(h *cuboid.Header, all []cuboid.Estimate) {
	for _, e := range all {
		p.Rows += e.Rows
		p.Bytes += e.Bytes
		p.Each = append(p.Each, PlannedCuboid{
			Cuboid: int64(e.Cuboid), Dimensions: h.Names(e.Cuboid), Parent: int64(e.Parent), Rows: e.Rows, Bytes: e.Bytes,
		})
	}
	slices.SortStableFunc(p.Each, func(a, b PlannedCuboid) int { return cmp.Compare(b.Bytes, a.Bytes) })
}
