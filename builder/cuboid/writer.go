package cuboid

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go/format"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/pages"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// WriterOptions configure a Writer. The zero value of a field means its default.
type WriterOptions struct {
	FileBytes int64 // a file ends with the row group that reaches it; default 32 MiB
	MaxGroups int   // row groups of a file; default 2048, at most 32767
}

func (o WriterOptions) withDefaults() WriterOptions {
	if o.FileBytes <= 0 {
		o.FileBytes = 32 << 20
	}
	if o.MaxGroups <= 0 || o.MaxGroups > 32767 {
		o.MaxGroups = 2048
	}
	return o
}

// Writer puts row groups into files below a folder. It is used by one goroutine. Files are made in memory (U5) and
// created once: one that is there already must be the same.
type Writer struct {
	st     blob.Store
	folder string
	leaves []pages.Leaf
	header []byte
	opts   WriterOptions

	buf  chunks
	out  *pages.Output
	meta *format.FileMetaData // of the file under way; nil: none

	files   []segmenter.SegmentFile
	entries []segmenter.CuboidEntry
	done    map[uint64]bool // cuboids that have begun
	mask    uint64          // the last one
	sum     pages.Hash      // of its rows
}

// NewWriter returns a Writer of files named folder/cuboids-<n>.parquet.
func NewWriter(st blob.Store, folder string, l *cells.Layout, o WriterOptions) (*Writer, error) {
	h, err := NewHeader(l)
	if err != nil {
		return nil, err
	}
	text, err := h.json()
	if err != nil {
		return nil, err
	}
	return &Writer{st: st, folder: folder, leaves: h.leaves(), header: text, opts: o.withDefaults(), done: map[uint64]bool{}}, nil
}

// FileKey returns the key of file n of a folder.
func FileKey(folder string, n int) string { return fmt.Sprintf("%s/cuboids-%05d.parquet", folder, n) }

// Append takes a row group over. The groups of a cuboid come in order and one after the other (U1). After an error the
// Writer is of no use.
func (w *Writer) Append(ctx context.Context, g *Group) error {
	if err := w.cuboid(g.Mask); err != nil {
		return err
	}
	if g.Rows == 0 {
		return nil
	}
	if w.meta == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	shift := w.out.N - firstByte
	rg := g.rg
	rg.FileOffset, rg.Ordinal = w.out.N, int16(len(w.meta.RowGroups))
	rg.Columns = slices.Clone(rg.Columns)
	for i := range rg.Columns {
		m := &rg.Columns[i].MetaData
		m.DataPageOffset += shift
		if m.DictionaryPageOffset > 0 {
			m.DictionaryPageOffset += shift
		}
	}
	if _, err := w.out.Write(g.data); err != nil {
		return err
	}
	w.meta.RowGroups = append(w.meta.RowGroups, rg)
	w.meta.NumRows += rg.NumRows
	e := &w.entries[len(w.entries)-1]
	e.Rows += rg.NumRows
	e.Bytes += int64(len(g.data))
	if n := len(e.Pieces); n > 0 && e.Pieces[n-1].File == len(w.files) {
		e.Pieces[n-1].Count++
	} else {
		e.Pieces = append(e.Pieces, segmenter.CuboidPiece{File: len(w.files), First: int(rg.Ordinal), Count: 1})
	}
	w.sum = foldRows(w.sum, g.hashes)
	if w.out.N >= w.opts.FileBytes || len(w.meta.RowGroups) >= w.opts.MaxGroups {
		return w.flush(ctx)
	}
	return nil
}

// cuboid begins the entry of a cuboid, unless it is the one under way.
func (w *Writer) cuboid(mask uint64) error {
	if len(w.entries) > 0 && w.mask == mask {
		return nil
	}
	if w.done[mask] {
		return fmt.Errorf("U1: rows of cuboid %b come apart", mask)
	}
	w.end()
	w.done[mask] = true
	w.mask, w.sum = mask, pages.StartHash()
	w.entries = append(w.entries, segmenter.CuboidEntry{Cuboid: int64(mask)})
	return nil
}

// end completes the entry of the cuboid under way.
func (w *Writer) end() {
	if len(w.entries) == 0 {
		return
	}
	e := &w.entries[len(w.entries)-1]
	e.SHA256 = cuboidHash(w.mask, e.Rows, w.sum)
}

// begin begins a file.
func (w *Writer) begin() error {
	w.buf.reset()
	w.out = pages.NewOutput(&w.buf)
	w.meta = pages.NewMetaData(w.leaves, WriterVersion, []format.KeyValue{{Key: headerKey, Value: string(w.header)}})
	_, err := w.out.Write([]byte(pages.Magic))
	return err
}

// flush ends the file under way and creates it in the store.
func (w *Writer) flush(ctx context.Context) error {
	if err := pages.WriteMetaData(w.out, w.meta); err != nil {
		return err
	}
	f := segmenter.SegmentFile{Key: FileKey(w.folder, len(w.files)), Size: w.out.N, SHA256: w.out.SHA256()}
	if err := blob.CreateSame(ctx, w.st, f.Key, io.NewSectionReader(&w.buf, 0, w.buf.n)); err != nil {
		return fmt.Errorf("write cuboids: %w", err)
	}
	w.files = append(w.files, f)
	w.meta = nil
	return nil
}

// Finish writes what is left and returns what the manifest says of files and cuboids.
func (w *Writer) Finish(ctx context.Context) ([]segmenter.SegmentFile, []segmenter.CuboidEntry, error) {
	if w.meta != nil {
		if err := w.flush(ctx); err != nil {
			return nil, nil, err
		}
	}
	w.end()
	slices.SortFunc(w.entries, func(a, b segmenter.CuboidEntry) int { return cmp.Compare(a.Cuboid, b.Cuboid) })
	return w.files, w.entries, nil
}

// foldRows takes the hashes of rows, in order, into that of a cuboid.
func foldRows(sum pages.Hash, rows []pages.Hash) pages.Hash {
	for _, r := range rows {
		sum = sum.Step(r.Hi).Step(r.Lo)
	}
	return sum
}

// cuboidHash returns the hash of a cuboid as a manifest has it (U4).
func cuboidHash(mask uint64, rows int64, sum pages.Hash) string {
	b := []byte("tidemark-cuboid 1\n")
	for _, v := range []uint64{mask, uint64(rows), sum.Hi, sum.Lo} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
