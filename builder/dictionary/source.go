package dictionary

import (
	"context"
	"fmt"
	"io"

	"github.com/tidemarkdb/tidemark/internal/blob"
)

// source is something whose bytes can be read from anywhere.
type source interface {
	// readAt fills p from off, or fails.
	readAt(ctx context.Context, p []byte, off int64) error
}

// object is a source in a store.
type object struct {
	store blob.Store
	key   string
}

func (o object) readAt(ctx context.Context, p []byte, off int64) error {
	r, err := o.store.Open(ctx, o.key, off, int64(len(p)))
	if err != nil {
		return err
	}
	defer r.Close()
	switch _, err := io.ReadFull(r, p); {
	case err == io.EOF, err == io.ErrUnexpectedEOF: // as such: the store has no more of it
		return damaged("it ends before byte %d", off+int64(len(p)))
	case err != nil:
		return fmt.Errorf("read %s at byte %d: %w", o.key, off, err)
	}
	return nil
}

// local is a source on disk.
type local struct{ f *scratch }

func (l local) readAt(ctx context.Context, p []byte, off int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := l.f.ReadAt(p, off)
	return err
}

// leastAhead is what a window reads at once at least.
const leastAhead = 32 << 10

// window reads a source mostly forward. It reads further ahead the longer it is read without a jump, up to most, which only a
// single larger read exceeds.
type window struct {
	src   source
	end   int64 // nothing is read behind it
	most  int64
	buf   []byte
	at    int64 // of buf
	ahead int64
}

// read returns n bytes from off; they are valid until the next call.
func (w *window) read(ctx context.Context, off, n int64) ([]byte, error) {
	if n < 0 || off < 0 || off > w.end-n {
		return nil, damaged("bytes %d to %d of %d are wanted", off, off+n, w.end)
	}
	have := w.at + int64(len(w.buf))
	if off < w.at || off+n > have {
		if off >= w.at && off <= have {
			w.ahead = min(2*w.ahead, w.most)
		} else {
			w.ahead = leastAhead
		}
		size := min(max(n, w.ahead, leastAhead), w.end-off)
		if int64(cap(w.buf)) < size {
			w.buf = make([]byte, size)
		}
		w.buf, w.at = w.buf[:size], off
		if err := w.src.readAt(ctx, w.buf, off); err != nil {
			w.buf = w.buf[:0]
			return nil, err
		}
	}
	return w.buf[off-w.at : off-w.at+n], nil
}
