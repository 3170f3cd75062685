package builder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// WriterVersion names the writer of manifests. It is part of a segment's id.
const WriterVersion = "tidemark version 1 (build segment)"

// body does what the job is for: it reads, writes its folder, and publishes (B2).
func (r *jobRun) body(ctx context.Context) error {
	if err := r.load(ctx); err != nil {
		return err
	}
	// Before the inputs are read: a change that comes after it makes the segment stale.
	change, err := r.b.o.Catalog.TableChange(ctx, r.info.TableID)
	if err != nil {
		return err
	}
	m, err := r.manifest()
	if err != nil {
		return err
	}
	if r.job.Kind == KindMerge {
		err = r.merge(ctx, m)
	} else {
		err = r.build(ctx, m)
	}
	if err != nil {
		return err
	}
	return r.publish(ctx, m, change)
}

// load reads what the job is about.
func (r *jobRun) load(ctx context.Context) (err error) {
	cat := r.b.o.Catalog
	if r.seg, err = cat.Segment(ctx, r.job.CubeID, r.job.Segment); err != nil {
		return err
	}
	if r.info, err = cat.CubeInfo(ctx, r.job.CubeID); err != nil {
		return err
	}
	r.def, err = cat.CubeByID(ctx, r.job.CubeID, r.seg.Version)
	return err
}

// manifest is what is known of the segment before anything is read.
func (r *jobRun) manifest() (*segmenter.Manifest, error) {
	m := &segmenter.Manifest{
		FormatVersion: segmenter.ManifestVersion, Writer: WriterVersion, Project: r.def.Project, Cube: r.def.Name, CubeID: r.job.CubeID,
		TableID: r.info.TableID, DefinitionVersion: r.seg.Version, Number: r.seg.Number, Attempt: r.job.Epoch,
		Reason: r.seg.Reason, CreatedUs: r.seg.CreatedUs, Range: r.seg.Range,
	}
	return m, noteFront(m, catalog.Front{Revision: r.info.Revision, Ranges: r.info.Settled})
}

// build fills the manifest from staged files.
func (r *jobRun) build(ctx context.Context, m *segmenter.Manifest) error {
	r.step("wait for staging", "offsets")
	if err := r.awaitStaging(ctx); err != nil {
		return err
	}
	in, err := r.b.readInputs(ctx, r.info.TableID, r.seg.Range, r.step("check staged files", "files"))
	if err != nil {
		return err
	}
	m.Inputs, m.Parts = in.files, in.parts
	m.Measure = segmenter.SumParts(in.parts)
	r.logf("%d files hold %d events, %d gaps, %d quarantined, %d skipped, %d lost", len(in.files), m.Measure.Events, m.Measure.Gaps,
		m.Measure.Quarantined, m.Measure.Skipped, m.Measure.Lost)
	return r.cuboids(ctx, m, EngineInput{Rows: in.rows})
}

// awaitStaging asks for what the ledger does not hold yet and gives the job back until it does. Asked once is enough:
// Recover wakes the job.
func (r *jobRun) awaitStaging(ctx context.Context) error {
	cat := r.b.o.Catalog
	unstaged, err := cat.Unstaged(ctx, r.info.TableID, r.seg.Range)
	if err != nil || unstaged.Empty() {
		return err
	}
	if len(unstaged.Never) > 0 {
		return &neverError{unstaged.Never}
	}
	missing := unstaged.Coming
	asked, err := cat.RequestJobRolls(ctx, r.job.ID, r.info.TableID, missing)
	var full *catalog.ConflictError
	if errors.As(err, &full) { // it comes when it is old or large enough
		r.logf("not asked for: %v", full)
	} else if err != nil {
		return err
	}
	r.logf("asked for %d partitions of %s to be staged", asked, missing)
	if err := r.report(ctx); err != nil {
		return err
	}
	return &waitError{what: fmt.Sprintf("%d offsets to be staged: %s", missing.Len(), missing)}
}

// merge fills the manifest from those of the segments that are replaced. It reads nothing else.
func (r *jobRun) merge(ctx context.Context, m *segmenter.Manifest) error {
	progress := r.step("read manifests", "segments")
	parts := map[[2]int32]segmenter.Measure{}
	var merged []*segmenter.Manifest
	for i, number := range r.seg.Replaces {
		progress(int64(i), int64(len(r.seg.Replaces)))
		old, err := r.replaced(ctx, m, number)
		if err != nil {
			return err
		}
		part, err := r.b.readManifest(ctx, segmenter.SegmentFolder(old.CubeID, old.ID, old.Attempt))
		if err != nil {
			return fmt.Errorf("merge segment %d: %w", number, err)
		}
		merged = append(merged, part)
		m.Inputs = append(m.Inputs, part.Inputs...)
		for _, p := range part.Parts {
			key := [2]int32{p.Partition, p.Generation}
			parts[key] = parts[key].Add(p.Measure)
		}
	}
	m.Inputs = newestLookups(sortInputs(m.Inputs))
	if mixed(merged) {
		noteMixed(m)
	}
	for _, line := range m.Range {
		p := segmenter.PartMeasure{Partition: line.Partition, Generation: line.Generation}
		p.Measure = parts[[2]int32{line.Partition, line.Generation}]
		m.Parts = append(m.Parts, p)
	}
	m.Measure = segmenter.SumParts(m.Parts)
	return r.cuboids(ctx, m, EngineInput{Merged: merged})
}

