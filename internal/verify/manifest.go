package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// maxManifestBytes bounds what is read of a manifest.
const maxManifestBytes = 256 << 20

// segment proves one ready segment: its manifest, its files, its inputs, its numbers.
func (c *cubeRun) segment(ctx context.Context, s *catalog.SegmentEntry, objects map[string][]string) error {
	err := c.proveSegment(ctx, s, objects)
	if errors.Is(err, errRetired) {
		c.count(func(*TableReport) { c.report.Segments-- })
		return nil
	}
	return err
}

// errRetired ends the proof of a segment that was retired meanwhile, and whose objects are gone.
var errRetired = errors.New("retired meanwhile")

func (c *cubeRun) proveSegment(ctx context.Context, s *catalog.SegmentEntry, objects map[string][]string) error {
	m, text, err := c.manifest(ctx, s)
	if err != nil || m == nil {
		return err
	}
	if ok, err := c.sameAsRow(ctx, s, m, text); err != nil || !ok {
		return err
	}
	named := map[string]bool{
		folderOf(s) + "/" + segmenter.ManifestName: true,
		folderOf(s) + "/" + segmenter.DroppedName:  true, // a catalog that was restored from before the drop
	}
	for _, f := range m.Files {
		named[f.Key] = true
		if err := c.segmentFile(ctx, s, f); err != nil {
			return err
		}
	}
	for _, key := range objects[folderOf(s)] {
		if !named[key] {
			c.wrongWith(s, SegmentExtra, key, "the manifest does not name it")
		}
	}
	if err := c.segmentLookups(ctx, s, m); err != nil {
		return err
	}
	c.count(func(*TableReport) {
		c.report.Events += m.Measure.Events
		c.report.Bytes += s.Bytes
	})
	b, err := c.inputs(ctx, s, m)
	if err != nil {
		return err
	}
	return c.cuboids(ctx, s, m, b)
}

// manifest reads it, and its bytes. It is nil where a problem was found.
func (c *cubeRun) manifest(ctx context.Context, s *catalog.SegmentEntry) (*segmenter.Manifest, []byte, error) {
	key := folderOf(s) + "/" + segmenter.ManifestName
	text, err := readManifest(ctx, c.o.Store, key)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, nil, c.missing(ctx, s, ManifestMissing, key)
	}
	if err != nil {
		return nil, nil, err
	}
	m, err := segmenter.DecodeManifest(text)
	if err != nil {
		c.wrongWith(s, ManifestUnreadable, key, "%v", err)
		return nil, nil, nil
	}
	return m, text, nil
}

// missing reports an object that is not there. Of a segment that was retired since it is errRetired: clean-up took it.
func (c *cubeRun) missing(ctx context.Context, s *catalog.SegmentEntry, k Kind, key string) error {
	now, err := c.o.Catalog.Segment(ctx, s.CubeID, s.Number)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	if err == nil && now.State == segmenter.SegmentReady && now.ID == s.ID && now.Attempt == s.Attempt {
		c.wrongWith(s, k, key, "the store has no such object")
		return nil
	}
	return errRetired
}

// sameAsRow holds a manifest against the catalog's row: field by field, so that it can say what is another, then by its hash.
func (c *cubeRun) sameAsRow(ctx context.Context, s *catalog.SegmentEntry, m *segmenter.Manifest, text []byte) (bool, error) {
	d := mismatches{}
	d.text("cube id", m.CubeID, s.CubeID)
	d.text("table id", m.TableID, c.snap.TableID)
	d.text("segment id", m.SegmentID, s.ID)
	d.number("number", m.Number, s.Number)
	d.number("attempt", m.Attempt, s.Attempt)
	d.number("definition version", int64(m.DefinitionVersion), int64(s.Version))
	d.text("range", m.Range.String(), s.Range.String())
	if !slices.Equal(m.Parts, s.Parts) {
		d.add("%s", otherPart(m.Parts, s.Parts))
	}
	d.number("events", m.Measure.Events, s.Events)
	d.number("lowest event time (us)", m.Measure.MinTimeUs, s.MinTimeUs)
	d.number("highest event time (us)", m.Measure.MaxTimeUs, s.MaxTimeUs)
	d.text("reason", m.Reason, s.Reason)
	d.number("creation (us)", m.CreatedUs, s.CreatedUs)
	var replaces []int64
	for _, r := range m.Replaces {
		replaces = append(replaces, r.Number)
	}
	d.text("list of replaced segments", fmt.Sprint(replaces), fmt.Sprint(s.Replaces))
	if err := c.sameReplaced(ctx, &d, m); err != nil {
		return false, err
	}
	size := int64(len(text))
	for _, f := range m.Files {
		size += f.Size
	}
	d.number("bytes of its files", size, s.Bytes)
	c.sameDefinition(&d, s, m)
	if sum := sha256.Sum256(text); len(d) == 0 && s.ManifestSHA != "" {
		d.text("SHA-256", hex.EncodeToString(sum[:]), s.ManifestSHA)
	}
	if len(d) > 0 {
		c.wrongWith(s, ManifestMismatch, folderOf(s)+"/"+segmenter.ManifestName, "%s", d.String())
		return false, nil
	}
	if err := s.Validate(); err != nil {
		c.wrongWith(s, SegmentUnreadable, "", "%v", err)
		return false, nil
	}
	return true, nil
}

