package stage

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"unicode/utf8"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/pages"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// Header is a record header. A nil value is null.
type Header struct {
	Key   string
	Value []byte
}

// QuarantineRecord is a record that could not become an event, as it came, and why.
type QuarantineRecord struct {
	Offset      int64
	TimestampMs int64
	Reason      string // one of the decoder's words
	Detail      string // what, where, what to do
	Value       []byte // empty where Null
	Null        bool   // the value was null: a tombstone
	Key         []byte // nil: the record had none
	Headers     []Header
}

// QuarantineFooter stands in every quarantine file.
type QuarantineFooter struct {
	FormatVersion int                      `json:"format_version"` // set by EncodeQuarantine
	Writer        string                   `json:"writer"`         // set by EncodeQuarantine
	Project       string                   `json:"project"`
	Table         string                   `json:"table"`
	TableID       string                   `json:"table_id"`
	Topic         string                   `json:"topic"`
	Schema        int                      `json:"schema"`
	Range         segmenter.PartitionRange `json:"range"` // of the staged file beside it
	Epoch         int64                    `json:"epoch"`
	Records       int64                    `json:"records"`
}

// quarantineMeta is the metadata of a quarantine file.
type quarantineMeta struct {
	Footer QuarantineFooter `json:"footer"`
	Bytes  int64            `json:"bytes"` // of all lines
	Hash   uint64           `json:"hash"`  // xxh3 of all lines
}

// quarantineLine is a record as a line. Bytes that are UTF-8 stand as text, others as base64 under the second name.
type quarantineLine struct {
	Offset      int64              `json:"_offset"`
	Timestamp   int64              `json:"_timestamp_ms"`
	Reason      string             `json:"reason"`
	Detail      string             `json:"detail"`
	Value       *string            `json:"value"`
	ValueBase64 *string            `json:"value_base64,omitempty"`
	Key         *string            `json:"key"`
	KeyBase64   *string            `json:"key_base64,omitempty"`
	Headers     []quarantineHeader `json:"headers"`
}

type quarantineHeader struct {
	Key         *string `json:"key,omitempty"`
	KeyBase64   *string `json:"key_base64,omitempty"`
	Value       *string `json:"value"`
	ValueBase64 *string `json:"value_base64,omitempty"`
}

// textOrBase64 returns b in one of the two forms; neither means null.
func textOrBase64(b []byte, null bool) (text, coded *string) {
	if null {
		return nil, nil
	}
	s := string(b)
	if utf8.ValidString(s) {
		return &s, nil
	}
	s = base64.StdEncoding.EncodeToString(b)
	return nil, &s
}

// fromText is the inverse of textOrBase64; nil is null.
func fromText(text, coded *string) ([]byte, error) {
	switch {
	case text != nil && coded != nil:
		return nil, fmt.Errorf("both text and base64")
	case text != nil:
		return append([]byte{}, *text...), nil
	case coded != nil:
		return base64.StdEncoding.Strict().AppendDecode([]byte{}, []byte(*coded))
	}
	return nil, nil
}

// EncodeQuarantine writes a whole quarantine file. The records ascend by offset within foot.Range.
func EncodeQuarantine(w io.Writer, foot QuarantineFooter, recs []QuarantineRecord) (Encoded, error) {
	foot.FormatVersion, foot.Writer, foot.Records = FormatVersion, WriterVersion, int64(len(recs))
	out := pages.NewOutput(w)
	lines, err := newLineWriter()
	if err != nil {
		return Encoded{}, err
	}
	lines.start(out)
	lines.group()
	last := foot.Range.Start - 1
	for i := range recs {
		rec := &recs[i]
		if rec.Offset <= last || rec.Offset >= foot.Range.End {
			return Encoded{}, fmt.Errorf("quarantine %s: offset %d after %d", foot.Range, rec.Offset, last)
		}
		last = rec.Offset
		var line bytes.Buffer
		text := json.NewEncoder(&line)
		text.SetEscapeHTML(false)
		if err := text.Encode(lineOf(rec)); err != nil {
			return Encoded{}, fmt.Errorf("quarantine %s: offset %d: %w", foot.Range, rec.Offset, err)
		}
		lines.line = line.Bytes()
		if err := lines.write(); err != nil {
			return Encoded{}, fmt.Errorf("quarantine %s: %w", foot.Range, err)
		}
	}
	if err := lines.finish(quarantineMeta{Footer: foot, Bytes: lines.n, Hash: lines.sum.Sum64()}); err != nil {
		return Encoded{}, fmt.Errorf("quarantine %s: %w", foot.Range, err)
	}
	return Encoded{Size: out.N, SHA256: out.SHA256()}, nil
}

