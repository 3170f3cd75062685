package catalog

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// Importer fills an empty catalog with what files say. Its methods belong to one transaction; none of them may be called
// after the function that was given it returns, or by two goroutines.
type Importer struct {
	t     *tx
	parts map[partKey]*part
}

type partKey struct {
	tableID   string
	partition int32
}

// Import runs f in one transaction on an empty catalog; a catalog that holds anything is a *ConflictError. Whatever f
// returns, nothing is visible unless all of it is. It is called right after Open, before anybody else uses c.
func (c *Catalog) Import(ctx context.Context, f func(*Importer) error) error {
	call, cancel := context.WithTimeout(ctx, c.opts.ScanTimeout)
	defer cancel()
	err := c.run(call, c.w, nil, func(t *tx) error {
		if err := t.wantEmpty(); err != nil {
			return err
		}
		i := &Importer{t: t, parts: make(map[partKey]*part)}
		if err := f(i); err != nil {
			return err
		}
		return i.finish()
	})
	return wrap(ctx, "import", err)
}

// finish writes what was counted. Which segments are stale was decided by their manifests, so that changes begin anew.
func (i *Importer) finish() error {
	// Versions that somebody has noted are not known, and must not come to mean other moments: the new ones begin far above.
	if _, err := i.t.exec(`UPDATE moments SET version = version + $1`, now()/1000); err != nil {
		return err
	}
	i.t.at = instant{} // a row may have asked for it
	for _, p := range i.parts {
		if err := i.t.save(p); err != nil {
			return err
		}
	}
	for _, query := range []string{
		`DELETE FROM ledger_changes`,
		`UPDATE tables SET next_change = 1, first_version = (SELECT version FROM moments), first_us = (SELECT at_us FROM moments)`,
		`UPDATE catalog SET revision = revision + 1, cubes_revision = cubes_revision + 1`,
		`UPDATE cubes SET revision = (SELECT cubes_revision FROM catalog)`,
		`UPDATE segments SET revision = (SELECT cubes_revision FROM catalog)`,
	} {
		if _, err := i.t.exec(query); err != nil {
			return err
		}
	}
	return nil
}

// Project makes a project unless it is there.
func (i *Importer) Project(p Project) error {
	_, err := i.t.exec(`INSERT INTO projects (name, owner, created_us) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, p.Name, p.Owner, now())
	return err
}

// Table stores all versions of a table, oldest first, with their ids and numbers. nextRequeue is above every number that
// names a supplement.
func (i *Importer) Table(versions []*cube.Table, nextRequeue int64) error {
	if len(versions) == 0 {
		return fmt.Errorf("a table without a version")
	}
	last := versions[len(versions)-1]
	if err := i.Project(Project{Name: last.Project}); err != nil {
		return err
	}
	if _, err := i.t.exec(`INSERT INTO tables (id, project, name, version, next_requeue, created_us) VALUES ($1, $2, $3, $4, $5, $6)`,
		last.ID, last.Project, last.Name, last.Version, max(nextRequeue, 1), now()); err != nil {
		return fmt.Errorf("table %s/%s: %w", last.Project, last.Name, err)
	}
	for _, v := range versions {
		bare := *v
		bare.ID, bare.Version = "", 0
		text, err := json.Marshal(&bare)
		if err != nil {
			return err
		}
		if err := i.t.addVersion(v, text); err != nil {
			return fmt.Errorf("table %s/%s, version %d: %w", last.Project, last.Name, v.Version, err)
		}
	}
	return nil
}

// DropTable marks a table dropped that was stored before, so that clean-up knows its files.
func (i *Importer) DropTable(id string) error {
	_, err := i.t.exec(`UPDATE tables SET dropped_us = $2, marked = 1 WHERE id = $1`, id, now())
	return err
}

// Line opens a generation of a partition at its first offset; the one before is closed where its rows end. Generations come in
// order, from 0; epoch is the highest that was seen in a name of the partition.
func (i *Importer) Line(tableID string, g GenerationInfo, epoch int64) error {
	key := partKey{tableID, g.Partition}
	p := i.parts[key]
	if p == nil {
		if _, err := i.t.exec(`INSERT INTO partitions (table_id, partition, epoch) VALUES ($1, $2, 0)`, tableID, g.Partition); err != nil {
			return fmt.Errorf("table %s p%d: %w", tableID, g.Partition, err)
		}
		var err error
		if p, err = i.t.lockPartition(tableID, g.Partition); err != nil {
			return err
		}
		p.Begun, p.Generation = true, -1
		i.parts[key] = p
	}
	if g.Generation != p.Generation+1 {
		return fmt.Errorf("%s: generation %d comes after %d", p, g.Generation, p.Generation)
	}
	if p.Generation >= 0 {
		if _, err := i.t.exec(`INSERT INTO generations (table_id, partition, generation, topic_id, start_offset, end_offset, reason, closed_us)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			tableID, g.Partition, p.Generation, p.TopicID, p.Start, p.End, "imported", now()); err != nil {
			return err
		}
	}
	p.Generation, p.TopicID, p.Start, p.End, p.Epoch = g.Generation, g.TopicID, g.Start, g.Start, max(p.Epoch, epoch)
	return nil
}

