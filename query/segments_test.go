package query_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/builder/local"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// apply stores a cube, or a new version of it, which begins at start.
func (w *world) apply(yaml string, start segmenter.Vector) {
	w.t.Helper()
	ctx := context.Background()
	def, err := cube.ParseCube([]byte(yaml), "cube.yaml", w.table, w.looked...)
	must(w.t, err)
	a, err := w.cat.ApplyCube(ctx, def.WithDefaults())
	must(w.t, err)
	if w.cubes[a.Cube.Name] == nil {
		must(w.t, w.cat.SetCubeStart(ctx, a.Cube.ID, start))
		w.starts[a.Cube.Name] = start
	}
	w.cubes[a.Cube.Name] = a.Cube
}

// firsts is where all partitions begin.
func (w *world) firsts() (v segmenter.Vector) {
	for _, p := range w.parts {
		v = append(v, p.line(0, 0))
	}
	return v
}

// build reserves, builds and publishes a segment of a cube's newest version in the place of others, and returns its number. A merge
// is made of those; anything else of staged files.
func (w *world) build(name string, v segmenter.Vector, merge bool, replaces ...int64) int64 {
	w.t.Helper()
	ctx := context.Background()
	def := w.cubes[name]
	seg, job, err := w.cat.Reserve(ctx, catalog.Reservation{CubeID: def.ID, Range: v, Replaces: replaces, Reason: "test", JobKind: "build"})
	must(w.t, err)
	job, ok, err := w.cat.ClaimJob(ctx, catalog.JobClaim{ID: job.ID, Owner: "test", Now: time.Unix(1_800_000_000, 0), Lease: time.Minute})
	if must(w.t, err); !ok {
		w.t.Fatalf("job %d cannot be claimed", job.ID)
	}
	change, err := w.cat.TableChange(ctx, w.table.ID)
	must(w.t, err)
	text, err := json.Marshal(def)
	must(w.t, err)
	m := &segmenter.Manifest{
		FormatVersion: segmenter.ManifestVersion, Writer: "test", Project: "default", Cube: name, CubeID: def.ID, TableID: w.table.ID,
		DefinitionVersion: def.Version, Definition: text, Number: seg.Number, Attempt: job.Epoch, Reason: seg.Reason, CreatedUs: seg.CreatedUs, Range: v,
		Notes: segmenter.Notes{"table_version": json.RawMessage("1")},
	}
	in := builder.EngineInput{
		Cube: def, Table: w.table, TableID: w.table.ID, Range: v, Logf: w.t.Logf,
		Step: func(string, string) func(int64, int64) { return func(int64, int64) {} },
	}
	for _, n := range replaces {
		old, err := w.cat.Segment(ctx, def.ID, n)
		must(w.t, err)
		m.Replaces = append(m.Replaces, segmenter.Replaced{Number: n, SegmentID: old.ID})
		if merge {
			in.Merged = append(in.Merged, w.manifest(&old))
		}
	}
	w.measure(m, &in)
	m.SegmentID = m.ContentID()
	in.Content, in.Folder, in.Events = m.SegmentID, segmenter.SegmentFolder(m.CubeID, m.SegmentID, m.Attempt), m.Measure.Events
	w.cuboids(m, in)
	w.publish(m, job, catalog.Publication{InputsChange: change, Inherit: merge})
	return seg.Number
}

// measure names the inputs and counts their events.
func (w *world) measure(m *segmenter.Manifest, in *builder.EngineInput) {
	for _, r := range m.Range {
		part := segmenter.PartMeasure{Partition: r.Partition, Generation: r.Generation}
		for e, err := range w.cat.Inputs(context.Background(), w.table.ID, segmenter.Vector{r}) {
			must(w.t, err)
			part.Measure = part.Add(segmenter.MeasureRow(e.LedgerRow, r))
			if e.File != nil {
				m.Inputs = append(m.Inputs, segmenter.Input{Kind: segmenter.InputStaged, Key: e.File.Key, Size: e.File.Size, SHA256: e.File.SHA256, Records: e.File.Records})
			}
			if in.Merged == nil {
				in.Rows = append(in.Rows, e)
			}
		}
		m.Parts = append(m.Parts, part)
	}
	m.Measure = segmenter.SumParts(m.Parts)
	slices.SortFunc(m.Inputs, func(a, b segmenter.Input) int { return cmp.Compare(a.Key, b.Key) })
	m.Inputs = slices.Compact(m.Inputs)
}

func (w *world) manifest(s *catalog.SegmentEntry) *segmenter.Manifest {
	w.t.Helper()
	r, err := w.store.Open(context.Background(), segmenter.SegmentFolder(s.CubeID, s.ID, s.Attempt)+"/"+segmenter.ManifestName, 0, -1)
	must(w.t, err)
	text, err := io.ReadAll(r)
	must(w.t, err)
	m, err := segmenter.DecodeManifest(text)
	must(w.t, err)
	return m
}

func (w *world) cuboids(m *segmenter.Manifest, in builder.EngineInput) {
	w.t.Helper()
	d, err := dictionary.New(dictionary.Options{Catalog: w.cat, Store: w.store, Dir: w.dir})
	must(w.t, err)
	e, err := local.New(local.Options{Store: w.store, Dictionaries: d, Dir: filepath.Join(w.dir, fmt.Sprintf("build-%s-%d", in.Cube.Name, m.Number)), Threads: 1, HBase: w.tables})
	must(w.t, err)
	out, err := e.Build(context.Background(), in)
	must(w.t, err)
	m.Files, m.Cuboids, m.Stored = out.Files, out.Cuboids, out.Stored
}

func (w *world) publish(m *segmenter.Manifest, job catalog.Job, p catalog.Publication) {
	w.t.Helper()
	ctx := context.Background()
	text, err := m.Encode()
	must(w.t, err)
	must(w.t, w.store.Create(ctx, segmenter.SegmentFolder(m.CubeID, m.SegmentID, m.Attempt)+"/"+segmenter.ManifestName, bytes.NewReader(text)))
	p.CubeID, p.Number, p.JobEpoch, p.ID, p.Attempt, p.Parts = m.CubeID, m.Number, job.Epoch, m.SegmentID, m.Attempt, m.Parts
	p.ManifestSHA, p.Bytes = fmt.Sprintf("%x", sha256.Sum256(text)), int64(len(text))
	for _, f := range m.Files {
		p.Bytes += f.Size
	}
	must(w.t, w.cat.Publish(ctx, p))
}
