package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// tableFiles is what the files say of a table.
type tableFiles struct {
	id          string
	versions    []*cube.Table
	made        int64 // us, when its first file was written
	dropped     bool
	candidates  []rowFile
	quarantine  map[string]blob.Object
	extra       []rowFile // supplements
	epochs      map[int32]int64
	requeue     int64
	rows        []catalog.LedgerEntry // chosen, by line and offset; their supplements apart
	supplements []catalog.Supplement  // chosen
	slices      []catalog.DictionarySlice
}

// rowFile is a file that may be a row of the ledger, or a supplement.
type rowFile struct {
	blob.Object
	stage.KeyInfo
	record *stage.LedgerRecord // of a lost or skipped range
}

// ledgers chooses the rows of all lines and reads what they say.
func (r *rebuilding) ledgers(ctx context.Context) error {
	for _, prefix := range []string{"staged/", "ledger/", "quarantine/"} {
		for o, err := range r.st.List(ctx, prefix) {
			if err != nil {
				return err
			}
			if err := r.sort(ctx, o); err != nil {
				return err
			}
		}
	}
	for _, t := range sortedByID(r.tables, func(t *tableFiles) string { return t.id }) {
		if t.dropped {
			continue
		}
		for _, f := range r.tiling(t) {
			row, err := r.row(ctx, t, f)
			var format *stage.FormatError
			if errors.As(err, &format) {
				r.ignore("%v: what lies behind it on its line is not taken either", err)
				row, err = catalog.LedgerEntry{}, nil
			}
			if err != nil {
				return err
			}
			if n := len(t.rows); row.Range.Empty() || (n > 0 && t.rows[n-1].Range.SameLine(row.Range) && !t.rows[n-1].Range.Abuts(row.Range)) {
				continue
			}
			t.rows = append(t.rows, row)
		}
	}
	return nil
}

// sort puts a listed file where it belongs.
func (r *rebuilding) sort(ctx context.Context, o blob.Object) error {
	k, err := stage.ParseKey(o.Key)
	if err != nil {
		r.ignore("%v", err)
		return nil
	}
	t := r.table(k.TableID)
	t.epochs[k.Range.Partition] = max(t.epochs[k.Range.Partition], k.Epoch)
	f := rowFile{Object: o, KeyInfo: k}
	switch k.Kind {
	case stage.QuarantineFile:
		t.quarantine[o.Key] = o
	case stage.SupplementFile:
		t.extra = append(t.extra, f)
		t.requeue = max(t.requeue, k.Requeue)
	case stage.LedgerFile:
		l, err := stage.ReadLedger(ctx, r.st, o.Key)
		var format *stage.FormatError
		if errors.As(err, &format) {
			r.ignore("%v", err)
			return nil
		}
		if err != nil {
			return err
		}
		f.record, f.Epoch = &l, l.Epoch
		t.epochs[k.Range.Partition] = max(t.epochs[k.Range.Partition], l.Epoch)
		t.candidates = append(t.candidates, f)
	default:
		t.candidates = append(t.candidates, f)
	}
	return nil
}

