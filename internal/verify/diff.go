package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// reported swallows what the files' own check has reported already: a file that is missing or damaged.
func (t *tableRun) reported(ctx context.Context, err error) error {
	var format *stage.FormatError
	if ctx.Err() == nil && (errors.Is(err, blob.ErrNotFound) || errors.As(err, &format)) {
		return nil
	}
	return err
}

// difference looks for the offsets of a row at which Kafka and the ledger do not agree. It is slow and runs only where
// hash, exceptions or reasons say that there are some.
type difference struct {
	t         *tableRun
	e         *catalog.LedgerEntry
	version   *version
	want      *reading
	compacted bool

	rows  *fileRows
	kinds map[Kind]*finding
	gone  int64 // offsets that compaction removed since
}

// finding is the first offset of a kind, and how many there are.
type finding struct {
	first  int64
	count  int64
	detail string
}

const eventName = "an event"

// is says what an offset is by the ledger.
func (d *difference) is(off int64) string {
	if k, ok := d.want.exceptions.At(off); ok {
		return string(k)
	}
	return eventName
}

// find reads [from, to) once more and reports one problem a kind.
func (d *difference) find(ctx context.Context, s *stream, from, to int64) error {
	d.kinds = map[Kind]*finding{}
	d.rows = &fileRows{ctx: ctx}
	defer d.rows.close()
	if rd, err := stage.Open(ctx, d.t.o.Store, d.e.File.Key, d.e.File.Size); err == nil {
		d.rows.rd = rd
	} else if err := d.t.reported(ctx, err); err != nil {
		return err
	}
	dec, err := newRowDecoder(d.version)
	if err != nil {
		return err
	}
	again := newStream(s.b, s.t, s.partition, from, to)
	ctx, cancel := context.WithCancel(ctx)
	defer again.close()
	defer cancel()
	at := from
	upTo, _, err := again.read(ctx, from, to, func(r *kgo.Record) error {
		if err := d.gap(at, r.Offset); err != nil {
			return err
		}
		at = r.Offset + 1
		if r.Attrs.IsControl() {
			return d.gap(r.Offset, at)
		}
		return d.record(dec, r)
	})
	if err != nil {
		return err
	}
	if err := d.gap(at, upTo); err != nil {
		return err
	}
	d.report()
	return nil
}

func (d *difference) note(k Kind, off int64, format string, args ...any) {
	f := d.kinds[k]
	if f == nil {
		f = &finding{first: off, detail: fmt.Sprintf(format, args...)}
		d.kinds[k] = f
	}
	f.count++
}

// gap compares offsets of which Kafka shows no record.
func (d *difference) gap(from, to int64) error {
	for off := from; off < to; off++ {
		switch is := d.is(off); {
		case is == string(segmenter.Gap):
		case d.compacted:
			d.gone++
		default:
			d.note(KafkaMissing, off, "Kafka has no record there, and the ledger says %s", is)
		}
	}
	return nil
}

// record compares one record of Kafka with what the ledger says of its offset.
func (d *difference) record(dec *rowDecoder, r *kgo.Record) error {
	c, bad := dec.row(recordOf(r))
	is := d.is(r.Offset)
	switch {
	case is == string(segmenter.Gap):
		d.note(KafkaExtra, r.Offset, "Kafka has a record there, and the ledger says gap")
	case is == eventName && bad != nil:
		d.note(KafkaUnreadable, r.Offset, "it is an event in the file, and Kafka's record is refused: %v", bad)
	case is != eventName && bad == nil:
		d.note(KafkaReadable, r.Offset, "it is quarantined (%s), and Kafka's record is a good event of version %d",
			d.want.reasons[r.Offset], d.e.File.Schema)
	case is != eventName:
		if want := d.want.reasons[r.Offset]; want != string(bad.Reason) {
			d.note(KafkaReason, r.Offset, "it was quarantined as %s, and Kafka's record is refused as %s", want, bad.Reason)
		}
	default:
		return d.event(c, r.Offset)
	}
	return nil
}

// event compares an event of Kafka with the file's.
func (d *difference) event(c *stage.Chunk, off int64) error {
	if d.rows.rd == nil {
		return nil
	}
	ours, i, err := d.rows.at(off)
	if err != nil {
		return d.t.reported(d.rows.ctx, err)
	}
	switch {
	case ours == nil:
		d.note(KafkaValue, off, "the file has no row of it")
	case stage.HashRows(ours, i, i+1) != stage.HashChunk(c):
		d.note(KafkaValue, off, "%s", firstDifference(d.rows.rd.Schema(), ours, i, c))
	}
	return nil
}

