package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// describe returns the key that an object should have by its own metadata; a file whose rows cannot be read is an error.
func describe(ctx context.Context, st blob.Store, key string) (string, error) {
	info, err := stage.ParseKey(key)
	if err != nil {
		return "", fmt.Errorf("name: %w", err)
	}
	switch info.Kind {
	case stage.QuarantineFile:
		foot, err := stage.ReadQuarantineFooter(ctx, st, key)
		return stage.QuarantineKey(foot.TableID, foot.Range, foot.Epoch), err
	case stage.LedgerFile:
		rec, err := stage.ReadLedger(ctx, st, key)
		return stage.LedgerKey(rec.TableID, rec.Row.Range, rec.Row.State), err
	}
	rd, err := stage.Open(ctx, st, key, -1)
	if err != nil {
		return "", err
	}
	defer rd.Close()
	for g := range rd.Groups() { // to say where it is damaged
		if _, err := rd.Read(ctx, g, nil); err != nil {
			return "", err
		}
	}
	if foot := rd.Footer(); foot.Requeue > 0 {
		return stage.SupplementKey(foot.TableID, foot.Range, foot.Requeue, info.Format), nil
	}
	foot := rd.Footer()
	return stage.StagedKey(foot.TableID, foot.Range, foot.Epoch, foot.Schema, info.Format), nil
}

// stagedFile proves one staged file against its row.
func (t *tableRun) stagedFile(ctx context.Context, e *catalog.LedgerEntry) error {
	st, ok, err := t.object(ctx, e.Range, e.File)
	t.files.Add(1)
	if err != nil || !ok {
		return err
	}
	before, err := atCommit(e)
	if err != nil {
		return nil // the ledger's check has said so
	}
	rd, err := stage.Open(ctx, st, e.File.Key, e.File.Size)
	if err != nil {
		return t.broken(ctx, e.Range, e.File.Key, err)
	}
	defer rd.Close()
	foot := rd.Footer()
	m := mismatches{}
	m.text("key", e.File.Key, stage.StagedKey(t.def.ID, e.Range, foot.Epoch, e.File.Schema, e.File.Format))
	t.checkFooter(&m, foot, rd.Schema(), e.File)
	if foot.Requeue != 0 {
		m.add("it is a supplement of requeue %d", foot.Requeue)
	}
	m.text("range", foot.Range.String(), e.Range.String())
	if foot.Epoch > e.Epoch { // a re-read commits its rows under an epoch it raised itself
		m.number("epoch", foot.Epoch, e.Epoch)
	}
	if want := e.Range.Len() - before.Total(); foot.Events != want {
		m.add("it has %d events for %d offsets less exceptions", foot.Events, want)
	}
	if !slices.Equal(foot.Exceptions, before) {
		m.add("%s", otherExceptions(foot.Exceptions, before))
	}
	lo, hi := foot.MinTimeUs, foot.MaxTimeUs
	has := foot.Events > 0
	for _, s := range e.Supplements {
		if !has {
			lo, hi, has = s.MinTimeUs, s.MaxTimeUs, true
		}
		lo, hi = min(lo, s.MinTimeUs), max(hi, s.MaxTimeUs)
	}
	if has {
		m.number("lowest event time (us)", lo, e.MinTimeUs)
		m.number("highest event time (us)", hi, e.MaxTimeUs)
	}
	if m.report(t, FooterMismatch, e.Range, e.File.Key); len(m) > 0 {
		return nil
	}
	return t.checkRows(ctx, rd, st, subject{rng: e.Range, exceptions: before, file: e.File, live: everything})
}

// checkFooter holds what staged and supplement files have in common against the catalog.
func (t *tableRun) checkFooter(m *mismatches, foot stage.Footer, schema *stage.Schema, f *catalog.File) {
	m.text("table id", foot.TableID, t.def.ID)
	m.text("project", foot.Project, t.def.Project)
	m.text("table", foot.Table, t.def.Name)
	m.number("schema", int64(foot.Schema), int64(f.Schema))
	m.number("events", foot.Events, f.Records)
	m.text("row hash", foot.RowHash.String(), f.RowHash)
	v := t.versions[f.Schema]
	if v == nil {
		m.add("the catalog has no version %d of the definition", f.Schema)
		return
	}
	m.text("topic", foot.Topic, v.def.Topic)
	if why := otherSchema(schema, v.schema); why != "" {
		m.add("%s", why)
	}
}

// otherSchema says where a file's columns are not those of the definition.
func otherSchema(got, want *stage.Schema) string {
	if got.TableID != want.TableID || got.Version != want.Version || got.EventTime != want.EventTime || len(got.Fields) != len(want.Fields) {
		return fmt.Sprintf("its schema is version %d of table %s with %d columns, want version %d of %s with %d",
			got.Version, got.TableID, len(got.Fields), want.Version, want.TableID, len(want.Fields))
	}
	for i, g := range got.Fields {
		w := want.Fields[i]
		w.Type.Format = "" // files do not keep it
		if g.Name != w.Name || g.Kind != w.Kind || g.Type != w.Type {
			return fmt.Sprintf("column %d is %s %s, the definition says %s %s", i, g.Name, g.Type.Kind, w.Name, w.Type.Kind)
		}
	}
	return ""
}

