package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Cleaned is what a pass of clean-up found and did.
type Cleaned struct {
	Scanned  int64             `json:"scanned"`  // objects
	Unneeded []catalog.Garbage `json:"unneeded"` // objects, and folders of segments, that nothing names
	Young    int64             `json:"young"`    // unneeded too, but younger than the grace period: they may be on their way
	Marked   int64             `json:"marked"`   // for the first time
	Removed  int64             `json:"removed"`  // objects
	Bytes    int64             `json:"bytes"`    // of Unneeded
	Kept     int64             `json:"kept"`     // marked and not yet old enough
	Only     []string          `json:"only"`     // files of offsets that the catalog has in no other file: they are not touched
	Unknown  []string          `json:"unknown"`  // folders of tables and cubes that the catalog does not know: they are not touched
}

// removeLimit bounds how many retired segments a pass notes as removed; the next one goes on.
const removeLimit = 10_000

// Cleanup removes what nothing names: folders of segments that are not ready, and uploads that were never committed. It
// takes two passes with the grace period between them (B7); a dry run only looks. Alone on a catalog it is run as an
// exclusive task, so that no body writes meanwhile.
func (b *Builder) Cleanup(ctx context.Context, dryRun bool) (*Cleaned, error) {
	c := &cleaning{b: b, now: time.Now(), res: &Cleaned{Unneeded: []catalog.Garbage{}, Only: []string{}, Unknown: []string{}}, objects: map[string][]blob.Object{}}
	// Listings come before the catalog is read: what is committed after them cannot be mistaken.
	c.listTables(ctx)
	for _, prefix := range []string{"staged/", "quarantine/", "ledger/"} {
		if err := c.tables(ctx, prefix); err != nil {
			return nil, err
		}
	}
	if err := c.dictionaries(ctx); err != nil {
		return nil, err
	}
	if err := c.lookups(ctx); err != nil {
		return nil, err
	}
	if err := c.segments(ctx); err != nil {
		return nil, err
	}
	if dryRun {
		return c.res, nil
	}
	return c.res, c.sweep(ctx)
}

func (b *Builder) cleanup(ctx context.Context, _ scheduler.Task) ([]scheduler.Submission, error) {
	res, err := b.Cleanup(ctx, false)
	if err != nil {
		return nil, err
	}
	if err := b.forgetOld(ctx); err != nil {
		return nil, err
	}
	b.m.garbage.WithLabelValues("marked").Set(float64(res.Kept + res.Marked))
	b.m.garbage.WithLabelValues("young").Set(float64(res.Young))
	b.m.removed.Add(float64(res.Removed))
	b.m.lastCleanup.SetToCurrentTime()
	if res.Removed > 0 {
		b.o.Logger.LogAttrs(ctx, slog.LevelInfo, "unneeded objects removed", slog.Int64("bytes", res.Bytes))
	}
	return nil, nil
}

// forgetOld deletes rows of jobs and answers that ended long ago.
func (b *Builder) forgetOld(ctx context.Context) error {
	before := time.Now().Add(-b.o.KeepJobs)
	for {
		n, err := b.o.Catalog.ForgetJobs(ctx, before, 1000)
		if err != nil {
			return err
		}
		m, err := b.o.Catalog.ForgetAnswers(ctx, before, 1000)
		if err != nil {
			return err
		}
		if n < 1000 && m < 1000 {
			return nil
		}
	}
}

// cleaning is one pass.
type cleaning struct {
	b       *Builder
	now     time.Time
	res     *Cleaned
	objects map[string][]blob.Object // of each unneeded key; keys of folders end in "/"

	stored         map[string]hbase.Table // by key; nil: not known
	unneededTables map[string]string      // their names, by key
}

// unneeded notes a key with its objects, unless one of them is young.
func (c *cleaning) unneeded(key, reason string, objects []blob.Object) {
	var size int64
	for _, o := range objects {
		if c.now.Sub(o.ModTime) < c.b.o.Grace {
			c.res.Young++
			return
		}
		size += o.Size
	}
	c.res.Unneeded = append(c.res.Unneeded, catalog.Garbage{Key: key, Reason: reason})
	c.res.Bytes += size
	c.objects[key] = objects
}

// tables looks for files of tables that no commit names.
func (c *cleaning) tables(ctx context.Context, prefix string) error {
	byTable := map[string][]blob.Object{}
	for o, err := range c.b.o.Store.List(ctx, prefix) {
		if err != nil {
			return fmt.Errorf("list %s: %w", prefix, err)
		}
		c.res.Scanned++
		id, _, _ := strings.Cut(strings.TrimPrefix(o.Key, prefix), "/")
		byTable[id] = append(byTable[id], o)
	}
	dropped, err := c.b.o.Catalog.DroppedTables(ctx)
	if err != nil {
		return err
	}
	for id, objects := range byTable {
		named, err := c.named(ctx, id)
		if errors.Is(err, catalog.ErrNotFound) {
			c.unknown(ctx, prefix+id+"/")
			continue
		}
		if err != nil {
			return err
		}
		for _, o := range objects {
			if named[o.Key] {
				continue
			}
			elsewhere := slices.Contains(dropped, id)
			if !elsewhere {
				if elsewhere, err = c.elsewhere(ctx, o.Key); err != nil {
					return err
				}
			}
			if elsewhere {
				c.unneeded(o.Key, "no commit names it", []blob.Object{o})
			} else {
				c.res.Only = append(c.res.Only, o.Key)
			}
		}
	}
	return nil
}

