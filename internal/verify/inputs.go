package verify

import (
	"context"
	"fmt"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// mixedNote is what builder notes on a merged segment whose parts were built before and after a requeue of one row.
const mixedNote = "mixed_inputs"

// built is a ready segment with the ledger's rows over its range, and what it was built from.
type built struct {
	*catalog.SegmentEntry
	m     *segmenter.Manifest
	named map[string]segmenter.Input
	mixed bool
}

// inputs proves that a segment was built from the files that the ledger names over its range, or that it is known to be
// stale; and that it counts what is in the files that it was built from. It returns nil where a problem was found.
func (c *cubeRun) inputs(ctx context.Context, s *catalog.SegmentEntry, m *segmenter.Manifest) (*built, error) {
	b := &built{SegmentEntry: s, m: m, named: map[string]segmenter.Input{}, mixed: string(m.Notes[mixedNote]) == "true"}
	for _, in := range m.Inputs {
		b.named[in.Key] = in
	}
	if missing := c.notInLedger(s.Range); len(missing) > 0 {
		c.problem(Problem{
			Kind: SegmentRange, Segment: s.Number, Range: &missing[0], Message: "no row of the ledger holds these offsets",
		})
		return nil, nil
	}
	if why := c.foreign(b); why != "" {
		c.wrongWith(s, SegmentInputs, folderOf(s)+"/"+segmenter.ManifestName, "%s", why)
		return nil, nil
	}
	why := c.changed(b)
	known := s.Stale
	if !known {
		var err error
		if known, err = c.o.Catalog.ChangedSince(ctx, c.snap.TableID, s.InputsChange, s.Range); err != nil {
			return nil, err
		}
	}
	switch {
	case why != "" && !known:
		c.wrongWith(s, SegmentInputs, folderOf(s)+"/"+segmenter.ManifestName, "%s, and no change of the ledger that was noted explains it", why)
		return nil, nil
	case known:
		if why == "" {
			why = "events in its range have changed since its inputs were read"
		}
		c.count(func(*TableReport) {
			c.report.Stale++
			c.stale = append(c.stale, StaleSegment{Cube: c.name(), Segment: s.Number, Path: folderOf(s), Range: s.Range, Why: why})
		})
	}
	ok, err := c.counts(ctx, b)
	if err != nil || !ok {
		return nil, err
	}
	return b, nil
}

// notInLedger returns the offsets of v that no row holds.
func (c *cubeRun) notInLedger(v segmenter.Vector) []segmenter.PartitionRange {
	var have []segmenter.PartitionRange
	for _, r := range v {
		for _, e := range c.rowsOver(r) {
			have = append(have, e.Range)
		}
	}
	return v.Subtract(have)
}

// foreign says which input could never have been one: of another table or other offsets, or not the file that the catalog
// knows under its name. Those that the catalog no longer names are taken by their names.
func (c *cubeRun) foreign(b *built) string {
	files := map[string]*catalog.File{}
	for _, e := range c.over(b.Range) {
		for _, f := range filesOf(e) {
			files[f.Key] = f
		}
	}
	for _, in := range b.m.Inputs {
		if in.Kind == segmenter.InputDictionary {
			if why := c.foreignSlice(in); why != "" {
				return why
			}
		}
		if in.Kind == segmenter.InputLookup || in.Kind == segmenter.InputDictionary {
			continue
		}
		k, err := stage.ParseKey(in.Key)
		kinds := map[stage.KeyKind]segmenter.InputKind{
			stage.StagedFile: segmenter.InputStaged, stage.SupplementFile: segmenter.InputSupplement, stage.LedgerFile: segmenter.InputLedger,
		}
		switch f := files[in.Key]; {
		case err != nil:
			return fmt.Sprintf("its input %v", err)
		case k.TableID != c.snap.TableID || kinds[k.Kind] != in.Kind:
			return fmt.Sprintf("its %s input %s is not one of this table", in.Kind, in.Key)
		case k.Kind != stage.SupplementFile && !(segmenter.Vector{k.Range}).Overlaps(b.Range):
			return fmt.Sprintf("its input %s holds none of its offsets", in.Key)
		case f != nil && !c.isWrong(in.Key) && (f.Size != in.Size || f.SHA256 != in.SHA256 || f.Records != in.Records):
			return fmt.Sprintf("its input %s has %d bytes, %d records and SHA-256 %s, the catalog says %d, %d and %s",
				in.Key, in.Size, in.Records, in.SHA256, f.Size, f.Records, f.SHA256)
		}
	}
	return ""
}

// over returns the rows over all lines of a vector.
func (c *cubeRun) over(v segmenter.Vector) (out []*catalog.LedgerEntry) {
	for _, r := range v {
		out = append(out, c.rowsOver(r)...)
	}
	return out
}

// filesOf lists the files of a row that a build reads.
func filesOf(e *catalog.LedgerEntry) (list []*catalog.File) {
	for _, f := range []*catalog.File{e.File, e.LedgerFile} {
		if f != nil {
			list = append(list, f)
		}
	}
	for _, s := range e.Supplements {
		list = append(list, s.File)
	}
	return list
}

// changed says how the ledger's files are others than those of the manifest; "": they are the same.
func (c *cubeRun) changed(b *built) string {
	now := map[string]bool{}
	for _, e := range c.over(b.Range) {
		for _, f := range filesOf(e) {
			now[f.Key] = true
			if _, ok := b.named[f.Key]; !ok {
				return fmt.Sprintf("the ledger has %s, which it was not built from", f.Key)
			}
		}
	}
	for _, in := range b.m.Inputs {
		if in.Kind != segmenter.InputLookup && in.Kind != segmenter.InputDictionary && !now[in.Key] {
			return fmt.Sprintf("it was built from %s, which the ledger no longer names", in.Key)
		}
	}
	if b.mixed {
		return "its parts were built before and after a requeue"
	}
	return ""
}

// counts proves each part against the files that it was built from. same is false where one is not what they hold.
func (c *cubeRun) counts(ctx context.Context, b *built) (same bool, err error) {
	same = true
	for i, r := range b.Range {
		want, ok, err := c.measure(ctx, b, r)
		if err != nil {
			return false, err
		}
		got := b.m.Parts[i].Measure
		if ok && !want.allows(got) {
			same = false
			c.problem(Problem{
				Kind: SegmentCounts, Segment: b.Number, Range: &r,
				Message: fmt.Sprintf("it has %s; its inputs hold %s", measureText(got), measureText(want.Measure)),
			})
		}
	}
	return same, nil
}

// bounds is a measure with the widest event times that a part may have. The ledger knows the times of a whole supplement
// only: where it reaches over several rows, a part that was measured by rows has wider times than one that was read.
type bounds struct {
	segmenter.Measure
	widest segmenter.Measure
}

func (w bounds) allows(m segmenter.Measure) bool {
	if m.Events > 0 && m.MinTimeUs >= w.widest.MinTimeUs && m.MinTimeUs <= w.MinTimeUs &&
		m.MaxTimeUs <= w.widest.MaxTimeUs && m.MaxTimeUs >= w.MaxTimeUs {
		m.MinTimeUs, m.MaxTimeUs = w.MinTimeUs, w.MaxTimeUs
	}
	return m == w.Measure
}

// measure measures what a segment's inputs hold of one line. ok is false where that cannot be known any more: rows were read
// again since, or its parts are of different states of a row, or a file is damaged and named already.
func (c *cubeRun) measure(ctx context.Context, b *built, r segmenter.PartitionRange) (w bounds, ok bool, err error) {
	for _, e := range c.rowsOver(r) {
		if c.uncountable(b, e) != "" {
			return w, false, nil
		}
		m, wide, ok, err := c.measureRow(ctx, b, e, r)
		if err != nil || !ok {
			return w, false, err
		}
		w.Measure, w.widest = w.Add(m), w.widest.Add(wide)
	}
	return w, true, nil
}

// measureRow measures the part of a row that lies in r, as it was with the supplements that the segment was built from.
func (c *cubeRun) measureRow(ctx context.Context, b *built, e *catalog.LedgerEntry, r segmenter.PartitionRange) (m, wide segmenter.Measure, ok bool, err error) {
	row, used, err := asBuilt(e, b.named)
	if err != nil {
		return m, wide, false, nil // the ledger's check has said so
	}
	m = segmenter.MeasureRow(row, r)
	whole := e.Range.Start >= r.Start && e.Range.End <= r.End
	if m.Events == 0 || (whole && len(e.Supplements) == 0) {
		return m, m, true, nil
	}
	read := segmenter.Measure{}
	for _, s := range spansOf(e, used, r) {
		found, ok, err := c.times(ctx, e.Range, s)
		if err != nil || !ok {
			return m, wide, false, err
		}
		read = read.Add(found)
	}
	if read.Events != m.Events {
		return m, wide, false, nil // the files' proof has said so
	}
	m.MinTimeUs, m.MaxTimeUs = read.MinTimeUs, read.MaxTimeUs
	wide = m
	for _, s := range used {
		if whole {
			wide.MinTimeUs, wide.MaxTimeUs = min(wide.MinTimeUs, s.MinTimeUs), max(wide.MaxTimeUs, s.MaxTimeUs)
		}
	}
	return m, wide, true, nil
}

// asBuilt returns a row without the supplements that are not among the inputs, and those that are.
func asBuilt(e *catalog.LedgerEntry, named map[string]segmenter.Input) (segmenter.LedgerRow, []catalog.Supplement, error) {
	row := e.LedgerRow
	var used []catalog.Supplement
	for _, s := range e.Supplements {
		if _, ok := named[s.File.Key]; ok {
			used = append(used, s)
			continue
		}
		back, err := segmenter.ExceptionsOf(segmenter.Quarantined, s.Offsets)
		if err != nil {
			return row, nil, err
		}
		if row.Exceptions, err = row.Exceptions.Merge(back); err != nil {
			return row, nil, err
		}
		row.Events -= int64(len(s.Offsets))
	}
	return row, used, nil
}

// span is the part of a file whose event times are wanted.
type span struct {
	f    *catalog.File
	in   segmenter.PartitionRange // no offset outside of it is kept
	keep func(offset int64) bool
}

// times reads event times. ok is false where the file cannot be read, which is a problem of its own.
func (c *cubeRun) times(ctx context.Context, r segmenter.PartitionRange, s span) (m segmenter.Measure, ok bool, err error) {
	rd, err := stage.Open(ctx, c.o.Store, s.f.Key, s.f.Size)
	if err != nil {
		return m, false, c.broken(ctx, r, s.f.Key, err)
	}
	defer rd.Close()
	column := rd.Schema().EventTime
	for g, x := range rd.Groups() {
		if x.LastOffset < s.in.Start || x.FirstOffset >= s.in.End {
			continue
		}
		ch, err := rd.Read(ctx, g, []int{column})
		if err != nil {
			return m, false, c.broken(ctx, r, s.f.Key, err)
		}
		for i, off := range ch.Offsets {
			if s.keep(off) {
				us := ch.Columns[column].Int(i)
				m = m.Add(segmenter.Measure{Events: 1, MinTimeUs: us, MaxTimeUs: us})
			}
		}
	}
	return m, true, nil
}
