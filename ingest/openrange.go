package ingest

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// tailRange is a range of offsets of one partition that is not committed yet: the open one grows, sealed ones wait for
// their commit in order. All of it is guarded by the partition's mutex until it is sealed; a sealed range only loses
// its place in the list.
type tailRange struct {
	start, end  int64
	schema      *stage.Schema
	table       *table // the definition its rows were decoded by
	chunks      []*stage.Chunk
	exceptions  segmenter.Exceptions
	bad         []stage.QuarantineRecord
	rows        int64
	bytes       int64 // memory, as counted in the budget
	openedAt    time.Time
	fingerprint *catalog.Fingerprint
	lost        *segmenter.LedgerRow // set: this is no range of events but a loss to be recorded
	pins        int                  // readers that still hold the chunks
	committed   bool
}

// wholeRun is the row count from which a decoded run is kept as a chunk of its own; smaller runs are copied together.
const wholeRun = stage.ChunkRows / 4

// add appends a decoded run and returns how much memory the range grew by, and whether the run's chunk was kept (else
// it may be used again).
func (t *tailRange) add(r decodedRun) (grown int64, kept bool) {
	before := t.bytes
	for _, x := range r.exceptions {
		t.exceptions = t.exceptions.Add(x.Kind, x.Start, x.End)
	}
	t.bad = append(t.bad, r.bad...)
	t.bytes += r.badBytes
	t.rows += int64(r.chunk.Rows())
	t.end = r.next
	if r.last != nil {
		t.fingerprint = fingerprint(r.last)
	}
	switch {
	case r.chunk.Rows() == 0:
	case r.chunk.Rows() >= wholeRun:
		t.chunks = append(t.chunks, r.chunk)
		t.bytes += r.chunk.MemBytes()
		kept = true
	default:
		t.copyRows(r.chunk)
	}
	return t.bytes - before, kept
}

// copyRows appends the rows of a small chunk to the open one, at most ChunkRows to each.
func (t *tailRange) copyRows(c *stage.Chunk) {
	for from := 0; from < c.Rows(); {
		var open *stage.Chunk
		if n := len(t.chunks); n > 0 && t.chunks[n-1].Rows() < stage.ChunkRows {
			open = t.chunks[n-1]
		} else {
			open = stage.NewChunk(t.schema)
			t.chunks = append(t.chunks, open)
		}
		to := min(c.Rows(), from+stage.ChunkRows-open.Rows())
		before := open.MemBytes()
		open.AppendChunk(c, from, to)
		t.bytes += open.MemBytes() - before
		from = to
	}
}

// times returns the measured event times of the range.
func (t *tailRange) times() (minUs, maxUs int64) {
	first := true
	for _, c := range t.chunks {
		if c.Rows() == 0 {
			continue
		}
		if first || c.MinTimeUs < minUs {
			minUs = c.MinTimeUs
		}
		if first || c.MaxTimeUs > maxUs {
			maxUs = c.MaxTimeUs
		}
		first = false
	}
	return minUs, maxUs
}

// row is the ledger row of a sealed range.
func (t *tailRange) row(partition, generation int32) segmenter.LedgerRow {
	if t.lost != nil {
		return *t.lost
	}
	minUs, maxUs := t.times()
	return segmenter.LedgerRow{
		Range:  segmenter.PartitionRange{Partition: partition, Generation: generation, Start: t.start, End: t.end},
		State:  segmenter.Staged,
		Events: t.rows, Exceptions: t.exceptions, MinTimeUs: minUs, MaxTimeUs: maxUs,
	}
}

// snapshot returns the range's chunks for a reader, and how many of them will never change. The last chunk of the open range
// may keep growing, so the reader gets its own slice headers; the null bitmap, whose last word is still written, is copied.
func (t *tailRange) snapshot(open bool) (out []*stage.Chunk, sealed int) {
	out = slices.Clone(t.chunks)
	n := len(out)
	if n == 0 || !open || out[n-1].Rows() >= stage.ChunkRows {
		return out, n
	}
	c := *out[n-1]
	c.Columns = slices.Clone(c.Columns)
	for i := range c.Columns {
		c.Columns[i].Nulls = slices.Clone(c.Columns[i].Nulls)
	}
	out[n-1] = &c
	return out, n - 1
}

// split cuts records into runs for decoders.
func split(recs []*kgo.Record) [][]*kgo.Record {
	runs := make([][]*kgo.Record, 0, len(recs)/runRows+1)
	for len(recs) > 0 {
		n := min(len(recs), runRows)
		runs = append(runs, recs[:n])
		recs = recs[n:]
	}
	return runs
}