// named lists the files of a table that the catalog needs.
func (c *cleaning) named(ctx context.Context, tableID string) (map[string]bool, error) {
	keys := map[string]bool{}
	for key, err := range c.b.o.Catalog.Referenced(ctx, tableID) {
		if err != nil {
			return nil, err
		}
		keys[key] = true
	}
	return keys, nil
}

// unknown leaves a folder alone whose table or cube this catalog has never had: it was restored from a backup that is older,
// or it is not the catalog that wrote it.
func (c *cleaning) unknown(ctx context.Context, folder string) {
	c.res.Unknown = append(c.res.Unknown, folder)
	c.b.o.Logger.LogAttrs(ctx, slog.LevelWarn, "folder of a table or cube that the catalog does not know is left alone", slog.String("err", folder))
}

// elsewhere reports whether committed files hold all offsets that a file without a commit covers. If not, it may be the
// only copy: a catalog that was restored from a backup does not know what was staged since, and Kafka may have forgotten
// it. Then rebuilding the catalog brings it back.
func (c *cleaning) elsewhere(ctx context.Context, key string) (bool, error) {
	info, err := stage.ParseKey(key)
	if err != nil || info.Kind == stage.LedgerFile {
		return true, nil // it holds no events
	}
	at := info.Range.Start
	q := catalog.LedgerQuery{TableID: info.TableID, Partition: info.Range.Partition, From: info.Range.Start, To: info.Range.End}
	for row, err := range c.b.o.Catalog.Ledger(ctx, q) {
		if err != nil {
			return false, err
		}
		if row.Range.SameLine(info.Range) && row.State == segmenter.Staged && row.Range.Start <= at {
			at = max(at, row.Range.End)
		}
	}
	return at >= info.Range.End, nil
}

// segments looks for folders of segments that are not ready and that no job writes.
func (c *cleaning) segments(ctx context.Context) error {
	folders := map[string][]blob.Object{}
	byCube := map[string][]string{}
	for o, err := range c.b.o.Store.List(ctx, "segments/") {
		if err != nil {
			return fmt.Errorf("list segments: %w", err)
		}
		c.res.Scanned++
		cubeID, id, attempt, _, err := segmenter.ParseSegmentFolder(o.Key)
		if err != nil {
			continue // not ours
		}
		folder := segmenter.SegmentFolder(cubeID, id, attempt) + "/"
		if folders[folder] == nil {
			byCube[cubeID] = append(byCube[cubeID], folder)
		}
		folders[folder] = append(folders[folder], o)
	}
	for cubeID, list := range byCube {
		needed, err := c.needed(ctx, cubeID)
		if errors.Is(err, catalog.ErrNotFound) {
			c.unknown(ctx, "segments/"+cubeID+"/")
			continue
		}
		if err != nil {
			return err
		}
		var others []string // that hold more than a manifest, and so may be named by manifests elsewhere
		for _, folder := range list {
			switch {
			case needed.folders[folder] || needed.writes(folder):
			case slices.ContainsFunc(folders[folder], holdsData):
				others = append(others, folder)
			default:
				c.unneeded(folder, "no ready segment is in it", folders[folder])
			}
		}
		if err := c.shared(ctx, needed, others, folders); err != nil {
			return err
		}
	}
	return c.storeTables(ctx, folders)
}

// holdsData reports whether an object of a segment's folder may be named by the manifest of another.
func holdsData(o blob.Object) bool {
	return !strings.HasSuffix(o.Key, "/"+segmenter.ManifestName) && !strings.HasSuffix(o.Key, "/"+segmenter.DroppedName)
}

// need is what of a cube's folders must stay.
type need struct {
	folders map[string]bool // of ready segments
	epochs  map[int64]bool  // of open jobs, which may be writing
}

func (n need) writes(folder string) bool {
	_, _, attempt, _, err := segmenter.ParseSegmentFolder(strings.TrimSuffix(folder, "/"))
	return err != nil || n.epochs[attempt]
}

func (c *cleaning) needed(ctx context.Context, cubeID string) (need, error) {
	n := need{folders: map[string]bool{}, epochs: map[int64]bool{}}
	jobs, err := c.b.o.Catalog.OpenJobs(ctx, cubeID)
	if err != nil {
		return n, err
	}
	for _, j := range jobs {
		n.epochs[j.Epoch] = true
	}
	for s, err := range c.b.o.Catalog.Segments(ctx, catalog.SegmentQuery{CubeID: cubeID, States: []segmenter.SegmentState{segmenter.SegmentReady}}) {
		if err != nil {
			return n, err
		}
		n.folders[segmenter.SegmentFolder(s.CubeID, s.ID, s.Attempt)+"/"] = true
	}
	return n, nil
}

