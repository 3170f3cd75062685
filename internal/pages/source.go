package pages

import (
	"context"
	"fmt"
	"io"

	"github.com/tidemarkdb/tidemark/internal/blob"
)

// FormatError says that a file's bytes are not what tidemark writes: foreign, cut off or changed (P2). It is no
// storage error; reading again does not help.
type FormatError struct {
	Key string
	Err error
}

func (e *FormatError) Error() string { return fmt.Sprintf("file %s: %v", e.Key, e.Err) }

func (e *FormatError) Unwrap() error { return e.Err }

// corruptError marks an error that lies in the bytes.
type corruptError struct{ text string }

func (e *corruptError) Error() string { return e.text }

// Corrupt returns an error that lies in the bytes; Guarded makes a *FormatError of it.
func Corrupt(format string, args ...any) error {
	return &corruptError{fmt.Sprintf(format, args...)}
}

// Guarded runs f over bytes of the file at key: what f finds wrong, and a panic of a decoder, become a *FormatError (P2).
func Guarded(key string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &FormatError{key, fmt.Errorf("not whole: %v", p)}
		}
	}()
	err = f()
	if c, ok := err.(*corruptError); ok {
		return &FormatError{key, c}
	}
	return err
}

// Source is an object that is read in ranges.
type Source struct {
	Store blob.Store
	Key   string
	Size  int64 // below 0: not known, see Stat
}

// Stat looks the size up where it is not known.
func (s *Source) Stat(ctx context.Context) error {
	if s.Size >= 0 {
		return nil
	}
	o, err := blob.Stat(ctx, s.Store, s.Key)
	if err != nil {
		return fmt.Errorf("look up %s: %w", s.Key, err)
	}
	s.Size = o.Size
	return nil
}

// Read returns bytes [off, off+n).
func (s *Source) Read(ctx context.Context, off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || off+n > s.Size || off+n < 0 {
		return nil, Corrupt("bytes %d to %d of a file of %d", off, off+n, s.Size)
	}
	body, err := s.Store.Open(ctx, s.Key, off, n)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.Key, err)
	}
	defer body.Close()
	buf := make([]byte, n, n+64) // room for decoders that read in words
	if got, err := io.ReadFull(body, buf); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil, Corrupt("ends at byte %d, want %d", off+int64(got), off+n)
		}
		return nil, fmt.Errorf("read %s: %w", s.Key, err)
	}
	return buf, nil
}

// TailBytes is how much of a file's end is read at first; metadata mostly fits.
const TailBytes = 64 << 10

// Tail returns the last n bytes, given those that were read already.
func (s *Source) Tail(ctx context.Context, have []byte, n int64) ([]byte, error) {
	if int64(len(have)) >= n {
		return have[int64(len(have))-n:], nil
	}
	if n > s.Size {
		return nil, Corrupt("metadata of %d bytes in a file of %d", n, s.Size)
	}
	return s.Read(ctx, s.Size-n, n)
}
