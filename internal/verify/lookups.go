package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// newestLookups proves the lookup tables that the cube names as it is now: they are there, and so are their newest snapshots.
func (c *cubeRun) newestLookups(ctx context.Context) error {
	for _, name := range c.def.LookupNames() {
		v, err := c.o.Catalog.Lookup(ctx, c.def.Project, name)
		if errors.Is(err, catalog.ErrNotFound) {
			c.problem(Problem{Kind: lookupMissing, Message: "it names lookup table " + name + ", which the catalog does not have"})
			continue
		}
		if err != nil {
			return err
		}
		in := segmenter.Input{Kind: segmenter.InputLookup, Key: v.Key, Size: v.Size, SHA256: v.SHA256, Records: v.Rows}
		if err := c.snapshotObject(ctx, nil, in); err != nil {
			return err
		}
	}
	return nil
}

// segmentLookups proves the snapshots that a segment's manifest names: one of each lookup table of its definition, known to the
// catalog as the manifest says, and in the store as they were written.
func (c *cubeRun) segmentLookups(ctx context.Context, s *catalog.SegmentEntry, m *segmenter.Manifest) error {
	names := c.snap.Versions[s.Version].LookupNames()
	manifest := folderOf(s) + "/" + segmenter.ManifestName
	found := map[string]bool{}
	for _, in := range m.Inputs {
		if in.Kind != segmenter.InputLookup {
			continue
		}
		id, version, sum, err := lookup.ParseKey(in.Key)
		switch {
		case err != nil:
			c.wrongWith(s, SegmentInputs, manifest, "its lookup input has no name of a snapshot: %v", err)
			return nil
		case sum != in.SHA256:
			c.wrongWith(s, SegmentInputs, manifest, "its lookup input %s has SHA-256 %s", in.Key, in.SHA256)
			return nil
		case found[id]:
			c.wrongWith(s, SegmentInputs, manifest, "it names two versions of lookup table %s", id)
			return nil
		}
		found[id] = true
		versions, err := c.o.Catalog.LookupVersions(ctx, id)
		if err != nil {
			return err
		}
		if why := foreignSnapshot(versions, names, in, version); why != "" {
			c.wrongWith(s, SegmentInputs, manifest, "%s", why)
			return nil
		}
		if err := c.snapshotObject(ctx, s, in); err != nil {
			return err
		}
	}
	if len(found) < len(names) {
		c.wrongWith(s, SegmentInputs, manifest, "it names snapshots of %d lookup tables, its definition has %d", len(found), len(names))
	}
	return nil
}

// foreignSnapshot says why an input can be no snapshot of one of the lookup tables; "": it is one, or a rebuilt catalog does
// not have its table any more.
func foreignSnapshot(versions []catalog.LookupVersion, names []string, in segmenter.Input, version int64) string {
	for _, v := range versions {
		if v.Lookup.Version != version {
			continue
		}
		switch {
		case !slices.Contains(names, v.Lookup.Name):
			return fmt.Sprintf("its input %s is of lookup table %s, which its definition does not name", in.Key, v.Lookup.Name)
		case v.Key != in.Key || v.Size != in.Size || v.SHA256 != in.SHA256 || v.Rows != in.Records:
			return fmt.Sprintf("its snapshot %s has %d bytes, %d rows and SHA-256 %s, the catalog says %s, %d, %d and %s",
				in.Key, in.Size, in.Records, in.SHA256, v.Key, v.Size, v.Rows, v.SHA256)
		}
		return ""
	}
	if len(versions) > 0 {
		return fmt.Sprintf("its snapshot %s is not a version that the catalog has", in.Key)
	}
	return ""
}

// snapshotObject proves one snapshot, once in a run whoever names it. s is nil where the cube itself does.
func (c *cubeRun) snapshotObject(ctx context.Context, s *catalog.SegmentEntry, in segmenter.Input) error {
	c.mu.Lock()
	seen := c.snapshots[in.Key]
	c.snapshots[in.Key] = true
	c.mu.Unlock()
	if seen {
		return nil
	}
	gone := func() error {
		if s != nil {
			return c.missing(ctx, s, FileMissing, in.Key)
		}
		c.problem(Problem{Kind: FileMissing, File: in.Key, Message: "the store has no such object"})
		return nil
	}
	body, err := c.o.Store.Open(ctx, in.Key, 0, -1)
	if errors.Is(err, blob.ErrNotFound) {
		return gone()
	}
	if err != nil {
		return err
	}
	defer body.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(body, in.Size+1))
	c.bytes.Add(n)
	if errors.Is(err, blob.ErrNotFound) {
		return gone()
	}
	if err != nil {
		return err
	}
	if n != in.Size || hex.EncodeToString(sum.Sum(nil)) != in.SHA256 {
		p := Problem{Kind: FileChanged, File: in.Key, Message: fmt.Sprintf("it has not the %d bytes with SHA-256 %s that were written", in.Size, in.SHA256)}
		if s != nil {
			p.Segment = s.Number
		}
		c.problem(p)
		return nil
	}
	return nil
}