// sameReplaced holds the ids of replaced segments against their rows, as far as the catalog still has them.
func (c *cubeRun) sameReplaced(ctx context.Context, d *mismatches, m *segmenter.Manifest) error {
	for _, r := range m.Replaces {
		old, err := c.o.Catalog.Segment(ctx, c.def.ID, r.Number)
		switch {
		case errors.Is(err, catalog.ErrNotFound):
			continue
		case err != nil:
			return err
		case old.ID == "": // never built
			continue
		}
		d.text(fmt.Sprintf("id of replaced segment %d", r.Number), r.SegmentID, old.ID)
	}
	return nil
}

// sameDefinition compares definitions as they are understood: a field that was added since either was written is equal.
func (c *cubeRun) sameDefinition(d *mismatches, s *catalog.SegmentEntry, m *segmenter.Manifest) {
	want := c.snap.Versions[s.Version]
	d.text("project", m.Project, want.Project)
	d.text("cube", m.Cube, want.Name)
	def := new(cube.Cube)
	if err := json.Unmarshal(m.Definition, def); err != nil {
		d.add("its definition cannot be read: %v", err)
		return
	}
	if def.ID != "" || def.Version != 0 { // both are said beside it, and need not be in it
		d.text("id in its definition", def.ID, s.CubeID)
		d.number("version in its definition", int64(def.Version), int64(s.Version))
	}
	bare := *want
	def.ID, def.Version, bare.ID, bare.Version = "", 0, "", 0
	got, err := json.Marshal(def)
	if err != nil {
		d.add("its definition cannot be read: %v", err)
		return
	}
	if text, err := json.Marshal(&bare); err != nil || string(text) != string(got) {
		d.add("its definition is not version %d of the catalog", s.Version)
	}
}

func otherPart(got, want []segmenter.PartMeasure) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("part p%d.g%d is %s, the catalog says p%d.g%d %s", got[i].Partition, got[i].Generation, measureText(got[i].Measure),
				want[i].Partition, want[i].Generation, measureText(want[i].Measure))
		}
	}
	return fmt.Sprintf("it has %d parts, the catalog says %d", len(got), len(want))
}

func measureText(m segmenter.Measure) string {
	return fmt.Sprintf("%d events in [%d, %d] us, %d gaps, %d quarantined, %d skipped, %d lost",
		m.Events, m.MinTimeUs, m.MaxTimeUs, m.Gaps, m.Quarantined, m.Skipped, m.Lost)
}

// segmentFile proves one of the segment's own files.
func (c *cubeRun) segmentFile(ctx context.Context, s *catalog.SegmentEntry, f segmenter.SegmentFile) error {
	why, err := c.fileDiffers(ctx, f)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return c.missing(ctx, s, FileMissing, f.Key)
	case err != nil:
		return err
	case why != "":
		c.wrongWith(s, FileChanged, f.Key, "%s", why)
	}
	return nil
}

// fileDiffers says how a file is not what its manifest says; "": it is.
func (r *run) fileDiffers(ctx context.Context, f segmenter.SegmentFile) (why string, err error) {
	body, err := r.o.Store.Open(ctx, f.Key, 0, -1)
	if err != nil {
		return "", err
	}
	defer body.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(body, f.Size+1))
	r.bytes.Add(n)
	if err != nil {
		return "", err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); n != f.Size || got != f.SHA256 {
		return fmt.Sprintf("it has not the %d bytes with SHA-256 %s that its manifest says", f.Size, f.SHA256), nil
	}
	return "", nil
}
