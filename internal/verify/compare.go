package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/zeebo/xxh3"
	"golang.org/x/sync/errgroup"

	"github.com/tidemarkdb/tidemark/ingest/decode"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// againstKafka reads the topic again, several partitions at once, and compares row by row (V2).
func (t *tableRun) againstKafka(ctx context.Context, parts []partition) error {
	t.out.Kafka = &KafkaReport{Notes: []string{}}
	b, err := newBroker(t.o.Kafka)
	if err != nil {
		return err
	}
	defer b.cl.Close()
	top, err := b.topic(ctx, t.def.Topic)
	if err != nil && !errors.Is(err, errNoTopic) {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(t.o.Workers)
	for i := range parts {
		p := &parts[i]
		if p.broken != nil || !p.info.Begun {
			continue
		}
		if gone, why := goneFor(top, p, err); gone != nil {
			t.notCheckable(p, gone, why)
			continue
		}
		g.Go(func() error { return t.comparePartition(ctx, b, top, p) })
	}
	return g.Wait()
}

// goneFor says why Kafka has nothing of a partition's present generation; nil if it has.
func goneFor(top *topic, p *partition, err error) (gone []catalog.LedgerEntry, why string) {
	switch {
	case err != nil:
		return p.entries, err.Error()
	case p.info.TopicID != "" && top.id != "" && p.info.TopicID != top.id:
		return p.entries, fmt.Sprintf("the topic has id %s now and had %s when it was read: it was made again", top.id, p.info.TopicID)
	}
	if _, ok := top.start[p.info.Partition]; !ok {
		return p.entries, "the topic has no such partition"
	}
	return nil, ""
}

// notCheckable counts the staged offsets of rows as such, with one note for all.
func (t *tableRun) notCheckable(p *partition, rows []catalog.LedgerEntry, why string) {
	var n int64
	for i := range rows {
		if rows[i].State == segmenter.Staged {
			n += rows[i].Range.Len()
		}
	}
	t.unchecked(n, fmt.Sprintf("p%d", p.info.Partition), why)
}

func (t *tableRun) unchecked(n int64, where, why string) {
	if n == 0 {
		return
	}
	t.count(func(out *TableReport) {
		out.Kafka.NotCheckable += n
		out.Kafka.Notes = append(out.Kafka.Notes, fmt.Sprintf("%s: %d offsets are not checkable: %s", where, n, why))
		slices.Sort(out.Kafka.Notes)
	})
}

// comparePartition compares all rows of a partition, in order.
func (t *tableRun) comparePartition(ctx context.Context, b *broker, top *topic, p *partition) error {
	ctx, cancel := context.WithCancel(ctx)
	id := p.info.Partition
	lo, hi := top.start[id], top.lastStable[id]
	switch other, err := otherRecord(ctx, b, top, p); {
	case err != nil:
		cancel()
		return err
	case other:
		cancel()
		t.notCheckable(p, p.entries, "the record that was read last is another one there now: the topic was made again")
		return nil
	}
	s := newStream(b, top, id, lo, min(hi, p.info.End))
	defer s.close()
	defer cancel()
	var closed, below, above int64
	for i := range p.entries {
		e := &p.entries[i]
		from, to := max(e.Range.Start, lo), min(e.Range.End, hi)
		switch {
		case e.State != segmenter.Staged || e.File == nil:
			continue
		case e.Range.Generation != p.info.Generation:
			closed += e.Range.Len()
			continue
		case from >= to && e.Range.Start >= hi:
			above += e.Range.Len()
			continue
		case from >= to:
			below += e.Range.Len()
			continue
		}
		below += from - e.Range.Start
		upTo, why, err := t.compareRow(ctx, s, e, from, to)
		if err != nil {
			return err
		}
		if why == "" {
			above += e.Range.End - to
			continue
		}
		// Retention went on meanwhile, or the topic went away: what is left of this row is gone, later ones may be there.
		t.unchecked(e.Range.End-upTo, fmt.Sprintf("p%d [%d,%d)", id, upTo, e.Range.End), why)
		if lo, err = b.start(ctx, top.name, id); err != nil {
			return err
		}
		if lo <= upTo {
			t.notCheckable(p, p.entries[i+1:], why)
			break
		}
	}
	t.unchecked(closed, fmt.Sprintf("p%d", id), "they are of an earlier generation of the topic")
	t.unchecked(below, fmt.Sprintf("p%d", id), fmt.Sprintf("the log starts at %d", lo))
	t.unchecked(above, fmt.Sprintf("p%d", id), fmt.Sprintf("the log ends at %d, before the committed end", hi))
	return nil
}

// otherRecord tells a topic that was made again by the last record that was read (ingest's fingerprint), where the broker
// gives no topic ids.
func otherRecord(ctx context.Context, b *broker, top *topic, p *partition) (bool, error) {
	f, id := p.info.Fingerprint, p.info.Partition
	if p.info.TopicID != "" && top.id != "" || f == nil || f.Offset < top.start[id] || f.Offset >= top.lastStable[id] {
		return false, nil
	}
	other := false
	s := newStream(b, top, id, f.Offset, f.Offset+1)
	_, _, err := s.read(ctx, f.Offset, f.Offset+1, func(r *kgo.Record) error {
		h := xxh3.New()
		_, _ = h.Write(r.Key) // a hash never fails
		_, _ = h.Write([]byte{0})
		_, _ = h.Write(r.Value)
		other = !r.Attrs.IsControl() && (r.Timestamp.UnixMilli() != f.TimestampMs || fmt.Sprintf("%016x", h.Sum64()) != f.Hash)
		return nil
	})
	return other, err
}

// reading is what decoding a row's records again gave.
type reading struct {
	hash       stage.Hash
	exceptions segmenter.Exceptions
	reasons    map[int64]string // of quarantined offsets
	requeued   map[int]stage.Hash
}

// compareRow reads [from, to) of a row again and compares hash, exceptions and reasons. Where they differ it looks for
// the offsets. It returns how far the broker still had the log.
func (t *tableRun) compareRow(ctx context.Context, s *stream, e *catalog.LedgerEntry, from, to int64) (int64, string, error) {
	before, err := atCommit(e)
	if err != nil {
		return to, "", nil // the ledger's check has said so
	}
	v := t.versions[e.File.Schema]
	if v == nil {
		t.found(definitionKind, e.Range, e.File.Key, "the catalog has no version %d of the definition: its records cannot be decoded again", e.File.Schema)
		return to, "", nil
	}
	got, upTo, why, err := t.readAgain(ctx, s, e, from, to)
	if err != nil {
		return 0, "", err
	}
	if upTo <= from {
		return from, why, nil
	}
	want, err := t.expected(ctx, e, from, upTo)
	if err != nil {
		return 0, "", err
	}
	want.exceptions = before.Clip(from, upTo)
	if got.hash == want.hash && slices.Equal(got.exceptions, want.exceptions) && sameReasons(got.reasons, want.reasons) {
		return upTo, why, t.compareRequeued(ctx, e, got, from, upTo)
	}
	d := &difference{t: t, e: e, version: v, want: want, compacted: s.t.compacted}
	return upTo, why, d.find(ctx, s, from, upTo)
}

// readAgain decodes [from, to) as ingest did.
func (t *tableRun) readAgain(ctx context.Context, s *stream, e *catalog.LedgerEntry, from, to int64) (*reading, int64, string, error) {
	v := t.versions[e.File.Schema]
	dec, err := decode.New(v.def, v.schema)
	if err != nil {
		return nil, 0, "", err
	}
	again, err := t.requeuedDecoders(e)
	if err != nil {
		return nil, 0, "", err
	}
	out := &reading{reasons: map[int64]string{}, requeued: map[int]stage.Hash{}}
	chunk := stage.NewChunk(v.schema)
	at, records := from, int64(0)
	upTo, why, err := s.read(ctx, from, to, func(r *kgo.Record) error {
		out.exceptions = out.exceptions.Add(segmenter.Gap, at, r.Offset)
		at = r.Offset + 1
		if r.Attrs.IsControl() {
			out.exceptions = out.exceptions.Add(segmenter.Gap, r.Offset, at)
			return nil
		}
		records++
		rec := recordOf(r)
		if !decode.Room(chunk, rec) {
			out.hash = out.hash.Add(stage.HashChunk(chunk))
			chunk.Reset()
			t.records.Add(int64(stage.ChunkRows))
		}
		bad := dec.Append(chunk, rec)
		if bad == nil {
			return nil
		}
		out.exceptions = out.exceptions.Add(segmenter.Quarantined, r.Offset, at)
		out.reasons[r.Offset] = string(bad.Reason)
		for i, a := range again {
			if _, ok := slices.BinarySearch(e.Supplements[i].Offsets, r.Offset); ok {
				out.requeued[i] = out.requeued[i].Add(a.hash(rec))
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, "", err
	}
	out.hash = out.hash.Add(stage.HashChunk(chunk))
	out.exceptions = out.exceptions.Add(segmenter.Gap, at, upTo)
	t.count(func(o *TableReport) { o.Kafka.Records += records })
	return out, upTo, why, nil
}

func recordOf(r *kgo.Record) decode.Record {
	rec := decode.Record{Offset: r.Offset, TimestampMs: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		rec.Headers = append(rec.Headers, stage.Header{Key: h.Key, Value: h.Value})
	}
	return rec
}

// rowDecoder decodes one record at a time.
type rowDecoder struct {
	dec   *decode.Decoder
	chunk *stage.Chunk
}

func newRowDecoder(v *version) (*rowDecoder, error) {
	dec, err := decode.New(v.def, v.schema)
	if err != nil {
		return nil, err
	}
	return &rowDecoder{dec: dec, chunk: stage.NewChunk(v.schema)}, nil
}

// row decodes one record into the decoder's chunk, which is good until the next call.
func (d *rowDecoder) row(r decode.Record) (*stage.Chunk, *decode.BadRecord) {
	d.chunk.Reset()
	if bad := d.dec.Append(d.chunk, r); bad != nil {
		return nil, bad
	}
	return d.chunk, nil
}

// hash is the hash of the record as an event; where it is none nothing is added, so that the sum is another one.
func (d *rowDecoder) hash(r decode.Record) stage.Hash {
	c, bad := d.row(r)
	if bad != nil {
		return stage.Hash{}
	}
	return stage.HashChunk(c)
}

func (t *tableRun) requeuedDecoders(e *catalog.LedgerEntry) ([]*rowDecoder, error) {
	var out []*rowDecoder
	for _, s := range e.Supplements {
		v := t.versions[s.File.Schema]
		if v == nil {
			return nil, fmt.Errorf("supplement %s: the catalog has no version %d of the definition", s.File.Key, s.File.Schema)
		}
		d, err := newRowDecoder(v)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// expected returns hash and reasons of [from, to) of a row as they were committed. The hash of a whole row is in the
// catalog and was proved against the file; that of a part is taken from the file's rows.
func (t *tableRun) expected(ctx context.Context, e *catalog.LedgerEntry, from, to int64) (*reading, error) {
	out := &reading{reasons: map[int64]string{}}
	var err error
	if from == e.Range.Start && to == e.Range.End {
		out.hash, err = stage.ParseHash(e.File.RowHash)
	} else {
		out.hash, err = t.hashOf(ctx, e.File, func(off int64) bool { return off >= from && off < to })
	}
	if err != nil {
		return out, t.broken(ctx, e.Range, e.File.Key, err)
	}
	if e.Quarantine == nil {
		return out, nil
	}
	for q, err := range stage.ReadQuarantine(ctx, t.o.Store, e.Quarantine.Key) {
		if err != nil {
			return out, t.reported(ctx, err)
		}
		if q.Offset >= from && q.Offset < to {
			out.reasons[q.Offset] = q.Reason
		}
	}
	return out, nil
}

// hashOf returns the hash of the rows of a file that are wanted.
func (t *tableRun) hashOf(ctx context.Context, f *catalog.File, want func(off int64) bool) (sum stage.Hash, err error) {
	rd, err := stage.Open(ctx, t.o.Store, f.Key, f.Size)
	if err != nil {
		return sum, err
	}
	defer rd.Close()
	for g := range rd.Groups() {
		c, err := rd.Read(ctx, g, nil)
		if err != nil {
			return sum, err
		}
		for i, off := range c.Offsets {
			if want(off) {
				sum = sum.Add(stage.HashRows(c, i, i+1))
			}
		}
	}
	return sum, nil
}

func sameReasons(got, want map[int64]string) bool {
	if len(got) != len(want) {
		return false
	}
	for off, r := range want {
		if got[off] != r {
			return false
		}
	}
	return true
}

// compareRequeued holds the events of supplements against the same records decoded again.
func (t *tableRun) compareRequeued(ctx context.Context, e *catalog.LedgerEntry, got *reading, from, to int64) error {
	for i, s := range e.Supplements {
		want, err := t.hashOf(ctx, s.File, func(off int64) bool {
			_, mine := slices.BinarySearch(s.Offsets, off)
			return mine && off >= from && off < to
		})
		if err != nil {
			if err := t.reported(ctx, err); err != nil {
				return err
			}
			continue
		}
		if got.requeued[i] != want {
			t.found(KafkaValue, s.Range, s.File.Key, "Kafka's records at the requeued offsets, decoded by version %d, are not the supplement's events", s.File.Schema)
		}
	}
	return nil
}
