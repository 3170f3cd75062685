package stage

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/tidemarkdb/tidemark/internal/pages"
	"github.com/zeebo/xxh3"
)

// ndjsonBody reads the groups of an NDJSON file. Lines can only be reached from the front: each read passes over the
// groups before its own.
type ndjsonBody struct {
	src    *pages.Source
	schema *Schema
	names  []string
	groups []ndjsonGroup
	frame  int64 // bytes of the zstd frame with the lines
}

func openNDJSON(ctx context.Context, src *pages.Source, r *Reader) error {
	var meta struct {
		Footer rawJSON       `json:"footer"`
		Schema rawJSON       `json:"schema"`
		Groups []ndjsonGroup `json:"groups"`
	}
	frame, err := readTrailer(ctx, src, &meta)
	if err != nil {
		return err
	}
	if r.foot, err = parseFooter(meta.Footer); err != nil {
		return pages.Corrupt("%v", err)
	}
	if r.schema, err = parseSchema(meta.Schema); err != nil {
		return err
	}
	var rows int64
	for _, g := range meta.Groups {
		if g.Rows < 1 || g.Rows > rowGroupRows || g.Bytes < 0 {
			return pages.Corrupt("a group of %d rows, want 1 to %d", g.Rows, rowGroupRows)
		}
		rows += int64(g.Rows)
		r.groups = append(r.groups, Group{g.Rows, g.FirstOffset, g.LastOffset, g.MinTimeUs, g.MaxTimeUs})
	}
	if rows != r.foot.Events {
		return pages.Corrupt("%d rows in its groups, the footer says %d events", rows, r.foot.Events)
	}
	r.body = &ndjsonBody{src: src, schema: r.schema, names: lineNames(r.schema), groups: meta.Groups, frame: frame}
	return nil
}

// rawJSON is a JSON value left as it is.
type rawJSON []byte

func (r *rawJSON) UnmarshalJSON(b []byte) error {
	*r = append((*r)[:0], b...)
	return nil
}

func (b *ndjsonBody) close() {}

func (b *ndjsonBody) read(ctx context.Context, group int, fields []int) (*Chunk, error) {
	lines, err := openLines(ctx, b.src, b.frame)
	if err != nil {
		return nil, err
	}
	defer lines.close()
	for _, g := range b.groups[:group] {
		if err := lines.skip(g.Bytes); err != nil {
			return nil, err
		}
	}
	wanted := make([]bool, len(b.schema.Fields))
	for _, f := range fields {
		wanted[f] = true
	}
	g := &b.groups[group]
	lines.group(g.Bytes)
	c := NewChunk(b.schema)
	p := &lineParser{schema: b.schema, names: b.names, wanted: wanted}
	for range g.Rows {
		line, err := lines.next()
		if err != nil {
			return nil, err
		}
		if err := p.parse(c, line); err != nil {
			return nil, pages.Corrupt("line %d of group %d: %v", c.Rows(), group, err)
		}
	}
	return c, lines.check(g.Hash)
}

// lineReader reads the lines of a zstd frame, and hashes those of a group.
type lineReader struct {
	key  string
	body io.Closer
	read *storageReader
	zstd *zstd.Decoder
	r    *bufio.Reader
	sum  *xxh3.Hasher
	left int64 // bytes of the group that were not read
	line []byte
}

// storageReader keeps a storage error apart from what the decompressor makes of it.
type storageReader struct {
	r   io.Reader
	err error
}

func (s *storageReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// maxWindow bounds the memory that a frame of a foreign writer can ask for.
const maxWindow = 64 << 20

func openLines(ctx context.Context, src *pages.Source, frame int64) (*lineReader, error) {
	body, err := src.Store.Open(ctx, src.Key, 0, frame)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", src.Key, err)
	}
	read := &storageReader{r: body}
	z, err := zstd.NewReader(read, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		body.Close()
		return nil, err
	}
	return &lineReader{key: src.Key, body: body, read: read, zstd: z, r: bufio.NewReaderSize(z, 64<<10), sum: xxh3.New()}, nil
}

func (l *lineReader) close() {
	l.zstd.Close()
	l.body.Close()
}

func (l *lineReader) skip(n int64) error {
	if _, err := io.CopyN(io.Discard, l.r, n); err != nil {
		return l.fail(err)
	}
	return nil
}

func (l *lineReader) group(n int64) {
	l.left = n
	l.sum.Reset()
}

// next returns the next line of the group without its end; it is good until the next call.
func (l *lineReader) next() ([]byte, error) {
	l.line = l.line[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		if l.left -= int64(len(part)); l.left < 0 {
			return nil, pages.Corrupt("a line longer than its group")
		}
		l.line = append(l.line, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, l.fail(err)
		}
	}
	_, _ = l.sum.Write(l.line) // never fails
	return bytes.TrimSuffix(l.line, []byte{'\n'}), nil
}

// check holds the lines of the group against their hash.
func (l *lineReader) check(want uint64) error {
	if l.left != 0 || l.sum.Sum64() != want {
		return pages.Corrupt("the lines are damaged: their hash does not match")
	}
	return nil
}

// fail tells a damaged frame from a storage error.
func (l *lineReader) fail(err error) error {
	switch {
	case l.read.err != nil:
		return fmt.Errorf("read %s: %w", l.key, l.read.err)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return pages.Corrupt("the lines end early")
	}
	return pages.Corrupt("lines: %v", err)
}