// Commit appends a row to the generation that was opened last, as Catalog.Commit would have under m's epoch.
func (i *Importer) Commit(m Commit) error {
	if err := m.check(m.TableID); err != nil {
		return err
	}
	p := i.parts[partKey{m.TableID, m.Row.Range.Partition}]
	if p == nil {
		return fmt.Errorf("table %s, row %s: its generation was not opened", m.TableID, m.Row.Range)
	}
	return i.t.append(p, m)
}

// Supplement adds a supplement to rows that were committed before, as CommitSupplement does.
func (i *Importer) Supplement(s Supplement) error {
	runs, err := s.check()
	if err != nil {
		return err
	}
	p := i.parts[partKey{s.TableID, s.Range.Partition}]
	if p == nil {
		return fmt.Errorf("table %s, supplement %s: its partition is not there", s.TableID, s.Range)
	}
	return i.t.supplement(p, s, runs)
}

// CubeImport is a cube as its files say.
type CubeImport struct {
	TableID     string
	Versions    []*cube.Cube     // oldest first, with their ids and numbers
	NextSegment int64            // above every number of a segment
	NextEpoch   int64            // above every attempt in a name
	Start       segmenter.Vector // its front, which is settled; nil: none is known
	Revision    int64            // no lower than any that a file names
	Dropped     bool             // only so that clean-up knows its files; it has no segments
}

// Cube stores all versions of a cube.
func (i *Importer) Cube(m CubeImport) error {
	if len(m.Versions) == 0 {
		return fmt.Errorf("a cube without a version")
	}
	last := m.Versions[len(m.Versions)-1]
	if err := i.Project(Project{Name: last.Project}); err != nil {
		return err
	}
	front, err := json.Marshal(m.Start)
	if err != nil {
		return err
	}
	if _, err := i.t.exec(`UPDATE catalog SET cubes_revision = $1 WHERE cubes_revision < $1`, m.Revision); err != nil {
		return err
	}
	dropped := int64(0)
	if m.Dropped {
		dropped = now()
	}
	if _, err := i.t.exec(`INSERT INTO cubes (id, project, name, table_id, version, revision, next_segment, next_epoch, checked_change, start_ranges,
		settled_ranges, created_us, dropped_us, marked) VALUES ($1, $2, $3, $4, $5, 0, $6, $7, 0, $8, $8, $9, $10, $11)`, last.ID, last.Project, last.Name, m.TableID, last.Version,
		max(m.NextSegment, 1), max(m.NextEpoch, 1), string(front), now(), dropped, flag(m.Dropped)); err != nil {
		return fmt.Errorf("cube %s/%s: %w", last.Project, last.Name, err)
	}
	for _, v := range m.Versions {
		text, err := cubeText(v)
		if err != nil {
			return err
		}
		if err := i.t.addCubeVersion(v, text); err != nil {
			return fmt.Errorf("cube %s/%s, version %d: %w", last.Project, last.Name, v.Version, err)
		}
	}
	return nil
}

// Segment stores a ready or retired segment of a cube that is there. A ready one that overlaps another is an *OverlapError.
// Stale says that its inputs are not those that the ledger has.
func (i *Importer) Segment(s SegmentEntry) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if s.State == segmenter.SegmentNew {
		return fmt.Errorf("segment %d of cube %s is new: only a job can make one", s.Number, s.CubeID)
	}
	texts := make([]string, 3)
	for k, v := range []any{s.Range, append([]int64{}, s.Replaces...), s.Parts} {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		texts[k] = string(text)
	}
	if _, err := i.t.exec(`INSERT INTO segments (cube_id, number, state, version, ranges, replaces, parts, reason, job_id, id, attempt,
		min_time_us, max_time_us, events, bytes, stale, retire_reason, created_us, published_us, retired_us, removed_us, bare,
		manifest_sha256)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)`,
		s.CubeID, s.Number, string(s.State), s.Version, texts[0], texts[1], texts[2], s.Reason, s.JobID, s.ID, s.Attempt,
		s.MinTimeUs, s.MaxTimeUs, s.Events, s.Bytes, flag(s.Stale), s.RetireReason, s.CreatedUs, s.PublishedUs, s.RetiredUs, s.RemovedUs, flag(s.Bare), s.ManifestSHA); err != nil {
		return fmt.Errorf("segment %d of cube %s: %w", s.Number, s.CubeID, err)
	}
	if s.State == segmenter.SegmentRetired {
		return nil
	}
	for _, line := range s.Range {
		over, err := i.t.overlapping(s.CubeID, kindReady, line, 1)
		if err != nil {
			return err
		}
		if len(over) > 0 && !line.Empty() {
			return &OverlapError{CubeID: s.CubeID, Range: line, Has: over[0].Range, Number: over[0].number, State: segmenter.SegmentReady}
		}
	}
	return i.t.addRanges(s, kindReady)
}
