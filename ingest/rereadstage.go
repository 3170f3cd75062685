package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// stager turns a range that is read again into staged files, one in memory at a time.
type stager struct {
	x     *rereader
	r     segmenter.PartitionRange
	epoch int64
	open  *tailRange
	rows  []catalog.Commit
}

// stage reads a range from Kafka and brings it to the store as files of the table's roll limits. It returns their rows,
// which tile the range.
func (x *rereader) stage(ctx context.Context, r segmenter.PartitionRange, epoch int64) ([]catalog.Commit, error) {
	s := &stager{x: x, r: r, epoch: epoch}
	s.begin(r.Start)
	defer func() { x.in.budget.add(-s.open.bytes) }()
	for at := r.Start; at < r.End; {
		if x.in.budget.full() { // what is held here must not be what everybody waits for
			if err := s.seal(ctx, at); err != nil {
				return nil, err
			}
		}
		if _, err := x.in.budget.gate(ctx); err != nil {
			return nil, err
		}
		fp, next, err := x.a.read(ctx, x.p.tp, x.topicID, at)
		if err != nil {
			return nil, err
		}
		recs := fp.Records
		for len(recs) > 0 && recs[len(recs)-1].Offset >= r.End {
			recs = recs[:len(recs)-1]
		}
		if next <= at {
			return nil, fmt.Errorf("topic %s partition %d: the broker brings nothing at offset %d, which was read before", x.p.tp.topic, r.Partition, at)
		}
		next = min(next, r.End)
		if err := s.take(ctx, recs, at, next); err != nil {
			return nil, err
		}
		at = next
	}
	if err := s.seal(ctx, r.End); err != nil {
		return nil, err
	}
	return s.rows, nil
}

func (s *stager) begin(start int64) {
	t := s.x.table
	s.open = &tailRange{start: start, end: start, schema: t.schema, table: t, openedAt: time.Now()}
}

// take decodes records of [from, next); offsets without one are gaps.
func (s *stager) take(ctx context.Context, recs []*kgo.Record, from, next int64) error {
	t := s.x.table
	d := t.decoder()
	defer t.giveBack(d)
	for _, run := range split(recs) {
		for len(run) > 0 {
			out := decodeRun(d, from, run, t.chunk(len(run)))
			s.add(out)
			from, run = out.next, out.rest
			if err := s.roll(ctx, from); err != nil {
				return err
			}
		}
	}
	if from < next {
		s.add(decodedRun{chunk: &stage.Chunk{}, next: next, exceptions: segmenter.Exceptions{}.Add(segmenter.Gap, from, next)})
	}
	return nil
}

func (s *stager) add(out decodedRun) {
	grown, _ := s.open.add(out)
	s.x.in.budget.add(grown)
}

// rereadShare is the part of the memory budget that one file of offsets read again may take: one over this.
const rereadShare = 8

// roll seals the file where it is large enough.
func (s *stager) roll(ctx context.Context, at int64) error {
	limits := s.x.table.def.Staging
	if s.open.rows < limits.RollRows && s.open.bytes < min(limits.RollBytes, s.x.in.o.MemoryBudget/rereadShare) {
		return nil
	}
	return s.seal(ctx, at)
}

// seal brings what is open, up to an offset, to the store and begins another file.
func (s *stager) seal(ctx context.Context, at int64) error {
	if s.open.start == at {
		return nil
	}
	p, t := s.x.p, s.open
	row := t.row(s.r.Partition, s.r.Generation)
	var files rangeFiles
	defer files.removeSpool()
	if err := p.spool(ctx, t, row, s.epoch, &files); err != nil {
		return err
	}
	if err := p.upload(ctx, t, row, s.epoch, &files); err != nil {
		return err
	}
	s.rows = append(s.rows, catalog.Commit{TableID: t.table.def.ID, Row: row, File: files.file, Quarantine: files.quarantine})
	p.in.budget.add(-t.bytes)
	s.begin(at)
	return nil
}
