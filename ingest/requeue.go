package ingest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"

	"github.com/tidemarkdb/tidemark/ingest/decode"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// RequeueOptions say which quarantined records are tried again, by the table's newest definition.
type RequeueOptions struct {
	Catalog   *catalog.Catalog
	Store     blob.Store
	Project   string
	Table     string
	Reason    string // only records quarantined for this reason; default: all
	Partition int32  // -1: all
	DryRun    bool   // decode and count, write nothing
	Logger    *slog.Logger
}

// RequeueResult is what became of them.
type RequeueResult struct {
	Requeued int64            `json:"requeued"`
	StillBad int64            `json:"still_bad"`
	ByReason map[string]int64 `json:"still_bad_by_reason"`
	Files    []string         `json:"files"` // supplement files, one per ledger row that had readable records
}

// Requeue decodes quarantined records again, after a mapping was mended. What can be read now goes into a supplement
// file per ledger row; one transaction each turns those offsets from quarantined into read (design section 7). It can be
// run twice: what was requeued is no longer quarantined.
func Requeue(ctx context.Context, o RequeueOptions) (*RequeueResult, error) {
	def, err := o.Catalog.Table(ctx, o.Project, o.Table)
	if err != nil {
		return nil, err
	}
	t, err := compile(def)
	if err != nil {
		return nil, err
	}
	res := &RequeueResult{ByReason: map[string]int64{}, Files: []string{}}
	q := catalog.LedgerQuery{TableID: def.ID, Partition: o.Partition}
	var rows []catalog.LedgerEntry
	for e, err := range o.Catalog.Ledger(ctx, q) {
		if err != nil {
			return nil, err
		}
		if e.Quarantine != nil {
			rows = append(rows, e)
		}
	}
	for _, e := range rows {
		if err := requeueRow(ctx, o, t, e, res); err != nil {
			return res, fmt.Errorf("requeue %s of table %s: %w", e.Range, def.Name, err)
		}
	}
	return res, nil
}

func requeueRow(ctx context.Context, o RequeueOptions, t *table, e catalog.LedgerEntry, res *RequeueResult) error {
	d := t.decoder()
	defer t.giveBack(d)
	var chunks []*stage.Chunk
	var offsets []int64
	for q, err := range stage.ReadQuarantine(ctx, o.Store, e.Quarantine.Key) {
		if err != nil {
			return err
		}
		if o.Reason != "" && q.Reason != o.Reason || !stillQuarantined(e.Exceptions, q.Offset) {
			continue
		}
		rec := decode.Record{Offset: q.Offset, TimestampMs: q.TimestampMs, Key: q.Key, Value: q.Value, Headers: q.Headers}
		if n := len(chunks); n == 0 || chunks[n-1].Rows() == stage.ChunkRows || !decode.Room(chunks[n-1], rec) {
			chunks = append(chunks, stage.NewChunk(t.schema))
		}
		if bad := d.Append(chunks[len(chunks)-1], rec); bad != nil {
			res.StillBad++
			res.ByReason[string(bad.Reason)]++
			continue
		}
		offsets = append(offsets, q.Offset)
	}
	res.Requeued += int64(len(offsets))
	if len(offsets) == 0 || o.DryRun {
		return nil
	}
	key, err := writeSupplement(ctx, o, t, readable{e.Range, chunks, offsets})
	if err != nil {
		return err
	}
	res.Files = append(res.Files, key)
	if o.Logger != nil {
		o.Logger.LogAttrs(ctx, slog.LevelInfo, "records requeued", slog.String("topic", t.def.Topic), slog.Int("partition", int(e.Range.Partition)),
			slog.Int64("start_offset", offsets[0]), slog.Int64("end_offset", offsets[len(offsets)-1]+1))
	}
	return nil
}

func stillQuarantined(ex segmenter.Exceptions, offset int64) bool {
	for _, x := range ex {
		if x.Kind == segmenter.Quarantined && offset >= x.Start && offset < x.End {
			return true
		}
	}
	return false
}

// readable is what could be read of one ledger row's quarantined records.
type readable struct {
	row     segmenter.PartitionRange
	chunks  []*stage.Chunk
	offsets []int64
}

// writeSupplement writes and commits the file of one ledger row's requeued records.
func writeSupplement(ctx context.Context, o RequeueOptions, t *table, r readable) (string, error) {
	def, chunks, offsets := t.def, r.chunks, r.offsets
	number, err := o.Catalog.NextRequeue(ctx, def.ID)
	if err != nil {
		return "", err
	}
	rng := r.row
	rng.Start, rng.End = offsets[0], offsets[len(offsets)-1]+1
	tr := tailRange{chunks: chunks}
	foot := stage.Footer{
		Project: def.Project, Table: def.Name, TableID: def.ID, Topic: def.Topic, Schema: def.Version, Range: rng, Requeue: number,
		Events: int64(len(offsets)),
	}
	foot.MinTimeUs, foot.MaxTimeUs = tr.times()
	var buf bytes.Buffer
	enc, err := stage.Encode(&buf, t.schema, def.Staging.Format, foot, chunks, stage.EncodeOptions{})
	if err != nil {
		return "", err
	}
	key := stage.SupplementKey(def.ID, rng, number, def.Staging.Format)
	if err := blob.CreateSame(ctx, o.Store, key, bytes.NewReader(buf.Bytes())); err != nil {
		return "", err
	}
	return key, o.Catalog.CommitSupplement(ctx, catalog.Supplement{
		TableID: def.ID, Requeue: number, Range: rng, Offsets: offsets, MinTimeUs: foot.MinTimeUs, MaxTimeUs: foot.MaxTimeUs,
		File: &catalog.File{
			Key: key, Size: enc.Size, SHA256: enc.SHA256, Format: def.Staging.Format, Schema: def.Version,
			Records: int64(len(offsets)), RowHash: enc.RowHash.String(),
		},
	})
}
