package verify_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/builder/local"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

const cubeYAML = `
cube: views
table: events
dimensions: [ok, n]
measures: [count, sum(n), sum(price), avg(ratio), sum(ratio), min(id), max(n), count_distinct(id), count_distinct_exact(n), first(id), percentile(ratio)]
start: earliest
`

// applyCube stores the cube of the site and returns its id.
func (s *site) applyCube() (id string) {
	s.t.Helper()
	return s.applyViews("")
}

// applyViews stores the cube with more lines, and the lookup tables that there are to name.
func (s *site) applyViews(more string) (id string) {
	s.t.Helper()
	return s.applyYAML(cubeYAML + more)
}

func (s *site) applyYAML(yaml string) (id string) {
	s.t.Helper()
	s.with(func(cat *catalog.Catalog, st blob.Store) {
		list, err := cat.Lookups(s.t.Context(), "default")
		must(s.t, err)
		var known []*cube.Lookup
		for _, v := range list {
			known = append(known, v.Lookup)
		}
		def, err := cube.ParseCube([]byte(yaml), "views.yaml", s.def, known...)
		must(s.t, err)
		applied, err := cat.ApplyCube(s.t.Context(), def.WithDefaults())
		must(s.t, err)
		id = applied.Cube.ID
		s.define(st, fmt.Sprintf("cubes/%s/v%d.json", id, applied.Cube.Version), applied.Cube)
	})
	return id
}

func line(partition int32, start, end int64) segmenter.PartitionRange {
	return segmenter.PartitionRange{Partition: partition, Start: start, End: end}
}

// build is a segment to make; what it says of a Manifest is measured offset by offset, in no hurry.
type build struct {
	v        segmenter.Vector
	replaces []int64
	merge    bool // out of the manifests of those that it replaces
	cuboids  bool // made by engine `local`
	change   func(m *segmenter.Manifest)
	after    func(m *segmenter.Manifest, st blob.Store) // has been built
}

// segment reserves, builds and publishes a segment; it returns its folder.
func (s *site) segment(cubeID string, b build) (folder string) {
	s.t.Helper()
	s.with(func(cat *catalog.Catalog, st blob.Store) {
		ctx := s.t.Context()
		seg, job, err := cat.Reserve(ctx, catalog.Reservation{CubeID: cubeID, Range: b.v, Replaces: b.replaces, Reason: "test", JobKind: "build", SubmittedBy: "ann"})
		must(s.t, err)
		job, ok, err := cat.ClaimJob(ctx, catalog.JobClaim{ID: job.ID, Owner: "test", Now: time.Unix(1_800_000_000, 0), Lease: time.Minute})
		must(s.t, err)
		if !ok {
			s.t.Fatalf("job %d cannot be claimed", job.ID)
		}
		info, err := cat.CubeInfo(ctx, cubeID)
		must(s.t, err)
		change, err := cat.TableChange(ctx, info.TableID)
		must(s.t, err)
		def, err := json.Marshal(info.Cube)
		must(s.t, err)
		m := &segmenter.Manifest{
			FormatVersion: segmenter.ManifestVersion, Writer: "test", Project: "default", Cube: "views", CubeID: cubeID, TableID: info.TableID,
			DefinitionVersion: info.Cube.Version, Definition: def, Number: seg.Number, Attempt: job.Epoch, Reason: seg.Reason, CreatedUs: seg.CreatedUs, Range: b.v,
			Notes: segmenter.Notes{"front": json.RawMessage(`{"revision":17,"ranges":null}`)}, // as builder's; no row has it
		}
		var merged []*segmenter.Manifest
		for _, n := range b.replaces {
			old, err := cat.Segment(ctx, cubeID, n)
			must(s.t, err)
			m.Replaces = append(m.Replaces, segmenter.Replaced{Number: n, SegmentID: old.ID})
			if b.merge {
				merged = append(merged, s.mergeInto(m, segmenter.SegmentFolder(cubeID, old.ID, old.Attempt)))
			}
		}
		if !b.merge {
			s.measureInto(m, cat, st)
		}
		slices.SortFunc(m.Inputs, func(a, b segmenter.Input) int { return cmp.Compare(a.Key, b.Key) })
		m.Inputs = slices.Compact(m.Inputs)
		if b.change != nil {
			b.change(m)
		}
		m.Measure = segmenter.SumParts(m.Parts)
		m.SegmentID = m.ContentID()
		if b.cuboids {
			s.makeCuboids(cat, st, info.Cube, m, merged)
		}
		if b.after != nil {
			b.after(m, st)
		}
		folder = segmenter.SegmentFolder(cubeID, m.SegmentID, m.Attempt)
		text, err := m.Encode()
		must(s.t, err)
		must(s.t, st.Create(ctx, folder+"/"+segmenter.ManifestName, bytes.NewReader(text)))
		size := int64(len(text))
		for _, f := range m.Files {
			size += f.Size
		}
		must(s.t, cat.Publish(ctx, catalog.Publication{
			CubeID: cubeID, Number: seg.Number, JobEpoch: job.Epoch, ID: m.SegmentID, Attempt: m.Attempt, Parts: m.Parts, Bytes: size,
			ManifestSHA: sumOf(text), InputsChange: change, Inherit: b.merge,
		}))
	})
	return folder
}