// tiling chooses files that tile each line: those that manifests name first, then those of the highest epoch. What does not
// go on without a hole is not taken.
func (r *rebuilding) tiling(t *tableFiles) []rowFile {
	named := func(f rowFile) int {
		if _, ok := r.named[f.Object.Key]; ok {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(t.candidates, func(a, b rowFile) int {
		return cmp.Or(cmp.Compare(named(a), named(b)), cmp.Compare(b.Epoch, a.Epoch))
	})
	byLine := func(a, b rowFile) int {
		return cmp.Or(cmp.Compare(a.Range.Partition, b.Range.Partition), cmp.Compare(a.Range.Generation, b.Range.Generation),
			cmp.Compare(a.Range.Start, b.Range.Start))
	}
	var taken []rowFile // ascending, without overlap
	for _, f := range t.candidates {
		i, _ := slices.BinarySearchFunc(taken, f, byLine)
		switch {
		case f.Range.Empty():
			r.ignore("%s: it holds no offset", f.Object.Key)
		case i < len(taken) && taken[i].Range.Overlaps(f.Range):
			r.ignore("%s: %s has its offsets", f.Object.Key, taken[i].Object.Key)
		case i > 0 && taken[i-1].Range.Overlaps(f.Range):
			r.ignore("%s: %s has its offsets", f.Object.Key, taken[i-1].Object.Key)
		default:
			taken = slices.Insert(taken, i, f)
		}
	}
	var out []rowFile
	for _, f := range taken {
		if n := len(out); n > 0 && out[n-1].Range.SameLine(f.Range) && !out[n-1].Range.Abuts(f.Range) {
			r.ignore("%s: offsets from %d on are missing before it", f.Object.Key, out[n-1].Range.End)
			continue
		}
		out = append(out, f)
	}
	return out
}

// row reads what a file says of its offsets.
func (r *rebuilding) row(ctx context.Context, t *tableFiles, f rowFile) (e catalog.LedgerEntry, err error) {
	e.Epoch = f.Epoch
	file := &catalog.File{Key: f.Object.Key, Size: f.Size, Schema: f.Schema, Format: f.Format}
	if file.SHA256, err = r.digest(ctx, f.Object.Key, f.Size); err != nil {
		return e, err
	}
	if f.record != nil {
		e.LedgerRow, e.LedgerFile = f.record.Row, file
		if n := len(t.versions); n > 0 {
			file.Schema = t.versions[n-1].Version
		}
		return e, nil
	}
	foot, err := r.footer(ctx, f)
	if err != nil {
		return e, err
	}
	file.Records, file.RowHash = foot.Events, foot.RowHash.String()
	e.File = file
	e.LedgerRow = segmenter.LedgerRow{
		Range: foot.Range, State: segmenter.Staged, Events: foot.Events, Exceptions: foot.Exceptions, MinTimeUs: foot.MinTimeUs, MaxTimeUs: foot.MaxTimeUs,
	}
	if n := foot.Exceptions.Count(segmenter.Quarantined); n > 0 {
		key := stage.QuarantineKey(t.id, foot.Range, f.Epoch)
		o, ok := t.quarantine[key]
		if !ok {
			return e, &stage.FormatError{Key: key, Err: errors.New("the quarantine file of a staged one is not there")}
		}
		e.Quarantine = &catalog.File{Key: key, Size: o.Size, Format: cube.NDJSON, Schema: f.Schema, Records: n}
		if e.Quarantine.SHA256, err = digest(ctx, r.st, key, o.Size); err != nil {
			return e, err
		}
	}
	return e, nil
}

func (r *rebuilding) footer(ctx context.Context, f rowFile) (stage.Footer, error) {
	rd, err := stage.Open(ctx, r.st, f.Object.Key, f.Size)
	if err != nil {
		return stage.Footer{}, err
	}
	foot := rd.Footer()
	if foot.Range != f.Range {
		err = &stage.FormatError{Key: f.Object.Key, Err: fmt.Errorf("its footer says that it holds %s", foot.Range)}
	}
	return foot, errors.Join(err, rd.Close())
}

// supplements chooses those whose offsets are all still quarantined: named ones first, then the highest number.
func (r *rebuilding) supplements(ctx context.Context) error {
	for _, t := range r.tables {
		if t.dropped {
			continue
		}
		slices.SortFunc(t.extra, func(a, b rowFile) int {
			_, first := r.named[a.Object.Key]
			_, second := r.named[b.Object.Key]
			if first != second {
				if first {
					return -1
				}
				return 1
			}
			return cmp.Or(cmp.Compare(b.Requeue, a.Requeue), cmp.Compare(a.Object.Key, b.Object.Key))
		})
		left := map[segmenter.PartitionRange]segmenter.Exceptions{}
		for _, e := range t.rows {
			left[e.Range] = e.Exceptions
		}
		for _, f := range t.extra {
			s, err := r.supplement(ctx, t, f)
			var format *stage.FormatError
			if errors.As(err, &format) {
				r.ignore("%v", err)
				continue
			}
			if err != nil {
				return err
			}
			if why := requeue(t.rows, left, s); why != "" {
				r.ignore("%s: %s", f.Object.Key, why)
				continue
			}
			t.supplements = append(t.supplements, s)
		}
		slices.SortFunc(t.supplements, func(a, b catalog.Supplement) int {
			return cmp.Or(cmp.Compare(a.Requeue, b.Requeue), cmp.Compare(a.File.Key, b.File.Key))
		})
	}
	return nil
}

func (r *rebuilding) supplement(ctx context.Context, t *tableFiles, f rowFile) (s catalog.Supplement, err error) {
	rd, err := stage.Open(ctx, r.st, f.Object.Key, f.Size)
	if err != nil {
		return s, err
	}
	defer rd.Close() // frees memory only
	foot := rd.Footer()
	s = catalog.Supplement{
		TableID: t.id, Requeue: f.Requeue, Range: f.Range, MinTimeUs: foot.MinTimeUs, MaxTimeUs: foot.MaxTimeUs,
		File: &catalog.File{Key: f.Object.Key, Size: f.Size, Format: f.Format, Schema: foot.Schema, Records: foot.Events, RowHash: foot.RowHash.String()},
	}
	for g := range rd.Groups() {
		c, err := rd.Read(ctx, g, []int{})
		if err != nil {
			return s, err
		}
		s.Offsets = append(s.Offsets, c.Offsets...)
	}
	if len(s.Offsets) == 0 {
		return s, &stage.FormatError{Key: f.Object.Key, Err: errors.New("it holds no event")}
	}
	s.File.SHA256, err = r.digest(ctx, f.Object.Key, f.Size)
	return s, err
}

// requeue takes the offsets of a supplement out of what is left quarantined, all of them or none.
func requeue(rows []catalog.LedgerEntry, left map[segmenter.PartitionRange]segmenter.Exceptions, s catalog.Supplement) (why string) {
	next := map[segmenter.PartitionRange]segmenter.Exceptions{}
	rest := s.Offsets
	for _, e := range rows {
		if !e.Range.SameLine(s.Range) || len(rest) == 0 || !e.Range.Contains(rest[0]) {
			continue
		}
		n, _ := slices.BinarySearch(rest, e.Range.End)
		now, err := left[e.Range].Remove(segmenter.Quarantined, rest[:n])
		if err != nil {
			return err.Error()
		}
		next[e.Range], rest = now, rest[n:]
	}
	if len(rest) > 0 {
		return fmt.Sprintf("offset %d is in no row of the ledger", rest[0])
	}
	for k, v := range next {
		left[k] = v
	}
	return ""
}

func (t *tableFiles) fill(i *catalog.Importer, res *Rebuilt) error {
	if err := i.Table(t.versions, t.requeue+1); err != nil {
		return err
	}
	if t.dropped {
		return i.DropTable(t.id)
	}
	res.Tables++
	for n, e := range t.rows {
		if n == 0 || !t.rows[n-1].Range.SameLine(e.Range) {
			if err := t.line(i, n); err != nil {
				return err
			}
		}
		if err := i.Commit(catalog.Commit{TableID: t.id, Epoch: e.Epoch, Row: e.LedgerRow, File: e.File, Quarantine: e.Quarantine, LedgerFile: e.LedgerFile}); err != nil {
			return err
		}
		res.Rows++
	}
	for _, s := range t.supplements {
		if err := i.Supplement(s); err != nil {
			return err
		}
		res.Supplements++
	}
	return nil
}

// line opens the generation of row n. Generations before it that left no file were empty.
func (t *tableFiles) line(i *catalog.Importer, n int) error {
	r := t.rows[n].Range
	first := int32(0)
	if n > 0 && t.rows[n-1].Range.Partition == r.Partition {
		first = t.rows[n-1].Range.Generation + 1
	}
	for g := first; g <= r.Generation; g++ {
		at := segmenter.PartitionRange{Partition: r.Partition, Generation: g}
		if g == r.Generation {
			at.Start, at.End = r.Start, r.Start
		}
		if err := i.Line(t.id, catalog.GenerationInfo{PartitionRange: at}, t.epochs[r.Partition]); err != nil {
			return err
		}
	}
	return nil
}
