package builder

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// cubeFiles is what the files say of a cube.
type cubeFiles struct {
	id       string
	tableID  string
	versions map[int]*cube.Cube
	found    []foundManifest
	chosen   []foundManifest
	attempt  int64                        // highest in a name
	number   int64                        // highest in a manifest
	made     int64                        // us, when its first file was written
	given    []foundManifest              // of segments that were given up, higher attempts first
	markers  map[string]segmenter.Dropped // by folder of the segment
	front    catalog.Front                // of the highest revision that a file names
	dropped  bool
}

type foundManifest struct {
	*segmenter.Manifest
	folder  string
	size    int64
	sum     string // of those that are chosen: hex SHA-256
	modTime int64  // us
}

// manifests reads all of them and chooses those that are in force: what a higher attempt holds, a lower one does not.
func (r *rebuilding) manifests(ctx context.Context) error {
	b := &Builder{o: Options{Store: r.st}}
	for o, err := range r.st.List(ctx, "segments/") {
		if err != nil {
			return err
		}
		cubeID, id, attempt, rest, err := segmenter.ParseSegmentFolder(o.Key)
		if err != nil {
			r.ignore("%v", err)
			continue
		}
		c := r.cube(cubeID)
		c.attempt = max(c.attempt, attempt)
		folder := segmenter.SegmentFolder(cubeID, id, attempt)
		if rest == segmenter.DroppedName {
			if err := r.marker(ctx, c, folder, o.Key); err != nil {
				return err
			}
		}
		if rest != segmenter.ManifestName {
			continue
		}
		m, err := b.readManifest(ctx, folder)
		var final *FinalError
		if errors.As(err, &final) {
			r.ignore("%v", err)
			continue
		}
		if err != nil {
			return err
		}
		c.number = max(c.number, m.Number)
		c.frontOf(m.Notes[frontNote])
		c.tableID = m.TableID
		c.found = append(c.found, foundManifest{Manifest: m, folder: folder, size: o.Size, modTime: o.ModTime.UnixMicro()})
	}
	r.named = map[string]string{}
	for _, c := range r.cubes {
		if c.dropped {
			continue
		}
		if err := r.choose(ctx, c); err != nil {
			return err
		}
	}
	if r.unseen > 0 {
		r.res.Warnings = append(r.res.Warnings, fmt.Sprintf("%d segments are in tables of HBase, and no HBase is configured: whether their tables are there was not looked for, and attempts may get names that tables have: set hbase.quorum and rebuild again", r.unseen))
	}
	return nil
}

// listTables lists the tables of HBase. An attempt that left only a table must not be met by a new one, which would have its name.
func (r *rebuilding) listTables(ctx context.Context) error {
	if r.store == nil {
		return nil
	}
	list, err := r.store.Tables(ctx)
	if err != nil {
		return err
	}
	r.stored, r.attempts = map[string]bool{}, map[string]int64{}
	for _, t := range list {
		r.stored[t.Name] = true
		r.attempts[t.CubeID] = max(r.attempts[t.CubeID], t.Attempt) // other catalogs' cubes may be among them
	}
	return nil
}

func isInHBase(m *segmenter.Manifest) bool {
	return m.Stored != nil && m.Stored.Store == string(hbase.StoreName)
}

// marker reads what is said of a segment that was given up. That it is there is what counts, whatever is in it.
func (r *rebuilding) marker(ctx context.Context, c *cubeFiles, folder, key string) error {
	text, err := r.read(ctx, key, maxDefinitionBytes)
	if err != nil {
		return err
	}
	var d segmenter.Dropped
	if err := json.Unmarshal(text, &d); err != nil {
		r.ignore("%s: %v: its segment was dropped, but why is not known", key, err)
	}
	c.markers[folder] = d
	var f catalog.Front
	if json.Unmarshal(d.Front, &f) == nil && f.Revision >= c.front.Revision {
		c.front = f
	}
	return nil
}

