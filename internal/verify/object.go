package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// object reads a whole object once (V5), holds it against size and SHA-256 of its commit, and returns a store to read it from.
// ok is false where a problem was found and reading on makes no sense.
func (t *tableRun) object(ctx context.Context, r segmenter.PartitionRange, f *catalog.File) (st blob.Store, ok bool, err error) {
	body, err := t.o.Store.Open(ctx, f.Key, 0, -1)
	if err != nil {
		return nil, false, t.broken(ctx, r, f.Key, err)
	}
	defer body.Close()
	sum := sha256.New()
	var buf *bytes.Buffer
	to := io.Writer(sum)
	if f.Size <= t.o.HoldBytes {
		buf = bytes.NewBuffer(make([]byte, 0, max(f.Size, 0)+64)) // room for decoders that read in words
		to = io.MultiWriter(sum, buf)
	}
	// One byte more than wanted tells a longer file without reading all of it.
	n, err := io.Copy(to, io.LimitReader(body, f.Size+1))
	t.bytes.Add(n)
	if err != nil {
		return nil, false, t.broken(ctx, r, f.Key, err)
	}
	st = t.o.Store
	if buf != nil {
		st = held{key: f.Key, data: buf.Bytes()}
	}
	switch got := hex.EncodeToString(sum.Sum(nil)); {
	case n > f.Size:
		t.found(FileChanged, r, f.Key, "it is longer than the %d bytes that were committed%s", f.Size, t.what(ctx, f))
	case n < f.Size:
		t.found(FileChanged, r, f.Key, "it has %d bytes, committed were %d%s", n, f.Size, t.what(ctx, f))
	case got != f.SHA256:
		t.found(FileChanged, r, f.Key, "its SHA-256 is %s, committed was %s%s", got, f.SHA256, t.what(ctx, f))
	default:
		return st, true, nil
	}
	return nil, false, nil
}

// what says more about an object that is not what was committed: whose it is, or where it is damaged.
func (t *tableRun) what(ctx context.Context, f *catalog.File) string {
	says, err := describe(ctx, t.o.Store, f.Key)
	var format *stage.FormatError
	switch {
	case errors.As(err, &format):
		return fmt.Sprintf(" (%v)", format.Err)
	case err != nil:
		return fmt.Sprintf(" (%v)", err)
	case says != f.Key:
		return " (by its own metadata it is " + says + ")"
	}
	return ""
}

// held is one object in memory.
type held struct {
	key  string
	data []byte
}

// Open implements blob.Store.
func (h held) Open(_ context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if key != h.key {
		return nil, fmt.Errorf("open %s: %w", key, blob.ErrNotFound)
	}
	data := h.data[min(off, int64(len(h.data))):]
	if n >= 0 {
		data = data[:min(n, int64(len(data)))]
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// Stat implements blob.Stater.
func (h held) Stat(_ context.Context, key string) (blob.Object, error) {
	if key != h.key {
		return blob.Object{}, fmt.Errorf("stat %s: %w", key, blob.ErrNotFound)
	}
	return blob.Object{Key: key, Size: int64(len(h.data))}, nil
}

// List implements blob.Store.
func (h held) List(context.Context, string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		yield(blob.Object{Key: h.key, Size: int64(len(h.data))}, nil)
	}
}

var errHeld = errors.New("an object in memory does not change")

// Create implements blob.Store; it always fails.
func (h held) Create(context.Context, string, io.Reader) error { return errHeld }

// Delete implements blob.Store; it always fails.
func (h held) Delete(context.Context, string) error { return errHeld }
