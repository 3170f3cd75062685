package verify

import (
	"context"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// quarantineFile proves that a quarantine file holds exactly the records that were quarantined when the row was
// committed, requeued ones included.
func (t *tableRun) quarantineFile(ctx context.Context, e *catalog.LedgerEntry) error {
	st, ok, err := t.object(ctx, e.Range, e.Quarantine)
	if err != nil || !ok {
		return err
	}
	before, err := atCommit(e)
	if err != nil {
		return nil // the ledger's check has said so
	}
	key := e.Quarantine.Key
	foot, err := stage.ReadQuarantineFooter(ctx, st, key)
	if err != nil {
		return t.broken(ctx, e.Range, key, err)
	}
	m := mismatches{}
	m.text("key", key, stage.QuarantineKey(t.def.ID, e.Range, foot.Epoch))
	m.text("table id", foot.TableID, t.def.ID)
	m.text("project", foot.Project, t.def.Project)
	m.text("table", foot.Table, t.def.Name)
	if v := t.versions[e.Quarantine.Schema]; v != nil {
		m.text("topic", foot.Topic, v.def.Topic)
	}
	m.number("schema", int64(foot.Schema), int64(e.Quarantine.Schema))
	m.text("range", foot.Range.String(), e.Range.String())
	m.number("records", foot.Records, e.Quarantine.Records)
	if foot.Epoch > e.Epoch {
		m.number("epoch", foot.Epoch, e.Epoch)
	}
	if m.report(t, FooterMismatch, e.Range, key); len(m) > 0 {
		return nil
	}
	want := before.Offsets(segmenter.Quarantined)
	n := 0
	for rec, err := range stage.ReadQuarantine(ctx, st, key) {
		switch {
		case err != nil:
			return t.broken(ctx, e.Range, key, err)
		case n == len(want) || rec.Offset != want[n]:
			t.found(RowsMismatch, e.Range, key, "record %d is offset %d, which is not the next quarantined one of the ledger", n+1, rec.Offset)
			return nil
		case rec.Reason == "":
			t.found(RowsMismatch, e.Range, key, "the record of offset %d has no reason", rec.Offset)
			return nil
		}
		n++
	}
	if n < len(want) {
		t.found(RowsMismatch, e.Range, key, "it has no record of the quarantined offset %d", want[n])
	}
	return nil
}

// ledgerFile proves that the file of a skipped or lost range says what the row says.
func (t *tableRun) ledgerFile(ctx context.Context, e *catalog.LedgerEntry) error {
	st, ok, err := t.object(ctx, e.Range, e.LedgerFile)
	if err != nil || !ok {
		return err
	}
	key := e.LedgerFile.Key
	rec, err := stage.ReadLedger(ctx, st, key)
	if err != nil {
		return t.broken(ctx, e.Range, key, err)
	}
	m := mismatches{}
	m.text("key", key, stage.LedgerKey(t.def.ID, e.Range, e.State))
	m.text("table id", rec.TableID, t.def.ID)
	m.text("project", rec.Project, t.def.Project)
	m.text("table", rec.Table, t.def.Name)
	m.text("range", rec.Row.Range.String(), e.Range.String())
	m.text("state", string(rec.Row.State), string(e.State))
	m.text("reason", rec.Row.Reason, e.Reason)
	m.report(t, FooterMismatch, e.Range, key)
	return nil
}