// frontOf takes in what a manifest notes; one of an older program notes nothing.
func (c *cubeFiles) frontOf(note json.RawMessage) {
	var f catalog.Front
	if json.Unmarshal(note, &f) == nil && f.Revision > c.front.Revision {
		c.front = f
	}
}

func (r *rebuilding) choose(ctx context.Context, c *cubeFiles) error {
	slices.SortFunc(c.found, func(a, b foundManifest) int { return cmp.Compare(b.Attempt, a.Attempt) })
	replaced := map[string]string{} // ids, by whom
	for _, m := range c.found {
		if by, ok := replaced[m.SegmentID]; ok {
			r.ignore("%s: %s has replaced it", m.folder, by)
			continue
		}
		// Whatever is older than one that was given up had gone before it, even if that one's offsets were built anew in part.
		if i := slices.IndexFunc(c.given, func(o foundManifest) bool { return o.Range.Overlaps(m.Range) }); i >= 0 {
			r.ignore("%s: %s had its offsets and was dropped", m.folder, c.given[i].folder)
			continue
		}
		if d, ok := c.markers[m.folder]; ok {
			r.ignore("%s: %s", m.folder, cmp.Or(d.Reason, "it was dropped"))
			c.given = append(c.given, m)
			if err := r.takeIn(c, m); err != nil {
				return err
			}
			continue
		}
		i := slices.IndexFunc(c.chosen, func(o foundManifest) bool { return o.Number == m.Number || o.Range.Overlaps(m.Range) })
		if i >= 0 {
			r.ignore("%s: %s has its offsets or its number", m.folder, c.chosen[i].folder)
			continue
		}
		why, err := r.damaged(ctx, m)
		if err != nil {
			return err
		}
		if why != "" {
			r.ignore("%s: %s", m.folder, why)
			continue
		}
		if m.sum, err = digest(ctx, r.st, m.folder+"/"+segmenter.ManifestName, m.size); err != nil {
			return err
		}
		if isInHBase(m.Manifest) && r.store == nil {
			r.unseen++
		}
		c.chosen = append(c.chosen, m)
		for _, x := range m.Replaces {
			replaced[x.SegmentID] = m.folder
		}
		if err := r.takeIn(c, m); err != nil {
			return err
		}
	}
	return nil
}

// takeIn notes what a manifest that was in force says beside its segment.
func (r *rebuilding) takeIn(c *cubeFiles, m foundManifest) error {
	for _, in := range m.Inputs {
		r.named[in.Key] = in.SHA256
	}
	if c.versions[m.DefinitionVersion] != nil {
		return nil
	}
	def, err := cubeDefinition(m.Manifest)
	c.versions[m.DefinitionVersion] = def
	return err
}

// damaged says what of a segment's own files is not as its manifest says.
func (r *rebuilding) damaged(ctx context.Context, m foundManifest) (string, error) {
	if isInHBase(m.Manifest) && r.store != nil && !r.stored[m.Stored.Table] {
		return hbase.Key(m.Stored.Table) + " is gone", nil
	}
	for _, f := range m.Files {
		sum, err := digest(ctx, r.st, f.Key, f.Size)
		switch {
		case errors.Is(err, blob.ErrNotFound):
			return f.Key + " is gone", nil
		case errors.Is(err, blob.ErrUnavailable) || ctx.Err() != nil:
			return "", err
		case err != nil:
			return err.Error(), nil
		case sum != f.SHA256:
			return f.Key + " has other bytes than were written", nil
		}
	}
	return "", nil
}