// shared keeps folders whose files the manifest of a ready segment names: it may name finished files of earlier attempts.
func (c *cleaning) shared(ctx context.Context, n need, others []string, folders map[string][]blob.Object) error {
	if len(others) == 0 {
		return nil
	}
	named := map[string]bool{}
	for folder := range n.folders {
		m, err := c.b.readManifest(ctx, strings.TrimSuffix(folder, "/"))
		if err != nil {
			return fmt.Errorf("what a ready segment needs is not known: %w", err)
		}
		for _, f := range m.Files {
			named[f.Key] = true
		}
	}
	for _, folder := range others {
		if !slices.ContainsFunc(folders[folder], func(o blob.Object) bool { return named[o.Key] }) {
			c.unneeded(folder, "no ready segment is in it", folders[folder])
		}
	}
	return nil
}

// sweep marks what is unneeded for the first time, removes what was marked long enough ago and still is, and takes marks
// away from what is needed again or gone.
func (c *cleaning) sweep(ctx context.Context) error {
	cat := c.b.o.Catalog
	var done []string
	marked := map[string]bool{}
	var due []catalog.Garbage
	for g, err := range cat.Garbage(ctx, c.now.UnixMicro()) {
		if err != nil {
			return err
		}
		marked[g.Key] = true
		switch _, still := c.objects[g.Key]; {
		case isTable(g.Key) && c.stored == nil: // nothing is known of it
			c.res.Kept++
		case !still:
			done = append(done, g.Key)
		case c.now.UnixMicro()-g.MarkedUs >= c.b.o.Grace.Microseconds():
			due = append(due, g)
		default:
			c.res.Kept++
		}
	}
	slices.SortStableFunc(due, byAttempt)
	for _, g := range due {
		if isTable(g.Key) {
			continue // after all files, which need no HBase
		}
		if err := c.remove(ctx, c.objects[g.Key]); err != nil {
			return errors.Join(err, cat.UnmarkGarbage(ctx, c.enableTables(ctx, done)))
		}
		done = append(done, g.Key)
	}
	done = slices.Concat(c.enableTables(ctx, done), c.dropTables(ctx, due))
	if err := cat.UnmarkGarbage(ctx, done); err != nil {
		return err
	}
	var fresh []catalog.Garbage
	for _, g := range c.res.Unneeded {
		if !marked[g.Key] {
			fresh = append(fresh, g)
		}
	}
	c.res.Marked = int64(len(fresh))
	if err := cat.MarkGarbage(ctx, fresh); err != nil {
		return err
	}
	c.disableTables(ctx)
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return c.noteRemoved(ctx)
}

// byAttempt puts what was replaced before what has replaced it: a rebuild between the two must not take it for the newest.
func byAttempt(a, b catalog.Garbage) int {
	attempt := func(g catalog.Garbage) int64 {
		_, _, n, _, err := segmenter.ParseSegmentFolder(strings.TrimSuffix(g.Key, "/"))
		if err != nil {
			return 0 // no folder of a segment
		}
		return n
	}
	return cmp.Compare(attempt(a), attempt(b))
}

// remove deletes objects, a manifest first: a folder without one is nothing, one with a manifest must be whole. A marker of a
// dropped segment says so as long as the manifest is there.
func (c *cleaning) remove(ctx context.Context, objects []blob.Object) error {
	slices.SortStableFunc(objects, func(a, b blob.Object) int {
		first := func(o blob.Object) int {
			if strings.HasSuffix(o.Key, "/"+segmenter.ManifestName) {
				return 0
			}
			return 1
		}
		return first(a) - first(b)
	})
	for _, o := range objects {
		if err := c.b.o.Store.Delete(ctx, o.Key); err != nil {
			return fmt.Errorf("remove %s: %w", o.Key, err)
		}
		c.res.Removed++
	}
	return nil
}

// noteRemoved notes the retired segments whose folders are gone.
func (c *cleaning) noteRemoved(ctx context.Context) error {
	before := c.now.Add(-c.b.o.Grace).UnixMicro()
	list, err := c.b.o.Catalog.RetiredSegments(ctx, before, removeLimit)
	if err != nil {
		return err
	}
	gone := map[string][]int64{}
	for _, s := range list {
		folder := segmenter.SegmentFolder(s.CubeID, s.ID, s.Attempt)
		_, err := blob.Stat(ctx, c.b.o.Store, folder+"/"+segmenter.ManifestName)
		switch {
		case errors.Is(err, blob.ErrNotFound):
			gone[s.CubeID] = append(gone[s.CubeID], s.Number)
		case err != nil:
			return err
		}
	}
	for id, numbers := range gone {
		if err := c.b.o.Catalog.MarkRemoved(ctx, id, numbers); err != nil {
			return err
		}
	}
	return nil
}