// supplement is one supplement file with the rows that it counts in.
type supplement struct {
	catalog.Supplement
	rows []*catalog.LedgerEntry // ascending
	live []int64                // the offsets that count, ascending
}

// supplements gathers the supplement files of all rows.
func (p *partition) supplements() []*supplement {
	var list []*supplement
	byKey := map[string]*supplement{}
	for i := range p.entries {
		e := &p.entries[i]
		for _, s := range e.Supplements {
			x := byKey[s.File.Key]
			if x == nil {
				x = &supplement{Supplement: s}
				byKey[s.File.Key] = x
				list = append(list, x)
			}
			x.rows = append(x.rows, e)
			x.live = append(x.live, s.Offsets...)
		}
	}
	return list
}

// supplementFile proves one supplement file: its offsets are those that the rows count. Offsets in rows that were
// replaced since are in the file and count no more.
func (t *tableRun) supplementFile(ctx context.Context, s *supplement) error {
	st, ok, err := t.object(ctx, s.Range, s.File)
	t.files.Add(1)
	if err != nil || !ok {
		return err
	}
	rd, err := stage.Open(ctx, st, s.File.Key, s.File.Size)
	if err != nil {
		return t.broken(ctx, s.Range, s.File.Key, err)
	}
	defer rd.Close()
	foot := rd.Footer()
	m := mismatches{}
	m.text("key", s.File.Key, stage.SupplementKey(t.def.ID, s.Range, s.Requeue, s.File.Format))
	t.checkFooter(&m, foot, rd.Schema(), s.File)
	m.text("range", foot.Range.String(), s.Range.String())
	m.number("requeue", foot.Requeue, s.Requeue)
	m.number("lowest event time (us)", foot.MinTimeUs, s.MinTimeUs)
	m.number("highest event time (us)", foot.MaxTimeUs, s.MaxTimeUs)
	if m.report(t, FooterMismatch, s.Range, s.File.Key); len(m) > 0 {
		return nil
	}
	offsets, err := readOffsets(ctx, rd)
	if err != nil {
		return t.broken(ctx, s.Range, s.File.Key, err)
	}
	left := s.live
	for _, off := range offsets {
		switch {
		case len(left) > 0 && left[0] == off:
			left = left[1:]
		case s.counts(off):
			t.found(RowsMismatch, s.Range, s.File.Key, "it holds offset %d, which the ledger does not count as requeued by it", off)
			return nil
		}
	}
	if len(left) > 0 {
		t.found(RowsMismatch, s.Range, s.File.Key, "the ledger counts offset %d as requeued by it, and it does not hold that", left[0])
		return nil
	}
	all, err := segmenter.ExceptionsOf(segmenter.Gap, offsets)
	if err != nil {
		t.found(RowsMismatch, s.Range, s.File.Key, "%v", err)
		return nil
	}
	sub := subject{rng: s.Range, exceptions: without(s.Range, all), file: s.File, live: s.live}
	if len(s.live) == len(offsets) {
		sub.live = everything
	}
	return t.checkRows(ctx, rd, st, sub)
}

// counts reports whether a row that still names the supplement holds the offset.
func (s *supplement) counts(off int64) bool {
	return slices.ContainsFunc(s.rows, func(e *catalog.LedgerEntry) bool { return e.Range.Contains(off) })
}

// without returns the offsets of r that are not in runs, as exceptions.
func without(r segmenter.PartitionRange, runs segmenter.Exceptions) segmenter.Exceptions {
	var out segmenter.Exceptions
	at := r.Start
	for _, x := range runs {
		out = out.Add(segmenter.Gap, at, x.Start)
		at = x.End
	}
	return out.Add(segmenter.Gap, at, r.End)
}

func readOffsets(ctx context.Context, rd *stage.Reader) ([]int64, error) {
	var out []int64
	for g := range rd.Groups() {
		c, err := rd.Read(ctx, g, []int{})
		if err != nil {
			return nil, err
		}
		out = append(out, c.Offsets...)
	}
	return out, nil
}

// mismatches gathers what does not agree in one file, so that it becomes one problem (V3).
type mismatches []string

func (m *mismatches) add(format string, args ...any) { *m = append(*m, fmt.Sprintf(format, args...)) }

func (m *mismatches) text(what, got, want string) {
	if got != want {
		m.add("%s is %s, the catalog says %s", what, got, want)
	}
}

func (m *mismatches) number(what string, got, want int64) {
	if got != want {
		m.add("%s is %d, the catalog says %d", what, got, want)
	}
}

func (m *mismatches) report(t *tableRun, k Kind, r segmenter.PartitionRange, key string) {
	if len(*m) > 0 {
		t.found(k, r, key, "%s", m)
	}
}

func (m *mismatches) String() string { return strings.Join(*m, "; ") }

// otherExceptions shows the first run of two lists that is not the same.
func otherExceptions(got, want segmenter.Exceptions) string {
	at := func(e segmenter.Exceptions, i int) string {
		if i >= len(e) {
			return "none"
		}
		return fmt.Sprintf("%s [%d,%d)", e[i].Kind, e[i].Start, e[i].End)
	}
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	return fmt.Sprintf("exception %d of %d is %s, the ledger's is %s of %d", i+1, len(got), at(got, i), at(want, i), len(want))
}

// isParquet reports whether the second reader can read a file.
func isParquet(f *catalog.File) bool { return f.Format == cube.Parquet }
