package cuboid

import (
	"context"
	"fmt"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/pages"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// EntryError says that what a manifest says of cuboids is not what its files hold.
type EntryError struct {
	Message string
}

func (e *EntryError) Error() string { return e.Message }

func wrongEntry(format string, args ...any) error { return &EntryError{fmt.Sprintf(format, args...)} }

// Source has the row groups of cuboids, in files or elsewhere. Errors are *FormatError, *EntryError and those of the store.
type Source interface {
	Groups(ctx context.Context, mask uint64) ([]RowGroup, error)
	Cells(ctx context.Context, g RowGroup) (*cells.Cells, error)
}

// Prove does so for a cuboid of the reader's files.
func (r *Reader) Prove(ctx context.Context, mask uint64, each func(*cells.Cells) error) error {
	e := r.entries[mask]
	e.Cuboid = int64(mask) // of one that is not there
	return Prove(ctx, r, e, each)
}

// Prove reads all of a cuboid, a row group at a time, and proves what its entry says: rows, bytes, their order over row
// groups, and the hash (U1, U4). each is called with the cells of every row group, in order. The error is one of the source
// or of each, or an *EntryError.
func Prove(ctx context.Context, src Source, e segmenter.CuboidEntry, each func(*cells.Cells) error) error {
	mask := uint64(e.Cuboid)
	groups, err := src.Groups(ctx, mask)
	if err != nil {
		return err
	}
	var bytes int64
	for _, g := range groups {
		bytes += g.Bytes
	}
	if bytes != e.Bytes {
		return wrongEntry("cuboid %d has %d bytes, the manifest says %d", mask, bytes, e.Bytes)
	}
	sum := NewSum(mask)
	var last *cells.Cells
	for i, g := range groups {
		c, err := src.Cells(ctx, g)
		if err != nil {
			return err
		}
		if last != nil && last.Compare(last.Len()-1, c, 0) >= 0 {
			return wrongEntry("cuboid %d: row group %d of %d does not come after the one before it", mask, i+1, len(groups))
		}
		sum.Add(HashRows(c))
		if err := each(c); err != nil {
			return err
		}
		last = c
	}
	if got := sum.SHA256(); got != e.SHA256 {
		return wrongEntry("the rows of cuboid %d have the SHA-256 %s, the manifest says %s", mask, got, e.SHA256)
	}
	return nil
}

// ProvePieces proves that every row group of every file is of one cuboid and of no other. Errors are those of Prove.
func (r *Reader) ProvePieces(ctx context.Context) error {
	for i, file := range r.files {
		f, err := r.file(ctx, i)
		if err != nil {
			return err
		}
		of := make([]int, len(f.Meta.RowGroups))
		for mask, e := range r.entries {
			for _, p := range e.Pieces {
				if p.File != i {
					continue
				}
				if p.First < 0 || p.First+p.Count > len(of) {
					return wrongEntry("row groups %d to %d of cuboid %d are not among the %d of file %s", p.First, p.First+p.Count, mask, len(of), file.Key)
				}
				for g := p.First; g < p.First+p.Count; g++ {
					of[g]++
				}
			}
		}
		for g, n := range of {
			if n != 1 {
				return wrongEntry("%d cuboids name row group %d of file %s", n, g, file.Key)
			}
		}
	}
	return nil
}

// FileOf returns the key of the file in which a cuboid begins; "" where it has no rows.
func (r *Reader) FileOf(mask uint64) string {
	if e := r.entries[mask]; len(e.Pieces) > 0 && e.Pieces[0].File < len(r.files) {
		return r.files[e.Pieces[0].File].Key
	}
	return ""
}

// HashRows returns the hash of each row, wherever cells are stored (U4).
func HashRows(c *cells.Cells) []pages.Hash {
	n := c.Len()
	h := newKeyWords(c).hashes(c.Mask, 0, n)
	words := uint64(0)
	for _, s := range c.States {
		for _, col := range s.Columns(0, n) {
			for row := 0; row < n; row += pages.HashBlock {
				pages.HashColumn(h[row:min(row+pages.HashBlock, n)], &col, row)
			}
			words++
		}
	}
	for i := range h {
		h[i] = h[i].Step(words)
	}
	return h
}

// keyWords are the dimensions of cells, ready for hashing.
type keyWords struct {
	n     int
	words [][]uint64 // per dimension, by code
	codes [][]uint32
	h     []pages.Hash
}

func newKeyWords(c *cells.Cells) *keyWords {
	k := &keyWords{n: c.Len(), words: make([][]uint64, len(c.Dicts)), codes: make([][]uint32, len(c.Dicts)), h: make([]pages.Hash, c.Len())}
	for i, d := range c.Dicts {
		if d == nil {
			continue
		}
		k.words[i] = make([]uint64, 1, d.Len())
		for v := range d.Values.Len() {
			k.words[i] = append(k.words[i], d.Values.Word(v))
		}
		k.codes[i] = c.Keys.AppendCodes(nil, i, 0, k.n)
	}
	return k
}

// hashes returns the hash of the dimensions of mask, which the cells must have, of rows [from, to), as a row of cuboid mask
// begins. It is good until the next call.
func (k *keyWords) hashes(mask uint64, from, to int) []pages.Hash {
	h := k.h[:to-from]
	for i := range h {
		h[i] = pages.StartHash()
	}
	for row := from; row < to; row += pages.HashBlock {
		end := min(row+pages.HashBlock, to)
		for i := range k.words {
			if mask>>(len(k.words)-1-i)&1 == 1 {
				pages.HashCodes(h[row-from:end-from], k.words[i], k.codes[i][row:end])
			}
		}
	}
	return h
}