func (r *rebuilding) fillCube(i *catalog.Importer, c *cubeFiles) error {
	in := catalog.CubeImport{TableID: c.tableID, NextSegment: c.number + 1, NextEpoch: max(c.attempt, r.attempts[c.id]) + 1}
	for _, v := range slices.Sorted(maps.Keys(c.versions)) {
		in.Versions = append(in.Versions, c.versions[v])
	}
	if len(in.Versions) == 0 {
		r.ignore("files of cube %s: no definition of it was found", c.id)
		return nil
	}
	last := in.Versions[len(in.Versions)-1]
	if in.TableID == "" {
		in.TableID = r.tableOf(last)
	}
	t := r.tables[in.TableID]
	if t == nil || len(t.versions) == 0 || (t.dropped && !c.dropped) {
		r.ignore("cube %s: its table %s was not found", last.Name, last.Table)
		return nil
	}
	in.Start, in.Revision, in.Dropped = c.front.Ranges, c.front.Revision, c.dropped
	for _, m := range c.chosen {
		in.Start = segmenter.LowerFront(in.Start, m.Range, nil)
	}
	if err := i.Cube(in); err != nil {
		return err
	}
	if c.dropped {
		r.ignore("cubes/%s: cube %s was dropped", c.id, last.Name)
		return nil
	}
	r.res.Cubes++
	slices.SortFunc(c.chosen, func(a, b foundManifest) int { return cmp.Compare(a.Number, b.Number) })
	for _, m := range c.chosen {
		s := catalog.SegmentEntry{Stale: t.stale(m.Manifest), Bare: isBare(m.Manifest), ManifestSHA: m.sum, Segment: segmenter.Segment{
			CubeID: c.id, Number: m.Number, ID: m.SegmentID, Attempt: m.Attempt, State: segmenter.SegmentReady, Version: m.DefinitionVersion,
			Range: m.Range, Parts: m.Parts, Events: m.Measure.Events, MinTimeUs: m.Measure.MinTimeUs, MaxTimeUs: m.Measure.MaxTimeUs,
			Bytes: m.size, Reason: m.Reason, CreatedUs: m.CreatedUs, PublishedUs: m.modTime,
		}}
		for _, f := range m.Files {
			s.Bytes += f.Size
		}
		for _, x := range m.Replaces {
			s.Replaces = append(s.Replaces, x.Number)
		}
		if err := i.Segment(s); err != nil {
			return err
		}
		r.res.Segments++
	}
	return nil
}

// last is the newest definition; nil: there is none.
func (c *cubeFiles) last() *cube.Cube {
	var last *cube.Cube
	for v, def := range c.versions {
		if last == nil || v > last.Version {
			last = def
		}
	}
	return last
}

// tableOf finds the table of a cube that has no segment.
func (r *rebuilding) tableOf(def *cube.Cube) string {
	for id, t := range r.tables {
		if n := len(t.versions); n > 0 && !t.dropped && t.versions[n-1].Name == def.Table && t.versions[n-1].Project == def.Project {
			return id
		}
	}
	return ""
}

// stale reports whether the ledger has other files over a segment's range than its manifest names.
func (t *tableFiles) stale(m *segmenter.Manifest) bool {
	var now []string
	covered := segmenter.Vector{}
	for _, e := range t.rows {
		if !(segmenter.Vector{e.Range}).Overlaps(m.Range) {
			continue
		}
		covered = append(covered, e.Range)
		for _, f := range []*catalog.File{e.File, e.LedgerFile} {
			if f != nil {
				now = append(now, f.Key)
			}
		}
		for _, s := range t.supplements {
			if s.Range.SameLine(e.Range) && slices.ContainsFunc(s.Offsets, e.Range.Contains) {
				now = append(now, s.File.Key)
			}
		}
	}
	var built []string
	for _, in := range m.Inputs {
		if strings.HasPrefix(in.Key, "staged/") || strings.HasPrefix(in.Key, "ledger/") {
			built = append(built, in.Key)
		}
	}
	slices.Sort(now)
	slices.Sort(built)
	return isMixed(m) || !slices.Equal(slices.Compact(now), built) || len(m.Range.Subtract(covered)) > 0
}
