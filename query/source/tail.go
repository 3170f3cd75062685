package source

import (
	"cmp"
	"context"
	"slices"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Tail is what was read and is not known to be staged yet.
type Tail interface {
	// Pin holds the tail of a table, by its id. A part of it that cannot be had is an error; one that nobody has is not in it.
	Pin(ctx context.Context, tableID string) (Pin, error)
}

// Pin holds a tail: its chunks stay as they are until Release.
type Pin interface {
	// Tail returns what is held, ranges of a partition ascending. A partition with an empty tail has an empty range that says
	// where it stands.
	Tail() []stage.TailRange

	// Lost reports whether the pin was held for too long: what it holds must be dropped.
	Lost() bool

	// Release ends the pin. A second call does nothing.
	Release()
}

// noTail is that of a process which reads nothing.
type noTail struct{}

func (noTail) Pin(context.Context, string) (Pin, error) { return noTail{}, nil }
func (noTail) Tail() []stage.TailRange                  { return nil }
func (noTail) Lost() bool                               { return false }
func (noTail) Release()                                 {}

// tailPart is what of a range of the tail lies behind what is committed.
type tailPart struct {
	*stage.TailRange
	keep segmenter.PartitionRange
}

// lead is what the tail holds of one partition: its ranges under the highest epoch, ascending.
type lead []*stage.TailRange

func (l lead) first() segmenter.PartitionRange { return l[0].Range }

// leads sorts a tail by partition. Of two owners of one partition the later one counts: the other has lost it.
func leads(ranges []stage.TailRange) (out []lead) {
	sorted := make([]*stage.TailRange, len(ranges))
	for i := range ranges {
		sorted[i] = &ranges[i]
	}
	slices.SortStableFunc(sorted, func(a, b *stage.TailRange) int {
		return cmp.Or(cmp.Compare(a.Range.Partition, b.Range.Partition), cmp.Compare(b.Epoch, a.Epoch),
			cmp.Compare(a.Range.Generation, b.Range.Generation), cmp.Compare(a.Range.Start, b.Range.Start))
	})
	for _, r := range sorted {
		n := len(out)
		switch {
		case n == 0 || out[n-1].first().Partition != r.Range.Partition:
			out = append(out, lead{r})
		case out[n-1][0].Epoch == r.Epoch:
			out[n-1] = append(out[n-1], r)
		}
	}
	return out
}

// behind reports whether a catalog snapshot is older than the tail: offsets between its end and the tail would be in neither (E2).
func (l lead) behind(s *catalog.QuerySnapshot) bool {
	first := l.first()
	line := s.Newest(first.Partition)
	if line == nil || line.Generation.Generation < first.Generation {
		return true
	}
	return line.Generation.Generation == first.Generation && first.Start > line.End
}

// measure counts what a part of the tail holds.
func (p *tailPart) measure() (m segmenter.Measure) {
	if p.Lost {
		m.Lost = p.keep.Len()
		return m
	}
	cut := p.Exceptions.Clip(p.keep.Start, p.keep.End)
	m.Gaps, m.Quarantined = cut.Count(segmenter.Gap), cut.Count(segmenter.Quarantined)
	m.Events = p.keep.Len() - cut.Total()
	return m
}
