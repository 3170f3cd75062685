package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// storedSegment publishes a segment whose cuboids are in a table: 3 events of 2 URLs.
func (w *world) storedSegment(tables *hbase.Store) (catalog.SegmentEntry, *segmenter.StoredTable) {
	w.t.Helper()
	ctx := w.t.Context()
	must := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	_, cubeID := w.cubed()
	def, err := w.catalog.CubeByID(ctx, cubeID, 1)
	must(err)
	table, err := w.catalog.Table(ctx, "default", "clicks")
	must(err)
	seg := w.build(cubeID, span(0, 3, 0, 0))
	l, err := cells.NewLayout(def, table)
	must(err)
	s := stage.NewSchema(table)
	c, b := stage.NewChunk(s), l.NewBlock(l.Base())
	for i, url := range []string{"/b", "/a", "/b"} {
		c.Offsets, c.Timestamps = append(c.Offsets, int64(i)), append(c.Timestamps, 0)
		for k, f := range s.Fields {
			if f.Type.Kind == cube.String {
				c.Columns[k].AppendBytes([]byte(url))
			} else {
				c.Columns[k].AppendInt(1_000_000)
			}
		}
	}
	must(b.Add(s, c, 0, 3, 0))
	base, err := b.Cells()
	must(err)
	out, _, err := tables.NewWriter(ctx, hbase.Spec{CubeID: cubeID, Segment: seg.ID, Attempt: seg.Attempt, Events: 3, Layout: l})
	must(err)
	must(out.Begin(l.Base()))
	must(out.Append(ctx, base))
	m := &segmenter.Manifest{
		FormatVersion: segmenter.ManifestVersion, Writer: "tidemark test", Project: "default", Cube: def.Name, CubeID: cubeID, TableID: table.ID,
		DefinitionVersion: 1, Number: seg.Number, Attempt: seg.Attempt, Reason: "age", CreatedUs: 1, Range: seg.Range, Parts: seg.Parts,
		Measure: segmenter.SumParts(seg.Parts),
	}
	m.Cuboids, m.Stored, err = out.Finish(ctx, func(int64, int64) {})
	must(err)
	m.Definition, err = json.Marshal(def)
	must(err)
	m.SegmentID = m.ContentID()
	text, err := m.Encode()
	must(err)
	must(w.store.Create(ctx, segmenter.SegmentFolder(cubeID, seg.ID, seg.Attempt)+"/"+segmenter.ManifestName, bytes.NewReader(text)))
	return seg, m.Stored
}

// A segment in HBase shows the name of its table by its manifest, and what the table says only when rows are asked for.
func TestCuboidsOfSegmentInHBase(t *testing.T) {
	tables, mem, err := hbase.OpenMem(hbase.Options{BackOff: time.Microsecond, RetryFor: time.Millisecond, CoolDown: time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(o *Options) { o.HBase = tables })
	_, stored := w.storedSegment(tables)
	const path = "/api/v1/cubes/clicks_cube/segments/1/cuboids"
	var got SegmentCuboids
	w.get(http.MethodGet, path+"?rows=1", "", &got)
	if got.Stored == nil || got.Stored.Table != stored.Table || got.Table == nil {
		t.Fatalf("got %+v, want table %s and what it says", got, stored.Table)
	}
	var row []string
	for _, v := range got.Table.Rows[0].Values {
		row = append(row, *v)
	}
	if len(got.Table.Rows) != 1 || !slices.Equal(row, []string{`"/a"`, "1"}) || got.Table.RowGroups[0].Rows != 2 || got.Table.File != stored.Table {
		t.Errorf("got %+v with the row %q, want a group of 2 rows and of them the first, /a with 1", got.Table, row)
	}
	w.refused(http.MethodGet, path+"?rows=1001", "", http.StatusBadRequest, "bad_request")
	mem.Fault = func(int) error { return hbase.ErrDown }
	got = SegmentCuboids{}
	w.get(http.MethodGet, path, "", &got)
	if got.Table != nil || got.Stored == nil || len(got.Cuboids) != 1 || got.Cuboids[0].Rows != 2 {
		t.Errorf("without rows: got %+v, want what the manifest says", got)
	}
	if e := w.refused(http.MethodGet, path+"?rows=0", "", http.StatusServiceUnavailable, "unavailable"); !strings.Contains(e.Message, stored.Table) || !strings.Contains(e.Message, "hbase does not answer") {
		t.Errorf("hbase is down: %s", e.Message)
	}
	mem.Fault = nil
	w.server.opts.HBase = nil
	if e := w.refused(http.MethodGet, path+"?rows=0", "", http.StatusServiceUnavailable, "unavailable"); !strings.Contains(e.Message, stored.Table) || !strings.Contains(e.Message, "hbase.quorum") {
		t.Errorf("no hbase is configured: %s", e.Message)
	}
	w.server.opts.HBase = tables
	if err := tables.Drop(t.Context(), stored.Table); err != nil {
		t.Fatal(err)
	}
	if e := w.refused(http.MethodGet, path+"?rows=0", "", http.StatusInternalServerError, "internal"); !strings.Contains(e.Message, "it is gone") {
		t.Errorf("the table is gone: %s", e.Message)
	}
}