func (d *difference) report() {
	key := d.e.File.Key
	for _, k := range []Kind{KafkaValue, KafkaMissing, KafkaExtra, KafkaUnreadable, KafkaReadable, KafkaReason} {
		f := d.kinds[k]
		if f == nil {
			continue
		}
		more := ""
		if f.count > 1 {
			more = fmt.Sprintf(" (the first of %d such offsets in the range)", f.count)
		}
		d.t.found(k, d.e.Range, key, "offset %d: %s%s", f.first, f.detail, more)
	}
	if d.gone > 0 {
		d.t.unchecked(d.gone, d.e.Range.String(), "the topic is compacted and no longer has them")
	}
	if len(d.kinds) == 0 && d.gone == 0 {
		d.t.found(KafkaValue, d.e.Range, key, "the hash of the events in Kafka is another than was committed, though no row of the file differs")
	}
}

// fileRows walks over the rows of a file.
type fileRows struct {
	ctx   context.Context // for the time of one comparison only
	rd    *stage.Reader
	group int
	chunk *stage.Chunk
	i     int
}

// at returns the row of an offset, nil where there is none. Offsets must ascend from call to call.
func (f *fileRows) at(off int64) (*stage.Chunk, int, error) {
	for {
		for f.chunk != nil && f.i < f.chunk.Rows() {
			if got := f.chunk.Offsets[f.i]; got >= off {
				if got > off {
					return nil, 0, nil
				}
				return f.chunk, f.i, nil
			}
			f.i++
		}
		groups := f.rd.Groups()
		for f.group < len(groups) && groups[f.group].LastOffset < off {
			f.group++
		}
		if f.group == len(groups) {
			return nil, 0, nil
		}
		c, err := f.rd.Read(f.ctx, f.group, nil)
		if err != nil {
			return nil, 0, err
		}
		f.chunk, f.i, f.group = c, 0, f.group+1
	}
}

func (f *fileRows) close() {
	if f.rd != nil {
		_ = f.rd.Close() // frees memory, never fails
	}
}

// firstDifference says which column of row i of ours is not that of the only row of theirs.
func firstDifference(s *stage.Schema, ours *stage.Chunk, i int, theirs *stage.Chunk) string {
	if a, b := ours.Timestamps[i], theirs.Timestamps[0]; a != b {
		return fmt.Sprintf("column %s is %d in the file and %d in Kafka", stage.TimestampColumn, a, b)
	}
	for f := range s.Fields {
		a, b := &ours.Columns[f], &theirs.Columns[f]
		if same(a, i, b, 0) {
			continue
		}
		return fmt.Sprintf("column %s is %s in the file and %s in Kafka", s.Fields[f].Name, show(s.Fields[f], a, i), show(s.Fields[f], b, 0))
	}
	return "the rows have other hashes, though every column is equal"
}

func same(a *stage.Column, i int, b *stage.Column, j int) bool {
	if a.IsNull(i) || b.IsNull(j) {
		return a.IsNull(i) == b.IsNull(j)
	}
	switch a.Kind {
	case stage.Float64:
		x, y := a.Float(i), b.Float(j)
		return x == y || x != x && y != y
	case stage.Bytes, stage.Decimal128:
		return bytes.Equal(a.Bytes(i), b.Bytes(j))
	}
	return a.Int(i) == b.Int(j)
}

// maxValue is how many bytes of a value are shown.
const maxValue = 60

func show(f stage.Field, c *stage.Column, i int) string {
	if c.IsNull(i) {
		return "null"
	}
	switch c.Kind {
	case stage.Float64:
		return fmt.Sprint(c.Float(i))
	case stage.Decimal128:
		return fmt.Sprintf("0x%x", c.Bytes(i))
	case stage.Bytes:
		v := c.Bytes(i)
		if len(v) > maxValue {
			return fmt.Sprintf("%q...", v[:maxValue])
		}
		return fmt.Sprintf("%q", v)
	case stage.Bool:
		return fmt.Sprint(c.Int(i) != 0)
	}
	if f.Type.Kind == cube.Timestamp {
		return time.UnixMicro(c.Int(i)).UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprint(c.Int(i))
}
