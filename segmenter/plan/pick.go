package plan

import (
	"math"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// Window is a closed range of event times, [MinUs, MaxUs], in microseconds. One with MinUs above MaxUs holds no time.
type Window struct {
	MinUs int64
	MaxUs int64
}

// AllTime returns the window that holds every time.
func AllTime() Window { return Window{MinUs: math.MinInt64, MaxUs: math.MaxInt64} }

// HalfOpen returns the window of [fromUs, toUs).
func HalfOpen(fromUs, toUs int64) Window {
	if toUs <= fromUs {
		return Window{MinUs: math.MaxInt64, MaxUs: math.MinInt64}
	}
	return Window{MinUs: fromUs, MaxUs: toUs - 1}
}

// Empty reports whether w holds no time.
func (w Window) Empty() bool { return w.MinUs > w.MaxUs }

// Holds reports whether an event of m may lie in w. No event does not.
func (w Window) Holds(m segmenter.Measure) bool {
	return m.Events > 0 && !w.Empty() && m.MinTimeUs <= w.MaxUs && m.MaxTimeUs >= w.MinUs
}

// Picked is a segment that a query must read, and those lines of it.
type Picked struct {
	Segment *segmenter.Segment
	Parts   []segmenter.PartMeasure
}

// Pick returns the ready segments that may have events in w, in the order given, each with the lines that may (S14).
// The Picked share memory with segments.
func Pick(segments []segmenter.Segment, w Window) []Picked {
	var out []Picked
	for i := range segments {
		s := &segments[i]
		whole := segmenter.Measure{Events: s.Events, MinTimeUs: s.MinTimeUs, MaxTimeUs: s.MaxTimeUs}
		if s.State != segmenter.SegmentReady || !w.Holds(whole) {
			continue
		}
		p := Picked{Segment: s}
		for _, part := range s.Parts {
			if w.Holds(part.Measure) {
				p.Parts = append(p.Parts, part)
			}
		}
		if len(p.Parts) > 0 {
			out = append(out, p)
		}
	}
	return out
}