// replaced reads a segment that this one takes the place of and notes it in the manifest.
func (r *jobRun) replaced(ctx context.Context, m *segmenter.Manifest, number int64) (catalog.SegmentEntry, error) {
	old, err := r.b.o.Catalog.Segment(ctx, r.job.CubeID, number)
	if err != nil {
		return old, err
	}
	if old.State != segmenter.SegmentReady {
		return old, &FinalError{fmt.Errorf("segment %d, which is to be replaced, is %s", number, old.State)}
	}
	m.Replaces = append(m.Replaces, segmenter.Replaced{Number: number, SegmentID: old.ID})
	return old, nil
}

// cuboids has the engine make them, where there is one, and finishes the manifest.
func (r *jobRun) cuboids(ctx context.Context, m *segmenter.Manifest, in EngineInput) error {
	if len(m.Replaces) == 0 {
		for _, number := range r.seg.Replaces {
			if _, err := r.replaced(ctx, m, number); err != nil {
				return err
			}
		}
	}
	def, err := json.Marshal(r.def)
	if err != nil {
		return err
	}
	m.Definition = def
	bare, err := bareMerge(in.Merged)
	if err != nil {
		return err
	}
	if in.Merged == nil { // what is missing is said before hours of work, not after
		if _, err := r.lookups(ctx); err != nil {
			return err
		}
	}
	if r.b.o.Engine != nil && !bare {
		// The folder's name is the id of what is known now; an engine's own inputs make it another one only where it has some.
		if in.Table, err = r.b.tableOf(ctx, r.info.TableID, r.def, versionsRead(in), r.logf); err != nil {
			return err
		}
		noteTable(m, in.Table.Version)
		in.Cube, in.TableID, in.Range, in.Events = r.def, r.info.TableID, r.seg.Range, m.Measure.Events
		in.Content = m.ContentID()
		in.Folder, in.Step, in.Logf = segmenter.SegmentFolder(m.CubeID, in.Content, m.Attempt), r.step, r.logf
		out, err := r.b.o.Engine.Build(ctx, in)
		if err != nil {
			return err
		}
		m.Files, m.Cuboids, m.Stored = out.Files, out.Cuboids, out.Stored
		note(m, builtNote)
		m.Inputs = sortInputs(append(m.Inputs, out.Inputs...))
	}
	if in.Merged == nil {
		lookups, err := r.lookupInputs(ctx)
		if err != nil {
			return err
		}
		m.Inputs = sortInputs(append(m.Inputs, lookups...))
	}
	m.SegmentID = m.ContentID()
	return nil
}

// publish writes the manifest and makes the segment ready (B4).
func (r *jobRun) publish(ctx context.Context, m *segmenter.Manifest, change int64) error {
	r.step("write manifest", "")
	text, err := m.Encode()
	if err != nil {
		return &FinalError{err}
	}
	key := segmenter.SegmentFolder(m.CubeID, m.SegmentID, m.Attempt) + "/" + segmenter.ManifestName
	if err := blob.CreateSame(ctx, r.b.o.Store, key, bytes.NewReader(text)); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	r.step("publish", "")
	r.logf("manifest %s", key)
	if err := r.report(ctx); err != nil {
		return err
	}
	size := int64(len(text))
	for _, f := range m.Files {
		size += f.Size
	}
	sum := sha256.Sum256(text)
	defer r.b.m.timed("publish")()
	return r.b.o.Catalog.Publish(ctx, catalog.Publication{
		CubeID: m.CubeID, Number: m.Number, JobEpoch: r.job.Epoch, ID: m.SegmentID, Attempt: m.Attempt, Parts: m.Parts, Bytes: size,
		Bare: isBare(m), ManifestSHA: hex.EncodeToString(sum[:]), InputsChange: change, Inherit: r.job.Kind == KindMerge,
	})
}

// maxManifestBytes bounds what is read of a manifest.
const maxManifestBytes = 256 << 20

// readManifest reads the manifest of a segment's folder. One that is gone or damaged is a *FinalError.
func (b *Builder) readManifest(ctx context.Context, folder string) (*segmenter.Manifest, error) {
	key := folder + "/" + segmenter.ManifestName
	body, err := b.o.Store.Open(ctx, key, 0, -1)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, &FinalError{fmt.Errorf("manifest %s is gone from the store: refresh the segment", key)}
	}
	if err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", key, err)
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxManifestBytes))
	if err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", key, err)
	}
	m, err := segmenter.DecodeManifest(text)
	if err != nil {
		return nil, &FinalError{fmt.Errorf("manifest %s: %w", key, err)}
	}
	if got := segmenter.SegmentFolder(m.CubeID, m.SegmentID, m.Attempt); got != strings.TrimSuffix(folder, "/") {
		return nil, &FinalError{fmt.Errorf("manifest %s says that it is %s", key, got)}
	}
	return m, nil
}

// cubeDefinition reads the definition in a manifest.
func cubeDefinition(m *segmenter.Manifest) (*cube.Cube, error) {
	def := new(cube.Cube)
	if err := json.Unmarshal(m.Definition, def); err != nil {
		return nil, fmt.Errorf("definition in the manifest of segment %d of cube %s: %w", m.Number, m.CubeID, err)
	}
	def.ID, def.Version = m.CubeID, m.DefinitionVersion
	return def, nil
}
