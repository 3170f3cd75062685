package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// frontNote is the note of a manifest that says where its cube began when it was built.
const frontNote = "front"

func noteFront(m *segmenter.Manifest, f catalog.Front) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if m.Notes == nil {
		m.Notes = segmenter.Notes{}
	}
	m.Notes[frontNote] = text
	return nil
}

// markBatch is how many markers of segments one pass writes before it notes them.
const markBatch = 500

// markAll writes the markers of all that was dropped up to a revision of cubes. What fails is tried by the next pass.
func (b *Builder) markAll(ctx context.Context, revision int64) {
	for {
		more, err := b.markSome(ctx)
		if err != nil {
			b.o.Logger.LogAttrs(ctx, slog.LevelWarn, "markers of what was dropped are not all written", slog.Any("err", err))
			return
		}
		if !more {
			break
		}
	}
	b.upkeep.mu.Lock()
	defer b.upkeep.mu.Unlock()
	b.upkeep.marked = revision
}

// markSome writes a marker for each that lacks one. The catalog came first: a marker without a drop would lose a segment,
// a drop without a marker brings one back at worst.
func (b *Builder) markSome(ctx context.Context) (more bool, err error) {
	u, err := b.o.Catalog.Unmarked(ctx, markBatch)
	if err != nil || len(u.Tables)+len(u.Cubes)+len(u.Segments) == 0 {
		return false, err
	}
	for _, id := range u.Tables {
		if err := b.mark(ctx, "tables/"+id, segmenter.Dropped{Kind: "table", ID: id}); err != nil {
			return false, err
		}
	}
	for _, id := range u.Cubes {
		if err := b.mark(ctx, "cubes/"+id, segmenter.Dropped{Kind: "cube", ID: id}); err != nil {
			return false, err
		}
	}
	for _, s := range u.Segments {
		if s.RemovedUs != 0 {
			continue // nothing is left that could come back
		}
		front, err := json.Marshal(u.Fronts[s.CubeID])
		if err != nil {
			return false, err
		}
		d := segmenter.Dropped{Kind: "segment", ID: s.ID, Number: s.Number, Reason: s.RetireReason, RetiredUs: s.RetiredUs, Front: front}
		if err := b.mark(ctx, segmenter.SegmentFolder(s.CubeID, s.ID, s.Attempt), d); err != nil {
			return false, err
		}
	}
	return u.More, b.o.Catalog.Marked(ctx, u)
}

// mark writes a marker. One that is there is as good: that it is there is what counts, and its front is of an earlier moment.
func (b *Builder) mark(ctx context.Context, folder string, d segmenter.Dropped) error {
	text, err := d.Encode()
	if err != nil {
		return err
	}
	key := folder + "/" + segmenter.DroppedName
	if err := b.o.Store.Create(ctx, key, bytes.NewReader(text)); err != nil && !errors.Is(err, blob.ErrExists) {
		return fmt.Errorf("write marker %s: %w", key, err)
	}
	return nil
}

// unmark removes the markers of what a restored catalog has: it was dropped after the backup was made. A rebuild would take the
// marker at its word, and clean-up would then remove the files of tables that are in force.
func unmark(ctx context.Context, st blob.Store, c *catalog.Catalog) error {
	live := map[string]bool{} // folders
	tables, err := c.Tables(ctx, "")
	if err != nil {
		return err
	}
	for _, t := range tables {
		live["tables/"+t.ID] = true
	}
	cubes, err := c.Cubes(ctx, "")
	if err != nil {
		return err
	}
	for _, info := range cubes {
		live["cubes/"+info.Cube.ID] = true
		q := catalog.SegmentQuery{CubeID: info.Cube.ID, States: []segmenter.SegmentState{segmenter.SegmentReady}}
		for s, err := range c.Segments(ctx, q) {
			if err != nil {
				return err
			}
			live[segmenter.SegmentFolder(s.CubeID, s.ID, s.Attempt)] = true
		}
	}
	for _, prefix := range []string{"tables/", "cubes/", "segments/"} {
		for o, err := range st.List(ctx, prefix) {
			if err != nil {
				return fmt.Errorf("list %s: %w", prefix, err)
			}
			if path.Base(o.Key) != segmenter.DroppedName || !live[path.Dir(o.Key)] {
				continue
			}
			if err := st.Delete(ctx, o.Key); err != nil {
				return fmt.Errorf("remove marker %s: %w", o.Key, err)
			}
		}
	}
	return nil
}
