package verify

import (
	"context"
	"fmt"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// subject is a file whose rows are to be proved: its range less exceptions.
type subject struct {
	rng        segmenter.PartitionRange
	exceptions segmenter.Exceptions
	file       *catalog.File
	live       []int64 // the offsets that count, ascending; everything: all of them
}

// everything stands for all offsets of a file.
var everything []int64

// tally is what was measured of rows.
type tally struct {
	rows     int64
	min, max int64 // event time, us
	hash     stage.Hash
	nulls    int64 // rows without an event time
}

func (y *tally) add(c *stage.Chunk, s *stage.Schema) {
	col := &c.Columns[s.EventTime]
	for i := range c.Rows() {
		if col.IsNull(i) {
			y.nulls++
			continue
		}
		v := s.TimeUs(col.Int(i))
		if y.rows == 0 && i == 0 {
			y.min, y.max = v, v
		}
		y.min, y.max = min(y.min, v), max(y.max, v)
	}
	y.rows += int64(c.Rows())
	y.hash = y.hash.Add(stage.HashChunk(c))
}

// checkRows reads all rows of a file and proves that they are its range less its exceptions, offset by offset, with the
// event times and the hash that its footer promises.
func (t *tableRun) checkRows(ctx context.Context, rd *stage.Reader, st blob.Store, s subject) error {
	var all tally
	var counted stage.Hash
	live := s.live
	at := s.rng.Start
	for g := range rd.Groups() {
		c, err := rd.Read(ctx, g, nil)
		if err != nil {
			return t.broken(ctx, s.rng, s.file.Key, err)
		}
		var why string
		if at, why = walk(c.Offsets, at, s.rng.End, s.exceptions); why != "" {
			t.found(RowsMismatch, s.rng, s.file.Key, "row group %d: %s", g, why)
			return nil
		}
		all.add(c, rd.Schema())
		t.events.Add(int64(c.Rows()))
		if all.nulls == 0 && !sameTimes(c, rd.Schema()) {
			t.found(RowsMismatch, s.rng, s.file.Key, "row group %d: its event times are not those of its statistics, by which readers skip it", g)
			return nil
		}
		for i := 0; s.live != nil && i < c.Rows() && len(live) > 0; i++ {
			if c.Offsets[i] == live[0] {
				counted, live = counted.Add(stage.HashRows(c, i, i+1)), live[1:]
			}
		}
	}
	if missing := firstMissing(at, s.rng.End, s.exceptions); missing < s.rng.End {
		t.found(RowsMismatch, s.rng, s.file.Key, "offset %d has no row and is no exception", missing)
		return nil
	}
	if !t.checkTally(&all, rd.Footer(), s) {
		return nil
	}
	second := false
	if isParquet(s.file) && all.rows > 0 {
		var err error
		if second, err = t.secondReader(ctx, rd, st, s); err != nil {
			return err
		}
	}
	rows, hash := all.rows, all.hash
	if s.live != nil {
		rows, hash = int64(len(s.live)), counted
	}
	t.count(func(out *TableReport) {
		out.Files++
		out.Bytes += s.file.Size
		out.Events += rows
		out.Hash = out.Hash.Add(hash)
		out.SecondRead += int64(boolInt(second))
	})
	return nil
}

// checkTally holds what was measured of all rows against the footer, which was held against the catalog before.
func (t *tableRun) checkTally(all *tally, foot stage.Footer, s subject) bool {
	m := mismatches{}
	if all.nulls > 0 {
		m.add("%d rows have no event time", all.nulls)
	}
	if all.rows != foot.Events {
		m.add("it holds %d rows, its footer says %d", all.rows, foot.Events)
	}
	if all.rows > 0 && (all.min != foot.MinTimeUs || all.max != foot.MaxTimeUs) {
		m.add("its event times are %d to %d us, its footer says %d to %d", all.min, all.max, foot.MinTimeUs, foot.MaxTimeUs)
	}
	if m.report(t, RowsMismatch, s.rng, s.file.Key); len(m) > 0 {
		return false
	}
	if all.hash != foot.RowHash {
		t.found(HashMismatch, s.rng, s.file.Key, "the hash of its rows is %s, its footer and the catalog say %s", all.hash, foot.RowHash)
		return false
	}
	return true
}

// sameTimes reports whether the bounds of a group are those of its rows.
func sameTimes(c *stage.Chunk, s *stage.Schema) bool {
	col := &c.Columns[s.EventTime]
	lo, hi := col.Int(0), col.Int(0)
	for i := range c.Rows() {
		lo, hi = min(lo, col.Int(i)), max(hi, col.Int(i))
	}
	return s.TimeUs(lo) == c.MinTimeUs && s.TimeUs(hi) == c.MaxTimeUs
}

// walk follows offsets from at on: between two of them lie exceptions only, and none of them is one (F1, S4). It returns
// the offset behind the last, or why they are wrong.
func walk(offsets []int64, at, end int64, exceptions segmenter.Exceptions) (int64, string) {
	rest := exceptions
	for len(rest) > 0 && rest[0].End <= at {
		rest = rest[1:]
	}
	for _, off := range offsets {
		if off < at {
			return at, fmt.Sprintf("offset %d comes after %d: rows must ascend, each offset once", off, at-1)
		}
		if off >= end {
			return at, fmt.Sprintf("offset %d lies behind the range", off)
		}
		for len(rest) > 0 && rest[0].Start <= at && at < off {
			at = min(rest[0].End, off)
			if rest[0].End <= at {
				rest = rest[1:]
			}
		}
		if at < off {
			return at, fmt.Sprintf("offset %d has no row and is no exception", at)
		}
		if len(rest) > 0 && rest[0].Start <= off {
			return at, fmt.Sprintf("offset %d has a row, and the ledger names it %s", off, rest[0].Kind)
		}
		at = off + 1
	}
	return at, ""
}

// firstMissing returns the first offset in [at, end) that is no exception, or end.
func firstMissing(at, end int64, exceptions segmenter.Exceptions) int64 {
	for _, x := range exceptions.Clip(at, end) {
		if x.Start > at {
			break
		}
		at = x.End
	}
	return at
}