func lineOf(r *QuarantineRecord) quarantineLine {
	l := quarantineLine{Offset: r.Offset, Timestamp: r.TimestampMs, Reason: r.Reason, Detail: r.Detail, Headers: []quarantineHeader{}}
	l.Value, l.ValueBase64 = textOrBase64(r.Value, r.Null)
	l.Key, l.KeyBase64 = textOrBase64(r.Key, r.Key == nil)
	for _, h := range r.Headers {
		var x quarantineHeader
		x.Key, x.KeyBase64 = textOrBase64([]byte(h.Key), false)
		x.Value, x.ValueBase64 = textOrBase64(h.Value, h.Value == nil)
		l.Headers = append(l.Headers, x)
	}
	return l
}

func (l *quarantineLine) record() (r QuarantineRecord, err error) {
	r = QuarantineRecord{Offset: l.Offset, TimestampMs: l.Timestamp, Reason: l.Reason, Detail: l.Detail}
	if r.Value, err = fromText(l.Value, l.ValueBase64); err != nil {
		return r, fmt.Errorf("value: %w", err)
	}
	r.Null = r.Value == nil
	if r.Key, err = fromText(l.Key, l.KeyBase64); err != nil {
		return r, fmt.Errorf("key: %w", err)
	}
	for _, h := range l.Headers {
		key, err := fromText(h.Key, h.KeyBase64)
		if err != nil {
			return r, fmt.Errorf("header: %w", err)
		}
		value, err := fromText(h.Value, h.ValueBase64)
		if err != nil {
			return r, fmt.Errorf("header %s: %w", key, err)
		}
		r.Headers = append(r.Headers, Header{Key: string(key), Value: value})
	}
	return r, nil
}

// ReadQuarantineFooter returns what a quarantine file says of itself.
func ReadQuarantineFooter(ctx context.Context, st blob.Store, key string) (QuarantineFooter, error) {
	src := &pages.Source{Store: st, Key: key, Size: -1}
	meta, _, err := readQuarantineMeta(ctx, src)
	return meta.Footer, err
}

func readQuarantineMeta(ctx context.Context, src *pages.Source) (meta quarantineMeta, frame int64, err error) {
	if err = src.Stat(ctx); err != nil {
		return meta, 0, err
	}
	err = pages.Guarded(src.Key, func() (err error) {
		if frame, err = readTrailer(ctx, src, &meta); err != nil {
			return err
		}
		if meta.Footer.FormatVersion != FormatVersion {
			return pages.Corrupt("footer: format version %d, this program reads %d: use the tidemark that wrote it (%s) or a newer one",
				meta.Footer.FormatVersion, FormatVersion, meta.Footer.Writer)
		}
		if meta.Footer.Records < 0 || meta.Bytes < 0 {
			return pages.Corrupt("footer: %d records in %d bytes", meta.Footer.Records, meta.Bytes)
		}
		return nil
	})
	return meta, frame, err
}

// ReadQuarantine yields the records of a quarantine file in order, one in memory at a time. An error is the last thing
// it yields: a *FormatError for a file that is not whole.
func ReadQuarantine(ctx context.Context, st blob.Store, key string) iter.Seq2[QuarantineRecord, error] {
	return func(yield func(QuarantineRecord, error) bool) {
		src := &pages.Source{Store: st, Key: key, Size: -1}
		meta, frame, err := readQuarantineMeta(ctx, src)
		if err != nil {
			yield(QuarantineRecord{}, err)
			return
		}
		lines, err := openLines(ctx, src, frame)
		if err != nil {
			yield(QuarantineRecord{}, err)
			return
		}
		defer lines.close()
		lines.group(meta.Bytes)
		for n := range meta.Footer.Records {
			var rec QuarantineRecord
			err := pages.Guarded(key, func() (err error) {
				rec, err = nextQuarantined(lines, n)
				return err
			})
			if !yield(rec, err) || err != nil {
				return
			}
		}
		if err := pages.Guarded(key, func() error { return lines.check(meta.Hash) }); err != nil {
			yield(QuarantineRecord{}, err)
		}
	}
}

func nextQuarantined(lines *lineReader, n int64) (QuarantineRecord, error) {
	line, err := lines.next()
	if err != nil {
		return QuarantineRecord{}, err
	}
	var l quarantineLine
	if err := json.Unmarshal(line, &l); err != nil {
		return QuarantineRecord{}, pages.Corrupt("line %d: %v", n+1, err)
	}
	rec, err := l.record()
	if err != nil {
		return QuarantineRecord{}, pages.Corrupt("line %d: %v", n+1, err)
	}
	return rec, nil
}
