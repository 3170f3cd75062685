package ingest

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/ingest/decode"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// runRows is how many records one goroutine decodes at a time: the most a chunk may hold.
const runRows = stage.ChunkRows

// decodedRun is what a run of records became: rows of a chunk, unreadable records, and gaps.
type decodedRun struct {
	chunk      *stage.Chunk
	exceptions segmenter.Exceptions
	bad        []stage.QuarantineRecord
	badBytes   int64
	records    int64 // records seen, control records not counted
	bytes      int64 // of their values
	next       int64 // the offset after the last record
	last       *kgo.Record
	rest       []*kgo.Record // did not fit into the chunk: the next run
}

// decodeRun turns records, ascending and all at or behind from, into out.chunk, which must be empty. It stops where the
// chunk is full, which only very large records make it before runRows. The records may be reused by their owner afterwards: what is kept of unreadable ones is copied.
func decodeRun(d *decode.Decoder, from int64, recs []*kgo.Record, chunk *stage.Chunk) decodedRun {
	out := decodedRun{chunk: chunk, next: from}
	var headers []stage.Header
	for i, r := range recs {
		for _, h := range r.Headers {
			headers = append(headers, stage.Header{Key: h.Key, Value: h.Value})
		}
		rec := decode.Record{Offset: r.Offset, TimestampMs: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value, Headers: headers}
		headers = headers[:0]
		if !decode.Room(chunk, rec) {
			out.rest = recs[i:]
			break
		}
		out.exceptions = out.exceptions.Add(segmenter.Gap, out.next, r.Offset)
		out.next = r.Offset + 1
		if r.Attrs.IsControl() {
			out.exceptions = out.exceptions.Add(segmenter.Gap, r.Offset, r.Offset+1)
			continue
		}
		out.last = r
		out.records++
		out.bytes += int64(len(r.Value))
		if bad := d.Append(chunk, rec); bad != nil {
			out.exceptions = out.exceptions.Add(segmenter.Quarantined, r.Offset, r.Offset+1)
			q := quarantined(rec, bad)
			out.bad = append(out.bad, q)
			out.badBytes += int64(len(q.Value)+len(q.Key)) + 128
		}
	}
	return out
}

func quarantined(r decode.Record, why *decode.BadRecord) stage.QuarantineRecord {
	q := stage.QuarantineRecord{
		Offset: r.Offset, TimestampMs: r.TimestampMs, Reason: string(why.Reason), Detail: why.Error(),
		Value: slices.Clone(r.Value), Null: r.Value == nil, Key: slices.Clone(r.Key),
	}
	for _, h := range r.Headers {
		q.Headers = append(q.Headers, stage.Header{Key: h.Key, Value: slices.Clone(h.Value)})
	}
	return q
}