// makeCuboids makes them of staged files, or of the segments merged.
func (s *site) makeCuboids(cat *catalog.Catalog, st blob.Store, def *cube.Cube, m *segmenter.Manifest, merged []*segmenter.Manifest) {
	s.t.Helper()
	ids, err := dictionary.New(dictionary.Options{Catalog: cat, Store: st, Dir: s.t.TempDir()})
	must(s.t, err)
	e, err := local.New(local.Options{Store: st, Dir: s.t.TempDir(), Threads: 1, Dictionaries: ids})
	must(s.t, err)
	in := builder.EngineInput{
		Cube: def, Table: s.def, TableID: m.TableID, Content: m.SegmentID, Folder: segmenter.SegmentFolder(m.CubeID, m.SegmentID, m.Attempt),
		Range: m.Range, Events: m.Measure.Events, Merged: merged,
		Step: func(string, string) func(int64, int64) { return func(int64, int64) {} }, Logf: s.t.Logf,
	}
	for e, err := range cat.Inputs(s.t.Context(), m.TableID, m.Range) {
		must(s.t, err)
		in.Rows = append(in.Rows, e)
	}
	out, err := e.Build(s.t.Context(), in)
	must(s.t, err)
	m.Files, m.Cuboids = out.Files, out.Cuboids
	m.Inputs = append(m.Inputs, out.Inputs...)
	slices.SortFunc(m.Inputs, func(a, b segmenter.Input) int { return cmp.Compare(a.Key, b.Key) })
	m.SegmentID = m.ContentID()
}

// mergeInto adds what a replaced segment says, which it returns.
func (s *site) mergeInto(m *segmenter.Manifest, folder string) *segmenter.Manifest {
	s.t.Helper()
	text, err := os.ReadFile(s.path(folder + "/" + segmenter.ManifestName))
	must(s.t, err)
	old, err := segmenter.DecodeManifest(text)
	must(s.t, err)
	m.Inputs = append(m.Inputs, old.Inputs...)
	if m.Parts == nil {
		m.Parts = slices.Clone(old.Parts)
		return old
	}
	for i := range m.Parts {
		m.Parts[i].Measure = m.Parts[i].Add(old.Parts[i].Measure)
	}
	return old
}

// measureInto names every offset of the range.
func (s *site) measureInto(m *segmenter.Manifest, cat *catalog.Catalog, st blob.Store) {
	s.t.Helper()
	for _, r := range m.Range {
		part := segmenter.PartMeasure{Partition: r.Partition, Generation: r.Generation}
		for e, err := range cat.Inputs(s.t.Context(), m.TableID, segmenter.Vector{r}) {
			must(s.t, err)
			for off := max(r.Start, e.Range.Start); off < min(r.End, e.Range.End); off++ {
				one := segmenter.Measure{}
				switch kind, bad := e.Exceptions.At(off); {
				case e.State == segmenter.Lost:
					one.Lost = 1
				case e.State == segmenter.Skipped:
					one.Skipped = 1
				case bad && kind == segmenter.Gap:
					one.Gaps = 1
				case bad:
					one.Quarantined = 1
				}
				part.Measure = part.Add(one)
			}
			add := func(kind segmenter.InputKind, f *catalog.File, counts func(int64) bool) {
				if f == nil {
					return
				}
				m.Inputs = append(m.Inputs, segmenter.Input{Kind: kind, Key: f.Key, Size: f.Size, SHA256: f.SHA256, Records: f.Records})
				if kind != segmenter.InputLedger {
					part.Measure = part.Add(s.events(st, f.Key, func(off int64) bool { return counts(off) && r.Contains(off) }))
				}
			}
			always := func(int64) bool { return true }
			add(segmenter.InputStaged, e.File, always)
			add(segmenter.InputLedger, e.LedgerFile, always)
			for _, x := range e.Supplements {
				add(segmenter.InputSupplement, x.File, func(off int64) bool { return slices.Contains(x.Offsets, off) })
			}
		}
		m.Parts = append(m.Parts, part)
	}
}

// events reads those of a file whose offsets count.
func (s *site) events(st blob.Store, key string, counts func(int64) bool) (m segmenter.Measure) {
	s.t.Helper()
	rd, err := stage.Open(s.t.Context(), st, key, -1)
	must(s.t, err)
	defer rd.Close()
	for g := range rd.Groups() {
		c, err := rd.Read(s.t.Context(), g, nil)
		must(s.t, err)
		for i, off := range c.Offsets {
			if us := c.Columns[rd.Schema().EventTime].Int(i); counts(off) {
				m = m.Add(segmenter.Measure{Events: 1, MinTimeUs: us, MaxTimeUs: us})
			}
		}
	}
	return m
}

// builtSite is a site of one of everything with three segments whose borders lie inside files, a merged one, and a hole
// between them; folders are those of the ready ones. The last has no cuboids.
func builtSite(t *testing.T, format string) (s *site, cubeID string, folders []string) {
	t.Helper()
	s = fullSite(t, format)
	cubeID = s.applyCube()
	s.segment(cubeID, build{v: segmenter.Vector{line(0, 0, 13), line(1, 0, 7)}, cuboids: true})
	s.segment(cubeID, build{v: segmenter.Vector{line(0, 13, 40), line(1, 7, 40)}, cuboids: true})
	folders = append(folders,
		s.segment(cubeID, build{v: segmenter.Vector{line(0, 0, 40), line(1, 0, 40)}, replaces: []int64{1, 2}, merge: true, cuboids: true}),
		s.segment(cubeID, build{v: segmenter.Vector{line(0, 40, 95), line(1, 40, 65)}, cuboids: true}),
		s.segment(cubeID, build{v: segmenter.Vector{line(0, 101, 120), line(1, 65, 65)}}))
	return s, cubeID, folders
}
