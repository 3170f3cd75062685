package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// span is rows [from, to) of a row group.
type span struct{ from, to int }

// piece is what a segment holds of one row group of a staged or supplement file.
type piece struct {
	file      *catalog.File
	partition int32
	group     int
	spans     []span // ascending
	rows      int    // in the spans
	bytes     int64  // of the wanted columns of the whole group, decoded
}

// block is pieces that are grouped in memory at once.
type block []piece

func (b block) rows() (n int) {
	for _, p := range b {
		n += p.rows
	}
	return n
}

// inputs lists what is to be read, in order: the lines of the range, in each the ledger's rows, of each row its staged file,
// then its supplements.
type inputs struct {
	store blob.Store
	rng   segmenter.Vector
	want  func(s *stage.Schema) []int // fields of a file that are read
	size  sizes
}

// blocks cuts what the rows of the ledger hold of the range into blocks. It reads the metadata of every file, and offsets
// where a group lies in the range in part.
func (in *inputs) blocks(ctx context.Context, rows []catalog.LedgerEntry, progress func(done, total int64)) ([]block, error) {
	cut := cutter{size: in.size}
	for _, line := range in.rng {
		for i, e := range rows {
			if !e.Range.Overlaps(line) || e.File == nil {
				continue
			}
			progress(int64(i), int64(len(rows)))
			whole := e.Range.Start >= line.Start && e.Range.End <= line.End
			if err := in.pieces(ctx, e.File, line, rangeKeep(line, whole), &cut); err != nil {
				return nil, err
			}
			for _, s := range e.Supplements {
				if err := in.pieces(ctx, s.File, line, listKeep(line, s.Offsets), &cut); err != nil {
					return nil, err
				}
			}
		}
	}
	return cut.done(), nil
}

// keeper picks rows of a group by their offsets; whole says, without them, that all are picked or none.
type keeper struct {
	whole func(g stage.Group) (all, none bool)
	spans func(offsets []int64) []span
}

// rangeKeep keeps the offsets of a line.
func rangeKeep(line segmenter.PartitionRange, all bool) keeper {
	return keeper{
		whole: func(g stage.Group) (bool, bool) {
			return all || (g.FirstOffset >= line.Start && g.LastOffset < line.End), g.LastOffset < line.Start || g.FirstOffset >= line.End
		},
		spans: func(offsets []int64) []span {
			at := func(x int64) int { return sort.Search(len(offsets), func(i int) bool { return offsets[i] >= x }) }
			if s := (span{at(line.Start), at(line.End)}); s.from < s.to {
				return []span{s}
			}
			return nil
		},
	}
}

// listKeep keeps the given offsets, which ascend, as far as they lie in the line.
func listKeep(line segmenter.PartitionRange, list []int64) keeper {
	return keeper{
		whole: func(g stage.Group) (bool, bool) {
			i, _ := slices.BinarySearch(list, g.FirstOffset)
			return false, i == len(list) || list[i] > g.LastOffset
		},
		spans: func(offsets []int64) (out []span) {
			for i, off := range offsets {
				if _, mine := slices.BinarySearch(list, off); !mine || !line.Contains(off) {
					continue
				}
				if n := len(out); n > 0 && out[n-1].to == i {
					out[n-1].to++
				} else {
					out = append(out, span{i, i + 1})
				}
			}
			return out
		},
	}
}

// pieces adds what is kept of a file.
func (in *inputs) pieces(ctx context.Context, f *catalog.File, line segmenter.PartitionRange, keep keeper, cut *cutter) error {
	rd, err := stage.Open(ctx, in.store, f.Key, f.Size)
	if err != nil {
		return finalFormat(err)
	}
	defer rd.Close() // frees memory only, its error says nothing
	fields := in.want(rd.Schema())
	for i, g := range rd.Groups() {
		all, none := keep.whole(g)
		if none {
			continue
		}
		p := piece{file: f, partition: line.Partition, group: i, bytes: rd.GroupBytes(i, fields)}
		if all {
			p.spans = []span{{0, g.Rows}}
		} else {
			c, err := rd.Read(ctx, i, []int{})
			if err != nil {
				return finalFormat(err)
			}
			p.spans = keep.spans(c.Offsets)
		}
		for _, s := range p.spans {
			p.rows += s.to - s.from
		}
		if p.rows > 0 {
			cut.add(p)
		}
	}
	return nil
}

// cutter makes blocks of pieces. A piece is never cut, so that no row group is read twice.
type cutter struct {
	size  sizes
	list  []block
	now   block
	rows  int
	bytes int64
}

func (c *cutter) add(p piece) {
	if len(c.now) > 0 && (c.rows+p.rows > c.size.blockRows || c.bytes+p.bytes > c.size.blockBytes) {
		c.done()
	}
	c.now, c.rows, c.bytes = append(c.now, p), c.rows+p.rows, c.bytes+p.bytes
}

func (c *cutter) done() []block {
	if len(c.now) > 0 {
		c.list, c.now, c.rows, c.bytes = append(c.list, c.now), nil, 0, 0
	}
	return c.list
}

// each reads the pieces of a block in order.
func (in *inputs) each(ctx context.Context, b block, take func(s *stage.Schema, c *stage.Chunk, p piece) error) error {
	for len(b) > 0 {
		f := b[0].file
		rd, err := stage.Open(ctx, in.store, f.Key, f.Size)
		if err != nil {
			return finalFormat(err)
		}
		fields := in.want(rd.Schema())
		for len(b) > 0 && b[0].file.Key == f.Key && err == nil {
			var c *stage.Chunk
			if c, err = rd.Read(ctx, b[0].group, fields); err == nil {
				err = take(rd.Schema(), c, b[0])
			}
			b = b[1:]
		}
		rd.Close() // frees memory only, its error says nothing
		if err != nil {
			return finalFormat(err)
		}
	}
	return nil
}

// finalFormat makes damage in a file an error that is not tried again.
func finalFormat(err error) error {
	var format *stage.FormatError
	var final *builder.FinalError
	switch {
	case errors.As(err, &final):
		return err
	case errors.As(err, &format), errors.Is(err, blob.ErrNotFound):
		return &builder.FinalError{Err: fmt.Errorf("%w: run tidemark verify", err)}
	}
	return err
}
