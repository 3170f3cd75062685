package server

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/inspect"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// SegmentCuboids is what a segment's manifest says of its files.
type SegmentCuboids struct {
	Project string                  `json:"project"`
	Cube    string                  `json:"cube"`
	Segment int64                   `json:"segment"`
	Path    string                  `json:"path"` // of its folder in the store
	Writer  string                  `json:"writer"`
	Version int                     `json:"version"` // of the definition
	Events  int64                   `json:"events"`
	Inputs  int                     `json:"inputs"` // files it was built from
	Files   []segmenter.SegmentFile `json:"files"`
	Lookups []SegmentLookup         `json:"lookups"` // snapshots that were the newest when it was built
	Cuboids []inspect.Cuboid        `json:"cuboids"`
	Stored  *segmenter.StoredTable  `json:"stored,omitempty"` // where cuboids are that are not in files
	Table   *inspect.Report         `json:"table,omitempty"`  // what that table says of itself, where rows are asked for
}

// maxInspectRows is how many rows of each cuboid are shown at most.
const maxInspectRows = 1000

// SegmentLookup is the version of a lookup table that a segment's manifest names.
type SegmentLookup struct {
	Lookup  string `json:"lookup"` // its name; empty where the catalog does not know it
	ID      string `json:"id"`
	Version int64  `json:"version"`
	Rows    int64  `json:"rows"`
	Object  string `json:"object"` // key in the store
	SHA256  string `json:"sha256"`
}

// maxManifestBytes is the most that is read of a manifest.
const maxManifestBytes = 256 << 20

func (s *Server) segmentCuboids(r *http.Request) (_ any, err error) {
	i, err := s.namedCube(r)
	if err != nil {
		return nil, err
	}
	found, err := s.showSegment(r)
	if err != nil {
		return nil, err
	}
	seg, ok := found.(Segment)
	if !ok {
		return nil, fmt.Errorf("segment %s: a %T", r.PathValue("segment"), found)
	}
	if seg.Path == "" {
		return nil, badRequest("segment %d of cube %s is %s and has no files yet", seg.Number, seg.Cube, seg.State)
	}
	rows, err := integer(r, "rows", -1, 0, maxInspectRows)
	if err != nil {
		return nil, err
	}
	body, err := s.opts.Store.Open(r.Context(), seg.Path+"/"+segmenter.ManifestName, 0, maxManifestBytes)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("read the manifest of segment %d: %w", seg.Number, err)
	}
	m, err := segmenter.DecodeManifest(text)
	if err != nil {
		return nil, err
	}
	def, err := s.opts.Catalog.CubeByID(r.Context(), i.Cube.ID, m.DefinitionVersion)
	if err != nil {
		return nil, err
	}
	out := &SegmentCuboids{
		Project: i.Cube.Project, Cube: i.Cube.Name, Segment: m.Number, Path: seg.Path, Writer: m.Writer, Version: m.DefinitionVersion,
		Events: m.Measure.Events, Inputs: len(m.Inputs), Files: m.Files, Cuboids: []inspect.Cuboid{}, Stored: m.Stored,
	}
	if out.Lookups, err = s.lookupsOfSegment(r.Context(), m); err != nil {
		return nil, err
	}
	for _, e := range m.Cuboids {
		c := inspect.Cuboid{Cuboid: e.Cuboid, Dimensions: dimensionsOf(def, e.Cuboid), Rows: e.Rows, Bytes: e.Bytes}
		for _, p := range e.Pieces {
			c.RowGroups += p.Count
		}
		out.Cuboids = append(out.Cuboids, c)
	}
	if m.Stored != nil && rows >= 0 {
		if out.Table, err = s.inspectTable(r.Context(), m.Stored, int(rows)); err != nil {
			return nil, fmt.Errorf("segment %d of cube %s is in table %s of %s: %w", m.Number, i.Cube.Name, m.Stored.Table, m.Stored.Store, err)
		}
	}
	return out, nil
}

func (s *Server) inspectTable(ctx context.Context, stored *segmenter.StoredTable, rows int) (*inspect.Report, error) {
	if s.opts.HBase == nil {
		return nil, hbase.ErrNotConfigured
	}
	return inspect.Table(ctx, s.opts.HBase, stored.Table, rows)
}

// lookupsOfSegment names the snapshots in a manifest. Those of dropped tables have their names too.
func (s *Server) lookupsOfSegment(ctx context.Context, m *segmenter.Manifest) ([]SegmentLookup, error) {
	out := []SegmentLookup{}
	for _, in := range m.Inputs {
		if in.Kind != segmenter.InputLookup {
			continue
		}
		id, version, _, err := lookup.ParseKey(in.Key)
		if err != nil {
			return nil, fmt.Errorf("manifest of segment %d: %w", m.Number, err)
		}
		l := SegmentLookup{ID: id, Version: version, Rows: in.Records, Object: in.Key, SHA256: in.SHA256}
		versions, err := s.opts.Catalog.LookupVersions(ctx, id)
		if err != nil {
			return nil, err
		}
		if len(versions) > 0 {
			l.Lookup = versions[0].Lookup.Name
		}
		out = append(out, l)
	}
	return out, nil
}

// dimensionsOf returns the dimensions of a cuboid, in row-key order.
func dimensionsOf(c *cube.Cube, mask int64) []string {
	names, key := []string{}, c.WithDefaults().RowKey
	for i, name := range key {
		if mask>>(len(key)-1-i)&1 == 1 {
			names = append(names, name)
		}
	}
	return names
}
